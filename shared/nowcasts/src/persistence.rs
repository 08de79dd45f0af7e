//! Persistence: what fell last falls on. The yardstick of every other method.

use std::time::Instant;

use jiff::SignedDuration;
use raincell_extrapolation::Inflow;
use raincell_model::{MotionField, RainField};

use crate::method::newest;
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// The newest field again at every lead time, at rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Persistence;

impl NowcastMethod for Persistence {
    fn name(&self) -> &'static str {
        "persistence"
    }

    fn history(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    fn run(&self, past: &[RainField], leads: &LeadTimes, _: Inflow) -> Result<Nowcast, NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let fields = leads
            .valid_times(last.valid_time)?
            .into_iter()
            .map(|t| RainField { valid_time: t, ..last.clone() })
            .collect();
        let timings = Timings { motion_s: 0.0, nowcast_s: started.elapsed().as_secs_f64() };
        Ok(Nowcast { motion: MotionField::at_rest(last.grid.clone()), fields, timings })
    }
}
