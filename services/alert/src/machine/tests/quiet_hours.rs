//! Hours in which nothing is told.

use super::*;

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
