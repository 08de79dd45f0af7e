//! The last states of the rain in the frame that moves with it.

use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::{MotionField, RainField};

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
    let age_min = |f: &RainField| last.valid_time.duration_since(f.valid_time).as_secs_f32() / 60.0;
    let mut states = vec![last.rate_mm_h.as_standard_layout().into_owned()];
    let mut trajectories = Trajectories::new(motion)?;
    for steps in 1..count {
        let distance = |f: &RainField| (age_min(f) - steps as f32 * step_min).abs();
        let nearest = past.iter().rev().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(field) = nearest.filter(|f| distance(f) < 0.5 * step_min) else { break };
        trajectories.advance(age_min(field) - trajectories.minutes());
        states.push(trajectories.carry(&field.rate_mm_h, Interpolation::Bilinear, Inflow::LastObservation)?);
    }
    Ok(states)
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
