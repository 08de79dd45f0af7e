//! What the domains of a process share.

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, SharedClock};
use raincell_store_client::StoreClient;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::latest::Latest;
use crate::maker::Maker;

/// Configuration, store, and the way to make a run.
pub struct Workshop {
    /// The configuration.
    pub config: Config,
    /// The store, without a lease.
    pub store: StoreClient,
    /// Makes runs.
    pub maker: Maker,
    /// The newest runs.
    pub latest: Latest,
    /// How this service does.
    pub health: Health,
    /// What it lives by.
    pub clock: SharedClock,
    /// A run uses all cores: they take turns.
    pub turn: Mutex<()>,
}

impl Workshop {
    /// How many products a run issued at a time has now.
    pub fn steps_for(&self, issue_time: Timestamp) -> usize {
        self.maker.steps_for(issue_time, self.clock.now(), self.config.steps)
    }

    /// How far back frames are looked at for a run.
    pub fn history(&self) -> SignedDuration {
        SignedDuration::from_mins(self.config.history_minutes).min(self.maker.history())
    }

    /// How long a run is remembered, to be scored.
    pub fn horizon(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.config.step_minutes) * (self.config.steps as i64 + 1))
    }

    /// A source is up to date, in this way or in a simpler one.
    pub fn note_method(&self, source: &str, fallback: Option<&str>) {
        let value = if fallback.is_some() { 1.0 } else { 0.0 };
        metrics::gauge!("raincell_nowcast_fallback", "source" => source.to_owned()).set(value);
        match fallback {
            None => self.health.set("method", Condition::Ok, self.config.method.clone()),
            Some(reason) => self.health.set("method", Condition::Degraded, format!("{source}: {reason}")),
        }
    }

    /// Something did not work; the next look tries again.
    pub fn report(&self, source: &str, trigger: &'static str, error: &anyhow::Error) {
        tracing::warn!(source, trigger, error = format!("{error:#}"), "no nowcast");
        metrics::counter!("raincell_nowcast_failures_total", "trigger" => trigger).increment(1);
        self.health.set("nowcast", Condition::Degraded, format!("{source}: {error:#}"));
    }
}
