//! `/health`, `/ready` and `/metrics`: alive; ready with each dependency ok, degraded or down; Prometheus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use raincell_api_types::health::{Condition, DependencyHealth, Readiness};

use crate::telemetry;

/// What a service knows of its dependencies; cheap to clone, shared by its tasks.
#[derive(Clone)]
pub struct Health {
    service: &'static str,
    dependencies: Arc<Mutex<BTreeMap<String, DependencyHealth>>>,
    observed: Arc<Mutex<Vec<(String, Observation)>>>,
}

/// Looks at a dependency whenever somebody asks.
type Observation = Arc<dyn Fn() -> DependencyHealth + Send + Sync>;

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("readiness", &self.readiness()).finish()
    }
}

impl Health {
    /// For a service whose dependencies are all still to be seen.
    pub fn new(service: &'static str) -> Self {
        Self { service, dependencies: Arc::default(), observed: Arc::default() }
    }

    /// Notes how a dependency does.
    pub fn set(&self, dependency: &str, condition: Condition, detail: impl Into<String>) {
        self.measure(dependency, condition);
        let mut dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner);
        dependencies.insert(dependency.to_owned(), DependencyHealth { condition, detail: detail.into() });
    }

    /// Has a dependency looked at whenever somebody asks, rather than told of.
    pub fn observe(&self, dependency: &str, look: impl Fn() -> DependencyHealth + Send + Sync + 'static) {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        observed.push((dependency.to_owned(), Arc::new(look)));
    }

    fn measure(&self, dependency: &str, condition: Condition) {
        let value = match condition {
            Condition::Ok => 0.0,
            Condition::Degraded => 1.0,
            Condition::Down => 2.0,
        };
        metrics::gauge!("raincell_dependency_condition", "service" => self.service, "dependency" => dependency.to_owned())
            .set(value);
    }

    /// All of them, and the worst.
    pub fn readiness(&self) -> Readiness {
        let mut dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (dependency, look) in observed {
            let health = look();
            self.measure(&dependency, health.condition);
            dependencies.insert(dependency, health);
        }
        Readiness {
            service: self.service.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            condition: dependencies.values().map(|d| d.condition).max().unwrap_or(Condition::Ok),
            dependencies,
        }
    }

    /// The three paths.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/health", get(|| async { "ok\n" }))
            .route("/ready", get(ready))
            .route("/metrics", get(prometheus))
            .with_state(self.clone())
    }
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let readiness = health.readiness();
    let status = if readiness.condition == Condition::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(readiness))
}

async fn prometheus() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::prometheus().render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_dependency_decides() {
        let health = Health::new("api");
        assert_eq!(health.readiness().condition, Condition::Ok);
        health.set("store", Condition::Ok, "answers");
        health.set("nowcast", Condition::Degraded, "old");
        assert_eq!(health.readiness().condition, Condition::Degraded);
        health.set("store", Condition::Down, "refused");
        assert_eq!(health.readiness().condition, Condition::Down);
        health.set("store", Condition::Ok, "answers");
        assert_eq!(health.readiness().condition, Condition::Degraded);
    }

    #[test]
    fn what_is_observed_is_looked_at_when_asked() {
        let (health, condition) = (Health::new("api"), Arc::new(Mutex::new(Condition::Ok)));
        let seen = condition.clone();
        health.observe("circuit", move || DependencyHealth { condition: *seen.lock().unwrap(), detail: "x".into() });
        assert_eq!(health.readiness().condition, Condition::Ok);
        *condition.lock().unwrap() = Condition::Degraded;
        assert_eq!(health.readiness().dependencies["circuit"].condition, Condition::Degraded);
        assert_eq!(health.readiness().condition, Condition::Degraded);
    }
}
