//! The newest run of each source in memory, and `GET /v1/nowcast`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use raincell_service_runtime::Problem;
use serde::Deserialize;

/// An encoded run and its content hash.
#[derive(Clone, Debug)]
pub struct EncodedRun {
    /// As `raincell_frame::encode_run` made it.
    pub bytes: Bytes,
    /// Its content hash.
    pub hash: String,
    /// The method that made it.
    pub method: String,
    /// Why that is not the configured one.
    pub fallback: Option<String>,
}

/// The newest run of each source; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Latest(Arc<RwLock<HashMap<String, EncodedRun>>>);

impl Latest {
    /// Keeps a run as the newest of its source.
    pub fn keep(&self, source: &str, run: EncodedRun) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned(), run);
    }

    fn of(&self, source: Option<&str>) -> Option<EncodedRun> {
        let runs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match source {
            Some(source) => runs.get(source).cloned(),
            None => runs.iter().min_by_key(|(name, _)| *name).map(|(_, run)| run.clone()),
        }
    }

    /// `GET /v1/nowcast?source=`: the newest run as this process made it. `Raincell-Method` names the method that made it,
    /// `Raincell-Fallback` why that is not the configured one.
    pub fn routes(&self) -> Router {
        Router::new().route("/v1/nowcast", get(nowcast)).with_state(self.clone())
    }
}

#[derive(Deserialize)]
struct Which {
    source: Option<String>,
}

async fn nowcast(
    State(latest): State<Latest>,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let run = latest.of(which.source.as_deref()).ok_or_else(|| {
        Problem::not_found("no nowcast was made here yet; the store may hold an older one (GET /v1/nowcasts/latest)")
    })?;
    let tag = format!("\"{}\"", run.hash);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes()) {
        return Ok(axum::http::StatusCode::NOT_MODIFIED.into_response());
    }
    let mut response = run.bytes.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(raincell_frame::RUN_MEDIA_TYPE));
    let named = [("etag", Some(tag)), ("raincell-method", Some(run.method)), ("raincell-fallback", run.fallback)];
    for (name, value) in named {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
