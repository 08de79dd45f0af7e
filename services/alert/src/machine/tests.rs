use proptest::prelude::*;

use super::*;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(1_767_268_800 + minute * 60).unwrap()
}

fn rules() -> Rules {
    Rules {
        threshold_mm_h: 0.3,
        horizon: Span::from_mins(60),
        re_arm: Span::from_mins(30),
        agreeing_nowcasts: 2,
        stale_after: Span::from_mins(20),
    }
}

fn outlook(issued: i64, rate_at: impl Fn(i64) -> Option<f32>) -> Outlook {
    let steps = (1..=24).map(|k| issued + 5 * k);
    Outlook {
        issued: minute(issued),
        steps: steps.map(|m| PlaceRain { time: minute(m), rate_mm_h: rate_at(m) }).collect(),
    }
}

/// A place that is looked at every five minutes, with a nowcast each time.
struct Watch {
    rules: Rules,
    state: PlaceState,
    news: Vec<News>,
}

impl Watch {
    fn new() -> Self {
        Self { rules: rules(), state: PlaceState::default(), news: Vec::new() }
    }

    fn look(&mut self, at: i64, rate_mm_h: Option<f32>, outlook: Option<&Outlook>) -> &Phase {
        let observation = PlaceRain { time: minute(at), rate_mm_h };
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

    fn told(&self) -> Vec<(RainEventKind, i64)> {
        let minutes = |t: Timestamp| t.duration_since(minute(0)).as_secs() / 60;
        self.news.iter().map(|n| (n.kind, minutes(n.about))).collect()
    }
}

use RainEventKind::{Begun, Coming, Ended, FalseAlarm};

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
    assert_eq!(watch.news[0].until, None);
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
    let late = PlaceRain { time: minute(20), rate_mm_h: Some(5.0) };
    assert_eq!(step(&watch.state, &watch.rules, late, None, minute(31)), (before.clone(), None));
    let stale = PlaceRain { time: minute(35), rate_mm_h: Some(5.0) };
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

proptest! {
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
            let open = previous.is_some_and(|p| matches!(p.kind, Coming | Begun));
            match news.kind {
                Coming => {
                    prop_assert!(!open || lapsed, "a warning while the last event is open");
                    prop_assert!(news.about > news.time && news.rate_mm_h >= 0.3);
                }
                Begun => {
                    prop_assert!(previous.is_none_or(|p| p.kind != Begun) || lapsed);
                    prop_assert_eq!(*rate, Some(news.rate_mm_h));
                }
                Ended => prop_assert_eq!(previous.map(|p| p.kind), Some(Begun)),
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
