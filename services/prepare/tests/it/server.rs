//! A web server with one directory of radar files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

/// What the server has and how it behaves.
#[derive(Default)]
pub struct Inside {
    pub files: BTreeMap<String, Vec<u8>>,
    /// How often each file was asked for.
    pub asked: BTreeMap<String, usize>,
    /// Files are listed but answered with 503.
    pub ailing: bool,
    /// Nothing but 500.
    pub down: bool,
    /// A name a line instead of HTML.
    pub plain: bool,
}

#[derive(Clone, Default)]
pub struct Server {
    pub inside: Arc<Mutex<Inside>>,
    pub url: String,
}

impl Server {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/radar/", listener.local_addr().unwrap());
        let server = Self { url, ..Self::default() };
        let router = Router::new()
            .route("/radar/", get(index))
            .route("/radar/{name}", get(file))
            .with_state(Arc::clone(&server.inside));
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.inside.lock().unwrap().files.insert(name.to_owned(), bytes.to_vec());
    }

    pub fn asked(&self, name: &str) -> usize {
        self.inside.lock().unwrap().asked.get(name).copied().unwrap_or(0)
    }
}

async fn index(State(inside): State<Arc<Mutex<Inside>>>) -> Response {
    let inside = inside.lock().unwrap();
    if inside.down {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut page = if inside.plain { String::new() } else { "<pre><a href=\"../\">../</a>\n".to_owned() };
    for (name, bytes) in &inside.files {
        if inside.plain {
            writeln!(page, "{name}").unwrap();
        } else {
            writeln!(page, "<a href=\"{name}\">{name}</a>  01-Jun-2026 12:05  {}", bytes.len()).unwrap();
        }
    }
    if inside.plain { page.into_response() } else { Html(page).into_response() }
}

async fn file(State(inside): State<Arc<Mutex<Inside>>>, Path(name): Path<String>) -> Response {
    let mut inside = inside.lock().unwrap();
    *inside.asked.entry(name.clone()).or_default() += 1;
    if inside.down || inside.ailing {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    inside.files.get(&name).cloned().ok_or(StatusCode::NOT_FOUND).into_response()
}
