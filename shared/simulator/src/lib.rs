//! Seeded storms with known truth, written as real radar files.
//!
//! [`Weather`] says how much it rains at every place and time, for ever and the same for the same seed; [`Radar`] looks
//! at it the way a weather radar does, with noise, clutter and a beam that rises with distance; [`odim_file`] and
//! [`nexrad_file`] write what it saw in the formats of real radars, so that a demonstration or a test enters by the
//! front door and the answer is known.
//!
//! This crate is not a forecast model and no physics: it makes rain that looks and moves like rain.

mod bands;
mod beam;
mod cells;
mod clutter;
mod echo;
mod files;
mod flow;
pub mod nexrad;
mod radar;
mod seed;
mod storm;
mod story;
mod texture;

use std::sync::LazyLock;

use raincell_model::RadarSite;

pub use files::{WriteError, icao_of, nexrad_file, odim_file};
pub use flow::Flow;
pub use nexrad::{nexrad_chunks, write_nexrad};
pub use radar::{Radar, ScanStrategy};
pub use storm::{Preset, Rain, Scene, Weather};

/// How far around its site there is weather, km.
pub const REACH_KM: f64 = 330.0;

/// A place with a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// What it is called.
    pub name: &'static str,
    /// Latitude, degrees north.
    pub lat_deg: f64,
    /// Longitude, degrees east.
    pub lon_deg: f64,
}

/// The radar of the demonstration: a made-up one on the sea dyke of Den Helder in the Netherlands. The places and the
/// coast around it are real.
pub static DEMO_SITE: LazyLock<RadarSite> = LazyLock::new(|| RadarSite {
    id: "nlsim".into(),
    name: Some("Den Helder (simulated)".into()),
    lat_deg: 52.955,
    lon_deg: 4.79,
    height_m: 52.0,
});

/// Towns within reach of the radar of the demonstration. The storm of [`Weather::demo`] heads for the first one.
pub const DEMO_PLACES: &[Place] = &[
    Place { name: "Amsterdam", lat_deg: 52.3740, lon_deg: 4.8897 },
    Place { name: "Alkmaar", lat_deg: 52.6317, lon_deg: 4.7486 },
    Place { name: "Haarlem", lat_deg: 52.3808, lon_deg: 4.6368 },
    Place { name: "Hoorn", lat_deg: 52.6425, lon_deg: 5.0597 },
    Place { name: "Harlingen", lat_deg: 53.1746, lon_deg: 5.4253 },
    Place { name: "Leeuwarden", lat_deg: 53.2014, lon_deg: 5.8086 },
    Place { name: "Groningen", lat_deg: 53.2192, lon_deg: 6.5667 },
    Place { name: "Zwolle", lat_deg: 52.5126, lon_deg: 6.0936 },
    Place { name: "Utrecht", lat_deg: 52.0908, lon_deg: 5.1222 },
    Place { name: "Rotterdam", lat_deg: 51.9225, lon_deg: 4.4792 },
];
