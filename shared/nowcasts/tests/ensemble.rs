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
fn arrivals_are_those_of_the_members_and_never_less_likely_than_rain_at_one_lead() {
    let (nowcast, _) = ensemble(&past(), &LEADS, Inflow::LastObservation, SETTINGS).unwrap();
    let mut nowcast = nowcast.following_arrivals();
    let steps: Vec<EnsembleStep> = nowcast.by_ref().map(Result::unwrap).collect();
    let (arrivals, newest) = (nowcast.arrivals().unwrap(), showers(0.0).rate_mm_h);
    let fields: Vec<_> = steps.iter().map(members).collect();
    for at in ndarray::indices((SIDE, SIDE)) {
        let first = |member: usize| fields.iter().position(|members| members[member][at] > 0.0);
        let arrived: Vec<usize> = (0..SETTINGS.members).filter_map(first).collect();
        let [early, middle, late] = arrivals.begins_min.each_ref().map(|minutes| minutes[at]);
        let highest = steps.iter().map(|step| step.probabilities()[0][at]).fold(0.0, f32::max);
        let p = arrivals.probability[at];
        assert!((highest..=1.0).contains(&p), "{p} at all, {highest} at one lead");
        if newest[at] >= 0.1 {
            assert_eq!((p, early, late), (1.0, 0.0, 0.0));
        } else if arrived.is_empty() {
            assert!(middle.is_nan() && arrivals.ends_min[0][at].is_nan());
        } else {
            assert!((p - arrived.len() as f32 / SETTINGS.members as f32).abs() < 1.01 / SETTINGS.members as f32);
            let [soonest, last] = [arrived.iter().min(), arrived.iter().max()].map(|lead| *lead.unwrap() as f32);
            assert!(early <= middle && middle <= late && early >= 5.0 * soonest && late <= 5.0 * (last + 1.0) + 1e-3);
            assert!(arrivals.ends_min[1][at].is_nan() || arrivals.ends_min[1][at] > early);
        }
    }
}

#[test]
fn following_arrivals_changes_no_step_and_needs_no_fields_of_members() {
    let run = |follows: bool, gives: bool| {
        let (mut nowcast, _) = ensemble(&past(), &LEADS, Inflow::Unknown, SETTINGS).unwrap();
        nowcast = if follows { nowcast.following_arrivals() } else { nowcast };
        nowcast = if gives { nowcast } else { nowcast.giving_no_members() };
        let steps: Vec<EnsembleStep> = nowcast.by_ref().map(Result::unwrap).collect();
        (steps, nowcast.arrivals())
    };
    let bits = |field: ArrayView2<'_, f32>| field.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let ((plain, none), (with, told), (without, same)) = (run(false, true), run(true, true), run(true, false));
    assert!(none.is_none());
    for ((plain, with), without) in plain.iter().zip(&with).zip(&without) {
        assert_eq!((plain.members(), with.members(), without.members()), (12, 12, 0));
        assert_eq!(
            members(plain).into_iter().map(bits).collect::<Vec<_>>(),
            members(with).into_iter().map(bits).collect::<Vec<_>>()
        );
        assert_eq!(bits(plain.mean_mm_h()), bits(without.mean_mm_h()));
    }
    let (told, same) = (told.unwrap(), same.unwrap());
    assert_eq!(bits(told.probability.view()), bits(same.probability.view()));
    assert_eq!(bits(told.ends_min[1].view()), bits(same.ends_min[1].view()));
    // Air comes from the upper left, where nothing is known.
    assert!(told.probability[(0, 0)].is_nan() && !told.probability[(60, 60)].is_nan());
}

#[test]
fn probabilities_that_are_put_right_change_arrivals_and_members_may_be_dropped() {
    let nowcast = || ensemble(&past(), &LEADS, Inflow::LastObservation, SETTINGS).unwrap().0.following_arrivals();
    let mut never = nowcast().correcting_arrivals(Box::new(|_, _| 0.0));
    assert!(never.by_ref().all(|step| step.unwrap().members() == SETTINGS.members));
    let (p, newest) = (never.arrivals().unwrap().probability, showers(0.0).rate_mm_h);
    assert!(p.iter().zip(&newest).all(|(p, rate)| *p == f32::from(u8::from(*rate >= 0.1))));
    let mut dropped = nowcast();
    assert_eq!(dropped.next().unwrap().unwrap().members(), SETTINGS.members);
    dropped.drop_members();
    assert_eq!(dropped.next().unwrap().unwrap().members(), 0);
    assert!(dropped.arrivals().is_none());
}

#[test]
fn the_edge_of_what_is_known_is_no_wetter_than_the_dry_places_within() {
    let field = |minutes: f64| {
        let mut field = showers(minutes);
        for ((row, column), rate) in field.rate_mm_h.indexed_iter_mut() {
            *rate = if column >= 70 {
                f32::NAN
            } else if (40..50).contains(&row) && column < 10 {
                2.0
            } else {
                0.0
            };
        }
        field
    };
    let fields = [-15.0, -10.0, -5.0, 0.0].map(field);
    for step in steps(&fields, Inflow::LastObservation, SETTINGS) {
        let p = step.probabilities()[0];
        let likeliest = p.indexed_iter().filter(|((_, column), _)| *column >= 50).fold(0.0_f32, |a, (_, p)| a.max(*p));
        assert!(likeliest < 0.1, "{likeliest}");
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
