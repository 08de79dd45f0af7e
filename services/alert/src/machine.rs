//! The life of rain at one place, as a pure function: (state, observation, outlook, time) → (state, news).
//!
//! ```text
//!            nowcasts agree            it rains
//!   Quiet ───────────────────▶ Coming ─────────▶ Raining
//!     ▲ │                        │                  │
//!     │ └──── it rains ──────────┼──────────────────┤
//!     │                          │ did not come     │ dry for ten minutes
//!     └──────── re-arm time ── Ended ◀──────────────┘
//! ```
//!
//! Rain begins at the threshold and ends below half of it. What was not observed is neither dry nor rain: it changes
//! nothing. The same input again changes nothing and makes no news. After a gap in the observations that is so long
//! that nobody knows what happened meanwhile, a warning or a rain is closed without news rather than with a guess.
//!
//! Time is the valid time of the data; the clock only says how far ahead to warn and which data are too old for news.

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::RainEventKind;
use serde::{Deserialize, Serialize};

use SignedDuration as Span;

/// Rain has ended when it was dry for so long.
const DRY_FOR_END: Span = Span::from_mins(10);
/// The end is held back while the outlook sees the rain return within this time …
const RETURNS_SOON: Span = Span::from_mins(20);
/// … but no longer than this.
const LONGEST_PAUSE: Span = Span::from_mins(30);
/// Two nowcasts agree when the starts that they expect differ by no more.
const SAME_START: Span = Span::from_mins(15);
/// After a longer gap in the observations nobody knows whether warned rain came.
const BLIND: Span = Span::from_mins(20);
/// After a longer gap nobody knows when a rain ended.
const LOST: Span = Span::from_mins(60);
/// An outlook that is older than the observation by more than this is not used.
const OLD_OUTLOOK: Span = Span::from_mins(20);

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
}

/// Rain at the place at one time, observed or expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaceRain {
    /// Valid time.
    pub time: Timestamp,
    /// mm/h; `None` where unknown.
    pub rate_mm_h: Option<f32>,
}

/// What one nowcast expects at the place.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Valid time of the newest frame that it knew.
    pub issued: Timestamp,
    /// In ascending order of time.
    pub steps: Vec<PlaceRain>,
}

/// All that is remembered of one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceState {
    /// Where the place stands.
    pub phase: Phase,
    /// Valid time of the newest observation that was not unknown.
    pub observed_at: Option<Timestamp>,
    /// Issue time of the newest nowcast that was taken into account.
    pub issued_at: Option<Timestamp>,
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
    },
    /// It rains, and that was said.
    Raining {
        /// First observation of it.
        since: Timestamp,
        /// Strongest rate seen, mm/h.
        peak_mm_h: f32,
        /// First of the dry observations in a row.
        dry_since: Option<Timestamp>,
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

impl Default for Phase {
    fn default() -> Self {
        Self::Quiet { candidate: None }
    }
}

/// Rain that nowcasts expect, before enough of them agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Start that the last nowcast expects.
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
    /// Coming: strongest rate expected; begun: rate now; ended: strongest rate seen; false alarm: 0. mm/h.
    pub rate_mm_h: f32,
    /// When the rain is expected to end, where the outlook sees the end.
    pub until: Option<Timestamp>,
}

/// One step of the machine.
pub fn step(
    state: &PlaceState,
    rules: &Rules,
    observation: PlaceRain,
    outlook: Option<&Outlook>,
    now: Timestamp,
) -> (PlaceState, Option<News>) {
    let unchanged = (state.clone(), None);
    let Some(rate_mm_h) = observation.rate_mm_h else { return unchanged };
    let outlook = outlook.filter(|o| observation.time.duration_since(o.issued) <= OLD_OUTLOOK);
    let input = Input { rules, rate_mm_h, time: observation.time, gap: state.gap(observation.time), outlook, now };
    let newer_outlook = outlook.filter(|o| state.issued_at.is_none_or(|seen| o.issued > seen));
    let newer_observation = state.observed_at.is_none_or(|seen| observation.time > seen);
    let older_observation = state.observed_at.is_some_and(|seen| observation.time < seen);
    let stale = now.duration_since(observation.time) > rules.stale_after;
    if stale || older_observation || !(newer_observation || newer_outlook.is_some()) {
        return unchanged;
    }
    let (mut phase, mut news) = (state.phase.clone(), None);
    if newer_observation {
        (phase, news) = input.observe(phase);
    }
    if news.is_none()
        && let Some(outlook) = newer_outlook
    {
        (phase, news) = input.look_ahead(phase, outlook);
    }
    let issued_at = newer_outlook.map(|o| o.issued).or(state.issued_at);
    (PlaceState { phase, observed_at: Some(observation.time), issued_at }, news)
}

impl PlaceState {
    /// Time since the last known observation.
    fn gap(&self, time: Timestamp) -> Span {
        self.observed_at.map_or(Span::ZERO, |seen| time.duration_since(seen))
    }
}

/// A known observation with what it is judged by.
struct Input<'a> {
    rules: &'a Rules,
    rate_mm_h: f32,
    time: Timestamp,
    gap: Span,
    outlook: Option<&'a Outlook>,
    now: Timestamp,
}

impl Input<'_> {
    fn is_wet(&self) -> bool {
        self.rate_mm_h >= self.rules.threshold_mm_h
    }

    fn is_dry(&self) -> bool {
        self.rate_mm_h < self.rules.threshold_mm_h / 2.0
    }

    /// What a new observation changes.
    fn observe(&self, phase: Phase) -> (Phase, Option<News>) {
        match phase {
            Phase::Quiet { .. } | Phase::Coming { .. } if self.is_wet() => self.begin(self.time),
            Phase::Quiet { .. } => (phase, None),
            Phase::Coming { announced, .. } if self.gap > BLIND && self.time > announced => (Phase::default(), None),
            Phase::Coming { announced, dropped } => self.doubt(announced, dropped),
            Phase::Raining { since, peak_mm_h, dry_since } => self.rain_on(since, peak_mm_h, dry_since),
            Phase::Ended { at, false_alarm, wet_since } => self.pause(at, false_alarm, wet_since),
        }
    }

    /// What a new nowcast changes.
    fn look_ahead(&self, phase: Phase, outlook: &Outlook) -> (Phase, Option<News>) {
        let expected = self.expected_start(outlook);
        match (phase, expected) {
            (Phase::Quiet { candidate }, Expected::At(start)) if !self.is_wet() => {
                let agreeing = match candidate {
                    Some(last) if start.duration_since(last.start).abs() <= SAME_START => last.agreeing + 1,
                    _ => 1,
                };
                if agreeing >= self.rules.agreeing_nowcasts {
                    self.warn(start, outlook)
                } else {
                    (Phase::Quiet { candidate: Some(Candidate { start, agreeing }) }, None)
                }
            }
            (Phase::Quiet { .. }, Expected::Nothing) => (Phase::default(), None),
            (Phase::Coming { announced, .. }, Expected::At(_)) => (Phase::Coming { announced, dropped: 0 }, None),
            (Phase::Coming { announced, dropped }, Expected::Nothing) => self.doubt(announced, dropped + 1),
            (phase, _) => (phase, None),
        }
    }

    fn warn(&self, start: Timestamp, outlook: &Outlook) -> (Phase, Option<News>) {
        let until = self.expected_end(outlook, start);
        let rainy = outlook.steps.iter().filter(|s| s.time >= start && until.is_none_or(|until| s.time < until));
        let peak = rainy.filter_map(|s| s.rate_mm_h).fold(0.0, f32::max);
        let news = News { kind: RainEventKind::Coming, time: self.time, about: start, rate_mm_h: peak, until };
        (Phase::Coming { announced: start, dropped: 0 }, Some(news))
    }

    fn begin(&self, since: Timestamp) -> (Phase, Option<News>) {
        let until = self.outlook.and_then(|outlook| self.expected_end(outlook, self.time));
        let rate_mm_h = self.rate_mm_h;
        let news = News { kind: RainEventKind::Begun, time: self.time, about: since, rate_mm_h, until };
        (Phase::Raining { since, peak_mm_h: rate_mm_h, dry_since: None }, Some(news))
    }

    /// Announced rain is not here yet: is it still to be expected?
    fn doubt(&self, announced: Timestamp, dropped: u32) -> (Phase, Option<News>) {
        let enough = self.rules.agreeing_nowcasts.max(2);
        let overdue = self.time >= announced.saturating_add(self.rules.horizon).unwrap_or(Timestamp::MAX);
        let gone = dropped > enough || (dropped >= enough && self.time >= announced);
        if !self.is_dry() || !(overdue || gone) {
            return (Phase::Coming { announced, dropped }, None);
        }
        let kind = RainEventKind::FalseAlarm;
        let news = News { kind, time: self.time, about: announced, rate_mm_h: 0.0, until: None };
        (Phase::Ended { at: self.time, false_alarm: true, wet_since: None }, Some(news))
    }

    /// It rained at the last look.
    fn rain_on(&self, since: Timestamp, peak_mm_h: f32, dry_since: Option<Timestamp>) -> (Phase, Option<News>) {
        let peak_mm_h = peak_mm_h.max(self.rate_mm_h);
        if !self.is_dry() {
            return (Phase::Raining { since, peak_mm_h, dry_since: None }, None);
        }
        if self.gap > LOST {
            return (Phase::default(), None);
        }
        let dry_since = dry_since.filter(|_| self.gap <= BLIND).unwrap_or(self.time);
        let dry = self.time.duration_since(dry_since);
        if dry < DRY_FOR_END || (dry < LONGEST_PAUSE && self.returns_soon()) {
            return (Phase::Raining { since, peak_mm_h, dry_since: Some(dry_since) }, None);
        }
        let kind = RainEventKind::Ended;
        let news = News { kind, time: self.time, about: dry_since, rate_mm_h: peak_mm_h, until: None };
        (Phase::Ended { at: self.time, false_alarm: false, wet_since: None }, Some(news))
    }

    /// The pause after an end or an all-clear.
    fn pause(&self, at: Timestamp, false_alarm: bool, wet_since: Option<Timestamp>) -> (Phase, Option<News>) {
        let over = self.time.duration_since(at) >= self.rules.re_arm;
        let wet_since = self.is_wet().then(|| wet_since.filter(|_| self.gap <= BLIND).unwrap_or(self.time));
        match wet_since {
            Some(since) if over || false_alarm => self.begin(since),
            None if over => (Phase::default(), None),
            _ => (Phase::Ended { at, false_alarm, wet_since }, None),
        }
    }

    fn returns_soon(&self) -> bool {
        let soon = self.time.saturating_add(RETURNS_SOON).unwrap_or(Timestamp::MAX);
        let ahead = self.outlook.iter().flat_map(|o| &o.steps).filter(|s| s.time > self.time && s.time <= soon);
        ahead.filter_map(|s| s.rate_mm_h).any(|rate| rate >= self.rules.threshold_mm_h)
    }

    /// The first step with rain between the observation and the horizon.
    fn expected_start(&self, outlook: &Outlook) -> Expected {
        let last = self.now.saturating_add(self.rules.horizon).unwrap_or(Timestamp::MAX);
        let ahead = || outlook.steps.iter().filter(|s| s.time > self.time && s.time <= last);
        let start = ahead().find(|s| s.rate_mm_h.is_some_and(|rate| rate >= self.rules.threshold_mm_h));
        if let Some(start) = start {
            return Expected::At(start.time);
        }
        let unknown = ahead().filter(|s| s.rate_mm_h.is_none()).count();
        if ahead().count() > 2 * unknown { Expected::Nothing } else { Expected::Unknown }
    }

    /// When rain that is there at `from` ends: the first step of a dry pair, if all before it is known.
    fn expected_end(&self, outlook: &Outlook, from: Timestamp) -> Option<Timestamp> {
        let dry = |step: &PlaceRain| step.rate_mm_h.map(|rate| rate < self.rules.threshold_mm_h / 2.0);
        let mut ahead = outlook.steps.iter().filter(|s| s.time > from).peekable();
        while let Some(step) = ahead.next() {
            if dry(step)? && dry(ahead.peek()?)? {
                return Some(step.time);
            }
        }
        None
    }
}

/// What an outlook says of the time up to the horizon.
enum Expected {
    /// Rain from then on.
    At(Timestamp),
    /// No rain.
    Nothing,
    /// Too little is known.
    Unknown,
}

#[cfg(test)]
mod tests;
