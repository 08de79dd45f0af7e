//! Extrapolates every new frame two hours ahead.
//!
//! There is one way to a run: [`Worker::catch_up`] looks whether a source's newest frame has a run, and makes it if not.
//! A frame event on the store's stream calls it at once; a cron schedule calls it as the fallback; both are harmless
//! when there is nothing to do. A killed service therefore loses nothing, and finds what is missing when it starts.

mod config;
mod latest;
mod worker;

use std::sync::Arc;

use futures::StreamExt;
use raincell_api_types::events::Event;
use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, Runtime, http};
use raincell_store_client::{StoreClient, StreamItem};
use tokio::net::TcpListener;
use tokio_cron_scheduler::{Job, JobScheduler};

pub use config::Config;
use latest::Latest;
use worker::Worker;

/// Runs the service until shutdown.
///
/// # Errors
/// When the HTTP server fails or the fallback schedule cannot be set up.
pub async fn run(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let health = Health::new("nowcast");
    let store = StoreClient::new(&config.store_url, &config.store_token)?;
    let circuit = store.clone();
    health.observe("store_circuit", move || circuit.circuit_health());
    let latest = Latest::default();
    let router = health.routes().merge(latest.routes());
    let fallback = config.fallback_cron.clone();
    let enabled = config.enabled;
    let worker = Arc::new(Worker::new(config, store.clone(), latest, health.clone())?);
    let mut scheduler = JobScheduler::new().await?;
    let mut listening = None;
    if enabled {
        let by_cron = Arc::clone(&worker);
        let job = Job::new_async(fallback.as_str(), move |_, _| {
            let worker = Arc::clone(&by_cron);
            Box::pin(async move { worker.catch_up_all("cron").await })
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        listening = Some(tokio::spawn(listen(worker, store, health, runtime.clone())));
    } else {
        health.set("switch", Condition::Degraded, "nowcasting is switched off");
    }
    http::serve("nowcast", listener, router, runtime.shutdown.clone()).await?;
    scheduler.shutdown().await?;
    if let Some(task) = listening {
        task.await?;
    }
    Ok(())
}

/// Follows the store's events until shutdown.
async fn listen(worker: Arc<Worker>, store: StoreClient, health: Health, runtime: Runtime) {
    let mut events = std::pin::pin!(store.events(None));
    loop {
        let item = tokio::select! {
            () = runtime.shutdown.cancelled() => return,
            item = events.next() => item,
        };
        match item {
            Some(StreamItem::Connected) => {
                health.set("store", Condition::Ok, "events flow");
                worker.catch_up_all("start").await;
            }
            Some(StreamItem::Event(event)) => {
                if let Event::Frame(frame) = event.event {
                    worker.frame_arrived(&frame.source).await;
                }
            }
            Some(StreamItem::Disconnected { reason }) => {
                tracing::warn!(reason, "no events from the store: the schedule goes on");
                health.set("store", Condition::Degraded, reason);
            }
            None => return,
        }
    }
}
