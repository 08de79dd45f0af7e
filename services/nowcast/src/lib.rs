//! Extrapolates every new frame two hours ahead.
//!
//! Each source is a `domain` that one process holds by a lease (`domains`). There is one way to a run: a look, which
//! sees whether the source's newest frame has a run, and makes it if not. A frame event on the store's stream calls for
//! one at once; a cron schedule as the fallback; both are harmless when there is nothing to do. A killed service
//! therefore loses nothing, and finds what is missing when it starts. A run has its time (`maker`), its products are
//! for `fixed_times`, and when those come it is scored (`verify`).

mod calibration;
mod config;
mod domain;
mod domains;
mod ensemble;
mod fixed_times;
mod latest;
mod maker;
mod remembered;
mod skill;
mod verify;
mod workshop;

use std::sync::Arc;

use futures::StreamExt;
use raincell_api_types::events::Event;
use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, Runtime, http};
use raincell_store_client::{StoreClient, StreamItem};
use tokio::net::TcpListener;
use tokio_cron_scheduler::{Job, JobScheduler};

pub use config::Config;
use domains::Domains;
use latest::Latest;
use maker::Maker;
use workshop::Workshop;

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
    let (fallback, enabled) = (config.fallback_cron.clone(), config.enabled);
    let (maker, clock) = (Maker::new(&config)?, runtime.clock.clone());
    let (turn, health_of) = (tokio::sync::Mutex::default(), health.clone());
    let workshop = Workshop { config, store: store.clone(), maker, latest, health: health_of, clock, turn };
    let domains = Arc::new(Domains::new(Arc::new(workshop), runtime.shutdown.clone()));
    let mut scheduler = JobScheduler::new().await?;
    let mut listening = None;
    if enabled {
        let by_cron = Arc::clone(&domains);
        let job = Job::new_async(fallback.as_str(), move |_, _| {
            let domains = Arc::clone(&by_cron);
            Box::pin(async move { domains.look_at_all("cron").await })
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        listening = Some(tokio::spawn(listen(Arc::clone(&domains), store, health, runtime.clone())));
    } else {
        health.set("switch", Condition::Degraded, "nowcasting is switched off");
    }
    http::serve("nowcast", listener, router, runtime.shutdown.clone()).await?;
    scheduler.shutdown().await?;
    if let Some(task) = listening {
        task.await?;
    }
    domains.ended().await;
    Ok(())
}

/// Follows the store's events until shutdown.
async fn listen(domains: Arc<Domains>, store: StoreClient, health: Health, runtime: Runtime) {
    let mut events = std::pin::pin!(store.events(None));
    loop {
        let item = tokio::select! {
            () = runtime.shutdown.cancelled() => return,
            item = events.next() => item,
        };
        match item {
            Some(StreamItem::Connected) => {
                health.set("store", Condition::Ok, "events flow");
                domains.look_at_all("start").await;
            }
            Some(StreamItem::Event(event)) => {
                if let Event::Frame(frame) = event.event
                    && frame.product == domain::PRODUCT
                {
                    domains.look(&frame.source, "event");
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
