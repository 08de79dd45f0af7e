//! The types that every other Raincell crate speaks in: radar volumes, grids, rain-rate fields, motion fields.
//!
//! This crate does no I/O, knows no file format and no algorithm. `nodata` (not observed), `undetect` (observed, dry)
//! and a value stay three different things from here on: see [`Sample`] for what a radar measured and [`Observation`]
//! for what a rain-rate field says of a place.

mod contents;
mod earth;
mod field;
mod grid;
mod motion;
mod nowcast;
mod sample;
mod volume;

pub use contents::{Content, Contents};
pub use earth::{EARTH_RADIUS_KM, LonLat, distance_km, near_longitude, polygon_contains};
pub use field::{GridQuantity, GridScan, Observation, RainField};
pub use grid::{GeoReference, Grid, GridError};
pub use motion::MotionField;
pub use nowcast::NowcastRun;
pub use sample::{Sample, SampleKind};
pub use volume::{Moment, PolarVolume, Quantity, RadarSite, Sweep};
