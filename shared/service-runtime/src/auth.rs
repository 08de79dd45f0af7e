//! Bearer tokens between services.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use raincell_traces::{TRACEPARENT, TraceContext};
use tracing::Instrument;

use crate::Problem;

/// A new token of 128 random bits, for services that run in one process.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate_token() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no randomness for a token: {e}"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The token that a router wants; use with `axum::middleware::from_fn_with_state(token, require_bearer)`.
#[derive(Clone)]
pub struct BearerToken {
    service: &'static str,
    token: std::sync::Arc<str>,
}

impl BearerToken {
    /// Every request to `service` must carry `token`.
    pub fn new(service: &'static str, token: &str) -> Self {
        Self { service, token: token.into() }
    }
}

/// Lets a request through that carries the token; the comparison takes the same time for every wrong one. Those who have
/// it are trusted to say which trace the request belongs to (`traceparent`): what is done for it is logged under that.
pub async fn require_bearer(State(token): State<BearerToken>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let given = given.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or("");
    if same(given.as_bytes(), token.token.as_bytes()) {
        let asked_by = request.headers().get(TRACEPARENT).and_then(|v| TraceContext::parse(v.to_str().ok()?));
        let Some(TraceContext { trace, span }) = asked_by else { return next.run(request).await };
        let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
        let method = request.method().as_str();
        let span = tracing::info_span!("request", trace_id = %trace, parent_id = %span, service = token.service, method, route);
        return next.run(request).instrument(span).await;
    }
    let mut response =
        Problem::new(StatusCode::UNAUTHORIZED, "this path wants the bearer token of the services").into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_the_same() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"", b"abc"));
        assert_ne!(generate_token().unwrap(), generate_token().unwrap());
    }
}
