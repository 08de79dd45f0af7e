//! The watched places as the service works with them.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::Config;
use crate::machine::Rules;

/// A watched place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// In keys and file names.
    pub id: String,
    /// In posts.
    pub name: String,
    /// Degrees north.
    pub lat_deg: f64,
    /// Degrees east.
    pub lon_deg: f64,
    /// Rain within this distance counts, km.
    pub radius_km: f64,
    /// Of the times in posts.
    pub zone: TimeZone,
    /// Its IANA name.
    pub zone_name: String,
    /// When it rains, when to warn.
    pub rules: Rules,
}

/// All places of a config.
pub(crate) fn places(config: &Config) -> Vec<Place> {
    let minutes = |count: u32| SignedDuration::from_mins(i64::from(count));
    let rules = |threshold_mm_h| Rules {
        threshold_mm_h,
        horizon: minutes(config.horizon_min),
        re_arm: minutes(config.re_arm_min),
        agreeing_nowcasts: config.agreeing_nowcasts,
        stale_after: minutes(config.give_up_after_min),
    };
    let place = |place: &crate::config::PlaceConfig| Place {
        id: place.slug(),
        name: place.name.clone(),
        lat_deg: place.lat,
        lon_deg: place.lon,
        radius_km: place.radius_km,
        zone: place.zone(),
        zone_name: place.time_zone.clone(),
        rules: rules(place.threshold_mm_h),
    };
    config.places.iter().map(place).collect()
}
