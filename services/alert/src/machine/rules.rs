//! What the machine of a place goes by.

use jiff::tz::TimeZone;
use jiff::{SignedDuration as Span, Timestamp, civil};

use super::PlaceRain;

/// What the machine of one place goes by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Rain begins at this rate and ends below half of it, mm/h.
    pub threshold_mm_h: f32,
    /// Warn of rain that starts within this time.
    pub horizon: Span,
    /// No new warning for this time after an end or an all-clear.
    pub re_arm: Span,
    /// Consecutive nowcasts that must agree.
    pub agreeing_nowcasts: u32,
    /// Observations older than this make no news.
    pub stale_after: Span,
    /// Rain is expected where the nowcast gives it at least this probability (0–1), if it gives any.
    pub min_probability: f32,
    /// When nothing is told.
    pub quiet: Option<QuietHours>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold_mm_h: 0.3,
            horizon: Span::from_mins(60),
            re_arm: Span::from_mins(30),
            agreeing_nowcasts: 2,
            stale_after: Span::from_mins(20),
            min_probability: 0.4,
            quiet: None,
        }
    }
}

impl Rules {
    /// True where a nowcast expects rain.
    pub(super) fn expect_rain(&self, step: &PlaceRain) -> bool {
        step.rate_mm_h.is_some_and(|rate| rate >= self.threshold_mm_h)
            && step.probability.is_none_or(|probability| probability >= self.min_probability)
    }
}

/// Hours of the day in which nothing is told.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietHours {
    /// Their first minute.
    pub from: civil::Time,
    /// The first minute after them; before `from` where they last over midnight.
    pub until: civil::Time,
    /// Whose hours.
    pub zone: TimeZone,
}

impl QuietHours {
    /// True in the quiet hours.
    pub fn contain(&self, time: Timestamp) -> bool {
        let time = time.to_zoned(self.zone.clone()).time();
        if self.from <= self.until {
            (self.from..self.until).contains(&time)
        } else {
            time >= self.from || time < self.until
        }
    }
}
