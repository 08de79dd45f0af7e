//! The textbook parts give what pysteps gives for the same arrays, to 1e-4.
//!
//! The Python with pysteps (`tests/python/requirements.txt`) is named by `RAINCELL_TEST_PEERS`; without it these tests
//! say so and pass. Where the two differ by design, the arrays keep clear of it and a comment says what it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::process::{Command, Stdio};

use ndarray::{Array2, array};
use raincell_cascade::BandPass;
use raincell_cascade::ar::{Ar2, LocalAri, correlation};
use raincell_nowcasts::matching::matched;
use raincell_verification::{EnsemblePool, Pool, ProbabilityPool, RELIABILITY_CLASSES, THRESHOLDS_MM_H};
use serde_json::{Value, json};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/pysteps_figures.py");
/// Odd and even sides: their spectra are laid out differently.
const SHAPES: [(usize, usize); 3] = [(64, 80), (45, 71), (50, 37)];
const LEVELS: usize = 6;
/// Side of the window of our fractions skill score.
const FSS_CELLS: usize = 11;

fn asked(requests: &Value) -> Option<Value> {
    let Ok(python) = std::env::var("RAINCELL_TEST_PEERS") else {
        println!("skipped: no python venv with pysteps");
        return None;
    };
    let mut child =
        Command::new(python).arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    child.stdin.take().unwrap().write_all(requests.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{SCRIPT} failed");
    Some(serde_json::from_slice(&output.stdout).expect("the script prints JSON"))
}

fn rows(field: &Array2<f32>) -> Vec<Vec<f32>> {
    field.outer_iter().map(|row| row.to_vec()).collect()
}

fn near(found: f64, theirs: &Value, what: &str) {
    let theirs = theirs.as_f64().unwrap_or_else(|| panic!("{what}: pysteps says {theirs}"));
    assert!((found - theirs).abs() <= 1e-4 * theirs.abs().max(1.0), "{what}: {found}, pysteps {theirs}");
}

fn near_field(found: &Array2<f32>, theirs: &Value, what: &str) {
    assert_eq!(theirs.as_array().map(Vec::len), Some(found.nrows()), "{what}");
    for ((r, c), value) in found.indexed_iter() {
        near(f64::from(*value), &theirs[r][c], &format!("{what} at row {r}, column {c}"));
    }
}

/// The same sequence of numbers in [0, 1) for the same seed.
fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    }
}

/// Rain of many scales in decibels, moved by `step`, no two cells alike.
fn decibels((height, width): (usize, usize), step: f32) -> Array2<f32> {
    let mut noise = numbers(11 + step as u64);
    Array2::from_shape_fn((height, width), |(r, c)| {
        let (y, x) = (r as f32 + 0.7 * step, c as f32 - 1.1 * step);
        12.0 * (0.11 * x).sin() * (0.13 * y).cos() + 5.0 * (0.41 * x + 0.3 * y).sin() + 3.0 * noise()
    })
}

/// Rain rates away from the edges, dry or above 0.1 mm/h.
fn rates(seed: u64, (height, width): (usize, usize)) -> Array2<f32> {
    let mut noise = numbers(seed);
    let inside = FSS_CELLS..height - FSS_CELLS;
    let shift = seed as f32;
    Array2::from_shape_fn((height, width), |(r, c)| {
        let wave = (0.3 * r as f32 + shift).sin() * (0.25 * c as f32 - 0.4 * shift).cos() + 0.3 * noise();
        let kept = inside.contains(&r) && (FSS_CELLS..width - FSS_CELLS).contains(&c) && wave > 0.1;
        if kept { 0.11 + (3.0 * wave).exp() - 1.0 } else { 0.0 }
    })
}

#[test]
fn a_cascade_has_the_levels_means_and_deviations_of_pysteps() {
    let request = |shape| json!({"part": "cascade", "field": rows(&decibels(shape, 0.0)), "levels": LEVELS});
    let requests = SHAPES.map(|shape| (format!("{shape:?}"), request(shape)));
    let Some(answers) = asked(&requests.into_iter().collect()) else { return };
    for shape in SHAPES {
        let ours = BandPass::new(shape, LEVELS).unwrap().decompose(&decibels(shape, 0.0)).unwrap();
        let theirs = &answers[format!("{shape:?}")];
        for level in 0..LEVELS {
            let what = format!("level {level} of {shape:?}");
            near(f64::from(ours.means[level]), &theirs["means"][level], &format!("mean of {what}"));
            near(f64::from(ours.stds[level]), &theirs["stds"][level], &format!("deviation of {what}"));
            near_field(&ours.levels[level], &theirs["levels"][level], &what);
        }
    }
}

#[test]
fn an_ar2_process_has_the_parameters_of_pysteps() {
    // We take correlations above 0.9999 for that, pysteps solves nearly singular equations: all are below.
    let gammas: Vec<[f64; 2]> = [0.05, 0.2, 0.5, 0.77, 0.9, 0.97, 0.995]
        .into_iter()
        .flat_map(|g1| [-0.3, 0.0, 0.3, 0.6, 0.8, 0.94, 0.98].map(|g2| [g1, g2]))
        .filter(|[g1, g2]| g2 < g1)
        .collect();
    let states = [2.0, 1.0, 0.0].map(|step| decibels((45, 71), step));
    let oldest_first: Vec<_> = states.iter().rev().map(rows).collect();
    let requests = json!({
        "ar2": {"part": "ar2", "gammas": gammas},
        "correlations": {"part": "correlations", "states": oldest_first},
    });
    let Some(answers) = asked(&requests) else { return };
    for (index, [g1, g2]) in gammas.iter().enumerate() {
        let ours = Ar2::from_correlations(*g1, *g2);
        for (k, ours) in [ours.phi_1, ours.phi_2, ours.phi_0].into_iter().enumerate() {
            near(ours, &answers["ar2"][index][k], &format!("parameter {k} of correlations {g1} and {g2}"));
        }
    }
    for lag in 1..=2 {
        let what = format!("correlation at lag {lag}");
        near(correlation(&states[0], &states[lag]), &answers["correlations"][lag - 1], &what);
    }
}

#[test]
fn a_local_integrated_process_has_the_weights_of_pysteps() {
    let gamma_1 = array![[0.2_f32, 0.5, 0.8], [0.9, 0.95, 0.35]];
    let gamma_2 = array![[0.1_f32, 0.1, 0.6], [0.5, 0.92, -0.2]];
    let request = json!({"part": "local_ari", "gamma_1": rows(&gamma_1), "gamma_2": rows(&gamma_2)});
    let Some(answers) = asked(&json!({"ari": request})) else { return };
    let ours = LocalAri::from_correlations(&gamma_1, &gamma_2);
    for (k, weights) in ours.weights.iter().enumerate() {
        near_field(weights, &answers["ari"][k], &format!("weight of state {k}"));
    }
}

#[test]
fn probability_matching_deals_out_the_rates_as_pysteps_does() {
    // Where the pattern has fewer wet cells than the model, pysteps lets rain go and we do not: the pattern has a value
    // of its own in every cell. Keeping the heaviest rain in place is ours: no share is kept here.
    let shape = (50, 37);
    let (pattern, model) = (decibels(shape, 3.0), rates(5, shape));
    let request = json!({"part": "matching", "field": rows(&pattern), "target": rows(&model)});
    let Some(answers) = asked(&json!({"matched": request})) else { return };
    near_field(&matched(&pattern, &model, 0.0), &answers["matched"], "matched field");
}

#[test]
fn a_deterministic_nowcast_scores_as_pysteps_says() {
    // By design: a rate at the threshold counts as reaching it here and not in pysteps; what was not observed is left out
    // here and counts as dry in pysteps' FSS; windows that reach beyond the edge see the field mirrored here and nothing
    // in pysteps. The rates keep clear of the thresholds and the edges, and all is observed.
    let shape = (64, 80);
    let (nowcast, observed) = (rates(3, shape), rates(4, shape));
    let request = |threshold: f32| {
        let (nowcast, observed) = (rows(&nowcast), rows(&observed));
        let part = "deterministic";
        json!({"part": part, "nowcast": nowcast, "observed": observed, "threshold": threshold, "scale": FSS_CELLS})
    };
    let requests = THRESHOLDS_MM_H.map(|threshold| (threshold.to_string(), request(threshold)));
    let Some(answers) = asked(&requests.into_iter().collect()) else { return };
    let mut pool = Pool::default();
    pool.add(&nowcast, &observed).unwrap();
    let scores = pool.scores();
    for at in &scores.at {
        let (threshold, theirs) = (at.threshold_mm_h, &answers[at.threshold_mm_h.to_string()]);
        assert!(at.csi > 0.05, "the fields meet at {threshold}");
        near(at.csi, &theirs["csi"], &format!("CSI at {threshold}"));
        near(at.bias, &theirs["bias"], &format!("bias at {threshold}"));
        near(at.fss, &theirs["fss"], &format!("FSS at {threshold}"));
        near(scores.mae_wet_mm_h, &theirs["mae"], "MAE");
    }
}

#[test]
fn an_ensemble_scores_as_pysteps_says() {
    // By design: a cell where a member is unknown is scored with that member dry here and left out in pysteps. And where
    // the observation equals a member exactly, pysteps leaves the steps beside it out of the integral: no two are equal.
    let shape = (40, 33);
    let field = |seed: u64| {
        let mut noise = numbers(seed);
        Array2::from_shape_simple_fn(shape, || 8.0 * noise().powi(3))
    };
    let members: Vec<Array2<f32>> = (20..44).map(field).collect();
    let observed = field(7);
    let by_member: Vec<_> = members.iter().map(rows).collect();
    let request = json!({"part": "crps", "members": by_member, "observed": rows(&observed)});
    let Some(answers) = asked(&json!({"crps": request})) else { return };
    let mut pool = EnsemblePool::default();
    pool.add(&members, &observed).unwrap();
    near(pool.crps().unwrap(), &answers["crps"], "CRPS");
}

#[test]
fn probabilities_score_as_pysteps_says() {
    // By design: our classes are centred on the tenths, those of pysteps begin there; it is told of ours.
    let shape = (60, 70);
    let mut noise = numbers(77);
    let probability = Array2::from_shape_simple_fn(shape, || noise().powi(2));
    let observed = probability.mapv(|p| if noise() < 0.8 * p + 0.05 { 3.0 * p + 1.1 } else { 0.2 });
    let classes = RELIABILITY_CLASSES;
    let edges: Vec<f64> = (0..=classes)
        .map(|k| match k {
            0 => -1e-6,
            k if k == classes => 1.0 + 1e-6,
            k => (k as f64 - 0.5) / (classes - 1) as f64,
        })
        .collect();
    let (rows_p, rows_o) = (rows(&probability), rows(&observed));
    let request = json!({
        "part": "probabilities", "probability": rows_p, "observed": rows_o, "threshold": 1.0, "edges": edges,
    });
    let Some(answers) = asked(&json!({"p": request})) else { return };
    let mut pool = ProbabilityPool::default();
    pool.add(&probability, &observed, 1.0).unwrap();
    let (ours, theirs) = (pool.reliability(), &answers["p"]);
    assert_eq!(ours.len(), classes);
    for (k, class) in ours.iter().enumerate() {
        near(class.forecast, &theirs["forecast"][k], &format!("mean probability of class {k}"));
        near(class.observed, &theirs["observed"][k], &format!("observed frequency of class {k}"));
        near(class.cells, &theirs["cells"][k], &format!("cells of class {k}"));
    }
    near(pool.roc_area().unwrap(), &theirs["roc_area"], "area under the ROC curve");
    near(pool.brier().unwrap(), &theirs["brier"], "Brier score");
}
