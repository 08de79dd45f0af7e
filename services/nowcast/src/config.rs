//! Configuration of `nowcast`.

use raincell_nowcasts::{Inflow, METHODS};
use raincell_service_runtime::ServiceConfig;
use serde::Deserialize;

/// The `[nowcast]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Config {
    /// Address of health, readiness, metrics and `GET /v1/nowcast`.
    pub bind: String,
    /// Base address of `store`.
    pub store_url: String,
    /// Bearer token of `store`.
    pub store_token: String,
    /// Switch of the whole service.
    pub enabled: bool,
    /// Sources to nowcast; empty for all.
    pub sources: Vec<String>,
    /// Nowcast method.
    pub method: String,
    /// Probabilities and percentiles, too.
    pub ensemble: bool,
    /// The probabilities put right by how those of the last hour's fields came out, at every run.
    pub recalibrate: bool,
    /// Members that say when rain begins and ends; 0 for none.
    pub members: u16,
    /// Minutes between two products.
    pub step_minutes: u32,
    /// How many products.
    pub steps: usize,
    /// Frames up to this long before the newest one are looked at.
    pub history_minutes: i64,
    /// Places that rain may reach from beyond the radar's view get the last observation instead of no answer.
    pub fill_inflow: bool,
    /// How long a run may take before a simpler one is made instead, seconds.
    pub budget_seconds: f64,
    /// How long others wait for a process that is silent before they take its sources over, seconds.
    pub lease_seconds: f64,
    /// How many sources this process works on at most; 0 for any number.
    pub most_domains: usize,
    /// When every source is looked at without an event.
    pub fallback_cron: String,
}

impl Config {
    /// What stands where the air comes from beyond what was observed.
    pub fn inflow(&self) -> Inflow {
        if self.fill_inflow { Inflow::LastObservation } else { Inflow::Unknown }
    }

    /// True when frames of `source` are to be nowcast.
    pub fn wants(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|s| s == source)
    }
}

impl ServiceConfig for Config {
    const SECTION: &'static str = "nowcast";
    const DEFAULTS: &'static str = include_str!("../config.default.toml");

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !METHODS.contains(&self.method.as_str()) {
            problems.push(format!("method is `{}`, expected one of {}", self.method, METHODS.join(", ")));
        }
        if !(1..=60).contains(&self.step_minutes) {
            problems.push(format!("step_minutes is {}, expected 1 to 60", self.step_minutes));
        }
        if !(1..=144).contains(&self.steps) {
            problems.push(format!("steps is {}, expected 1 to 144", self.steps));
        }
        if self.members > 1000 {
            problems.push(format!("members is {}, expected 0 to 1000", self.members));
        }
        if !(1..=1440).contains(&self.history_minutes) {
            problems.push(format!("history_minutes is {}, expected 1 to 1440", self.history_minutes));
        }
        if !(0.0..=3600.0).contains(&self.budget_seconds) {
            problems.push(format!("budget_seconds is {}, expected 0 to 3600", self.budget_seconds));
        }
        if !(0.5..=600.0).contains(&self.lease_seconds) {
            problems.push(format!("lease_seconds is {}, expected 0.5 to 600", self.lease_seconds));
        }
        if let Err(error) = tokio_cron_scheduler::Job::new(self.fallback_cron.as_str(), |_, _| {}) {
            problems
                .push(format!("fallback_cron `{}` is not a cron expression with seconds: {error}", self.fallback_cron));
        }
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
    fn the_defaults_are_good() {
        let config: Config = load_with(None, "").unwrap();
        assert!(config.wants("klot"));
        assert_eq!((config.step_minutes, config.steps), (5, 24));
    }

    #[test]
    fn all_that_is_wrong_is_listed() {
        let wrong = "[nowcast]\nmethod = 'tea'\nsteps = 0\nlease_seconds = 0.1\nfallback_cron = 'often'\n";
        let message = load_with::<Config>(None, wrong).unwrap_err().to_string();
        for part in ["`tea`", "steps is 0", "lease_seconds is 0.1", "`often`"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
