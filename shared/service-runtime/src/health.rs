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
#[derive(Clone, Debug)]
pub struct Health {
    service: &'static str,
    dependencies: Arc<Mutex<BTreeMap<String, DependencyHealth>>>,
}

impl Health {
    /// For a service whose dependencies are all still to be seen.
    pub fn new(service: &'static str) -> Self {
        Self { service, dependencies: Arc::default() }
    }

    /// Notes how a dependency does.
    pub fn set(&self, dependency: &str, condition: Condition, detail: impl Into<String>) {
        let value = match condition {
            Condition::Ok => 0.0,
            Condition::Degraded => 1.0,
            Condition::Down => 2.0,
        };
        metrics::gauge!("raincell_dependency_condition", "service" => self.service, "dependency" => dependency.to_owned())
            .set(value);
        let mut dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner);
        dependencies.insert(dependency.to_owned(), DependencyHealth { condition, detail: detail.into() });
    }

    /// All of them, and the worst.
    pub fn readiness(&self) -> Readiness {
        let dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
}
