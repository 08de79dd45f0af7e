//! How rain moves on: as it did in the last minutes at first, as it did in the last half hour later.

use raincell_extrapolation::Trajectories;
use raincell_model::{MotionField, RainField};
use raincell_motion::{FlowSettings, MotionEstimator, PyramidFlow};

use crate::NowcastError;

/// What the fresh motion is taken from: fields no older than this, minutes.
const FRESH_MIN: f32 = 16.0;
/// The time in which the fresh motion gives way to the lasting one but for 1/e, minutes.
const GIVES_WAY_MIN: f32 = 30.0;

/// Two motions of the same rain.
///
/// Motion taken from a few minutes is that of the cells as they move now and foretells the next quarter of an hour best;
/// taken from half an hour it holds what stays and comes again, too, is steadier, and foretells an hour best.
pub(crate) struct Drift {
    /// From the last quarter of an hour.
    pub fresh: MotionField,
    /// From the last half hour.
    pub lasting: MotionField,
}

impl Drift {
    /// Both motions from past fields in any order.
    pub fn estimate(past: &[RainField]) -> Result<Self, NowcastError> {
        let of_the_last_minutes = PyramidFlow::new(FlowSettings { history_min: FRESH_MIN, ..FlowSettings::default() });
        let (fresh, lasting) =
            rayon::join(|| of_the_last_minutes.estimate(past), || PyramidFlow::default().estimate(past));
        Ok(Self { fresh: fresh?, lasting: lasting? })
    }

    /// The mean motion of the next `lead_min` minutes.
    pub fn over(&self, lead_min: f32) -> MotionField {
        let fades = lead_min.max(1e-3) / GIVES_WAY_MIN;
        let share = (1.0 - (-fades).exp()) / fades;
        let mut mean = self.lasting.clone();
        mean.u.zip_mut_with(&self.fresh.u, |l, f| *l += share * (f - *l));
        mean.v.zip_mut_with(&self.fresh.v, |l, f| *l += share * (f - *l));
        mean
    }

    /// The trajectories to each of `count` leads.
    pub fn along(&self, step_min: f32, count: usize) -> Result<Vec<Trajectories>, NowcastError> {
        (1..=count).map(|k| self.to(k as f32 * step_min)).collect()
    }

    /// The trajectories of `lead_min` minutes.
    pub fn to(&self, lead_min: f32) -> Result<Trajectories, NowcastError> {
        let mut trajectories = Trajectories::new(&self.over(lead_min))?;
        trajectories.advance(lead_min);
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
        let speed = |lead_min: f32| drift.over(lead_min).u[(50, 50)];
        assert!((speed(0.0) - 1.0).abs() < 1e-3 && speed(15.0) > speed(60.0) && speed(6000.0) < 0.51);
        let (right, down) = drift.to(30.0).unwrap().displacement();
        assert!((right[(50, 50)] - 30.0 * speed(30.0)).abs() < 1e-2 && down[(50, 50)].abs() < 1e-6);
        assert_eq!(drift.along(5.0, 3).unwrap()[2].displacement(), drift.to(15.0).unwrap().displacement());
    }
}
