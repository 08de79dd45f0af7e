//! `/v1/rain`: a point series straight from the stored frames.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use raincell_api_types::frames::{FrameInfo, RainSample, RainSeries};
use raincell_frame::{CellPlace, DecodeError, FrameHeader, GroupDecoder, decode_header_in};
use raincell_frame_store::{SeriesFrame, StoreError, Wanted};
use raincell_model::{GeoReference, Grid, Observation};
use raincell_service_runtime::Problem;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::App;
use crate::answers::Refusal;
use crate::known_blocks::{FrameHash, KnownBlocks};
use crate::parameters::Parameters;

const PRODUCT: &str = "rate";
/// A day.
const LONGEST_PAST_MINUTES: i64 = 24 * 60;

pub(crate) async fn series(State(app): State<App>, parameters: Parameters) -> Result<Response, Refusal> {
    let lat_deg = parameters.required_number("lat", &(-90.0..=90.0))?;
    let lon_deg = parameters.required_number("lon", &(-180.0..=180.0))?;
    let past_minutes = parameters.number("past", &(0..=LONGEST_PAST_MINUTES))?.unwrap_or(0);
    let source = source_of(&app, parameters.text("source")).await?;
    let reading = Arc::new(PointReading::new(lat_deg, lon_deg, Arc::clone(&app.known_blocks)));
    let past = SignedDuration::from_mins(past_minutes);
    let wanted = Arc::clone(&reading);
    let series = app.store.recent_segments(&source, PRODUCT, past, wanted).await?;
    if series.is_empty() {
        return Err(StoreError::NotFound { what: format!("a frame of {source}") }.into());
    }
    let samples = if series.iter().all(|frame| reading.answer(&frame.info).is_some()) {
        series.iter().map(|frame| reading.sample(&mut None, frame)).collect::<Result<Vec<_>, _>>()?
    } else {
        // Side by side, and not where requests wait for each other.
        let samples = tokio::task::spawn_blocking(move || {
            let decoded = series.par_iter().map_init(|| None, |decoder, frame| reading.sample(decoder, frame));
            decoded.collect::<Result<Vec<_>, _>>()
        });
        samples.await.map_err(|error| Problem::internal(&error))??
    };
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
    known: Arc<KnownBlocks>,
    /// Cell of the place by fingerprint of the grid; `None` off the grid.
    cells: Mutex<BTreeMap<u64, Option<(usize, usize)>>>,
    /// What is known of frames without a look at their bodies, by content hash.
    answers: Mutex<BTreeMap<String, Observation>>,
}

impl Wanted for PointReading {
    fn is_known(&self, info: &FrameInfo) -> bool {
        let Some(observation) = self.remembered(info) else { return false };
        // It may be forgotten again before it is asked for.
        lock(&self.answers).insert(info.hash.clone(), observation);
        true
    }

    fn segment_of(&self, header: &FrameHeader) -> Option<usize> {
        self.cell(&header.grid).and_then(|(row, column)| header.segment_of(row, column))
    }
}

impl PointReading {
    fn new(lat_deg: f64, lon_deg: f64, known: Arc<KnownBlocks>) -> Self {
        Self { lat_deg, lon_deg, known, cells: Mutex::default(), answers: Mutex::default() }
    }

    /// Row and column; `None` off the grid.
    fn cell(&self, grid: &Grid) -> Option<(usize, usize)> {
        let find = || {
            let georeference: Option<GeoReference> = grid
                .georeference()
                .inspect_err(|error| tracing::warn!(%error, projection = grid.projection, "grid without a place"))
                .ok();
            georeference?.index_of(self.lat_deg, self.lon_deg)
        };
        *lock(&self.cells).entry(grid.fingerprint()).or_insert_with(find)
    }

    fn answer(&self, info: &FrameInfo) -> Option<Observation> {
        lock(&self.answers).get(&info.hash).copied()
    }

    /// What other requests have left.
    fn remembered(&self, info: &FrameInfo) -> Option<Observation> {
        let hash = FrameHash::of(&info.hash)?;
        let header = self.known.header(hash)?;
        let Some((row, column)) = self.cell(&header.grid) else { return Some(Observation::NoData) };
        match header.place_of(row, column) {
            CellPlace::Header(observation) => Some(observation),
            CellPlace::Group(number) => Some(self.known.group(hash, number)?.at(&header, row, column)),
        }
    }

    fn sample(&self, decoder: &mut Option<GroupDecoder>, frame: &SeriesFrame) -> Result<RainSample, Problem> {
        let info = &frame.info;
        let observation = self.answer(info).map_or_else(|| self.decoded(decoder, frame), Ok).map_err(|error| {
            Problem::internal(&format!("frame {}/{} of {}: {error}", info.source, info.product, info.valid_time))
        })?;
        let rate_mm_h = match observation {
            Observation::NoData => None,
            Observation::Dry => Some(0.0),
            Observation::Rain(rate_mm_h) => Some(rate_mm_h),
        };
        Ok(RainSample { valid_time: info.valid_time, rate_mm_h })
    }

    /// Decodes the blocks around the place, and keeps them.
    fn decoded(&self, decoder: &mut Option<GroupDecoder>, frame: &SeriesFrame) -> Result<Observation, DecodeError> {
        let hash = FrameHash::of(&frame.info.hash);
        let header = match hash.and_then(|hash| self.known.header(hash)) {
            Some(header) => header,
            None => Arc::new(decode_header_in(&frame.opening, frame.info.bytes as usize)?),
        };
        if let Some(hash) = hash {
            self.known.keep_header(hash, &header);
        }
        let Some((row, column)) = self.cell(&header.grid) else { return Ok(Observation::NoData) };
        let number = match header.place_of(row, column) {
            CellPlace::Header(observation) => return Ok(observation),
            CellPlace::Group(number) => number,
        };
        let segment = header.segment_of(row, column).and_then(|number| header.segments.get(number));
        let segment = segment.map_or(&[][..], |segment| frame.segment(segment));
        let group = decoder.get_or_insert_default().decode(&header, segment, number)?;
        let observation = group.at(&header, row, column);
        if let Some(hash) = hash {
            self.known.keep_group(hash, number, group);
        }
        Ok(observation)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
