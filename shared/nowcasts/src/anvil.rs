//! ANVIL: each scale goes on as it does around each place, growth and decay included.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::{Array2, Zip};
use raincell_cascade::BandPass;
use raincell_cascade::ar::LocalAri;
use raincell_extrapolation::{Inflow, Interpolation};
use raincell_model::RainField;
use raincell_motion::{MotionEstimator, PyramidFlow};
use rayon::prelude::*;

use crate::method::newest;
use crate::scales::blurred;
use crate::states::{DRY_BELOW_MM_H, along, last_states};
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// Levels of the cascade.
const LEVELS: usize = 8;
/// Standard deviation of the window in which correlations are taken, cells.
const WINDOW_CELLS: f32 = 50.0;
/// Differences smaller than this have no say, mm/h.
const LEAST_CHANGE: f32 = 1e-8;

/// Autoregressive nowcasting with localised parameters (Pulkkinen et al. 2020; as in pysteps with rain rates for input):
/// each level of the cascade of rain rates follows an ARI(2,1) process whose parameters come from the correlations
/// around each cell, so that what grows goes on growing for a while. No rain where there was none.
///
/// With fewer than four fields a step apart it is extrapolation.
#[derive(Default)]
pub struct Anvil {
    motion: PyramidFlow,
}

impl NowcastMethod for Anvil {
    fn name(&self) -> &'static str {
        "anvil"
    }

    fn history(&self) -> SignedDuration {
        SignedDuration::from_mins(31)
    }

    fn run(&self, past: &[RainField], leads: &LeadTimes, inflow: Inflow) -> Result<Nowcast, NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let valid_times = leads.valid_times(last.valid_time)?;
        let motion = self.motion.estimate(past)?;
        let motion_s = started.elapsed().as_secs_f64();

        let step_min = leads.step_min as f32;
        let states = last_states(past, last, &motion, step_min, 4)?;
        let rain = states[0].iter().any(|r| *r >= DRY_BELOW_MM_H);
        let evolved = if states.len() < 4 || !rain { Vec::new() } else { evolved(&states, leads.count)? };
        let fields = along(&motion, step_min, leads.count)?
            .par_iter()
            .zip(valid_times)
            .enumerate()
            .map(|(lead, (trajectories, valid_time))| {
                let source = evolved.get(lead).unwrap_or(&states[0]);
                let rate_mm_h = trajectories.carry(source, Interpolation::Bilinear, inflow)?;
                Ok(RainField { grid: last.grid.clone(), valid_time, rate_mm_h })
            })
            .collect::<Result<Vec<_>, NowcastError>>()?;
        let timings = Timings { motion_s, nowcast_s: started.elapsed().as_secs_f64() - motion_s };
        Ok(Nowcast { motion, fields, timings })
    }
}

/// The rain rate at each lead at the place of the newest of four states (newest first), mm/h; NaN where it is unknown.
fn evolved(states: &[Array2<f32>], leads: usize) -> Result<Vec<Array2<f32>>, NowcastError> {
    let shape = states[0].dim();
    let filters = BandPass::new(shape, LEVELS)?;
    let mut levels: Vec<std::vec::IntoIter<Array2<f32>>> = Vec::with_capacity(states.len());
    for state in states {
        // Not-a-number does not pass the comparison of max.
        levels.push(filters.split(&state.mapv(|r| r.max(0.0)))?.into_iter());
    }
    let mut sums = vec![Array2::<f32>::zeros(shape); leads];
    while let [Some(now), Some(before), Some(earlier), Some(oldest)] = {
        let mut next = levels.iter_mut().map(Iterator::next);
        [(); 4].map(|()| next.next().flatten())
    } {
        let ari = local_process(&now, &before, &earlier, &oldest);
        let mut level = [now, before, earlier];
        for sum in &mut sums {
            ari.step(&mut level);
            *sum += &level[0];
        }
    }
    sums.par_iter_mut().for_each(|sum| {
        sum.zip_mut_with(&states[0], |rate, observed| {
            *rate = match *observed {
                unknown if unknown.is_nan() => f32::NAN,
                dry if dry < DRY_BELOW_MM_H => 0.0,
                _ => rate.max(0.0),
            };
        });
    });
    Ok(sums)
}

fn local_process(now: &Array2<f32>, before: &Array2<f32>, earlier: &Array2<f32>, oldest: &Array2<f32>) -> LocalAri {
    let changes = [now - before, before - earlier, earlier - oldest];
    let power: Vec<Array2<f32>> = changes.par_iter().map(|c| blurred(&(c * c), WINDOW_CELLS)).collect();
    let correlation = |lag: usize| {
        let mut gamma = blurred(&(&changes[0] * &changes[lag]), WINDOW_CELLS);
        Zip::from(&mut gamma).and(&power[0]).and(&power[lag]).par_for_each(|g, &a, &b| {
            let spread = a.max(0.0).sqrt() * b.max(0.0).sqrt();
            *g = if spread > LEAST_CHANGE { (*g / spread).clamp(-1.0, 1.0) } else { 0.0 };
        });
        gamma
    };
    LocalAri::from_correlations(&correlation(1), &correlation(2))
}
