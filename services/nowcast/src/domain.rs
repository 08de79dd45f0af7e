//! One domain: the frames of a source, its runs, and how they verify.
//!
//! There is one way to a run: [`Domain::look`] looks whether the newest frame has a run, and makes it if not. When there
//! is nothing to make, the frames that came are used to score the runs that were for their time ([`Domain::verify`]), one
//! at a time, so that no new frame waits for that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::{Checkpoint, FrameInfo};
use raincell_model::RainField;
use raincell_nowcasts::Timings;
use raincell_store_client::{ClientError, StoreClient};
use serde_json::json;
use tracing::Instrument;

use crate::calibration::Calibrations;
use crate::latest::EncodedRun;
use crate::maker::{Made, Order};
use crate::remembered::{HeldFrame, HeldRun, Remembered};
use crate::workshop::Workshop;
use crate::{skill, verify};

/// The product that nowcasts are made of.
pub const PRODUCT: &str = "rate";
/// No source sends more frames than this within the hours that are looked at.
const MOST_FRAMES: usize = 90;
/// Scores are told of this long.
const TOLD: SignedDuration = SignedDuration::from_hours(24);

/// What the newest run was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Basis {
    hash: String,
    steps: usize,
}

/// What is known of a source, so that a new frame costs one read. All of it can be had again from the store.
pub struct Domain {
    source: String,
    workshop: Arc<Workshop>,
    basis: Option<Basis>,
    /// The frames that the last run looked at, by content hash.
    fields: HashMap<String, RainField>,
    listing: Vec<FrameInfo>,
    remembered: Remembered,
    verified: Option<Verified>,
    /// What puts probabilities right.
    calibrations: Arc<Calibrations>,
    /// The source had no run before this process: what is missing of the last hours is made up for, to have scores.
    is_new: bool,
}

/// Which frames the runs were scored against.
struct Verified {
    checkpoint: Checkpoint,
    /// Frames up to this valid time are done, but for late ones that came to this process.
    until: Timestamp,
    hashes: HashSet<String>,
}

impl Domain {
    /// Of a source, of which nothing is known yet.
    pub fn new(source: &str, workshop: Arc<Workshop>) -> Self {
        Self {
            source: source.to_owned(),
            workshop,
            basis: None,
            fields: HashMap::new(),
            listing: Vec::new(),
            remembered: Remembered::default(),
            verified: None,
            calibrations: Arc::default(),
            is_new: false,
        }
    }

    /// Somebody else may have worked on it since.
    pub fn forget(&mut self) {
        self.basis = None;
        self.verified = None;
    }

    /// Makes the run of the newest frame where there is none yet. `store` writes under the lease.
    ///
    /// # Errors
    /// When the store fails, or there is no nowcast of these frames.
    pub async fn look(&mut self, store: &StoreClient, trigger: &'static str) -> anyhow::Result<()> {
        self.listing = store.latest_frames(&self.source, PRODUCT, MOST_FRAMES).await?;
        let Some(newest) = self.listing.last().cloned() else { return Ok(()) };
        self.run_if_new(store, &newest, trigger).await
    }

    async fn run_if_new(
        &mut self,
        store: &StoreClient,
        newest: &FrameInfo,
        trigger: &'static str,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        if self.basis.is_none() {
            self.basis = self.stored_basis(store).await?;
        }
        let steps = self.workshop.steps_for(newest.valid_time);
        let wanted = Basis { hash: newest.hash.clone(), steps };
        if self.basis.as_ref().is_some_and(|basis| basis.hash == wanted.hash && basis.steps >= wanted.steps) {
            return Ok(());
        }
        let span = tracing::info_span!("nowcast", trace_id = newest.hash, source = self.source);
        self.run_anew(store, newest, wanted, trigger, began).instrument(span).await
    }

    async fn run_anew(
        &mut self,
        store: &StoreClient,
        newest: &FrameInfo,
        wanted: Basis,
        trigger: &'static str,
        began: Instant,
    ) -> anyhow::Result<()> {
        let past = self.past_fields(store, newest).await?;
        let used = past.len();
        let made = self.make(newest, past, wanted.steps, began).await?;
        self.put(store, newest.valid_time, made.bytes.clone()).await?;
        self.basis = Some(wanted);
        let Timings { motion_s, nowcast_s } = made.timings;
        tracing::info!(source = self.source, trigger, issue_time = %newest.valid_time, frames = used, method = made.method,
            motion_s, nowcast_s, seconds = began.elapsed().as_secs_f64(), "nowcast stored");
        metrics::counter!("raincell_nowcast_runs_total", "trigger" => trigger, "method" => made.method.clone())
            .increment(1);
        metrics::histogram!("raincell_nowcast_seconds").record(began.elapsed().as_secs_f64());
        self.remembered.runs.insert(newest.valid_time, Arc::new(HeldRun::new(made.bytes.clone())?));
        let Made { bytes, hash, method, fallback, .. } = made;
        self.workshop.note_method(&self.source, fallback.as_deref());
        self.workshop.latest.keep(&self.source, EncodedRun { bytes, hash, method, fallback });
        Ok(())
    }

    async fn make(
        &self,
        newest: &FrameInfo,
        past: Vec<RainField>,
        steps: usize,
        began: Instant,
    ) -> anyhow::Result<Made> {
        let (source, based_on) = (self.source.clone(), newest.hash.clone());
        // A run uses all cores: they take turns.
        let _turn = self.workshop.turn.lock().await;
        let calibrations = Arc::clone(&self.calibrations);
        self.workshop.maker.make(Order { source, based_on, past, steps, began, calibrations }).await
    }

    /// The frame that the newest stored run was made from.
    async fn stored_basis(&mut self, store: &StoreClient) -> anyhow::Result<Option<Basis>> {
        let stored = store.latest_run(&self.source).await?;
        self.is_new = stored.is_none() && self.remembered.runs.is_empty();
        // Another method or version makes another run of the same frame.
        let ours = stored.filter(|(run, _)| self.workshop.maker.is_own(&run.method, &run.model_version));
        Ok(ours.map(|(run, _)| Basis { hash: run.based_on, steps: run.fields.len() }))
    }

    /// Stores a run; an earlier one of the same issue time was made from a frame that has been replaced since.
    async fn put(&self, store: &StoreClient, issue_time: Timestamp, bytes: Bytes) -> Result<(), ClientError> {
        match store.put_run_bytes(&self.source, issue_time, bytes.clone(), None).await {
            Err(ClientError::Conflict { stored_hash, .. }) => {
                store.put_run_bytes(&self.source, issue_time, bytes, Some(&stored_hash)).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    /// The frames of the history up to `newest`, on its grid, ascending in time.
    async fn past_fields(&mut self, store: &StoreClient, newest: &FrameInfo) -> anyhow::Result<Vec<RainField>> {
        let window = self.workshop.history();
        let wanted = |frame: &&FrameInfo| {
            let age = newest.valid_time.duration_since(frame.valid_time);
            (SignedDuration::ZERO..=window).contains(&age)
        };
        let listing: Vec<FrameInfo> = self.listing.iter().filter(wanted).cloned().collect();
        let mut known = std::mem::take(&mut self.fields);
        let mut past = Vec::new();
        for info in &listing {
            let field = match known.remove(&info.hash) {
                Some(field) => field,
                None => self.field(store, info).await?,
            };
            self.fields.insert(info.hash.clone(), field.clone());
            past.push(field);
        }
        let grid = past.last().map(|f| Arc::clone(&f.grid));
        Ok(past.into_iter().filter(|f| grid.as_deref() == Some(f.grid.as_ref())).collect())
    }

    /// A frame, decoded; its bytes are remembered.
    async fn field(&mut self, store: &StoreClient, info: &FrameInfo) -> anyhow::Result<RainField> {
        let frame = self.hold(store, info).await?;
        let decoded = tokio::task::spawn_blocking(move || raincell_frame::decode(&frame.bytes)).await?;
        Ok(decoded.with_context(|| format!("frame of {}", info.valid_time))?.field)
    }

    async fn hold(&mut self, store: &StoreClient, info: &FrameInfo) -> Result<Arc<HeldFrame>, ClientError> {
        if let Some(known) = self.remembered.frame(info.valid_time, &info.hash) {
            return Ok(Arc::clone(known));
        }
        let held = Arc::new(HeldFrame { hash: info.hash.clone(), bytes: store.frame_bytes(info).await? });
        self.remembered.frames.insert(info.valid_time, Arc::clone(&held));
        Ok(held)
    }

    /// Scores the runs for the time of one of the frames that came, the earliest that was not scored yet. False when there
    /// is none left.
    ///
    /// # Errors
    /// When the store fails, or the frame is damaged.
    pub async fn verify(&mut self, store: &StoreClient) -> anyhow::Result<bool> {
        let Some(newest) = self.listing.last().cloned() else { return Ok(false) };
        let oldest = newest.valid_time.checked_sub(self.workshop.horizon()).unwrap_or(Timestamp::MIN);
        if self.verified.is_none() {
            self.verified = Some(self.read_back(store, oldest).await?);
        }
        self.remembered.forget_before(oldest);
        let listing: Vec<FrameInfo> = self.listing.iter().filter(|f| f.valid_time >= oldest).cloned().collect();
        let Some(verified) = &self.verified else { return Ok(false) };
        let is_due = |frame: &&FrameInfo| !verified.hashes.contains(&frame.hash);
        let (due, left) = (listing.iter().find(is_due).cloned(), listing.iter().filter(is_due).count());
        let Some(due) = due else { return Ok(false) };
        // Those of the issue times are what persistence is made of.
        for info in &listing {
            self.hold(store, info).await?;
        }
        let span = tracing::info_span!("verify", trace_id = due.hash, source = self.source);
        self.score_against(store, &due).instrument(span).await?;
        if let Some(verified) = &mut self.verified {
            verified.hashes.insert(due.hash);
            verified.until = verified.until.max(due.valid_time);
        }
        self.note_verified(store, &listing).await?;
        if left == 1 {
            self.tell_skill(store, &newest).await?;
        }
        Ok(left > 1)
    }

    /// Scores what was forecast for the time of a frame.
    async fn score_against(&mut self, store: &StoreClient, due: &FrameInfo) -> anyhow::Result<()> {
        let observed = self.field(store, due).await?;
        let (remembered, step_min) = (self.remembered.clone(), self.workshop.config.step_minutes);
        let scored = tokio::task::spawn_blocking(move || verify::score_frame(&observed, &remembered, step_min)).await?;
        if !scored.is_empty() {
            store.add_verification(&self.source, &scored).await?;
        }
        Ok(())
    }

    /// After a start, or after somebody else had the lease: recent runs, and how far they were scored.
    async fn read_back(&mut self, store: &StoreClient, oldest: Timestamp) -> anyhow::Result<Verified> {
        let name = format!("nowcast/verified/{}", self.source);
        let stored = store.checkpoint(&name).await?;
        let checkpoint = stored.unwrap_or(Checkpoint { name, revision: 0, value: json!(null) });
        let until = checkpoint.value["until"].as_str().and_then(|text| text.parse().ok()).unwrap_or(Timestamp::MIN);
        for info in store.list_runs(&self.source, MOST_FRAMES).await?.into_iter().filter(|r| r.issue_time >= oldest) {
            if self.remembered.runs.contains_key(&info.issue_time) {
                continue;
            }
            match store.run_bytes(&info).await {
                Ok(bytes) => {
                    self.remembered.runs.insert(info.issue_time, Arc::new(HeldRun::new(bytes)?));
                }
                // Expired between the listing and now.
                Err(ClientError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(newest) = self.listing.last().cloned() {
            self.tell_skill(store, &newest).await?;
        }
        let done = self.listing.iter().filter(|frame| frame.valid_time <= until);
        Ok(Verified { hashes: done.map(|frame| frame.hash.clone()).collect(), checkpoint, until })
    }

    async fn note_verified(&mut self, store: &StoreClient, listing: &[FrameInfo]) -> anyhow::Result<()> {
        let Some(verified) = &mut self.verified else { return Ok(()) };
        verified.hashes.retain(|hash| listing.iter().any(|frame| frame.hash == *hash));
        let value = json!({ "until": verified.until });
        if verified.checkpoint.value != value {
            verified.checkpoint = store.put_checkpoint(&Checkpoint { value, ..verified.checkpoint.clone() }).await?;
        }
        Ok(())
    }

    async fn tell_skill(&mut self, store: &StoreClient, newest: &FrameInfo) -> anyhow::Result<()> {
        let from = newest.valid_time.checked_sub(TOLD).unwrap_or(Timestamp::MIN);
        let to = newest.valid_time.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
        let pools = store.verification(&self.source, from, to).await?;
        skill::publish(&self.source, &pools);
        self.calibrations = Arc::new(Calibrations::of(&pools));
        Ok(())
    }

    /// One nowcast as it would have been made of a frame from before there was any run, scored against what came then;
    /// it is stored nowhere. False when there is none to make.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn make_up(&mut self, store: &StoreClient) -> anyhow::Result<bool> {
        let Some(newest) = self.listing.last().filter(|_| self.is_new) else { return Ok(false) };
        let (newest, oldest) = (newest.clone(), newest.valid_time.checked_sub(self.workshop.horizon())?);
        let missing = self
            .listing
            .iter()
            .find(|frame| frame.valid_time >= oldest && !self.remembered.runs.contains_key(&frame.valid_time));
        let Some(info) = missing.cloned() else { return Ok(false) };
        let past = self.past_fields(store, &info).await?;
        let made = self.make(&info, past, self.workshop.config.steps, Instant::now()).await?;
        let run = Arc::new(HeldRun::new(made.bytes)?);
        self.remembered.runs.insert(info.valid_time, Arc::clone(&run));
        let (remembered, step_min) = (self.remembered.clone(), self.workshop.config.step_minutes);
        let scored = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<_>> {
            let mut scored = Vec::new();
            for frame in remembered.frames.range(run.header.issue_time..).skip(1).map(|(_, frame)| frame) {
                let observed = raincell_frame::decode(&frame.bytes)?.field;
                scored.extend(verify::score(&run, &observed, &remembered, step_min));
            }
            Ok(scored)
        });
        let scored = scored.await??;
        if !scored.is_empty() {
            store.add_verification(&self.source, &scored).await?;
            self.tell_skill(store, &newest).await?;
        }
        Ok(true)
    }
}
