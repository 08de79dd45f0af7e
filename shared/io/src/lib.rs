//! Raw radar files to the model and back: NEXRAD Level II, ODIM_H5, CF-netCDF.
//!
//! Bytes in, model types out (and the reverse); no file system, no network. Anything malformed becomes a [`ReadError`]
//! that names the file, the offset or field, what was expected and what was found; it never panics and never allocates
//! more than the file can justify.

mod error;
mod limits;
pub mod nexrad;
pub mod odim;
mod scan;

pub use error::{ReadError, ReadErrorKind, WriteError};
pub use scan::{Format, RawScan, ReadOptions, detect, read};
