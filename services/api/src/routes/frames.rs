//! `GET /v1/frames` and `/v1/frames/{id}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;
use raincell_api_types::problem::ProblemDetails;
use raincell_frame::Frame;
use raincell_io::WriteError;
use raincell_io::geotiff::{self, Band};
use raincell_model::RainField;
use raincell_render::{AnimationRequest, RenderError, still_png, whole_domain};
use raincell_service_runtime::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::parameters::Parameters;
use crate::http::reply::{Keep, Reply};
use crate::memory::{HeldFrame, SourceView};
use crate::products::PROBABILITIES;
use crate::routes::points::KEEP_LATEST;
use crate::routes::rainviewer::gone;
use crate::tile_cache::Picture;

/// Whether a frame was seen or computed.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// From the radar.
    Observed,
    /// From the newest nowcast.
    Nowcast,
}

/// One frame of the list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FrameEntry {
    /// Names its content; `/v1/frames/{id}` and the tiles take it.
    pub id: String,
    /// When it holds.
    #[schema(value_type = String, format = DateTime)]
    pub valid_time: Timestamp,
    /// Seen or computed.
    pub kind: FrameKind,
}

/// The frames of one source, past then future.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FrameList {
    /// The source.
    pub source: String,
    /// All sources that there are.
    pub sources: Vec<String>,
    /// The time of the answer.
    #[schema(value_type = String, format = DateTime)]
    pub generated: Timestamp,
    /// Age of the newest observed frame, seconds.
    pub data_age_s: Option<i64>,
    /// True when that is too old.
    pub stale: bool,
    /// Valid time of the newest frame that the nowcast knew; null while there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub issue_time: Option<Timestamp>,
    /// Layers that the steps of the nowcast can be had as tiles of.
    pub layers: Vec<String>,
    /// In ascending order of valid time.
    pub frames: Vec<FrameEntry>,
}

/// The frames that are kept: observed ones, then those of the newest nowcast.
#[utoipa::path(
    get, path = "/v1/frames", tag = "frames",
    params(("source" = Option<String>, Query, description = "Which source; else the default one")),
    responses(
        (status = 200, body = FrameList),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn list(State(app): State<App>, parameters: Parameters, headers: HeaderMap) -> Result<Response, Problem> {
    let view = app.one_source(&parameters)?;
    let newest = view.newest().map(|frame| frame.valid_time());
    let (data_age_s, stale) = app.age(&view);
    let entry = |frame: &HeldFrame, kind| FrameEntry { id: frame.id.clone(), valid_time: frame.valid_time(), kind };
    let observed = view.frames.iter().map(|frame| entry(frame, FrameKind::Observed));
    let steps = view.run().into_iter().flat_map(|run| run.steps.iter());
    let ahead = steps.filter(|step| newest.is_none_or(|newest| step.valid_time() > newest));
    let answer = FrameList {
        source: view.name.clone(),
        sources: app.memory().sources().iter().map(|view| view.name.clone()).collect(),
        generated: app.now(),
        data_age_s,
        stale,
        issue_time: view.run().map(|run| run.issue_time),
        layers: layers(&view),
        frames: observed.chain(ahead.map(|step| entry(step, FrameKind::Nowcast))).collect(),
    };
    let reply = Reply::json(&answer, KEEP_LATEST)?.made_from(&format!("frames {} {stale}", view.version()));
    Ok(reply.valid_at(newest).aged(data_age_s, stale).to(&headers))
}

/// Rain rate, probabilities where the newest run has them, quality where it is told.
fn layers(view: &SourceView) -> Vec<String> {
    let products = view.run().map(|run| run.products()).unwrap_or_default();
    let chances = PROBABILITIES.into_iter().filter(|name| products.has(name));
    let quality = view.quality.as_ref().map(|_| "quality");
    std::iter::once("rate").chain(chances).chain(quality).map(str::to_owned).collect()
}

/// What a frame can be had as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Sparse,
    Odim,
    GeoTiff,
    Png,
}

/// How HDF5 is called where it has no registered media type.
const HDF5: &str = "application/x-hdf5";
/// What `accept` may name.
const MEDIA_TYPES: &str = "application/vnd.raincell.frame, application/x-hdf5, image/tiff, image/png";

/// One frame, as a sparse frame (`application/vnd.raincell.frame`), as an ODIM_H5 composite of rain rate
/// (`application/x-hdf5`), as a GeoTIFF of one band (`image/tiff`) or as a picture of its area (`image/png`).
#[utoipa::path(
    get, path = "/v1/frames/{id}", tag = "frames",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("accept" = Option<String>, Header, 
            description = "application/vnd.raincell.frame (default), application/x-hdf5, image/tiff or image/png"),
    ),
    responses(
        (status = 200, content_type = "application/vnd.raincell.frame"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 406, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn one(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let frame = app.memory().frame(&id).ok_or_else(|| gone(&id))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let shape = accepted(accept).ok_or_else(|| {
        let detail = format!("Accept is `{accept}`");
        Problem::new(StatusCode::NOT_ACCEPTABLE, detail).naming("accept", MEDIA_TYPES)
    })?;
    let valid_time = frame.valid_time();
    let age = app.now().duration_since(frame.issue_time.unwrap_or(valid_time)).as_secs().max(0);
    let reply = match shape {
        Shape::Png => domain_png(&app, &frame).await?,
        Shape::Odim => file(&app, &frame, "odim", HDF5, odim).await?,
        Shape::GeoTiff => file(&app, &frame, "geotiff", geotiff::MEDIA_TYPE, geotiff_of).await?,
        Shape::Sparse => {
            let body = match &frame.body {
                Some(body) => body.clone(),
                None => tokio::task::spawn_blocking(move || encode(&frame))
                    .await
                    .map_err(|e| Problem::internal(&e))??
                    .into(),
            };
            Reply::bytes(raincell_frame::MEDIA_TYPE, body, Keep::Immutable)
        }
    };
    Ok(reply.valid_at(Some(valid_time)).aged(Some(age), false).by_accept().to(&headers))
}

/// The field on a map of its whole area, with legend and time.
async fn domain_png(app: &App, frame: &Arc<HeldFrame>) -> Result<Reply, Problem> {
    let (frame, zone) = (Arc::clone(frame), app.config().time_zone.clone());
    let key = format!("{} domain", frame.id);
    let paint = move || {
        let field: &RainField = &frame.field;
        let area = whole_domain(&field.grid)?;
        let fields = std::slice::from_ref(field);
        let (past, forecast): (&[RainField], &[RainField]) =
            if frame.issue_time.is_none() { (fields, &[]) } else { (&[], fields) };
        let mut request = AnimationRequest::new(past, forecast, area);
        (request.title, request.time_zone) = (&frame.source, &zone);
        still_png(&request, field.valid_time)
    };
    let render = move || {
        let body = Bytes::from(paint().map_err(|error: RenderError| Problem::internal(&error))?);
        let tag = raincell_frame::content_hash(&body).into();
        Ok(Picture { body, content_type: "image/png", tag })
    };
    let picture = app.tiles().get(key, render).await?;
    Ok(Reply::bytes(picture.content_type, picture.body, Keep::Immutable).tagged(&picture.tag))
}

/// The field in a format of others, written once and kept with the tiles.
async fn file(
    app: &App,
    frame: &Arc<HeldFrame>,
    format: &str,
    content_type: &'static str,
    write: fn(&HeldFrame) -> Result<Vec<u8>, WriteError>,
) -> Result<Reply, Problem> {
    let frame = Arc::clone(frame);
    let key = format!("{} {format}", frame.id);
    let write = move || {
        let body = Bytes::from(write(&frame).map_err(|error| Problem::internal(&error))?);
        let tag = raincell_frame::content_hash(&body).into();
        Ok(Picture { body, content_type, tag })
    };
    let file = app.tiles().get(key, write).await?;
    Ok(Reply::bytes(file.content_type, file.body, Keep::Immutable).tagged(&file.tag))
}

/// As an ODIM_H5 composite.
fn odim(frame: &HeldFrame) -> Result<Vec<u8>, WriteError> {
    raincell_io::odim::write_composite(&frame.field, &frame.source, None)
}

/// As a GeoTIFF of one band.
fn geotiff_of(frame: &HeldFrame) -> Result<Vec<u8>, WriteError> {
    let band = Band { name: frame.field.valid_time.to_string(), values: &frame.field.rate_mm_h };
    geotiff::write(&frame.field.grid, "mm/h", &[band])
}

fn encode(frame: &HeldFrame) -> Result<Vec<u8>, Problem> {
    let field = RainField::clone(&frame.field);
    let frame = Frame { source: frame.source.clone(), product: frame.product.clone(), field };
    raincell_frame::encode(&frame).map_err(|e| Problem::internal(&e))
}

/// The first media type of Accept that a frame can be had as, the preferred ones (`q`) first.
fn accepted(accept: &str) -> Option<Shape> {
    let mut wanted: Vec<(f32, Shape)> = accept
        .split(',')
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let shape = match parts.next()? {
                "*/*" | "application/*" | raincell_frame::MEDIA_TYPE => Shape::Sparse,
                HDF5 => Shape::Odim,
                "image/tiff" => Shape::GeoTiff,
                "image/png" | "image/*" => Shape::Png,
                _ => return None,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            (quality > 0.0).then_some((quality, shape))
        })
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted.first().map(|&(_, shape)| shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_decides_what_a_frame_comes_as() {
        assert_eq!(accepted("*/*"), Some(Shape::Sparse));
        assert_eq!(accepted("image/png"), Some(Shape::Png));
        assert_eq!(accepted("application/x-hdf5, */*;q=0.5"), Some(Shape::Odim));
        assert_eq!(accepted("text/html, image/png;q=0.8, */*;q=0.1"), Some(Shape::Png));
        assert_eq!(accepted("application/vnd.raincell.frame, image/png;q=0.9"), Some(Shape::Sparse));
        assert_eq!(accepted("image/tiff; application=geotiff"), Some(Shape::GeoTiff));
        assert_eq!(accepted("text/html"), None);
        assert_eq!(accepted("image/png;q=0"), None);
    }
}
