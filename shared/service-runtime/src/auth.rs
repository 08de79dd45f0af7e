//! Bearer tokens between services.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

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
pub struct BearerToken(std::sync::Arc<str>);

impl BearerToken {
    /// Every request must carry `token`.
    pub fn new(token: &str) -> Self {
        Self(token.into())
    }
}

/// Lets a request through that carries the token; the comparison takes the same time for every wrong one.
pub async fn require_bearer(State(token): State<BearerToken>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let given = given.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or("");
    if same(given.as_bytes(), token.0.as_bytes()) {
        return next.run(request).await;
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
