//! How the newest rain would go on by S-PROG and by ANVIL, as a say in where `best` places it.

use ndarray::Array2;
use raincell_model::{MotionField, RainField};
use rayon::prelude::*;

use crate::NowcastError;
use crate::anvil;
use crate::exceedance::{RATES, RATES_MM_H};
use crate::levels::Plane;
use crate::sprog::Spectral;
use crate::states::last_states;
use crate::traits::{Rate, decibels};
use crate::voices::Voices;

/// The age by which the step of the autoregressive processes is chosen, minutes: that of the field next to it.
const STEP_MIN: f32 = 5.0;
/// Standard deviation of the window in which ANVIL takes correlations, km.
const WINDOW_KM: f32 = 50.0;
/// The minutes within which neither is heard on the onset of rain any longer, but for 1/e.
const FADES_MIN: f32 = 60.0;
/// Levels of ANVIL's cascade: one octave less than on the full grid.
const LEVELS: usize = 7;

/// The newest rain after each step of its processes, mm/h, on the cells of the finest level of the odds, at the place where
/// it is now.
pub(crate) struct Evolution {
    step_min: f32,
    sprog: Vec<Array2<f32>>,
    anvil: Vec<Array2<f32>>,
}

impl Evolution {
    /// As far as `most_min` ahead, on cells of `2^halvings` grid cells; `None` where the past does not tell.
    pub fn of(
        past: &[RainField],
        last: &RainField,
        motion: &MotionField,
        halvings: usize,
        most_min: f32,
    ) -> Result<Option<Self>, NowcastError> {
        let age_min = |f: &RainField| last.valid_time.duration_since(f.valid_time).as_secs_f32() / 60.0;
        let ages = past.iter().map(age_min).filter(|age| *age > 0.0);
        let Some(step_min) = ages.min_by(|a, b| (a - STEP_MIN).abs().total_cmp(&(b - STEP_MIN).abs())) else {
            return Ok(None);
        };
        let states: Vec<Array2<f32>> = last_states(past, last, motion, step_min, 4)?
            .par_iter()
            .map(|state| (0..halvings).fold(state.clone(), |field, _| halved(&field)))
            .collect();
        if states.len() < 4 {
            return Ok(None);
        }
        let steps = (most_min / step_min).ceil().max(1.0) as usize;
        let Some(spectral) = Spectral::of(&states[..3])? else { return Ok(None) };
        let window = WINDOW_KM / (last.grid.cell_km() as f32 * (1_usize << halvings) as f32);
        let (sprog, anvil) = rayon::join(
            || (1..=steps).into_par_iter().map(|step| spectral.rates_after(step, &states[0])).collect(),
            || anvil::evolved(&states, steps, LEVELS, window),
        );
        Ok(Some(Self { step_min, sprog, anvil: anvil? }))
    }

    /// What both have to say at a lead time, a lane per rate.
    pub fn at(&self, lead_min: f32, voices: &Voices, out: &mut Plane) {
        let Some((rows, columns)) = self.sprog.first().map(Array2::dim) else { return };
        (out.rows, out.columns) = (rows, columns);
        out.cells.resize(rows * columns, [0.0; 4]);
        let at = (lead_min / self.step_min - 1.0).max(0.0);
        let (before, share) = (at as usize, at.fract());
        let pair = |fields: &'_ [Array2<f32>]| -> [usize; 2] {
            let most = fields.len().saturating_sub(1);
            [before.min(most), (before + 1).min(most)]
        };
        let rates = RATES_MM_H.map(Rate::of);
        out.cells.fill([0.0; 4]);
        for (fields, weights) in [(&self.sprog, &voices.sprog), (&self.anvil, &voices.anvil)] {
            let [a, b] = pair(fields).map(|i| fields[i].as_slice());
            let (Some(a), Some(b)) = (a, b) else { continue };
            let mut weights = *weights;
            weights[0] *= (-lead_min / FADES_MIN).exp();
            for (lanes, (a, b)) in out.cells.iter_mut().zip(a.iter().zip(b)) {
                let rate = a + share * (b - a);
                // Not a number is not above, either.
                if rate > 0.01 {
                    let db = decibels(rate);
                    for k in 0..RATES {
                        lanes[k] += weights[k] * rates[k].strength(db);
                    }
                }
            }
        }
    }
}

/// Means over 2 × 2 cells of what is known of them; NaN where nothing is.
fn halved(field: &Array2<f32>) -> Array2<f32> {
    let (rows, columns) = field.dim();
    Array2::from_shape_fn((rows.div_ceil(2), columns.div_ceil(2)), |(row, column)| {
        let (mut sum, mut known) = (0.0, 0.0);
        for r in 2 * row..(2 * row + 2).min(rows) {
            for c in 2 * column..(2 * column + 2).min(columns) {
                let rate = field[(r, c)];
                (sum, known) = if rate.is_nan() { (sum, known) } else { (sum + rate, known + 1.0) };
            }
        }
        sum / known
    })
}
