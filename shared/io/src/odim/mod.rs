//! ODIM_H5, the HDF5 layout of European (and Australian) weather radar.
//!
//! Standard: OPERA Data Information Model for HDF5, versions 2.0 to 2.4 (Michelson et al. 2019). Read are `PVOL` and
//! `SCAN` into volumes, `COMP` and `IMAGE` into grids; written are `PVOL` and `COMP`. Vertical profiles, cross-sections
//! and quality layers are not read.

mod attributes;
mod composite;
mod merge;
mod packing;
mod projection;
mod source;
mod superblock;
mod unpack;
mod volume;
mod write;

use attributes::{Node, hdf5_error};

pub use merge::{belong_together, group_volumes, merge_volumes};
pub use write::{write_composite, write_volume};

use crate::{RawScan, ReadErrorKind, ReadOptions};

/// Reads any ODIM_H5 object that holds rain.
pub(crate) fn read(bytes: &[u8], options: &ReadOptions) -> Result<RawScan, ReadErrorKind> {
    superblock::check_length(bytes)?;
    let file = hdf5_pure::File::from_bytes(bytes.to_vec()).map_err(|e| hdf5_error("/", &e))?;
    let root = Node::root(&file)?;
    let what = root.attributes("what")?;
    let object = what.require_text("object", "the kind of ODIM_H5 object, PVOL, SCAN, COMP or IMAGE")?;
    match object {
        "PVOL" | "SCAN" => volume::read(&root, bytes.len(), options).map(RawScan::Volume),
        "COMP" | "IMAGE" => composite::read(&root, bytes.len()).map(RawScan::Grid),
        other => Err(ReadErrorKind::Field {
            field: "what/object".into(),
            expected: "PVOL, SCAN, COMP or IMAGE".into(),
            found: format!("`{}`", other.chars().take(40).collect::<String>()),
        }),
    }
}
