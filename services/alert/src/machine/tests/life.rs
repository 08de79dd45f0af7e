//! Rain that comes, that stays away, that nobody sees.

use super::*;

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
