//! What can be wrong with a frame, and where.

use thiserror::Error;

/// Why a field cannot be encoded.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// The array does not have the shape of its grid.
    #[error("the field has {found:?} (rows, columns), its grid {expected:?}")]
    Shape {
        /// (rows, columns) of the grid.
        expected: (usize, usize),
        /// (rows, columns) of the array.
        found: (usize, usize),
    },
    /// The grid is empty or larger than the codec takes.
    #[error("a grid of {height} x {width} cells; expected 1 to {most} cells")]
    GridSize {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// [`crate::MAX_CELLS`].
        most: usize,
    },
    /// A quantisation whose bounds are not those of a scale.
    #[error(
        "{found:?}; expected finite bounds, 0 < lowest < highest (logarithmic) or highest of at least 1e-30 (linear)"
    )]
    Quantisation {
        /// The quantisation.
        found: crate::Quantisation,
    },
    /// A value that is neither NaN nor a finite number ≥ 0.
    #[error("{found} at row {row}, column {column}; expected NaN or a finite number of at least 0")]
    Value {
        /// Row of the cell.
        row: usize,
        /// Column of the cell.
        column: usize,
        /// The value.
        found: f32,
    },
    /// A motion that is not finite.
    #[error("motion {found} at row {row}, column {column}; expected a finite number")]
    Motion {
        /// Row of the cell.
        row: usize,
        /// Column of the cell.
        column: usize,
        /// The value.
        found: f32,
    },
    /// A text that does not fit its length field.
    #[error("{field} is {found} bytes long; at most {most} fit")]
    TextTooLong {
        /// Which text.
        field: &'static str,
        /// Its bytes.
        found: usize,
        /// The most that fit.
        most: usize,
    },
    /// The parts of a nowcast run lie on different grids.
    #[error("{what} lies on another grid than the motion of the run")]
    GridMismatch {
        /// Which part.
        what: String,
    },
    /// More products than a run can list.
    #[error("{found} products; at most {most} fit into one run")]
    TooManyProducts {
        /// How many there are.
        found: usize,
        /// The most that fit.
        most: usize,
    },
}

/// Why bytes cannot be decoded: what was expected where, and what was found.
#[derive(Debug, Error, PartialEq)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("{field} at byte {offset}: expected {expected} bytes, found {found}")]
    Truncated {
        /// What was to be read.
        field: &'static str,
        /// Where it begins.
        offset: usize,
        /// Bytes it takes.
        expected: usize,
        /// Bytes that are left.
        found: usize,
    },
    /// Not this format at all.
    #[error("magic at byte 0: expected {expected:?}, found {found:?}")]
    Magic {
        /// The magic of the format.
        expected: [u8; 4],
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A version that this reader does not know.
    #[error("version at byte 4: expected {expected}, found {found}{}", if found > expected { ", which is newer" } else { "" })]
    Version {
        /// The version this reader knows.
        expected: u8,
        /// The version in the bytes.
        found: u8,
    },
    /// A field holds what it must not.
    #[error("{field} at byte {offset}: expected {expected}, found {found}")]
    Field {
        /// Which field.
        field: &'static str,
        /// Where it begins.
        offset: usize,
        /// What it may hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// A checksum does not match its bytes.
    #[error("{field}, bytes {offset} to {end}: expected CRC-32 {expected:08x}, found {found:08x}")]
    Checksum {
        /// What is covered.
        field: &'static str,
        /// First byte covered.
        offset: usize,
        /// One past the last byte covered.
        end: usize,
        /// The checksum in the bytes.
        expected: u32,
        /// The checksum of the bytes.
        found: u32,
    },
}
