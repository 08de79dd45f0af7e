//! RainViewer v2: `GET /public/weather-maps.json`, `/v2/radar/…`, `/v2/coverage/…`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::problem::ProblemDetails;
use raincell_service_runtime::Problem;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::parameters::Parameters;
use crate::http::reply::{Keep, Reply};
use crate::memory::{HeldFrame, SourceView};
use crate::outlook::after;
use crate::routes::pictures::{Format, Layer, Order, View, color_scheme, picture, tile_size};
use crate::routes::points::KEEP_LATEST;

/// Past frames listed, and the minutes between two.
const PAST_FRAMES: i64 = 13;
const STEP_MIN: i64 = 10;
/// How far a frame may be from its place in the row.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(STEP_MIN * 30);

/// The frames there are, in the shape of RainViewer's API v2.
#[utoipa::path(
    get, path = "/public/weather-maps.json", tag = "compatible",
    params(("source" = Option<String>, Query, description = "Only this source")),
    responses(
        (status = 200, body = Object, content_type = "application/json"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn weather_maps(
    State(app): State<App>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // All keys are always there, also before the first frame.
    let view = app.candidates(&parameters)?.into_iter().next().unwrap_or_default();
    let (age, stale) = app.age(&view);
    let host = app.host(&headers);
    let body = maps(&view, app.now(), &host);
    let reply = Reply::json(&body, KEEP_LATEST)?.made_from(&format!("maps {host} {} {stale}", view.version()));
    Ok(reply.valid_at(view.newest().map(|frame| frame.valid_time())).aged(age, stale).to(&headers))
}

fn maps(view: &SourceView, now: Timestamp, host: &str) -> Value {
    let entry = |frame: &Arc<HeldFrame>| json!({ "time": frame.valid_time().as_second(), "path": format!("/v2/radar/{}", frame.id) });
    let past: Vec<Value> = past_frames(view).into_iter().map(entry).collect();
    let nowcast: Vec<Value> = nowcast_frames(view).into_iter().map(entry).collect();
    json!({
        "version": "2.0",
        "generated": now.as_second(),
        "host": host,
        "radar": { "past": past, "nowcast": nowcast },
        "satellite": { "infrared": [] },
    })
}

/// The frames nearest to every tenth minute before the newest one, ascending.
fn past_frames(view: &SourceView) -> Vec<&Arc<HeldFrame>> {
    let Some(newest) = view.newest().map(|frame| frame.valid_time()) else { return Vec::new() };
    let slots = (0..PAST_FRAMES).rev().map(|step| after(newest, -step * STEP_MIN));
    let mut frames: Vec<&Arc<HeldFrame>> = slots.filter_map(|slot| view.nearest(slot, TOLERANCE)).collect();
    frames.dedup_by_key(|frame| frame.valid_time());
    frames
}

/// The steps of the newest run at every tenth minute, later than the newest frame.
fn nowcast_frames(view: &SourceView) -> Vec<&Arc<HeldFrame>> {
    let (Some(newest), Some(run)) = (view.newest(), view.run()) else { return Vec::new() };
    let lead_min = |step: &HeldFrame| (step.valid_time().duration_since(run.issue_time).as_secs() + 30) / 60;
    let wanted = |step: &&Arc<HeldFrame>| lead_min(step) % STEP_MIN == 0 && step.valid_time() > newest.valid_time();
    run.steps.iter().filter(wanted).collect()
}

/// A tile of a frame, or (`{x}`/`{y}` as latitude/longitude with decimal points) a picture centred on a place.
#[utoipa::path(
    get, path = "/v2/radar/{id}/{size}/{z}/{x}/{y}/{color}/{options}", tag = "compatible",
    params(
        ("id" = String, Path, description = "As in `path` of the weather maps"),
        ("size" = u32, Path, description = "256 or 512"),
        ("z" = u8, Path, description = "0 to 12"),
        ("x" = String, Path, description = "Column of the tile; or latitude with a decimal point"),
        ("y" = String, Path, description = "Row of the tile; or longitude with a decimal point"),
        ("color" = u8, Path, description = "Colour scheme, 0 to 8, or 255"),
        ("options" = String, Path, description = "`{smooth}_{snow}.png` or `.webp`, each 0 or 1"),
    ),
    responses(
        (status = 200, content_type = "image/png"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn radar(
    State(app): State<App>,
    Path((id, size, z, x, y, color, options)): Path<(String, String, String, String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (flags, format) = Format::split(&options)?;
    let (smooth, snow) = match flags {
        "0_0" => (false, false),
        "0_1" => (false, true),
        "1_0" => (true, false),
        "1_1" => (true, true),
        _ => {
            let detail = format!("options is `{flags}`");
            return Err(Problem::bad_parameter("options", detail, "smooth_snow, each 0 or 1, such as 1_0"));
        }
    };
    let layer = Layer::Rate { scheme: color_scheme(&color)?, smooth, snow };
    let order = Order { view: View::parse(&z, &x, &y)?, layer, size: tile_size(&size)?, format };
    let frame = app.memory().frame(&id).ok_or_else(|| gone(&id))?;
    picture(&app, &headers, frame, order, Keep::Immutable).await
}

/// Where nothing is observed: dark there, transparent elsewhere.
#[utoipa::path(
    get, path = "/v2/coverage/0/{size}/{z}/{x}/{y}/0/{options}", tag = "compatible",
    params(
        ("size" = u32, Path, description = "256 or 512"),
        ("z" = u8, Path, description = "0 to 12"),
        ("x" = u32, Path, description = "Column of the tile"),
        ("y" = u32, Path, description = "Row of the tile"),
        ("options" = String, Path, description = "`0_0.png`"),
        ("source" = Option<String>, Query, description = "Only this source"),
        ("id" = Option<String>, Query, description = "Of this frame or step of the nowcast, instead of the newest frame"),
    ),
    responses(
        (status = 200, content_type = "image/png"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn coverage(
    State(app): State<App>,
    Path((size, z, x, y, options)): Path<(String, String, String, String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (flags, format) = Format::split(&options)?;
    if flags != "0_0" {
        return Err(Problem::bad_parameter("options", format!("options is `{flags}`"), "0_0"));
    }
    coverage_of(&app, &parameters, &headers, [&size, &z, &x, &y], format).await
}

/// The same by its short path.
#[utoipa::path(
    get, path = "/v2/coverage/0/{size}/{z}/{x}/{file}", tag = "compatible",
    params(
        ("size" = u32, Path, description = "256 or 512"),
        ("z" = u8, Path, description = "0 to 12"),
        ("x" = u32, Path, description = "Column of the tile"),
        ("file" = String, Path, description = "Row of the tile with `.png`"),
        ("source" = Option<String>, Query, description = "Only this source"),
        ("id" = Option<String>, Query, description = "Of this frame or step of the nowcast, instead of the newest frame"),
    ),
    responses(
        (status = 200, content_type = "image/png"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn coverage_plain(
    State(app): State<App>,
    Path((size, z, x, file)): Path<(String, String, String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (y, format) = Format::split(&file)?;
    coverage_of(&app, &parameters, &headers, [&size, &z, &x, y], format).await
}

async fn coverage_of(
    app: &App,
    parameters: &Parameters,
    headers: &HeaderMap,
    [size, z, x, y]: [&str; 4],
    format: Format,
) -> Result<Response, Problem> {
    let order = Order { view: View::parse(z, x, y)?, layer: Layer::Coverage, size: tile_size(size)?, format };
    if let Some(id) = parameters.text("id") {
        let frame = app.memory().frame(id).ok_or_else(|| gone(id))?;
        return picture(app, headers, frame, order, Keep::Immutable).await;
    }
    let view = app.one_source(parameters)?;
    let frame = view.newest().cloned().ok_or_else(|| Problem::unavailable("no radar frame has come yet"))?;
    picture(app, headers, frame, order, KEEP_LATEST).await
}

/// 404 for an id that is not kept (any more).
pub fn gone(id: &str) -> Problem {
    Problem::not_found(format!("no frame with the id `{id}` is kept; the list of frames names those that are"))
}
