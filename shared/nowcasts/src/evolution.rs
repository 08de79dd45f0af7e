//! How the newest rain would go on by S-PROG and by ANVIL, as a say in where `best` places it.

use ndarray::Array2;
use raincell_cascade::fast_size;
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
/// Shorter steps tell little of change and make too many of them; after longer ones nothing is left to go on.
const STEPS_MIN: std::ops::RangeInclusive<f32> = 1.5..=20.0;
/// Standard deviation of the window in which ANVIL takes correlations, km.
const WINDOW_KM: f32 = 50.0;
/// The minutes within which neither is heard on the onset of rain any longer, but for 1/e.
const FADES_MIN: f32 = 60.0;
/// So little rain, mm/h, has no strength at any of the rates.
const NOTHING_MM_H: f32 = 0.09;
/// Levels of ANVIL's cascade: one octave less than on the full grid.
const LEVELS: usize = 7;

/// The newest rain after each step of its processes, mm/h, on the cells of the finest level of the odds, at the place where
/// it is now.
pub(crate) struct Evolution {
    step_min: f32,
    /// Rows and columns of the finest level; the fields go beyond them to where FFTs are quick.
    shape: (usize, usize),
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
        let ages = past.iter().map(age_min).filter(|age| STEPS_MIN.contains(age));
        let Some(step_min) = ages.min_by(|a, b| (a - STEP_MIN).abs().total_cmp(&(b - STEP_MIN).abs())) else {
            return Ok(None);
        };
        let states: Vec<Array2<f32>> = last_states(past, last, motion, step_min, 4)?
            .par_iter()
            .map(|state| padded(&(0..halvings).fold(state.clone(), |field, _| halved(&field))))
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
        let shape = (0..halvings).fold(last.grid.shape(), |(r, c), _| (r.div_ceil(2), c.div_ceil(2)));
        Ok(Some(Self { step_min, shape, sprog, anvil: anvil? }))
    }

    /// What both have to say at a lead time, a lane per rate.
    pub fn at(&self, lead_min: f32, voices: &Voices, out: &mut Plane) {
        let (rows, columns) = self.shape;
        (out.rows, out.columns) = (rows, columns);
        out.cells.clear();
        out.cells.resize(rows * columns, [0.0; 4]);
        let at = (lead_min / self.step_min - 1.0).max(0.0);
        let (before, share) = (at as usize, at.fract());
        let rates = RATES_MM_H.map(Rate::of);
        for (fields, weights) in [(&self.sprog, &voices.sprog), (&self.anvil, &voices.anvil)] {
            let mut weights = *weights;
            weights[0] *= (-lead_min / FADES_MIN).exp();
            let last = fields.len().saturating_sub(1);
            let (Some(a), Some(b)) = (fields.get(before.min(last)), fields.get((before + 1).min(last))) else {
                continue;
            };
            let of_rows = a.outer_iter().zip(b.outer_iter()).zip(out.cells.chunks_exact_mut(columns.max(1)));
            for ((a, b), line) in of_rows {
                let (Some(a), Some(b)) = (a.to_slice(), b.to_slice()) else { continue };
                for (lanes, (a, b)) in line.iter_mut().zip(a.iter().zip(b)) {
                    let rate = a + share * (b - a);
                    // Not a number is not above, either.
                    if rate > NOTHING_MM_H {
                        let db = decibels(rate);
                        for k in 0..RATES {
                            lanes[k] += weights[k] * rates[k].strength(db);
                        }
                    }
                }
            }
        }
    }
}

/// The field with unknown cells added below and to the right, up to a shape of which FFTs are quick.
fn padded(field: &Array2<f32>) -> Array2<f32> {
    let (rows, columns) = field.dim();
    let mut wider = Array2::from_elem((fast_size(rows), fast_size(columns)), f32::NAN);
    for (mut wide, row) in wider.outer_iter_mut().zip(field.outer_iter()) {
        for (wide, rate) in wide.iter_mut().zip(row) {
            *wide = *rate;
        }
    }
    wider
}

/// Means over 2 × 2 cells of what is known of them; NaN where nothing is.
fn halved(field: &Array2<f32>) -> Array2<f32> {
    let (rows, columns) = field.dim();
    let mut sums = Array2::<[f32; 2]>::from_elem((rows.div_ceil(2), columns.div_ceil(2)), [0.0; 2]);
    for (row, line) in field.outer_iter().enumerate() {
        let Some(line) = line.to_slice() else { continue };
        for (sum, rates) in sums.row_mut(row / 2).iter_mut().zip(line.chunks(2)) {
            for rate in rates.iter().filter(|rate| !rate.is_nan()) {
                *sum = [sum[0] + rate, sum[1] + 1.0];
            }
        }
    }
    sums.map(|[sum, known]| sum / known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};
    use raincell_model::Grid;

    /// Four fields of one shower at rest, so many seconds apart.
    fn past(seconds: i64) -> Vec<RainField> {
        let grid = Arc::new(Grid::around_radar(50.0, 5.0, 30.0, 1.0));
        let rate_mm_h =
            Array2::from_shape_fn(grid.shape(), |(r, c)| if r.abs_diff(20) + c.abs_diff(40) < 9 { 8.0 } else { 0.0 });
        (0..4)
            .map(|i| {
                let valid_time =
                    Timestamp::from_second(1_500_000_000).unwrap() + SignedDuration::from_secs(seconds * i);
                RainField { grid: grid.clone(), valid_time, rate_mm_h: rate_mm_h.clone() }
            })
            .collect()
    }

    #[test]
    fn both_speak_where_it_rains_and_are_silent_elsewhere() {
        let past = past(300);
        let motion = MotionField::at_rest(past[0].grid.clone());
        let evolution = Evolution::of(&past, &past[3], &motion, 1, 60.0).unwrap().unwrap();
        let (voices, mut said) = (Voices::of(&past[3].rate_mm_h), Plane::default());
        for lead_min in [1.0, 7.5, 60.0] {
            evolution.at(lead_min, &voices, &mut said);
            assert_eq!(
                (said.rows, said.columns),
                (past[0].grid.shape().0.div_ceil(2), past[0].grid.shape().1.div_ceil(2))
            );
            let at = |row: usize, column: usize| said.cells[row * said.columns + column];
            assert!(at(10, 20)[0] > 0.5 && at(10, 20)[2] > 1.0, "{lead_min}: {:?}", at(10, 20));
            assert_eq!(at(25, 4), [0.0; 4], "{lead_min}");
        }
    }

    #[test]
    fn fields_a_few_seconds_or_an_hour_apart_are_no_steps() {
        for seconds in [10, 3600] {
            let past = past(seconds);
            let motion = MotionField::at_rest(past[0].grid.clone());
            assert!(Evolution::of(&past, &past[3], &motion, 1, 120.0).unwrap().is_none(), "{seconds}");
        }
    }
}
