//! OGC API – Environmental Data Retrieval 1.1: `GET /edr…`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use raincell_api_types::problem::ProblemDetails;
use raincell_service_runtime::Problem;
use serde::Serialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::edr::coverage::{CoverageCollection, MEDIA_TYPE};
use crate::edr::extent::Extent;
use crate::edr::sampling::{MOST_VALUES, NoSample, Sampler, bounds_of, instants};
use crate::edr::{collections, query};
use crate::http::parameters::Parameters;
use crate::http::reply::Reply;
use crate::memory::SourceView;
use crate::routes::points::KEEP_LATEST;

/// What every query may name beside a place, as the OpenAPI document tells it; `query` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description")]
struct Narrowed {
    /// An instant, or two with / between; .. leaves one open
    datetime: Option<String>,
    /// Some of `parameter_names`, with commas between
    #[param(rename = "parameter-name")]
    parameter_name: Option<String>,
    /// CRS84
    crs: Option<String>,
    /// `CoverageJSON`
    f: Option<String>,
}

/// Where to go from here.
#[utoipa::path(
    get, path = "/edr", tag = "edr",
    responses((status = 200, body = Object, content_type = "application/json"))
)]
pub async fn landing(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(Reply::json(&collections::landing(&app.host(&headers)), KEEP_LATEST)?.to(&headers))
}

/// The parts of the standard that are there.
#[utoipa::path(
    get, path = "/edr/conformance", tag = "edr",
    responses((status = 200, body = Object, content_type = "application/json"))
)]
pub async fn conformance(headers: HeaderMap) -> Result<Response, Problem> {
    Ok(Reply::json(&collections::conformance(), KEEP_LATEST)?.to(&headers))
}

/// Every source is a collection: observed frames, then the newest nowcast.
#[utoipa::path(
    get, path = "/edr/collections", tag = "edr",
    responses((status = 200, body = Object, content_type = "application/json"))
)]
pub async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let views = app.memory().sources();
    let answer = collections::collections(views.iter().map(AsRef::as_ref), &app.host(&headers));
    Ok(Reply::json(&answer, KEEP_LATEST)?.to(&headers))
}

/// One source: where, when, what, and how to ask for it.
#[utoipa::path(
    get, path = "/edr/collections/{collection}", tag = "edr",
    params(("collection" = String, Path, description = "Name of a source")),
    responses(
        (status = 200, body = Object, content_type = "application/json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn one(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let view = source(&app, &name)?;
    let answer = collections::collection(&view, &app.host(&headers)).ok_or_else(|| no_source(&app, &name))?;
    let (age, stale) = app.age(&view);
    let reply = Reply::json(&answer, KEEP_LATEST)?.valid_at(view.newest().map(|frame| frame.valid_time()));
    Ok(reply.aged(age, stale).to(&headers))
}

/// Values over time at a place, or at several (`MULTIPOINT`: a coverage each).
#[utoipa::path(
    get, path = "/edr/collections/{collection}/position", tag = "edr",
    params(
        ("collection" = String, Path, description = "Name of a source"),
        ("coords" = String, Query, description = "Well-known text: POINT(lon lat) or MULTIPOINT((lon lat),…)"),
        Narrowed,
    ),
    responses(
        (status = 200, body = Object, content_type = "application/prs.coverage+json"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn position(
    State(app): State<App>,
    Path(name): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::read(&app, &name, &parameters)?;
    let places = query::places(&parameters)?;
    let sampled = asked.sampler("coords")?.series(&places);
    let mut series = sampled.map_err(|reason| asked.problem("coords", reason))?;
    match (series.len(), series.pop()) {
        (1, Some(only)) => asked.reply(&only, &headers),
        (_, last) => asked.reply(&CoverageCollection::of_series(series.into_iter().chain(last).collect()), &headers),
    }
}

/// Values over time in a polygon.
#[utoipa::path(
    get, path = "/edr/collections/{collection}/area", tag = "edr",
    params(
        ("collection" = String, Path, description = "Name of a source"),
        ("coords" = String, Query, description = "Well-known text: POLYGON((lon lat,…)) or MULTIPOLYGON"),
        Narrowed,
    ),
    responses(
        (status = 200, body = Object, content_type = "application/prs.coverage+json"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn area(
    State(app): State<App>,
    Path(name): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    within(&app, &name, &parameters, &headers, ("coords", query::area(&parameters)?)).await
}

/// Values over time in a box. Rain is told at the ground only: there is no height to ask for.
#[utoipa::path(
    get, path = "/edr/collections/{collection}/cube", tag = "edr",
    params(
        ("collection" = String, Path, description = "Name of a source"),
        ("bbox" = String, Query, description = "west,south,east,north in degrees"),
        Narrowed,
    ),
    responses(
        (status = 200, body = Object, content_type = "application/prs.coverage+json"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn cube(
    State(app): State<App>,
    Path(name): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    within(&app, &name, &parameters, &headers, ("bbox", query::bounding_box(&parameters)?)).await
}

/// Values over time in a circle.
#[utoipa::path(
    get, path = "/edr/collections/{collection}/radius", tag = "edr",
    params(
        ("collection" = String, Path, description = "Name of a source"),
        ("coords" = String, Query, description = "Well-known text: POINT(lon lat)"),
        ("within" = f64, Query, description = "How far from there"),
        ("within-units" = String, Query, description = "km, m, mi or nmi"),
        Narrowed,
    ),
    responses(
        (status = 200, body = Object, content_type = "application/prs.coverage+json"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn radius(
    State(app): State<App>,
    Path(name): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    within(&app, &name, &parameters, &headers, ("coords", query::circle(&parameters)?)).await
}

/// The cells of an extent, which one parameter gives.
async fn within(
    app: &App,
    name: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
    (place, extent): (&str, Extent),
) -> Result<Response, Problem> {
    let asked = Asked::read(app, name, parameters)?;
    let sampler = asked.sampler(place)?;
    // A million cells take some tenths of a second.
    let sampled = tokio::task::spawn_blocking(move || sampler.area(&extent)).await;
    let coverage = sampled.map_err(|e| Problem::internal(&e))?.map_err(|reason| asked.problem(place, reason))?;
    asked.reply(&coverage, headers)
}

/// What every query names.
struct Asked {
    view: Arc<SourceView>,
    quantities: Vec<crate::edr::parameter::Parameter>,
    period: query::Period,
    age: (Option<i64>, bool),
}

impl Asked {
    fn read(app: &App, name: &str, parameters: &Parameters) -> Result<Self, Problem> {
        let view = source(app, name)?;
        query::check_form(parameters)?;
        let quantities = query::quantities(parameters, &view)?;
        Ok(Self { quantities, period: query::period(parameters)?, age: app.age(&view), view })
    }

    fn sampler(&self, place: &str) -> Result<Sampler, Problem> {
        Sampler::new(&self.view, self.quantities.clone(), self.period).map_err(|reason| self.problem(place, reason))
    }

    /// In words; `place` is the parameter that says where.
    fn problem(&self, place: &str, reason: NoSample) -> Problem {
        let not_found = StatusCode::NOT_FOUND;
        match reason {
            NoSample::Time => {
                let times: Vec<_> = instants(&self.view).iter().map(|frame| frame.valid_time()).collect();
                let between = times.first().zip(times.last()).map_or_else(String::new, |(a, b)| format!("{a} to {b}"));
                Problem::new(not_found, "there is nothing at that time").naming("datetime", between)
            }
            NoSample::Place => {
                let bounds = self.view.newest().map(|frame| bounds_of(frame)).map_or_else(String::new, |b| {
                    format!("places within {:.3},{:.3},{:.3},{:.3}", b.west, b.south, b.east, b.north)
                });
                Problem::new(not_found, format!("{} has nothing there", self.view.name)).naming(place, bounds)
            }
            NoSample::TooMuch(values) => {
                let detail = format!("the answer would have {values} values, the most are {MOST_VALUES}");
                let accepted = "a smaller one, fewer of datetime, or fewer of parameter-name";
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).naming(place, accepted)
            }
        }
    }

    fn reply(&self, coverage: &impl Serialize, headers: &HeaderMap) -> Result<Response, Problem> {
        let reply = Reply::json(coverage, KEEP_LATEST)?.of_type(MEDIA_TYPE);
        let newest = self.view.newest().map(|frame| frame.valid_time());
        Ok(reply.valid_at(newest).aged(self.age.0, self.age.1).to(headers))
    }
}

fn source(app: &App, name: &str) -> Result<Arc<SourceView>, Problem> {
    app.memory().source(name).filter(|view| view.newest().is_some()).ok_or_else(|| no_source(app, name))
}

fn no_source(app: &App, name: &str) -> Problem {
    let names: Vec<String> = app.memory().sources().iter().map(|view| view.name.clone()).collect();
    let accepted = if names.is_empty() { "none yet".into() } else { names.join(", ") };
    Problem::not_found(format!("there is no collection `{name}`")).naming("collection", accepted)
}
