//! `/v1/verification/{source}`: the sums that scores are made of.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use raincell_api_types::verification::{Added, ScoredNowcast};
use raincell_frame_store::valid_name;
use raincell_service_runtime::Problem;

use crate::App;
use crate::alerts::json_body;
use crate::answers::Refusal;
use crate::leases::Writable;
use crate::parameters::Parameters;

pub(crate) async fn add(
    State(app): State<App>,
    Path(source): Path<String>,
    Writable(store): Writable,
    body: Bytes,
) -> Result<Response, Refusal> {
    let source = valid_name("source", &source)?;
    let scored: Vec<ScoredNowcast> = json_body(&body)?;
    for nowcast in &scored {
        valid_name("method", &nowcast.method)?;
    }
    let added = store.add_verification(&source, &scored, app.runtime.clock.now()).await?;
    metrics::counter!("raincell_nowcasts_verified_total", "source" => source).increment(added);
    Ok(Json(Added { added }).into_response())
}

pub(crate) async fn pooled(
    State(app): State<App>,
    Path(source): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let time = |name: &str| {
        let given = parameters.time(name)?;
        given.ok_or_else(|| Problem::bad_parameter(name, format!("{name} is missing"), "a UTC time"))
    };
    let (from, to) = (time("from")?, time("to")?);
    Ok(Json(app.store.verification(&valid_name("source", &source)?, from, to).await?).into_response())
}
