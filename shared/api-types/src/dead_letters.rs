//! Dead letters: raw objects that could not be made into frames, with the reason, until somebody looks at them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterState {
    /// Given up.
    Dead,
    /// Somebody wants it to be tried once more; the service that gave it up looks for these.
    ReplayRequested,
    /// It went well in the end.
    Replayed,
}

impl DeadLetterState {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::ReplayRequested => "replay_requested",
            Self::Replayed => "replayed",
        }
    }

    /// The state of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Dead, Self::ReplayRequested, Self::Replayed].into_iter().find(|state| state.name() == name)
    }
}

/// An object that a service gives up on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewDeadLetter {
    /// Idempotency key: the same object under the same key is one dead letter, however often it fails.
    pub key: String,
    /// Where it comes from, as named in the config.
    pub source: String,
    /// Why it was given up.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What its service needs to find it again (path, bucket and key).
    #[schema(value_type = Object)]
    pub origin: serde_json::Value,
}

/// A dead letter as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its number in this store.
    pub id: u64,
    /// What the service said of it the last time.
    #[serde(flatten)]
    pub letter: NewDeadLetter,
    /// Where it stands.
    pub state: DeadLetterState,
    /// When it was given up for the first time.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it changed for the last time.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
}

/// What `POST /v1/dead-letters/{id}/replay` says; an empty body asks for a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// The new state.
    pub state: DeadLetterState,
}
