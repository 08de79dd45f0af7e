//! CF-netCDF nowcasts: written for everybody's tools, and read back for rendering and verification.
//!
//! The container is netCDF-3 with 64-bit offsets, which every netCDF reader opens and which is written at the speed of
//! memory. (netCDF-4 would need references between HDF5 objects as attributes, which the pure-Rust writer has not.)
//! Conventions: CF-1.11. Files of others are not read.

mod classic;
mod crs;
mod read;
mod write;

use jiff::Timestamp;
use ndarray::Array2;
use raincell_model::RainField;

pub use read::read_nowcast;
pub use write::{Provenance, write_ensemble_nowcast, write_nowcast};

/// What an ensemble adds to the deterministic nowcast; empty where there is none.
#[derive(Clone, Debug, Default)]
pub struct Ensemble {
    /// Rain rate in mm/h by member and then by lead time, each of the shape of the grid; NaN = no data.
    pub members: Vec<Vec<Array2<f32>>>,
    /// Probabilities of reaching a threshold.
    pub probabilities: Vec<Exceedance>,
    /// When rain begins and ends.
    pub spell: Option<RainSpell>,
}

/// When the first rain begins and ends, over all lead times; each of the shape of the grid.
#[derive(Clone, Debug)]
pub struct RainSpell {
    /// Probability 0–1 that there is any rain; NaN = not known.
    pub probability: Array2<f32>,
    /// The percentiles that are given, 0–100, ascending.
    pub percentiles: Vec<f32>,
    /// Minutes after the issue time at which rain begins, by percentile; NaN = no rain in sight, or not known.
    pub begins_min: Vec<Array2<f32>>,
    /// Minutes after the issue time at which that rain ends, by percentile; NaN = no rain or no end in sight, or not known.
    pub ends_min: Vec<Array2<f32>>,
}

/// How likely the rain rate reaches a threshold.
#[derive(Clone, Debug)]
pub struct Exceedance {
    /// The threshold, mm/h.
    pub threshold_mm_h: f32,
    /// Probability 0–1 by lead time, each of the shape of the grid; NaN = no data.
    pub by_lead: Vec<Array2<f32>>,
}

/// A nowcast as its file gives it.
#[derive(Clone, Debug)]
pub struct NowcastFile {
    /// Source of the frames it was made from.
    pub source: String,
    /// Method it was made with.
    pub method: String,
    /// Valid time of the newest frame it knew.
    pub issue_time: Timestamp,
    /// Rain rate by ascending valid time.
    pub fields: Vec<RainField>,
    /// The ensemble, empty where there is none.
    pub ensemble: Ensemble,
}
