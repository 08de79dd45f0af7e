//! What is told between begin and end, and to what it belongs.

use super::*;

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
