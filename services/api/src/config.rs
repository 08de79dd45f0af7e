//! The `[api]` section; `config.default.toml` documents each key.

use std::num::NonZeroU32;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use raincell_service_runtime::ServiceConfig;
use serde::Deserialize;

/// Configuration of the service.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on.
    pub bind: String,
    /// Base URL of the store service.
    pub store_url: String,
    /// Bearer token of the store service; empty sends none.
    pub store_token: String,
    /// Own public base URL; empty takes it from the Host header.
    pub public_host: String,
    /// IANA time zone of raintext and of summaries.
    pub time_zone: String,
    /// Source that answers first; empty for none in particular.
    pub default_source: String,
    /// Minutes of frames kept in memory.
    pub history_minutes: i64,
    /// Minutes after which data count as stale.
    pub stale_after_minutes: i64,
    /// Seconds between polls of the store.
    pub poll_seconds: u64,
    /// Megabytes of rendered tiles kept in memory.
    pub tile_cache_mb: u64,
    /// Whether X-Forwarded-For names the client.
    pub trust_forwarded_for: bool,
    /// What is served.
    pub features: Features,
    /// Requests of one client.
    pub rate_limit: RateLimit,
}

/// Switches of what is served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Features {
    /// The map page.
    pub map: bool,
    /// XYZ tiles and TileJSON.
    pub tiles: bool,
    /// RainViewer v2.
    pub rainviewer: bool,
    /// Buienradar raintext.
    pub raintext: bool,
    /// MET Norway nowcast 2.0.
    pub met_nowcast: bool,
    /// OGC API – Environmental Data Retrieval.
    pub edr: bool,
    /// The Atom feed of alert posts.
    pub alerts_feed: bool,
    /// The page that documents the paths.
    pub docs: bool,
}

/// How many requests one client may send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Whether there is a limit.
    pub enabled: bool,
    /// In the long run.
    pub requests_per_minute: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("Config").field("bind", &self.bind).field("store_url", &self.store_url).finish_non_exhaustive()
    }
}

impl Config {
    /// Age from which data count as stale.
    pub fn stale_after(&self) -> SignedDuration {
        SignedDuration::from_mins(self.stale_after_minutes)
    }
}

impl ServiceConfig for Config {
    const SECTION: &'static str = "api";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut expect = |good: bool, problem: String| {
            if !good {
                problems.push(problem);
            }
        };
        let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        expect(is_url(&self.store_url), format!("store_url is `{}`, expected http://… or https://…", self.store_url));
        expect(
            self.public_host.is_empty() || is_url(&self.public_host),
            format!("public_host is `{}`, expected http://… or https://… or nothing", self.public_host),
        );
        expect(
            TimeZone::get(&self.time_zone).is_ok(),
            format!("time_zone is `{}`, expected an IANA name such as Europe/Amsterdam", self.time_zone),
        );
        expect(
            (35..=1440).contains(&self.history_minutes),
            format!("history_minutes is {}, expected 35 to 1440", self.history_minutes),
        );
        expect(
            (1..=1440).contains(&self.stale_after_minutes),
            format!("stale_after_minutes is {}, expected 1 to 1440", self.stale_after_minutes),
        );
        expect(
            (1..=3600).contains(&self.poll_seconds),
            format!("poll_seconds is {}, expected 1 to 3600", self.poll_seconds),
        );
        expect(
            (1..=65536).contains(&self.tile_cache_mb),
            format!("tile_cache_mb is {}, expected 1 to 65536", self.tile_cache_mb),
        );
        expect(
            !self.features.map || (self.features.tiles && self.features.rainviewer),
            "features.map is true, and the map shows the tiles of features.tiles and features.rainviewer".into(),
        );
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
    fn the_documented_defaults_are_good() {
        let config: Config = load_with(None, "").unwrap();
        assert_eq!(config.history_minutes, 150);
        assert!(config.features.map);
    }

    #[test]
    fn all_wrong_values_are_named_at_once() {
        let overrides = "[api]\nstore_url = 'ftp://x'\ntime_zone = 'Mars/Base'\nhistory_minutes = 3";
        let message = load_with::<Config>(None, overrides).unwrap_err().to_string();
        for key in ["store_url", "time_zone", "history_minutes"] {
            assert!(message.contains(key), "{message}");
        }
    }
}
