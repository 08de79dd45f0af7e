//! The watched places as the service works with them.

use jiff::SignedDuration;
use raincell_words::Language;

use crate::Config;
use crate::area::Area;
use crate::config::{PlaceConfig, PlaceError};
use crate::machine::Rules;

/// A watched place.
#[derive(Clone, Debug)]
pub struct Place {
    /// In keys and file names.
    pub id: String,
    /// In posts.
    pub name: String,
    /// Its middle, degrees north.
    pub lat_deg: f64,
    /// Its middle, degrees east.
    pub lon_deg: f64,
    /// All of it lies within this distance of its middle, km.
    pub radius_km: f64,
    /// Rain in here counts.
    pub area: Area,
    /// IANA name of the zone of the times in posts.
    pub zone_name: String,
    /// Of its posts.
    pub language: Language,
    /// When it rains, when to warn.
    pub rules: Rules,
}

/// All places of a config.
///
/// # Errors
/// [`PlaceError`] when the area or the quiet hours of a place cannot be used (its file may have changed since the config
/// was checked).
pub fn places(config: &Config) -> Result<Vec<Place>, PlaceError> {
    config.places.iter().map(|place| of_config(place, config)).collect()
}

fn of_config(place: &PlaceConfig, config: &Config) -> Result<Place, PlaceError> {
    let minutes = |count: u32| SignedDuration::from_mins(i64::from(count));
    let area = place.area()?;
    Ok(Place {
        id: place.slug(),
        name: place.name.clone(),
        lat_deg: area.lat_deg,
        lon_deg: area.lon_deg,
        radius_km: area.radius_km,
        area,
        zone_name: place.time_zone.clone(),
        language: place.language(),
        rules: Rules {
            threshold_mm_h: place.threshold_mm_h,
            horizon: minutes(config.horizon_min),
            re_arm: minutes(config.re_arm_min),
            agreeing_nowcasts: config.agreeing_nowcasts,
            stale_after: minutes(config.give_up_after_min),
            min_probability: place.min_probability,
            quiet: place.quiet()?,
        },
    })
}
