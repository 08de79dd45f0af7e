//! What holds whatever the weather and the clock do.

use proptest::prelude::*;

use RainEventKind::{Digest, HeavyRain, HeavyRainOver, Outlook as Scheduled, Score};

use super::*;

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
