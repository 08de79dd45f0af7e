//! Probabilities, and how sure the start is.

use super::*;

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
