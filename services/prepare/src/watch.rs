//! Looks at a place again and again, and takes in what is new: the same for every kind of source.
//!
//! A look lists the place, finds the units (see [`intake`]) with a file that the ledger does not know, leaves alone what
//! is still being written, reads the rest, merges the parts of a scan, and stores its frame. The ledger is kept as a
//! checkpoint after each batch. Everything may be cut off at any instant: what was not noted is taken in again, and
//! makes the same frame again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::StreamExt;
use raincell_api_types::frames::Checkpoint;
use raincell_api_types::health::Condition;
use raincell_frame::Frame;
use raincell_io::RawScan;
use raincell_service_runtime::{Health, Runtime, clock};
use raincell_store_client::{ClientError, StoreClient};

use crate::config::SourceConfig;
use crate::intake::{self, ScanKey, Unit};
use crate::ledger::{Ledger, Stamp};
use crate::pipeline::{self, PrepareError};
use crate::place::Place;
use crate::troubles::{Refusal, Troubles};

/// Units that are read at the same time; two keep two cores busy and the memory small.
const READ_AT_ONCE: usize = 2;
/// Units of one batch: parts of a scan that arrive together are merged before the scan is stored.
const BATCH: usize = 8;

/// Watches one place until the service stops.
pub struct Watch<P> {
    place: Arc<P>,
    source: SourceConfig,
    store: StoreClient,
    runtime: Runtime,
    health: Health,
    ledger: Ledger,
    revision: u64,
    /// True when the ledger holds what its checkpoint does not.
    unsaved: bool,
    /// How each file looked at the last look, and since when it looks like that.
    seen: BTreeMap<String, (Stamp, Instant)>,
    troubles: Troubles,
    last_failure: String,
}

/// A unit with its files, as they looked when it was found.
#[derive(Clone, Debug)]
struct Found {
    unit: Unit,
    files: Vec<(String, Stamp)>,
}

impl Found {
    fn name(&self) -> String {
        name_of(self.unit.path())
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files.iter().map(|(_, stamp)| *stamp).collect()
    }
}

impl<P: Place> Watch<P> {
    /// Goes on where an earlier one stopped.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn resume(
        place: P,
        source: SourceConfig,
        store: StoreClient,
        runtime: Runtime,
        health: Health,
    ) -> anyhow::Result<Self> {
        let checkpoint = store.checkpoint(&checkpoint_name::<P>(&source)).await?;
        let (revision, ledger) = match checkpoint {
            Some(kept) => {
                let ledger = serde_json::from_value(kept.value).unwrap_or_else(|error| {
                    tracing::warn!(source = source.name, %error, "the checkpoint cannot be read: all is taken in anew");
                    Ledger::default()
                });
                (kept.revision, ledger)
            }
            None => (0, Ledger::default()),
        };
        Ok(Self {
            place: Arc::new(place),
            source,
            store,
            runtime,
            health,
            ledger,
            revision,
            unsaved: false,
            seen: BTreeMap::new(),
            troubles: Troubles::default(),
            last_failure: String::new(),
        })
    }

    /// Looks again and again until shutdown.
    pub async fn watch(mut self) {
        let shutdown = self.runtime.shutdown.clone();
        loop {
            // A look may be cut anywhere: what it has not noted is taken in again.
            tokio::select! {
                () = shutdown.cancelled() => return,
                outcome = self.look() => self.report(outcome),
            }
            let clock = Arc::clone(&self.runtime.clock);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = clock::sleep(clock.as_ref(), self.source.poll()) => {}
            }
        }
    }

    /// Says how the look went: in the readiness always, in the log when it changes.
    fn report(&mut self, outcome: anyhow::Result<Vec<String>>) {
        let dependency = format!("source {}", self.source.name);
        let failure = match outcome {
            Ok(complaints) => complaints.join("; "),
            Err(error) => {
                metrics::counter!("raincell_prepare_look_failures_total", "source" => self.source.name.clone())
                    .increment(1);
                format!("{error:#}")
            }
        };
        if failure.is_empty() {
            let files = self.seen.len();
            self.health.set(&dependency, Condition::Ok, format!("{files} files, all that is at rest is taken in"));
        } else {
            self.health.set(&dependency, Condition::Degraded, failure.clone());
        }
        if failure != self.last_failure {
            if failure.is_empty() {
                tracing::info!(source = self.source.name, "all is taken in again");
            } else {
                tracing::warn!(source = self.source.name, reason = failure, "not all could be taken in");
            }
            self.last_failure = failure;
        }
    }

    /// One look: everything that is new and at rest is taken in. Gives what should be seen to by somebody.
    ///
    /// # Errors
    /// When the place cannot be listed, or the store does not answer; nothing is lost by it.
    async fn look(&mut self) -> anyhow::Result<Vec<String>> {
        let listing = self.place.list(self.runtime.clock.now()).await?;
        let now = Instant::now();
        self.unsaved |= self.ledger.retain(|name| listing.files.contains_key(name));
        self.troubles.retain(|name| listing.files.contains_key(name));
        let before = std::mem::take(&mut self.seen);
        let since = |name: &String, stamp: Stamp| match before.get(name) {
            Some((same, since)) if *same == stamp => *since,
            _ => now,
        };
        self.seen = listing.files.iter().map(|(n, stamp)| (n.clone(), (*stamp, since(n, *stamp)))).collect();
        for batch in self.new_units(now).chunks(BATCH) {
            self.take_batch(batch).await?;
            self.save_ledger().await?;
        }
        self.save_ledger().await?;
        Ok(self.complaints(listing.blocked))
    }

    fn complaints(&self, blocked: Vec<String>) -> Vec<String> {
        let mut complaints = blocked;
        complaints.extend(self.troubles.summary());
        let bad: Vec<(&str, &str)> = self.ledger.bad_files().collect();
        if let Some((name, reason)) = bad.first() {
            complaints.push(format!("{} bad files could not be set aside, the first {name}: {reason}", bad.len()));
        }
        metrics::gauge!("raincell_prepare_bad_files_left", "source" => self.source.name.clone()).set(bad.len() as f64);
        complaints
    }

    /// Units with a file that the ledger does not know, all of whose files looked the same at the last look.
    fn new_units(&self, now: Instant) -> Vec<Found> {
        let idle = self.runtime.clock.wall(self.source.chunk_idle());
        let with_files = |unit: Unit| {
            let names = unit.paths().iter().map(|path| name_of(path));
            let files: Option<_> = names.map(|name| self.seen.get(&name).map(|(stamp, _)| (name, *stamp))).collect();
            files.map(|files| Found { unit, files })
        };
        let rested = |found: &Found| {
            let newest = found.files.iter().filter_map(|(name, _)| self.seen.get(name)).map(|(_, since)| *since).max();
            let rest = newest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            !rest.is_zero() && (found.unit.is_complete() || rest > idle)
        };
        intake::units(self.seen.keys().map(Into::into).collect())
            .into_iter()
            .filter_map(with_files)
            .filter(|found| found.files.iter().any(|(name, stamp)| !self.ledger.knows(name, *stamp)))
            .filter(rested)
            .filter(|found| !self.troubles.rests(&found.name(), &found.stamps(), now))
            .collect()
    }

    /// Reads a batch of units, merges what belongs together and stores the frames, oldest first.
    async fn take_batch(&mut self, batch: &[Found]) -> anyhow::Result<()> {
        let units: Vec<Unit> = batch.iter().map(|found| found.unit.clone()).collect();
        let read = read_units(&self.place, units).await;
        let mut scans: BTreeMap<ScanKey, (Vec<Found>, Vec<RawScan>)> = BTreeMap::new();
        for (found, outcome) in batch.iter().zip(read) {
            match outcome {
                Ok(Some(scan)) => {
                    let (parts, contents) = scans.entry(intake::scan_key(&scan)).or_default();
                    parts.push(found.clone());
                    contents.push(scan);
                }
                // Gone since it was listed: there is nothing to set aside.
                Ok(None) => self.troubles.forget(&found.name()),
                Err(refusal) => self.refuse(found, &refusal).await,
            }
        }
        for (key, (parts, contents)) in scans {
            match self.take_scan(&key, &parts, contents).await? {
                Ok(()) => {
                    for (name, stamp) in parts.iter().flat_map(|part| &part.files) {
                        self.ledger.note(name, *stamp, &key);
                        self.unsaved = true;
                    }
                    for part in &parts {
                        self.troubles.forget(&part.name());
                    }
                }
                Err(reason) => {
                    for part in &parts {
                        self.refuse(part, &Refusal::Bad(reason.clone())).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes the frame of one scan and stores it; earlier parts of the same scan are read again. Gives what is wrong
    /// with the scan where it is bad.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn take_scan(
        &self,
        key: &ScanKey,
        parts: &[Found],
        mut scans: Vec<RawScan>,
    ) -> anyhow::Result<Result<(), String>> {
        let began = Instant::now();
        let new: BTreeSet<&str> = parts.iter().flat_map(|part| &part.files).map(|(name, _)| name.as_str()).collect();
        let earlier = self.ledger.files_of(key).into_iter().filter(|name| !new.contains(name.as_str()));
        // What came last knows best, so that it stands first. A part that was good before and cannot be read now does
        // not hold up the new one.
        let earlier = read_units(&self.place, intake::units(earlier.map(Into::into).collect())).await;
        scans.extend(earlier.into_iter().filter_map(|outcome| outcome.ok().flatten()));
        let recipe = self.source.recipe.clone();
        let making = tokio::task::spawn_blocking(move || {
            intake::merge(scans).map(|scan| pipeline::to_rain(&scan, &recipe)).transpose()
        });
        let name = self.source.name.clone();
        let prepared = match making.await {
            Ok(Ok(Some(prepared))) => prepared,
            Ok(Ok(None)) => return Ok(Ok(())),
            Ok(Err(waiting @ PrepareError::NoReflectivity { .. })) => {
                // Parts without reflectivity wait for the part that has it; they are not bad.
                tracing::info!(source = name, reason = %waiting, "no frame from this scan yet");
                metrics::counter!("raincell_prepare_scans_without_frame_total", "source" => name).increment(1);
                return Ok(Ok(()));
            }
            Ok(Err(bad)) => return Ok(Err(format!("{:#}", anyhow::Error::from(bad)))),
            Err(panicked) => return Ok(Err(format!("no rain can be made of it: {panicked}"))),
        };
        let frame = prepared.frame(&self.source);
        let outcome = match self.store_frame(&frame).await {
            Ok(outcome) => outcome,
            Err(refused @ (ClientError::Rejected { .. } | ClientError::Encode { .. })) => {
                return Ok(Err(format!("{:#}", anyhow::Error::from(refused))));
            }
            Err(error) => return Err(error.into()),
        };
        tracing::info!(source = name, radar = prepared.radar, valid_time = %prepared.field.valid_time,
            wet_percent = prepared.wet_percent(), outcome, "frame stored");
        metrics::counter!("raincell_prepare_frames_total", "source" => name.clone()).increment(1);
        metrics::histogram!("raincell_prepare_seconds", "source" => name).record(began.elapsed().as_secs_f64());
        Ok(Ok(()))
    }

    /// Stores a frame. One made of fewer parts of the same scan is replaced: what was just read knows more.
    async fn store_frame(&self, frame: &Frame) -> Result<&'static str, ClientError> {
        match self.store.put_frame(frame).await {
            Ok(outcome) => Ok(if outcome.is_new() { "new" } else { "same" }),
            Err(ClientError::Conflict { stored_hash, .. }) => {
                self.store.replace_frame(frame, &stored_hash).await.map(|_| "replaced")
            }
            Err(error) => Err(error),
        }
    }

    /// Notes that a unit could not be taken in; a bad one is set aside when it has had its chances.
    async fn refuse(&mut self, found: &Found, refusal: &Refusal) {
        let patience = match found.unit {
            Unit::File(_) => self.source.settle(),
            Unit::Chunks(_) => self.source.chunk_idle().max(self.source.settle()),
        };
        let patience = self.runtime.clock.wall(patience);
        let name = found.name();
        let given_up = self.troubles.note(&name, found.stamps(), refusal, patience, Instant::now());
        let (Refusal::Bad(reason), true) = (refusal, given_up) else { return };
        self.troubles.forget(&name);
        let source = self.source.name.clone();
        metrics::counter!("raincell_prepare_dead_letters_total", "source" => source.clone()).increment(1);
        let names: Vec<String> = found.files.iter().map(|(name, _)| name.clone()).collect();
        let left_as = match self.place.set_aside(&names, reason, self.runtime.clock.now()).await {
            Ok(reason_file) => {
                tracing::error!(source, file = name, reason, kept = %reason_file.display(), "bad file set aside");
                // Where it was moved, the next look finds it gone and the ledger forgets it.
                ""
            }
            Err(error) => {
                tracing::error!(
                    source,
                    file = name,
                    reason,
                    error = format!("{error:#}"),
                    "bad file stays where it is and is not read again until it changes"
                );
                reason
            }
        };
        for (name, stamp) in &found.files {
            self.ledger.note_bad(name, *stamp, left_as);
        }
        self.unsaved = true;
    }

    async fn save_ledger(&mut self) -> anyhow::Result<()> {
        if !self.unsaved {
            return Ok(());
        }
        let checkpoint = Checkpoint {
            name: checkpoint_name::<P>(&self.source),
            revision: self.revision,
            value: serde_json::to_value(&self.ledger)?,
        };
        match self.store.put_checkpoint(&checkpoint).await {
            Ok(kept) => {
                self.revision = kept.revision;
                self.unsaved = false;
            }
            // Another copy of this service watches the same place, which is harmless: what it took in need not be taken
            // in again. Ours is saved at the next look.
            Err(ClientError::StaleCheckpoint(theirs)) => {
                self.revision = theirs.revision;
                self.ledger.absorb(serde_json::from_value(theirs.value).unwrap_or_default());
            }
            Err(error) => return Err(error).context("the checkpoint is not saved"),
        }
        Ok(())
    }
}

/// Fetches and decodes units, [`READ_AT_ONCE`] at a time, in their order; `None` where one has gone meanwhile.
async fn read_units<P: Place>(place: &Arc<P>, units: Vec<Unit>) -> Vec<Result<Option<RawScan>, Refusal>> {
    let reading = units.into_iter().map(|unit| read_unit(Arc::clone(place), unit));
    futures::stream::iter(reading).buffered(READ_AT_ONCE).collect().await
}

async fn read_unit<P: Place>(place: Arc<P>, unit: Unit) -> Result<Option<RawScan>, Refusal> {
    let mut files = Vec::new();
    for path in unit.paths() {
        match place.fetch(&name_of(path)).await {
            Ok(Some(bytes)) => {
                let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.push((file_name, bytes));
            }
            Ok(None) => return Ok(None),
            Err(error) => return Err(Refusal::Unavailable(format!("{error:#}"))),
        }
    }
    match tokio::task::spawn_blocking(move || unit.decode(&files)).await {
        Ok(Ok(scan)) => Ok(Some(scan)),
        Ok(Err(error)) => Err(Refusal::Bad(error.to_string())),
        Err(panicked) => Err(Refusal::Bad(format!("the decoder failed: {panicked}"))),
    }
}

fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn checkpoint_name<P: Place>(source: &SourceConfig) -> String {
    format!("prepare-{}-{}", P::KIND, source.name)
}
