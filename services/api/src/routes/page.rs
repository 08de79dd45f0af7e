//! The map page at `/`, with the outlines and names under the rain. All of it comes from the binary.

use std::io::Write;
use std::sync::OnceLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use raincell_render::world;
use raincell_service_runtime::Problem;

use crate::app::App;
use crate::http::reply::{Keep, Reply};

/// The page changes only with the binary, but a new binary should be seen soon.
const KEEP_ASSET: Keep = Keep::Seconds(300);
/// How coarse coast and borders may be, degrees; a kilometre is what radar shows.
const TOLERANCE_DEG: f32 = 0.008;
/// Places offered to the map, the largest of the world.
const PLACES: usize = 16_000;

/// The page and what it loads.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(index))
        .route("/assets/main.js", get(script))
        .route("/assets/main.css", get(styles))
        .route("/assets/worker.js", get(worker))
        .route("/map/land.json", get(land))
        .route("/map/borders.json", get(borders))
        .route("/map/places.json", get(places))
}

/// Something that stays the same while the service runs: made and packed once.
struct Asset {
    content_type: &'static str,
    plain: Bytes,
    packed: Bytes,
    tag: String,
}

impl Asset {
    fn new(content_type: &'static str, plain: Bytes) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory cannot fail; were it so, the packed form would be empty and the plain one is served.
        let packed = encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap_or_default().into();
        let tag = raincell_frame::content_hash(&plain);
        Self { content_type, plain, packed, tag }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let accepted = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let packed = accepted.is_some_and(|accepted| accepted.contains("gzip")) && !self.packed.is_empty();
        let body = if packed { &self.packed } else { &self.plain };
        // Two forms of one content: each has a tag of its own.
        let tag = format!("{}{}", self.tag, if packed { "-gz" } else { "" });
        let mut response = Reply::bytes(self.content_type, body.clone(), KEEP_ASSET).tagged(&tag).to(request);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if packed {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Serves an asset; `make` runs at the first request, on a thread that may take its time.
async fn serve(cell: &'static OnceLock<Asset>, headers: HeaderMap, make: fn() -> Asset) -> Result<Response, Problem> {
    if let Some(asset) = cell.get() {
        return Ok(asset.answer(&headers));
    }
    let asset = tokio::task::spawn_blocking(move || cell.get_or_init(make)).await;
    Ok(asset.map_err(|e| Problem::internal(&e))?.answer(&headers))
}

async fn index(headers: HeaderMap) -> Result<Response, Problem> {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    let make = || {
        Asset::new(
            "text/html; charset=utf-8",
            Bytes::from_static(include_bytes!(concat!(env!("OUT_DIR"), "/page/index.html"))),
        )
    };
    serve(&ASSET, headers, make).await
}

async fn script(headers: HeaderMap) -> Result<Response, Problem> {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    let make =
        || Asset::new("text/javascript", Bytes::from_static(include_bytes!(concat!(env!("OUT_DIR"), "/page/main.js"))));
    serve(&ASSET, headers, make).await
}

async fn styles(headers: HeaderMap) -> Result<Response, Problem> {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    let make =
        || Asset::new("text/css", Bytes::from_static(include_bytes!(concat!(env!("OUT_DIR"), "/page/main.css"))));
    serve(&ASSET, headers, make).await
}

async fn worker(headers: HeaderMap) -> Result<Response, Problem> {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    let make = || {
        Asset::new("text/javascript", Bytes::from_static(include_bytes!(concat!(env!("OUT_DIR"), "/page/worker.js"))))
    };
    serve(&ASSET, headers, make).await
}

async fn land(headers: HeaderMap) -> Result<Response, Problem> {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    serve(&ASSET, headers, || geojson(world().geojson_land(TOLERANCE_DEG))).await
}

async fn borders(headers: HeaderMap) -> Result<Response, Problem> {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    serve(&ASSET, headers, || geojson(world().geojson_borders(TOLERANCE_DEG))).await
}

async fn places(headers: HeaderMap) -> Result<Response, Problem> {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    serve(&ASSET, headers, || geojson(world().geojson_places(PLACES))).await
}

fn geojson(text: String) -> Asset {
    Asset::new("application/geo+json", text.into())
}
