//! `GET /openapi.json`, generated from the handlers, and `/docs`, a page to try the paths.

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::http::reply::{Keep, Reply};

const PAGE: &str = include_str!("../../web/docs.html");
/// Both change only with the binary.
const KEEP: Keep = Keep::Seconds(300);

/// The document.
pub fn openapi_route(openapi: &OpenApi) -> Router<App> {
    // A document that was built from types is always written; an empty one would say so in the tests.
    let text = Bytes::from(openapi.to_pretty_json().unwrap_or_default());
    let answer = move |headers: HeaderMap| async move { Reply::bytes("application/json", text, KEEP).to(&headers) };
    Router::new().route("/openapi.json", get(answer))
}

/// The page.
pub fn page_route() -> Router<App> {
    let answer = |headers: HeaderMap| async move { Reply::bytes("text/html; charset=utf-8", PAGE, KEEP).to(&headers) };
    Router::new().route("/docs", get(answer))
}
