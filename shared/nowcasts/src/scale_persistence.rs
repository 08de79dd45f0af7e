//! Scale-dependent persistence: each scale of the rain pattern lasts as long as it did in the last hour.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::{MotionField, RainField};
use raincell_motion::{MotionEstimator, PyramidFlow};
use rayon::prelude::*;

use crate::matching::matched;
use crate::method::newest;
use crate::scales::Scales;
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// Standard deviations of the smoothing between scales, cells.
const SIGMAS: [f32; 6] = [0.7, 1.5, 3.0, 6.0, 12.0, 24.0];
/// Rain below this rate counts as dry, mm/h.
const DRY_BELOW_MM_H: f32 = 0.1;
/// Where dry stands on the decibel scale, dB below the least rain.
const DRY_GAP_DB: f32 = 3.0;
/// Share of the wet cells, the heaviest, that are moved without fading: what is rare and small would drown in smoothing.
const KEPT_SHARE: f32 = 0.07;
/// How far back fields are of use, minutes.
const HISTORY_MIN: i64 = 31;
/// The newest field is compared with the one this many steps before it.
const COMPARED_STEPS: f32 = 3.0;
/// What stands in the smoothing where the air comes from beyond the edge.
const FILLED: Inflow = Inflow::LastObservation;

/// Extrapolation in which every scale fades by its own correlation along the motion, as measured on the past fields
/// (the idea of S-PROG, Seed 2003), and the distribution of the last field is put back by rank.
///
/// The heaviest rain alone keeps its place as extrapolation has it. Unknown cells count as dry in the smoothing and stay
/// unknown in the result.
#[derive(Default)]
pub struct ScalePersistence {
    motion: PyramidFlow,
}

impl NowcastMethod for ScalePersistence {
    fn name(&self) -> &'static str {
        "scale-persistence"
    }

    fn history(&self) -> SignedDuration {
        SignedDuration::from_mins(HISTORY_MIN)
    }

    fn run(&self, past: &[RainField], leads: &LeadTimes, inflow: Inflow) -> Result<Nowcast, NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let valid_times = leads.valid_times(last.valid_time)?;
        let motion = self.motion.estimate(past)?;
        let motion_s = started.elapsed().as_secs_f64();

        let mut trajectories = Trajectories::new(&motion)?;
        let along: Vec<Trajectories> = valid_times
            .iter()
            .map(|_| {
                trajectories.advance(leads.step_min as f32);
                trajectories.clone()
            })
            .collect();
        let pattern = Pattern::of(past, last, &motion, leads.step_min as f32)?;
        let fields = along
            .par_iter()
            .zip(valid_times)
            .map(|(trajectories, valid_time)| {
                let mut rate_mm_h = trajectories.carry(&last.rate_mm_h, Interpolation::Bilinear, FILLED)?;
                if let Some(pattern) = &pattern {
                    let faded = pattern.after(trajectories.minutes(), &last.rate_mm_h);
                    let arrived = trajectories.carry(&faded, Interpolation::Smooth, FILLED)?;
                    rate_mm_h = matched(&arrived, &rate_mm_h, KEPT_SHARE);
                }
                if inflow == Inflow::Unknown {
                    // Matched as if filled, so that the rest is the same with and without the guess.
                    let known = trajectories.carry(&last.rate_mm_h, Interpolation::Nearest, Inflow::Unknown)?;
                    rate_mm_h.zip_mut_with(&known, |rate, known| *rate = if known.is_nan() { f32::NAN } else { *rate });
                }
                Ok(RainField { grid: last.grid.clone(), valid_time, rate_mm_h })
            })
            .collect::<Result<Vec<_>, NowcastError>>()?;
        let timings = Timings { motion_s, nowcast_s: started.elapsed().as_secs_f64() - motion_s };
        Ok(Nowcast { motion, fields, timings })
    }
}

/// The newest field by scale, and how long each scale lasts.
struct Pattern {
    scales: Scales,
    /// Minutes in which the correlation of each scale along the motion falls to 1/e.
    memory_min: [f32; SIGMAS.len()],
}

impl Pattern {
    /// `None` where no earlier field shows how long anything lasts.
    fn of(
        past: &[RainField],
        last: &RainField,
        motion: &MotionField,
        step_min: f32,
    ) -> Result<Option<Self>, NowcastError> {
        let age_min = |f: &RainField| last.valid_time.duration_since(f.valid_time).as_secs_f32() / 60.0;
        let distance = |f: &RainField| (age_min(f) - COMPARED_STEPS * step_min).abs();
        let earlier = past
            .iter()
            .filter(|f| age_min(f) > 0.0 && age_min(f) <= HISTORY_MIN as f32)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(earlier) = earlier else { return Ok(None) };
        let mut trajectories = Trajectories::new(motion)?;
        trajectories.advance(age_min(earlier));
        let arrived = trajectories.carry(&earlier.rate_mm_h, Interpolation::Bilinear, FILLED)?;
        let then = Scales::split(&decibels(&arrived), &SIGMAS);
        let scales = Scales::split(&decibels(&last.rate_mm_h), &SIGMAS);
        let mut memory_min = [0.0; SIGMAS.len()];
        for (memory, (a, b)) in memory_min.iter_mut().zip(then.details.iter().zip(&scales.details)) {
            // A scale that correlates not at all is gone after one step; one that never changes lasts for ever, nearly.
            *memory = -age_min(earlier) / correlation(a, b).clamp(0.01, 0.999).ln();
        }
        Ok(Some(Self { scales, memory_min }))
    }

    /// The pattern in decibels as much faded as it is after `minutes`; NaN where `last` is.
    fn after(&self, minutes: f32, last: &Array2<f32>) -> Array2<f32> {
        let mut faded = self.scales.weighted(&self.memory_min.map(|m| (-minutes / m).exp()));
        faded.zip_mut_with(last, |f, rate| {
            if rate.is_nan() {
                *f = f32::NAN;
            }
        });
        faded
    }
}

fn decibels(rate_mm_h: &Array2<f32>) -> Array2<f32> {
    rate_mm_h.mapv(|r| if r >= DRY_BELOW_MM_H { 10.0 * (r / DRY_BELOW_MM_H).log10() + DRY_GAP_DB } else { 0.0 })
}

/// Correlation of two details, whose means are zero by construction.
fn correlation(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    let (mut aa, mut bb, mut ab) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (x, y) in a.iter().zip(b) {
        aa += f64::from(x * x);
        bb += f64::from(y * y);
        ab += f64::from(x * y);
    }
    if aa * bb > 0.0 { (ab / (aa * bb).sqrt()) as f32 } else { 0.0 }
}
