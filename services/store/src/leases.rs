//! `/v1/leases/{name}`, and the fence of a write.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use raincell_api_types::leases::{Fence, LeaseChange};
use raincell_frame_store::{FrameStore, StoreError, valid_name};
use raincell_service_runtime::Problem;

use crate::App;
use crate::alerts::json_body;
use crate::answers::Refusal;

/// Names the lease under which a write is made, and its fencing token.
const FENCE_HEADER: &str = "raincell-fence";
/// An hour without a holder is longer than anybody wants to wait.
const LONGEST_MS: u64 = 3_600_000;

/// The store as this request may write to it: under its lease where it names one.
pub(crate) struct Writable(pub(crate) Arc<dyn FrameStore>);

impl FromRequestParts<App> for Writable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(FENCE_HEADER) else { return Ok(Self(Arc::clone(&app.store))) };
        let fence: Result<Fence, String> = value.to_str().map_err(|e| e.to_string()).and_then(str::parse);
        match fence {
            Ok(fence) => Ok(Self(app.store.fenced(fence))),
            Err(reason) => {
                Err(Problem::bad_parameter("Raincell-Fence", reason, "the name of a lease, `=` and its fencing token"))
            }
        }
    }
}

pub(crate) async fn get(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Refusal> {
    Ok(Json(app.store.lease(&valid_name("lease", &name)?).await?).into_response())
}

/// 409 carries the lease as it is stored, for another change, or to watch it.
pub(crate) async fn change(State(app): State<App>, Path(name): Path<String>, body: Bytes) -> Result<Response, Refusal> {
    let change: LeaseChange = json_body(&body)?;
    let name = valid_name("lease", &name)?;
    expect_sensible(&change)?;
    match app.store.change_lease(&name, &change).await {
        Ok(lease) => {
            if !matches!(change, LeaseChange::Renew { .. }) {
                tracing::info!(name, owner = lease.owner, fence = lease.fence, "lease changed hands");
            }
            Ok(Json(lease).into_response())
        }
        Err(StoreError::Stale { .. } | StoreError::Fenced { .. }) => {
            Ok((StatusCode::CONFLICT, Json(app.store.lease(&name).await?)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn expect_sensible(change: &LeaseChange) -> Result<(), Problem> {
    if change.owner().is_empty() {
        return Err(Problem::bad_parameter("owner", "owner is empty", "a name that nobody else has"));
    }
    match change {
        LeaseChange::Take { duration_ms, .. } if !(1..=LONGEST_MS).contains(duration_ms) => {
            let detail = format!("duration_ms is {duration_ms}");
            Err(Problem::bad_parameter("duration_ms", detail, format!("1 to {LONGEST_MS}")))
        }
        _ => Ok(()),
    }
}
