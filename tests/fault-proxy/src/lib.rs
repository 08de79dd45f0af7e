//! An HTTP proxy for tests that does what networks and busy servers do: each so many requests, one fares ill, by turns in
//! each of the given ways. What it does besides is to pass on requests and answers as they are.
//!
//! It knows DynamoDB's way to say that it is busy; the other faults are those of any server.

mod dynamodb;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use tokio::task::JoinHandle;

/// How a request fares ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused as too many, in the words of DynamoDB; it has no effect.
    Throttled,
    /// Half of a batch of DynamoDB comes back as unprocessed; other requests pass.
    Unprocessed,
    /// 500, and no effect.
    ServerError,
    /// It has its effect, and the answer is 500.
    LostAnswer,
    /// It has its effect, and there is no answer for this long, and then none.
    Silence(Duration),
    /// It has its effect, and the connection breaks in the midst of the answer.
    Reset,
    /// It goes well, after this long.
    Slow(Duration),
}

/// When what happens.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Each request whose number is a multiple of this fares ill; 0 for none.
    pub every: u64,
    /// By turns.
    pub kinds: Vec<Fault>,
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    /// Where it answers.
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    client: reqwest::Client,
    faults: Faults,
    requests: AtomicU64,
}

impl FaultProxy {
    /// In front of the server at `upstream` (`http://127.0.0.1:8000`), on a free port of loopback.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(upstream: &str, faults: Faults) -> anyhow::Result<Self> {
        let client = raincell_http_client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        let upstream = upstream.trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared { upstream, client, faults, requests: AtomicU64::new(0) });
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, shared, task })
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.answer(request).await.unwrap_or_else(|error| text(StatusCode::BAD_GATEWAY, format!("{error:#}")))
}

impl Shared {
    fn next_fault(&self) -> Option<Fault> {
        let Faults { every, kinds } = &self.faults;
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if *every == 0 || kinds.is_empty() || !number.is_multiple_of(*every) {
            return None;
        }
        kinds.get((number / every) as usize % kinds.len()).copied()
    }

    async fn answer(&self, request: Request) -> anyhow::Result<Response> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.context("the request")?;
        let fault = self.next_fault();
        match fault {
            Some(Fault::Throttled) => return Ok(dynamodb::throttled()),
            Some(Fault::ServerError) => return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "nothing was done".into())),
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        let halved = if fault == Some(Fault::Unprocessed) { dynamodb::halved(&parts.headers, &body) } else { None };
        let (sent, left) = halved.map_or((body, None), |(sent, left)| (sent, Some(left)));
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        for own in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
            headers.remove(own);
        }
        let call = self.client.request(parts.method, format!("{}{path}", self.upstream)).headers(headers).body(sent);
        let answer = call.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await?;
        match fault {
            Some(Fault::LostAnswer) => Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "it was done".into())),
            Some(Fault::Silence(time)) => {
                tokio::time::sleep(time).await;
                Ok(broken(status, &headers, &Bytes::new(), 1))
            }
            Some(Fault::Reset) => Ok(broken(status, &headers, &bytes.slice(..bytes.len() / 2), bytes.len())),
            _ => {
                let bytes = left.map_or(Ok(bytes.clone()), |left| dynamodb::with_unprocessed(&bytes, left))?;
                Ok(whole(status, &headers, bytes))
            }
        }
    }
}

fn text(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

fn whole(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        // A checksum would not be that of a changed body.
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(name)
            && name != "x-amz-crc32"
        {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// Promises more bytes than come, so that the reader sees the connection end too early.
fn broken(status: StatusCode, headers: &HeaderMap, begin: &Bytes, promised: usize) -> Response {
    let end = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "broken on purpose");
    let pieces = futures::stream::iter([Ok(begin.clone()), Err(end)]);
    let mut response = whole(status, headers, Bytes::new());
    *response.body_mut() = Body::from_stream(pieces);
    response.headers_mut().insert(header::CONTENT_LENGTH, promised.max(1).into());
    response
}
