//! Rain events at watched places become posts.
//!
//! On every new frame or nowcast the service reads what they say of each watched place ([`observe`]), takes the place's
//! state machine a step further ([`machine`]), and stores the new state together with the post that it leads to, in one
//! compare-and-set at the store. Of all processes the one that holds a lease sends what waits in the outbox through the
//! [`poster`] of each target, with an animation of the past hour into the next one. Nothing durable is kept here: the
//! process may be killed at any instant.
//!
//! What it does not do: forecast, or decide what is rain in a raw scan.

pub mod area;
pub mod cells;
pub mod config;
mod ledger;
pub mod length;
mod likely;
pub mod machine;
pub mod observe;
mod outbox;
mod picture;
pub mod places;
pub mod poster;
pub mod schedule;
pub mod score;
pub mod secret;
mod sending;
mod sources;
mod targets;
pub mod told;
pub mod trial;
mod watch;
pub mod words;

use std::sync::Arc;

use anyhow::Context;
use raincell_service_runtime::{Health, Runtime, http};
use raincell_store_client::StoreClient;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use config::{Config, PlaceConfig};
pub use outbox::post_key;

use crate::outbox::{Outbox, Tray};
use crate::watch::Watch;

/// Runs the service until `runtime.shutdown`.
///
/// # Errors
/// When the store's address or token cannot be used, or one of the tasks fails.
pub async fn run(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let health = Health::new("alert");
    let mut tasks = JoinSet::new();
    tasks.spawn(http::serve("alert", listener, health.routes(), runtime.shutdown.clone()));
    if config.enabled {
        start_watching(&mut tasks, config, &runtime, &health)?;
    } else {
        tracing::info!("alert is switched off");
    }
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.context("a task of alert was cut off").and_then(|ended| ended);
        if ended.is_err() && result.is_ok() {
            runtime.shutdown.cancel();
            result = ended;
        }
    }
    result
}

fn start_watching(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    config: Config,
    runtime: &Runtime,
    health: &Health,
) -> anyhow::Result<()> {
    let client = StoreClient::new(&config.store_url, &config.store_token)?;
    let circuit = client.clone();
    health.observe("store_circuit", move || circuit.circuit_health());
    let places = Arc::new(places::places(&config)?);
    let schedules = config.schedules()?;
    let posters = targets::posters(&config).context("no HTTP client can be made")?;
    let config = Arc::new(config);
    let tray = Tray::new(&posters);
    tracing::info!(places = places.len(), store = config.store_url, "watching");
    let watch = Watch::new(
        client.clone(),
        runtime.clone(),
        health.clone(),
        Arc::clone(&config),
        Arc::clone(&places),
        schedules,
        tray.clone(),
    );
    let outbox = Outbox { client, runtime: runtime.clone(), health: health.clone(), config, places, posters, tray };
    tasks.spawn(watch.run());
    tasks.spawn(outbox.run());
    Ok(())
}
