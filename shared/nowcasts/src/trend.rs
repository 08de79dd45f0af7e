//! Whether the areas of rain grow.

use raincell_model::RainField;

use crate::exceedance::{RATES, RATES_MM_H};

/// Ages of the earlier fields that areas are compared with, minutes, and how far from them a field may be.
const AGES_MIN: [f32; 2] = [30.0, 60.0];
const OFF_MIN: f32 = 12.0;
/// Cells that are added to all areas, so that single ones make no trend.
const CELLS: f32 = 20.0;
/// Growth of one half hour alone, below this logarithm of the ratio, is taken for chance, and what exceeds it counts so
/// much.
const CHANCE: f32 = 0.2;
const ALONE: f32 = 0.6;
/// The minutes in which growth goes on but for 1/e.
const GOES_ON_MIN: f32 = 60.0;
/// Areas grow by no more than this factor's logarithm.
const MOST: f32 = 1.0;

/// Growth of the area of each rate in half an hour, as the logarithm of the ratio.
///
/// What grew in both half hours of the last hour grows on, as it did in the one in which it grew less; growth of one half
/// hour and decay do not: on all events they are followed by as much growth as decay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trend([f32; RATES]);

impl Trend {
    /// From `past` fields to the newest of them. Where there is no field of an hour ago, growth that exceeds chance has to
    /// do; without one of half an hour ago there is no trend.
    pub fn of(past: &[RainField], last: &RainField) -> Self {
        let age_min = |f: &RainField| last.valid_time.duration_since(f.valid_time).as_secs_f32() / 60.0;
        let [half, whole] = AGES_MIN.map(|wanted| {
            let off = |f: &RainField| (age_min(f) - wanted).abs();
            let nearest = past.iter().rev().min_by(|a, b| off(a).total_cmp(&off(b)));
            nearest.filter(|f| off(f) <= OFF_MIN && f.rate_mm_h.dim() == last.rate_mm_h.dim())
        });
        let Some(half) = half else { return Self::default() };
        let growth = |from: &RainField, to: &RainField| -> [f32; RATES] {
            let pieces = (age_min(from) - age_min(to)) / AGES_MIN[0];
            compared(from, to).map(|[was, is]| (is / was).ln() / pieces)
        };
        let late = growth(half, last);
        Self(match whole {
            Some(whole) => {
                let early = growth(whole, half);
                std::array::from_fn(|k| early[k].min(late[k]))
            }
            None => late.map(|growth| ALONE * (growth - CHANCE)),
        })
    }

    /// By which factor the area of each rate will have grown.
    pub fn growth(self, lead_min: f32) -> [f32; RATES] {
        let pieces = GOES_ON_MIN / AGES_MIN[0] * (1.0 - (-lead_min / GOES_ON_MIN).exp());
        self.0.map(|growth| (growth.max(0.0) * pieces).min(MOST).exp())
    }
}

/// Areas of each rate in two fields where both know, cells.
fn compared(earlier: &RainField, later: &RainField) -> [[f32; 2]; RATES] {
    let mut cells = [[CELLS; 2]; RATES];
    for (was, is) in earlier.rate_mm_h.iter().zip(&later.rate_mm_h) {
        if was.is_nan() || is.is_nan() {
            continue;
        }
        for (n, rate) in cells.iter_mut().zip(RATES_MM_H) {
            n[0] += f32::from(u8::from(*was >= rate));
            n[1] += f32::from(u8::from(*is >= rate));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};
    use ndarray::Array2;
    use raincell_model::Grid;

    fn field(age_min: i64, wet_rows: usize) -> RainField {
        let grid = Arc::new(Grid::around_radar(50.0, 5.0, 50.0, 1.0));
        let rate_mm_h = Array2::from_shape_fn(grid.shape(), |(r, _)| if r < wet_rows { 2.0 } else { 0.0 });
        let valid_time = Timestamp::from_second(1_500_000_000).unwrap() - SignedDuration::from_mins(age_min);
        RainField { grid, valid_time, rate_mm_h }
    }

    #[test]
    fn areas_that_grew_for_an_hour_grow_on_as_in_the_worse_half_of_it() {
        let grown = |rows: [usize; 3]| {
            let past = [field(60, rows[0]), field(30, rows[1]), field(0, rows[2])];
            Trend::of(&past, &past[2]).growth(60.0)[1]
        };
        let steady = grown([20, 30, 45]);
        assert!(steady > 1.4 && (grown([20, 30, 80]) - steady).abs() < 0.01, "{steady}");
        for once in [[20, 20, 40], [20, 40, 40], [40, 20, 40], [40, 30, 20]] {
            assert!((grown(once) - 1.0).abs() < 1e-6, "{once:?}");
        }
    }

    #[test]
    fn without_a_field_of_an_hour_ago_areas_that_doubled_grow_on_and_those_that_shrank_stay() {
        let (few, many) = (20, 40);
        let [onset, moderate, heavy] = Trend::of(&[field(30, few), field(0, many)], &field(0, many)).growth(60.0);
        assert!((onset - moderate).abs() < 1e-6 && onset > 1.2 && onset < 2.0, "{onset}");
        assert!((heavy - 1.0).abs() < 1e-6, "{heavy}");
        let shrinking = Trend::of(&[field(30, many), field(0, few)], &field(0, few)).growth(60.0);
        assert!(shrinking.iter().all(|g| (g - 1.0).abs() < 1e-6), "{shrinking:?}");
    }

    #[test]
    fn growth_needs_a_field_about_half_an_hour_old_and_time() {
        let trend = Trend::of(&[field(5, 20), field(0, 40)], &field(0, 40));
        assert!(trend.growth(60.0).iter().all(|g| (g - 1.0).abs() < 1e-6));
        let trend = Trend::of(&[field(30, 20), field(0, 40)], &field(0, 40));
        assert!(trend.growth(5.0)[0] < trend.growth(30.0)[0] && trend.growth(1e6)[0] <= MOST.exp());
    }
}
