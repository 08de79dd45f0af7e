//! The one place where an error becomes an HTTP answer (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use raincell_api_types::problem::ProblemDetails;

/// An error on its way to a client.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    // Boxed, so that results that carry one stay small.
    details: Box<ProblemDetails>,
}

impl Problem {
    /// Of any status; the title is that of the status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let details = ProblemDetails {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
            parameter: None,
            accepted: None,
        };
        Self { status, details: Box::new(details) }
    }

    /// 400: a parameter that cannot be used, with what it accepts.
    pub fn bad_parameter(parameter: &str, detail: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail).naming(parameter, accepted)
    }

    /// The same, naming the parameter at fault and what it accepts.
    #[must_use]
    pub fn naming(mut self, parameter: &str, accepted: impl Into<String>) -> Self {
        self.details.parameter = Some(parameter.into());
        self.details.accepted = Some(accepted.into());
        self
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 503: a dependency does not answer.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// 500. The cause goes to the log, not to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something failed here; the log says what")
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.details)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
