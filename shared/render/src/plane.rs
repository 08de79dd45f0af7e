//! Reflectivity of a part of a rain field, thinned out where a pixel is wider than its cells.

use std::borrow::Cow;

use ndarray::{ArrayView2, Axis, Slice};

use crate::colors::{DRY_CODE, NODATA_CODE, code_from_dbz, dbz_from_rate};

/// Stands for "observed and dry" in a plane; far below any reflectivity of rain.
const DRY_DBZ: f32 = -100.0;
/// What dry and hardly wet cells count as where reflectivity is interpolated: 0.04 mm/h, so that rain ends about where
/// its cells end.
const FLOOR_DBZ: f32 = 0.0;
/// Interpolated reflectivity that shows in a dry cell: 0.15 mm/h, the first full colour of most tables. Less would be a
/// pale rim around all rain.
const RIM_DBZ: f32 = 10.0;
/// How far below its own value a wet cell may be interpolated and still show.
const FADE_DB: f32 = 6.0;

/// Pixels that are computed at once.
pub(crate) const LINE: usize = 16;

/// The cells of a grid that a picture needs, half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellRange {
    pub rows: (usize, usize),
    pub columns: (usize, usize),
}

/// Reflectivity in dBZ: NaN where not observed, [`DRY_DBZ`] where dry.
pub(crate) struct Plane {
    dbz: Vec<f32>,
    rows: usize,
    columns: usize,
    /// Row and column of the field where the plane begins.
    origin: (usize, usize),
    /// One over the cells of the field on a side of a cell of the plane.
    scale: f32,
}

impl Plane {
    /// The cells of `range`, `thinning` × `thinning` of them averaged into one. The mean is that of the rain rate over
    /// the observed cells; a block of which less than half was observed counts as not observed.
    pub fn new(rate_mm_h: &ArrayView2<'_, f32>, range: CellRange, thinning: usize) -> Self {
        let thinning = thinning.max(1);
        let rows = (range.rows.1 - range.rows.0).div_ceil(thinning);
        let columns = (range.columns.1 - range.columns.0).div_ceil(thinning);
        let mut dbz = Vec::with_capacity(rows * columns);
        let part = rate_mm_h.slice_axis(Axis(0), Slice::from(range.rows.0..range.rows.1));
        let part = part.slice_axis(Axis(1), Slice::from(range.columns.0..range.columns.1));
        if thinning == 1 {
            dbz.extend(part.iter().map(|&rate| dbz_of(rate)));
        } else {
            for band in part.axis_chunks_iter(Axis(0), thinning) {
                dbz.extend(means(&band, thinning).map(dbz_of));
            }
        }
        Self { dbz, rows, columns, origin: (range.rows.0, range.columns.0), scale: 1.0 / thinning as f32 }
    }

    /// Colour code at a fractional (row, column) of the field.
    pub fn code(&self, row: f32, column: f32, smooth: bool) -> u8 {
        let Some((row, column)) = self.place((row, column)) else { return NODATA_CODE };
        let own = self.dbz[row as usize * self.columns + column as usize];
        if own.is_nan() {
            return NODATA_CODE;
        }
        if !smooth {
            return if own == DRY_DBZ { DRY_CODE } else { code_from_dbz(own) };
        }
        shown(own, self.interpolate(row, column, own))
    }

    /// Where a (row, column) of the field lies on the plane, in cells of it.
    fn place(&self, (row, column): (f32, f32)) -> Option<(f32, f32)> {
        let (row, column) = ((row - self.origin.0 as f32) * self.scale, (column - self.origin.1 as f32) * self.scale);
        // NaN, which stands for "off the grid", fails this comparison too.
        let inside = row >= 0.0 && column >= 0.0 && row < self.rows as f32 && column < self.columns as f32;
        inside.then_some((row, column))
    }

    /// Codes of at most [`LINE`] pixels in a row, the first at a (row, column) of the field, each a step from the last one.
    pub fn line(&self, first: (f32, f32), step: (f32, f32), smooth: bool, codes: &mut [u8]) {
        let at = |x: usize| (first.0 + step.0 * x as f32, first.1 + step.1 * x as f32);
        let holds = |x: usize| self.place(at(x)).is_some();
        if smooth && codes.len() <= LINE && holds(0) && holds(codes.len().saturating_sub(1)) {
            return raincell_simd::widest(
                #[inline(always)]
                || self.smooth_line(at, codes),
            );
        }
        for (x, code) in codes.iter_mut().enumerate() {
            let (row, column) = at(x);
            *code = self.code(row, column, smooth);
        }
    }

    /// The same where all of them lie on the plane: cells are looked up first, then all pixels are computed at once.
    #[inline(always)]
    fn smooth_line(&self, at: impl Fn(usize) -> (f32, f32), codes: &mut [u8]) {
        let mut own = [0.0_f32; LINE];
        let (mut upper, mut lower) = ([[0.0_f32; LINE]; 2], [[0.0_f32; LINE]; 2]);
        let (mut down, mut right) = ([0.0_f32; LINE], [0.0_f32; LINE]);
        for x in 0..codes.len() {
            let (row, column) = at(x);
            let (row, column) =
                ((row - self.origin.0 as f32) * self.scale, (column - self.origin.1 as f32) * self.scale);
            let around = Around::of(self, row, column);
            own[x] = self.dbz[row as usize * self.columns + column as usize];
            (down[x], right[x]) = (around.down, around.right);
            (upper[0][x], upper[1][x]) = (self.dbz[around.cells[0]], self.dbz[around.cells[1]]);
            (lower[0][x], lower[1][x]) = (self.dbz[around.cells[2]], self.dbz[around.cells[3]]);
        }
        let mut found = [0_u8; LINE];
        for x in 0..LINE {
            let cell = |dbz: f32| if dbz.is_nan() { own[x] } else { dbz }.max(FLOOR_DBZ);
            let (a, b, c, d) = (cell(upper[0][x]), cell(upper[1][x]), cell(lower[0][x]), cell(lower[1][x]));
            found[x] = shown(own[x], between((a, b, c, d), down[x], right[x]));
        }
        codes.copy_from_slice(&found[..codes.len()]);
    }

    /// The code that every pixel gets whose position lies between two (row, column) of the field, if the cells there and
    /// around are all alike. Most of a map is dry or not observed, which makes this worth asking for a block of pixels.
    pub fn uniform(&self, low: (f32, f32), high: (f32, f32)) -> Option<u8> {
        let scale = self.scale;
        let range = |low: f32, high: f32, origin: usize, cells: usize| {
            let (low, high) = ((low - origin as f32) * scale - 1.0, (high - origin as f32) * scale + 2.0);
            // Partly off the plane (or NaN): not for this shortcut.
            (low >= 0.0 && high < cells as f32).then_some(low as usize..high as usize)
        };
        let rows = range(low.0, high.0, self.origin.0, self.rows)?;
        let columns = range(low.1, high.1, self.origin.1, self.columns)?;
        let first = self.dbz[rows.start * self.columns + columns.start];
        let code = match first {
            dbz if dbz.is_nan() => NODATA_CODE,
            DRY_DBZ => DRY_CODE,
            // Between equal cells nothing is interpolated.
            dbz if dbz >= FLOOR_DBZ => code_from_dbz(dbz),
            _ => return None,
        };
        let line = |row: usize| &self.dbz[row * self.columns + columns.start..row * self.columns + columns.end];
        rows.into_iter().all(|row| line(row).iter().all(|dbz| dbz.to_bits() == first.to_bits())).then_some(code)
    }

    /// Bilinear between the four cell centres around; a cell that was not observed is left to the pixel's own cell, so
    /// that nothing bleeds into or out of it.
    fn interpolate(&self, row: f32, column: f32, own: f32) -> f32 {
        let around = Around::of(self, row, column);
        let [a, b, c, d] = around.cells.map(|index| {
            let dbz = self.dbz[index];
            if dbz.is_nan() { own } else { dbz }.max(FLOOR_DBZ)
        });
        between((a, b, c, d), around.down, around.right)
    }
}

/// The four cells around a place on a plane, upper left, upper right, lower left and lower right, and how far down and
/// right from the first one's middle it lies.
struct Around {
    cells: [usize; 4],
    down: f32,
    right: f32,
}

impl Around {
    #[inline(always)]
    fn of(plane: &Plane, row: f32, column: f32) -> Self {
        let (top, left) = ((row - 0.5).max(0.0), (column - 0.5).max(0.0));
        let (r0, c0) = (top as usize, left as usize);
        let (r1, c1) = ((r0 + 1).min(plane.rows - 1), (c0 + 1).min(plane.columns - 1));
        let (upper, lower) = (r0 * plane.columns, r1 * plane.columns);
        let cells = [upper + c0, upper + c1, lower + c0, lower + c1];
        Self { cells, down: top - r0 as f32, right: left - c0 as f32 }
    }
}

/// Bilinear interpolation.
#[inline(always)]
fn between((a, b, c, d): (f32, f32, f32, f32), down: f32, right: f32) -> f32 {
    let (upper, lower) = (a + (b - a) * right, c + (d - c) * right);
    upper + (lower - upper) * down
}

/// Code of a pixel whose own cell has one reflectivity, and the cells around it another.
#[inline(always)]
fn shown(own: f32, dbz: f32) -> u8 {
    let least = if own == DRY_DBZ { RIM_DBZ } else { RIM_DBZ.min(own - FADE_DB) };
    let code = if dbz < least { DRY_CODE } else { code_from_dbz(dbz) };
    if own.is_nan() { NODATA_CODE } else { code }
}

/// dBZ of a rate as the plane keeps it.
fn dbz_of(rate_mm_h: f32) -> f32 {
    if rate_mm_h > 0.0 {
        dbz_from_rate(rate_mm_h).max(DRY_DBZ + 1.0)
    } else if rate_mm_h == 0.0 {
        DRY_DBZ
    } else {
        f32::NAN
    }
}

/// Mean rate of each block of `thinning` columns of a band of rows; NaN where less than half of it was observed.
fn means(band: &ArrayView2<'_, f32>, thinning: usize) -> impl Iterator<Item = f32> {
    let (height, width) = band.dim();
    let mut sums = vec![(0.0_f32, 0_u32); width.div_ceil(thinning)];
    for line in band.outer_iter() {
        // Contiguous but for a field laid out by columns.
        let line = line.to_slice().map_or_else(|| Cow::Owned(line.to_vec()), Cow::Borrowed);
        for ((sum, observed), cells) in sums.iter_mut().zip(line.chunks(thinning)) {
            for &rate in cells {
                let seen = rate >= 0.0;
                *sum += if seen { rate } else { 0.0 };
                *observed += u32::from(seen);
            }
        }
    }
    sums.into_iter().enumerate().map(move |(i, (sum, observed))| {
        let cells = height * thinning.min(width - i * thinning);
        if observed as usize * 2 >= cells { sum / observed as f32 } else { f32::NAN }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn whole(field: &Array2<f32>, thinning: usize) -> Plane {
        Plane::new(&field.view(), CellRange { rows: (0, field.nrows()), columns: (0, field.ncols()) }, thinning)
    }

    #[test]
    fn smoothing_lets_nothing_bleed_into_cells_that_were_not_observed() {
        let plane = whole(&array![[f32::NAN, 10.0, 10.0], [f32::NAN, 10.0, 0.0]], 1);
        assert_eq!(plane.code(0.5, 0.95, true), NODATA_CODE);
        // 10 mm/h is 39 dBZ, right up to the edge of the unknown.
        assert_eq!(plane.code(0.5, 1.01, true), 39 + 32);
        assert_eq!(plane.code(0.5, 1.01, false), 39 + 32);
        assert_eq!(plane.code(1.5, 2.9, true), DRY_CODE);
    }

    #[test]
    fn a_lone_cell_of_weak_rain_is_not_smoothed_away_and_rain_keeps_its_area() {
        for (rate, least, most) in [(0.1, 0.6, 1.1), (0.6, 0.5, 1.5), (10.0, 1.0, 3.0)] {
            let mut field = Array2::from_elem((5, 5), 0.0);
            field[(2, 2)] = rate;
            let plane = whole(&field, 1);
            let wet = (0..10_000).filter(|i| {
                plane.code((i / 100) as f32 * 0.05 + 0.02, (i % 100) as f32 * 0.05 + 0.02, true) > DRY_CODE
            });
            let area = wet.count() as f32 / 400.0;
            assert!((least..most).contains(&area), "{rate} mm/h covers {area} cells");
        }
    }

    #[test]
    fn a_line_of_pixels_is_what_each_of_them_is() {
        let rates = [0.0, 0.08, f32::NAN, 2.0, 0.0, 40.0, 0.3];
        let field = Array2::from_shape_fn((9, 11), |(row, column)| rates[(row * 5 + column * column) % 7]);
        for thinning in [1, 2] {
            let plane = whole(&field, thinning);
            for start in [(0.0, 0.0), (3.3, 1.2), (8.99, 0.4), (-0.5, 2.0), (4.0, 9.9)] {
                for (step, smooth) in [((0.01, 0.13), true), ((-0.2, 0.55), true), ((0.1, 0.1), false)] {
                    let mut line = [0; LINE];
                    plane.line(start, step, smooth, &mut line);
                    let at = |x: usize| (start.0 + step.0 * x as f32, start.1 + step.1 * x as f32);
                    let each = std::array::from_fn(|x| plane.code(at(x).0, at(x).1, smooth));
                    assert_eq!(line, each, "{start:?} {step:?} {smooth}");
                }
            }
        }
    }

    #[test]
    fn off_the_grid_is_not_observed() {
        let plane = whole(&array![[1.0, 1.0]], 1);
        for (row, column) in [(-0.1, 0.5), (0.5, 2.0), (1.0, 0.5), (f32::NAN, 0.5)] {
            assert_eq!(plane.code(row, column, true), NODATA_CODE);
        }
    }

    #[test]
    fn thinning_averages_the_rate_of_observed_cells_and_keeps_unknown_unknown() {
        let field = array![[4.0, f32::NAN, f32::NAN, f32::NAN], [0.0, 2.0, f32::NAN, 7.0]];
        let plane = whole(&field, 2);
        assert_eq!(plane.code(1.0, 1.0, false), code_from_dbz(dbz_from_rate(2.0)));
        assert_eq!(plane.code(1.0, 3.0, false), NODATA_CODE);
    }
}
