//! What a motion estimator is asked and how it refuses.

use jiff::Timestamp;
use raincell_model::{MotionField, RainField};
use thiserror::Error;

/// Estimates how the rain pattern moves.
pub trait MotionEstimator: Send + Sync {
    /// Short name, as in settings and logs.
    fn name(&self) -> &'static str;

    /// Motion in cells per minute on the grid of `fields`.
    ///
    /// The fields may come in any order, unevenly spaced in time and twice (of fields with one valid time the last one
    /// given counts). A single field and fields without rain give rest.
    ///
    /// # Errors
    /// [`MotionError::NoFields`] for an empty slice; [`MotionError::GridMismatch`] and [`MotionError::ShapeMismatch`]
    /// when the fields do not lie on one grid.
    fn estimate(&self, fields: &[RainField]) -> Result<MotionField, MotionError>;
}

/// Why no motion could be estimated.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MotionError {
    /// Nothing to estimate from.
    #[error("motion wants at least one rain field, got none")]
    NoFields,
    /// A field's grid is another one than that of the first field.
    #[error("the field valid at {valid_time} lies on another grid than the first one ({first_time})")]
    GridMismatch {
        /// Valid time of the first field given.
        first_time: Timestamp,
        /// Valid time of the field that differs.
        valid_time: Timestamp,
    },
    /// A field's array does not fit its grid.
    #[error("the field valid at {valid_time} has shape {found:?}, its grid has (rows, columns) = {expected:?}")]
    ShapeMismatch {
        /// Valid time of the field.
        valid_time: Timestamp,
        /// (rows, columns) of its grid.
        expected: (usize, usize),
        /// (rows, columns) of its array.
        found: (usize, usize),
    },
}
