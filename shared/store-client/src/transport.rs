//! One HTTP call with its time-outs and tries.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use backon::Retryable;
use bytes::Bytes;
use raincell_api_types::health::Readiness;
use raincell_api_types::leases::Fence;
use raincell_api_types::problem::ProblemDetails;
use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ClientError, RetryPolicy};

/// A connection pool to one store; cheap to clone.
#[derive(Clone)]
pub struct StoreClient {
    http: reqwest::Client,
    base: Arc<Url>,
    policy: RetryPolicy,
    /// Under which lease it writes.
    fence: Option<Arc<Fence>>,
}

impl Debug for StoreClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("StoreClient")
            .field("base", &self.base.as_str())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// A request as it is sent with each try.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    operation: &'static str,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    pub(crate) fn query(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.url.query_pairs_mut().append_pair(name, &value.to_string());
        self
    }

    pub(crate) fn query_if(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, &value),
            None => self,
        }
    }

    /// A header; a value that no header can hold (a hash from elsewhere with a line break in it) is left out, so that
    /// the store answers as if it was not given.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn body(mut self, media_type: &'static str, body: Bytes) -> Self {
        self.headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = body;
        self
    }

    pub(crate) fn json(self, value: &impl Serialize) -> Result<Self, ClientError> {
        let operation = self.operation;
        let body = serde_json::to_vec(value)
            .map_err(|e| ClientError::Answer { operation, reason: format!("the request is no JSON: {e}") })?;
        Ok(self.body("application/json", body.into()))
    }
}

/// An answer that is neither 5xx nor 429.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The try that was answered, from 1. Above 1, an earlier one may have had its effect.
    pub(crate) attempt: u32,
}

impl Answer {
    /// The `ETag` without its quotes.
    pub(crate) fn etag(&self) -> Option<String> {
        let value = self.headers.get(ETAG)?.to_str().ok()?;
        Some(value.trim_start_matches("W/").trim_matches('"').to_owned())
    }

    /// The body of a 2xx; `what` names what is missing after a 404.
    pub(crate) fn success(self, what: impl FnOnce() -> String) -> Result<Self, ClientError> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::NOT_FOUND => Err(ClientError::NotFound { what: what() }),
            StatusCode::UNAUTHORIZED => Err(ClientError::Unauthorized),
            StatusCode::LOCKED => Err(ClientError::Fenced { reason: problem_of(self.status, &self.body).detail }),
            status => Err(ClientError::Rejected {
                operation: self.operation,
                problem: Box::new(problem_of(status, &self.body)),
            }),
        }
    }

    pub(crate) fn read_json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| ClientError::Answer { operation: self.operation, reason: e.to_string() })
    }
}

impl StoreClient {
    /// For the store at `base_url` (`http://127.0.0.1:8081`), with the token of its config. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Address`] for an address that is no HTTP URL; [`ClientError::Setup`] for a token that no header
    /// can carry.
    pub fn new(base_url: &str, token: &str) -> Result<Self, ClientError> {
        let address = |reason: String| ClientError::Address { url: base_url.to_owned(), reason };
        let base = Url::parse(base_url).map_err(|e| address(e.to_string()))?;
        if base.scheme() != "http" || base.cannot_be_a_base() {
            return Err(address(format!("scheme {}", base.scheme())));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| ClientError::Setup("the token holds characters that no header can carry".into()))?;
        authorization.set_sensitive(true);
        let http = raincell_http_client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .no_proxy()
            .build()
            .map_err(|e| ClientError::Setup(e.to_string()))?;
        Ok(Self { http, base: Arc::new(base), policy: RetryPolicy::default(), fence: None })
    }

    /// The same client with other time-outs; connections are shared.
    #[must_use]
    pub fn with_policy(&self, policy: RetryPolicy) -> Self {
        Self { policy, ..self.clone() }
    }

    /// The same client for what is done under a lease: the store refuses each of its writes with
    /// [`ClientError::Fenced`] unless the lease is held with this very token at the instant of the write.
    #[must_use]
    pub fn with_fence(&self, fence: Fence) -> Self {
        Self { fence: Some(Arc::new(fence)), ..self.clone() }
    }

    /// What the store says of itself and what it depends on; one try.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] where nobody answers, [`ClientError::Answer`] where it is not a store.
    pub async fn ready(&self) -> Result<Readiness, ClientError> {
        let call = self.call("ask for readiness", Method::GET, &["ready"]);
        let began = Instant::now();
        let answer = self.try_once(&call).await.map_err(|e| e.into_error(call.operation, 1, began))?;
        // 503 carries a readiness too: it says what is down.
        answer.read_json()
    }

    pub(crate) fn call(&self, operation: &'static str, method: Method, path: &[&str]) -> Call {
        let mut url = Url::clone(&self.base);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let call = Call { operation, method, url, headers: HeaderMap::new(), body: Bytes::new() };
        match &self.fence {
            Some(fence) => call.header(HeaderName::from_static("raincell-fence"), &fence.to_string()),
            None => call,
        }
    }

    /// Sends it until there is an answer that another try would not change, or the deadline is reached.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let (operation, began, attempts) = (call.operation, Instant::now(), AtomicU32::new(0));
        let attempt = || async {
            let number = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            match self.try_once(&call).await {
                Ok(answer) if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    Err(Failure::Answered(Box::new(answer)))
                }
                Ok(answer) => Ok(Answer { attempt: number, ..answer }),
                Err(failure) => Err(failure),
            }
        };
        let mut last = Failure::Connection("the deadline is too short for one try".into());
        let tries = attempt
            .retry(self.policy.pauses())
            .adjust(|failure: &Failure, pause| pause.map(|p| p.max(failure.retry_after().unwrap_or_default())))
            .notify(|failure: &Failure, pause| {
                metrics::counter!("raincell_store_client_retries_total", "operation" => operation).increment(1);
                tracing::debug!(operation, ?pause, %failure, "store call is tried again");
                last = failure.clone();
            });
        let outcome = tokio::time::timeout(self.policy.deadline, tries).await;
        let failure = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => last,
        };
        metrics::counter!("raincell_store_client_failures_total", "operation" => operation).increment(1);
        Err(failure.into_error(operation, attempts.into_inner(), began))
    }

    /// Sends it once, for an answer of endless length.
    pub(crate) async fn open(&self, call: &Call) -> reqwest::Result<reqwest::Response> {
        self.http.request(call.method.clone(), call.url.clone()).headers(call.headers.clone()).send().await
    }

    async fn try_once(&self, call: &Call) -> Result<Answer, Failure> {
        let request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone())
            .timeout(self.policy.attempt_timeout)
            .body(call.body.clone());
        let response = request.send().await.map_err(|e| Failure::connection(&e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|e| Failure::connection(&e))?;
        Ok(Answer { operation: call.operation, status, headers, body, attempt: 1 })
    }
}

/// Why one try failed in a way that another may not.
#[derive(Clone, Debug)]
enum Failure {
    Connection(String),
    Answered(Box<Answer>),
}

impl Failure {
    fn connection(error: &reqwest::Error) -> Self {
        Self::Connection(chain(error))
    }

    fn retry_after(&self) -> Option<Duration> {
        let Self::Answered(answer) = self else { return None };
        let seconds = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    fn into_error(self, operation: &'static str, attempts: u32, began: Instant) -> ClientError {
        let retry_after = self.retry_after();
        match self {
            Self::Connection(reason) => {
                ClientError::Unreachable { operation, attempts, seconds: began.elapsed().as_secs_f64(), reason }
            }
            Self::Answered(answer) => ClientError::Unavailable {
                operation,
                problem: Box::new(problem_of(answer.status, &answer.body)),
                retry_after,
            },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connection(reason) => f.write_str(reason),
            Self::Answered(answer) => write!(f, "{}", answer.status),
        }
    }
}

impl Clone for Answer {
    fn clone(&self) -> Self {
        Self { headers: self.headers.clone(), body: self.body.clone(), ..*self }
    }
}

/// An error with all its causes: the outermost of an HTTP client rarely says what happened.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The problem in a body, or one made of the status where the body is none.
pub(crate) fn problem_of(status: StatusCode, body: &[u8]) -> ProblemDetails {
    serde_json::from_slice(body).unwrap_or_else(|_| ProblemDetails {
        kind: "about:blank".into(),
        title: status.canonical_reason().unwrap_or("Error").into(),
        status: status.as_u16(),
        detail: String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
        parameter: None,
        accepted: None,
    })
}
