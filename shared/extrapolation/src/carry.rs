//! Fetching values along the trajectories.

use ndarray::Array2;
use raincell_model::{Content, Contents};
use raincell_simd::widest;
use rayon::prelude::*;

use crate::trajectories::{Eight, ExtrapolationError, SEGMENT, Trajectories, eight};

/// Adding and taking off this number rounds an `f32` of far smaller size to a whole number.
const ROUNDING: f32 = 12_582_912.0;

/// Displacements are cut here, cells.
const FURTHEST: f32 = 4e6;

/// What a cell gets whose air comes from where nothing was observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inflow {
    /// NaN: unknown.
    #[default]
    Unknown,
    /// The last observation of the cell itself, as the best guess there is; NaN where that is unknown as well.
    LastObservation,
}

/// How a value between cells is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest cell's value as it is: peaks, distribution and dry area stay exactly; places are off by ≤ half a cell.
    Nearest,
    /// Between the four cells around; cells beside dry ones are dry where the nearest cell is, so that rain areas do not
    /// grow at their rims. Never above the highest of the four.
    #[default]
    Bilinear,
    /// Between the four cells around without regard to the dry ones: for fields where zero is a value like any other
    /// (levels of a cascade, probabilities).
    Smooth,
}

impl Trajectories {
    /// The field as it arrives at the end of the trajectories: shape, unit and NaN = unknown as in `field`.
    ///
    /// # Errors
    /// [`ExtrapolationError::ShapeMismatch`] when `field` does not fit the motion.
    pub fn carry(
        &self,
        field: &Array2<f32>,
        interpolation: Interpolation,
        inflow: Inflow,
    ) -> Result<Array2<f32>, ExtrapolationError> {
        let (rows, columns) = self.shape();
        if field.dim() != (rows, columns) {
            return Err(ExtrapolationError::ShapeMismatch { expected: (rows, columns), found: field.dim() });
        }
        let mut arrived = Array2::zeros((rows, columns));
        let field = field.as_standard_layout();
        let (Some(source), Some(target)) = (field.as_slice(), arrived.as_slice_mut()) else { return Ok(arrived) };
        let source = Source { values: source, rows, columns, contents: Contents::of(source, rows, columns) };
        target.par_chunks_mut(columns.max(1)).enumerate().for_each_init(Vec::new, |line, (row, out)| {
            self.row(row, line);
            widest(
                #[inline(always)]
                || {
                    for (segment, out) in out.chunks_mut(SEGMENT).enumerate() {
                        let first = segment * SEGMENT;
                        let [right, down] = eight(line, first);
                        let (x, y) = (right.map(|r| within_reach(-r)), down.map(|d| within_reach(-d)));
                        let values = source.segment([row, first], &x, &y, interpolation, out.len());
                        out.copy_from_slice(&values[..out.len()]);
                    }
                    if inflow == Inflow::LastObservation {
                        for (value, here) in out.iter_mut().zip(&source.values[row * columns..]) {
                            *value = if value.is_nan() { *here } else { *value };
                        }
                    }
                },
            );
        });
        Ok(arrived)
    }
}

struct Source<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    contents: Contents,
}

/// A displacement that [`split`] can take; what comes from further away comes from beyond any grid.
#[inline(always)]
fn within_reach(cells: f32) -> f32 {
    cells.clamp(-FURTHEST, FURTHEST)
}

/// Whole cells and what is beyond them, 0 to 1.
#[inline(always)]
fn split(at: &Eight) -> ([i32; SEGMENT], Eight) {
    // The lowest bits of the sum are the whole number.
    let sums = at.map(|a| a - 0.5 + ROUNDING);
    let whole = sums.map(|s| s.to_bits().wrapping_sub(ROUNDING.to_bits()) as i32);
    (whole, std::array::from_fn(|k| at[k] - (sums[k] - ROUNDING)))
}

/// Between four corners (upper left, upper right, lower left, lower right) of each, NaN where one of them is; and the
/// nearest.
#[inline(always)]
fn between([a, b, c, d]: &[Eight; 4], x: &Eight, y: &Eight, interpolation: Interpolation) -> (Eight, Eight) {
    let nearest: Eight = std::array::from_fn(|k| {
        let (upper, lower) = if x[k] < 0.5 { (a[k], c[k]) } else { (b[k], d[k]) };
        if y[k] < 0.5 { upper } else { lower }
    });
    let mixed: Eight = std::array::from_fn(|k| {
        let (top, bottom) = (a[k] + x[k] * (b[k] - a[k]), c[k] + x[k] * (d[k] - c[k]));
        top + y[k] * (bottom - top)
    });
    let values = match interpolation {
        Interpolation::Nearest => nearest,
        Interpolation::Smooth => mixed,
        Interpolation::Bilinear => std::array::from_fn(|k| if nearest[k] == 0.0 { 0.0 } else { mixed[k] }),
    };
    (values, nearest)
}

impl Source<'_> {
    /// Eight cells of a row from (row, column) on, each from (x, y) cells beside it; the first `wanted` of them count.
    #[inline(always)]
    fn segment(
        &self,
        [row, column]: [usize; 2],
        x: &Eight,
        y: &Eight,
        interpolation: Interpolation,
        wanted: usize,
    ) -> Eight {
        let ((left, fx), (top, fy)) = (split(x), split(y));
        let columns: [i32; SEGMENT] = std::array::from_fn(|k| column as i32 + k as i32 + left[k]);
        let rows = top.map(|t| row as i32 + t);
        let least = |of: &[i32; SEGMENT]| of.iter().copied().fold(i32::MAX, i32::min);
        let most = |of: &[i32; SEGMENT]| of.iter().copied().fold(i32::MIN, i32::max);
        let (r, c) = ([least(&rows), most(&rows) + 1], [least(&columns), most(&columns) + 1]);
        let inside = r[0] >= 0 && c[0] >= 0 && r[1] < self.rows as i32 && c[1] < self.columns as i32;
        if inside {
            match self.contents.of_part(r.map(|r| r as usize), c.map(|c| c as usize)) {
                Content::Dry => return [0.0; SEGMENT],
                Content::Unknown => return [f32::NAN; SEGMENT],
                Content::Mixed => {}
            }
            let (values, nearest) = between(&self.corners(&rows, &columns), &fx, &fy, interpolation);
            // Beside what is unknown the others have their say.
            if (0..SEGMENT).all(|k| !values[k].is_nan() | nearest[k].is_nan()) {
                return values;
            }
        }
        let mut values = [f32::NAN; SEGMENT];
        self.one_by_one([row, column], x, y, interpolation, &mut values[..wanted]);
        values
    }

    /// The four cells around each of eight places on the grid, upper left ones given.
    #[inline(always)]
    fn corners(&self, rows: &[i32; SEGMENT], columns: &[i32; SEGMENT]) -> [Eight; 4] {
        let mut corners = [[0.0; SEGMENT]; 4];
        let at = |k: usize| rows[k] as usize * self.columns + columns[k] as usize;
        let in_line = (0..SEGMENT).all(|k| rows[k] == rows[0] && columns[k] == columns[0] + k as i32);
        let chunk = |at: usize| self.values.get(at..).and_then(<[f32]>::first_chunk::<{ SEGMENT + 1 }>);
        if let (true, Some(upper), Some(lower)) = (in_line, chunk(at(0)), chunk(at(0) + self.columns)) {
            let part = |line: &[f32; SEGMENT + 1], first: usize| std::array::from_fn(|k| line[first + k]);
            return [part(upper, 0), part(upper, 1), part(lower, 0), part(lower, 1)];
        }
        let [a, b, c, d] = &mut corners;
        for (k, (((a, b), c), d)) in a.iter_mut().zip(b).zip(c).zip(d).enumerate() {
            let at = at(k);
            (*a, *b) = (self.values[at], self.values[at + 1]);
            (*c, *d) = (self.values[at + self.columns], self.values[at + self.columns + 1]);
        }
        corners
    }

    /// The cells of a row from (row, column) on, from anywhere.
    #[inline(never)]
    fn one_by_one(
        &self,
        [row, column]: [usize; 2],
        x: &Eight,
        y: &Eight,
        interpolation: Interpolation,
        out: &mut [f32],
    ) {
        for (k, value) in out.iter_mut().enumerate() {
            let (y, x) = (row as f32 + y[k], (column + k) as f32 + x[k]);
            *value = match interpolation {
                Interpolation::Nearest => self.nearest(y, x),
                Interpolation::Bilinear => self.bilinear(y, x, true),
                Interpolation::Smooth => self.bilinear(y, x, false),
            };
        }
    }

    #[inline]
    fn nearest(&self, row: f32, column: f32) -> f32 {
        let (row, column) = (row + 0.5, column + 0.5);
        // Written so that a NaN coordinate is refused, too.
        if !(row >= 0.0 && column >= 0.0 && row < self.rows as f32 && column < self.columns as f32) {
            return f32::NAN;
        }
        // Of what is not negative a cast is the floor.
        self.values[row as usize * self.columns + column as usize]
    }

    #[inline]
    fn bilinear(&self, row: f32, column: f32, keep_dry: bool) -> f32 {
        let nearest = self.nearest(row, column);
        if nearest.is_nan() || (keep_dry && nearest == 0.0) {
            return nearest;
        }
        // Within half a cell of the edge the nearest row or column stands on both sides.
        let (row, column) = (row.clamp(0.0, (self.rows - 1) as f32), column.clamp(0.0, (self.columns - 1) as f32));
        let (r0, c0) = (row as usize, column as usize);
        let (r1, c1) = ((r0 + 1).min(self.rows - 1), (c0 + 1).min(self.columns - 1));
        let (fr, fc) = (row - r0 as f32, column - c0 as f32);
        let (mut sum, mut weight) = (0.0, 0.0);
        for (r, c, w) in
            [(r0, c0, (1.0 - fr) * (1.0 - fc)), (r0, c1, (1.0 - fr) * fc), (r1, c0, fr * (1.0 - fc)), (r1, c1, fr * fc)]
        {
            let v = self.values[r * self.columns + c];
            // Unknown neighbours have no say; the nearest cell, known, has at least a quarter of the weight.
            if !v.is_nan() {
                sum += w * v;
                weight += w;
            }
        }
        sum / weight
    }
}
