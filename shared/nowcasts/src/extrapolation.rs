//! Lagrangian persistence: the newest field moved along the motion of the last ones.

use std::time::Instant;

use jiff::SignedDuration;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::RainField;
use raincell_motion::{MotionEstimator, PyramidFlow};

use crate::method::newest;
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// Motion from the last fields, then backward semi-Lagrangian extrapolation of the newest.
pub struct Extrapolation {
    motion: Box<dyn MotionEstimator>,
    interpolation: Interpolation,
}

impl Extrapolation {
    /// With a motion estimator and interpolation of one's own.
    pub fn new(motion: Box<dyn MotionEstimator>, interpolation: Interpolation) -> Self {
        Self { motion, interpolation }
    }
}

impl Default for Extrapolation {
    fn default() -> Self {
        Self::new(Box::new(PyramidFlow::default()), Interpolation::Bilinear)
    }
}

impl NowcastMethod for Extrapolation {
    fn name(&self) -> &'static str {
        "extrapolation"
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

        let mut trajectories = Trajectories::new(&motion)?;
        let mut fields = Vec::with_capacity(leads.count);
        for valid_time in valid_times {
            trajectories.advance(leads.step_min as f32);
            let rate_mm_h = trajectories.carry(&last.rate_mm_h, self.interpolation, inflow)?;
            fields.push(RainField { grid: last.grid.clone(), valid_time, rate_mm_h });
        }
        let timings = Timings { motion_s, nowcast_s: started.elapsed().as_secs_f64() - motion_s };
        Ok(Nowcast { motion, fields, timings })
    }
}
