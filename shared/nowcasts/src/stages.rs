//! The stages of [`Best`](crate::Best) one by one, for benchmarks; nobody else should lean on them.

use ndarray::Array2;
use raincell_extrapolation::{Carried, Trajectories};
use raincell_model::RainField;

use crate::NowcastError;
use crate::best::Recent;
use crate::drift::Drift;
use crate::exceedance::{Around, RATES, Surroundings, weights_at};
use crate::method::newest;
use crate::odds::{Lead, Odds};
use crate::placing::{Terms, placed};
use crate::traits::halvings;
use crate::weights::TABLES;

/// Both motions of a nowcast, and what its stages hand on at one lead time.
pub struct Stages {
    drift: Drift,
    recent: Recent,
    cell_km: f32,
    halvings: usize,
    surroundings: Surroundings,
    trajectories: Trajectories,
    last_mm_h: Array2<f32>,
    filled: Array2<f32>,
    around: Around,
    odds: Odds,
}

impl Stages {
    /// Up to the lead time, minutes.
    ///
    /// # Errors
    /// As [`NowcastMethod::run`](crate::NowcastMethod::run).
    pub fn of(past: &[RainField], lead_min: f32) -> Result<Self, NowcastError> {
        let last = newest(past)?;
        let drift = Drift::estimate(past)?;
        let recent = Recent::of(past, last, &drift.fresh)?;
        let cell_km = last.grid.cell_km() as f32;
        let (halvings, surroundings) = (halvings(cell_km), recent.surroundings(cell_km, &TABLES));
        let trajectories = drift.to(lead_min)?;
        let last_mm_h = last.rate_mm_h.as_standard_layout().into_owned();
        let (filled, around, odds) = (Array2::zeros(last_mm_h.dim()), Around::default(), Odds::default());
        Ok(Self { drift, recent, cell_km, halvings, surroundings, trajectories, last_mm_h, filled, around, odds })
    }

    /// Trajectories of both motions together to `count` leads.
    ///
    /// # Errors
    /// As [`NowcastMethod::run`](crate::NowcastMethod::run).
    pub fn along(&self, step_min: f32, count: usize) -> Result<Vec<Trajectories>, NowcastError> {
        self.drift.step_by_step(step_min, count)
    }

    /// The traits of all places, and what they weigh: once a nowcast.
    pub fn traits(&mut self) {
        self.surroundings = self.recent.surroundings(self.cell_km, &TABLES);
    }

    /// The rain carried to the lead, and the odds of every cell: once a lead.
    ///
    /// # Errors
    /// As [`NowcastMethod::run`](crate::NowcastMethod::run).
    pub fn odds(&mut self) -> Result<(), NowcastError> {
        let minutes = self.trajectories.minutes();
        self.surroundings.at(minutes, &mut self.around);
        let weights = &TABLES.each_ref().map(|t| weights_at(t, minutes));
        let (around, trajectories) = (&self.around, &self.trajectories);
        let lead = Lead { around, halvings: self.halvings, weights, own: 0.0, trajectories };
        let carried = Carried::new(&self.last_mm_h);
        Ok(self.odds.fill(&lead, &self.last_mm_h, &carried, &mut self.filled)?)
    }

    /// Areas and rates by the odds, after [`Stages::odds`]: once a lead.
    pub fn areas(&self) -> Array2<f32> {
        let terms = Terms { lead_min: self.trajectories.minutes(), growth: [1.0; RATES], local: [0.3; RATES] };
        placed(&self.odds, self.filled.clone(), &terms)
    }
}
