//! MET Norway nowcast 2.0: `GET /weatherapi/nowcast/2.0/complete`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use raincell_api_types::problem::ProblemDetails;
use raincell_service_runtime::Problem;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::parameters::Parameters;
use crate::http::reply::Reply;
use crate::outlook::after;
use crate::routes::points::{KEEP_LATEST, source_for};
use crate::timeline::Timeline;

/// Entries of the series beyond the first, 5 minutes each.
const STEPS: i64 = 24;
/// Of those, the ones within the first hour.
const STEPS_AN_HOUR: usize = 12;

/// Rain of the next two hours as a GeoJSON feature. Steps that are not known carry no rate.
///
/// `symbol_code` is `cloudy` while it stays dry: radar sees rain, not sky.
#[utoipa::path(
    get, path = "/weatherapi/nowcast/2.0/complete", tag = "compatible",
    params(
        ("lat" = f64, Query, description = "Degrees north, at most 4 decimals"),
        ("lon" = f64, Query, description = "Degrees east, at most 4 decimals"),
        ("altitude" = Option<i32>, Query, description = "Metres, told back in the geometry"),
    ),
    responses(
        (status = 200, body = Object, content_type = "application/json"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn complete(State(app): State<App>, parameters: Parameters, headers: HeaderMap) -> Result<Response, Problem> {
    for name in ["lat", "lon"] {
        check_decimals(name, parameters.text(name).unwrap_or_default())?;
    }
    let (lat, lon) = parameters.place()?;
    let altitude = parameters.number("altitude", -500..=9000, 0)?;
    let views = app.candidates(&parameters)?;
    let answer = |coverage: &str, updated_at: Timestamp, timeseries: Vec<Value>| {
        json!({
            "type": "Feature",
            "geometry": { "type": "Point", "coordinates": [lon, lat, altitude] },
            "properties": {
                "meta": {
                    "updated_at": seconds(updated_at),
                    "units": { "precipitation_amount": "mm", "precipitation_rate": "mm/h" },
                    "radar_coverage": coverage,
                },
                "timeseries": timeseries,
            },
        })
    };
    let Some((view, timeline)) = source_for(&views, lat, lon) else {
        let (coverage, newest) = match views.iter().filter_map(|view| view.newest()).map(|f| f.valid_time()).max() {
            Some(newest) => ("no coverage", newest),
            None => ("temporarily unavailable", app.now()),
        };
        return Ok(Reply::json(&answer(coverage, newest, Vec::new()), KEEP_LATEST)?.to(&headers));
    };
    let (age, stale) = app.age(view);
    let entries = timeseries(&timeline, app.now());
    let unavailable = stale || timeline.newest_rate().is_none() || entries.is_empty();
    let coverage = if unavailable { "temporarily unavailable" } else { "ok" };
    let reply = Reply::json(&answer(coverage, timeline.base_time(), entries), KEEP_LATEST)?;
    Ok(reply.valid_at(Some(timeline.base_time())).aged(age, stale).to(&headers))
}

/// More precision than the data have makes caches useless; the original refuses it, too.
fn check_decimals(name: &str, text: &str) -> Result<(), Problem> {
    if text.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 4) {
        return Ok(());
    }
    let detail = format!("{name} is `{text}`: at most 4 decimals are accepted");
    Err(Problem::new(StatusCode::FORBIDDEN, detail).naming(name, "at most 4 decimals"))
}

fn timeseries(timeline: &Timeline<'_>, now: Timestamp) -> Vec<Value> {
    let first = Timestamp::from_second(now.as_second().div_euclid(300) * 300).unwrap_or(now);
    let times: Vec<Timestamp> = (0..=STEPS).map(|step| after(first, step * 5)).collect();
    let known =
        |&time: &Timestamp| timeline.rate_at(time).or_else(|| if time == first { timeline.rate_at(now) } else { None });
    let rates: Vec<Option<f32>> = times.iter().map(known).collect();
    let Some(last_known) = rates.iter().rposition(Option::is_some) else { return Vec::new() };
    let mut entries: Vec<Value> = times
        .iter()
        .zip(&rates)
        .take(last_known + 1)
        .map(|(&time, rate)| {
            let details = rate.map_or_else(|| json!({}), |rate| json!({ "precipitation_rate": round(rate, 10.0) }));
            json!({ "time": seconds(time), "data": { "instant": { "details": details } } })
        })
        .collect();
    if let Some(amount_mm) = first_hour_mm(&rates) {
        entries[0]["data"]["next_1_hours"] = json!({
            "summary": { "symbol_code": symbol(amount_mm) },
            "details": { "precipitation_amount": round(amount_mm, 10.0) },
        });
    }
    entries
}

/// Millimetres of the first hour by the trapezoidal rule; `None` unless all of it is known.
fn first_hour_mm(rates: &[Option<f32>]) -> Option<f32> {
    let rates: Vec<f32> = rates.get(..=STEPS_AN_HOUR)?.iter().copied().collect::<Option<_>>()?;
    let between: f32 = rates.windows(2).map(|pair| f32::midpoint(pair[0], pair[1])).sum();
    Some(between / STEPS_AN_HOUR as f32)
}

/// Symbol of an hour's amount, in the steps of the original's symbols for one hour.
fn symbol(amount_mm: f32) -> &'static str {
    match amount_mm {
        mm if mm < 0.1 => "cloudy",
        mm if mm < 0.25 => "lightrain",
        mm if mm < 0.95 => "rain",
        _ => "heavyrain",
    }
}

fn round(value: f32, steps: f64) -> f64 {
    (f64::from(value) * steps).round() / steps
}

/// RFC 3339 with whole seconds.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_summed_only_when_all_of_it_is_known() {
        assert_eq!(first_hour_mm(&[Some(1.5); 25]), Some(1.5));
        let mut rates = [Some(1.2); 25];
        rates[12] = None;
        assert_eq!(first_hour_mm(&rates), None);
        assert_eq!(symbol(0.0), "cloudy");
        assert_eq!(symbol(1.2), "heavyrain");
    }

    #[test]
    fn five_decimals_are_too_many() {
        assert!(check_decimals("lat", "52.1234").is_ok());
        assert!(check_decimals("lat", "52").is_ok());
        assert_eq!(check_decimals("lat", "52.12345").unwrap_err().status(), StatusCode::FORBIDDEN);
    }
}
