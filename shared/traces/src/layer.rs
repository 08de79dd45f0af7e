//! Follows the spans that have a trace.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::{SpanId, TraceContext, TraceId};

/// Name of the header that carries a [`TraceContext`] from one service to another.
pub const TRACEPARENT: &str = "traceparent";

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSpan {
    /// Its trace.
    pub trace: TraceId,
    /// Its id.
    pub span: SpanId,
    /// What it is a part of; `None` for the first one of the trace.
    pub parent: Option<SpanId>,
    /// Crate that it comes from (`raincell_nowcast`), or what its field `service` says.
    pub service: String,
    /// Its name.
    pub name: &'static str,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Its other fields.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// Value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// Text, and what is none of the others.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// True or false.
    Truth(bool),
}

/// Where spans go that have ended. It must not wait.
type Sink = Box<dyn Fn(FinishedSpan) + Send + Sync>;

/// Follows the spans with a field `trace_id`.
#[derive(Default)]
pub struct TraceLayer {
    sink: Option<Sink>,
}

/// What is known of a span while it lasts.
struct Known {
    trace: Option<TraceId>,
    span: SpanId,
    parent: Option<SpanId>,
    first: bool,
    service: Option<String>,
    attributes: Vec<(&'static str, Attribute)>,
    began: (SystemTime, Instant),
}

impl TraceLayer {
    /// Gives each span that ends to `sink`, which must not wait. (The default layer gives them to nobody; [`current`]
    /// works all the same.)
    pub fn with_sink(sink: impl Fn(FinishedSpan) + Send + Sync + 'static) -> Self {
        Self { sink: Some(Box::new(sink)) }
    }
}

/// True for spans that have a trace: what a filter of the layer lets through. All of Raincell's are of the level INFO.
pub fn traced(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field("trace_id").is_some()
}

/// The innermost span around the caller whose trace is known.
pub fn current() -> Option<TraceContext> {
    let found = Span::current().with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        registry.span(id)?.scope().find_map(|span| span.extensions().get::<Known>()?.context())
    });
    found.flatten()
}

impl Known {
    fn new() -> Self {
        Self {
            trace: None,
            span: new_span_id(),
            parent: None,
            first: false,
            service: None,
            attributes: Vec::new(),
            began: (SystemTime::now(), Instant::now()),
        }
    }

    fn context(&self) -> Option<TraceContext> {
        Some(TraceContext { trace: self.trace?, span: self.span })
    }

    fn note(&mut self, field: &Field, value: Attribute) {
        match (field.name(), value) {
            ("trace_id", Attribute::Text(text)) => self.trace = TraceId::parse(&text),
            ("parent_id", Attribute::Text(text)) => self.parent = SpanId::parse(&text),
            ("service", Attribute::Text(text)) => self.service = Some(text),
            ("first", Attribute::Truth(first)) => self.first = first,
            (name, value) => self.attributes.push((name, value)),
        }
        if let Some(trace) = self.trace.filter(|_| self.first) {
            self.span = trace.first_span();
        }
    }
}

impl Visit for Known {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.note(field, Attribute::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, Attribute::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, Attribute::Whole(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, i64::try_from(value).map_or_else(|_| Attribute::Real(value as f64), Attribute::Whole));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.note(field, Attribute::Real(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, Attribute::Truth(value));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|_| traced(attributes.metadata())) else { return };
        let mut known = Known::new();
        attributes.record(&mut known);
        span.extensions_mut().insert(known);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(known) = span.extensions_mut().get_mut::<Known>() {
            values.record(known);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let (Some(sink), Some(span)) = (&self.sink, context.span(&id)) else { return };
        let Some(known) = span.extensions_mut().remove::<Known>() else { return };
        let Some(trace) = known.trace else { return };
        // The span around it, where that is of the same trace.
        let around = span.scope().skip(1).find_map(|outer| outer.extensions().get::<Known>()?.context());
        let around = around.filter(|outer| outer.trace == trace).map(|outer| outer.span);
        let parent = known.parent.or(around).or(Some(trace.first_span())).filter(|_| !known.first);
        let crate_name = || span.metadata().target().split("::").next().unwrap_or_default().to_owned();
        sink(FinishedSpan {
            trace,
            span: known.span,
            parent,
            service: known.service.unwrap_or_else(crate_name),
            name: span.name(),
            began: known.began.0,
            took: known.began.1.elapsed(),
            attributes: known.attributes,
        });
    }
}

/// Different in each process and for each span.
fn new_span_id() -> SpanId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEYS: std::sync::OnceLock<RandomState> = std::sync::OnceLock::new();
    SpanId::new(KEYS.get_or_init(RandomState::new).hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use tracing::field::Empty;
    use tracing::{Level, info_span};
    use tracing_subscriber::filter::{LevelFilter, filter_fn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223";

    fn spans_of(work: impl FnOnce()) -> Vec<FinishedSpan> {
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        let layer = TraceLayer::with_sink(move |span| kept.lock().unwrap().push(span));
        // A log that shows errors only must not hide spans.
        let log = tracing_subscriber::fmt::layer().with_filter(LevelFilter::ERROR);
        let subscriber = tracing_subscriber::registry().with(log).with(layer.with_filter(filter_fn(traced)));
        tracing::subscriber::with_default(subscriber, work);
        std::mem::take(&mut *spans.lock().unwrap())
    }

    #[test]
    fn the_span_that_makes_the_frame_is_the_first_and_others_hang_below_it() {
        let spans = spans_of(|| {
            let making = info_span!("prepare", trace_id = Empty, first = true, source = "klot");
            making.in_scope(|| {
                assert_eq!(current(), None);
                Span::current().record("trace_id", HASH);
                assert_eq!(current().unwrap().to_string(), format!("00-{HASH}-ba7816bf8f01cfea-01"));
            });
            drop(making);
            info_span!("nowcast", trace_id = HASH, steps = 24).in_scope(|| {
                tracing::span!(Level::DEBUG, "within").in_scope(|| assert!(current().is_some()));
            });
            info_span!("without a frame", trace_id = "").in_scope(|| assert_eq!(current(), None));
        });
        let first = spans[0].clone();
        assert_eq!((first.name, first.service.as_str(), first.parent), ("prepare", "raincell_traces", None));
        assert_eq!(first.attributes, [("source", Attribute::Text("klot".into()))]);
        assert_eq!((spans[1].name, spans[1].parent), ("nowcast", Some(first.span)));
        assert_eq!((spans[1].trace, spans.len()), (first.trace, 2));
        assert_ne!(spans[1].span, first.span);
    }

    #[test]
    fn a_span_is_part_of_the_one_that_asked_for_it() {
        let spans = spans_of(|| {
            let _outer = info_span!("nowcast", trace_id = HASH).entered();
            drop(info_span!("within", trace_id = HASH).entered());
            let asked = info_span!("request", trace_id = HASH, parent_id = "00f067aa0ba902b7", service = "store");
            drop(asked.entered());
            drop(info_span!("of another frame", trace_id = "00000000000000010000000000000002").entered());
        });
        let names: Vec<&str> = spans.iter().map(|span| span.name).collect();
        assert_eq!(names, ["within", "request", "of another frame", "nowcast"]);
        assert_eq!(spans[0].parent, Some(spans[3].span));
        assert_eq!((spans[1].parent, spans[1].service.as_str()), (SpanId::parse("00f067aa0ba902b7"), "store"));
        assert_eq!(spans[2].parent, SpanId::parse("0000000000000001"));
    }
}
