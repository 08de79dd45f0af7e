//! ODIM_H5, the HDF5 layout of European (and Australian) weather radar.
//!
//! Standard: OPERA Data Information Model for HDF5 2.3 (Michelson et al. 2019). Written are `PVOL` and `COMP`.

mod packing;
mod write;

pub use write::{write_composite, write_volume};
