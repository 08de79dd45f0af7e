//! What Raincell says of rain, in the languages it speaks.
//!
//! The words lie in `locales/*.ftl` (Project Fluent), a file a language, all with the same messages; a sentence is put
//! together here from a headline and what is known, least important first left out where a text must be short.
//!
//! What this crate does: [`Intensity`] names rain rates, [`event_text`], [`alt_text`] and [`still_alt_text`] speak of rain events,
//! [`outlook_text`], [`digest_text`] and [`score_text`] are the posts that a schedule asks for, [`Summary`] is the
//! sentence of a point forecast, [`weighted_length`] counts as X does.
//!
//! What it does not do: decide what is news, or when to tell it.

mod event;
mod intensity;
mod language;
mod length;
mod scheduled;
mod summary;

pub use event::{alt_text, event_text, still_alt_text};
pub use intensity::Intensity;
pub use language::Language;
pub use length::{LONGEST_POST, Limit, weighted_length};
pub use scheduled::{PlaceOutlook, digest_text, outlook_text, score_text};
pub use summary::{RainEnd, Summary, data_age};
