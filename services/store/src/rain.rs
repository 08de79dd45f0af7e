//! `/v1/rain`: a point series straight from the stored frames.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::SignedDuration;
use raincell_api_types::frames::{FrameInfo, RainSample, RainSeries};
use raincell_frame::{DecodeError, decode_header, decode_point_under};
use raincell_frame_store::{SegmentOf, StoreError, Stored};
use raincell_model::{GeoReference, Grid, Observation};
use raincell_service_runtime::Problem;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

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
    let reading = Arc::new(PointReading { lat_deg, lon_deg, cells: Mutex::default() });
    let segment_of: SegmentOf = {
        let reading = Arc::clone(&reading);
        Arc::new(move |header| reading.cell(&header.grid).and_then(|(row, column)| header.segment_of(row, column)))
    };
    let past = SignedDuration::from_mins(past_minutes);
    let series = app.store.recent_segments(&source, PRODUCT, past, segment_of).await?;
    if series.is_empty() {
        return Err(StoreError::NotFound { what: format!("a frame of {source}") }.into());
    }
    // Side by side, and not where requests wait for each other.
    let samples = tokio::task::spawn_blocking(move || {
        series.into_par_iter().map(|stored| reading.sample(&stored)).collect::<Result<Vec<_>, _>>()
    });
    let samples = samples.await.map_err(|error| Problem::internal(&error))??;
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

/// Reads one place out of many frames, whose grids are mostly the same. The past counts from the newest frame, which may
/// itself be old: a store of archived weather has a past, too.
struct PointReading {
    lat_deg: f64,
    lon_deg: f64,
    /// Cell of the place by fingerprint of the grid; `None` off the grid.
    cells: Mutex<BTreeMap<u64, Option<(usize, usize)>>>,
}

impl PointReading {
    /// Row and column; `None` off the grid.
    fn cell(&self, grid: &Grid) -> Option<(usize, usize)> {
        let find = || {
            let georeference: Option<GeoReference> = grid
                .georeference()
                .inspect_err(|error| tracing::warn!(%error, projection = grid.projection, "grid without a place"))
                .ok();
            georeference?.index_of(self.lat_deg, self.lon_deg)
        };
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        *cells.entry(grid.fingerprint()).or_insert_with(find)
    }

    fn sample(&self, Stored { info, body }: &Stored<FrameInfo>) -> Result<RainSample, Problem> {
        let rate_mm_h = self.rate(body).map_err(|error| {
            Problem::internal(&format!("frame {}/{} of {}: {error}", info.source, info.product, info.valid_time))
        })?;
        Ok(RainSample { valid_time: info.valid_time, rate_mm_h })
    }

    /// mm/h, or `None` where nothing was observed.
    fn rate(&self, body: &Bytes) -> Result<Option<f32>, DecodeError> {
        let header = decode_header(body)?;
        let Some((row, column)) = self.cell(&header.grid) else { return Ok(None) };
        Ok(match decode_point_under(&header, body, row, column)? {
            Observation::NoData => None,
            Observation::Dry => Some(0.0),
            Observation::Rain(rate_mm_h) => Some(rate_mm_h),
        })
    }
}
