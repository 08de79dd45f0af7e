//! The HTTP server of a service: request metrics, graceful drain.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use listenfd::ListenFd;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::door::{Door, Guests, Peer};

/// How long the server waits for others when it is to stop.
#[derive(Clone, Copy)]
struct Patience {
    /// How long clients have to leave by themselves, told so with each answer, before idle connections are closed.
    farewell: Duration,
    /// How long open requests may take to finish after that.
    drain: Duration,
}

const PATIENCE: Patience = Patience { farewell: Duration::from_millis(500), drain: Duration::from_secs(5) };
/// How often it is looked whether clients have left.
const FAREWELL_LOOK: Duration = Duration::from_millis(10);

/// Listens on an address (`127.0.0.1:0` for any free port).
///
/// # Errors
/// When the address cannot be bound, with the address.
pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// The socket that the process has been started with (socket activation: `LISTEN_FDS`, `LISTEN_PID`), else one that is
/// bound to the address. Connections to the former wait in its queue while the service is restarted.
///
/// # Errors
/// When what was handed over is no TCP socket that listens, or the address cannot be bound.
pub async fn inherited_or_bound(address: &str) -> anyhow::Result<TcpListener> {
    let inherited = ListenFd::from_env().take_tcp_listener(0).context("the first socket handed over (LISTEN_FDS)")?;
    let Some(listener) = inherited else { return bind(address).await };
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    tracing::info!(address = %listener.local_addr()?, "listening on the socket handed over, not on `bind`");
    Ok(listener)
}

/// Serves until `shutdown`, then no request is lost that somebody has sent: the door is closed to new connections, those
/// that are open are told with their next answer that it is the last one, idle ones are closed after a moment, and
/// requests in hand finish within a bounded time. Handlers can ask for the address of the client with
/// `axum::extract::ConnectInfo<SocketAddr>`.
///
/// # Errors
/// When the server itself fails.
pub async fn serve(
    service: &'static str,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    serve_with(PATIENCE, service, listener, router, shutdown).await
}

async fn serve_with(
    patience: Patience,
    service: &'static str,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let desk = Desk { service, shutdown: shutdown.clone() };
    let router = router.layer(middleware::from_fn_with_state(desk, attend));
    let (door, guests) = Door::new(listener, shutdown.clone())?;
    let closing = shutdown.clone();
    let server = axum::serve(door, router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(async move {
            closing.cancelled().await;
            let _ = tokio::time::timeout(patience.farewell, farewell(guests)).await;
        })
        .into_future();
    tokio::pin!(server);
    tokio::select! {
        result = &mut server => return Ok(result?),
        () = shutdown.cancelled() => {}
    }
    // Event streams never end by themselves; what is open after the drain is cut.
    let drained = tokio::time::timeout(patience.farewell + patience.drain, server).await;
    if drained.is_err() {
        tracing::debug!(service, "connections still open after the drain were cut");
    }
    Ok(drained.unwrap_or(Ok(()))?)
}

/// Until nobody is connected any more.
async fn farewell(guests: Guests) {
    while guests.number() > 0 {
        tokio::time::sleep(FAREWELL_LOOK).await;
    }
}

/// What every request passes.
#[derive(Clone)]
struct Desk {
    service: &'static str,
    shutdown: CancellationToken,
}

async fn attend(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions_mut().remove::<ConnectInfo<Peer>>() {
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.address));
    }
    let service = desk.service;
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().to_string();
    let began = Instant::now();
    let mut response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("raincell_http_requests_total",
        "service" => service, "route" => route.clone(), "method" => method, "status" => status)
    .increment(1);
    metrics::histogram!("raincell_http_request_seconds", "service" => service, "route" => route)
        .record(began.elapsed().as_secs_f64());
    if desk.shutdown.is_cancelled() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const LONG: Patience = Patience { farewell: Duration::from_secs(60), drain: Duration::from_secs(60) };
    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

    #[tokio::test]
    async fn who_is_inside_when_the_service_is_to_stop_is_answered_and_told_that_it_is_the_last_answer() {
        let shutdown = CancellationToken::new();
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "here" }));
        let served = tokio::spawn(serve_with(LONG, "test", listener, router, shutdown.clone()));
        let mut guest = TcpStream::connect(address).await.unwrap();

        guest.write_all(ASK).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"here") {
            assert_ne!(guest.read_buf(&mut answer).await.unwrap(), 0, "closed after {answer:?}");
        }
        assert!(!String::from_utf8_lossy(&answer).contains("connection: close"));

        shutdown.cancel();
        guest.write_all(ASK).await.unwrap();
        let mut last = String::new();
        guest.read_to_string(&mut last).await.unwrap();
        assert!(last.starts_with("HTTP/1.1 200 OK") && last.ends_with("here"), "{last}");
        assert!(last.contains("connection: close"), "{last}");
        served.await.unwrap().unwrap();
        TcpStream::connect(address).await.unwrap_err();
    }
}
