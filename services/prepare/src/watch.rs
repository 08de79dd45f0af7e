//! Looks at a place again and again, and takes in what is new: the same for every kind of source.
//!
//! A look lists the place, finds the units (see [`intake`]) with a file that the ledger does not know, leaves alone what
//! is still being written, reads the rest, merges the parts of a scan, and stores its frame. Files that a queue
//! announces or a dead letter names are taken in between two looks, by the same way. The ledger is kept as a checkpoint
//! after each batch. Everything may be cut off at any instant: what was not noted is taken in again, and makes the same
//! frame again.

mod giving_up;
mod listening;
mod quality;
mod taking;
mod traits;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::SignedDuration;
use raincell_api_types::frames::Checkpoint;
use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, Runtime, clock};
use raincell_store_client::{ClientError, StoreClient};

use crate::config::SourceConfig;
use crate::inbox::Inbox;
use crate::intake::{self, Unit};
use crate::ledger::{Ledger, Stamp};
use crate::place::{Place, Window};
use crate::troubles::Troubles;
use crate::wanted::Wanted;

use quality::ToldQuality;
use traits::ToldTraits;

/// Units of one batch: parts of a scan that arrive together are merged before the scan is stored.
const BATCH: usize = 8;
/// The store is asked at most so often which dead letters are to be tried again.
const REPLAYS: Duration = Duration::from_secs(2);
/// A listing leaves what is younger to the queue, while that answers.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// The end of the last look is noted at least so often, and with every file.
const NOTE_LOOKS: SignedDuration = SignedDuration::from_secs(60);

/// Watches one place until the service stops.
pub struct Watch<P> {
    place: Arc<P>,
    /// Says what comes, of a place that has somebody to say it.
    inbox: Option<Inbox>,
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
    /// Named by a queue or a dead letter.
    wanted: Wanted,
    /// How many chunks of a volume there were when its low sweep was not whole yet.
    too_early: BTreeMap<String, usize>,
    troubles: Troubles,
    told_quality: ToldQuality,
    told_traits: ToldTraits,
    last_failure: String,
    last_look: Option<Instant>,
    last_replays: Option<Instant>,
}

/// A unit with its files, as they looked when it was found.
#[derive(Clone, Debug)]
struct Found {
    unit: Unit,
    files: Vec<(String, Stamp)>,
    /// Chunks whose end has not come; a whole low sweep is enough.
    early: bool,
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
        place: Arc<P>,
        source: SourceConfig,
        store: StoreClient,
        runtime: Runtime,
        health: Health,
    ) -> anyhow::Result<Self> {
        let mut watch = Self {
            place,
            inbox: None,
            source,
            store,
            runtime,
            health,
            ledger: Ledger::default(),
            revision: 0,
            unsaved: false,
            seen: BTreeMap::new(),
            wanted: Wanted::default(),
            too_early: BTreeMap::new(),
            troubles: Troubles::default(),
            told_quality: ToldQuality::default(),
            told_traits: ToldTraits::default(),
            last_failure: String::new(),
            last_look: None,
            last_replays: None,
        };
        watch.refresh_ledger().await?;
        Ok(watch)
    }

    /// Listens to an inbox between the looks.
    pub fn listening(mut self, inbox: Option<Inbox>) -> Self {
        self.inbox = inbox;
        self
    }

    /// Looks and listens until shutdown.
    pub async fn watch(mut self) {
        let shutdown = self.runtime.shutdown.clone();
        loop {
            // A round may be cut anywhere: what it has not noted is taken in again.
            tokio::select! {
                () = shutdown.cancelled() => return,
                outcome = self.round() => self.report(outcome),
            }
            let clock = Arc::clone(&self.runtime.clock);
            let pause = clock::sleep(clock.as_ref(), self.source.poll());
            let announcement = tokio::select! {
                () = shutdown.cancelled() => return,
                () = pause => None,
                announcement = listening::next_of(self.inbox.as_mut()) => Some(announcement),
            };
            self.hear(announcement);
        }
    }

    /// One round: what somebody has named; a look, where it is time for one.
    ///
    /// # Errors
    /// When the place cannot be listed, or the store does not answer; nothing is lost by it.
    async fn round(&mut self) -> anyhow::Result<Vec<String>> {
        self.ask_for_replays().await?;
        let mut complaints = self.take_wanted().await?;
        let pause = if self.queue_answers() { self.source.fallback() } else { self.source.poll() };
        let pause = self.runtime.clock.wall(pause);
        // Half a tick early is on time: ticks come at the same pace as looks.
        let slack = self.runtime.clock.wall(self.source.poll()) / 2;
        if self.inbox.is_none() || self.last_look.is_none_or(|last| last.elapsed() + slack >= pause) {
            complaints.extend(self.look().await?);
            self.last_look = Some(Instant::now());
        } else {
            complaints.extend(self.troubles.summary());
        }
        Ok(complaints)
    }

    fn queue_answers(&self) -> bool {
        self.inbox.as_ref().is_some_and(Inbox::answers)
    }

    /// Says how the round went: in the readiness always, in the log when it changes.
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
    async fn look(&mut self) -> anyhow::Result<Vec<String>> {
        metrics::counter!("raincell_prepare_looks_total", "source" => self.source.name.clone()).increment(1);
        if P::ATOMIC {
            // Other workers share the place: what they have taken in need not be taken in here.
            self.refresh_ledger().await?;
        }
        let window = self.window()?;
        let mut listing = self.place.list(window).await?;
        if self.queue_answers() {
            let young = window.end.saturating_sub(GRACE)?.as_millisecond();
            listing.files.retain(|name, stamp| stamp.changed_ms < young || self.seen.contains_key(name));
        }
        let begin_ms = window.begin.as_millisecond();
        let stays = |name: &str, stamp: Stamp| {
            listing.files.contains_key(name) || (P::WINDOWED && stamp.changed_ms >= begin_ms)
        };
        self.unsaved |= self.ledger.retain(stays);
        self.troubles.retain(|name| listing.files.contains_key(name) || self.seen.contains_key(name));
        let wanted = &self.wanted;
        self.seen.retain(|name, (stamp, _)| stays(name, *stamp) || wanted.contains(name));
        for (name, stamp) in listing.files {
            self.note_seen(name, stamp);
        }
        self.too_early.retain(|name, _| self.seen.contains_key(name));
        self.take_new().await?;
        let complaints = self.complaints(listing.blocked);
        if P::WINDOWED && complaints.is_empty() {
            let noted = self.ledger.looked_at();
            self.ledger.note_look(window.end);
            self.unsaved |= noted.is_none_or(|noted| window.end.duration_since(noted) >= NOTE_LOOKS);
        }
        self.save_ledger().await?;
        Ok(complaints)
    }

    /// From the end of the last look less the look-back, or further where this service was away.
    fn window(&self) -> anyhow::Result<Window> {
        let end = self.runtime.clock.now();
        let begin = end.saturating_sub(self.source.look_back())?;
        let earliest = begin.saturating_sub(self.source.catch_up())?;
        let last = match self.ledger.looked_at() {
            Some(last) if P::WINDOWED => last.saturating_sub(self.source.look_back())?,
            _ => begin,
        };
        Ok(Window { begin: last.clamp(earliest, begin), end })
    }

    fn note_seen(&mut self, name: String, stamp: Stamp) {
        let since = match self.seen.get(&name) {
            Some((same, since)) if *same == stamp => *since,
            _ => Instant::now(),
        };
        self.seen.insert(name, (stamp, since));
    }

    fn say_gone(&mut self, name: &str) {
        tracing::info!(source = self.source.name, file = name, "it was gone before it could be read: skipped");
        metrics::counter!("raincell_prepare_gone_total", "source" => self.source.name.clone()).increment(1);
        self.seen.remove(name);
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

    /// Takes in all that is new, a batch at a time.
    async fn take_new(&mut self) -> anyhow::Result<()> {
        for batch in self.new_units(Instant::now()).chunks(BATCH) {
            self.take_batch(batch).await?;
            self.save_ledger().await?;
        }
        self.save_ledger().await
    }

    /// Units with a file that the ledger does not know, all of whose files are at rest.
    fn new_units(&self, now: Instant) -> Vec<Found> {
        let idle = self.runtime.clock.wall(self.source.chunk_idle());
        let with_files = |unit: Unit| {
            let names = unit.paths().iter().map(|path| name_of(path));
            let files: Option<_> = names.map(|name| self.seen.get(&name).map(|(stamp, _)| (name, *stamp))).collect();
            files.map(|files| Found { unit, files, early: false })
        };
        let known = |(name, stamp): &(String, Stamp)| self.ledger.knows(name, *stamp);
        let ready = |mut found: Found| {
            let newest = found.files.iter().filter_map(|(name, _)| self.seen.get(name)).map(|(_, since)| *since).max();
            let rest = newest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            found.early = !found.unit.is_complete() && rest <= idle;
            let tried = self.too_early.get(&found.name()).copied().unwrap_or(0);
            let worth_it = !found.early
                || (found.unit.begins_whole() && found.files.len() > tried && !found.files.iter().any(known));
            ((P::ATOMIC || !rest.is_zero()) && worth_it).then_some(found)
        };
        intake::units(self.seen.keys().map(Into::into).collect())
            .into_iter()
            .filter_map(with_files)
            .filter(|found| !found.files.iter().all(known))
            .filter_map(ready)
            .filter(|found| !self.troubles.rests(&found.name(), &found.stamps(), now))
            .collect()
    }

    /// Reads the checkpoint: what this one has noted and others have not stays.
    async fn refresh_ledger(&mut self) -> anyhow::Result<()> {
        let Some(kept) = self.store.checkpoint(&checkpoint_name::<P>(&self.source)).await? else { return Ok(()) };
        if kept.revision == self.revision {
            return Ok(());
        }
        let theirs = serde_json::from_value(kept.value).unwrap_or_else(|error| {
            tracing::warn!(source = self.source.name, %error, "the checkpoint cannot be read: all is taken in anew");
            Ledger::default()
        });
        self.revision = kept.revision;
        self.ledger.absorb(theirs);
        Ok(())
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

fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn checkpoint_name<P: Place>(source: &SourceConfig) -> String {
    format!("prepare-{}-{}", P::KIND, source.name)
}
