//! A real event, replayed in order through engine and state machine: what would have been posted, and was it right?

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use raincell_alert::machine::{News, Outlook, PlaceState, Rules, step};
use raincell_alert::observe::PlaceCells;
use raincell_alert::words;
use raincell_api_types::alerts::RainEventKind;
use raincell_gridding::{DEFAULT_CAP_MM_H, ZR, grid_scan_to_rain};
use raincell_io::{RawScan, ReadOptions};
use raincell_model::RainField;
use raincell_nowcasts::{DEFAULT_METHOD, Inflow, LeadTimes, method};

const PLACES: [(&str, f64, f64); 10] = [
    ("Bern", 46.948, 7.447),
    ("Zürich", 47.377, 8.541),
    ("Luzern", 47.050, 8.305),
    ("Basel", 47.560, 7.588),
    ("Genève", 46.204, 6.143),
    ("St. Gallen", 47.424, 9.376),
    ("Lausanne", 46.520, 6.633),
    ("Sion", 46.233, 7.360),
    ("Lugano", 46.004, 8.951),
    ("Chur", 46.850, 9.532),
];

fn frames(event: &str) -> Option<Vec<PathBuf>> {
    let fallback = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).to_owned();
    let data = std::env::var_os("RAINCELL_TEST_DATA").map_or(fallback, PathBuf::from);
    let entries = std::fs::read_dir(data.join("composites").join(event)).ok()?;
    let mut paths: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "h5")).collect();
    paths.sort();
    Some(paths)
}

fn read(path: &Path) -> RainField {
    let bytes = std::fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    let RawScan::Grid(scan) = raincell_io::read(&bytes, &name, &ReadOptions::default()).unwrap() else {
        panic!("{name} is no composite")
    };
    grid_scan_to_rain(&scan, &ZR::MARSHALL_PALMER, DEFAULT_CAP_MM_H).unwrap().field
}

/// News of each place, in order.
fn replay(paths: &[PathBuf], rules: &Rules) -> Vec<Vec<News>> {
    let method = method(DEFAULT_METHOD).unwrap();
    let leads = LeadTimes { step_min: 5.0, count: 14 };
    let mut states = vec![PlaceState::default(); PLACES.len()];
    let mut news = vec![Vec::new(); PLACES.len()];
    let mut past: Vec<RainField> = Vec::new();
    for path in paths {
        past.push(read(path));
        if past.len() > 6 {
            past.remove(0);
        }
        let newest = past.last().unwrap();
        let nowcast = method.run(&past, &leads, Inflow::LastObservation).unwrap();
        let now = newest.valid_time + SignedDuration::from_secs(90);
        for (place, &(_, lat, lon)) in PLACES.iter().enumerate() {
            let cells = PlaceCells::new(&newest.grid, lat, lon, 2.0).unwrap().unwrap();
            let steps = nowcast.fields.iter().map(|field| cells.rain(field)).collect();
            let outlook = Outlook { issued: newest.valid_time, steps };
            let (state, told) = step(&states[place], rules, cells.rain(newest), Some(&outlook), now);
            states[place] = state;
            news[place].extend(told);
        }
    }
    news
}

#[test]
fn warnings_of_a_real_event_come_true_in_time() {
    let Some(paths) = frames("mch_20150515") else {
        println!("skipped: no data");
        return;
    };
    let minutes = SignedDuration::from_mins;
    let rules = Rules {
        threshold_mm_h: 0.3,
        horizon: minutes(60),
        re_arm: minutes(30),
        agreeing_nowcasts: 2,
        stale_after: minutes(20),
        ..Rules::default()
    };
    let zone = TimeZone::get("Europe/Zurich").unwrap();
    let (mut hits, mut errors, mut false_alarms, mut unwarned) = (0, Vec::new(), 0, 0);
    for (news, (name, ..)) in replay(&paths, &rules).iter().zip(PLACES) {
        for (index, told) in news.iter().enumerate() {
            let text = words::text(name, told, &zone, "Radar: MeteoSwiss");
            println!("{}", words::with_countdown(&text, told.about, &zone, told.time));
            let warning = index.checked_sub(1).map(|before| news[before]).filter(|n| n.kind == RainEventKind::Coming);
            match (told.kind, warning) {
                (RainEventKind::Begun, Some(warning)) => {
                    hits += 1;
                    errors.push(told.about.duration_since(warning.about).abs().as_mins());
                }
                (RainEventKind::Begun, None) => unwarned += 1,
                (RainEventKind::FalseAlarm, _) => false_alarms += 1,
                _ => {}
            }
        }
    }
    errors.sort_unstable();
    println!("hits {hits}, false alarms {false_alarms}, unwarned {unwarned}, start errors {errors:?} min");
    assert!(hits > 0 && false_alarms <= hits, "hits {hits}, false alarms {false_alarms}");
    assert!(errors[errors.len() / 2] <= 10, "start errors {errors:?} min");
}
