//! The last states of the rain in the frame that moves with it.

use jiff::Timestamp;
use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::{MotionField, RainField};
use rayon::prelude::*;

use crate::NowcastError;

/// Up to `count` rain-rate fields one step apart, the newest first, all carried to the newest one's time; mm/h, NaN =
/// unknown. Of fields with one valid time the last given counts. It ends where no field lies within half a step of its turn.
pub(crate) fn last_states(
    past: &[RainField],
    last: &RainField,
    motion: &MotionField,
    step_min: f32,
    count: usize,
) -> Result<Vec<Array2<f32>>, NowcastError> {
    let mut states = vec![last.rate_mm_h.as_standard_layout().into_owned()];
    let mut trajectories = Trajectories::new(motion)?;
    for field in steps_back(past, last, step_min, count) {
        trajectories.advance(age_min(field, last) - trajectories.minutes());
        states.push(trajectories.carry(&field.rate_mm_h, Interpolation::Bilinear, Inflow::LastObservation)?);
    }
    Ok(states)
}

/// Minutes from a field to the newest one.
pub(crate) fn age_min(field: &RainField, last: &RainField) -> f32 {
    last.valid_time.duration_since(field.valid_time).as_secs_f32() / 60.0
}

/// The fields 1, 2, … steps before the newest one, which is the first of `count`; it ends where none lies within half a step
/// of its turn. Of fields with one valid time the last given counts.
pub(crate) fn steps_back<'a>(
    past: &'a [RainField],
    last: &RainField,
    step_min: f32,
    count: usize,
) -> Vec<&'a RainField> {
    let nearest = |steps: usize| {
        let distance = |f: &RainField| (age_min(f, last) - steps as f32 * step_min).abs();
        let nearest = past.iter().rev().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.filter(|f| distance(f) < 0.5 * step_min)
    };
    (1..count).map_while(nearest).collect()
}

/// Earlier fields carried to the newest one's time, each once; mm/h.
pub(crate) struct Arrived {
    fields: Vec<(Timestamp, Array2<f32>)>,
}

impl Arrived {
    /// Those wanted, where nothing was observed what was there last.
    pub fn new(wanted: &[&RainField], last: &RainField, motion: &MotionField) -> Result<Self, NowcastError> {
        let mut once: Vec<&RainField> = Vec::new();
        for field in wanted {
            if once.iter().all(|other| other.valid_time != field.valid_time) {
                once.push(field);
            }
        }
        let start = Trajectories::new(motion)?;
        let carried = |field: &&RainField| {
            let mut trajectories = start.clone();
            trajectories.advance(age_min(field, last));
            let arrived = trajectories.carry(&field.rate_mm_h, Interpolation::Bilinear, Inflow::LastObservation)?;
            Ok((field.valid_time, arrived))
        };
        Ok(Self { fields: once.par_iter().map(carried).collect::<Result<_, NowcastError>>()? })
    }

    /// What a field is carried.
    pub fn of(&self, field: &RainField) -> Option<&Array2<f32>> {
        self.fields.iter().find(|(time, _)| *time == field.valid_time).map(|(_, arrived)| arrived)
    }
}

/// Rain below this rate counts as dry in the cascades, mm/h.
pub(crate) const DRY_BELOW_MM_H: f32 = 0.1;
/// What stands for dry on the decibel scale: 5 dB below the least rain, as is usual with pysteps.
pub(crate) const DRY_DB: f32 = -15.0;

/// Rain decibels, `10·log10(mm/h)`, with [`DRY_DB`] for what is dry or unknown.
pub(crate) fn filled_decibels(rate_mm_h: &Array2<f32>) -> Array2<f32> {
    // Not-a-number compares false.
    rate_mm_h.mapv(|r| if r >= DRY_BELOW_MM_H { 10.0 * r.log10() } else { DRY_DB })
}
