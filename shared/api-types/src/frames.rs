//! Listings of frames and nowcast runs as `store` gives them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One stored frame, without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FrameInfo {
    /// Where it came from, as named in the config.
    pub source: String,
    /// What it is (`rate`).
    pub product: String,
    /// When it holds.
    #[schema(value_type = String, format = DateTime)]
    pub valid_time: Timestamp,
    /// Content hash of the encoded body, 32 hex digits.
    pub hash: String,
    /// Bytes of the encoded body.
    pub bytes: u64,
    /// When the store accepted it.
    #[schema(value_type = String, format = DateTime)]
    pub stored_at: Timestamp,
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FramePage {
    /// In ascending order of valid time.
    pub frames: Vec<FrameInfo>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One stored nowcast run, without its products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NowcastInfo {
    /// Source of the frames it was made from.
    pub source: String,
    /// Valid time of the newest frame it knew.
    #[schema(value_type = String, format = DateTime)]
    pub issue_time: Timestamp,
    /// Content hash of the encoded run.
    pub hash: String,
    /// Bytes of the encoded run.
    pub bytes: u64,
    /// When the store accepted it.
    #[schema(value_type = String, format = DateTime)]
    pub stored_at: Timestamp,
}

/// What one source has: an entry of `store`'s `GET /v1/sources`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceInfo {
    /// Where its frames come from, as named in the config.
    pub source: String,
    /// What they are (`rate`).
    pub product: String,
    /// Valid time of the newest of them.
    #[schema(value_type = String, format = DateTime)]
    pub newest_valid_time: Timestamp,
    /// How many of them are kept.
    pub frames: u64,
}

/// Rain at one point over time, straight from the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RainSample {
    /// When it holds.
    #[schema(value_type = String, format = DateTime)]
    pub valid_time: Timestamp,
    /// mm/h; null where nothing was observed.
    pub rate_mm_h: Option<f32>,
}

/// Answer of `store`'s `GET /v1/rain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RainSeries {
    /// Source of the frames.
    pub source: String,
    /// In ascending order of valid time.
    pub samples: Vec<RainSample>,
}

/// A small JSON document kept for a service under a name, so that it can go on where it was after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// Its name (`prepare/folder`).
    pub name: String,
    /// Rises by one with every change.
    pub revision: u64,
    /// What its owner wrote.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
}

/// How the rain rates of a source are made, as far as it matters to those who tell of them. Kept as a checkpoint, so that
/// frames need not carry what hardly ever changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceTraits {
    /// At this rate (mm/h) and above the radar sees hail and not more rain, so that rates end here; `None` where they are
    /// not made from reflectivity, or nothing is known of it.
    pub hail_cap_mm_h: Option<f32>,
}

impl SourceTraits {
    /// Name of the checkpoint of a source.
    pub fn checkpoint(source: &str) -> String {
        format!("source-traits/{source}")
    }

    /// From the value of that checkpoint; nothing is known of what cannot be read.
    pub fn of_json(value: &serde_json::Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }

    /// The value of that checkpoint.
    pub fn to_json(self) -> serde_json::Value {
        serde_json::json!({ "hail_cap_mm_h": self.hail_cap_mm_h })
    }

    /// True when a rate is that of the hail cap: frames hold rates to 2.4 %.
    pub fn is_hail(&self, rate_mm_h: f32) -> bool {
        self.hail_cap_mm_h.is_some_and(|cap| rate_mm_h >= 0.975 * cap)
    }
}
