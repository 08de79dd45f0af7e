//! Raw radar files to the model and back: NEXRAD Level II, ODIM_H5, MRMS GRIB2, CF-netCDF, GeoTIFF.
//!
//! Bytes in, model types out (and the reverse); no file system, no network. Nowcasts alone, which may be larger than
//! memory, are read and written field by field. [`read`] tells the format by content, [`inspect`] says in words what a
//! file holds. Anything malformed becomes a [`ReadError`] that names the file, the offset or field, what was expected and
//! what was found; it never panics and never allocates more than the file can justify.
//!
//! Not here: CfRadial, GRIB2 of others than MRMS.

mod definition;
mod error;
pub mod geotiff;
mod inspect;
mod limits;
mod mrms;
pub mod netcdf;
pub mod nexrad;
pub mod odim;
mod scan;

pub use error::{ReadError, ReadErrorKind, WriteError};
pub use inspect::{Content, MomentReport, Report, SweepReport, Values, inspect};
pub use scan::{Format, RawScan, ReadOptions, detect, read};
