//! What a post says: the words are those of [`raincell_words`], put together from the facts of an event.
//!
//! The text of an event holds absolute times only, so that it stays true however late it is read; a post that is sent
//! in time gets the minutes until the start put in by [`with_countdown`].

use jiff::Timestamp;
use raincell_api_types::alerts::{RainEvent, RainEventKind};
use raincell_words::{Limit, event_text};

/// The name of a kind of event in keys, file names and metrics.
pub fn kind_name(kind: RainEventKind) -> &'static str {
    match kind {
        RainEventKind::Coming => "coming",
        RainEventKind::Begun => "begun",
        RainEventKind::Intensifying => "intensifying",
        RainEventKind::Ending => "ending",
        RainEventKind::Ended => "ended",
        RainEventKind::FalseAlarm => "false-alarm",
        RainEventKind::HeavyRain => "heavy-rain",
        RainEventKind::HeavyRainOver => "heavy-rain-over",
        RainEventKind::Outlook => "outlook",
        RainEventKind::Digest => "digest",
        RainEventKind::Score => "score",
    }
}

/// The text of an event with the minutes until the start, where that is still ahead of `now`; as long as X takes.
pub fn with_countdown(event: &RainEvent, now: Timestamp) -> String {
    event_text(event, Some(now), Limit::X)
}
