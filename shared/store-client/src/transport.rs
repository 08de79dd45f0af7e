//! The way to the store: what every call carries, and how answers that no call expects become errors.

use std::fmt::Debug;
use std::sync::Arc;

use raincell_api_types::health::{Condition, DependencyHealth, Readiness};
use raincell_api_types::leases::Fence;
use raincell_api_types::problem::ProblemDetails;
use raincell_http_client::{Answer, CallError, Circuit, Client, Request, RetryPolicy, parse_addresses};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ClientError;

/// A connection pool to one store; cheap to clone, clones share connections and circuits.
#[derive(Clone)]
pub struct StoreClient {
    http: Client,
    /// Under which lease it writes.
    fence: Option<Arc<Fence>>,
}

impl Debug for StoreClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("StoreClient").field("http", &self.http).finish_non_exhaustive()
    }
}

/// A request with a JSON body.
pub(crate) trait JsonBody: Sized {
    fn json(self, value: &impl Serialize) -> Result<Self, ClientError>;
}

impl JsonBody for Request {
    fn json(self, value: &impl Serialize) -> Result<Self, ClientError> {
        let operation = self.operation();
        let body = serde_json::to_vec(value)
            .map_err(|e| ClientError::Answer { operation, reason: format!("the request is no JSON: {e}") })?;
        Ok(self.body("application/json", body.into()))
    }
}

/// How the store answers what any path may be asked.
pub(crate) trait StoreAnswer: Sized {
    /// The body of a 2xx; `what` names what is missing after a 404.
    fn success(self, what: impl FnOnce() -> String) -> Result<Self, ClientError>;

    fn read_json<T: DeserializeOwned>(&self) -> Result<T, ClientError>;
}

impl StoreAnswer for Answer {
    fn success(self, what: impl FnOnce() -> String) -> Result<Self, ClientError> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::NOT_FOUND => Err(ClientError::NotFound { what: what() }),
            StatusCode::UNAUTHORIZED => Err(ClientError::Unauthorized),
            StatusCode::LOCKED => Err(ClientError::Fenced { reason: problem_of(&self).detail }),
            _ => Err(ClientError::Rejected { operation: self.operation, problem: Box::new(problem_of(&self)) }),
        }
    }

    fn read_json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| ClientError::Answer { operation: self.operation, reason: e.to_string() })
    }
}

impl StoreClient {
    /// For the store at `addresses` (`http://127.0.0.1:8081`, or those of several replicas with commas between them),
    /// with the token of its config. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Address`] for an address that is no HTTP URL; [`ClientError::Setup`] for a token that no header
    /// can carry.
    pub fn new(addresses: &str, token: &str) -> Result<Self, ClientError> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| ClientError::Setup("the token holds characters that no header can carry".into()))?;
        authorization.set_sensitive(true);
        let http = raincell_http_client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .no_proxy()
            .build()
            .map_err(|e| ClientError::Setup(e.to_string()))?;
        Ok(Self { http: Client::new("store", parse_addresses(addresses)?, http), fence: None })
    }

    /// The same client with other time-outs; connections and circuits are shared.
    #[must_use]
    pub fn with_policy(&self, policy: RetryPolicy) -> Self {
        Self { http: self.http.with_policy(policy), ..self.clone() }
    }

    /// The same client for what is done under a lease: the store refuses each of its writes with
    /// [`ClientError::Fenced`] unless the lease is held with this very token at the instant of the write.
    #[must_use]
    pub fn with_fence(&self, fence: Fence) -> Self {
        Self { fence: Some(Arc::new(fence)), ..self.clone() }
    }

    /// How the circuits to its addresses stand: ok while all are closed.
    pub fn circuit_health(&self) -> DependencyHealth {
        let circuits = self.http.circuits();
        let closed = circuits.iter().all(|address| address.circuit == Circuit::Closed);
        let condition = if closed { Condition::Ok } else { Condition::Degraded };
        let detail = circuits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        DependencyHealth { condition, detail }
    }

    /// True while no address is well: what is not in memory cannot be had now.
    pub fn is_cut_off(&self) -> bool {
        self.http.circuits().iter().all(|address| address.circuit != Circuit::Closed)
    }

    /// What the store says of itself and what it depends on; one try.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] where nobody answers, [`ClientError::Answer`] where it is not a store.
    pub async fn ready(&self) -> Result<Readiness, ClientError> {
        // 503 carries a readiness too: it says what is down.
        self.http.send_once(&self.call("ask for readiness", Method::GET, &["ready"])).await?.read_json()
    }

    pub(crate) fn call(&self, operation: &'static str, method: Method, path: &[&str]) -> Request {
        let mut call = Request::new(operation, method, path);
        if let Some(context) = raincell_traces::current() {
            call = call.header(HeaderName::from_static(raincell_traces::TRACEPARENT), &context.to_string());
        }
        match &self.fence {
            Some(fence) => call.header(HeaderName::from_static("raincell-fence"), &fence.to_string()),
            None => call,
        }
    }

    /// Sends it until there is an answer that another try would not change, or the deadline is reached.
    pub(crate) async fn send(&self, call: Request) -> Result<Answer, ClientError> {
        Ok(self.http.send(&call).await?)
    }

    /// Sends it once, for an answer of endless length.
    pub(crate) async fn open(&self, call: &Request) -> Result<reqwest::Response, String> {
        self.http.open(call).await
    }
}

impl From<CallError> for ClientError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable { operation, attempts, seconds, reason } => {
                Self::Unreachable { operation, attempts, seconds, reason }
            }
            CallError::Unavailable { operation, answer, .. } => Self::Unavailable {
                operation,
                problem: Box::new(problem_of(&answer)),
                retry_after: answer.retry_after(),
            },
            CallError::CircuitOpen { operation, wait } => Self::CircuitOpen { operation, wait },
            CallError::TooLarge { operation, most } => {
                Self::Answer { operation, reason: format!("it is larger than {most} bytes") }
            }
        }
    }
}

/// The problem in a body, or one made of the status where the body is none.
fn problem_of(answer: &Answer) -> ProblemDetails {
    let (status, body) = (answer.status, &answer.body);
    serde_json::from_slice(body).unwrap_or_else(|_| ProblemDetails {
        kind: "about:blank".into(),
        title: status.canonical_reason().unwrap_or("Error").into(),
        status: status.as_u16(),
        detail: String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
        parameter: None,
        accepted: None,
    })
}
