//! Which frame a piece of work is for.
//!
//! All that a frame causes, from the scan that it is made of to the posts that it leads to, is one trace. Its id is the
//! frame's content hash: 32 hex digits, which is what a W3C trace id is, and known to every service without being told.
//! So a span with a field `trace_id` says for which frame the work in it is done:
//!
//! ```
//! # let frame_hash = "ba7816bf8f01cfea414140de5dae2223";
//! let _work = tracing::info_span!("nowcast", trace_id = frame_hash, source = "klot").entered();
//! tracing::info!("this line of the log has the trace id");
//! ```
//!
//! - [`TraceLayer`] follows such spans, and gives them to an exporter when they end.
//! - [`current`] is what a request to another service carries on (`traceparent`, W3C Trace Context).
//!
//! A span may learn its trace late (a frame has no hash before it is encoded): declare the field as
//! `tracing::field::Empty` and record it. The span with `first = true` is the one that makes the frame: its span id is
//! the first half of the trace id, so that work which hears of the frame by way of the store still hangs below it.

mod context;
mod layer;

pub use context::{SpanId, TraceContext, TraceId};
pub use layer::{Attribute, FinishedSpan, TRACEPARENT, TraceLayer, current, traced};
