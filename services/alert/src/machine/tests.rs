use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(1_767_268_800 + minute * 60).unwrap()
}

fn outlook(issued: i64, rate_at: impl Fn(i64) -> Option<f32>) -> Outlook {
    let steps = (1..=24).map(|k| issued + 5 * k);
    Outlook {
        issued: minute(issued),
        steps: steps.map(|m| PlaceRain { time: minute(m), rate_mm_h: rate_at(m), probability: None }).collect(),
    }
}

fn thread(news: &News) -> Timestamp {
    news.follows.map_or(news.time, |first| first.time)
}

/// A place that is looked at every five minutes, with a nowcast each time.
struct Watch {
    rules: Rules,
    state: PlaceState,
    news: Vec<News>,
}

impl Watch {
    fn new() -> Self {
        Self { rules: Rules::default(), state: PlaceState::default(), news: Vec::new() }
    }

    fn look(&mut self, at: i64, rate_mm_h: Option<f32>, outlook: Option<&Outlook>) -> &Phase {
        let observation = PlaceRain { time: minute(at), rate_mm_h, probability: None };
        let (state, news) = step(&self.state, &self.rules, observation, outlook, minute(at + 1));
        let (again, nothing) = step(&state, &self.rules, observation, outlook, minute(at + 2));
        assert_eq!((&again, nothing), (&state, None), "the same input again changes something");
        self.state = state;
        self.news.extend(news);
        &self.state.phase
    }

    /// Looks from `from` to `to` with nowcasts that know `truth`.
    fn live(&mut self, from: i64, to: i64, truth: impl Fn(i64) -> Option<f32> + Copy) {
        for at in (from..=to).step_by(5) {
            self.look(at, truth(at), Some(&outlook(at, truth)));
        }
    }

    /// Time of the first news of the event that each news belongs to.
    fn threads(&self) -> Vec<Timestamp> {
        self.news.iter().map(thread).collect()
    }

    fn told(&self) -> Vec<(RainEventKind, i64)> {
        let minutes = |t: Timestamp| t.duration_since(minute(0)).as_secs() / 60;
        self.news.iter().map(|n| (n.kind, minutes(n.about))).collect()
    }
}

use RainEventKind::{
    Begun, Coming, Digest, Ended, Ending, FalseAlarm, HeavyRain, HeavyRainOver, Intensifying, Outlook as Scheduled,
    Score,
};

fn shower(from: i64, to: i64, rate: f32) -> impl Fn(i64) -> Option<f32> + Copy {
    move |m| Some(if (from..to).contains(&m) { rate } else { 0.0 })
}

#[test]
fn a_shower_is_coming_has_begun_and_has_ended() {
    let mut watch = Watch::new();
    watch.live(0, 200, shower(90, 125, 12.0));
    assert_eq!(watch.told(), [(Coming, 90), (Begun, 90), (Ended, 125)]);
    let coming = watch.news[0];
    assert_eq!((coming.rate_mm_h, coming.until), (12.0, Some(minute(125))));
    // Seen first 60 minutes ahead; the second nowcast agrees.
    assert_eq!(coming.time, minute(35));
    assert_eq!(watch.news[1].until, Some(minute(125)));
    assert_eq!((watch.news[2].time, watch.news[2].rate_mm_h), (minute(135), 12.0));
    assert_eq!(watch.state.phase, Phase::default());
}

#[test]
fn one_nowcast_alone_is_no_warning_unless_one_is_enough() {
    let mut watch = Watch::new();
    let rain = outlook(0, shower(30, 60, 3.0));
    assert!(matches!(watch.look(0, Some(0.0), Some(&rain)), Phase::Quiet { candidate: Some(_) }));
    watch.look(5, Some(0.0), Some(&outlook(5, |_| Some(0.0))));
    watch.look(10, Some(0.0), Some(&outlook(10, shower(30, 60, 3.0))));
    assert_eq!(watch.told(), []);
    // A start that moves by half an hour is another rain, not agreement.
    watch.look(15, Some(0.0), Some(&outlook(15, shower(60, 70, 3.0))));
    assert_eq!(watch.told(), []);

    let mut eager = Watch::new();
    eager.rules.agreeing_nowcasts = 1;
    eager.look(0, Some(0.0), Some(&rain));
    assert_eq!(eager.told(), [(Coming, 30)]);
}

#[test]
fn rain_without_a_warning_has_begun() {
    let mut watch = Watch::new();
    watch.look(0, Some(0.0), None);
    watch.look(5, Some(2.0), None);
    assert_eq!(watch.told(), [(Begun, 5)]);
    assert_eq!((watch.news[0].until, watch.news[0].window), (None, Some((minute(0), minute(5)))));
    let mut late = Watch::new();
    late.look(0, Some(2.0), None);
    assert_eq!(late.news[0].window, None, "nobody knows when it began");
}

#[test]
fn warned_rain_that_does_not_come_gets_an_all_clear() {
    let mut watch = Watch::new();
    watch.live(0, 5, shower(30, 60, 3.0));
    watch.live(10, 100, |_| Some(0.0));
    assert_eq!(watch.told(), [(Coming, 30), (FalseAlarm, 30)]);
    assert_eq!(watch.news[1].time, minute(20), "three nowcasts in a row have dropped it");
}

#[test]
fn a_start_that_is_put_off_for_ever_gets_an_all_clear_after_the_horizon() {
    let mut watch = Watch::new();
    watch.rules.re_arm = Span::from_mins(600);
    for at in (0..200).step_by(5) {
        watch.look(at, Some(0.0), Some(&outlook(at, shower(at + 30, at + 60, 3.0))));
    }
    assert_eq!(watch.told(), [(Coming, 35), (FalseAlarm, 35)]);
    assert_eq!(watch.news[1].time, minute(95));
}

#[test]
fn rain_after_an_all_clear_is_told_at_once_but_after_an_end_only_when_re_armed() {
    let mut watch = Watch::new();
    watch.live(0, 5, shower(30, 60, 3.0));
    watch.live(10, 20, |_| Some(0.0));
    watch.look(25, Some(4.0), None);
    assert_eq!(watch.told(), [(Coming, 30), (FalseAlarm, 30), (Begun, 25)]);
    watch.look(30, Some(0.0), None);
    watch.look(40, Some(0.0), None);
    watch.look(50, Some(4.0), None);
    watch.look(60, Some(4.0), None);
    assert_eq!(watch.told()[3..], [(Ended, 30)]);
    watch.look(70, Some(4.0), None);
    assert_eq!(watch.told()[4..], [(Begun, 50)]);
}

#[test]
fn a_short_pause_between_two_showers_is_not_an_end() {
    let truth = |m: i64| Some(if (30..50).contains(&m) || (65..80).contains(&m) { 4.0 } else { 0.0 });
    let mut watch = Watch::new();
    watch.live(0, 150, truth);
    assert_eq!(watch.told(), [(Coming, 30), (Begun, 30), (Ended, 80)]);
}

#[test]
fn a_rate_between_half_and_full_threshold_neither_begins_nor_ends_rain() {
    let mut watch = Watch::new();
    watch.look(0, Some(0.2), None);
    assert_eq!(watch.told(), []);
    watch.look(5, Some(0.4), None);
    for at in (10..100).step_by(5) {
        watch.look(at, Some(0.2), None);
    }
    assert_eq!(watch.told(), [(Begun, 5)]);
}

#[test]
fn unknown_changes_nothing_at_all() {
    let mut watch = Watch::new();
    watch.look(0, Some(3.0), None);
    let before = watch.state.clone();
    for at in (5..40).step_by(5) {
        watch.look(at, None, Some(&outlook(at, |_| None)));
    }
    assert_eq!(watch.state, before);
    watch.look(40, Some(0.0), None);
    assert_eq!(watch.told(), [(Begun, 0)], "one dry look after a gap is no end");
    watch.look(45, Some(0.0), None);
    watch.look(50, Some(0.0), None);
    assert_eq!(watch.told(), [(Begun, 0), (Ended, 40)]);
}

#[test]
fn an_outlook_that_knows_nothing_neither_warns_nor_clears() {
    let mut watch = Watch::new();
    watch.live(0, 5, shower(50, 60, 3.0));
    for at in (10..45).step_by(5) {
        watch.look(at, Some(0.0), Some(&outlook(at, |_| None)));
    }
    assert_eq!(watch.told(), [(Coming, 50)]);
}

#[test]
fn what_nobody_saw_is_closed_without_news() {
    let mut watch = Watch::new();
    watch.live(0, 5, shower(30, 60, 3.0));
    watch.look(50, Some(0.0), Some(&outlook(50, |_| Some(0.0))));
    assert_eq!(watch.told(), [(Coming, 30)], "it may have rained in the gap");
    assert_eq!(watch.state.phase, Phase::default());
    watch.look(55, Some(3.0), None);
    watch.look(600, Some(0.0), None);
    assert_eq!(watch.told(), [(Coming, 30), (Begun, 55)]);
    assert_eq!(watch.state.phase, Phase::default());
}

#[test]
fn stale_and_late_data_change_nothing() {
    let mut watch = Watch::new();
    watch.look(30, Some(0.0), None);
    let before = watch.state.clone();
    let late = PlaceRain { time: minute(20), rate_mm_h: Some(5.0), probability: None };
    assert_eq!(step(&watch.state, &watch.rules, late, None, minute(31)), (before.clone(), None));
    let stale = PlaceRain { time: minute(35), rate_mm_h: Some(5.0), probability: None };
    assert_eq!(step(&watch.state, &watch.rules, stale, None, minute(56)), (before, None));
}

#[test]
fn a_state_survives_json() {
    let mut watch = Watch::new();
    for (at, rate) in [(0, 0.0), (5, 0.0), (90, 5.0), (95, 0.0), (110, 0.0)] {
        watch.look(at, Some(rate), Some(&outlook(at, shower(40, 60, 3.0))));
        let json = serde_json::to_value(&watch.state).unwrap();
        assert_eq!(serde_json::from_value::<PlaceState>(json).unwrap(), watch.state);
    }
}

#[test]
fn states_of_the_first_version_are_read_and_told_to_their_end() {
    let raining = serde_json::json!({
        "phase": { "phase": "raining", "since": "2026-01-01T12:00:00Z", "peak_mm_h": 3.0, "dry_since": null },
        "observed_at": "2026-01-01T12:05:00Z", "issued_at": null
    });
    let state: PlaceState = serde_json::from_value(raining).unwrap();
    let mut watch = Watch { state, ..Watch::new() };
    for (at, rate) in [(10, 80.0), (15, 0.0), (20, 0.0), (25, 0.0)] {
        watch.look(at, Some(rate), None);
    }
    assert_eq!(watch.told(), [(Ended, 15)], "what was told of an old rain is not known, so that nothing is added");
    let coming = serde_json::json!({
        "phase": { "phase": "coming", "announced": "2026-01-01T12:30:00Z", "dropped": 0 },
        "observed_at": "2026-01-01T12:05:00Z", "issued_at": null
    });
    let mut watch = Watch { state: serde_json::from_value(coming).unwrap(), ..Watch::new() };
    watch.look(25, Some(60.0), None);
    assert_eq!(watch.told(), [(Begun, 25)]);
}

#[test]
fn rain_that_becomes_heavier_than_was_said_is_told_once_for_each_word() {
    let mut watch = Watch::new();
    for (at, rate) in
        [(0, 0.0), (5, 4.0), (10, 9.0), (15, 12.0), (20, 14.0), (25, 3.0), (30, 13.0), (35, 60.0), (40, 90.0)]
    {
        watch.look(at, Some(rate), None);
    }
    assert_eq!(watch.told(), [(Begun, 5), (Intensifying, 15), (Intensifying, 35)]);
    assert_eq!(watch.news[2].rate_mm_h, 60.0);
    let mut warned = Watch::new();
    warned.live(0, 90, |m| Some(if m >= 60 { if m >= 70 { 30.0 } else { 4.0 } } else { 0.0 }));
    assert_eq!(warned.told(), [(Coming, 60), (Begun, 60)], "the warning spoke of heavy rain already");
}

#[test]
fn an_end_that_was_not_told_is_told_once_when_two_nowcasts_see_it() {
    let mut watch = Watch::new();
    // At the beginning no end is in sight.
    watch.look(0, Some(0.0), None);
    let end = |m: i64| Some(if m < 75 { 3.0 } else { 0.0 });
    for at in (5..=70).step_by(5) {
        let seen = outlook(at, |m| if at < 40 { Some(3.0) } else { end(m) });
        watch.look(at, Some(3.0), Some(&seen));
    }
    assert_eq!(watch.told(), [(Begun, 5), (Ending, 75)]);
    assert_eq!(watch.news[1].time, minute(60), "the second nowcast that sees it within twenty minutes");
    for at in (75..=90).step_by(5) {
        watch.look(at, Some(0.0), Some(&outlook(at, |_| Some(0.0))));
    }
    assert_eq!(watch.told()[2..], [(Ended, 75)]);
    assert!(watch.threads().iter().all(|thread| *thread == minute(5)), "one thread");
}

#[test]
fn the_posts_of_an_event_share_a_thread_and_the_next_event_has_its_own() {
    let mut watch = Watch::new();
    let truth = |m: i64| Some(if (60..90).contains(&m) || (200..230).contains(&m) { 12.0 } else { 0.0 });
    watch.live(0, 300, truth);
    assert_eq!(watch.told(), [(Coming, 60), (Begun, 60), (Ended, 90), (Coming, 200), (Begun, 200), (Ended, 230)]);
    let threads = watch.threads();
    assert_eq!(threads[..3], [watch.news[0].time; 3]);
    assert_eq!(threads[3..], [watch.news[3].time; 3]);
    // Rain after an all-clear takes it back in the same thread.
    let mut revoked = Watch::new();
    revoked.live(0, 5, shower(30, 60, 3.0));
    revoked.live(10, 20, |_| Some(0.0));
    revoked.look(25, Some(4.0), None);
    assert_eq!(revoked.told(), [(Coming, 30), (FalseAlarm, 30), (Begun, 25)]);
    assert_eq!(revoked.threads(), [minute(5); 3]);
}

fn quiet(from: i64, until: i64) -> QuietHours {
    let time = |m| minute(m).to_zoned(TimeZone::UTC).time();
    QuietHours { from: time(from), until: time(until), zone: TimeZone::UTC }
}

#[test]
fn nothing_is_told_in_quiet_hours_nor_of_what_went_by_in_them() {
    let mut watch = Watch::new();
    watch.rules.quiet = Some(quiet(-30, 130));
    watch.live(0, 300, shower(60, 90, 12.0));
    assert_eq!(watch.told(), [], "begun and ended in quiet hours");
    watch.live(305, 500, shower(400, 430, 12.0));
    assert_eq!(watch.told(), [(Coming, 400), (Begun, 400), (Ended, 430)], "the next day's rain is news again");
}

#[test]
fn rain_that_still_falls_after_the_quiet_hours_is_told_then() {
    let mut watch = Watch::new();
    watch.rules.quiet = Some(quiet(0, 100));
    watch.live(0, 200, shower(60, 150, 12.0));
    assert_eq!(watch.told(), [(Begun, 60), (Ended, 150)]);
    assert_eq!(watch.news[0].time, minute(100));
    // The all-clear of a warning that nobody heard is not heard either; the end of one that was heard, once awake.
    let mut unheard = Watch::new();
    unheard.rules.quiet = Some(quiet(0, 10));
    unheard.live(0, 5, shower(30, 60, 3.0));
    unheard.live(10, 100, |_| Some(0.0));
    assert_eq!(unheard.told(), []);
    let mut heard = Watch::new();
    heard.rules.quiet = Some(quiet(50, 80));
    heard.live(0, 200, shower(60, 90, 12.0));
    assert_eq!(heard.told(), [(Coming, 60), (Ended, 90)]);
}

#[test]
fn rain_that_is_too_unlikely_is_no_reason_to_warn() {
    let mut watch = Watch::new();
    let likely = |issued: i64, probability: f32| {
        let mut outlook = outlook(issued, shower(40, 60, 3.0));
        outlook
            .steps
            .iter_mut()
            .for_each(|s| s.probability = s.rate_mm_h.map(|r| if r > 0.0 { probability } else { 0.1 }));
        outlook
    };
    for at in (0..15).step_by(5) {
        watch.look(at, Some(0.0), Some(&likely(at, 0.3)));
    }
    assert_eq!(watch.told(), []);
    watch.look(15, Some(0.0), Some(&likely(15, 0.7)));
    watch.look(20, Some(0.0), Some(&likely(20, 0.7)));
    assert_eq!(watch.told(), [(Coming, 40)]);
    assert_eq!(watch.news[0].probability, Some(0.7));
}

#[test]
fn the_window_of_the_start_is_that_of_the_probabilities_or_of_two_nowcasts() {
    let mut watch = Watch::new();
    watch.look(0, Some(0.0), Some(&outlook(0, shower(30, 60, 3.0))));
    watch.look(5, Some(0.0), Some(&outlook(5, shower(40, 60, 3.0))));
    assert_eq!(watch.news[0].window, Some((minute(30), minute(40))));
    let mut sure = Watch::new();
    for at in [0, 5] {
        let mut outlook = outlook(at, shower(40, 60, 3.0));
        for step in &mut outlook.steps {
            let minutes = step.time.duration_since(minute(0)).as_mins();
            step.probability = Some(((minutes - 25) as f32 / 20.0).clamp(0.0, 1.0));
        }
        sure.look(at, Some(0.0), Some(&outlook));
    }
    assert_eq!(sure.news[0].window, Some((minute(30), minute(40))));
}

/// A rate from a few that matter: unknown, dry, between the thresholds, light, heavy.
fn any_rate() -> impl Strategy<Value = Option<f32>> {
    prop_oneof![Just(None), Just(Some(0.0)), Just(Some(0.0)), Just(Some(0.2)), Just(Some(0.5)), Just(Some(20.0))]
}

/// Runs of the same rate, as rain has them, with nowcasts that may say anything.
fn any_life() -> impl Strategy<Value = Vec<(Option<f32>, Vec<Option<f32>>)>> {
    let look = (any_rate(), prop::collection::vec(any_rate(), 24), 1..6_usize);
    prop::collection::vec(look, 1..40).prop_map(|runs| {
        runs.into_iter().flat_map(|(rate, ahead, times)| std::iter::repeat_n((rate, ahead), times)).collect()
    })
}

/// Minutes that the clock is ahead of the data, or behind: mostly one.
fn any_clock() -> impl Strategy<Value = Vec<i64>> {
    let jump = prop_oneof![8 => Just(1), 1 => -90..90_i64, 1 => Just(100_000)];
    prop::collection::vec(jump, 200)
}

proptest! {
    #[test]
    fn whatever_the_clock_does_no_warning_comes_twice_and_news_stay_in_order(
        life in any_life(), clock in any_clock(), quiet_from in 0..600_i64
    ) {
        let rules = Rules { quiet: Some(quiet(quiet_from, quiet_from + 120)), ..Rules::default() };
        let (mut state, mut news) = (PlaceState::default(), Vec::<News>::new());
        let mut open = false;
        for (k, ((rate, ahead), ahead_by)) in life.iter().zip(clock.iter().cycle()).enumerate() {
            let at = k as i64 * 5;
            let now = minute(at + ahead_by);
            let seen = PlaceRain { time: minute(at), rate_mm_h: *rate, probability: None };
            let steps = outlook(at, |m| ahead[((m - at) / 5 - 1) as usize]);
            let (next, told) = step(&state, &rules, seen, Some(&steps), now);
            let closed_silently = matches!(next.phase, Phase::Quiet { .. });
            if let Some(told) = told {
                prop_assert!(!rules.quiet.as_ref().unwrap().contain(now), "told in quiet hours");
                prop_assert!(told.kind != Coming || !open, "a second warning of the same event");
                prop_assert!(news.last().is_none_or(|last| last.time < told.time));
                prop_assert!(thread(&told) <= told.time);
                let same = news.last().is_some_and(|last| thread(last) == thread(&told));
                prop_assert!(!matches!(told.kind, Ended | FalseAlarm | Ending | Intensifying) || same, "{:?}", told);
                prop_assert!(told.kind != Coming || !same);
                open = matches!(told.kind, Coming | Begun | Intensifying | Ending);
                news.push(told);
            }
            open &= !closed_silently;
            state = next;
        }
    }

    #[test]
    fn whatever_the_weather_does_the_news_make_sense(life in any_life()) {
        let mut watch = Watch::new();
        let mut last_known: Option<i64> = None;
        let mut lapsed = false;
        for (k, (rate, ahead)) in life.iter().enumerate() {
            let at = k as i64 * 5;
            let told = watch.news.len();
            let before = watch.state.clone();
            let steps = outlook(at, |m| ahead[((m - at) / 5 - 1) as usize]);
            watch.look(at, *rate, Some(&steps));
            prop_assert!(watch.news.len() <= told + 1);
            if rate.is_none() {
                prop_assert_eq!(&watch.state, &before, "unknown changes nothing");
                continue;
            }
            lapsed |= last_known.is_some_and(|last| at - last > 20);
            last_known = Some(at);
            let Some(&news) = watch.news.get(told) else { continue };
            let previous = told.checked_sub(1).map(|i| watch.news[i]);
            let open = previous.is_some_and(|p| matches!(p.kind, Coming | Begun | Intensifying | Ending));
            match news.kind {
                Coming => {
                    prop_assert!(!open || lapsed, "a warning while the last event is open");
                    prop_assert!(news.about > news.time && news.rate_mm_h >= 0.3);
                }
                Begun => {
                    prop_assert!(previous.is_none_or(|p| !matches!(p.kind, Begun | Intensifying | Ending)) || lapsed);
                    prop_assert_eq!(*rate, Some(news.rate_mm_h));
                }
                Ended | Intensifying | Ending => {
                    prop_assert!(previous.is_some_and(|p| matches!(p.kind, Begun | Intensifying | Ending)));
                    prop_assert!(news.kind == Ended || *rate >= Some(0.3));
                    prop_assert!(news.kind != Ending || previous.is_some_and(|p| p.kind != Ending));
                }
                HeavyRain | HeavyRainOver | Scheduled | Digest | Score => prop_assert!(false, "not of the machine"),
                FalseAlarm => {
                    prop_assert_eq!(previous.map(|p| (p.kind, p.about)), Some((Coming, news.about)));
                }
            }
            if let Some(end) = previous.filter(|p| matches!(p.kind, Ended | FalseAlarm)) {
                let pause = news.time.duration_since(end.time);
                prop_assert!(pause >= Span::from_mins(30) || (end.kind == FalseAlarm && news.kind == Begun));
            }
            if matches!(news.kind, Ended | FalseAlarm) {
                prop_assert!(rate.is_some_and(|rate| rate < 0.15), "only a dry look ends rain");
            }
            lapsed = false;
        }
        let mut keys: Vec<_> = watch.news.iter().map(|n| (n.kind as u8, n.time)).collect();
        keys.sort_unstable();
        let all = keys.len();
        keys.dedup();
        prop_assert_eq!(keys.len(), all, "the same news twice");
    }
}
