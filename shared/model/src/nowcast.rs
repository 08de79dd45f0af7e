//! One run of the nowcasting engine.

use jiff::Timestamp;

use crate::{MotionField, RainField};

/// The products of one nowcast run, issued all or nothing.
#[derive(Clone, Debug)]
pub struct NowcastRun {
    /// Source of the frames it was made from.
    pub source: String,
    /// Valid time of the newest frame it knows; leads count from here.
    pub issue_time: Timestamp,
    /// Method (`extrapolation`, …), as on the command line.
    pub method: String,
    /// Version of the engine that made it.
    pub model_version: String,
    /// Content hash of the newest frame it was made from.
    pub based_on: String,
    /// Motion it was made with.
    pub motion: MotionField,
    /// Rain rate by lead time, ascending valid time, all on one grid; NaN where the nowcast does not know.
    pub fields: Vec<RainField>,
}
