//! The one service that remembers: frames, nowcast runs and their verification, alert states with their outbox, checkpoints, leases, dead
//! letters, and the log of what happened, over HTTP with a bearer token.
//!
//! The only service with the database open; all others ask it. What it answers with 200 or 201 is durable. On a SQLite
//! file there is one of it, on a DynamoDB table there may be several.

mod alerts;
mod answers;
mod backend;
mod checkpoints;
mod config;
mod dead_letters;
mod events;
mod frames;
mod known_blocks;
mod leases;
mod nowcasts;
mod parameters;
mod rain;
mod retention;
mod verification;
mod whole_body;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Router, middleware};
use raincell_api_types::health::Condition;
use raincell_frame_store::FrameStore;
use raincell_service_runtime::auth::{BearerToken, require_bearer};
use raincell_service_runtime::{Health, Problem, Runtime, http};
use tokio::net::TcpListener;

pub use backend::{Backend, init, open, place};
pub use config::Config;
use known_blocks::KnownBlocks;

/// What every handler has.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) store: Arc<dyn FrameStore>,
    pub(crate) runtime: Runtime,
    /// The largest frame or run.
    pub(crate) body_limit_bytes: usize,
    /// For point series.
    pub(crate) known_blocks: Arc<KnownBlocks>,
}

/// Serves until the runtime is shut down.
///
/// # Errors
/// When the database cannot be opened, or the server itself fails.
pub async fn run(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let body_limit_bytes = config.body_limit_mb as usize * (1 << 20);
    let app = App {
        store: backend::open(&config).await?,
        runtime: runtime.clone(),
        body_limit_bytes,
        known_blocks: Arc::default(),
    };
    let health = Health::new("store");
    health.set("database", Condition::Ok, "opened");
    match config.backend {
        Backend::Sqlite => tracing::info!(database = %config.database.display(), "store opened"),
        Backend::Dynamodb => tracing::info!(table = config.table, endpoint = config.endpoint, "store opened"),
    }
    let watching = tokio::spawn(watch_log(app.clone(), health.clone(), config.event_poll_ms));
    let retaining = tokio::spawn(retention::keep(app.clone(), config.clone()));
    let served = http::serve("store", listener, router(app, &health, &config), runtime.shutdown.clone()).await;
    // The server may have failed while nobody asked it to stop.
    runtime.shutdown.cancel();
    watching.await.context("the watch of the event log")?;
    retaining.await.context("the retention job")?;
    served
}

/// All paths: the three without token, and those that want it.
fn router(app: App, health: &Health, config: &Config) -> Router {
    let paths = Router::new()
        .route("/v1/frames", get(frames::list))
        .route("/v1/frames/latest", get(frames::latest))
        .route("/v1/frames/{source}/{product}/{valid_time}", get(frames::get).put(frames::put))
        .route("/v1/sources", get(frames::sources))
        .route("/v1/rain", get(rain::series))
        .route("/v1/nowcasts", get(nowcasts::list))
        .route("/v1/nowcasts/latest", get(nowcasts::latest))
        .route("/v1/nowcasts/{source}/{issue_time}", get(nowcasts::get).put(nowcasts::put))
        .route("/v1/verification/{source}", get(verification::pooled).post(verification::add))
        .route("/v1/events", get(events::stream))
        .route("/v1/alerts/states/{place}", get(alerts::state).put(alerts::transition))
        .route("/v1/alerts/outbox", get(alerts::outbox))
        .route("/v1/alerts/outbox/{key}", get(alerts::post).put(alerts::record))
        .route("/v1/checkpoints/{*name}", get(checkpoints::get).put(checkpoints::put))
        .route("/v1/leases/{name}", get(leases::get).put(leases::change))
        .route("/v1/dead-letters", get(dead_letters::list).post(dead_letters::add))
        .route("/v1/dead-letters/{id}", get(dead_letters::get))
        .route("/v1/dead-letters/{id}/replay", axum::routing::post(dead_letters::replay))
        .layer(DefaultBodyLimit::max(app.body_limit_bytes))
        .layer(middleware::from_fn_with_state(BearerToken::new("store", &config.token), require_bearer))
        .with_state(app);
    paths.merge(health.routes()).fallback(|| async { Problem::not_found("there is no such path here") })
}

/// Looks for events that other processes have written, and sees by it whether the database still answers.
async fn watch_log(app: App, health: Health, poll_ms: u32) {
    let poll = Duration::from_millis(poll_ms.into());
    let mut sound = true;
    loop {
        match app.store.last_sequence().await {
            Ok(_) => match app.store.write_trouble() {
                None if sound => {}
                None => health.set("database", Condition::Ok, "answers again"),
                Some(reason) => {
                    if sound {
                        tracing::error!(reason, "nothing can be written");
                    }
                    health.set("database", Condition::Degraded, format!("reads answer, writes fail: {reason}"));
                }
            },
            Err(error) => {
                if sound {
                    tracing::error!(%error, "the database does not answer");
                }
                health.set("database", Condition::Down, error.to_string());
            }
        }
        sound = health.readiness().condition == Condition::Ok;
        // On the wall: how fast a listener is told has nothing to do with the clock of the weather.
        tokio::select! {
            () = tokio::time::sleep(poll) => {}
            () = app.runtime.shutdown.cancelled() => return,
        }
    }
}
