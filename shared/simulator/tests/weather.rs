//! The truth can be relied on: it is the same for a seed, and the story of the demonstration happens.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use raincell_model::{Grid, Observation};
use raincell_simulator::{DEMO_PLACES, DEMO_SITE, Preset, Weather};

const STARTS: [&str; 3] = ["2026-07-14T15:00:00Z", "1999-12-31T23:59:30Z", "2031-02-11T04:07:13Z"];

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

fn start() -> Timestamp {
    STARTS[0].parse().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_weather_and_another_seed_another() {
    let grid = Arc::new(Grid::around_radar(DEMO_SITE.lat_deg, DEMO_SITE.lon_deg, 240.0, 4.0));
    let field = |seed: u64| {
        Weather::new(seed, &DEMO_SITE, Preset::Mixed).truth_field(&grid, start()).unwrap().rate_mm_h.mapv(f32::to_bits)
    };
    assert_eq!(field(1), field(1));
    assert_ne!(field(1), field(2));
}

#[test]
fn a_field_says_what_the_rate_at_its_cells_is() {
    let weather = Weather::new(3, &DEMO_SITE, Preset::Mixed);
    let grid = Arc::new(Grid::around_radar(DEMO_SITE.lat_deg, DEMO_SITE.lon_deg, 400.0, 10.0));
    let field = weather.truth_field(&grid, start()).unwrap();
    let geo = grid.georeference().unwrap();
    let mut wet = 0;
    for (row, column) in (0..80).flat_map(|row| (0..80).step_by(7).map(move |column| (row, column))) {
        let (lat, lon) = geo.lat_lon_of(row as f64 + 0.5, column as f64 + 0.5).unwrap();
        match (field.at(row, column), weather.rain_at(lat, lon, start())) {
            (Observation::NoData, None) => {}
            (Observation::Dry, Some(rate)) => assert_eq!(rate, 0.0),
            (Observation::Rain(found), Some(rate)) => {
                assert!((found - rate).abs() < 1e-3 * rate, "{found} {rate}");
                wet += 1;
            }
            (found, rate) => panic!("{found:?} and {rate:?}"),
        }
    }
    assert!(wet > 20, "{wet}");
    assert_eq!(field.at(0, 0), Observation::NoData);
}

#[test]
fn weather_goes_on_for_days_with_realistic_amounts() {
    let grid = Arc::new(Grid::around_radar(DEMO_SITE.lat_deg, DEMO_SITE.lon_deg, 240.0, 6.0));
    for seed in 1..=3 {
        let weather = Weather::demo(seed, start());
        let (mut wet_hours, mut most) = (0, 0.0_f32);
        for hour in 0..72 {
            let field = weather.truth_field(&grid, start() + minutes(60 * hour)).unwrap();
            wet_hours += usize::from(field.wet_share(0.1) > 0.02);
            assert!(field.wet_share(0.1) < 0.75, "seed {seed}, hour {hour}: {}", field.wet_share(0.1));
            most = field.rate_mm_h.iter().copied().fold(most, f32::max);
        }
        assert!(wet_hours >= 60, "seed {seed}: rain in {wet_hours} of 72 hours");
        assert!((40.0..=140.0).contains(&most), "seed {seed}: most {most} mm/h");
    }
}

#[test]
fn rain_neither_appears_nor_vanishes_from_one_minute_to_the_next() {
    let weather = Weather::new(9, &DEMO_SITE, Preset::Mixed);
    let flow = weather.flow_at(0.0, 0.0);
    let (mut most, mut previous) = (0.0_f32, None::<f32>);
    // Along with the flow, so that what changes is growth and decay alone.
    for quarter in 0..1200 {
        let time = start() + SignedDuration::from_secs(15 * quarter);
        let (x, y) = (
            -100.0 + flow.0 * 0.015 * f64::from(quarter as i32 % 200),
            flow.1 * 0.015 * f64::from(quarter as i32 % 200),
        );
        let rate = weather.rain_rate(x, y, time);
        if let Some(previous) = previous.filter(|_| quarter % 200 != 0) {
            most = most.max((rate - previous).abs());
        }
        previous = Some(rate);
    }
    assert!(most < 3.0, "a jump of {most} mm/h within 15 s");
}

#[test]
fn the_rain_pattern_moves_with_the_flow() {
    let weather = Weather::new(5, &DEMO_SITE, Preset::Mixed);
    let (from, to) = (weather.scene(start()), weather.scene(start() + minutes(5)));
    let mut change = [0.0; 4];
    for (x, y) in (-40..40).flat_map(|x| (-40..40).map(move |y| (f64::from(x) * 5.0, f64::from(y) * 5.0))) {
        let (u, v) = weather.flow_at(x, y);
        let before = from.rain(x, y).rate_mm_h;
        for (share, change) in [0.0, 0.6, 1.0, 1.4].into_iter().zip(&mut change) {
            let (dx, dy) = (u * 0.3 * share, v * 0.3 * share);
            *change += (before - to.rain(x + dx, y + dy).rate_mm_h).abs();
        }
    }
    let [still, slow, right, fast] = change;
    println!("change after five minutes: {change:?}");
    assert!(right < 0.6 * still && right < 0.8 * slow && right < 0.8 * fast, "{change:?}");
}

#[test]
fn the_onset_is_the_first_time_of_the_series_above_the_threshold() {
    let weather = Weather::demo(4, start());
    let mut found = 0;
    for place in DEMO_PLACES {
        let onset = weather.onset_at(place.lat_deg, place.lon_deg, start(), minutes(180), 1.0);
        let series = (0..=360).map(|step| start() + SignedDuration::from_secs(30 * step));
        let rate = |time: &Timestamp| weather.rain_at(place.lat_deg, place.lon_deg, *time).unwrap();
        assert_eq!(onset, series.clone().find(|time| rate(time) >= 1.0), "{}", place.name);
        found += usize::from(onset.is_some());
    }
    assert!(found >= 2, "{found} places with rain");
    assert_eq!(weather.onset_at(0.0, 0.0, start(), minutes(60), 0.1), None);
}

#[test]
fn in_the_demonstration_the_storm_reaches_the_place_when_it_should_and_passes() {
    let place = &DEMO_PLACES[0];
    for (start, seeds) in STARTS.into_iter().zip([0..12, 3..6, 40..43]) {
        let start: Timestamp = start.parse().unwrap();
        for seed in seeds {
            let weather = Weather::demo(seed, start);
            let rate = |minute: i64| weather.rain_at(place.lat_deg, place.lon_deg, start + minutes(minute)).unwrap();
            let what = format!("seed {seed} from {start}");
            let onset = weather.onset_at(place.lat_deg, place.lon_deg, start - minutes(180), minutes(300), 0.1);
            let after = onset.map(|time| time.duration_since(start).as_secs_f64() / 60.0);
            assert!(after.is_some_and(|after| (30.0..45.0).contains(&after)), "{what}: onset after {after:?} min");
            let strongest = (0..90).map(rate).fold(0.0, f32::max);
            assert!((8.0..120.0).contains(&strongest), "{what}: {strongest} mm/h");
            let strong = (0..90).find(|&minute| rate(minute) >= 5.0).unwrap_or(999);
            assert!((30..45).contains(&strong), "{what}: strong from minute {strong}");
            let over = (strong..180).find(|&minute| (0..25).all(|later| rate(minute + later) == 0.0));
            assert!(over.is_some_and(|over| over < 115), "{what}: over at {over:?}");
        }
    }
}
