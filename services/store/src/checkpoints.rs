//! `/v1/checkpoints/{name…}`: where a service was, for when it starts again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use raincell_api_types::frames::Checkpoint;
use raincell_frame_store::StoreError;

use crate::App;
use crate::alerts::json_body;
use crate::answers::{Refusal, expect_same};
use crate::leases::Writable;

pub(crate) async fn get(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Refusal> {
    Ok(Json(app.store.checkpoint(&name).await?).into_response())
}

/// 409 carries the checkpoint that is stored; one that is not there has revision 0 and null.
pub(crate) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    Writable(store): Writable,
    body: Bytes,
) -> Result<Response, Refusal> {
    let checkpoint: Checkpoint = json_body(&body)?;
    expect_same("name", &name, &checkpoint.name)?;
    match store.put_checkpoint(&checkpoint).await {
        Ok(stored) => Ok(Json(stored).into_response()),
        Err(StoreError::Stale { .. }) => {
            let stored = match app.store.checkpoint(&name).await {
                Err(StoreError::NotFound { .. }) => Checkpoint { name, revision: 0, value: serde_json::Value::Null },
                other => other?,
            };
            Ok((StatusCode::CONFLICT, Json(stored)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
