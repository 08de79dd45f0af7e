//! S-PROG: each scale fades at its own pace.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::Array2;
use raincell_cascade::ar::Ar2;
use raincell_cascade::{BandPass, Spectrum};
use raincell_extrapolation::{Inflow, Interpolation};
use raincell_model::RainField;
use rayon::prelude::*;

use crate::drift::Drift;
use crate::matching::matched;
use crate::method::newest;
use crate::states::{DRY_BELOW_MM_H, filled_decibels, last_states};
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// Levels of the cascade.
const LEVELS: usize = 6;

/// Spectral prognosis (Seed 2003; as in pysteps): the rain in decibels is split into a Gaussian band-pass cascade, each
/// level goes on as the AR(2) process that its correlations along the motion make it, and the distribution of the newest
/// field is put back by rank. Scales that cannot be foretold fade away.
///
/// With fewer than two fields a step apart nothing is known of how rain changes, and it is extrapolation.
pub struct Sprog;

impl NowcastMethod for Sprog {
    fn name(&self) -> &'static str {
        "sprog"
    }

    fn history(&self) -> SignedDuration {
        SignedDuration::from_mins(31)
    }

    fn run(&self, past: &[RainField], leads: &LeadTimes, inflow: Inflow) -> Result<Nowcast, NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let valid_times = leads.valid_times(last.valid_time)?;
        let drift = Drift::estimate(past)?;
        let motion_s = started.elapsed().as_secs_f64();

        let step_min = leads.step_min as f32;
        let states = last_states(past, last, &drift.fresh, step_min, 3)?;
        let model = Spectral::of(&states)?;
        let fields = drift
            .along(step_min, leads.count)?
            .par_iter()
            .zip(valid_times)
            .enumerate()
            .map(|(lead, (trajectories, valid_time))| {
                let evolved = model.as_ref().map(|m| m.rates_after(lead + 1, &states[0]));
                let source = evolved.as_ref().unwrap_or(&states[0]);
                let rate_mm_h = trajectories.carry(source, Interpolation::Bilinear, inflow)?;
                Ok(RainField { grid: last.grid.clone(), valid_time, rate_mm_h })
            })
            .collect::<Result<Vec<_>, NowcastError>>()?;
        let timings = Timings { motion_s, nowcast_s: started.elapsed().as_secs_f64() - motion_s };
        Ok(Nowcast { motion: drift.lasting, fields, timings })
    }
}

/// The newest states as spectra, and the process that each level of their cascade follows.
pub(crate) struct Spectral {
    filters: BandPass,
    newest: Spectrum,
    before: Spectrum,
    levels: Vec<Level>,
    /// Rain whose distribution the nowcast takes, mm/h.
    pub target: Array2<f32>,
}

struct Level {
    process: Ar2,
    /// Standard deviation of the newest state over that of the one before.
    growth: f64,
}

impl Spectral {
    /// From states newest first; `None` where there is no earlier one or no rain.
    pub fn of(states: &[Array2<f32>]) -> Result<Option<Self>, NowcastError> {
        let Some(newest) = states.first() else { return Ok(None) };
        let target = newest.mapv(|r| if r < DRY_BELOW_MM_H { 0.0 } else { r });
        if states.len() < 2 || !target.iter().any(|r| *r > 0.0) {
            return Ok(None);
        }
        let filters = BandPass::new(newest.dim(), LEVELS)?;
        let mut spectra: Vec<Spectrum> =
            states.par_iter().map(|state| filters.fft().forward(&filled_decibels(state))).collect();
        let levels = (0..filters.levels()).into_par_iter().map(|level| Level::of(&filters, &spectra, level)).collect();
        let before = spectra.swap_remove(1);
        Ok(Some(Self { filters, newest: spectra.swap_remove(0), before, levels, target }))
    }

    /// The rain after `steps` with the distribution of the newest field, mm/h; NaN where `newest` is unknown.
    pub fn rates_after(&self, steps: usize, newest: &Array2<f32>) -> Array2<f32> {
        matched(&self.after(steps, newest), &self.target, 0.0)
    }

    /// What is expected after `steps`, dB, at the place of the newest field; NaN where `newest` is unknown.
    pub fn after(&self, steps: usize, newest: &Array2<f32>) -> Array2<f32> {
        let factors: Vec<[f32; 2]> = self
            .levels
            .iter()
            .map(|level| {
                let (now, before) = level.process.weights_after(steps);
                [now as f32, (before * level.growth) as f32]
            })
            .collect();
        let mut expected = self.filters.recombined([&self.newest, &self.before], &factors);
        expected.zip_mut_with(newest, |e, n| *e = if n.is_nan() { f32::NAN } else { *e });
        expected
    }
}

impl Level {
    fn of(filters: &BandPass, spectra: &[Spectrum], level: usize) -> Self {
        let covariance = |a: usize, b: usize| filters.covariance(level, [&spectra[a], &spectra[b]]);
        let now = covariance(0, 0);
        let correlation = |earlier: usize| {
            let product = now * covariance(earlier, earlier);
            if product > 0.0 { covariance(0, earlier) / product.sqrt() } else { 0.0 }
        };
        let gamma_1 = correlation(1);
        let gamma_2 = if spectra.len() > 2 { correlation(2) } else { gamma_1 * gamma_1 };
        let before = covariance(1, 1);
        let growth = if before > 0.0 { (now / before).sqrt() } else { 0.0 };
        Self { process: Ar2::from_correlations(gamma_1, gamma_2), growth }
    }
}
