//! What `GET /v1/events` sends: server-sent events with a rising id, so that a listener can go on where it was.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alerts::RainEvent;
use crate::frames::{FrameInfo, NowcastInfo};

/// The kind is the SSE `event:` field; its body is the JSON in `data:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Event {
    /// A frame was stored.
    Frame(FrameInfo),
    /// A nowcast run was stored.
    Nowcast(NowcastInfo),
    /// A watched place changed its state.
    Rain(RainEvent),
}

impl Event {
    /// The name in the SSE `event:` field.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Frame(_) => "frame",
            Self::Nowcast(_) => "nowcast",
            Self::Rain(_) => "rain",
        }
    }
}

/// An event with its place in the order of all events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SequencedEvent {
    /// Rises by at least one with each event; the SSE `id:` field.
    pub sequence: u64,
    /// What happened.
    pub event: Event,
}
