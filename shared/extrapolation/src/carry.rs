//! Fetching values along the trajectories.

use ndarray::Array2;
use rayon::prelude::*;

use crate::trajectories::{ExtrapolationError, SEGMENT, Trajectories, eight};

/// Adding and taking off this number rounds an `f32` of far smaller size to a whole number.
const ROUNDING: f32 = 12_582_912.0;

/// Displacements are cut here, cells.
const FURTHEST: f32 = 4e6;

type Eight = [f32; SEGMENT];

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
        let source = Source { values: source, rows, columns };
        target.par_chunks_mut(columns.max(1)).enumerate().for_each_init(Vec::new, |line, (row, out)| {
            self.row(row, line);
            for (segment, out) in out.chunks_mut(SEGMENT).enumerate() {
                let first = segment * SEGMENT;
                let [right, down] = eight(line, first);
                let (x, y) = (right.map(|r| within_reach(-r)), down.map(|d| within_reach(-d)));
                let mut values = [f32::NAN; SEGMENT];
                match source.eight(row, first, &x, &y, interpolation) {
                    Some((fetched, nearest)) => {
                        values = fetched;
                        if (0..SEGMENT).any(|k| fetched[k].is_nan() && !nearest[k].is_nan()) {
                            source.one_by_one([row, first], &x, &y, interpolation, &mut values[..out.len()]);
                        }
                    }
                    None => source.one_by_one([row, first], &x, &y, interpolation, &mut values[..out.len()]),
                }
                if inflow == Inflow::LastObservation {
                    let here = &source.values[row * columns + first..];
                    for (value, here) in values.iter_mut().zip(here) {
                        *value = if value.is_nan() { *here } else { *value };
                    }
                }
                out.copy_from_slice(&values[..out.len()]);
            }
        });
        Ok(arrived)
    }
}

struct Source<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
}

/// A displacement that [`split`] can take; what comes from further away comes from beyond any grid.
#[inline]
fn within_reach(cells: f32) -> f32 {
    cells.clamp(-FURTHEST, FURTHEST)
}

/// Whole cells and what is beyond them, 0 to 1.
#[inline]
fn split(at: &Eight) -> ([i32; SEGMENT], Eight) {
    // The lowest bits of the sum are the whole number.
    let sums = at.map(|a| a - 0.5 + ROUNDING);
    let whole = sums.map(|s| s.to_bits().wrapping_sub(ROUNDING.to_bits()) as i32);
    (whole, std::array::from_fn(|k| at[k] - (sums[k] - ROUNDING)))
}

/// Between four corners (upper left, upper right, lower left, lower right), NaN where one of them is; and the nearest.
#[inline]
fn between(corners: impl Fn(usize) -> [f32; 4], x: &Eight, y: &Eight, interpolation: Interpolation) -> (Eight, Eight) {
    let nearest = |[a, b, c, d]: [f32; 4], k: usize| {
        let (upper, lower) = if x[k] < 0.5 { (a, c) } else { (b, d) };
        if y[k] < 0.5 { upper } else { lower }
    };
    let mixed = |[a, b, c, d]: [f32; 4], k: usize| {
        let (top, bottom) = (a + x[k] * (b - a), c + x[k] * (d - c));
        top + y[k] * (bottom - top)
    };
    let near: Eight = std::array::from_fn(|k| nearest(corners(k), k));
    let values = match interpolation {
        Interpolation::Nearest => near,
        Interpolation::Smooth => std::array::from_fn(|k| mixed(corners(k), k)),
        Interpolation::Bilinear => std::array::from_fn(|k| if near[k] == 0.0 { 0.0 } else { mixed(corners(k), k) }),
    };
    (values, near)
}

impl Source<'_> {
    /// Eight cells of a row from `column` on, each from (x, y) cells beside it, as [`between`] gives them. `None` when some
    /// lie too far out.
    #[inline]
    fn eight(
        &self,
        row: usize,
        column: usize,
        x: &Eight,
        y: &Eight,
        interpolation: Interpolation,
    ) -> Option<(Eight, Eight)> {
        let ((left, x), (top, y)) = (split(x), split(y));
        let columns: [i32; SEGMENT] = std::array::from_fn(|k| column as i32 + k as i32 + left[k]);
        let rows = top.map(|t| row as i32 + t);
        let (mut outside, mut differ) = (0, 0);
        for k in 0..SEGMENT {
            // The sign bit of each tells: before the first, or past the last but one.
            outside |= rows[k] | columns[k] | (self.rows as i32 - 2 - rows[k]) | (self.columns as i32 - 2 - columns[k]);
            differ |= (left[k] ^ left[0]) | (top[k] ^ top[0]);
        }
        if outside < 0 {
            return None;
        }
        if differ == 0 {
            // All lie between the same two rows and one after the other: no look-up by single cells.
            let at = rows[0] as usize * self.columns + columns[0] as usize;
            let upper: &[f32; SEGMENT + 1] = self.values[at..].first_chunk()?;
            let lower: &[f32; SEGMENT + 1] = self.values[at + self.columns..].first_chunk()?;
            let mut any = 0;
            for (a, b) in upper.iter().zip(lower) {
                any |= a.to_bits() | b.to_bits();
            }
            if any == 0 {
                return Some(([0.0; SEGMENT], [0.0; SEGMENT]));
            }
            return Some(between(|k| [upper[k], upper[k + 1], lower[k], lower[k + 1]], &x, &y, interpolation));
        }
        let (upper, lower) = (self.values, &self.values[self.columns..]);
        let corners = |k: usize| {
            let at = rows[k] as usize * self.columns + columns[k] as usize;
            [upper[at], upper[at + 1], lower[at], lower[at + 1]]
        };
        Some(between(corners, &x, &y, interpolation))
    }

    /// The cells of a row from (row, column) on, from anywhere.
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
