//! How the newest rain would go on by S-PROG and by ANVIL, as a say in where `best` places it.

use std::borrow::Cow;

use ndarray::Array2;
use raincell_cascade::fast_size;
use raincell_extrapolation::SEGMENT;
use raincell_model::RainField;
use raincell_simd::widest;
use rayon::prelude::*;

use crate::NowcastError;
use crate::anvil;
use crate::exceedance::{ARRIVING, Around, EVOLVED, RATES, RATES_MM_H};
use crate::matching::Distribution;
use crate::sprog::Spectral;
use crate::states::{Arrived, age_min, steps_back};
use crate::traits::{Rate, decibels};
use crate::voices::Voices;

/// The age by which the step of the autoregressive processes is chosen, minutes: that of the field next to it.
const STEP_MIN: f32 = 5.0;
/// After so many minutes, or a step if it is longer, the next fields are made; those between lie in a straight line.
const APART_MIN: f32 = 10.0;
/// Shorter steps tell little of change and make too many of them; after longer ones nothing is left to go on.
const STEPS_MIN: std::ops::RangeInclusive<f32> = 1.5..=20.0;
/// Standard deviation of the window in which ANVIL takes correlations, km.
const WINDOW_KM: f32 = 50.0;
/// The minutes within which neither is heard any longer, but for 1/e, on the onset of rain and on moderate rain; on heavy rain
/// they are throughout.
const FADES_MIN: [f32; RATES] = [60.0, 40.0, f32::INFINITY];
/// The newest state and those before that ANVIL takes.
const STATES: usize = 4;
/// So little rain, mm/h, has no strength at any of the rates.
const NOTHING_MM_H: f32 = 0.09;
/// Levels of ANVIL's cascade: one octave less than on the full grid.
const LEVELS: usize = 7;

/// The newest rain, and what becomes of it, mm/h, on the cells of the finest level of the odds, at the place where it is
/// now.
pub(crate) struct Evolution {
    /// Minutes from one field to the next.
    apart_min: f32,
    /// Rows and columns of the finest level; the fields go beyond them to where FFTs are quick.
    shape: (usize, usize),
    sprog: Vec<Array2<f32>>,
    anvil: Vec<Array2<f32>>,
}

impl Evolution {
    /// The fields that it takes beside the newest one, and the minutes from each to the next; `None` where the past does not
    /// tell.
    pub fn wanted<'a>(past: &'a [RainField], last: &RainField) -> Option<(f32, Vec<&'a RainField>)> {
        let ages = past.iter().map(|field| age_min(field, last)).filter(|age| STEPS_MIN.contains(age));
        let step_min = ages.min_by(|a, b| (a - STEP_MIN).abs().total_cmp(&(b - STEP_MIN).abs()))?;
        let wanted = steps_back(past, last, step_min, STATES);
        (wanted.len() + 1 == STATES).then_some((step_min, wanted))
    }

    /// As far as `most_min` ahead, on cells of `2^halvings` grid cells, from what is wanted, carried to the newest field's
    /// time; `None` where there is no rain.
    pub fn of(
        (step_min, wanted): (f32, &[&RainField]),
        last: &RainField,
        arrived: &Arrived,
        halvings: usize,
        most_min: f32,
    ) -> Result<Option<Self>, NowcastError> {
        let newest = [&last.rate_mm_h].into_iter();
        let states: Vec<&Array2<f32>> = newest.chain(wanted.iter().filter_map(|field| arrived.of(field))).collect();
        if states.len() < STATES {
            return Ok(None);
        }
        let mut states: Vec<Array2<f32>> = states.par_iter().map(|state| padded(state, halvings)).collect();
        let every = (APART_MIN / step_min).round().max(1.0) as usize;
        let apart_min = every as f32 * step_min;
        let count = (most_min / apart_min).ceil().max(1.0) as usize;
        let window = WINDOW_KM / (last.grid.cell_km() as f32 * (1_usize << halvings) as f32);
        let (sprog, anvil) = rayon::join(
            || after_steps(&states, every, count),
            || anvil::evolved(&states, [every, count], LEVELS, window),
        );
        let Some(sprog) = sprog? else { return Ok(None) };
        let mut anvil = anvil?;
        anvil.insert(0, states.swap_remove(0));
        let shape = (0..halvings).fold(last.grid.shape(), |(r, c), _| (r.div_ceil(2), c.div_ceil(2)));
        Ok(Some(Self { apart_min, shape, sprog, anvil }))
    }

    /// Adds what both have to say at a lead time, if the odds are of the same cells.
    pub fn at(&self, lead_min: f32, voices: &Voices, out: &mut Around) {
        let columns = self.shape.1;
        if self.shape != (out.arriving.rows, out.arriving.columns) {
            return;
        }
        out.heard = true;
        let at = lead_min / self.apart_min;
        let (before, share) = (at as usize, at.fract());
        for (fields, weights) in [(&self.sprog, &voices.sprog), (&self.anvil, &voices.anvil)] {
            let weights: [f32; RATES] = std::array::from_fn(|k| weights[k] * (-lead_min / FADES_MIN[k]).exp());
            let last = fields.len().saturating_sub(1);
            let (Some(a), Some(b)) = (fields.get(before.min(last)), fields.get((before + 1).min(last))) else {
                continue;
            };
            let of_rows = a.outer_iter().zip(b.outer_iter()).zip(out.arriving.cells.chunks_exact_mut(columns.max(1)));
            for ((a, b), line) in of_rows {
                let (Some(a), Some(b)) = (a.to_slice(), b.to_slice()) else { continue };
                widest(
                    #[inline(always)]
                    || add_strengths(line, [a, b], share, weights),
                );
            }
        }
    }
}

/// Adds to a row what the strength of rain (mm/h) there counts for at each rate; it lies between two rows of rates.
#[inline(always)]
fn add_strengths(line: &mut [[f32; ARRIVING]], [a, b]: [&[f32]; 2], share: f32, weights: [f32; RATES]) {
    let rates = RATES_MM_H.map(Rate::of);
    for (lanes, (a, b)) in line.chunks_mut(SEGMENT).zip(a.chunks(SEGMENT).zip(b.chunks(SEGMENT))) {
        let (mut rain, mut any) = ([NOTHING_MM_H; SEGMENT], false);
        for (rain, (a, b)) in rain.iter_mut().zip(a.iter().zip(b)) {
            let rate = a + share * (b - a);
            // Not a number is not above, either.
            *rain = if rate > NOTHING_MM_H { rate } else { NOTHING_MM_H };
            any |= rate > NOTHING_MM_H;
        }
        if any {
            let mut said = [[0.0; SEGMENT]; RATES];
            for (said, (rate, weight)) in said.iter_mut().zip(rates.iter().zip(weights)) {
                for k in 0..SEGMENT {
                    said[k] = weight * rate.strength(decibels(rain[k]));
                }
            }
            for (k, lanes) in lanes.iter_mut().enumerate() {
                for (rate, said) in said.iter().enumerate() {
                    lanes[EVOLVED + rate] += said[k];
                }
            }
        }
    }
}

/// The rain now and by S-PROG after `every` steps, twice as many, and so on, mm/h; `None` where there is none.
fn after_steps(states: &[Array2<f32>], every: usize, count: usize) -> Result<Option<Vec<Array2<f32>>>, NowcastError> {
    let Some(spectral) = Spectral::of(&states[..states.len().min(3)])? else { return Ok(None) };
    let distribution = Distribution::of(&spectral.target);
    let after = |i: usize| {
        if i == 0 {
            return spectral.target.clone();
        }
        let mut field = spectral.after(i * every, &states[0]);
        distribution.deal_to(&mut field);
        field
    };
    Ok(Some((0..=count).into_par_iter().map(after).collect()))
}

/// The field on cells of `2^halvings` grid cells, with unknown cells added below and to the right, up to a shape of which
/// FFTs are quick, and of which coarse meshes are, too.
fn padded(field: &Array2<f32>, halvings: usize) -> Array2<f32> {
    let field = (0..halvings).fold(Cow::Borrowed(field), |field, _| Cow::Owned(halved(&field)));
    let (rows, columns) = field.dim();
    let fast = |size: usize| 4 * fast_size(size.div_ceil(4));
    let mut wider = Array2::from_elem((fast(rows), fast(columns)), f32::NAN);
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
    use raincell_model::{Grid, MotionField};

    use crate::levels::Plane;

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
        for halvings in [0, 1, 2] {
            both_speak(halvings);
        }
    }

    fn both_speak(halvings: usize) {
        let past = past(300);
        let motion = MotionField::at_rest(past[0].grid.clone());
        let (step_min, wanted) = Evolution::wanted(&past, &past[3]).unwrap();
        let arrived = Arrived::new(&wanted, &past[3], &motion).unwrap();
        let evolution = Evolution::of((step_min, &wanted), &past[3], &arrived, halvings, 60.0).unwrap().unwrap();
        let voices = Voices::of(&past[3].rate_mm_h);
        let (rows, columns) = past[0].grid.shape();
        let (rows, columns) = (rows.div_ceil(1 << halvings), columns.div_ceil(1 << halvings));
        for lead_min in [1.0, 7.5, 60.0] {
            let cells = vec![[0.0; ARRIVING]; rows * columns];
            let mut said = Around { arriving: Plane { rows, columns, cells }, ..Around::default() };
            evolution.at(lead_min, &voices, &mut said);
            let at = |row: usize, column: usize| &said.arriving.cells[row * columns + column];
            let there = &at(20 >> halvings, 40 >> halvings)[EVOLVED..];
            assert!(said.heard && there[0] > 0.5 && there[2] > 1.0, "{lead_min}: {there:?}");
            assert_eq!(
                (at(20 >> halvings, 40 >> halvings)[..EVOLVED].iter().sum::<f32>(), at(50 >> halvings, 8 >> halvings)),
                (0.0, &[0.0; ARRIVING]),
                "{lead_min}"
            );
        }
    }

    #[test]
    fn fields_a_few_seconds_or_an_hour_apart_are_no_steps() {
        for seconds in [10, 3600] {
            let past = past(seconds);
            assert!(Evolution::wanted(&past, &past[3]).is_none(), "{seconds}");
        }
    }
}
