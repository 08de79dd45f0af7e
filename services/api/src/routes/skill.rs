//! `GET /v1/skill`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use raincell_api_types::problem::ProblemDetails;
use raincell_api_types::verification::Skill;
use raincell_service_runtime::Problem;

use crate::app::App;
use crate::http::parameters::Parameters;
use crate::http::reply::Reply;
use crate::routes::points::KEEP_LATEST;

/// How the nowcasts verified over the last 24 hours and 30 days, with persistence beside them, by lead time.
///
/// Each nowcast is scored when the frames of its times come; all nowcasts of a window are pooled. Every observed cell
/// counts; where the nowcast knows nothing, it counts as dry.
#[utoipa::path(
    get, path = "/v1/skill", tag = "points",
    params(("source" = Option<String>, Query, description = "Which source; else the default one")),
    responses(
        (status = 200, body = Skill),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub async fn skill(State(app): State<App>, parameters: Parameters, headers: HeaderMap) -> Result<Response, Problem> {
    let view = app.one_source(&parameters)?;
    let newest = view.newest().ok_or_else(|| Problem::unavailable("no radar frame has come yet"))?;
    let known = app.skill().of(&view, newest.valid_time()).await;
    let known = known.map_err(|error| Problem::unavailable(format!("the verification cannot be read: {error}")))?;
    let (age, is_old) = app.age(&view);
    let stale = known.stale || is_old;
    let answer = Skill { stale, ..Skill::clone(&known) };
    Ok(Reply::json(&answer, KEEP_LATEST)?.valid_at(Some(answer.until)).aged(age, stale).to(&headers))
}
