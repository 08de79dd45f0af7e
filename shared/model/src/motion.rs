//! Motion of the rain pattern.

use std::sync::Arc;

use ndarray::Array2;

use crate::Grid;

/// A dense motion field: how fast and where to the rain pattern moves, for every cell of a grid.
#[derive(Clone, Debug)]
pub struct MotionField {
    /// The grid it lies on.
    pub grid: Arc<Grid>,
    /// Cells per minute towards growing columns (right), shape (rows, columns) of the grid.
    pub u: Array2<f32>,
    /// Cells per minute towards growing rows (down), shape (rows, columns) of the grid.
    pub v: Array2<f32>,
}

impl MotionField {
    /// No motion anywhere.
    pub fn at_rest(grid: Arc<Grid>) -> Self {
        let shape = grid.shape();
        Self { grid, u: Array2::zeros(shape), v: Array2::zeros(shape) }
    }

    /// (speed in km/h, direction it moves towards in degrees clockwise from the grid's up) at a cell; `None` off the
    /// grid. The grid's up is true north only at the central meridian of its projection.
    pub fn speed_and_direction(&self, row: usize, column: usize) -> Option<(f32, f32)> {
        let (u, v) = (*self.u.get((row, column))?, *self.v.get((row, column))?);
        let speed_km_h = u.hypot(v) * 60.0 * self.grid.cell_km() as f32;
        Some((speed_km_h, u.atan2(-v).to_degrees().rem_euclid(360.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cell_a_minute_to_the_right_is_sixty_km_h_towards_east() {
        let grid = Arc::new(Grid::around_radar(50.0, 5.0, 2.0, 1.0));
        let mut motion = MotionField::at_rest(grid);
        motion.u.fill(1.0);
        let (speed, towards) = motion.speed_and_direction(1, 1).unwrap();
        assert!((speed - 60.0).abs() < 1e-3 && (towards - 90.0).abs() < 1e-3);
    }
}
