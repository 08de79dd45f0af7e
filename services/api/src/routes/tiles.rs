//! Own tiles: `GET /tiles/{layer}.json`, `/tiles/{layer}/{z}/{x}/{y}.{png|webp}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::problem::ProblemDetails;
use raincell_render::{ColorScheme, LegendStep, legend, probability_legend, quality_legend};
use raincell_service_runtime::Problem;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::parameters::{Parameters, encoded, unknown_path};
use crate::http::reply::{Keep, Reply};
use crate::memory::{HeldFrame, SourceView};
use crate::products::PROBABILITIES;
use crate::routes::pictures::{Format, Layer, MAX_ZOOM, Order, View, color_scheme, picture, tile_size};
use crate::routes::points::KEEP_LATEST;
use crate::routes::rainviewer::gone;

/// How far a frame may be from the `time` asked for.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// The layer of how much the rain is worth.
const QUALITY: &str = "quality";
/// Colours where none are asked for.
const DEFAULT_SCHEME: ColorScheme = ColorScheme::UniversalBlue;

/// A layer described as TileJSON 3.0.0, with its legend.
#[utoipa::path(
    get, path = "/tiles/{file}", tag = "tiles",
    params(
        ("file" = String, Path, description = "`rate.json`, `probability-0.1.json`, `probability-1.json`, `probability-5.json` or `quality.json`"),
        ("color" = Option<u8>, Query, description = "Colour scheme, 0 to 8, or 255"),
        ("source" = Option<String>, Query, description = "Only this source"),
    ),
    responses(
        (status = 200, body = Object, content_type = "application/json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn describe(
    State(app): State<App>,
    Path(file): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let layer = file.strip_suffix(".json").ok_or_else(unknown_path)?;
    check_layer(layer)?;
    let scheme = scheme_of(&parameters)?;
    let view = app.one_source(&parameters)?;
    let newest = view.newest().ok_or_else(|| Problem::unavailable("no radar frame has come yet"))?;
    let host = app.host(&headers);
    let body = match (layer, threshold_of(layer)) {
        (_, Some(threshold)) => {
            probability_of(&view, layer, None)?;
            probability_json(newest, &host, layer, threshold)
        }
        (QUALITY, None) => quality_json(quality_of(&view)?, &host),
        _ => tile_json(newest, &host, scheme),
    };
    let (age, stale) = app.age(&view);
    Ok(Reply::json(&body, KEEP_LATEST)?.valid_at(Some(newest.valid_time())).aged(age, stale).to(&headers))
}

/// A probability layer.
fn probability_json(frame: &HeldFrame, host: &str, layer: &str, threshold: &str) -> Value {
    let bounds = frame.placement.renderer.bounds();
    let step = |(least, [r, g, b, a]): &(f32, [u8; 4])| json!({ "from_probability": least, "color": format!("#{r:02x}{g:02x}{b:02x}{a:02x}") });
    json!({
        "tilejson": "3.0.0",
        "name": format!("Probability of at least {threshold} mm/h"),
        "description": format!("Probability that it rains at least {threshold} mm/h, from the nowcast of {}", frame.source),
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [format!("{host}/tiles/{layer}/{{z}}/{{x}}/{{y}}.png?source={}", encoded(&frame.source))],
        "minzoom": 0,
        "maxzoom": MAX_ZOOM,
        "bounds": bounds,
        "center": [f64::midpoint(bounds[0], bounds[2]), f64::midpoint(bounds[1], bounds[3]), 6],
        "legend": probability_legend().iter().map(step).collect::<Vec<_>>(),
    })
}

/// The quality layer.
fn quality_json(frame: &HeldFrame, host: &str) -> Value {
    let bounds = frame.placement.renderer.bounds();
    let step = |(least, [r, g, b, a]): &(f32, [u8; 4])| json!({ "from_quality": least, "color": format!("#{r:02x}{g:02x}{b:02x}{a:02x}") });
    json!({
        "tilejson": "3.0.0",
        "name": "Quality",
        "description": format!("How much the rain rate of {} is worth, 0 to 1, by the height and the width of the beam", frame.source),
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [format!("{host}/tiles/quality/{{z}}/{{x}}/{{y}}.png?source={}", encoded(&frame.source))],
        "minzoom": 0,
        "maxzoom": MAX_ZOOM,
        "bounds": bounds,
        "center": [f64::midpoint(bounds[0], bounds[2]), f64::midpoint(bounds[1], bounds[3]), 6],
        "legend": quality_legend().iter().map(step).collect::<Vec<_>>(),
    })
}

/// The quality as last told.
fn quality_of(view: &SourceView) -> Result<&Arc<HeldFrame>, Problem> {
    view.quality
        .as_ref()
        .ok_or_else(|| Problem::not_found("layer `quality` is not available until a frame of it comes"))
}

fn tile_json(frame: &HeldFrame, host: &str, scheme: ColorScheme) -> Value {
    let bounds = frame.placement.renderer.bounds();
    let step = |step: &LegendStep| {
        let [r, g, b, a] = step.color;
        json!({ "from_mm_h": step.from_mm_h, "color": format!("#{r:02x}{g:02x}{b:02x}{a:02x}") })
    };
    let color = scheme.number();
    json!({
        "tilejson": "3.0.0",
        "name": "Rain rate",
        "description": format!("Rain rate of {}, mm/h, colours: {}", frame.source, scheme.name()),
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [format!("{host}/tiles/rate/{{z}}/{{x}}/{{y}}.png?source={}&color={color}", encoded(&frame.source))],
        "minzoom": 0,
        "maxzoom": MAX_ZOOM,
        "bounds": bounds,
        "center": [f64::midpoint(bounds[0], bounds[2]), f64::midpoint(bounds[1], bounds[3]), 6],
        "legend": legend(scheme).iter().map(step).collect::<Vec<_>>(),
    })
}

/// A tile of the newest frame, of the one nearest to `time`, or of the one with an `id`.
#[utoipa::path(
    get, path = "/tiles/{layer}/{z}/{x}/{file}", tag = "tiles",
    params(
        ("layer" = String, Path, description = "`rate`, `probability-0.1`, `probability-1`, `probability-5` or `quality`"),
        ("z" = u8, Path, description = "0 to 12"),
        ("x" = u32, Path, description = "Column of the tile"),
        ("file" = String, Path, description = "Row of the tile, `@2x` for 512 pixels, and `.png` or `.webp`"),
        ("id" = Option<String>, Query, description = "Id of a frame or of a step of the nowcast"),
        ("time" = Option<String>, Query, description = "RFC 3339, or Unix seconds; past or future"),
        ("size" = Option<u32>, Query, description = "256 or 512"),
        ("color" = Option<u8>, Query, description = "Colour scheme, 0 to 8, or 255"),
        ("source" = Option<String>, Query, description = "Only this source"),
    ),
    responses(
        (status = 200, content_type = "image/png"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn tile(
    State(app): State<App>,
    Path((layer, z, x, file)): Path<(String, String, String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_layer(&layer)?;
    let (row, format) = Format::split(&file)?;
    let (y, doubled) = row.strip_suffix("@2x").map_or((row, false), |y| (y, true));
    let size = match parameters.text("size") {
        Some(size) => tile_size(size)?,
        None if doubled => 512,
        None => 256,
    };
    let view = View::parse(&z, &x, y)?;
    if let View::Around { .. } = view {
        return Err(Problem::bad_parameter("x", format!("x is `{x}`"), "a whole number"));
    }
    if threshold_of(&layer).is_some() {
        let order = Order { view, layer: Layer::Probability, size, format };
        return probability(&app, &parameters, &headers, &layer, order).await;
    }
    if layer == QUALITY {
        let source = app.one_source(&parameters)?;
        let frame = Arc::clone(quality_of(&source)?);
        return picture(&app, &headers, frame, Order { view, layer: Layer::Quality, size, format }, KEEP_LATEST).await;
    }
    let layer = Layer::Rate { scheme: scheme_of(&parameters)?, smooth: true, snow: false };
    let order = Order { view, layer, size, format };
    if let Some(id) = parameters.text("id") {
        let frame = app.memory().frame(id).ok_or_else(|| gone(id))?;
        return picture(&app, &headers, frame, order, Keep::Immutable).await;
    }
    let source = app.one_source(&parameters)?;
    let frame = match parameters.time("time")? {
        Some(time) => at_time(&source, time)?,
        None => source.newest().cloned().ok_or_else(|| Problem::unavailable("no radar frame has come yet"))?,
    };
    picture(&app, &headers, frame, order, KEEP_LATEST).await
}

/// A tile of a probability layer: of the step with an `id`, or of the newest run at the step nearest to `time`.
async fn probability(
    app: &App,
    parameters: &Parameters,
    headers: &HeaderMap,
    layer: &str,
    order: Order,
) -> Result<Response, Problem> {
    if let Some(id) = parameters.text("id") {
        let (run, step) = app.memory().step(id).ok_or_else(|| gone(id))?;
        let frame = run.product_frame(layer, &step).ok_or_else(|| gone(id))?;
        return picture(app, headers, Arc::new(frame), order, Keep::Immutable).await;
    }
    let frame = probability_of(&*app.one_source(parameters)?, layer, parameters.time("time")?)?;
    picture(app, headers, Arc::new(frame), order, KEEP_LATEST).await
}

/// The probability at the step nearest to a time, or at the first step.
fn probability_of(view: &SourceView, layer: &str, time: Option<Timestamp>) -> Result<HeldFrame, Problem> {
    let none = || Problem::not_found(format!("layer `{layer}` is not available until the nowcast is an ensemble"));
    let run = view.run().ok_or_else(none)?;
    let distance = |step: &&Arc<HeldFrame>| time.map(|time| step.valid_time().duration_since(time).abs());
    let step = run.steps.iter().min_by_key(distance).ok_or_else(none)?;
    if distance(&step).is_some_and(|distance| distance > TOLERANCE) {
        let last = run.steps.last().map_or(step.valid_time(), |step| step.valid_time());
        let accepted = format!("{} to {last}", run.steps[0].valid_time());
        return Err(Problem::not_found("there is no probability for this time").naming("time", accepted));
    }
    run.product_frame(layer, step).ok_or_else(none)
}

/// The rain rate in the name of a probability layer.
fn threshold_of(layer: &str) -> Option<&str> {
    PROBABILITIES.contains(&layer).then(|| layer.trim_start_matches("probability-"))
}

/// The frame or step of the newest run that is nearest to an instant; observed before forecast.
fn at_time(view: &SourceView, time: Timestamp) -> Result<Arc<HeldFrame>, Problem> {
    if let Some(frame) = view.nearest(time, TOLERANCE / 2) {
        return Ok(Arc::clone(frame));
    }
    let distance = |frame: &&Arc<HeldFrame>| frame.valid_time().duration_since(time).abs();
    let steps = view.run().into_iter().flat_map(|run| run.steps.iter());
    let nearest = view.frames.iter().chain(steps.clone()).min_by_key(distance);
    nearest.filter(|frame| distance(frame) <= TOLERANCE).cloned().ok_or_else(|| {
        let first = view.frames.first().map(|frame| frame.valid_time());
        let last = steps.last().or(view.newest()).map(|frame| frame.valid_time());
        let accepted = match (first, last) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => "nothing yet".into(),
        };
        Problem::not_found(format!("there is no frame within 5 minutes of {time}")).naming("time", accepted)
    })
}

fn scheme_of(parameters: &Parameters) -> Result<ColorScheme, Problem> {
    parameters.text("color").map_or(Ok(DEFAULT_SCHEME), color_scheme)
}

fn check_layer(layer: &str) -> Result<(), Problem> {
    match layer {
        "rate" | QUALITY => Ok(()),
        _ if threshold_of(layer).is_some() => Ok(()),
        _ => {
            let accepted = format!("rate, {}, {QUALITY}", PROBABILITIES.join(", "));
            Err(Problem::not_found(format!("there is no layer `{layer}`")).naming("layer", accepted))
        }
    }
}
