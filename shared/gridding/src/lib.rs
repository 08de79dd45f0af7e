//! From what a radar measured to rain on a map: beam geometry, Z–R relations, and polar or foreign grids to rain rate.
//!
//! - [`ZR`] turns reflectivity into rain rate and back;
//! - [`beam`] knows how high and how far out a range gate is;
//! - [`RadarView`] and [`grid_sweep`] lay a sweep onto a [`Grid`](raincell_model::Grid), nearest gate;
//! - [`RadarView::quality`] says how much that is worth, [`composite`] puts many radars together by it;
//! - [`grid_scan_to_rain`] takes a composite through on its own grid.
//!
//! This crate knows no file format, does no I/O and filters nothing: clutter is taken out before, in `raincell-qc`.

pub mod beam;
mod composite;
mod polar;
pub mod quality;
mod scan;
mod zr;

use raincell_model::RainField;

pub use composite::{CompositeError, Weighted, common_grid, composite};
pub use polar::{DEFAULT_CELL_KM, DEFAULT_RADIUS_KM, RadarView, grid_sweep};
pub use scan::{DEFAULT_CAP_MM_H, ScanError, grid_scan_to_rain};
pub use zr::{FLOOR_DBZ, ZR};

/// A rain field and how much of it had to be capped on the way.
#[derive(Clone, Debug)]
pub struct Gridded {
    /// The field.
    pub field: RainField,
    /// Cells whose rain rate was beyond the cap and was set to it.
    pub capped_cells: usize,
}
