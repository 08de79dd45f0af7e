//! Scores on real events may not fall: each method's, beside those committed in `tests/floors.json`.
//!
//! The composites are looked for in `$RAINCELL_TEST_DATA/composites` (else `../shared/data/composites`); without them this
//! says so and passes. After a change for the better the floors are raised by
//! `RAINCELL_UPDATE_FLOORS=1 cargo test -p raincell-nowcasts --test real_events`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use raincell_gridding::{ZR, grid_scan_to_rain};
use raincell_io::{RawScan, ReadOptions};
use raincell_model::RainField;
use raincell_nowcasts::{EnsembleSettings, Inflow, LeadTimes, METHODS, PROBABILITY_RATES_MM_H, ensemble, method};
use raincell_verification::{EnsemblePool, Pool};

const FLOORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/floors.json");
/// Number of the start field of each event, fields of the past that are read before it, and steps scored after it.
const START: usize = 19;
const PAST: usize = 7;
const LEADS: [usize; 3] = [3, 6, 12];
const MEMBERS: usize = 8;
/// A score may be worse than its floor by this share.
const SLACK: f64 = 0.01;

/// Scores by name; of those whose name begins with an error the least is best.
type Figures = BTreeMap<String, f64>;

fn is_error(name: &str) -> bool {
    ["mae", "crps", "brier"].iter().any(|error| name.contains(error))
}

fn composites() -> Option<PathBuf> {
    let data = std::env::var_os("RAINCELL_TEST_DATA").map(PathBuf::from);
    let folder = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let folder = folder.join("composites");
    if !folder.is_dir() {
        println!("skipped: no data");
        return None;
    }
    Some(folder)
}

/// Fields around the start of an event; `None` where the event is too short.
fn fields(event: &Path) -> Option<Vec<RainField>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(event).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "h5"));
    files.sort();
    let wanted = files.get(START + 1 - PAST..=START + LEADS[2])?;
    Some(wanted.iter().map(|path| read(path)).collect())
}

fn read(path: &Path) -> RainField {
    let bytes = std::fs::read(path).unwrap();
    match raincell_io::read(&bytes, &path.display().to_string(), &ReadOptions::default()).unwrap() {
        RawScan::Grid(scan) => grid_scan_to_rain(&scan, &ZR::MARSHALL_PALMER, 250.0).unwrap().field,
        RawScan::Volume(_) => panic!("{}: a volume", path.display()),
    }
}

fn figures(event: &str, fields: &[RainField]) -> Figures {
    let (past, then) = fields.split_at(PAST);
    let step_min = past[PAST - 1].valid_time.duration_since(past[PAST - 2].valid_time).as_secs_f64() / 60.0;
    // Every third step: the same fields, in a third of the time.
    let leads = LeadTimes { step_min: 3.0 * step_min, count: 4 };
    let mut figures = Figures::new();
    for name in METHODS {
        let nowcast = method(name).unwrap().run(past, &leads, Inflow::LastObservation).unwrap();
        for lead in LEADS {
            let mut pool = Pool::default();
            pool.add(&nowcast.fields[lead / 3 - 1].rate_mm_h, &then[lead - 1].rate_mm_h).unwrap();
            let scores = pool.scores();
            let mut put = |score: String, value: f64| figures.insert(format!("{event} {name} +{lead} {score}"), value);
            for at in &scores.at {
                put(format!("csi{}", at.threshold_mm_h), at.csi);
                put(format!("fss{}", at.threshold_mm_h), at.fss);
            }
            put("mae".into(), scores.mae_wet_mm_h);
        }
    }
    let settings = EnsembleSettings { members: MEMBERS, seed: 1 };
    let (steps, _) = ensemble(past, &leads, Inflow::LastObservation, settings).unwrap();
    for (k, step) in steps.enumerate().filter(|(k, _)| LEADS.contains(&(3 * k + 3))) {
        let (step, lead) = (step.unwrap(), 3 * k + 3);
        let members: Vec<_> = (0..MEMBERS).map(|m| step.member_mm_h(m).unwrap().to_owned()).collect();
        let mut pool = EnsemblePool::default();
        pool.add(&members, &then[lead - 1].rate_mm_h).unwrap();
        figures.insert(format!("{event} ensemble +{lead} crps"), pool.crps().unwrap());
        for (probabilities, rate) in pool.probabilities().iter().zip(PROBABILITY_RATES_MM_H) {
            figures.insert(format!("{event} ensemble +{lead} brier{rate}"), probabilities.brier().unwrap());
        }
    }
    figures
}

#[test]
fn scores_on_real_events_do_not_fall() {
    let Some(folder) = composites() else { return };
    let mut events: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    events.sort();
    let mut found = Figures::new();
    for event in events {
        if let Some(fields) = fields(&event) {
            found.append(&mut figures(&event.file_name().unwrap().to_string_lossy(), &fields));
        }
    }
    if std::env::var_os("RAINCELL_UPDATE_FLOORS").is_some() {
        let rounded: Figures = found.into_iter().map(|(name, value)| (name, (value * 1e5).round() / 1e5)).collect();
        std::fs::write(FLOORS, serde_json::to_string_pretty(&rounded).unwrap() + "\n").unwrap();
        return;
    }
    let floors: Figures = serde_json::from_str(&std::fs::read_to_string(FLOORS).unwrap()).unwrap();
    let mut fallen = Vec::new();
    for (name, floor) in &floors {
        // Skill that nobody has, and errors where next to nothing fell, are noise.
        if *floor < if is_error(name) { 1e-3 } else { 0.05 } {
            continue;
        }
        let Some(value) = found.get(name) else { continue };
        let worse = if is_error(name) { value / floor - 1.0 } else { 1.0 - value / floor };
        if worse > SLACK {
            fallen.push(format!("{name}: {value:.4}, floor {floor:.4}"));
        }
    }
    println!("{} figures, {} floors", found.len(), floors.len());
    assert!(fallen.is_empty(), "{} of {} scores have fallen:\n{}", fallen.len(), floors.len(), fallen.join("\n"));
}
