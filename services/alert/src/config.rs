//! The `[alert]` section of the configuration.

mod domain;
mod targets;

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::civil;
use jiff::tz::TimeZone;
use raincell_service_runtime::ServiceConfig;
use raincell_words::Language;
use serde::Deserialize;
use thiserror::Error;

use crate::area::{Area, AreaError};
pub use targets::{BlueskyConfig, MastodonConfig, NtfyConfig, WebhookConfig, XConfig};

use crate::length::weighted_length;
use crate::machine::QuietHours;
use crate::schedule::ScheduleConfig;

pub use domain::HeavyRainConfig;

/// The longest name or credit, so that every text fits a post.
const LONGEST_NAME: usize = 60;

/// Configuration of the alert service; `config.default.toml` says what each key means.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// False: only the health paths are served.
    pub enabled: bool,
    /// Address to listen on.
    pub bind: String,
    /// URL of the store.
    pub store_url: String,
    /// Bearer token of the store.
    pub store_token: String,
    /// Source of frames and nowcasts; empty for whichever is newest.
    pub source: String,
    /// Credit at the end of each post; empty for the name of the source.
    pub credit: String,
    /// Posts are written to files.
    pub dry_run: bool,
    /// Where to.
    pub posts_folder: PathBuf,
    /// Warn of rain within so many minutes.
    pub horizon_min: u32,
    /// No new warning for so many minutes after an end or an all-clear.
    pub re_arm_min: u32,
    /// News older than so many minutes are not posted.
    pub give_up_after_min: u32,
    /// Consecutive nowcasts that must agree before a warning.
    pub agreeing_nowcasts: u32,
    /// Seconds between two looks when the store announces nothing.
    pub poll_s: u32,
    /// Cells of heavy rain in the whole domain.
    pub heavy_rain: HeavyRainConfig,
    /// Posts at certain hours.
    pub schedules: Vec<ScheduleConfig>,
    /// Posts are on the feed of the api service.
    pub feed: bool,
    /// Seconds that one request to a target may take.
    pub send_timeout_s: f64,
    /// Seconds that others wait for a sender that is silent.
    pub leader_lease_s: f64,
    /// X.
    pub x: XConfig,
    /// Mastodon.
    pub mastodon: MastodonConfig,
    /// Bluesky.
    pub bluesky: BlueskyConfig,
    /// ntfy.
    pub ntfy: NtfyConfig,
    /// A signed webhook.
    pub webhook: WebhookConfig,
    /// The watched places.
    pub places: Vec<PlaceConfig>,
}

/// One watched place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceConfig {
    /// Name in keys and files.
    #[serde(default)]
    pub id: Option<String>,
    /// Name in posts.
    pub name: String,
    /// Degrees north.
    #[serde(default)]
    pub lat: Option<f64>,
    /// Degrees east.
    #[serde(default)]
    pub lon: Option<f64>,
    /// Rain within this distance of the point counts, km.
    #[serde(default = "default_radius_km")]
    pub radius_km: f64,
    /// Instead of a point: GeoJSON with a polygon, or the file that holds it.
    #[serde(default)]
    pub area: Option<String>,
    /// Rain begins at this rate, mm/h; it ends below half of it.
    #[serde(default = "default_threshold_mm_h")]
    pub threshold_mm_h: f32,
    /// A nowcast counts where it gives rain at least this probability, 0–1, if it gives any.
    #[serde(default = "default_min_probability")]
    pub min_probability: f32,
    /// Nothing is told in these hours of local time, as in `22:00-07:00`.
    #[serde(default)]
    pub quiet_hours: Option<String>,
    /// IANA time zone of the times in posts.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    /// Language of the posts: en, nl, de, fr or hi.
    #[serde(default = "default_language")]
    pub language: String,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("Config")
            .field("store_url", &self.store_url)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

fn default_radius_km() -> f64 {
    2.0
}

fn default_threshold_mm_h() -> f32 {
    0.3
}

fn default_min_probability() -> f32 {
    0.4
}

fn default_language() -> String {
    "en".into()
}

fn default_time_zone() -> String {
    "UTC".into()
}

impl PlaceConfig {
    /// The id: as configured, or made from the name.
    pub fn slug(&self) -> String {
        self.id.clone().unwrap_or_else(|| slug::slugify(&self.name))
    }

    /// The time zone; UTC where the name means nothing (which [`ServiceConfig::problems`] reports).
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// The language; English where it is not spoken here (which [`ServiceConfig::problems`] reports).
    pub fn language(&self) -> Language {
        Language::of(&self.language).unwrap_or_default()
    }

    /// Where it is.
    ///
    /// # Errors
    /// [`PlaceError`] when that is unclear, or its GeoJSON cannot be used.
    pub fn area(&self) -> Result<Area, PlaceError> {
        match (self.lat, self.lon, &self.area) {
            (Some(lat), Some(lon), None) => Ok(Area::circle(lat, lon, self.radius_km)),
            (None, None, Some(area)) => Ok(Area::from_geojson(area)?),
            _ => Err(PlaceError::NoArea),
        }
    }

    /// The quiet hours; `None` for none.
    ///
    /// # Errors
    /// [`PlaceError`] when they cannot be read.
    pub fn quiet(&self) -> Result<Option<QuietHours>, PlaceError> {
        let Some(text) = &self.quiet_hours else { return Ok(None) };
        let time = |text: &str| civil::Time::strptime("%H:%M", text.trim()).ok();
        let hours = text.split_once('-').and_then(|(from, until)| Some((time(from)?, time(until)?)));
        let (from, until) = hours.ok_or_else(|| PlaceError::QuietHours { found: text.clone() })?;
        Ok(Some(QuietHours { from, until, zone: self.zone() }))
    }

    fn problems(&self) -> Vec<String> {
        let name = &self.name;
        let mut problems = Vec::new();
        let mut check = |good: bool, problem: String| {
            if !good {
                problems.push(format!("place `{name}`: {problem}"));
            }
        };
        check(!name.trim().is_empty(), "name is empty".into());
        let length = weighted_length(name);
        check(length <= LONGEST_NAME, format!("name counts {length} characters, expected at most {LONGEST_NAME}"));
        let id = self.slug();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        check(
            !id.is_empty() && id.len() <= 64 && id.chars().all(plain),
            format!("id is `{id}`, expected 1 to 64 lower-case letters, digits and hyphens"),
        );
        let (lat, lon, radius) = (self.lat.unwrap_or(0.0), self.lon.unwrap_or(0.0), self.radius_km);
        check((-90.0..=90.0).contains(&lat), format!("lat is {lat}, expected -90 to 90"));
        check((-180.0..=180.0).contains(&lon), format!("lon is {lon}, expected -180 to 180"));
        for problem in [self.area().err(), self.quiet().err()].into_iter().flatten() {
            check(false, problem.to_string());
        }
        let language = &self.language;
        check(Language::of(language).is_some(), format!("language is `{language}`, expected en, nl, de, fr or hi"));
        let least = self.min_probability;
        check((0.0..=1.0).contains(&least), format!("min_probability is {least}, expected 0 to 1"));
        check((0.1..=100.0).contains(&radius), format!("radius_km is {radius}, expected 0.1 to 100"));
        let threshold = self.threshold_mm_h;
        check((0.1..=100.0).contains(&threshold), format!("threshold_mm_h is {threshold}, expected 0.1 to 100"));
        let zone = &self.time_zone;
        check(
            TimeZone::get(zone).is_ok(),
            format!("time_zone is `{zone}`, expected an IANA name such as Europe/Amsterdam"),
        );
        problems
    }
}

/// What is wrong with a place.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// Neither a point nor an area, or both.
    #[error("expected either lat and lon, or area")]
    NoArea,
    /// The area cannot be used.
    #[error(transparent)]
    Area(#[from] AreaError),
    /// The quiet hours cannot be read.
    #[error("quiet_hours is `{found}`, expected hours such as 22:00-07:00")]
    QuietHours {
        /// As configured.
        found: String,
    },
}

impl ServiceConfig for Config {
    const SECTION: &'static str = "alert";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |good: bool, problem: String| {
            if !good {
                problems.push(problem);
            }
        };
        check(self.store_url.starts_with("http://"), format!("store_url is `{}`, expected http://…", self.store_url));
        let somewhere = self.dry_run
            || self.feed
            || self.x.enabled
            || self.mastodon.enabled
            || self.bluesky.enabled
            || self.ntfy.enabled
            || self.webhook.enabled;
        check(somewhere || !self.enabled, "dry_run is false and no target is switched on".into());
        check(!self.posts_folder.as_os_str().is_empty(), "posts_folder is empty".into());
        let credit = weighted_length(&self.credit);
        check(credit <= LONGEST_NAME, format!("credit counts {credit} characters, expected at most {LONGEST_NAME}"));
        for (key, value, least, most) in [
            ("horizon_min", self.horizon_min, 5, 360),
            ("re_arm_min", self.re_arm_min, 0, 1440),
            ("give_up_after_min", self.give_up_after_min, 1, 1440),
            ("agreeing_nowcasts", self.agreeing_nowcasts, 1, 10),
            ("poll_s", self.poll_s, 1, 3600),
        ] {
            check((least..=most).contains(&value), format!("{key} is {value}, expected {least} to {most}"));
        }
        for (key, value, least, most) in
            [("send_timeout_s", self.send_timeout_s, 0.1, 120.0), ("leader_lease_s", self.leader_lease_s, 0.3, 600.0)]
        {
            check((least..=most).contains(&value), format!("{key} is {value}, expected {least} to {most}"));
        }
        let mut ids = BTreeSet::new();
        for place in &self.places {
            let id = place.slug();
            check(ids.insert(id.clone()), format!("place `{}`: id `{id}` is used twice", place.name));
        }
        self.x.problems(&self.credit, &mut problems);
        self.mastodon.problems(&mut problems);
        self.bluesky.problems(&mut problems);
        self.ntfy.problems(&mut problems);
        self.webhook.problems(&mut problems);
        problems.extend(self.places.iter().flat_map(PlaceConfig::problems));
        problems.extend(self.heavy_rain.problems());
        problems.extend(self.schedule_problems());
        problems
    }

    fn bind(&self) -> &str {
        &self.bind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raincell_service_runtime::config::load_with;

    #[test]
    fn the_documented_defaults_load_and_a_place_needs_only_a_name_and_where_it_is() {
        let config: Config = load_with(None, "[[alert.places]]\nname = 'Zürich Süd'\nlat = 47.3\nlon = 8.5\n").unwrap();
        let place = &config.places[0];
        assert_eq!((place.slug().as_str(), place.radius_km, place.threshold_mm_h), ("zurich-sud", 2.0, 0.3));
        assert_eq!((config.horizon_min, config.agreeing_nowcasts), (60, 2));
    }

    #[test]
    fn a_place_may_be_an_area_and_have_quiet_hours() {
        let text = "[[alert.places]]\nname = 'Delta'\nquiet_hours = '22:30-06:00'\ntime_zone = 'Europe/Amsterdam'\n\
            area = '{\"type\":\"Polygon\",\"coordinates\":[[[4,52],[5,52],[5,53],[4,52]]]}'\n";
        let config: Config = load_with(None, text).unwrap();
        let place = &config.places[0];
        assert!((place.area().unwrap().lat_deg - 52.333).abs() < 0.01);
        let quiet = place.quiet().unwrap().unwrap();
        assert!(quiet.contain("2026-07-01T20:30:00Z".parse().unwrap()), "22:30 in Amsterdam");
        assert!(!quiet.contain("2026-07-01T04:00:00Z".parse().unwrap()), "06:00 in Amsterdam");
    }

    #[test]
    fn every_problem_is_listed_at_once() {
        let text = "[alert]\nhorizon_min = 1\nstore_url = 'x'\ndry_run = false\nfeed = false\n\
            [[alert.places]]\nname = 'A'\nlat = 100\nlon = 8.5\ntime_zone = 'Mars/Base'\n\
            [[alert.places]]\nname = 'B'\nid = 'a'\nlat = 1\nlon = 8.5\nradius_km = -1\nthreshold_mm_h = nan\n\
            [[alert.places]]\nname = 'C'\nlat = 1\nlon = 2\narea = 'c.geojson'\nquiet_hours = 'night'\nmin_probability = 40\n\
            [[alert.places]]\nname = 'D'\narea = 'no/such.geojson'\n";
        let message = load_with::<Config>(None, text).unwrap_err().to_string();
        for part in [
            "horizon_min",
            "store_url",
            "dry_run",
            "lat is 100",
            "Mars/Base",
            "used twice",
            "radius_km",
            "threshold",
            "either lat",
            "no/such",
            "night",
            "min_probability is 40",
        ] {
            assert!(message.contains(part), "{part} is missing in {message}");
        }
    }
}
