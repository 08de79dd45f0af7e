//! Stand-ins of the targets: servers on this machine that check what they get as the real ones do, and that can be told
//! to fail at any step.

pub mod bluesky;
pub mod mastodon;
pub mod multipart;
pub mod ntfy;
pub mod oauth;
pub mod webhook;
pub mod x;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    /// As it was sent.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The parameters of the query, decoded.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned()
        };
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decoded(k), decoded(v))).collect()
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

#[allow(clippy::needless_pass_by_value, reason = "reads better at its calls")]
pub fn reply(status: u16, body: impl std::fmt::Display) -> Reply {
    Reply { status, headers: Vec::new(), body: format!("{body}") }
}

/// What a stand-in does instead of answering.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Says this, and does nothing.
    Says(Reply),
    /// Does nothing and says nothing.
    Silence,
    /// Does it, and the answer is lost.
    Lost,
}

/// The behaviour of a target.
pub trait Platform: Send + Sync + 'static {
    /// The name of what a request asks for.
    fn step(&self, request: &Request) -> &'static str;
    /// Does it.
    fn answer(&self, step: &'static str, request: &Request) -> Reply;
    /// The texts that followers see, in their order.
    fn texts(&self) -> Vec<String>;
}

struct Inner<P> {
    platform: P,
    faults: Mutex<VecDeque<(&'static str, Fault)>>,
    steps: Mutex<Vec<String>>,
}

/// A running stand-in.
pub struct StandIn<P: Platform> {
    pub url: String,
    inner: Arc<Inner<P>>,
    task: JoinHandle<()>,
}

impl<P: Platform> Drop for StandIn<P> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<P: Platform> StandIn<P> {
    pub async fn start(platform: P) -> Self {
        let inner = Arc::new(Inner { platform, faults: Mutex::default(), steps: Mutex::default() });
        let router = Router::new().fallback(serve::<P>).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, task }
    }

    pub fn platform(&self) -> &P {
        &self.inner.platform
    }

    /// The next request for `step` meets this fault.
    pub fn fails_at(&self, step: &'static str, fault: Fault) {
        self.inner.faults.lock().unwrap().push_back((step, fault));
    }

    /// True when every fault has been met.
    pub fn has_failed(&self) -> bool {
        self.inner.faults.lock().unwrap().is_empty()
    }

    /// What was asked for so far, in its order.
    pub fn steps(&self) -> Vec<String> {
        self.inner.steps.lock().unwrap().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.inner.platform.texts()
    }
}

async fn serve<P: Platform>(State(inner): State<Arc<Inner<P>>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        // A client that dies in the middle of its request has not asked for anything.
        body: match to_bytes(body, 32 << 20).await {
            Ok(body) => body.to_vec(),
            Err(_) => std::future::pending().await,
        },
    };
    let step = inner.platform.step(&request);
    inner.steps.lock().unwrap().push(step.to_owned());
    let fault = {
        let mut faults = inner.faults.lock().unwrap();
        let index = faults.iter().position(|(of, _)| *of == step);
        // It stays in the list until its effect is there, which whoever waits for it relies on.
        index.map(|index| faults[index].1.clone()).inspect(|fault| {
            if matches!(fault, Fault::Lost) {
                inner.platform.answer(step, &request);
            }
            faults.remove(index.unwrap());
        })
    };
    let reply = match fault {
        None => inner.platform.answer(step, &request),
        Some(Fault::Says(reply)) => reply,
        Some(Fault::Silence | Fault::Lost) => std::future::pending().await,
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}
