//! `/v1/alerts…`: states of watched places, and the outbox.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use raincell_api_types::alerts::{AlertTransition, PostOutcome, PostStatus};
use raincell_frame_store::StoreError;
use raincell_service_runtime::Problem;
use serde::de::DeserializeOwned;

use crate::App;
use crate::answers::Refusal;
use crate::leases::Writable;
use crate::parameters::Parameters;

/// The most posts in one listing.
const LONGEST_LIST: usize = 1000;

pub(crate) async fn state(State(app): State<App>, Path(place): Path<String>) -> Result<Response, Refusal> {
    Ok(Json(app.store.alert_state(&place).await?).into_response())
}

/// 409 carries the state that is stored, to compute the change anew from.
pub(crate) async fn transition(
    State(app): State<App>,
    Path(place): Path<String>,
    Writable(store): Writable,
    body: Bytes,
) -> Result<Response, Refusal> {
    let transition: AlertTransition = json_body(&body)?;
    match store.transition(&place, &transition, app.runtime.clock.now()).await {
        Ok(state) => {
            for post in &transition.posts {
                tracing::info!(place, key = post.key, "post in the outbox");
            }
            Ok(Json(state).into_response())
        }
        Err(StoreError::Stale { .. }) => {
            let stored = app.store.alert_state(&place).await?;
            Ok((StatusCode::CONFLICT, Json(stored)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn outbox(State(app): State<App>, parameters: Parameters) -> Result<Response, Refusal> {
    let status = match parameters.text("status") {
        None => None,
        Some("pending") => Some(PostStatus::Pending),
        Some("sent") => Some(PostStatus::Sent),
        Some("failed") => Some(PostStatus::Failed),
        Some(other) => {
            let problem = Problem::bad_parameter("status", format!("status is {other:?}"), "pending, sent or failed");
            return Err(problem.into());
        }
    };
    let posts = match (parameters.text("order"), status) {
        (None | Some("oldest"), status) => app.store.outbox(status, LONGEST_LIST).await?,
        (Some("newest"), None) => app.store.newest_posts(LONGEST_LIST).await?,
        (Some("newest"), Some(_)) => {
            let detail = "the newest posts are listed whatever their status";
            return Err(Problem::bad_parameter("status", detail, "no status beside order=newest").into());
        }
        (Some(other), _) => {
            return Err(Problem::bad_parameter("order", format!("order is {other:?}"), "oldest or newest").into());
        }
    };
    Ok(Json(posts).into_response())
}

pub(crate) async fn post(State(app): State<App>, Path(key): Path<String>) -> Result<Response, Refusal> {
    Ok(Json(app.store.outbox_post(&key).await?).into_response())
}

pub(crate) async fn record(
    Path(key): Path<String>,
    Writable(store): Writable,
    body: Bytes,
) -> Result<Response, Refusal> {
    let outcome: PostOutcome = json_body(&body)?;
    Ok(Json(store.record_outcome(&key, &outcome).await?).into_response())
}

/// Read by hand, so that what is wrong with it is told as a problem like all others.
pub(crate) fn json_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the body cannot be read: {error}");
        Problem::bad_parameter("body", detail, "the JSON shape of this path").into()
    })
}
