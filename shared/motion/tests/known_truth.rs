//! Fields moved by a known motion, and what a radar network does to them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_model::{Grid, MotionField, RainField};
use raincell_motion::{MotionError, MotionEstimator, PyramidFlow};

const SIDE: usize = 256;
const STEP_MIN: f32 = 5.0;

/// Rain cells of 5 to 14 grid cells' width all over and beyond the domain, from a linear congruential generator.
struct Texture {
    cells: Vec<[f32; 4]>,
}

impl Texture {
    fn new() -> Self {
        let mut state = 12345_u32;
        let mut next = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let reach = SIDE as f32 * 1.5;
        let cells = (0..900)
            .map(|_| [next() * 2.0 * reach - reach, next() * 2.0 * reach - reach, 2.5 + 4.5 * next(), 25.0 * next()])
            .collect();
        Self { cells }
    }

    /// dBR of the sum, as a rate; `origin` says where the air at (x, y), from the centre, was at the start.
    fn field(&self, minutes: f32, origin: impl Fn(f32, f32, f32) -> (f32, f32)) -> RainField {
        let grid = Arc::new(Grid::around_radar(50.0, 5.0, SIDE as f64 / 2.0, 1.0));
        let half = SIDE as f32 / 2.0;
        let rate_mm_h = Array2::from_shape_fn((SIDE, SIDE), |(r, c)| {
            let (x, y) = origin(c as f32 - half, r as f32 - half, minutes);
            let db: f32 = self
                .cells
                .iter()
                .map(|&[cx, cy, width, peak]| {
                    let square = ((x - cx).powi(2) + (y - cy).powi(2)) / (2.0 * width * width);
                    if square > 12.0 { 0.0 } else { peak * (-square).exp() }
                })
                .sum();
            let rate = 0.1 * 10.0_f32.powf(db / 10.0);
            if rate < 0.15 { 0.0 } else { rate.min(100.0) }
        });
        RainField { grid, valid_time: at(minutes), rate_mm_h }
    }
}

fn at(minutes: f32) -> Timestamp {
    Timestamp::from_second(1_600_000_000).unwrap() + SignedDuration::from_millis((f64::from(minutes) * 60_000.0) as i64)
}

const MINUTES: [f32; 4] = [0.0, 5.0, 10.0, 15.0];

fn frames(minutes: &[f32], origin: impl Fn(f32, f32, f32) -> (f32, f32)) -> Vec<RainField> {
    let texture = Texture::new();
    minutes.iter().map(|&m| texture.field(m, &origin)).collect()
}

/// Mean endpoint error in grid cells a step, where `wanted` accepts.
fn error(motion: &MotionField, truth: impl Fn(f32, f32) -> (f32, f32), wanted: impl Fn(usize, usize) -> bool) -> f32 {
    let half = SIDE as f32 / 2.0;
    let (mut sum, mut n) = (0.0, 0.0);
    for ((r, c), &u) in motion.u.indexed_iter().filter(|((r, c), _)| wanted(*r, *c)) {
        let (tu, tv) = truth(c as f32 - half, r as f32 - half);
        sum += (u - tu).hypot(motion.v[(r, c)] - tv) * STEP_MIN;
        n += 1.0;
    }
    sum / n
}

fn everywhere(_: usize, _: usize) -> bool {
    true
}

fn estimate(fields: &[RainField]) -> MotionField {
    PyramidFlow::default().estimate(fields).unwrap()
}

fn assert_below(error: f32, limit: f32) {
    println!("mean endpoint error {error:.3} px");
    assert!(error <= limit, "mean endpoint error {error} px, at most {limit} wanted");
}

const UNIFORM: (f32, f32) = (0.83, -0.47);

fn uniform(x: f32, y: f32, minutes: f32) -> (f32, f32) {
    (x - UNIFORM.0 * minutes, y - UNIFORM.1 * minutes)
}

#[test]
fn uniform_motion_is_recovered() {
    let motion = estimate(&frames(&MINUTES, uniform));
    assert_below(error(&motion, |_, _| UNIFORM, everywhere), 0.15);
}

#[test]
fn fast_uniform_motion_is_recovered() {
    let motion = estimate(&frames(&MINUTES, |x, y, t| (x + 1.9 * t, y - 0.9 * t)));
    assert_below(error(&motion, |_, _| (-1.9, 0.9), everywhere), 0.15);
}

#[test]
fn rotating_motion_is_recovered() {
    let turn = 0.006_f32;
    let motion = estimate(&frames(&MINUTES, |x, y, t| {
        let (sin, cos) = (turn * t).sin_cos();
        (cos * x + sin * y, cos * y - sin * x)
    }));
    assert_below(error(&motion, |x, y| (-turn * y, turn * x), everywhere), 0.15);
}

#[test]
fn shearing_motion_is_recovered() {
    let shear = 0.006_f32;
    let motion = estimate(&frames(&MINUTES, |x, y, t| (x - (0.4 + shear * y) * t, y)));
    assert_below(error(&motion, |_, y| (0.4 + shear * y, 0.0), everywhere), 0.15);
}

#[test]
fn a_field_that_stays_is_at_rest() {
    let motion = estimate(&frames(&MINUTES, |x, y, _| (x, y)));
    assert_below(error(&motion, |_, _| (0.0, 0.0), everywhere), 1e-3);
}

#[test]
fn uneven_times_duplicates_and_a_gap_give_the_same_motion() {
    let mut fields = frames(&[0.0, 4.0, 14.0, 14.0, 19.5, 30.0], uniform);
    fields.swap(0, 3);
    let motion = estimate(&fields);
    assert_below(error(&motion, |_, _| UNIFORM, everywhere), 0.15);
}

#[test]
fn after_a_gap_rain_moves_as_before_it_and_two_fields_tell_it_however_far_apart() {
    for minutes in [vec![-45.0, -40.0, 0.0], vec![-30.0, -25.0, -20.0, 0.0], vec![-18.0, 0.0], vec![-70.0, -60.0, 0.0]]
    {
        let (lasting, fresh) = PyramidFlow::default().estimate_with_fresh(&frames(&minutes, uniform), 16.0).unwrap();
        for motion in [lasting, fresh] {
            assert_below(error(&motion, |_, _| UNIFORM, everywhere), 0.15);
        }
    }
    // Of what was two hours ago nothing is left.
    let motion = estimate(&frames(&[-120.0, -115.0, 0.0], uniform));
    assert_below(error(&motion, |_, _| (0.0, 0.0), everywhere), 1e-6);
}

#[test]
fn frames_that_come_every_minute_or_two_give_the_same_motion() {
    for minutes in [vec![-2.0, 0.0], (-9..=0).map(|m| m as f32).collect(), (-15..=0).map(|m| 2.0 * m as f32).collect()]
    {
        let motion = estimate(&frames(&minutes, uniform));
        assert_below(error(&motion, |_, _| UNIFORM, everywhere), 0.15);
    }
}

#[test]
fn stripes_of_unknown_cells_do_not_pull_at_the_motion() {
    let mut fields = frames(&MINUTES, uniform);
    for field in &mut fields {
        for ((r, c), rate) in field.rate_mm_h.indexed_iter_mut() {
            if c % 24 < 2 || (100..112).contains(&r) {
                *rate = f32::NAN;
            }
        }
    }
    assert_below(error(&estimate(&fields), |_, _| UNIFORM, everywhere), 0.15);
}

#[test]
fn the_edge_of_what_radars_see_makes_no_gradient() {
    let mut fields = frames(&MINUTES, uniform);
    let half = SIDE as f32 / 2.0;
    for field in &mut fields {
        for ((r, c), rate) in field.rate_mm_h.indexed_iter_mut() {
            if (r as f32 - half).hypot(c as f32 - half) > 100.0 {
                *rate = f32::NAN;
            }
        }
    }
    assert_below(error(&estimate(&fields), |_, _| UNIFORM, everywhere), 0.15);
}

#[test]
fn clutter_at_rest_does_not_stop_the_rain_around_it() {
    let mut fields = frames(&MINUTES, uniform);
    for (i, field) in fields.iter_mut().enumerate() {
        for ((r, c), rate) in field.rate_mm_h.indexed_iter_mut() {
            if (r as f32 - 90.0).hypot(c as f32 - 150.0) < 12.0 {
                // Flickers by a decibel, as clutter does.
                *rate = 20.0 * (1.0 + 0.1 * ((r * 7 + c * 13 + i * 5) % 5) as f32);
            }
        }
    }
    let motion = estimate(&fields);
    let around = |r: usize, c: usize| (r as f32 - 90.0).hypot(c as f32 - 150.0) > 28.0;
    assert_below(error(&motion, |_, _| UNIFORM, around), 0.15);
}

#[test]
fn dry_areas_take_the_motion_of_the_rain() {
    let mut fields = frames(&MINUTES, uniform);
    for (field, minutes) in fields.iter_mut().zip(MINUTES) {
        for ((r, c), rate) in field.rate_mm_h.indexed_iter_mut() {
            // One band of rain that moves along; all else is dry.
            let (x, y) = (c as f32 - UNIFORM.0 * minutes, r as f32 - UNIFORM.1 * minutes);
            if !(20.0..90.0).contains(&x) || !(60.0..200.0).contains(&y) {
                *rate = 0.0;
            }
        }
    }
    assert_below(error(&estimate(&fields), |_, _| UNIFORM, everywhere), 0.3);
}

#[test]
fn one_field_and_fields_without_rain_are_at_rest() {
    let fields = frames(&MINUTES, uniform);
    let filled = |value: f32| -> Vec<RainField> {
        fields.iter().map(|f| RainField { rate_mm_h: Array2::from_elem((SIDE, SIDE), value), ..f.clone() }).collect()
    };
    for motion in [estimate(&fields[..1]), estimate(&filled(0.0)), estimate(&filled(f32::NAN))] {
        assert!(motion.u.iter().chain(&motion.v).all(|m| *m == 0.0));
    }
}

#[test]
fn one_wet_pixel_gives_finite_motion() {
    let mut fields = frames(&MINUTES, uniform);
    for (i, field) in fields.iter_mut().enumerate() {
        field.rate_mm_h.fill(0.0);
        field.rate_mm_h[(60, 60 + 40 * i)] = 30.0;
    }
    let motion = estimate(&fields);
    let fastest = motion.u.iter().zip(&motion.v).map(|(u, v)| u.hypot(*v)).fold(0.0, f32::max);
    assert!(fastest <= 2.6, "{fastest} cells a minute");
}

#[test]
fn tiny_grids_are_no_trouble() {
    for (height, width) in [(1, 1), (2, 2), (1, 40), (3, 17)] {
        let grid = Arc::new(Grid { height, width, ..Grid::around_radar(50.0, 5.0, 1.0, 1.0) });
        let fields: Vec<RainField> = (0..3)
            .map(|i| RainField {
                grid: grid.clone(),
                valid_time: at(5.0 * i as f32),
                rate_mm_h: Array2::from_shape_fn((height, width), |(r, c)| (r + c + i) as f32),
            })
            .collect();
        let motion = estimate(&fields);
        assert!(motion.u.iter().chain(&motion.v).all(|m| m.is_finite()), "{height} × {width}");
    }
}

#[test]
fn what_cannot_be_matched_is_a_named_error() {
    assert_eq!(PyramidFlow::default().estimate(&[]).unwrap_err(), MotionError::NoFields);
    let mut fields = frames(&MINUTES[..2], uniform);
    fields[1].rate_mm_h = Array2::zeros((3, 3));
    assert!(matches!(PyramidFlow::default().estimate(&fields), Err(MotionError::ShapeMismatch { found: (3, 3), .. })));
    fields[1].grid = Arc::new(Grid::around_radar(51.0, 5.0, SIDE as f64 / 2.0, 1.0));
    assert!(matches!(PyramidFlow::default().estimate(&fields), Err(MotionError::GridMismatch { .. })));
}
