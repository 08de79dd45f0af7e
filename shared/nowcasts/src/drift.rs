//! How rain moves on: as it did in the last minutes at first, as it did in the last half hour later.

use raincell_extrapolation::Trajectories;
use raincell_model::{MotionField, RainField};
use raincell_motion::PyramidFlow;
use rayon::prelude::*;

use crate::NowcastError;

/// What the fresh motion is taken from: fields no older than this, minutes.
pub(crate) const FRESH_MIN: f32 = 13.0;
/// The time in which the fresh motion gives way to the lasting one but for 1/e, minutes.
const GIVES_WAY_MIN: f32 = 30.0;

/// Two motions of the same rain.
///
/// Motion taken from a few minutes is that of the cells as they move now and foretells the next quarter of an hour best;
/// taken from half an hour it holds what stays and comes again, too, is steadier, and foretells an hour best.
///
/// The fresh motion is that of the rain which is at each place now, and is taken along by it for a while (see
/// [`Trajectories::straighten`]).
pub(crate) struct Drift {
    /// From the last ten minutes or so.
    pub fresh: MotionField,
    /// From the last half hour.
    pub lasting: MotionField,
}

impl Drift {
    /// Both motions from past fields in any order.
    pub fn estimate(past: &[RainField]) -> Result<Self, NowcastError> {
        let (lasting, fresh) = PyramidFlow::default().estimate_with_fresh(past, FRESH_MIN)?;
        Ok(Self { fresh, lasting })
    }

    /// The fresh motion's share in the mean motion of the next `lead_min` minutes.
    fn share(lead_min: f32) -> f32 {
        let fades = lead_min.max(1e-3) / GIVES_WAY_MIN;
        (1.0 - (-fades).exp()) / fades
    }

    /// The trajectories to each of `count` leads, each followed from the start.
    pub fn along(&self, step_min: f32, count: usize) -> Result<Vec<Trajectories>, NowcastError> {
        let (fresh, lasting) = (Trajectories::new(&self.fresh)?, Trajectories::new(&self.lasting)?);
        (1..=count)
            .into_par_iter()
            .map(|k| {
                let lead_min = k as f32 * step_min;
                let mut trajectories = lasting.blended(&fresh, Self::share(lead_min))?;
                trajectories.advance(lead_min);
                trajectories.straighten();
                Ok(trajectories)
            })
            .collect()
    }

    /// Nearly the same in less than half of the time: each lead's go on from those of the lead before.
    pub fn step_by_step(&self, step_min: f32, count: usize) -> Result<Vec<Trajectories>, NowcastError> {
        let (fresh, lasting) = (Trajectories::new(&self.fresh)?, Trajectories::new(&self.lasting)?);
        let leads: Vec<f32> = (1..=count).map(|k| k as f32 * step_min).collect();
        Ok(lasting.blended_to(&fresh, &leads, Self::share)?)
    }

    /// The trajectories of `lead_min` minutes.
    pub fn to(&self, lead_min: f32) -> Result<Trajectories, NowcastError> {
        let lasting = Trajectories::new(&self.lasting)?;
        let mut trajectories = lasting.blended(&Trajectories::new(&self.fresh)?, Self::share(lead_min))?;
        trajectories.advance(lead_min);
        trajectories.straighten();
        Ok(trajectories)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;

    use raincell_model::Grid;

    fn uniform(u: f32) -> MotionField {
        let mut motion = MotionField::at_rest(Arc::new(Grid::around_radar(50.0, 5.0, 50.0, 1.0)));
        motion.u.fill(u);
        motion
    }

    #[test]
    fn the_fresh_motion_counts_first_and_the_lasting_one_in_the_end() {
        let drift = Drift { fresh: uniform(1.0), lasting: uniform(0.5) };
        let speed = |lead_min: f32| drift.to(lead_min).unwrap().displacement().0[(50, 50)] / lead_min;
        assert!((speed(0.01) - 1.0).abs() < 1e-3 && speed(15.0) > speed(60.0) && speed(6000.0) < 0.51);
        let (right, down) = drift.to(30.0).unwrap().displacement();
        assert!((right[(50, 50)] - 30.0 * speed(30.0)).abs() < 1e-2 && down[(50, 50)].abs() < 1e-6);
        assert_eq!(drift.along(5.0, 3).unwrap()[2].displacement(), drift.to(15.0).unwrap().displacement());
        for (k, step) in drift.step_by_step(5.0, 12).unwrap().iter().enumerate() {
            let (step, direct) = (step.displacement().0, drift.to(5.0 * (k + 1) as f32).unwrap().displacement().0);
            assert!((step[(50, 50)] - direct[(50, 50)]).abs() < 1e-3, "lead {k}");
        }
    }
}
