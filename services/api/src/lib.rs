//! Public HTTP: point forecasts, tiles, feeds and the map page.
//!
//! - [`memory`] holds the last hours of frames and the newest nowcast runs; [`feed`] keeps it filled from the store.
//! - [`timeline`] and [`outlook`] turn that into what happens at one place.
//! - [`routes`] answers: own JSON, RainViewer v2, Buienradar raintext, MET Norway nowcast 2.0, tiles, the map page.
//!
//! What it will not do: remember anything, write to the store, or make a forecast of its own. What the nowcast does not
//! know is null here, never dry.

pub mod alert_skill;
pub mod app;
pub mod config;
pub mod edr;
pub mod feed;
pub mod http;
pub mod memory;
pub mod outlook;
pub mod products;
pub mod routes;
pub mod skill;
pub mod tile_cache;
pub mod timeline;

use std::time::Duration;

use raincell_service_runtime::{Health, Runtime, http as server};
use raincell_store_client::StoreClient;
use tokio::net::TcpListener;

pub use config::Config;

/// How long requests wait at the start until the memory is filled. Without the store they are then answered for what they
/// are.
const FILLING: Duration = Duration::from_secs(3);

/// Serves until the shutdown of the runtime.
///
/// # Errors
/// When the address of the store cannot be used, or the server fails.
pub async fn run(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let health = Health::new("api");
    let store = StoreClient::new(&config.store_url, &config.store_token)?;
    let circuit = store.clone();
    health.observe("store_circuit", move || circuit.circuit_health());
    let app = app::App::new(config, runtime.clock.clone(), &store)?;
    let limit = http::limit::ClientLimit::new(app.config());
    if let Some(limit) = limit.clone() {
        tokio::spawn(limit.forget_idle(runtime.shutdown.clone()));
    }
    let feed = feed::Feed::new(app.clone(), &store, health.clone(), runtime.clone());
    let mut filled = feed.filled();
    let feed = tokio::spawn(feed.run());
    let router = routes::router(&app, &health, limit, runtime.shutdown.clone());
    // Who was served before a restart does not get "no frame has come yet" after it.
    let _ =
        tokio::time::timeout(FILLING, runtime.shutdown.run_until_cancelled(filled.wait_for(|filled| *filled))).await;
    server::serve("api", listener, router, runtime.shutdown).await?;
    feed.await?;
    Ok(())
}
