//! `GET /v1/rain`, `GET` and `POST /v1/forecast`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use raincell_api_types::forecast::{ForecastStep, PastRain, PointForecast, PointStatus, RainNow};
use raincell_api_types::problem::ProblemDetails;
use raincell_service_runtime::Problem;
use raincell_words::{Language, Summary, data_age};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::language::language_for;
use crate::http::parameters::{Parameters, check_place};
use crate::http::reply::{Keep, Reply};
use crate::memory::{HeldRun, SourceView};
use crate::outlook::{Outlook, after};
use crate::products::{PERCENTILES, PROBABILITIES};
use crate::timeline::Timeline;

/// How long an answer about now may be kept.
pub const KEEP_LATEST: Keep = Keep::Seconds(15);
/// Most points of one request.
const MOST_POINTS: usize = 1000;
/// Observed slots before the forecast, 5 minutes each.
const PAST_SLOTS: i64 = 6;

/// The source that answers for a place: the first whose newest frame observed it, else the first whose grid holds it.
pub fn source_for(views: &[Arc<SourceView>], lat: f64, lon: f64) -> Option<(&SourceView, Timeline<'_>)> {
    let mut holding = None;
    for view in views {
        let Some(timeline) = Timeline::at(view, lat, lon) else { continue };
        if timeline.newest_rate().is_some() {
            return Some((view, timeline));
        }
        holding = holding.or(Some((view.as_ref(), timeline)));
    }
    holding
}

/// Rain at a place now.
#[utoipa::path(
    get, path = "/v1/rain", tag = "points",
    params(
        ("lat" = f64, Query, description = "Degrees north, -90 to 90"),
        ("lon" = f64, Query, description = "Degrees east, -180 to 180"),
        ("past" = Option<i64>, Query, description = "Minutes of past observations to add, 0 to the minutes kept"),
        ("source" = Option<String>, Query, description = "Only this source"),
    ),
    responses(
        (status = 200, body = RainNow),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn rain(State(app): State<App>, parameters: Parameters, headers: HeaderMap) -> Result<Response, Problem> {
    let (lat, lon) = parameters.place()?;
    let past_min = parameters.number("past", 0..=app.config().history_minutes, 0)?;
    let views = app.candidates(&parameters)?;
    let Some((view, timeline)) = source_for(&views, lat, lon) else {
        let answer = RainNow {
            lat,
            lon,
            status: PointStatus::Outside,
            rate_mm_h: None,
            quality: None,
            valid_time: None,
            data_age_s: None,
            stale: false,
            source: None,
            past: (past_min > 0).then(Vec::new),
        };
        return Ok(Reply::json(&answer, KEEP_LATEST)?.to(&headers));
    };
    let (data_age_s, stale) = app.age(view);
    let since = after(timeline.newest_time(), -past_min);
    let past = timeline.observed_since(since).map(|(valid_time, rate_mm_h)| PastRain { valid_time, rate_mm_h });
    let rate_mm_h = timeline.newest_rate();
    let answer = RainNow {
        lat,
        lon,
        status: if rate_mm_h.is_some() { PointStatus::Ok } else { PointStatus::NoData },
        rate_mm_h,
        quality: timeline.quality(),
        valid_time: Some(timeline.newest_time()),
        data_age_s,
        stale,
        source: Some(view.name.clone()),
        past: (past_min > 0).then(|| past.collect()),
    };
    let content = format!("rain {lat} {lon} {past_min} {} {stale}", view.version());
    let reply = Reply::json(&answer, KEEP_LATEST)?.made_from(&content);
    Ok(reply.valid_at(answer.valid_time).aged(data_age_s, stale).to(&headers))
}

/// Rain at a place over the next two hours.
#[utoipa::path(
    get, path = "/v1/forecast", tag = "points",
    params(
        ("lat" = f64, Query, description = "Degrees north, -90 to 90"),
        ("lon" = f64, Query, description = "Degrees east, -180 to 180"),
        ("source" = Option<String>, Query, description = "Only this source"),
        ("tz" = Option<String>, Query, description = "IANA time zone in which the summary tells times"),
        ("lang" = Option<String>, Query, description = "Language of the summary: en, nl, de, fr or hi; else the \
            Accept-Language header decides, else en"),
    ),
    responses(
        (status = 200, body = PointForecast),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn forecast(State(app): State<App>, parameters: Parameters, headers: HeaderMap) -> Result<Response, Problem> {
    let (lat, lon) = parameters.place()?;
    let views = app.candidates(&parameters)?;
    let voice = Voice::asked_for(&app, &parameters, &headers)?;
    let now = app.now();
    let answer = point_forecast(&app, &views, &voice, now, lat, lon);
    let content = content_of(&views, &voice, now, &format!("{lat} {lon} {}", answer.stale));
    let reply = Reply::json(&answer, KEEP_LATEST)?.made_from(&content).in_language(voice.language.code());
    Ok(reply.valid_at(answer.issue_time).aged(answer.data_age_s, answer.stale).to(&headers))
}

/// How the summary is told.
struct Voice {
    language: Language,
    zone: TimeZone,
}

impl Voice {
    fn asked_for(app: &App, parameters: &Parameters, headers: &HeaderMap) -> Result<Self, Problem> {
        let zone = parameters.zone()?.unwrap_or_else(|| app.zone().clone());
        Ok(Self { language: language_for(parameters, headers)?, zone })
    }
}

/// A place.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct Point {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
}

/// Places to be forecast at once.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ForecastRequest {
    /// 1 to 1,000 of them.
    pub points: Vec<Point>,
    /// Only this source.
    #[serde(default)]
    pub source: Option<String>,
}

/// Forecasts in the order of the points.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ForecastList {
    /// One a point.
    pub forecasts: Vec<PointForecast>,
}

/// Rain at up to 1,000 places over the next two hours.
#[utoipa::path(
    post, path = "/v1/forecast", tag = "points", request_body = ForecastRequest,
    params(
        ("tz" = Option<String>, Query, description = "IANA time zone in which the summaries tell times"),
        ("lang" = Option<String>, Query, description = "Language of the summaries: en, nl, de, fr or hi; else the \
            Accept-Language header decides, else en"),
    ),
    responses(
        (status = 200, body = ForecastList),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn forecasts(
    State(app): State<App>,
    mut parameters: Parameters,
    headers: HeaderMap,
    body: Result<Json<ForecastRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(request) = body.map_err(|rejection| {
        let accepted = r#"JSON such as {"points":[{"lat":52.1,"lon":5.2}]} with content-type application/json"#;
        Problem::bad_parameter("body", rejection.body_text(), accepted)
    })?;
    if !(1..=MOST_POINTS).contains(&request.points.len()) {
        let detail = format!("points has {} entries", request.points.len());
        return Err(Problem::bad_parameter("points", detail, format!("1 to {MOST_POINTS} entries")));
    }
    for (index, point) in request.points.iter().enumerate() {
        check_place(index, point.lat, point.lon)?;
    }
    if let Some(source) = request.source {
        parameters.set("source", source);
    }
    let views = app.candidates(&parameters)?;
    let voice = Voice::asked_for(&app, &parameters, &headers)?;
    let (now, language) = (app.now(), voice.language);
    // Some 20 µs a point: a thousand of them would hold up other requests.
    let worker = app.clone();
    let forecasts = tokio::task::spawn_blocking(move || {
        let one = |point: &Point| point_forecast(&worker, &views, &voice, now, point.lat, point.lon);
        request.points.iter().map(one).collect()
    });
    let answer = ForecastList { forecasts: forecasts.await.map_err(|e| Problem::internal(&e))? };
    let oldest = answer.forecasts.iter().filter_map(|forecast| forecast.data_age_s).max();
    let stale = answer.forecasts.iter().any(|forecast| forecast.stale);
    let issued = answer.forecasts.iter().filter_map(|forecast| forecast.issue_time).min();
    // A POST is not conditional: the answer goes out whole.
    let reply = Reply::json(&answer, KEEP_LATEST)?.valid_at(issued).aged(oldest, stale).in_language(language.code());
    Ok(reply.to(&HeaderMap::new()))
}

/// Changes whenever a forecast of these sources may read otherwise: "in 12 min" is another after a minute.
fn content_of(views: &[Arc<SourceView>], voice: &Voice, now: Timestamp, rest: &str) -> String {
    let versions: Vec<String> = views.iter().map(|view| view.version()).collect();
    let (zone, language) = (voice.zone.iana_name().unwrap_or("-"), voice.language.code());
    format!("forecast {rest} {zone} {language} {} {}", now.as_second().div_euclid(60), versions.join(" "))
}

/// The forecast of one place.
fn point_forecast(
    app: &App,
    views: &[Arc<SourceView>],
    voice: &Voice,
    now: Timestamp,
    lat: f64,
    lon: f64,
) -> PointForecast {
    let Voice { language, zone } = voice;
    let Some((view, timeline)) = source_for(views, lat, lon) else {
        return PointForecast {
            lat,
            lon,
            status: PointStatus::Outside,
            series: Vec::new(),
            arrival: None,
            summary: Summary::NoData.sentence(*language, zone),
            motion: None,
            issue_time: None,
            data_age_s: None,
            stale: false,
            model_version: None,
            source: None,
        };
    };
    let (data_age_s, mut stale) = app.age(view);
    stale |= now.duration_since(timeline.base_time()) > app.stale_after();
    let outlook = Outlook::new(now, timeline.horizon(), |time| timeline.rate_at(time));
    let series = series(&timeline);
    let chances: Vec<_> = series.iter().filter_map(|step| Some((step.valid_time, step.probability_0_1?))).collect();
    let spell = timeline.spell();
    let arrival = outlook.arrival().map(|arrival| outlook.with_chances(arrival, &chances));
    let arrival = arrival.map(|arrival| outlook.with_spell(arrival, &spell));
    let mut summary = match timeline.run() {
        Some(_) => outlook.summary(arrival.as_ref().and_then(|arrival| arrival.probability), *language, zone),
        None => Summary::NotYet.sentence(*language, zone),
    };
    if stale {
        let age_min = now.duration_since(timeline.base_time()).as_mins();
        summary = format!("{summary} {}", data_age(*language, age_min));
    }
    PointForecast {
        lat,
        lon,
        status: if timeline.newest_rate().is_some() { PointStatus::Ok } else { PointStatus::NoData },
        series,
        arrival,
        summary,
        motion: timeline.motion(),
        issue_time: Some(timeline.base_time()),
        data_age_s,
        stale,
        model_version: timeline.run().map(|run| run.model_version.clone()),
        source: Some(view.name.clone()),
    }
}

/// Every 5 minutes, at round times: observed for half an hour, then as far as the run reaches.
fn series(timeline: &Timeline<'_>) -> Vec<ForecastStep> {
    let slot_s = 300;
    let base = Timestamp::from_second(timeline.base_time().as_second().div_euclid(slot_s) * slot_s);
    let base = base.unwrap_or_else(|_| timeline.base_time());
    let past = (-PAST_SLOTS..=0).map(|slot| after(base, slot * 5));
    let ahead = timeline.run().into_iter().flat_map(|run| run.steps.iter().map(|step| step.valid_time()));
    let products = timeline.run().map(HeldRun::products).unwrap_or_default();
    let step = |valid_time: Timestamp| {
        let observed = valid_time <= timeline.newest_time();
        let rate_mm_h = if observed { timeline.observed(valid_time) } else { timeline.rate_at(valid_time) };
        let product = |name: &str| if observed { None } else { timeline.product_at(&products, name, valid_time) };
        let [p10, p50, p90] = PERCENTILES.map(product);
        let [probability_0_1, probability_1, probability_5] = PROBABILITIES.map(product);
        ForecastStep { valid_time, observed, rate_mm_h, p10, p50, p90, probability_0_1, probability_1, probability_5 }
    };
    past.chain(ahead).map(step).collect()
}
