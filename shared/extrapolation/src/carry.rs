//! Fetching values along the trajectories.

use ndarray::{Array2, CowArray, Ix2};
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

/// A field (NaN = unknown) made ready to be carried along any number of trajectories.
pub struct Carried<'a> {
    field: CowArray<'a, f32, Ix2>,
    contents: Contents,
}

impl<'a> Carried<'a> {
    /// Looks at what the parts of the field hold.
    pub fn new(field: &'a Array2<f32>) -> Self {
        let field = field.as_standard_layout();
        let (rows, columns) = field.dim();
        let contents = Contents::of(field.as_slice().unwrap_or_default(), rows, columns);
        Self { field, contents }
    }

    /// What a part of the field, from the first to the last row and column, holds.
    pub fn content(&self, rows: [usize; 2], columns: [usize; 2]) -> Content {
        self.contents.of_part(rows, columns)
    }

    fn source(&self) -> Source<'_> {
        let (rows, columns) = self.field.dim();
        Source { values: self.field.as_slice().unwrap_or_default(), rows, columns, contents: &self.contents }
    }
}

/// Eight cells of a row side by side, fewer at its end.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Column of the first cell.
    pub first: usize,
    /// How many of the eight lie on the grid; what is said of others has no meaning.
    pub cells: usize,
    /// Where their air came from, as fractional row; beyond the grid where it came from there.
    pub origin_rows: Eight,
    /// The same, as fractional column.
    pub origin_columns: Eight,
    /// What it brings; NaN where it comes from what is unknown.
    pub values: Eight,
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
        self.fitting(field.dim())?;
        let mut arrived = Array2::zeros((rows, columns));
        let carried = Carried::new(field);
        let source = carried.source();
        let Some(target) = arrived.as_slice_mut() else { return Ok(arrived) };
        target.par_chunks_mut(columns.max(1)).enumerate().for_each_init(Vec::new, |line, (row, out)| {
            self.along_row(
                source,
                row,
                interpolation,
                line,
                |_| true,
                #[inline(always)]
                |segment| out[segment.first..][..segment.cells].copy_from_slice(&segment.values[..segment.cells]),
            );
            if inflow == Inflow::LastObservation {
                for (value, here) in out.iter_mut().zip(&source.values[row * columns..]) {
                    *value = if value.is_nan() { *here } else { *value };
                }
            }
        });
        Ok(arrived)
    }

    /// What comes to the block of [`SEGMENT`] × [`SEGMENT`] cells from a (row, column), multiples of it, on; and from where,
    /// as fractional (row, column), the air over its corners comes: upper left, upper right, lower left, lower right.
    #[inline(always)]
    pub fn carry_block(&self, field: &Carried<'_>, [row, column]: [usize; 2]) -> (Content, [[f32; 2]; 4]) {
        let ((rows, columns), travelled) = (self.shape(), self.around_block([row, column]));
        let (mut least, mut most) = (travelled[0], travelled[0]);
        for [right, down] in travelled {
            least = [least[0].min(right), least[1].min(down)];
            most = [most[0].max(right), most[1].max(down)];
        }
        // Displacements point from the origin to the cell; to the right of, and below it, there is another corner.
        let reach = |first: usize, k: usize| {
            let (from, to) = (within_reach(-most[k]).floor() as i32, within_reach(-least[k]).floor() as i32);
            [first as i32 + from, (first + SEGMENT) as i32 + to]
        };
        let (content, _) = content(&field.contents, [rows, columns], [reach(row, 1), reach(column, 0)]);
        let corner = |i: usize, down: usize, right: usize| {
            let [x, y] = travelled[i];
            [(row + down) as f32 - y, (column + right) as f32 - x]
        };
        (content, [corner(0, 0, 0), corner(2, 0, SEGMENT), corner(6, SEGMENT, 0), corner(8, SEGMENT, SEGMENT)])
    }

    /// One row of the field as it arrives, eight cells at a time, of the segments (counted from 0) that are `wanted`; `each`
    /// runs with the widest vector instructions as far as it is inlined. `line` is a buffer to be reused from row to row.
    ///
    /// # Errors
    /// [`ExtrapolationError::ShapeMismatch`] when the field does not fit the motion.
    #[inline(always)]
    pub fn carry_row(
        &self,
        field: &Carried<'_>,
        row: usize,
        interpolation: Interpolation,
        line: &mut Vec<[f32; 2]>,
        wanted: impl Fn(usize) -> bool,
        each: impl FnMut(Segment),
    ) -> Result<(), ExtrapolationError> {
        self.fitting(field.field.dim())?;
        if row < self.shape().0 {
            self.along_row(field.source(), row, interpolation, line, wanted, each);
        }
        Ok(())
    }

    fn fitting(&self, found: (usize, usize)) -> Result<(), ExtrapolationError> {
        let expected = self.shape();
        if found == expected { Ok(()) } else { Err(ExtrapolationError::ShapeMismatch { expected, found }) }
    }

    #[inline(always)]
    fn along_row(
        &self,
        source: Source<'_>,
        row: usize,
        interpolation: Interpolation,
        line: &mut Vec<[f32; 2]>,
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(Segment),
    ) {
        self.row(row, line);
        let line = &*line;
        widest(
            #[inline(always)]
            || {
                for (i, first) in (0..source.columns).step_by(SEGMENT).enumerate() {
                    if !wanted(i) {
                        continue;
                    }
                    let [right, down] = eight(line, first);
                    let (mut x, mut y) = ([0.0; SEGMENT], [0.0; SEGMENT]);
                    let (mut origin_rows, mut origin_columns) = ([0.0; SEGMENT], [0.0; SEGMENT]);
                    for k in 0..SEGMENT {
                        (x[k], y[k]) = (within_reach(-right[k]), within_reach(-down[k]));
                        (origin_rows[k], origin_columns[k]) = (row as f32 + y[k], (first + k) as f32 + x[k]);
                    }
                    let cells = SEGMENT.min(source.columns - first);
                    let values = source.segment([row, first], &x, &y, interpolation, cells);
                    each(Segment { first, cells, origin_rows, origin_columns, values });
                }
            },
        );
    }
}

#[derive(Clone, Copy)]
struct Source<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    contents: &'a Contents,
}

/// What a part of a field, from the first to the last row and column, holds, and whether all of it lies on the grid; beyond
/// it nothing is known.
#[inline(always)]
fn content(contents: &Contents, size: [usize; 2], part: [[i32; 2]; 2]) -> (Content, bool) {
    let on_grid = |k: usize| [part[k][0].max(0), part[k][1].min(size[k] as i32 - 1)];
    let (rows, columns) = (on_grid(0), on_grid(1));
    let inside = [rows, columns] == part;
    if rows[0] > rows[1] || columns[0] > columns[1] {
        return (Content::Unknown, inside);
    }
    let content = contents.of_part(rows.map(|r| r as usize), columns.map(|c| c as usize));
    (if inside || content == Content::Unknown { content } else { Content::Mixed }, inside)
}

/// A displacement that [`split`] can take; what comes from further away comes from beyond any grid.
#[inline(always)]
fn within_reach(cells: f32) -> f32 {
    cells.clamp(-FURTHEST, FURTHEST)
}

/// Whole cells and what is beyond them, 0 to 1.
#[inline(always)]
fn split(at: &Eight) -> ([i32; SEGMENT], Eight) {
    let (mut whole, mut rest) = ([0; SEGMENT], [0.0; SEGMENT]);
    for k in 0..SEGMENT {
        // The lowest bits of the sum are the whole number.
        let sum = at[k] - 0.5 + ROUNDING;
        whole[k] = sum.to_bits().wrapping_sub(ROUNDING.to_bits()) as i32;
        rest[k] = at[k] - (sum - ROUNDING);
    }
    (whole, rest)
}

/// Between four corners (upper left, upper right, lower left, lower right) of each, NaN where one of them is; and the
/// nearest.
#[inline(always)]
fn between([a, b, c, d]: &[Eight; 4], x: &Eight, y: &Eight, interpolation: Interpolation) -> (Eight, Eight) {
    let (mut nearest, mut mixed) = ([0.0; SEGMENT], [0.0; SEGMENT]);
    for k in 0..SEGMENT {
        let (upper, lower) = if x[k] < 0.5 { (a[k], c[k]) } else { (b[k], d[k]) };
        nearest[k] = if y[k] < 0.5 { upper } else { lower };
        let (top, bottom) = (a[k] + x[k] * (b[k] - a[k]), c[k] + x[k] * (d[k] - c[k]));
        mixed[k] = top + y[k] * (bottom - top);
    }
    match interpolation {
        Interpolation::Nearest => mixed = nearest,
        Interpolation::Smooth => {}
        Interpolation::Bilinear => {
            for k in 0..SEGMENT {
                mixed[k] = if nearest[k] == 0.0 { 0.0 } else { mixed[k] };
            }
        }
    }
    (mixed, nearest)
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
        let (mut rows, mut columns) = (top, left);
        let (mut r, mut c) = ([i32::MAX, i32::MIN], [i32::MAX, i32::MIN]);
        for k in 0..SEGMENT {
            rows[k] += row as i32;
            columns[k] += column as i32 + k as i32;
            (r[0], r[1]) = (r[0].min(rows[k]), r[1].max(rows[k] + 1));
            (c[0], c[1]) = (c[0].min(columns[k]), c[1].max(columns[k] + 1));
        }
        let (content, inside) = content(self.contents, [self.rows, self.columns], [r, c]);
        match content {
            Content::Dry => return [0.0; SEGMENT],
            Content::Unknown => return [f32::NAN; SEGMENT],
            Content::Mixed => {}
        }
        if inside {
            let (values, nearest) = between(&self.corners(&rows, &columns), &fx, &fy, interpolation);
            // Beside what is unknown the others have their say.
            let mut alone = false;
            for k in 0..SEGMENT {
                alone |= values[k].is_nan() & !nearest[k].is_nan();
            }
            if !alone {
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
        let mut off = 0;
        for k in 0..SEGMENT {
            off |= (rows[k] - rows[0]) | (columns[k] - columns[0] - k as i32);
        }
        let in_line = off == 0;
        let chunk = |at: usize| self.values.get(at..).and_then(<[f32]>::first_chunk::<{ SEGMENT + 1 }>);
        if let (true, Some(upper), Some(lower)) = (in_line, chunk(at(0)), chunk(at(0) + self.columns)) {
            for k in 0..SEGMENT {
                (corners[0][k], corners[1][k]) = (upper[k], upper[k + 1]);
                (corners[2][k], corners[3][k]) = (lower[k], lower[k + 1]);
            }
            return corners;
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
