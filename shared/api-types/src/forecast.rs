//! Point answers of the public `api`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is known of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointStatus {
    /// Observed.
    Ok,
    /// On the grid, but not observed.
    NoData,
    /// No radar here reaches it.
    Outside,
}

/// Answer of `GET /v1/rain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RainNow {
    /// As asked for, degrees north.
    pub lat: f64,
    /// As asked for, degrees east.
    pub lon: f64,
    /// What is known of the place.
    pub status: PointStatus,
    /// Rain rate, mm/h; null where unknown.
    pub rate_mm_h: Option<f32>,
    /// How much the rate is worth, 0–1, by how high and wide the beam is; null where nothing tells.
    pub quality: Option<f32>,
    /// When the rate holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_time: Option<Timestamp>,
    /// Age of the newest frame, seconds.
    pub data_age_s: Option<i64>,
    /// True when the newest frame is older than it should be.
    pub stale: bool,
    /// Source of the frame.
    pub source: Option<String>,
    /// The past minutes asked for with `past`, ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Vec<PastRain>>,
}

/// One past observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PastRain {
    /// When it held.
    #[schema(value_type = String, format = DateTime)]
    pub valid_time: Timestamp,
    /// Rain rate, mm/h; null where not observed.
    pub rate_mm_h: Option<f32>,
}

/// One step of a point forecast. What is not known is null, never invented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastStep {
    /// When it holds.
    #[schema(value_type = String, format = DateTime)]
    pub valid_time: Timestamp,
    /// True for an observed step.
    pub observed: bool,
    /// Rain rate, mm/h.
    pub rate_mm_h: Option<f32>,
    /// 10th percentile, mm/h.
    pub p10: Option<f32>,
    /// Median, mm/h.
    pub p50: Option<f32>,
    /// 90th percentile, mm/h.
    pub p90: Option<f32>,
    /// Probability of at least 0.1 mm/h, 0–1.
    pub probability_0_1: Option<f32>,
    /// Probability of at least 1 mm/h, 0–1.
    pub probability_1: Option<f32>,
    /// Probability of at least 5 mm/h, 0–1.
    pub probability_5: Option<f32>,
}

/// When rain comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Arrival {
    /// Best estimate of the start.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// Early end of the range: in nine of ten members of the ensemble it comes later; null where nothing tells.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub earliest: Option<Timestamp>,
    /// Late end of the range: in nine of ten members of the ensemble it comes earlier; null where nothing tells.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub latest: Option<Timestamp>,
    /// End of the rain; null when it lasts beyond the forecast.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// Early end of the range of the end; null where nothing tells.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_earliest: Option<Timestamp>,
    /// Late end of the range of the end; null where nothing tells, or where the rain may last beyond the forecast.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_latest: Option<Timestamp>,
    /// Strongest rate on the way, mm/h.
    pub peak_mm_h: f32,
    /// `light`, `moderate`, `heavy` or `violent` (< 2.5, < 10, < 50 mm/h, above; Met Office, fact sheet 3).
    pub intensity: String,
    /// Probability that it rains at all within the forecast; null where nothing tells.
    pub probability: Option<f32>,
}

/// Motion of the rain at the place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PointMotion {
    /// km/h.
    pub speed_km_h: f32,
    /// Direction that it moves towards, degrees clockwise from north.
    pub towards_deg: f32,
}

/// Answer of `GET /v1/forecast`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PointForecast {
    /// As asked for, degrees north.
    pub lat: f64,
    /// As asked for, degrees east.
    pub lon: f64,
    /// What is known of the place.
    pub status: PointStatus,
    /// Observed past 30 min, then 120 min ahead, every 5 min.
    pub series: Vec<ForecastStep>,
    /// When rain comes, null when none is in sight or it rains already.
    pub arrival: Option<Arrival>,
    /// One sentence for people.
    pub summary: String,
    /// Motion of the rain here.
    pub motion: Option<PointMotion>,
    /// Valid time of the newest frame that the forecast knows.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub issue_time: Option<Timestamp>,
    /// Age of the newest frame, seconds.
    pub data_age_s: Option<i64>,
    /// True when the data are older than they should be.
    pub stale: bool,
    /// Method and version of the engine.
    pub model_version: Option<String>,
    /// Source of the data.
    pub source: Option<String>,
}
