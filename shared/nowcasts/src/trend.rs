//! Whether the areas of rain grow.

use raincell_model::RainField;

use crate::exceedance::{RATES, RATES_MM_H};

/// Age of the earlier field that areas are compared with, minutes, and how far from it a field may be.
const AGE_MIN: f32 = 30.0;
const OFF_MIN: f32 = 12.0;
/// Cells that are added to both areas, so that single ones make no trend.
const CELLS: f32 = 20.0;
/// Growth below this logarithm of the ratio is taken for chance.
const CHANCE: f32 = 0.2;
/// The minutes in which the growth of the last half hour is repeated but for 1/e.
const REPEATS_MIN: f32 = 45.0;
/// Areas grow by no more than this factor's logarithm.
const MOST: f32 = 0.6;

/// Growth of the area of each rate over the last half hour, as the logarithm of the ratio.
///
/// Growth that exceeds chance goes on in a while; decay does not: on all events it is followed by as much growth as decay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trend([f32; RATES]);

impl Trend {
    /// From `past` fields to the newest of them; none where no field is about half an hour old.
    pub fn of(past: &[RainField], last: &RainField) -> Self {
        let off = |f: &RainField| (last.valid_time.duration_since(f.valid_time).as_secs_f32() / 60.0 - AGE_MIN).abs();
        let nearest = past.iter().rev().min_by(|a, b| off(a).total_cmp(&off(b)));
        let Some(earlier) = nearest.filter(|f| off(f) <= OFF_MIN && f.rate_mm_h.dim() == last.rate_mm_h.dim()) else {
            return Self::default();
        };
        let mut cells = [[CELLS; 2]; RATES];
        for (was, is) in earlier.rate_mm_h.iter().zip(&last.rate_mm_h) {
            if was.is_nan() || is.is_nan() {
                continue;
            }
            for (n, rate) in cells.iter_mut().zip(RATES_MM_H) {
                n[0] += f32::from(u8::from(*was >= rate));
                n[1] += f32::from(u8::from(*is >= rate));
            }
        }
        Self(cells.map(|[was, is]| (is / was).ln()))
    }

    /// By which factor the area of each rate will have grown.
    pub fn growth(self, lead_min: f32) -> [f32; RATES] {
        let repeated = 1.0 - (-lead_min / REPEATS_MIN).exp();
        self.0.map(|growth| ((growth - CHANCE).max(0.0) * repeated).min(MOST).exp())
    }
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
    fn areas_that_doubled_grow_on_and_those_that_shrank_stay() {
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
