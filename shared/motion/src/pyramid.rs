//! Images to match: dBR at ever coarser cells, NaN where too little was observed.

use std::ops::RangeInclusive;

use ndarray::Array2;
use raincell_model::{Content, Contents};
use raincell_simd::{log2, widest};
use rayon::prelude::*;

/// Rain below this rate counts as dry, mm/h.
const DRY_BELOW_MM_H: f32 = 0.1;
/// A row-major image.
pub(crate) struct Image {
    pub rows: usize,
    pub columns: usize,
    pub data: Vec<f32>,
    contents: Contents,
}

impl Image {
    fn new(rows: usize, columns: usize, data: Vec<f32>) -> Self {
        let contents = Contents::of(&data, rows, columns);
        Self { rows, columns, data, contents }
    }

    /// What [`Image::sample`] sees between two fractional rows and columns; off the image it is unknown.
    #[inline(always)]
    pub fn content(&self, rows: [f32; 2], columns: [f32; 2]) -> Content {
        let mut beyond = false;
        let mut clamped = |[first, last]: [f32; 2], size: usize| {
            let (first, last) = (first.floor(), last.ceil() + 1.0);
            beyond |= first < 0.0 || last > (size - 1) as f32;
            let reaches_it = last >= 0.0 && first <= (size - 1) as f32;
            reaches_it.then(|| [first.max(0.0) as usize, (last as usize).min(size - 1)])
        };
        let (rows, columns) = (clamped(rows, self.rows), clamped(columns, self.columns));
        let (Some(rows), Some(columns)) = (rows, columns) else { return Content::Unknown };
        let inside = self.contents.of_part(rows, columns);
        if beyond { inside.and(Content::Unknown) } else { inside }
    }

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
    fn halved(&self) -> Self {
        halved(&self.data, self.rows, self.columns, |v| v)
    }

    /// Binomial smoothing (1 2 1)/4 along both axes over what is known; NaN stays NaN.
    fn smoothed(&self) -> Self {
        let (rows, columns) = (self.rows, self.columns);
        let mut across = vec![0.0; self.data.len()];
        across.par_chunks_mut(columns).zip(self.data.par_chunks(columns)).for_each_init(
            Vec::new,
            |padded, (out, line)| {
                padded.clear();
                padded.push(line[0]);
                padded.extend_from_slice(line);
                padded.push(line[columns - 1]);
                widest(
                    #[inline(always)]
                    || smooth(out, padded, line, &padded[2..]),
                );
            },
        );
        let mut data = vec![0.0; self.data.len()];
        data.par_chunks_mut(columns).enumerate().for_each(|(row, out)| {
            let line = |r: usize| &across[r * columns..][..columns];
            let [above, here, below] = [row.saturating_sub(1), row, (row + 1).min(rows - 1)].map(line);
            widest(
                #[inline(always)]
                || smooth(out, above, here, below),
            );
        });
        Self::new(rows, columns, data)
    }
}

/// `(before + 2 centre + after) / 4`; where a neighbour is unknown the centre stands in for it.
#[inline(always)]
fn smooth(out: &mut [f32], before: &[f32], centre: &[f32], after: &[f32]) {
    for (((out, before), centre), after) in out.iter_mut().zip(before).zip(centre).zip(after) {
        let known = |v: f32| if v.is_nan() { *centre } else { v };
        *out = 0.5 * centre + 0.25 * (known(*before) + known(*after));
    }
}

/// [`Image::halved`] of what `of` makes of the values, row by row.
fn halved(data: &[f32], rows: usize, columns: usize, of: impl Fn(f32) -> f32 + Sync) -> Image {
    let (half_rows, half_columns) = (rows.div_ceil(2), columns.div_ceil(2));
    let mut out = vec![0.0; half_rows * half_columns];
    let buffers = || (vec![0.0; 2 * half_columns], vec![0.0; 2 * half_columns]);
    out.par_chunks_mut(half_columns.max(1)).enumerate().for_each_init(buffers, |(upper, lower), (row, out)| {
        for (r, line) in [(2 * row, &mut *upper), ((2 * row + 1).min(rows - 1), &mut *lower)] {
            widest(
                #[inline(always)]
                || {
                    for (value, cell) in line.iter_mut().zip(&data[r * columns..][..columns]) {
                        *value = of(*cell);
                    }
                },
            );
            // An odd last column counts twice.
            line[2 * half_columns - 1] = line[columns - 1];
        }
        let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
        widest(
            #[inline(always)]
            || {
                for (value, ([a, b], [c, d])) in out.iter_mut().zip(pairs) {
                    *value = mean_of_known([*a, *b, *c, *d]);
                }
            },
        );
    });
    Image::new(half_rows, half_columns, out)
}

#[inline(always)]
fn mean_of_known(values: [f32; 4]) -> f32 {
    let (mut sum, mut known) = (0.0, 0.0);
    for v in values {
        sum += if v.is_nan() { 0.0 } else { v };
        known += if v.is_nan() { 0.0 } else { 1.0 };
    }
    if known >= 2.0 { sum / known } else { f32::NAN }
}

/// Images at ever coarser cells.
pub(crate) struct Pyramid {
    /// Each of pixels twice as wide as those of the one before.
    pub levels: Vec<Image>,
    /// Halvings of the grid to the pixels of the finest one.
    finest: usize,
}

impl Pyramid {
    /// The pyramid of a rain-rate field (mm/h, NaN unknown): a level for each number of halvings, the grid itself being none.
    pub fn new(rate_mm_h: &Array2<f32>, halvings: RangeInclusive<usize>) -> Self {
        let (rows, columns) = rate_mm_h.dim();
        let standard = rate_mm_h.as_standard_layout();
        let rates = standard.as_slice().unwrap_or_default();
        let finest = *halvings.start();
        let first = match finest {
            0 => Image::new(rows, columns, rates.iter().map(|rate| dbr(*rate)).collect()),
            _ => (1..finest).fold(halved(rates, rows, columns, dbr), |image, _| image.halved()),
        };
        let mut levels = vec![first.smoothed()];
        for _ in halvings.skip(1) {
            let next = levels[levels.len() - 1].halved();
            levels.push(next);
        }
        Self { levels, finest }
    }

    /// The level of so many halvings, of those that there are.
    pub fn halved_so_often(&self, halvings: usize) -> Option<&Image> {
        self.levels.get(halvings.checked_sub(self.finest)?)
    }

    /// Grid cells along a pixel of a level.
    pub fn cells(&self, level: usize) -> usize {
        1 << (self.finest + level)
    }
}

/// Decibels above the dry limit: `10·log10(rate / 0.1)`, 0 where dry, NaN where unknown.
#[inline(always)]
fn dbr(rate_mm_h: f32) -> f32 {
    let above = if rate_mm_h > DRY_BELOW_MM_H { rate_mm_h / DRY_BELOW_MM_H } else { 1.0 };
    let decibels = (10.0 * std::f32::consts::LOG10_2) * log2(above);
    if rate_mm_h.is_nan() { f32::NAN } else { decibels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_a_part_is_what_is_sampled_there() {
        let (rows, columns) = (40, 50);
        let value = |i: usize| match (i / columns, i % columns) {
            (20..24, 20..24) => 3.0,
            (_, 40..) => f32::NAN,
            _ => 0.0,
        };
        let image = Image::new(rows, columns, (0..rows * columns).map(value).collect());
        assert_eq!(image.content([1.0, 7.0], [1.0, 7.5]), Content::Dry);
        assert_eq!(image.content([19.0, 21.0], [1.0, 30.0]), Content::Mixed);
        assert_eq!(image.content([1.0, 7.0], [42.0, 47.0]), Content::Unknown);
        assert_eq!(image.content([-9.0, -3.0], [1.0, 7.5]), Content::Unknown);
        assert_eq!(image.content([-1.0, 7.0], [1.0, 7.5]), Content::Mixed);
    }
}
