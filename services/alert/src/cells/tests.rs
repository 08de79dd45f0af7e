use std::sync::Arc;

use ndarray::Array2;
use raincell_model::Grid;

use super::*;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(1_767_268_800 + minute * 60).unwrap()
}

fn rules() -> CellRules {
    CellRules {
        rate_mm_h: 20.0,
        area_km2: 50.0,
        apart_km: 30.0,
        re_arm: Span::from_mins(60),
        most_per_hour: 4,
        stale_after: Span::from_mins(20),
    }
}

fn grid() -> Arc<Grid> {
    Arc::new(Grid::around_radar(52.0, 4.3, 100.0, 1.0))
}

/// Discs of heavy rain: (row, column, radius) in cells of 1 km.
fn frame(at: i64, discs: &[(f64, f64, f64)]) -> RainField {
    let grid = grid();
    let rate = |(row, column): (usize, usize)| {
        let near = |&(r, c, radius): &(f64, f64, f64)| (row as f64 - r).hypot(column as f64 - c) <= radius;
        if discs.iter().any(near) { 40.0 } else { 0.5 }
    };
    RainField { valid_time: minute(at), rate_mm_h: Array2::from_shape_fn(grid.shape(), rate), grid }
}

fn eastward(cells_per_min: f32) -> MotionField {
    let mut motion = MotionField::at_rest(grid());
    motion.u.fill(cells_per_min);
    motion
}

struct Watch {
    state: CellState,
    motion: MotionField,
    news: Vec<CellNews>,
}

impl Watch {
    fn new(cells_per_min: f32) -> Self {
        Self { state: CellState::default(), motion: eastward(cells_per_min), news: Vec::new() }
    }

    fn see(&mut self, field: &RainField) {
        let now = field.valid_time + Span::from_mins(2);
        let town = |_: f64, _: f64| Some("Delft".to_owned());
        let (state, news) = step(&self.state, &rules(), field, Some(&self.motion), town, now);
        let (again, nothing) = step(&state, &rules(), field, Some(&self.motion), town, now);
        assert_eq!((&again, nothing), (&state, Vec::new()), "the same frame again changes something");
        let json = serde_json::to_value(&state).unwrap();
        assert_eq!(serde_json::from_value::<CellState>(json).unwrap(), state);
        self.state = state;
        self.news.extend(news);
    }

    fn told(&self) -> Vec<(bool, i64)> {
        self.news.iter().map(|n| (n.over, n.time.duration_since(minute(0)).as_mins())).collect()
    }
}

#[test]
fn a_cell_that_moves_is_told_once_and_its_end_once() {
    let mut watch = Watch::new(1.2);
    for at in (0..60).step_by(5) {
        watch.see(&frame(at, &[(100.0, 30.0 + 1.2 * at as f64, 6.0)]));
    }
    for at in (60..100).step_by(5) {
        watch.see(&frame(at, &[]));
    }
    assert_eq!(watch.told(), [(false, 5), (true, 65)]);
    let [first, over] = &watch.news[..] else { panic!() };
    assert_eq!((first.town.as_str(), first.rate_mm_h), ("Delft", 40.0));
    let (speed, towards) = first.motion.unwrap();
    assert!((speed - 72.0).abs() < 1.0 && (towards - 90.0).abs() < 1.0);
    assert_eq!((over.about, over.first), (minute(55), minute(5)));
}

#[test]
fn a_fast_cell_is_followed_by_its_motion_and_lost_without() {
    // 20 km between two frames, twice its width.
    let mut watch = Watch::new(4.0);
    for at in (0..30).step_by(5) {
        watch.see(&frame(at, &[(100.0, 30.0 + 4.0 * at as f64, 5.0)]));
    }
    assert_eq!(watch.told(), [(false, 5)]);
    let mut blind = Watch::new(0.0);
    for at in (0..30).step_by(5) {
        blind.see(&frame(at, &[(100.0, 30.0 + 4.0 * at as f64, 5.0)]));
    }
    assert_eq!(blind.told(), []);
}

#[test]
fn one_frame_alone_and_small_cells_are_no_news() {
    let mut watch = Watch::new(0.0);
    watch.see(&frame(0, &[(100.0, 100.0, 8.0)]));
    watch.see(&frame(5, &[]));
    watch.see(&frame(10, &[(50.0, 100.0, 3.0)]));
    watch.see(&frame(15, &[(50.0, 100.0, 3.0)]));
    assert_eq!(watch.told(), []);
}

#[test]
fn a_cell_that_splits_or_merges_is_not_told_again() {
    let mut watch = Watch::new(0.0);
    for at in (0..20).step_by(5) {
        watch.see(&frame(at, &[(100.0, 100.0, 8.0)]));
    }
    for at in (20..40).step_by(5) {
        watch.see(&frame(at, &[(100.0, 92.0, 5.0), (100.0, 108.0, 5.0)]));
    }
    for at in (40..60).step_by(5) {
        watch.see(&frame(at, &[(100.0, 100.0, 9.0)]));
    }
    assert_eq!(watch.told(), [(false, 5)]);
    watch.see(&frame(60, &[]));
    watch.see(&frame(65, &[]));
    assert_eq!(watch.told()[1..], [(true, 65)]);
    // Another one at the same place within the hour is not told, but one far away is.
    watch.see(&frame(70, &[(102.0, 98.0, 8.0), (30.0, 30.0, 8.0)]));
    watch.see(&frame(75, &[(102.0, 98.0, 8.0), (30.0, 30.0, 8.0)]));
    assert_eq!(watch.told()[2..], [(false, 75)]);
    assert!(watch.news[2].first == minute(75));
}

#[test]
fn what_nobody_saw_is_dropped_without_a_word() {
    let mut watch = Watch::new(0.0);
    for at in [0, 5] {
        watch.see(&frame(at, &[(100.0, 100.0, 8.0)]));
    }
    for at in [10, 15, 20] {
        let mut unseen = frame(at, &[]);
        unseen.rate_mm_h.fill(f32::NAN);
        watch.see(&unseen);
    }
    assert_eq!(watch.told(), [(false, 5)]);
    // Nor is anything followed over an hour.
    watch.see(&frame(100, &[(100.0, 100.0, 8.0)]));
    assert_eq!(watch.told(), [(false, 5)]);
}

#[test]
fn no_more_than_so_many_an_hour() {
    let mut watch = Watch::new(0.0);
    let many: Vec<_> = (0..6).map(|k| (20.0 + 32.0 * f64::from(k % 5), 20.0 + 60.0 * f64::from(k / 5), 6.0)).collect();
    for at in (0..60).step_by(5) {
        watch.see(&frame(at, &many));
    }
    assert_eq!(watch.told().len(), 4, "{:?}", watch.told());
}
