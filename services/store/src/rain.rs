//! `/v1/rain`: a point series straight from the stored frames.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::SignedDuration;
use raincell_api_types::frames::{FrameInfo, RainSample, RainSeries};
use raincell_frame::{DecodeError, decode_header, decode_point};
use raincell_frame_store::{FrameKey, FrameQuery, StoreError};
use raincell_model::{GeoReference, Observation};
use raincell_service_runtime::Problem;

use crate::App;
use crate::answers::Refusal;
use crate::parameters::Parameters;

const PRODUCT: &str = "rate";
/// A day.
const LONGEST_PAST_MINUTES: i64 = 24 * 60;

pub(crate) async fn series(State(app): State<App>, parameters: Parameters) -> Result<Response, Refusal> {
    let lat_deg = parameters.required_number("lat", &(-90.0..=90.0))?;
    let lon_deg = parameters.required_number("lon", &(-180.0..=180.0))?;
    let past_minutes = parameters.number("past", &(0..=LONGEST_PAST_MINUTES))?.unwrap_or(0);
    let source = source_of(&app, parameters.text("source")).await?;
    let mut reading = PointReading { lat_deg, lon_deg, cells: BTreeMap::new() };
    let mut samples = Vec::new();
    for info in frames(&app, &source, past_minutes).await? {
        let key = FrameKey::new(&info.source, &info.product, info.valid_time)?;
        let body = match app.store.frame(&key).await {
            Ok(stored) => stored.body,
            // It has expired since the listing.
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let rate_mm_h = reading.rate(&body).map_err(|e| Problem::internal(&format!("{key}: {e}")))?;
        samples.push(RainSample { valid_time: info.valid_time, rate_mm_h });
    }
    Ok(Json(RainSeries { source, samples }).into_response())
}

/// The one asked for, or the only one there is.
async fn source_of(app: &App, asked: Option<&str>) -> Result<String, Refusal> {
    if let Some(source) = asked {
        return Ok(source.to_owned());
    }
    let sources = app.store.sources().await?;
    let mut names: Vec<_> = sources.into_iter().filter(|s| s.product == PRODUCT).map(|s| s.source).collect();
    match (names.pop(), names.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Problem::not_found("no frame is stored").into()),
        (Some(last), false) => {
            let accepted = format!("{}, {last}", names.join(", "));
            Err(Problem::bad_parameter("source", "source is missing, and there are several", accepted).into())
        }
    }
}

/// Those of the past minutes before the newest, which may itself be old: a store of archived weather has a past, too.
async fn frames(app: &App, source: &str, past_minutes: i64) -> Result<Vec<FrameInfo>, Refusal> {
    let newest = app.store.latest_frames(source, PRODUCT, 1).await?;
    let Some(newest) = newest.into_iter().next() else {
        return Err(StoreError::NotFound { what: format!("a frame of {source}") }.into());
    };
    let query = FrameQuery {
        source: Some(source.to_owned()),
        product: Some(PRODUCT.to_owned()),
        from: newest.valid_time.checked_sub(SignedDuration::from_mins(past_minutes)).ok(),
        to: Some(newest.valid_time),
        ..FrameQuery::default()
    };
    Ok(app.store.list_frames(&query).await?.frames)
}

/// Reads one place out of many frames, whose grids are mostly the same.
struct PointReading {
    lat_deg: f64,
    lon_deg: f64,
    /// Cell of the place by fingerprint of the grid; `None` off the grid.
    cells: BTreeMap<u64, Option<(usize, usize)>>,
}

impl PointReading {
    /// mm/h, or `None` where nothing was observed.
    fn rate(&mut self, body: &Bytes) -> Result<Option<f32>, DecodeError> {
        let grid = decode_header(body)?.grid;
        let cell = self.cells.entry(grid.fingerprint()).or_insert_with(|| {
            let georeference: Option<GeoReference> = grid
                .georeference()
                .inspect_err(|error| tracing::warn!(%error, projection = grid.projection, "grid without a place"))
                .ok();
            georeference?.index_of(self.lat_deg, self.lon_deg)
        });
        let Some((row, column)) = *cell else { return Ok(None) };
        Ok(match decode_point(body, row, column)? {
            Observation::NoData => None,
            Observation::Dry => Some(0.0),
            Observation::Rain(rate_mm_h) => Some(rate_mm_h),
        })
    }
}
