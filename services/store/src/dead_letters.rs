//! `/v1/dead-letters…`: what was given up, until somebody looks at it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use raincell_api_types::dead_letters::{DeadLetterState, NewDeadLetter, Replay};
use raincell_service_runtime::Problem;

use crate::App;
use crate::alerts::json_body;
use crate::answers::Refusal;
use crate::leases::Writable;
use crate::parameters::Parameters;

/// The most dead letters in one listing.
const LONGEST_LIST: usize = 1000;

pub(crate) async fn add(State(app): State<App>, Writable(store): Writable, body: Bytes) -> Result<Response, Refusal> {
    let letter: NewDeadLetter = json_body(&body)?;
    let stored = store.add_dead_letter(&letter, app.runtime.clock.now()).await?;
    metrics::counter!("raincell_dead_letters_total", "source" => letter.source.clone()).increment(1);
    tracing::warn!(id = stored.id, source = letter.source, key = letter.key, reason = letter.reason, "dead letter");
    Ok((StatusCode::CREATED, Json(stored)).into_response())
}

pub(crate) async fn list(State(app): State<App>, parameters: Parameters) -> Result<Response, Refusal> {
    let state = match parameters.text("state") {
        None => None,
        Some(name) => Some(DeadLetterState::of_name(name).ok_or_else(|| {
            Problem::bad_parameter("state", format!("state is {name:?}"), "dead, replay_requested or replayed")
        })?),
    };
    let limit = parameters.number("limit", &(1..=LONGEST_LIST))?.unwrap_or(LONGEST_LIST);
    Ok(Json(app.store.dead_letters(state, limit).await?).into_response())
}

pub(crate) async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(Json(app.store.dead_letter(number(&id)?).await?).into_response())
}

/// Asks for another try; the service that tries says here what became of a good one.
pub(crate) async fn replay(
    State(app): State<App>,
    Path(id): Path<String>,
    Writable(store): Writable,
    body: Bytes,
) -> Result<Response, Refusal> {
    let state = if body.is_empty() { DeadLetterState::ReplayRequested } else { json_body::<Replay>(&body)?.state };
    let letter = store.set_dead_letter_state(number(&id)?, state, app.runtime.clock.now()).await?;
    Ok(Json(letter).into_response())
}

fn number(id: &str) -> Result<u64, Problem> {
    id.parse().map_err(|_| Problem::bad_parameter("id", format!("id is {id:?}"), "the number of a dead letter"))
}
