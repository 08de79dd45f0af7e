//! Health of a service and of what it depends on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How well something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// As it should.
    Ok,
    /// With limits: stale data, a fallback in use.
    Degraded,
    /// Not at all.
    Down,
}

/// One dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependencyHealth {
    /// How well it works.
    pub condition: Condition,
    /// What was last seen of it.
    pub detail: String,
}

/// Answer of `GET /ready`: 200 while `condition` is ok or degraded, 503 when it is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Which service answers.
    pub service: String,
    /// Its version.
    pub version: String,
    /// The worst of the dependencies.
    pub condition: Condition,
    /// Each dependency by name.
    pub dependencies: BTreeMap<String, DependencyHealth>,
}
