//! What can go wrong between bytes and the model, said exactly.

use raincell_model::GridError;
use thiserror::Error;

/// A raw file that cannot be read, and why.
#[derive(Debug, Error)]
#[error("{file}: {kind}")]
pub struct ReadError {
    /// Name of the file as the caller gave it.
    pub file: String,
    /// What is wrong with it.
    pub kind: ReadErrorKind,
}

impl ReadError {
    /// The error of one file.
    pub fn new(file: &str, kind: ReadErrorKind) -> Self {
        Self { file: file.to_owned(), kind }
    }
}

/// What is wrong with a raw file: where, what was expected there, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The first bytes belong to no format that is read here.
    #[error(
        "unknown format: expected NEXRAD Level II (AR2V…, ARCHIVE2), GRIB2, gzip of these, HDF5 or netCDF, found bytes {found}"
    )]
    UnknownFormat {
        /// The first bytes, printable ones as they are and the rest in hexadecimal.
        found: String,
    },
    /// The format is known, but not what was asked for.
    #[error("expected {expected}, found {found}")]
    WrongContent {
        /// What the caller can use.
        expected: &'static str,
        /// What the file holds.
        found: String,
    },
    /// The file ends too early.
    #[error("truncated at byte {offset}: {what} needs {expected} bytes, {found} are left")]
    Truncated {
        /// The part that is cut.
        what: &'static str,
        /// Where that part begins (bytes from the start of the file, or of the decompressed data where it is compressed).
        offset: usize,
        /// Bytes it needs.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The file is there and its storage does not give it.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// The part that was asked for.
        what: String,
        /// What the operating system says.
        reason: String,
    },
    /// Compressed data that does not decompress.
    #[error("{what} at byte {offset} does not decompress: {reason}")]
    Compression {
        /// What was being decompressed.
        what: &'static str,
        /// Where it begins in the file.
        offset: usize,
        /// What the decompressor says.
        reason: String,
    },
    /// A field that the file must have and has not.
    #[error("`{field}` is missing, expected {expected}")]
    Missing {
        /// Path of the field.
        field: String,
        /// What should have been there.
        expected: &'static str,
    },
    /// A field whose value cannot be right.
    #[error("`{field}`: expected {expected}, found {found}")]
    Field {
        /// Path of the field.
        field: String,
        /// What would have been right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A message or block whose content cannot be right.
    #[error("{what} at byte {offset}: expected {expected}, found {found}")]
    Block {
        /// The message or block.
        what: &'static str,
        /// Where it begins (in the decompressed data where it is compressed).
        offset: usize,
        /// What would have been right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// An attribute that is there, in an encoding that the HDF5 reader cannot decode.
    #[error("attribute `{field}` is stored as {found}, which cannot be decoded")]
    UndecodableAttribute {
        /// Path of the attribute.
        field: String,
        /// Its datatype in the file.
        found: String,
    },
    /// The HDF5 container itself is damaged or of a layout that is not supported.
    #[error("HDF5 object `{object}` cannot be read: {reason}")]
    Hdf5 {
        /// Path of the object.
        object: String,
        /// What the HDF5 reader says.
        reason: String,
    },
    /// The container decoder gave up on damaged bytes in a way that it does not report itself.
    #[error("the {decoder} decoder failed on damaged input: {reason}")]
    Damaged {
        /// Which decoder.
        decoder: &'static str,
        /// What it said.
        reason: String,
    },
    /// A well-formed file without anything to see in it.
    #[error("no {what} in the file")]
    Nothing {
        /// What was looked for.
        what: &'static str,
    },
    /// Volumes that cannot be put together.
    #[error("volumes do not belong together: {field} is {found}, expected {expected}")]
    Mismatch {
        /// What differs.
        field: &'static str,
        /// Of the first volume.
        expected: String,
        /// Of the other.
        found: String,
    },
}

/// Data that cannot be written in the format asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// An array has another shape than what it belongs to.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The array.
        what: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// Nothing to write.
    #[error("there is no {what} to write")]
    Nothing {
        /// What is lacking.
        what: &'static str,
    },
    /// The file would be larger than the format can address.
    #[error("{what} would take {bytes} bytes, the format allows {limit}")]
    TooLarge {
        /// The variable.
        what: String,
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },
    /// A field that a file was to have is still missing at its end.
    #[error("field {index} of {what} was never written")]
    Unwritten {
        /// The variable.
        what: String,
        /// Which of its fields, in the order of its dimensions.
        index: usize,
    },
    /// Where the bytes go they cannot be written.
    #[error("{what} cannot be written")]
    Storage {
        /// The part.
        what: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The grid has no place on the earth.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// A corner of the grid lies outside what its projection can express.
    #[error("the {corner} corner of the grid has no latitude and longitude in `{projection}`")]
    Corner {
        /// Which corner.
        corner: &'static str,
        /// PROJ definition of the grid.
        projection: String,
    },
    /// The HDF5 writer refused.
    #[error("HDF5 cannot be written")]
    Hdf5(#[from] hdf5_pure::Error),
    /// The TIFF writer refused.
    #[error("TIFF cannot be written")]
    Tiff(#[from] tiff::TiffError),
}
