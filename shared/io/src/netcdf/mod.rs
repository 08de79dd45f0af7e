//! CF-netCDF nowcasts: written for everybody's tools, and read back for rendering and verification.
//!
//! The container is netCDF-3 with 64-bit offsets, which every netCDF reader opens, which is written at the speed of
//! memory, and in which every field has its place before any is known: files are written and read field by field, and
//! may be larger than memory. (netCDF-4 would need references between HDF5 objects as attributes, which the pure-Rust
//! writer has not.) Conventions: CF-1.11. Files of others are not read.

mod classic;
mod crs;
mod read;
mod write;

use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;
use raincell_model::Grid;

pub use read::NowcastReader;
pub use write::NowcastWriter;

/// What a nowcast file says beside its fields; known before any of these is.
#[derive(Clone, Debug, PartialEq)]
pub struct NowcastOutline {
    /// Source of the frames it was made from; may be empty.
    pub source: String,
    /// Method it was made with; may be empty.
    pub method: String,
    /// Valid time of the newest frame it knew.
    pub issue_time: Timestamp,
    /// Where all fields lie.
    pub grid: Arc<Grid>,
    /// Valid times of the steps, ascending.
    pub valid_times: Vec<Timestamp>,
    /// Members of the ensemble; 0 where there is none.
    pub members: usize,
    /// Thresholds of the probabilities, mm/h; empty where there are none.
    pub thresholds_mm_h: Vec<f32>,
    /// Percentiles (0–100, ascending) of when rain begins and ends; empty where that is not told.
    pub percentiles: Vec<f32>,
}

impl NowcastOutline {
    /// A deterministic nowcast: no ensemble, of no named source and method.
    pub fn deterministic(issue_time: Timestamp, grid: Arc<Grid>, valid_times: Vec<Timestamp>) -> Self {
        let (source, method) = Default::default();
        let (members, thresholds_mm_h, percentiles) = Default::default();
        Self { source, method, issue_time, grid, valid_times, members, thresholds_mm_h, percentiles }
    }
}

/// When the first rain begins and ends, over all lead times; each of the shape of the grid.
#[derive(Clone, Debug)]
pub struct RainSpell {
    /// Probability 0–1 that there is any rain; NaN = not known.
    pub probability: Array2<f32>,
    /// Minutes after the issue time at which rain begins, by percentile; NaN = no rain in sight, or not known.
    pub begins_min: Vec<Array2<f32>>,
    /// Minutes after the issue time at which that rain ends, by percentile; NaN = no rain or no end in sight, or not known.
    pub ends_min: Vec<Array2<f32>>,
}

/// Names of the variables that hold fields.
mod names {
    pub(super) const RAIN_RATE: &str = "rain_rate";
    pub(super) const PROBABILITY: &str = "probability";
    pub(super) const ARRIVAL_PROBABILITY: &str = "arrival_probability";
    pub(super) const ARRIVAL_TIME: &str = "arrival_time";
    pub(super) const END_TIME: &str = "end_time";
    pub(super) const MEMBERS: &str = "rain_rate_members";
}
