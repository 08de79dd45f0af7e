//! Makes the runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::FrameInfo;
use raincell_api_types::health::Condition;
use raincell_model::{NowcastRun, RainField};
use raincell_nowcasts::{NowcastMethod, Timings};
use raincell_service_runtime::Health;
use raincell_store_client::{ClientError, StoreClient};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::latest::{EncodedRun, Latest};

/// The product that nowcasts are made of.
const PRODUCT: &str = "rate";
/// No source sends more frames than this within the history.
const MOST_FRAMES: usize = 60;

/// Makes the runs of this process, one at a time: a run uses all cores.
pub struct Worker {
    config: Config,
    method: Arc<dyn NowcastMethod>,
    store: StoreClient,
    latest: Latest,
    health: Health,
    /// By source. The lock also makes runs take turns.
    sources: Mutex<HashMap<String, SourceState>>,
}

/// What is remembered of a source, so that a new frame costs one read.
#[derive(Default)]
struct SourceState {
    /// Content hash of the frame that the newest run was made from; unknown after a start.
    basis: Option<String>,
    /// The frames that the last run looked at, by content hash.
    fields: HashMap<String, RainField>,
}

impl Worker {
    /// With the configured method.
    ///
    /// # Errors
    /// When there is no such method.
    pub fn new(config: Config, store: StoreClient, latest: Latest, health: Health) -> anyhow::Result<Self> {
        let method = raincell_nowcasts::method(&config.method)
            .with_context(|| format!("no nowcast method is called `{}`", config.method))?;
        Ok(Self { config, method: Arc::from(method), store, latest, health, sources: Mutex::default() })
    }

    /// Sees to every source that the store has.
    pub async fn catch_up_all(&self, trigger: &'static str) {
        match self.store.sources().await {
            Ok(sources) => {
                for source in sources {
                    self.catch_up(&source.source, trigger).await;
                }
            }
            Err(error) => self.report("all", trigger, &anyhow::Error::from(error)),
        }
    }

    /// Sees to the source of a frame event.
    pub async fn frame_arrived(&self, source: &str) {
        self.catch_up(source, "event").await;
    }

    async fn catch_up(&self, source: &str, trigger: &'static str) {
        if !self.config.wants(source) {
            return;
        }
        match self.run_if_new(source, trigger).await {
            Ok(()) => self.health.set("nowcast", Condition::Ok, format!("{source} is up to date")),
            Err(error) => self.report(source, trigger, &error),
        }
    }

    fn report(&self, source: &str, trigger: &'static str, error: &anyhow::Error) {
        tracing::warn!(source, trigger, error = format!("{error:#}"), "no nowcast");
        metrics::counter!("raincell_nowcast_failures_total", "trigger" => trigger).increment(1);
        self.health.set("nowcast", Condition::Degraded, format!("{source}: {error:#}"));
    }

    /// Makes the run of the newest frame where there is none yet.
    async fn run_if_new(&self, source: &str, trigger: &'static str) -> anyhow::Result<()> {
        let mut sources = self.sources.lock().await;
        let state = sources.entry(source.to_owned()).or_default();
        let listing = self.store.latest_frames(source, PRODUCT, MOST_FRAMES).await?;
        let Some(newest) = listing.last().cloned() else { return Ok(()) };
        if state.basis.is_none() {
            state.basis = self.stored_basis(source).await?;
        }
        if state.basis.as_ref() == Some(&newest.hash) {
            return Ok(());
        }
        let began = Instant::now();
        let past = self.past_fields(state, &listing, &newest).await?;
        let used = past.len();
        let made = self.make(source.to_owned(), newest.clone(), past).await?;
        self.put(source, newest.valid_time, made.encoded.bytes.clone()).await?;
        state.basis = Some(newest.hash);
        let Timings { motion_s, nowcast_s } = made.timings;
        tracing::info!(source, trigger, issue_time = %newest.valid_time, frames = used, motion_s, nowcast_s,
            seconds = began.elapsed().as_secs_f64(), "nowcast stored");
        metrics::counter!("raincell_nowcast_runs_total", "trigger" => trigger).increment(1);
        metrics::histogram!("raincell_nowcast_seconds").record(began.elapsed().as_secs_f64());
        self.latest.keep(source, made.encoded);
        Ok(())
    }

    /// The frame that the newest stored run was made from.
    async fn stored_basis(&self, source: &str) -> anyhow::Result<Option<String>> {
        let stored = self.store.latest_run(source).await?;
        // Another method or version makes another run of the same frame.
        let ours =
            stored.filter(|(run, _)| run.method == self.method.name() && run.model_version == self.model_version());
        Ok(ours.map(|(run, _)| run.based_on))
    }

    /// Stores a run; an earlier one of the same issue time was made from a frame that has been replaced since.
    async fn put(&self, source: &str, issue_time: Timestamp, bytes: Bytes) -> Result<(), ClientError> {
        match self.store.put_run_bytes(source, issue_time, bytes.clone(), None).await {
            Err(ClientError::Conflict { stored_hash, .. }) => {
                self.store.put_run_bytes(source, issue_time, bytes, Some(&stored_hash)).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    fn model_version(&self) -> String {
        let inflow = if self.config.fill_inflow { ", inflow filled" } else { "" };
        format!("{}{inflow}", env!("CARGO_PKG_VERSION"))
    }

    /// The frames of the history up to `newest`, on its grid, ascending in time.
    async fn past_fields(
        &self,
        state: &mut SourceState,
        listing: &[FrameInfo],
        newest: &FrameInfo,
    ) -> anyhow::Result<Vec<RainField>> {
        let window = SignedDuration::from_mins(self.config.history_minutes).min(self.method.history());
        let mut known = std::mem::take(&mut state.fields);
        let mut past = Vec::new();
        for info in listing.iter().filter(|f| newest.valid_time.duration_since(f.valid_time) <= window) {
            let field = match known.remove(&info.hash) {
                Some(field) => field,
                None => self.store.frame(info).await?.field,
            };
            state.fields.insert(info.hash.clone(), field.clone());
            past.push(field);
        }
        let grid = past.last().map(|f| Arc::clone(&f.grid));
        Ok(past.into_iter().filter(|f| grid.as_deref() == Some(f.grid.as_ref())).collect())
    }

    async fn make(&self, source: String, newest: FrameInfo, past: Vec<RainField>) -> anyhow::Result<MadeRun> {
        let (method, leads, inflow) = (Arc::clone(&self.method), self.config.leads(), self.config.inflow());
        let model_version = self.model_version();
        tokio::task::spawn_blocking(move || {
            let nowcast = method.run(&past, &leads, inflow)?;
            let run = NowcastRun {
                source,
                issue_time: newest.valid_time,
                method: method.name().to_owned(),
                model_version,
                based_on: newest.hash,
                motion: nowcast.motion,
                fields: nowcast.fields,
            };
            let bytes = raincell_frame::encode_run(&run)?;
            let hash = raincell_frame::content_hash(&bytes);
            Ok(MadeRun { encoded: EncodedRun { bytes: bytes.into(), hash }, timings: nowcast.timings })
        })
        .await?
    }
}

/// A run ready to be stored.
struct MadeRun {
    encoded: EncodedRun,
    timings: Timings,
}
