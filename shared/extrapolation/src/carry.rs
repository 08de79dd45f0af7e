//! Fetching values along the trajectories.

use ndarray::Array2;
use rayon::prelude::*;

use crate::trajectories::{ExtrapolationError, Trajectories, along_row};

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
            for (column, value) in out.iter_mut().enumerate() {
                let [right, down] = along_row(line, column);
                let (y, x) = (row as f32 - down, column as f32 - right);
                let fetched = match interpolation {
                    Interpolation::Nearest => source.nearest(y, x),
                    Interpolation::Bilinear => source.bilinear(y, x, true),
                    Interpolation::Smooth => source.bilinear(y, x, false),
                };
                *value = if fetched.is_nan() && inflow == Inflow::LastObservation {
                    source.values[row * columns + column]
                } else {
                    fetched
                };
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

impl Source<'_> {
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
