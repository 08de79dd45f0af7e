//! What every nowcast method owes its caller.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_model::{Grid, RainField};
use raincell_nowcasts::{Inflow, LeadTimes, METHODS, NowcastError, method};
use raincell_verification::Pool;

const SIDE: usize = 160;
const LEADS: LeadTimes = LeadTimes { step_min: 5.0, count: 12 };

fn at(minutes: f64) -> Timestamp {
    Timestamp::from_second(1_500_000_000).unwrap() + SignedDuration::from_secs_f64(minutes * 60.0)
}

/// Showers that move by (0.5, 0.3) cells a minute and neither grow nor decay.
fn showers(minutes: f64) -> RainField {
    let grid = Arc::new(Grid::around_radar(50.0, 5.0, SIDE as f64 / 2.0, 1.0));
    let rate_mm_h = Array2::from_shape_fn((SIDE, SIDE), |(r, c)| {
        let (x, y) = (c as f32 - 0.5 * minutes as f32, r as f32 - 0.3 * minutes as f32);
        let wave = (x * 0.13).sin() * (y * 0.11).cos() + 0.4 * (x * 0.31 + y * 0.23).sin();
        if wave > 0.3 { 0.5 * (3.5 * wave).exp() } else { 0.0 }
    });
    RainField { grid, valid_time: at(minutes), rate_mm_h }
}

fn past(minutes: &[f64]) -> Vec<RainField> {
    minutes.iter().map(|m| showers(*m)).collect()
}

#[test]
fn products_stand_on_their_valid_times_whatever_order_the_fields_come_in() {
    for name in METHODS {
        let mut fields = past(&[-21.0, -14.5, -10.0, -5.0, 0.0, 0.0]);
        fields.reverse();
        let nowcast = method(name).unwrap().run(&fields, &LEADS, Inflow::LastObservation).unwrap();
        let times: Vec<Timestamp> = nowcast.fields.iter().map(|f| f.valid_time).collect();
        let expected: Vec<Timestamp> = (1..=12).map(|k| at(5.0 * k as f64)).collect();
        assert_eq!(times, expected, "{name}");
        assert!(nowcast.fields.iter().all(|f| f.rate_mm_h.dim() == (SIDE, SIDE)), "{name}");
    }
}

#[test]
fn extrapolation_beats_persistence_on_rain_that_moves() {
    let score = |name: &str| {
        let nowcast = method(name)
            .unwrap()
            .run(&past(&[-20.0, -15.0, -10.0, -5.0, 0.0]), &LEADS, Inflow::LastObservation)
            .unwrap();
        let mut pool = Pool::default();
        for (field, minutes) in nowcast.fields.iter().zip([5.0, 10.0, 15.0, 20.0, 25.0, 30.0]) {
            pool.add(&field.rate_mm_h, &showers(minutes).rate_mm_h).unwrap();
        }
        pool.scores().at[1].csi
    };
    let (persistence, extrapolation) = (score("persistence"), score("extrapolation"));
    assert!(extrapolation > 0.8 && extrapolation > 2.0 * persistence, "{extrapolation} against {persistence}");
}

#[test]
fn no_rain_in_no_rain_out_and_unknown_stays_unknown() {
    for name in METHODS {
        for value in [0.0, f32::NAN] {
            let mut fields = past(&[-10.0, -5.0, 0.0]);
            for field in &mut fields {
                field.rate_mm_h.fill(value);
            }
            let nowcast = method(name).unwrap().run(&fields, &LEADS, Inflow::LastObservation).unwrap();
            let kept = |rate: &f32| *rate == value || (rate.is_nan() && value.is_nan());
            assert!(nowcast.fields.iter().all(|f| f.rate_mm_h.iter().all(kept)), "{name} of {value}");
        }
    }
}

#[test]
fn a_single_field_is_nowcast_as_it_is() {
    // `best` knows that what is small will not stay.
    for name in METHODS.into_iter().filter(|name| *name != "best") {
        let fields = past(&[0.0]);
        let nowcast = method(name).unwrap().run(&fields, &LEADS, Inflow::LastObservation).unwrap();
        assert_eq!(nowcast.fields[11].rate_mm_h, fields[0].rate_mm_h, "{name}");
    }
}

#[test]
fn fields_older_than_the_history_change_nothing() {
    for name in METHODS {
        let recent = past(&[-25.0, -15.0, -5.0, 0.0]);
        let mut with_old = past(&[-600.0, -90.0]);
        with_old.extend(recent.iter().cloned());
        let (a, b) = (
            method(name).unwrap().run(&recent, &LEADS, Inflow::LastObservation),
            method(name).unwrap().run(&with_old, &LEADS, Inflow::LastObservation),
        );
        assert_eq!(a.unwrap().fields[5].rate_mm_h, b.unwrap().fields[5].rate_mm_h, "{name}");
    }
}

#[test]
fn nothing_to_start_from_is_a_named_error() {
    for name in METHODS {
        assert!(
            matches!(method(name).unwrap().run(&[], &LEADS, Inflow::LastObservation), Err(NowcastError::NoFields)),
            "{name}"
        );
    }
}

#[test]
fn fields_hard_to_swallow_give_no_rain_from_nowhere() {
    for name in METHODS {
        let mut fields = past(&[-16.0, -9.0, -5.0, 0.0]);
        for field in &mut fields {
            let heaviest = field.rate_mm_h.iter().copied().fold(0.0, f32::max);
            field.rate_mm_h.indexed_iter_mut().filter(|((_, c), _)| c % 9 == 0).for_each(|(_, r)| *r = f32::NAN);
            assert!(heaviest > 0.0);
        }
        let striped = method(name).unwrap().run(&fields, &LEADS, Inflow::LastObservation).unwrap();
        let known = |f: &RainField| f.rate_mm_h.iter().filter(|r| r.is_finite()).count();
        assert!(striped.fields.iter().all(|f| known(f) > SIDE * SIDE * 3 / 4), "{name}");
        assert!(
            striped.fields.iter().all(|f| f.rate_mm_h.iter().all(|r| r.is_nan() || (0.0..80.0).contains(r))),
            "{name}"
        );

        if name.contains("prog") || name == "anvil" {
            continue; // These spread what fades.
        }
        for field in &mut fields {
            field.rate_mm_h.fill(0.0);
            field.rate_mm_h[(70, 80)] = 4.0;
        }
        let single = method(name).unwrap().run(&fields, &LEADS, Inflow::LastObservation).unwrap();
        let wet = |f: &RainField| f.rate_mm_h.iter().filter(|r| **r >= 0.1).count();
        assert!(single.fields.iter().all(|f| wet(f) <= 4), "{name}");
    }
}
