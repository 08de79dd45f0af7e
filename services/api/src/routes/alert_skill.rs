//! `GET /v1/skill/alerts`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use raincell_api_types::alerts::AlertSkill;
use raincell_api_types::problem::ProblemDetails;
use raincell_service_runtime::Problem;

use crate::app::App;
use crate::http::reply::Reply;
use crate::routes::points::KEEP_LATEST;

/// How right the rain warnings of the last four weeks were: each is verified against what the radar then saw at its place.
#[utoipa::path(
    get, path = "/v1/skill/alerts", tag = "points",
    responses(
        (status = 200, body = AlertSkill),
        (status = 503, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn alerts(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let skill = app.alert_score().get().await;
    let skill = skill.map_err(|error| Problem::unavailable(format!("the score cannot be read: {error}")))?;
    Ok(Reply::json(&skill, KEEP_LATEST)?.to(&headers))
}
