//! The paths. Each file answers one family of them.

mod alert_skill;
pub(crate) mod alerts_feed;
mod docs;
mod edr;
mod events;
mod frames;
mod met;
mod page;
mod pictures;
mod points;
mod raintext;
mod rainviewer;
mod skill;
mod tiles;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use raincell_service_runtime::{Health, Problem};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::{Any, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::limit::{ClientLimit, limit_clients};
use crate::http::parameters::unknown_path;
use crate::http::reply::{DATA_AGE, STALE};

/// What the OpenAPI document says beside the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Raincell",
        description = "Rain radar and nowcasts: is it raining here, when will it start, how sure are we.\n\nTimes are \
                       UTC (RFC 3339). What is not known is null, never dry. Every data answer carries `ETag`, \
                       `Last-Modified` (valid time), `Cache-Control` and `Raincell-Data-Age` (seconds); a stale one \
                       says so. Errors are problem JSON (RFC 9457) that names the parameter and what it accepts.",
    ),
    tags(
        (name = "points", description = "Rain at a place"),
        (name = "frames", description = "Fields and what happens to them"),
        (name = "tiles", description = "Web-Mercator tiles"),
        (name = "edr", description = "OGC API – Environmental Data Retrieval 1.1"),
        (name = "compatible", description = "Formats that other clients read already"),
    )
)]
struct Document;

/// Everything that is served, with its limits.
pub fn router(app: &App, health: &Health, limit: Option<ClientLimit>, shutdown: CancellationToken) -> Router {
    let features = &app.config().features;
    let mut documented = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(points::rain))
        .routes(routes!(points::forecast, points::forecasts))
        .routes(routes!(frames::list))
        .routes(routes!(frames::one))
        .routes(routes!(alert_skill::alerts))
        .routes(routes!(skill::skill))
        .merge(events::routes(shutdown));
    if features.alerts_feed {
        documented = documented.routes(routes!(alerts_feed::alerts));
    }
    if features.tiles {
        documented = documented.routes(routes!(tiles::describe)).routes(routes!(tiles::tile));
    }
    if features.rainviewer {
        documented = documented
            .routes(routes!(rainviewer::weather_maps))
            .routes(routes!(rainviewer::radar))
            .routes(routes!(rainviewer::coverage))
            .routes(routes!(rainviewer::coverage_plain));
    }
    if features.raintext {
        documented = documented.routes(routes!(raintext::raintext));
    }
    if features.met_nowcast {
        documented = documented.routes(routes!(met::complete));
    }
    if features.edr {
        documented = documented
            .routes(routes!(edr::landing))
            .routes(routes!(edr::conformance))
            .routes(routes!(edr::list))
            .routes(routes!(edr::one))
            .routes(routes!(edr::position))
            .routes(routes!(edr::area))
            .routes(routes!(edr::cube))
            .routes(routes!(edr::radius));
    }
    let (paths, openapi) = documented.split_for_parts();
    let mut paths = paths.merge(docs::openapi_route(&openapi));
    if features.docs {
        paths = paths.merge(docs::page_route());
    }
    if features.map {
        paths = paths.merge(page::routes());
    }
    let mut public = paths
        .fallback(|| async { unknown_path() })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method").into_response()
        })
        .with_state(app.clone());
    if let Some(limit) = limit {
        public = public.layer(middleware::from_fn_with_state(limit, limit_clients));
    }
    // Sparse frames are packed already; what the layer leaves out by itself are pictures and event streams.
    let worth_packing = DefaultPredicate::new().and(NotForContentType::const_new(raincell_frame::MEDIA_TYPE));
    // Whoever watches the service is not a client: its own paths have no limit.
    health.routes().merge(public).layer(CompressionLayer::new().compress_when(worth_packing)).layer(cors())
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(HeaderValue::from_static("*"))
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(Any)
        .expose_headers([header::ETAG, header::LAST_MODIFIED, header::RETRY_AFTER, DATA_AGE, STALE])
}
