//! The stages of [`Best`](crate::Best) one by one, for benchmarks; nobody else should lean on them.

use ndarray::{Array2, Zip};
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::RainField;
use rayon::prelude::*;

use crate::NowcastError;
use crate::best::{Buffers, Recent};
use crate::drift::Drift;
use crate::exceedance::{RATES, RATES_MM_H, Surroundings, weights_at};
use crate::method::newest;
use crate::placing::placed;
use crate::traits::Rate;
use crate::weights::TABLES;

/// Both motions of a nowcast, and what its stages hand on at one lead time.
pub struct Stages {
    drift: Drift,
    recent: Recent,
    cell_km: f32,
    halvings: usize,
    surroundings: Surroundings,
    trajectories: Trajectories,
    known: Array2<f32>,
    filled: Array2<f32>,
    buffers: Buffers,
}

impl Stages {
    /// Up to the lead time, minutes; `None` where there is no earlier field.
    ///
    /// # Errors
    /// As [`NowcastMethod::run`](crate::NowcastMethod::run).
    pub fn of(past: &[RainField], lead_min: f32) -> Result<Option<Self>, NowcastError> {
        let last = newest(past)?;
        let drift = Drift::estimate(past)?;
        let Some(recent) = Recent::of(past, last, &drift.fresh)? else { return Ok(None) };
        let cell_km = last.grid.cell_km() as f32;
        let (halvings, surroundings) = surroundings(&recent, cell_km);
        let trajectories = drift.to(lead_min)?;
        let known = trajectories.carry(&last.rate_mm_h, Interpolation::Bilinear, Inflow::Unknown)?;
        let filled = Zip::from(&known).and(&last.rate_mm_h).map_collect(|k, l| if k.is_nan() { *l } else { *k });
        let buffers = Buffers::default();
        Ok(Some(Self { drift, recent, cell_km, halvings, surroundings, trajectories, known, filled, buffers }))
    }

    /// Trajectories of both motions together to `count` leads.
    ///
    /// # Errors
    /// As [`NowcastMethod::run`](crate::NowcastMethod::run).
    pub fn along(&self, step_min: f32, count: usize) -> Result<Vec<Trajectories>, NowcastError> {
        self.drift.along(step_min, count)
    }

    /// The traits of all places, and what they weigh: once a nowcast.
    pub fn traits(&mut self) {
        (self.halvings, self.surroundings) = surroundings(&self.recent, self.cell_km);
    }

    /// The odds of every cell: once a lead.
    pub fn odds(&mut self) {
        let minutes = self.trajectories.minutes();
        self.surroundings.at(minutes, &mut self.buffers.around);
        let weights = TABLES.each_ref().map(|t| weights_at(t, minutes));
        self.buffers.fill_odds(&self.filled, &self.known, self.halvings, &weights, &self.trajectories);
    }

    /// Areas and rates by the odds, after [`Stages::odds`]: once a lead.
    pub fn areas(&self) -> Array2<f32> {
        placed(&self.buffers.odds, &self.filled, self.trajectories.minutes(), [1.0; RATES])
    }
}

fn surroundings(recent: &Recent, cell_km: f32) -> (usize, Surroundings) {
    let state = recent.state(cell_km);
    let known = state.known();
    let levels: Vec<_> = RATES_MM_H.into_par_iter().map(|r| state.levels(Rate::of(r), &known)).collect();
    (state.halvings(), Surroundings::new(&levels, &TABLES))
}
