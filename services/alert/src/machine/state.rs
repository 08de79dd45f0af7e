//! What is remembered of a place, and what is told of it.

use jiff::{SignedDuration as Span, Timestamp};
use raincell_api_types::alerts::RainEventKind;
use serde::{Deserialize, Serialize};

/// All that is remembered of one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceState {
    /// Where the place stands.
    pub phase: Phase,
    /// Valid time of the newest observation that was not unknown.
    pub observed_at: Option<Timestamp>,
    /// Issue time of the newest nowcast that was taken into account.
    pub issued_at: Option<Timestamp>,
    /// First news of the event that is open, or of the all-clear that may be revoked.
    #[serde(default)]
    pub thread: Option<First>,
    /// True when the event that is open was not told of.
    #[serde(default)]
    pub muted: bool,
}

impl PlaceState {
    /// Time since the last known observation.
    pub(super) fn gap(&self, time: Timestamp) -> Span {
        self.observed_at.map_or(Span::ZERO, |seen| time.duration_since(seen))
    }

    /// What is told of the news that a step from the phase `before` has made, and in which thread.
    pub(super) fn tell(&mut self, before: &Phase, news: Option<News>, quiet: bool) -> Option<News> {
        use RainEventKind::{Begun, Coming};
        let news = news.and_then(|mut news| {
            let opens = news.kind == Coming || (news.kind == Begun && !matches!(before, Phase::Coming { .. }));
            if quiet {
                self.muted |= opens;
                return None;
            }
            if self.muted && !opens && news.kind != Begun {
                // Nothing was said of this event yet: rain that falls is news, its end or absence is not.
                return None;
            }
            let revoked = matches!(before, Phase::Ended { false_alarm: true, .. });
            let follows = (!opens && !self.muted) || (opens && revoked);
            news.follows = self.thread.filter(|_| follows);
            self.thread = news.follows.or(Some(First { time: news.time, kind: news.kind }));
            self.muted = false;
            Some(news)
        });
        let closed = matches!(self.phase, Phase::Quiet { .. } | Phase::Ended { false_alarm: false, .. });
        if closed {
            (self.thread, self.muted) = (None, false);
        }
        news
    }
}

/// What the first news of an event is known by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct First {
    /// When it was known.
    pub time: Timestamp,
    /// What it was.
    pub kind: RainEventKind,
}

/// Where a place stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing is announced.
    Quiet {
        /// Rain that the last nowcasts expect.
        candidate: Option<Candidate>,
    },
    /// Rain was announced.
    Coming {
        /// Start that was announced.
        announced: Timestamp,
        /// Nowcasts in a row that no longer see it.
        dropped: u32,
        /// Strongest rate that was announced, mm/h.
        #[serde(default = "all_told")]
        peak_mm_h: f32,
    },
    /// It rains, and that was said.
    Raining {
        /// First observation of it.
        since: Timestamp,
        /// Strongest rate seen, mm/h.
        peak_mm_h: f32,
        /// First of the dry observations in a row.
        dry_since: Option<Timestamp>,
        /// Strongest rate that was told of, mm/h; states of older versions count as all told.
        #[serde(default = "all_told")]
        told_mm_h: f32,
        /// End that was told of.
        #[serde(default)]
        told_until: Option<Timestamp>,
        /// End that the last nowcasts expect.
        #[serde(default)]
        ending: Option<Candidate>,
        /// True once a near end was told: one that is put off again and again is no news.
        #[serde(default)]
        end_told: bool,
    },
    /// The end or an all-clear was said; a pause before the next warning.
    Ended {
        /// When.
        at: Timestamp,
        /// True when the last word was that no rain came: rain after that is news at once.
        false_alarm: bool,
        /// First observation of rain that came back in the pause.
        wet_since: Option<Timestamp>,
    },
}

fn all_told() -> f32 {
    f32::MAX
}

impl Default for Phase {
    fn default() -> Self {
        Self::Quiet { candidate: None }
    }
}

/// What nowcasts expect, before enough of them agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Start (or end) that the last nowcast expects.
    pub start: Timestamp,
    /// Nowcasts in a row that agree.
    pub agreeing: u32,
}

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct News {
    /// What happened.
    pub kind: RainEventKind,
    /// Valid time of the data that it is known from.
    pub time: Timestamp,
    /// When the rain starts, started, ended, or should have started.
    pub about: Timestamp,
    /// Coming: strongest rate expected; begun, intensifying, ending: rate now; ended: strongest rate seen; false alarm:
    /// 0. mm/h.
    pub rate_mm_h: f32,
    /// When the rain is expected to end, where the outlook sees the end.
    pub until: Option<Timestamp>,
    /// Coming: from when to when the start is likely, where that is more than one time. Begun: the last look before it and
    /// the start; `None` where nobody knows when it began.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Coming: probability of the rain, 0–1, where the nowcast gives one.
    pub probability: Option<f32>,
    /// First news of the same event; `None` for that one itself.
    pub follows: Option<First>,
}
