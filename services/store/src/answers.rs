//! How the store's errors, validators and bodies look over HTTP.

use std::error::Error;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use raincell_frame_store::{KeyError, Put, StoreError, Stored, WriteCondition};
use raincell_service_runtime::Problem;
use serde::Serialize;

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The store did not do it.
    Store(StoreError),
    /// The request is wrong.
    Problem(Box<Problem>),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self::Store(error.into())
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Store(error) => store_refusal(&error),
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

/// The one place where an error of the store becomes an answer.
fn store_refusal(error: &StoreError) -> Response {
    match error {
        StoreError::NotFound { .. } => Problem::not_found(error.to_string()).into_response(),
        StoreError::Conflict { stored, .. } => {
            with_etag(Problem::conflict(error.to_string()).into_response(), Some(stored))
        }
        StoreError::Precondition { found, .. } => {
            let problem = Problem::new(StatusCode::PRECONDITION_FAILED, error.to_string());
            with_etag(problem.into_response(), found.as_ref())
        }
        StoreError::Fenced { .. } => Problem::new(StatusCode::LOCKED, error.to_string()).into_response(),
        StoreError::Stale { .. } => Problem::conflict(error.to_string()).into_response(),
        StoreError::Key(key) => Problem::new(StatusCode::BAD_REQUEST, key.to_string()).into_response(),
        StoreError::Busy { .. } => {
            let mut response = Problem::unavailable(error.to_string()).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        StoreError::Corrupt { .. } | StoreError::Schema { .. } | StoreError::Backend { .. } => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Problem::internal(&format!("{error}{cause}")).into_response()
        }
    }
}

fn with_etag(mut response: Response, hash: Option<&String>) -> Response {
    if let Some(value) = hash.and_then(|hash| HeaderValue::from_str(&format!("\"{hash}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// What frames and nowcast runs have in common for HTTP.
pub(crate) trait Described: Serialize {
    /// Content hash.
    fn hash(&self) -> &String;
    /// When it holds.
    fn time(&self) -> Timestamp;
    /// When it was stored.
    fn stored_at(&self) -> Timestamp;
}

impl Described for raincell_api_types::frames::FrameInfo {
    fn hash(&self) -> &String {
        &self.hash
    }

    fn time(&self) -> Timestamp {
        self.valid_time
    }

    fn stored_at(&self) -> Timestamp {
        self.stored_at
    }
}

impl Described for raincell_api_types::frames::NowcastInfo {
    fn hash(&self) -> &String {
        &self.hash
    }

    fn time(&self) -> Timestamp {
        self.issue_time
    }

    fn stored_at(&self) -> Timestamp {
        self.stored_at
    }
}

/// 201 for what is new, 200 for what was there already, with what is known of it.
pub(crate) fn put_answer<T: Described>(put: &Put<T>) -> Response {
    let (status, info) = match put {
        Put::New(info) => (StatusCode::CREATED, info),
        Put::Same(info) => (StatusCode::OK, info),
    };
    with_etag((status, Json(info)).into_response(), Some(info.hash()))
}

/// A body, or 304 where the client has it.
pub(crate) fn body_answer<T: Described>(stored: Stored<T>, media_type: &'static str, request: &HeaderMap) -> Response {
    let Stored { info, body } = stored;
    let mut response = if has_already(request, info.hash()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, media_type)], body).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&http_date(info.time())) {
        headers.insert(header::LAST_MODIFIED, value);
    }
    if let Ok(value) = HeaderValue::from_str(&info.time().to_string()) {
        headers.insert("raincell-time", value);
    }
    if let Ok(value) = HeaderValue::from_str(&info.stored_at().to_string()) {
        headers.insert("raincell-stored-at", value);
    }
    with_etag(response, Some(info.hash()))
}

/// What `If-None-Match` says; a list of tags, weak or strong, or `*`.
fn has_already(request: &HeaderMap, hash: &str) -> bool {
    let tags = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    tags.flat_map(|v| v.split(',')).map(str::trim).any(|tag| {
        tag == "*"
            || tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(hash)
    })
}

/// What `If-Match` says.
pub(crate) fn write_condition(request: &HeaderMap) -> Result<WriteCondition, Problem> {
    let Some(value) = request.get(header::IF_MATCH) else { return Ok(WriteCondition::IfAbsent) };
    let tag = value.to_str().ok().and_then(|v| v.trim().strip_prefix('"')?.strip_suffix('"'));
    match tag {
        Some(hash) if !hash.contains('"') => Ok(WriteCondition::IfMatch(hash.to_owned())),
        _ => Err(Problem::bad_parameter(
            "If-Match",
            format!("If-Match is {value:?}"),
            "the content hash of the body to replace, in double quotes",
        )),
    }
}

/// The body must say that it is what the path takes.
pub(crate) fn expect_media_type(request: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    let found = request.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("nothing");
    if found.split(';').next().map(str::trim) == Some(expected) {
        return Ok(());
    }
    let detail = format!("Content-Type is {found}, expected {expected}");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// 422: the body says one thing, the path another.
pub(crate) fn expect_same(what: &str, path: &impl ToString, body: &impl ToString) -> Result<(), Problem> {
    let (path, body) = (path.to_string(), body.to_string());
    if path == body {
        return Ok(());
    }
    let detail = format!("{what} is {path} in the path, {body} in the body");
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
}

/// RFC 9110, section 5.6.7.
fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        // The example of RFC 9110, section 5.6.7.
        assert_eq!(http_date("1994-11-06T08:49:37Z".parse().unwrap()), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn if_none_match_knows_lists_weak_tags_and_the_star() {
        for hit in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert!(has_already(&headers(header::IF_NONE_MATCH, hit), "abc"), "{hit}");
        }
        for miss in ["abc", "\"ab\"", "", "\"abc"] {
            assert!(!has_already(&headers(header::IF_NONE_MATCH, miss), "abc"), "{miss}");
        }
    }

    #[test]
    fn if_match_wants_one_quoted_hash() {
        assert_eq!(write_condition(&HeaderMap::new()).unwrap(), WriteCondition::IfAbsent);
        let condition = write_condition(&headers(header::IF_MATCH, "\"abc\"")).unwrap();
        assert_eq!(condition, WriteCondition::IfMatch("abc".into()));
        for bad in ["*", "abc", "\"a\", \"b\"", ""] {
            assert!(write_condition(&headers(header::IF_MATCH, bad)).is_err(), "{bad}");
        }
    }
}
