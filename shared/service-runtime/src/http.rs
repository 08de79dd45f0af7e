//! The HTTP server of a service: request metrics, graceful drain.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long open requests may take to finish once the service is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Listens on an address (`127.0.0.1:0` for any free port).
///
/// # Errors
/// When the address cannot be bound, with the address.
pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Serves until `shutdown`, then lets open requests finish for a bounded time. Handlers can ask for the address of the
/// client with `axum::extract::ConnectInfo<SocketAddr>`.
///
/// # Errors
/// When the server itself fails.
pub async fn serve(
    service: &'static str,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let router = router.layer(middleware::from_fn_with_state(service, measure));
    let draining = shutdown.clone();
    let service_factory = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service_factory)
        .with_graceful_shutdown(async move { draining.cancelled().await })
        .into_future();
    tokio::pin!(server);
    tokio::select! {
        result = &mut server => return Ok(result?),
        () = shutdown.cancelled() => {}
    }
    // Event streams never end by themselves; what is open after the drain is cut.
    let drained = tokio::time::timeout(DRAIN, server).await;
    if drained.is_err() {
        tracing::debug!(service, "connections still open after the drain were cut");
    }
    Ok(drained.unwrap_or(Ok(()))?)
}

async fn measure(State(service): State<&'static str>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().to_string();
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("raincell_http_requests_total",
        "service" => service, "route" => route.clone(), "method" => method, "status" => status)
    .increment(1);
    metrics::histogram!("raincell_http_request_seconds", "service" => service, "route" => route)
        .record(began.elapsed().as_secs_f64());
    response
}
