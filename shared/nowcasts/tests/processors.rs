//! Nowcasts do not hang on the processor that makes them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_model::{Grid, RainField};
use raincell_nowcasts::{EnsembleSettings, Inflow, LeadTimes, METHODS, ensemble, method};

const LEADS: LeadTimes = LeadTimes { step_min: 5.0, count: 4 };

/// Showers that move, turn and grow, beyond them a corner that nobody sees and a stripe without reports now and then.
fn showers(step: i32) -> RainField {
    let grid = Arc::new(Grid { width: 251, height: 187, ..Grid::around_radar(50.0, 5.0, 100.0, 1.0) });
    let (sin, cos) = (0.004 * step as f32).sin_cos();
    let rate_mm_h = Array2::from_shape_fn(grid.shape(), |(r, c)| {
        if r + c < 60 || (step % 3 == 0 && c == 140) {
            return f32::NAN;
        }
        let (x, y) = (c as f32 - 125.0, r as f32 - 93.0);
        let (x, y) = (cos * x - sin * y - 2.3 * step as f32, sin * x + cos * y - 1.1 * step as f32);
        let wave = (x * 0.13).sin() * (y * 0.11).cos() + 0.4 * (x * 0.31 + y * 0.23).sin();
        if wave > 0.4 - 0.01 * step as f32 { 0.3 * (3.1 * wave).exp() } else { 0.0 }
    });
    let valid_time = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(5 * i64::from(step));
    RainField { grid, valid_time, rate_mm_h }
}

/// The bits of all that all methods and an ensemble make, on so many threads.
fn made(past: &[RainField], threads: usize) -> Vec<(String, Vec<u32>)> {
    let bits = |field: &Array2<f32>| field.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
    let make = || {
        let mut made = Vec::new();
        for inflow in [Inflow::Unknown, Inflow::LastObservation] {
            for name in METHODS {
                let nowcast = method(name).unwrap().run(past, &LEADS, inflow).unwrap();
                made.push((format!("motion of {name}"), [bits(&nowcast.motion.u), bits(&nowcast.motion.v)].concat()));
                for (lead, field) in nowcast.fields.iter().enumerate() {
                    made.push((format!("{name}, {inflow:?}, lead {lead}"), bits(&field.rate_mm_h)));
                }
            }
            let settings = EnsembleSettings { members: 5, seed: 7 };
            let (steps, _) = ensemble(past, &LEADS, inflow, settings).unwrap();
            for (lead, step) in steps.enumerate() {
                let step = step.unwrap();
                let mut channels: Vec<_> = step.probabilities().into_iter().chain(step.percentiles_mm_h()).collect();
                channels.push(step.mean_mm_h());
                channels.extend((0..settings.members).map(|m| step.member_mm_h(m).unwrap()));
                let channels = channels.iter().flatten().map(|v| v.to_bits()).collect();
                made.push((format!("ensemble, {inflow:?}, lead {lead}"), channels));
            }
        }
        made
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(make)
}

#[test]
fn nowcasts_are_the_same_to_the_bit_on_any_processor_and_any_number_of_threads() {
    let past: Vec<RainField> = (0..14).map(showers).collect();
    let wide = made(&past, 2);
    assert!(wide.iter().any(|(_, bits)| bits.iter().any(|b| f32::from_bits(*b) > 5.0)));
    let one = made(&past, 1);
    raincell_simd::hold_back(true);
    let baseline = made(&past, 3);
    raincell_simd::hold_back(false);
    for others in [one, baseline] {
        assert_eq!(wide.len(), others.len());
        for ((what, bits), (_, others)) in wide.iter().zip(&others) {
            let differing = bits.iter().zip(others).filter(|(a, b)| a != b).count();
            assert!(differing == 0, "{what}: {differing} of {} numbers differ", bits.len());
        }
    }
}
