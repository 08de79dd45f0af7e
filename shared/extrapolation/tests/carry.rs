//! What extrapolation must keep, and what it must not invent.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use ndarray::Array2;
use raincell_extrapolation::{ExtrapolationError, Inflow, Interpolation, Trajectories};
use raincell_model::{Grid, MotionField};

const SIDE: usize = 120;
const ALL: [Interpolation; 3] = [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Smooth];

fn trajectories(u: f32, v: f32, minutes: &[f32]) -> Trajectories {
    let mut motion = MotionField::at_rest(Arc::new(Grid::around_radar(50.0, 5.0, SIDE as f64 / 2.0, 1.0)));
    motion.u.fill(u);
    motion.v.fill(v);
    let mut trajectories = Trajectories::new(&motion).unwrap();
    for m in minutes {
        trajectories.advance(*m);
    }
    trajectories
}

/// Broken rain of 0 to 40 mm/h with a hole in what was observed.
fn rain() -> Array2<f32> {
    Array2::from_shape_fn((SIDE, SIDE), |(r, c)| {
        if (10..14).contains(&r) && (20..30).contains(&c) {
            return f32::NAN;
        }
        let wave = (r as f32 * 0.21).sin() * (c as f32 * 0.17).cos() + 0.3 * ((r * 31 + c * 17) % 11) as f32 / 11.0;
        if wave > 0.2 { 40.0 * (wave - 0.2) } else { 0.0 }
    })
}

fn same(a: &Array2<f32>, b: &Array2<f32>) -> bool {
    a.iter().zip(b).all(|(x, y)| x == y || (x.is_nan() && y.is_nan()))
}

#[test]
fn without_motion_everything_stays() {
    let field = rain();
    for interpolation in ALL {
        let arrived = trajectories(0.0, 0.0, &[5.0; 12]).carry(&field, interpolation, Inflow::Unknown).unwrap();
        assert!(same(&arrived, &field), "{interpolation:?}");
    }
}

#[test]
fn a_shift_by_whole_cells_moves_every_value_unchanged() {
    let field = rain();
    for interpolation in ALL {
        let arrived = trajectories(0.4, -0.2, &[5.0; 6]).carry(&field, interpolation, Inflow::Unknown).unwrap();
        for ((r, c), x) in field.indexed_iter().filter(|((r, c), _)| *r >= 6 && *c < SIDE - 12) {
            let y = arrived[(r - 6, c + 12)];
            assert!(
                (x - y).abs() < 2e-3 || (x.is_nan() && y.is_nan()),
                "{interpolation:?} at {r}, {c}: {x} became {y}"
            );
        }
    }
}

#[test]
fn a_shift_keeps_the_mass_of_the_interior_to_a_thousandth() {
    let blob = Array2::from_shape_fn((SIDE, SIDE), |(r, c)| {
        let square = ((r as f32 - 60.0).powi(2) + (c as f32 - 50.0).powi(2)) / 60.0;
        if square < 9.0 { 30.0 * (-square).exp() } else { 0.0 }
    });
    let before: f32 = blob.sum();
    for interpolation in ALL {
        for (u, v) in [(0.137, 0.093), (-0.21, 0.05), (0.333, -0.25)] {
            let trajectories = trajectories(u, v, &[5.0; 12]);
            let after: f32 = trajectories.carry(&blob, interpolation, Inflow::LastObservation).unwrap().sum();
            let change = (after / before - 1.0).abs();
            assert!(change < 1e-3, "{interpolation:?}: mass changed by {:.3} %", change * 100.0);
        }
    }
}

#[test]
fn no_rain_in_no_rain_out() {
    let dry = Array2::zeros((SIDE, SIDE));
    for interpolation in ALL {
        let arrived = trajectories(0.37, 0.2, &[7.0; 9]).carry(&dry, interpolation, Inflow::LastObservation).unwrap();
        assert!(arrived.iter().all(|r| *r == 0.0));
    }
}

#[test]
fn nothing_exceeds_the_highest_value_that_was_there() {
    let field = rain();
    let highest = field.iter().copied().fold(0.0, f32::max);
    for interpolation in ALL {
        let arrived = trajectories(0.37, 0.2, &[7.0; 9]).carry(&field, interpolation, Inflow::Unknown).unwrap();
        assert!(arrived.iter().all(|r| r.is_nan() || (0.0..=highest).contains(r)), "{interpolation:?}");
    }
}

#[test]
fn bilinear_rain_does_not_grow_at_its_rims() {
    let field =
        Array2::from_shape_fn(
            (SIDE, SIDE),
            |(r, c)| if (40..80).contains(&r) && (40..80).contains(&c) { 2.0 } else { 0.0 },
        );
    let arrived = trajectories(0.1, 0.06, &[5.0]).carry(&field, Interpolation::Bilinear, Inflow::Unknown).unwrap();
    assert_eq!(arrived.iter().filter(|r| **r > 0.0).count(), 1600);
}

#[test]
fn inflow_is_unknown_unless_the_last_observation_is_asked_for() {
    let field = rain();
    let trajectories = trajectories(1.0, 0.0, &[5.0; 2]);
    let unknown = trajectories.carry(&field, Interpolation::Bilinear, Inflow::Unknown).unwrap();
    assert!(unknown.indexed_iter().filter(|((_, c), _)| *c < 9).all(|(_, r)| r.is_nan()));
    assert!(unknown[(12, 35)].is_nan(), "the hole moves along");
    let guessed = trajectories.carry(&field, Interpolation::Bilinear, Inflow::LastObservation).unwrap();
    let edge = |a: &Array2<f32>| Array2::from_shape_fn((SIDE, 9), |at| a[at]);
    assert!(same(&edge(&guessed), &edge(&field)));
    assert_eq!(guessed[(12, 35)], field[(12, 35)]);
}

#[test]
fn a_field_of_another_shape_is_refused() {
    let refused = trajectories(0.0, 0.0, &[5.0]).carry(&Array2::zeros((3, 4)), Interpolation::Nearest, Inflow::Unknown);
    assert_eq!(refused.unwrap_err(), ExtrapolationError::ShapeMismatch { expected: (SIDE, SIDE), found: (3, 4) });
}
