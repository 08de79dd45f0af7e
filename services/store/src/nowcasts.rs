//! `/v1/nowcasts…`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use raincell_frame::{RUN_MEDIA_TYPE, decode_header, decode_run_header};
use raincell_frame_store::{NowcastKey, Put, StoreError};
use raincell_service_runtime::Problem;

use crate::App;
use crate::answers::{Refusal, body_answer, expect_media_type, expect_same, put_answer, write_condition};
use crate::frames::{expect_whole, malformed};
use crate::leases::Writable;
use crate::parameters::{Parameters, time_in};
use crate::whole_body::WholeBody;

/// The most runs in one listing.
const LONGEST_LIST: usize = 1000;

/// Source and time as they stand in the path.
type RunPath = Path<(String, String)>;

pub(crate) async fn put(
    State(app): State<App>,
    Path(path): RunPath,
    Writable(store): Writable,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Result<Response, Refusal> {
    let key = key_of(&path)?;
    expect_media_type(&headers, RUN_MEDIA_TYPE)?;
    let condition = write_condition(&headers)?;
    validate(&key, &body)?;
    let size = body.len() as u64;
    let put = store.put_nowcast(&key, body, &condition, app.runtime.clock.now()).await?;
    if let Put::New(info) = &put {
        metrics::counter!("raincell_nowcasts_stored_total", "source" => info.source.clone()).increment(1);
        metrics::counter!("raincell_nowcasts_stored_bytes_total", "source" => info.source.clone()).increment(size);
        tracing::info!(source = info.source, issue_time = %info.issue_time, bytes = info.bytes, "nowcast stored");
    }
    Ok(put_answer(&put))
}

fn validate(key: &NowcastKey, body: &[u8]) -> Result<(), Problem> {
    let header = decode_run_header(body).map_err(|e| malformed("a nowcast run", &e))?;
    expect_same("source", &key.source(), &header.source)?;
    expect_same("issue_time", &key.issue_time(), &header.issue_time)?;
    for product in &header.products {
        let frame = product.frame_bytes(body);
        let header = decode_header(frame).map_err(|e| malformed("a nowcast run", &e))?;
        expect_whole(&header, frame)?;
    }
    Ok(())
}

pub(crate) async fn get(State(app): State<App>, Path(path): RunPath, headers: HeaderMap) -> Result<Response, Refusal> {
    let stored = app.store.nowcast(&key_of(&path)?).await?;
    Ok(body_answer(stored, RUN_MEDIA_TYPE, &headers))
}

fn key_of((source, issue_time): &(String, String)) -> Result<NowcastKey, Refusal> {
    let issue_time = time_in("issue_time", issue_time)?;
    Ok(NowcastKey::new(source, issue_time)?)
}

pub(crate) async fn latest(
    State(app): State<App>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let source = parameters.required("source")?;
    let newest = app.store.latest_nowcasts(source, 1).await?;
    let Some(info) = newest.last() else {
        return Err(StoreError::NotFound { what: format!("a nowcast of {source}") }.into());
    };
    let key = NowcastKey::new(&info.source, info.issue_time)?;
    let stored = app.store.nowcast(&key).await?;
    Ok(body_answer(stored, RUN_MEDIA_TYPE, &headers))
}

pub(crate) async fn list(State(app): State<App>, parameters: Parameters) -> Result<Response, Refusal> {
    let source = parameters.required("source")?;
    let limit = parameters.number("limit", &(1..=LONGEST_LIST))?;
    let runs = app.store.latest_nowcasts(source, limit.unwrap_or(LONGEST_LIST)).await?;
    Ok(Json(runs).into_response())
}
