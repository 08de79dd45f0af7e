//! What the ensemble owes its caller.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::{Array2, ArrayView2};
use raincell_model::{Grid, RainField};
use raincell_nowcasts::{
    EnsembleSettings, EnsembleStep, Inflow, LeadTimes, NowcastError, PROBABILITY_RATES_MM_H, ensemble,
};

const SIDE: usize = 96;
const LEADS: LeadTimes = LeadTimes { step_min: 5.0, count: 6 };
const SETTINGS: EnsembleSettings = EnsembleSettings { members: 12, seed: 3 };

fn showers(minutes: f64) -> RainField {
    let grid = Arc::new(Grid::around_radar(50.0, 5.0, SIDE as f64 / 2.0, 1.0));
    let rate_mm_h = Array2::from_shape_fn((SIDE, SIDE), |(r, c)| {
        let (x, y) = (c as f32 - 0.5 * minutes as f32, r as f32 - 0.3 * minutes as f32);
        let wave = (x * 0.13).sin() * (y * 0.11).cos() + 0.4 * (x * 0.31 + y * 0.23).sin();
        if wave > 0.3 { 0.5 * (3.5 * wave).exp() } else { 0.0 }
    });
    let valid_time = Timestamp::from_second(1_500_000_000).unwrap() + SignedDuration::from_secs_f64(minutes * 60.0);
    RainField { grid, valid_time, rate_mm_h }
}

fn past() -> Vec<RainField> {
    [-15.0, -10.0, -5.0, 0.0].map(showers).into()
}

fn steps(past: &[RainField], inflow: Inflow, settings: EnsembleSettings) -> Vec<EnsembleStep> {
    ensemble(past, &LEADS, inflow, settings).unwrap().0.map(Result::unwrap).collect()
}

fn members(step: &EnsembleStep) -> Vec<ArrayView2<'_, f32>> {
    (0..step.members()).map(|m| step.member_mm_h(m).unwrap()).collect()
}

#[test]
fn the_same_seed_gives_the_same_members_on_any_number_of_threads() {
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let steps = pool.install(|| steps(&past(), Inflow::LastObservation, EnsembleSettings { seed, ..SETTINGS }));
        steps
            .iter()
            .flat_map(members)
            .flat_map(|m| m.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let once = run(1, 3);
    assert_eq!(once, run(3, 3));
    assert_ne!(once, run(1, 4));
}

#[test]
fn percentiles_rise_and_probabilities_agree_with_them_and_with_the_members() {
    for step in steps(&past(), Inflow::LastObservation, SETTINGS) {
        let ([p10, p50, p90], probabilities) = (step.percentiles_mm_h(), step.probabilities());
        let members = members(&step);
        for at in ndarray::indices((SIDE, SIDE)) {
            assert!(p10[at] <= p50[at] && p50[at] <= p90[at]);
            for ((percentile, reached), _) in [(p10, 0.9), (p50, 0.5), (p90, 0.1)].into_iter().zip(0..) {
                for (p, rate) in probabilities.iter().zip(PROBABILITY_RATES_MM_H) {
                    let clear = (p[at] - reached).abs() > 1e-3;
                    assert!(!clear || (p[at] > reached) == (percentile[at] >= rate), "{at:?}");
                }
            }
            assert!(probabilities[0][at] >= probabilities[1][at] && probabilities[1][at] >= probabilities[2][at]);
            for (p, rate) in probabilities.iter().zip(PROBABILITY_RATES_MM_H) {
                let share = members.iter().filter(|m| m[at] >= rate).count() as f32 / members.len() as f32;
                assert!(
                    (share - p[at]).abs() <= 0.5 / members.len() as f32 + 1e-3,
                    "{share} of the members, {}",
                    p[at]
                );
            }
        }
    }
}

#[test]
fn showers_are_likely_where_they_move_and_unlikely_elsewhere() {
    let steps = steps(&past(), Inflow::LastObservation, SETTINGS);
    let (p, truth) = (steps[2].probabilities()[1], showers(15.0));
    let mean = |wet: bool| {
        let chosen: Vec<f32> =
            p.iter().zip(&truth.rate_mm_h).filter(|(_, r)| (**r >= 1.0) == wet).map(|(p, _)| *p).collect();
        chosen.iter().sum::<f32>() / chosen.len() as f32
    };
    assert!(mean(true) > 0.5 && mean(false) < 0.2, "{} and {}", mean(true), mean(false));
}

#[test]
fn no_rain_gives_dry_members_and_unknown_stays_unknown() {
    for value in [0.0, f32::NAN] {
        let mut fields = past();
        for f in &mut fields {
            f.rate_mm_h.fill(value);
        }
        for step in steps(&fields, Inflow::LastObservation, SETTINGS) {
            let same = |v: &f32| *v == value || (v.is_nan() && value.is_nan());
            assert!(members(&step).iter().all(|m| m.iter().all(same)));
            assert!(step.mean_mm_h().iter().all(same) && step.probabilities().iter().all(|p| p.iter().all(same)));
        }
    }
}

#[test]
fn inflow_is_unknown_when_asked_for() {
    let step = steps(&past(), Inflow::Unknown, SETTINGS).pop().unwrap();
    // Air comes from the upper left.
    assert!(step.mean_mm_h()[(0, 0)].is_nan() && !step.mean_mm_h()[(60, 60)].is_nan());
    assert!(step.member_mm_h(0).unwrap()[(0, 0)].is_nan() && step.percentiles_mm_h()[2][(0, 0)].is_nan());
}

#[test]
fn degenerate_input_gives_numbers_or_named_errors() {
    assert!(matches!(ensemble(&[], &LEADS, Inflow::Unknown, SETTINGS), Err(NowcastError::NoFields)));
    let single = [showers(0.0)];
    let mut one_wet = past();
    for f in &mut one_wet {
        f.rate_mm_h.fill(0.0);
    }
    one_wet[3].rate_mm_h[(40, 40)] = 7.0;
    let mut striped = past();
    for f in &mut striped {
        f.rate_mm_h.column_mut(30).fill(f32::NAN);
    }
    for fields in [&single[..], &one_wet, &striped] {
        for step in steps(fields, Inflow::LastObservation, SETTINGS) {
            assert!(step.mean_mm_h().iter().all(|v| v.is_finite() && *v >= 0.0 && *v < 300.0));
        }
    }
    let products_only = steps(&past(), Inflow::LastObservation, EnsembleSettings { members: 0, seed: 0 });
    assert_eq!(products_only.len(), 6);
    assert!(products_only[0].members() == 0 && products_only[0].member_mm_h(0).is_none());
}
