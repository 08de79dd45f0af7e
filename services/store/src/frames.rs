//! `/v1/frames…` and `/v1/sources`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use raincell_api_types::frames::FramePage;
use raincell_frame::{FrameHeader, MEDIA_TYPE, decode_header};
use raincell_frame_store::{FrameKey, FrameQuery, Put};
use raincell_service_runtime::Problem;

use crate::App;
use crate::answers::{Refusal, body_answer, expect_media_type, expect_same, put_answer, write_condition};
use crate::leases::Writable;
use crate::parameters::{Parameters, time_in};
use crate::whole_body::WholeBody;

/// The most frames in one page.
const LARGEST_PAGE: usize = 1000;

/// Source, product and time as they stand in the path.
type FramePath = Path<(String, String, String)>;

pub(crate) async fn put(
    State(app): State<App>,
    Path(path): FramePath,
    Writable(store): Writable,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Result<Response, Refusal> {
    let key = key_of(&path)?;
    expect_media_type(&headers, MEDIA_TYPE)?;
    let condition = write_condition(&headers)?;
    validate(&key, &body)?;
    let size = body.len() as u64;
    let put = store.put_frame(&key, body, &condition, app.runtime.clock.now()).await?;
    if let Put::New(info) = &put {
        metrics::counter!("raincell_frames_stored_total", "source" => info.source.clone()).increment(1);
        metrics::counter!("raincell_frames_stored_bytes_total", "source" => info.source.clone()).increment(size);
        tracing::info!(source = info.source, valid_time = %info.valid_time, bytes = info.bytes, "frame stored");
    }
    Ok(put_answer(&put))
}

/// The bytes must be a whole frame, and the one that the path names.
fn validate(key: &FrameKey, body: &[u8]) -> Result<(), Problem> {
    let header = decode_header(body).map_err(|e| malformed("a sparse frame", &e))?;
    expect_same("source", &key.source(), &header.source)?;
    expect_same("product", &key.product(), &header.product)?;
    expect_same("valid_time", &key.valid_time(), &header.valid_time)?;
    expect_whole(&header, body)
}

/// Bits that fell over on the way here are still the sender's to send again; later they would be lost.
pub(crate) fn expect_whole(header: &FrameHeader, body: &[u8]) -> Result<(), Problem> {
    for (number, segment) in header.segments.iter().enumerate() {
        let bytes = body.get(segment.offset..segment.offset + segment.length).unwrap_or_default();
        let found = crc32fast::hash(bytes);
        if found != segment.crc {
            let detail = format!(
                "the body is damaged: segment {number} at byte {} has CRC-32 {found:08x}, its header says {:08x}",
                segment.offset, segment.crc
            );
            return Err(Problem::bad_parameter("body", detail, "a sparse frame as it was encoded"));
        }
    }
    Ok(())
}

pub(crate) fn malformed(what: &str, error: &raincell_frame::DecodeError) -> Problem {
    Problem::bad_parameter("body", format!("the body is not {what}: {error}"), what)
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(path): FramePath,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let stored = app.store.frame(&key_of(&path)?).await?;
    Ok(body_answer(stored, MEDIA_TYPE, &headers))
}

fn key_of((source, product, valid_time): &(String, String, String)) -> Result<FrameKey, Refusal> {
    let valid_time = time_in("valid_time", valid_time)?;
    Ok(FrameKey::new(source, product, valid_time)?)
}

pub(crate) async fn list(State(app): State<App>, parameters: Parameters) -> Result<Response, Refusal> {
    let query = query_of(&parameters)?;
    Ok(Json(app.store.list_frames(&query).await?).into_response())
}

fn query_of(parameters: &Parameters) -> Result<FrameQuery, Problem> {
    Ok(FrameQuery {
        source: parameters.text("source").map(str::to_owned),
        product: parameters.text("product").map(str::to_owned),
        from: parameters.time("from")?,
        to: parameters.time("to")?,
        limit: parameters.number("limit", &(1..=LARGEST_PAGE))?.unwrap_or(LARGEST_PAGE),
        cursor: parameters.text("cursor").map(str::to_owned),
    })
}

pub(crate) async fn latest(State(app): State<App>, parameters: Parameters) -> Result<Response, Refusal> {
    let n = parameters.number("n", &(1..=LARGEST_PAGE))?.unwrap_or(1);
    let (source, product) = (parameters.required("source")?, parameters.text("product").unwrap_or("rate"));
    let frames = app.store.latest_frames(source, product, n).await?;
    Ok(Json(FramePage { frames, next_cursor: None }).into_response())
}

pub(crate) async fn sources(State(app): State<App>) -> Result<Response, Refusal> {
    Ok(Json(app.store.sources().await?).into_response())
}
