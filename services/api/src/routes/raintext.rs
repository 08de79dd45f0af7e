//! Buienradar raintext: `GET /data/raintext`.

use std::fmt::Write;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use raincell_api_types::problem::ProblemDetails;
use raincell_service_runtime::Problem;

use crate::app::App;
use crate::http::parameters::Parameters;
use crate::http::reply::Reply;
use crate::outlook::{after, clock_time};
use crate::routes::points::{KEEP_LATEST, source_for};

/// Lines of an answer: the current slot, and 24 of 5 minutes after it.
const LINES: i64 = 25;
const SLOT_S: i64 = 300;

/// Rain of the next two hours, a line `PPP|HH:MM` for each 5 minutes; mm/h = 10^((PPP − 109)/32), 000 is dry.
///
/// Where a slot is not known, PPP is empty; where none is, the answer is 404.
#[utoipa::path(
    get, path = "/data/raintext", tag = "compatible",
    params(
        ("lat" = f64, Query, description = "Degrees north, -90 to 90"),
        ("lon" = f64, Query, description = "Degrees east, -180 to 180"),
        ("source" = Option<String>, Query, description = "Only this source"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn raintext(State(app): State<App>, parameters: Parameters, headers: HeaderMap) -> Result<Response, Problem> {
    let (lat, lon) = parameters.place()?;
    let views = app.candidates(&parameters)?;
    let unknown = || Problem::not_found("no radar data for this place and time");
    let (view, timeline) = source_for(&views, lat, lon).ok_or_else(unknown)?;
    let now = app.now();
    let first = slot_of(now);
    let rates: Vec<Option<f32>> = (0..LINES)
        .map(|line| {
            let slot = after(first, line * SLOT_S / 60);
            // The newest frame may lie within the current slot, after its beginning.
            timeline.rate_at(slot).or_else(|| if line == 0 { timeline.rate_at(now) } else { None })
        })
        .collect();
    if rates.iter().all(Option::is_none) {
        return Err(unknown());
    }
    let mut text = String::new();
    for (line, &rate) in (0..).zip(&rates) {
        let time = clock_time(after(first, line * SLOT_S / 60), app.zone());
        // Writing to a string cannot fail.
        let _ = match rate {
            Some(rate) => write!(text, "{:03}|{time}\r\n", code(rate)),
            None => write!(text, "|{time}\r\n"),
        };
    }
    let (age, stale) = app.age(view);
    let reply = Reply::bytes("text/plain; charset=utf-8", text, KEEP_LATEST);
    Ok(reply.valid_at(Some(timeline.base_time())).aged(age, stale).to(&headers))
}

fn slot_of(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second().div_euclid(SLOT_S) * SLOT_S).unwrap_or(time)
}

/// `clamp(round(109 + 32·log10 R), 0, 255)`, 0 for dry.
fn code(rate_mm_h: f32) -> u8 {
    if rate_mm_h <= 0.0 { 0 } else { (109.0 + 32.0 * rate_mm_h.log10()).round().clamp(0.0, 255.0) as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_to_the_rates_they_came_from() {
        for (rate, expected) in [(0.0, 0), (1.0, 109), (10.0, 141), (0.1, 77), (100_000.0, 255), (1e-6, 0)] {
            assert_eq!(code(rate), expected);
        }
        let back = 10_f32.powf((f32::from(code(3.7)) - 109.0) / 32.0);
        assert!((back / 3.7 - 1.0).abs() < 0.04, "{back}");
    }

    #[test]
    fn a_slot_begins_at_a_full_five_minutes() {
        let time: Timestamp = "2026-06-01T12:04:59.9Z".parse().unwrap();
        assert_eq!(slot_of(time).to_string(), "2026-06-01T12:00:00Z");
    }
}
