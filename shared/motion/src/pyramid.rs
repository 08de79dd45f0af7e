//! Images to match: dBR at ever coarser cells, NaN where too little was observed.

use ndarray::Array2;
use rayon::prelude::*;

/// Rain below this rate counts as dry, mm/h.
const DRY_BELOW_MM_H: f32 = 0.1;

/// A row-major image.
pub(crate) struct Image {
    pub rows: usize,
    pub columns: usize,
    pub data: Vec<f32>,
}

impl Image {
    /// The value at fractional pixel (row, column), pixel centres at whole numbers; NaN off the image and beside NaN.
    #[inline]
    pub fn sample(&self, row: f32, column: f32) -> f32 {
        let (last_row, last_column) = ((self.rows - 1) as f32, (self.columns - 1) as f32);
        // Written so that a NaN coordinate is refused, too.
        if !(row >= 0.0 && column >= 0.0 && row <= last_row && column <= last_column) {
            return f32::NAN;
        }
        let (r0, c0) = (row as usize, column as usize);
        let (r1, c1) = ((r0 + 1).min(self.rows - 1), (c0 + 1).min(self.columns - 1));
        let (fr, fc) = (row - r0 as f32, column - c0 as f32);
        let (upper, lower) =
            (&self.data[r0 * self.columns..][..self.columns], &self.data[r1 * self.columns..][..self.columns]);
        let top = upper[c0] + fc * (upper[c1] - upper[c0]);
        let bottom = lower[c0] + fc * (lower[c1] - lower[c0]);
        top + fr * (bottom - top)
    }

    /// Cells of `2 × 2` averaged; a cell with less than half of its children observed is NaN.
    pub fn halved(&self) -> Self {
        let (rows, columns) = (self.rows.div_ceil(2), self.columns.div_ceil(2));
        let mut data = vec![0.0; rows * columns];
        data.par_chunks_mut(columns).enumerate().for_each(|(row, out)| {
            let upper = &self.data[2 * row * self.columns..][..self.columns];
            let lower = if 2 * row + 1 < self.rows {
                &self.data[(2 * row + 1) * self.columns..][..self.columns]
            } else {
                upper
            };
            for (column, value) in out.iter_mut().enumerate() {
                let (c0, c1) = (2 * column, (2 * column + 1).min(self.columns - 1));
                *value = mean_of_known([upper[c0], upper[c1], lower[c0], lower[c1]]);
            }
        });
        Self { rows, columns, data }
    }

    /// Binomial smoothing (1 2 1)/4 along both axes over what is known; NaN stays NaN.
    pub fn smoothed(&self) -> Self {
        let along_rows = self.smoothed_by(|row, column, step| {
            let c = (column as isize + step).clamp(0, self.columns as isize - 1) as usize;
            self.data[row * self.columns + c]
        });
        along_rows.smoothed_by(|row, column, step| {
            let r = (row as isize + step).clamp(0, self.rows as isize - 1) as usize;
            along_rows.data[r * self.columns + column]
        })
    }

    fn smoothed_by(&self, neighbour: impl Fn(usize, usize, isize) -> f32 + Sync) -> Self {
        let mut data = vec![0.0; self.data.len()];
        data.par_chunks_mut(self.columns).enumerate().for_each(|(row, out)| {
            for (column, value) in out.iter_mut().enumerate() {
                let centre = neighbour(row, column, 0);
                let known = |v: f32| if v.is_nan() { centre } else { v };
                *value = 0.5 * centre + 0.25 * (known(neighbour(row, column, -1)) + known(neighbour(row, column, 1)));
            }
        });
        Self { rows: self.rows, columns: self.columns, data }
    }
}

fn mean_of_known(values: [f32; 4]) -> f32 {
    let (mut sum, mut known) = (0.0, 0);
    for v in values {
        if !v.is_nan() {
            sum += v;
            known += 1;
        }
    }
    if known >= 2 { sum / known as f32 } else { f32::NAN }
}

/// Images at cells of 2, 4, 8… grid cells; `levels[i]` has cells of `2^(i + 1)`.
pub(crate) struct Pyramid {
    pub levels: Vec<Image>,
}

impl Pyramid {
    /// The pyramid of a rain-rate field (mm/h, NaN unknown) with `depth` levels (at least one).
    pub fn new(rate_mm_h: &Array2<f32>, depth: usize) -> Self {
        let (rows, columns) = rate_mm_h.dim();
        let full = Image { rows, columns, data: rate_mm_h.iter().map(|&r| dbr(r)).collect() };
        let mut levels = vec![full.halved().smoothed()];
        for _ in 1..depth {
            let next = levels[levels.len() - 1].halved();
            levels.push(next);
        }
        Self { levels }
    }
}

/// Decibels above the dry limit: `10·log10(rate / 0.1)`, 0 where dry, NaN where unknown.
fn dbr(rate_mm_h: f32) -> f32 {
    if rate_mm_h.is_nan() {
        f32::NAN
    } else if rate_mm_h <= DRY_BELOW_MM_H {
        0.0
    } else {
        10.0 * (rate_mm_h / DRY_BELOW_MM_H).log10()
    }
}
