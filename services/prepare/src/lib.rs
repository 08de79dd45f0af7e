//! Watches for raw scans and turns them into sparse frames: decode → quality control → rain rate → grid → store.
//!
//! The service keeps nothing: what it has taken in is a checkpoint in the store, and a scan that is taken in twice makes
//! the same frame twice. [`intake`] and [`pipeline`] are also what `raincell prepare` runs on files.

mod config;
mod dead_letters;
mod folder;
mod http_index;
mod inbox;
mod index_page;
pub mod intake;
mod ledger;
pub mod pipeline;
mod place;
mod s3;
mod time_pattern;
mod troubles;
mod wanted;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, Runtime, http};
use raincell_store_client::StoreClient;
use tokio::net::TcpListener;

pub use time_pattern::at as address_at;

pub use config::{Config, Layout, Recipe, SourceConfig, SourceKind, ZrChoice};
use folder::Folder;
use http_index::HttpIndex;
use inbox::Inbox;
use place::Place;
use s3::{Objects, Queue};
use watch::Watch;

/// Pause before a source that could not be resumed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Runs the service until shutdown.
///
/// # Errors
/// When the HTTP server fails.
pub async fn run(config: Config, listener: TcpListener, runtime: Runtime) -> anyhow::Result<()> {
    let health = Health::new("prepare");
    let store = StoreClient::new(&config.store_url, &config.store_token)?;
    let circuit = store.clone();
    health.observe("store_circuit", move || circuit.circuit_health());
    let mut watches = tokio::task::JoinSet::new();
    for source in config.enabled_sources() {
        let (store, runtime, health) = (store.clone(), runtime.clone(), health.clone());
        match source.kind {
            SourceKind::Folder => {
                let folder = Arc::new(Folder::new(&source));
                watches.spawn(keep_watching(folder, None, source, store, runtime, health));
            }
            SourceKind::HttpIndex => {
                let index = Arc::new(HttpIndex::new(&source)?);
                watches.spawn(keep_watching(index, None, source, store, runtime, health));
            }
            SourceKind::S3Poll => {
                let objects = Arc::new(Objects::new(&source).await?);
                watches.spawn(keep_watching(objects, None, source, store, runtime, health));
            }
            SourceKind::S3Sqs => {
                let objects = Arc::new(Objects::new(&source).await?);
                let (inbox, outlet) = inbox::inbox();
                let there = (Arc::clone(&objects), store.clone(), runtime.clone(), health.clone());
                let queue = Queue::new(&source, there.0, there.1, there.2, there.3).await;
                watches.spawn(queue.run(outlet));
                watches.spawn(keep_watching(objects, Some(inbox), source, store, runtime, health));
            }
        }
    }
    if watches.is_empty() {
        tracing::warn!("no source is configured: nothing to watch");
        health.set("sources", Condition::Degraded, "none is configured");
    }
    http::serve("prepare", listener, health.routes(), runtime.shutdown.clone()).await?;
    while watches.join_next().await.is_some() {}
    Ok(())
}

/// Resumes a watch as soon as the store answers.
async fn keep_watching<P: Place>(
    place: Arc<P>,
    inbox: Option<Inbox>,
    source: SourceConfig,
    store: StoreClient,
    runtime: Runtime,
    health: Health,
) {
    loop {
        let resuming =
            Watch::resume(Arc::clone(&place), source.clone(), store.clone(), runtime.clone(), health.clone());
        let resumed = tokio::select! {
            () = runtime.shutdown.cancelled() => return,
            resumed = resuming => resumed,
        };
        match resumed {
            Ok(watch) => {
                health.set("store", Condition::Ok, "answers");
                return watch.listening(inbox).watch().await;
            }
            Err(error) => {
                tracing::warn!(source = source.name, error = format!("{error:#}"), "the store does not answer yet");
                health.set("store", Condition::Down, format!("{error:#}"));
            }
        }
        tokio::select! {
            () = runtime.shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}
