//! Configuration of the store service.

use std::path::PathBuf;

use raincell_service_runtime::ServiceConfig;
use serde::Deserialize;

use crate::Backend;

/// A shorter token is easily guessed.
const SHORTEST_TOKEN: usize = 8;

/// The `[store]` section; `config.default.toml` explains each key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    pub bind: String,
    /// What keeps it all.
    pub backend: Backend,
    /// The SQLite file.
    pub database: PathBuf,
    /// The DynamoDB table.
    pub table: String,
    /// Its region.
    pub region: String,
    /// Where DynamoDB answers; empty for Amazon's.
    pub endpoint: String,
    /// What every request must carry.
    pub token: String,
    /// How long things are kept, hours since they were stored.
    pub retention_hours: u32,
    /// How long they stay hidden before they are removed, hours.
    pub tombstone_hours: u32,
    /// How long the sums of the verification are kept, days since something was added to them.
    pub verification_days: u32,
    /// How often to look for what has expired, minutes.
    pub retention_interval_minutes: u32,
    /// The largest body, MiB.
    pub body_limit_mb: u32,
    /// How often to look for events of other processes, milliseconds.
    pub event_poll_ms: u32,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("Config").field("bind", &self.bind).field("database", &self.database).finish_non_exhaustive()
    }
}

impl ServiceConfig for Config {
    const SECTION: &'static str = "store";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut expect = |good: bool, problem: String| {
            if !good {
                problems.push(problem);
            }
        };
        expect(
            self.token.len() >= SHORTEST_TOKEN,
            format!("token has {} characters, expected at least {SHORTEST_TOKEN}", self.token.len()),
        );
        let printable = self.token.bytes().all(|b| b.is_ascii_graphic());
        expect(printable, "token holds characters other than printable ASCII".into());
        expect(!self.database.as_os_str().is_empty(), "database is empty, expected a path".into());
        let named = self.table.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        expect(
            named && (3..=255).contains(&self.table.len()),
            format!("table is {:?}, expected 3 to 255 of the characters A-Z a-z 0-9 _ - .", self.table),
        );
        expect(!self.region.is_empty(), "region is empty, expected one like us-east-1".into());
        let address = self.endpoint.is_empty() || ["http://", "https://"].iter().any(|s| self.endpoint.starts_with(s));
        expect(
            address,
            format!("endpoint is {:?}, expected an http:// or https:// address, or nothing", self.endpoint),
        );
        for (key, value, most) in [
            ("retention_hours", self.retention_hours, 24 * 366),
            ("tombstone_hours", self.tombstone_hours, 24 * 366),
            ("verification_days", self.verification_days, 3660),
            ("retention_interval_minutes", self.retention_interval_minutes, 24 * 60),
            ("body_limit_mb", self.body_limit_mb, 4096),
            ("event_poll_ms", self.event_poll_ms, 60_000),
        ] {
            expect((1..=most).contains(&value), format!("{key} is {value}, expected 1 to {most}"));
        }
        problems
    }

    fn bind(&self) -> &str {
        &self.bind
    }
}
