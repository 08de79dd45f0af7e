//! The life of rain at one place, as a pure function: (state, observation, outlook, time) → (state, news).
//!
//! ```text
//!            nowcasts agree            it rains
//!   Quiet ───────────────────▶ Coming ─────────▶ Raining  (intensifying, ending)
//!     ▲ │                        │                  │
//!     │ └──── it rains ──────────┼──────────────────┤
//!     │                          │ did not come     │ dry for ten minutes
//!     └──────── re-arm time ── Ended ◀──────────────┘
//! ```
//!
//! While it rains there is news only of what was not said before: that it is stronger than announced, or that it ends at
//! another time than announced. In quiet hours the life goes on and nothing is told; what belongs to an event that was
//! never told stays untold, except rain that still falls when the quiet hours are over.
//!
//! Rain begins at the threshold and ends below half of it. What was not observed is neither dry nor rain: it changes
//! nothing. The same input again changes nothing and makes no news. After a gap in the observations that is so long
//! that nobody knows what happened meanwhile, a warning or a rain is closed without news rather than with a guess.
//!
//! Time is the valid time of the data; the clock only says how far ahead to warn and which data are too old for news.

mod rules;
mod state;

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::RainEventKind;
use raincell_words::PlaceOutlook;

pub use rules::{QuietHours, Rules};
pub use state::{Candidate, First, News, Phase, PlaceState};

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
/// Rain that ends within this time is ending …
const ENDS_SOON: Span = Span::from_mins(20);
/// … which is news after it has lasted so long …
const WORTH_AN_ENDING: Span = Span::from_mins(30);
/// … unless the end is as announced, give or take this.
const AS_ANNOUNCED: Span = Span::from_mins(15);
/// Rain that returns within this time was not over.
const STAYS_DRY: Span = Span::from_mins(30);
/// Stronger than said is news when it reaches another of these, mm/h (the lower bounds of heavy and of violent rain), …
const STRONG_MM_H: [f32; 2] = [10.0, 50.0];
/// … and is stronger by this factor.
const MUCH_STRONGER: f32 = 1.5;
/// The likely start lies between the times when the probability of rain passes these.
const LIKELY_START: [f32; 2] = [0.25, 0.75];

/// Rain at the place at one time, observed or expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaceRain {
    /// Valid time.
    pub time: Timestamp,
    /// mm/h; `None` where unknown.
    pub rate_mm_h: Option<f32>,
    /// Probability of rain, 0–1; `None` where it was observed or the nowcast gives none.
    pub probability: Option<f32>,
}

/// What one nowcast expects at the place.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Valid time of the newest frame that it knew.
    pub issued: Timestamp,
    /// In ascending order of time.
    pub steps: Vec<PlaceRain>,
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
    let quiet = rules.quiet.as_ref().is_some_and(|quiet| quiet.contain(now));
    let (time, gap, untold) = (observation.time, state.gap(observation.time), state.muted && !quiet);
    let input = Input { rules, rate_mm_h, time, gap, outlook, now, untold };
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
    let mut next = PlaceState { phase, observed_at: Some(observation.time), issued_at, ..state.clone() };
    let news = next.tell(&state.phase, news, quiet);
    (next, news)
}

/// What the next two hours bring, by what was observed last and what the nowcast expects.
pub fn next_hours(rules: &Rules, observation: PlaceRain, outlook: Option<&Outlook>, now: Timestamp) -> PlaceOutlook {
    let time = observation.time;
    let fresh = now.duration_since(time) <= rules.stale_after;
    let Some(rate_mm_h) = observation.rate_mm_h.filter(|_| fresh) else { return PlaceOutlook::Unknown };
    let outlook = outlook.filter(|o| time.duration_since(o.issued) <= OLD_OUTLOOK);
    let rules = &Rules { horizon: Span::from_hours(2), ..rules.clone() };
    let input = Input { rules, rate_mm_h, time, gap: Span::ZERO, outlook, now, untold: false };
    let end = |from| outlook.and_then(|outlook| input.expected_end(outlook, from));
    if input.is_wet() {
        return PlaceOutlook::Now { rate_mm_h, until: end(time) };
    }
    match outlook.map(|outlook| (input.expected_start(outlook), outlook)) {
        Some((Expected::At(start), outlook)) => {
            let until = end(start);
            PlaceOutlook::From { start, rate_mm_h: strongest(outlook, start, until), until }
        }
        Some((Expected::Nothing, _)) => PlaceOutlook::Dry,
        Some((Expected::Unknown, _)) | None => PlaceOutlook::Unknown,
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
    /// The quiet hours are over, and what happens was not told yet.
    untold: bool,
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
            Phase::Quiet { .. } if self.is_wet() => self.begin(self.time, 0.0),
            Phase::Coming { peak_mm_h, .. } if self.is_wet() => self.begin(self.time, peak_mm_h),
            Phase::Quiet { .. } => (phase, None),
            Phase::Coming { announced, .. } if self.gap > BLIND && self.time > announced => (Phase::default(), None),
            Phase::Coming { announced, dropped, peak_mm_h } => self.doubt(announced, dropped, peak_mm_h),
            Phase::Raining { .. } if self.is_dry() => self.pause_or_end(phase),
            Phase::Raining { .. } => self.rain_on(phase),
            Phase::Ended { at, false_alarm, wet_since } => self.rest(at, false_alarm, wet_since),
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
                    self.warn(start, candidate, outlook)
                } else {
                    (Phase::Quiet { candidate: Some(Candidate { start, agreeing }) }, None)
                }
            }
            (Phase::Quiet { .. }, Expected::Nothing) => (Phase::default(), None),
            (Phase::Coming { announced, peak_mm_h, .. }, Expected::At(_)) => {
                (Phase::Coming { announced, dropped: 0, peak_mm_h }, None)
            }
            (Phase::Coming { announced, dropped, peak_mm_h }, Expected::Nothing) => {
                self.doubt(announced, dropped + 1, peak_mm_h)
            }
            (phase @ Phase::Raining { .. }, _) if self.is_wet() => self.see_the_end(phase, outlook),
            (phase, _) => (phase, None),
        }
    }

    fn news(&self, kind: RainEventKind, about: Timestamp, rate_mm_h: f32) -> News {
        News { kind, time: self.time, about, rate_mm_h, until: None, window: None, probability: None, follows: None }
    }

    fn warn(&self, start: Timestamp, before: Option<Candidate>, outlook: &Outlook) -> (Phase, Option<News>) {
        let until = self.expected_end(outlook, start);
        let rainy = outlook.steps.iter().filter(|s| s.time >= start && until.is_none_or(|until| s.time < until));
        let peak_mm_h = strongest(outlook, start, until);
        let probability = rainy.filter_map(|s| s.probability).reduce(f32::max);
        let window = self.start_window(start, before, outlook);
        let news = News { until, window, probability, ..self.news(RainEventKind::Coming, start, peak_mm_h) };
        (Phase::Coming { announced: start, dropped: 0, peak_mm_h }, Some(news))
    }

    /// From when to when the start is likely: by the probabilities, or else by what two nowcasts said.
    fn start_window(
        &self,
        start: Timestamp,
        before: Option<Candidate>,
        outlook: &Outlook,
    ) -> Option<(Timestamp, Timestamp)> {
        let passes = |least: f32| {
            let ahead = outlook.steps.iter().filter(|s| s.time > self.time);
            ahead.filter(|s| s.probability.is_some_and(|p| p >= least)).map(|s| s.time).next()
        };
        let by_probability = passes(LIKELY_START[0]).zip(passes(LIKELY_START[1]));
        let by_nowcasts = before.filter(|before| before.start > self.time).map(|before| (before.start, before.start));
        let (earliest, latest) = by_probability.or(by_nowcasts)?;
        Some((earliest.min(start), latest.max(start))).filter(|(earliest, latest)| earliest < latest)
    }

    /// Rain is there; of up to `told_mm_h` was spoken before.
    fn begin(&self, since: Timestamp, told_mm_h: f32) -> (Phase, Option<News>) {
        let until = self.outlook.and_then(|outlook| self.expected_end(outlook, self.time));
        let rate_mm_h = self.rate_mm_h;
        // It began after the last look, where that was not long ago.
        let last_look = (self.gap > Span::ZERO && self.gap <= BLIND).then(|| since.saturating_sub(self.gap));
        let window = last_look.and_then(Result::ok).map(|last_look| (last_look, since));
        let news = News { until, window, ..self.news(RainEventKind::Begun, since, rate_mm_h) };
        let phase = Phase::Raining {
            since,
            peak_mm_h: rate_mm_h,
            dry_since: None,
            told_mm_h: rate_mm_h.max(told_mm_h),
            told_until: until,
            ending: None,
            end_told: false,
        };
        (phase, Some(news))
    }

    /// Announced rain is not here yet: is it still to be expected?
    fn doubt(&self, announced: Timestamp, dropped: u32, peak_mm_h: f32) -> (Phase, Option<News>) {
        let enough = self.rules.agreeing_nowcasts.max(2);
        let overdue = self.time >= announced.saturating_add(self.rules.horizon).unwrap_or(Timestamp::MAX);
        let gone = dropped > enough || (dropped >= enough && self.time >= announced);
        if !self.is_dry() || !(overdue || gone) {
            return (Phase::Coming { announced, dropped, peak_mm_h }, None);
        }
        let news = self.news(RainEventKind::FalseAlarm, announced, 0.0);
        (Phase::Ended { at: self.time, false_alarm: true, wet_since: None }, Some(news))
    }

    /// It goes on raining: stronger than was said?
    fn rain_on(&self, mut phase: Phase) -> (Phase, Option<News>) {
        let Phase::Raining { since, peak_mm_h, dry_since, told_mm_h, told_until, .. } = &mut phase else {
            return (phase, None);
        };
        *peak_mm_h = peak_mm_h.max(self.rate_mm_h);
        *dry_since = None;
        let stronger = self.rate_mm_h >= *told_mm_h * MUCH_STRONGER
            && STRONG_MM_H.iter().any(|bound| *told_mm_h < *bound && self.rate_mm_h >= *bound);
        let (kind, about) = match (self.untold && self.is_wet(), stronger) {
            (true, _) => (RainEventKind::Begun, *since),
            (false, true) => (RainEventKind::Intensifying, self.time),
            (false, false) => return (phase, None),
        };
        let until = self.outlook.and_then(|outlook| self.expected_end(outlook, self.time));
        (*told_mm_h, *told_until) = (self.rate_mm_h.max(*told_mm_h), until.or(*told_until));
        let news = News { until, ..self.news(kind, about, self.rate_mm_h) };
        (phase, Some(news))
    }

    /// It rained at the last look and is dry now.
    fn pause_or_end(&self, mut phase: Phase) -> (Phase, Option<News>) {
        let Phase::Raining { peak_mm_h, dry_since, .. } = &mut phase else { return (phase, None) };
        if self.gap > LOST {
            return (Phase::default(), None);
        }
        let since = dry_since.filter(|_| self.gap <= BLIND).unwrap_or(self.time);
        let dry = self.time.duration_since(since);
        if dry < DRY_FOR_END || (dry < LONGEST_PAUSE && self.returns_soon()) {
            *dry_since = Some(since);
            return (phase, None);
        }
        let news = self.news(RainEventKind::Ended, since, *peak_mm_h);
        (Phase::Ended { at: self.time, false_alarm: false, wet_since: None }, Some(news))
    }

    /// It rains: does a nowcast see an end that was not told, and for the second time?
    fn see_the_end(&self, mut phase: Phase, outlook: &Outlook) -> (Phase, Option<News>) {
        let Phase::Raining { since, told_mm_h, told_until, ending, end_told, .. } = &mut phase else {
            return (phase, None);
        };
        let soon = |end: &Timestamp| end.duration_since(self.time) <= ENDS_SOON;
        let Some(end) = self.expected_end(outlook, self.time).filter(soon) else {
            *ending = None;
            return (phase, None);
        };
        let agreeing = ending.map_or(0, |last| last.agreeing) + 1;
        let told = told_until.is_some_and(|told| told.duration_since(end).abs() <= AS_ANNOUNCED);
        let long_enough = self.time.duration_since(*since) >= WORTH_AN_ENDING && *told_mm_h < f32::MAX;
        if told || *end_told || !long_enough || agreeing < self.rules.agreeing_nowcasts {
            *ending = Some(Candidate { start: end, agreeing });
            return (phase, None);
        }
        (*told_until, *ending, *end_told) = (Some(end), None, true);
        let news = News { until: Some(end), ..self.news(RainEventKind::Ending, end, self.rate_mm_h) };
        (phase, Some(news))
    }

    /// The pause after an end or an all-clear.
    fn rest(&self, at: Timestamp, false_alarm: bool, wet_since: Option<Timestamp>) -> (Phase, Option<News>) {
        let over = self.time.duration_since(at) >= self.rules.re_arm;
        let wet_since = self.is_wet().then(|| wet_since.filter(|_| self.gap <= BLIND).unwrap_or(self.time));
        match wet_since {
            Some(since) if over || false_alarm => self.begin(since, 0.0),
            None if over => (Phase::default(), None),
            _ => (Phase::Ended { at, false_alarm, wet_since }, None),
        }
    }

    fn returns_soon(&self) -> bool {
        let soon = self.time.saturating_add(RETURNS_SOON).unwrap_or(Timestamp::MAX);
        let mut ahead = self.outlook.iter().flat_map(|o| &o.steps).filter(|s| s.time > self.time && s.time <= soon);
        ahead.any(|s| self.rules.expect_rain(s))
    }

    /// The first step with rain between the observation and the horizon.
    fn expected_start(&self, outlook: &Outlook) -> Expected {
        let last = self.now.saturating_add(self.rules.horizon).unwrap_or(Timestamp::MAX);
        let ahead = || outlook.steps.iter().filter(|s| s.time > self.time && s.time <= last);
        let start = ahead().find(|s| self.rules.expect_rain(s));
        if let Some(start) = start {
            return Expected::At(start.time);
        }
        let unknown = ahead().filter(|s| s.rate_mm_h.is_none()).count();
        if ahead().count() > 2 * unknown { Expected::Nothing } else { Expected::Unknown }
    }

    /// When rain that is there at `from` ends: the first step of a dry pair after which none returns soon, if all before
    /// it is known.
    fn expected_end(&self, outlook: &Outlook, from: Timestamp) -> Option<Timestamp> {
        let dry = |step: &PlaceRain| step.rate_mm_h.map(|rate| rate < self.rules.threshold_mm_h / 2.0);
        let mut ahead = outlook.steps.iter().filter(|s| s.time > from).peekable();
        while let Some(step) = ahead.next() {
            if dry(step)? && dry(ahead.peek()?)? && stays_dry(self.rules, outlook, step.time) {
                return Some(step.time);
            }
        }
        None
    }
}

/// The strongest rate from a start to an end, mm/h.
fn strongest(outlook: &Outlook, start: Timestamp, until: Option<Timestamp>) -> f32 {
    let rainy = outlook.steps.iter().filter(|s| s.time >= start && until.is_none_or(|until| s.time < until));
    rainy.filter_map(|s| s.rate_mm_h).fold(0.0, f32::max)
}

/// True when no rain is expected for some time after an end.
fn stays_dry(rules: &Rules, outlook: &Outlook, end: Timestamp) -> bool {
    let last = end.saturating_add(STAYS_DRY).unwrap_or(Timestamp::MAX);
    !outlook.steps.iter().any(|s| s.time >= end && s.time <= last && rules.expect_rain(s))
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
