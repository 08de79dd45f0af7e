//! The `folder` source: looks at a folder, takes in what is new, sets bad files aside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use futures::StreamExt;
use jiff::Timestamp;
use raincell_api_types::frames::Checkpoint;
use raincell_api_types::health::Condition;
use raincell_frame::Frame;
use raincell_io::RawScan;
use raincell_service_runtime::{Health, Runtime, clock};
use raincell_store_client::{ClientError, StoreClient};

use crate::config::SourceConfig;
use crate::intake::{self, IntakeError, ScanKey, Unit};
use crate::ledger::{Ledger, Stamp};
use crate::{dead_letters, pipeline};

/// Units that are read at the same time; two keep two cores busy and the memory small.
const READ_AT_ONCE: usize = 2;
/// Units of one batch: parts of a scan that arrive together are merged before the scan is stored.
const BATCH: usize = 8;

/// Watches one folder until the service stops.
pub struct FolderWatch {
    source: SourceConfig,
    store: StoreClient,
    runtime: Runtime,
    health: Health,
    ledger: Ledger,
    revision: u64,
    last_look: BTreeMap<String, Stamp>,
}

/// A unit with the files it is made of, as they looked when it was found.
type Found = (Unit, Vec<(String, Stamp)>);

/// A unit that could be read: its files, and what they hold.
type Taken = (Vec<(String, Stamp)>, RawScan);

impl FolderWatch {
    /// Goes on where an earlier one stopped.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn resume(
        source: SourceConfig,
        store: StoreClient,
        runtime: Runtime,
        health: Health,
    ) -> anyhow::Result<Self> {
        let checkpoint = store.checkpoint(&checkpoint_name(&source)).await?;
        let (revision, ledger) = match checkpoint {
            Some(kept) => (kept.revision, serde_json::from_value(kept.value).unwrap_or_default()),
            None => (0, Ledger::default()),
        };
        Ok(Self { source, store, runtime, health, ledger, revision, last_look: BTreeMap::new() })
    }

    /// Looks again and again until shutdown.
    pub async fn watch(mut self) {
        while !self.runtime.shutdown.is_cancelled() {
            let dependency = format!("source {}", self.source.name);
            match self.look().await {
                Ok(taken) => {
                    self.health.set(&dependency, Condition::Ok, format!("looked, {taken} new files"));
                }
                Err(error) => {
                    tracing::warn!(source = self.source.name, error = format!("{error:#}"), "could not take in files");
                    metrics::counter!("raincell_prepare_look_failures_total", "source" => self.source.name.clone())
                        .increment(1);
                    self.health.set(&dependency, Condition::Degraded, format!("{error:#}"));
                }
            }
            tokio::select! {
                () = self.runtime.shutdown.cancelled() => {}
                () = clock::sleep(self.runtime.clock.as_ref(), self.source.poll()) => {}
            }
        }
    }

    /// One look: everything that is new and at rest is taken in. Returns how many files were.
    async fn look(&mut self) -> anyhow::Result<usize> {
        let folder = self.source.path.clone();
        let dead = self.source.dead_letter_folder();
        let listing = tokio::task::spawn_blocking(move || list(&folder, &dead))
            .await?
            .with_context(|| format!("cannot list {}", self.source.path.display()))?;
        let forgot = self.ledger.retain(|path| listing.contains_key(path));
        let found = self.new_units(&listing);
        self.last_look = listing;
        let mut taken = 0;
        for batch in found.chunks(BATCH) {
            if self.runtime.shutdown.is_cancelled() {
                break;
            }
            taken += self.take_batch(batch).await?;
        }
        if forgot || taken > 0 {
            self.save_ledger().await?;
        }
        Ok(taken)
    }

    /// Units with a file that the ledger does not know, all of whose files looked the same at the last look.
    fn new_units(&self, listing: &BTreeMap<String, Stamp>) -> Vec<Found> {
        let now_ms = Timestamp::now().as_millisecond();
        let paths = listing.keys().map(|path| self.source.path.join(path)).collect();
        let with_stamps = |unit: Unit| {
            let files: Option<Vec<(String, Stamp)>> = unit
                .paths()
                .iter()
                .map(|path| {
                    let relative = self.relative(path)?;
                    let stamp = *listing.get(&relative)?;
                    Some((relative, stamp))
                })
                .collect();
            files.map(|files| (unit, files))
        };
        intake::units(paths)
            .into_iter()
            .filter_map(with_stamps)
            .filter(|(_, files)| files.iter().any(|(path, stamp)| !self.ledger.knows(path, *stamp)))
            .filter(|(_, files)| files.iter().all(|(path, stamp)| self.last_look.get(path) == Some(stamp)))
            .filter(|(unit, files)| {
                let newest = files.iter().map(|(_, stamp)| stamp.changed_ms).max().unwrap_or(0);
                unit.is_complete() || (now_ms - newest) as f64 > self.source.chunk_idle_seconds * 1000.0
            })
            .collect()
    }

    /// Reads a batch of units, merges what belongs together and stores the frames, oldest first.
    async fn take_batch(&mut self, batch: &[Found]) -> anyhow::Result<usize> {
        let mut scans: BTreeMap<ScanKey, Vec<Taken>> = BTreeMap::new();
        let mut reading = futures::stream::iter(batch.iter().cloned().map(|(unit, files)| async move {
            let result = tokio::task::spawn_blocking({
                let unit = unit.clone();
                move || unit.read()
            })
            .await;
            (unit, files, result)
        }))
        .buffered(READ_AT_ONCE);
        let mut bad = Vec::new();
        while let Some((unit, files, result)) = reading.next().await {
            match result? {
                Ok(scan) => scans.entry(intake::scan_key(&scan)).or_default().push((files, scan)),
                // Moved or removed since it was listed: there is nothing to set aside.
                Err(IntakeError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => bad.push((unit, error.to_string())),
            }
        }
        drop(reading);
        for (unit, reason) in bad {
            self.set_aside(&unit, &reason)?;
        }
        let (mut taken, mut first_error) = (0, None);
        for (key, parts) in scans {
            match self.take_scan(&key, parts).await {
                Ok(files) => taken += files,
                // It stays new and is tried at the next look; the others go on.
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(taken), Err)
    }

    /// Makes the frame of one scan and stores it; earlier parts of the same scan are read again.
    async fn take_scan(&mut self, key: &ScanKey, parts: Vec<Taken>) -> anyhow::Result<usize> {
        let began = std::time::Instant::now();
        let files: Vec<(String, Stamp)> = parts.iter().flat_map(|(files, _)| files.clone()).collect();
        let earlier: Vec<PathBuf> = self
            .ledger
            .files_of(key)
            .into_iter()
            .filter(|path| !files.iter().any(|(p, _)| p == path))
            .map(|path| self.source.path.join(path))
            .collect();
        let mut scans: Vec<RawScan> = parts.into_iter().map(|(_, scan)| scan).collect();
        let source = self.source.clone();
        let made = tokio::task::spawn_blocking(move || {
            // A part that was good before and cannot be read now does not hold up the new one.
            scans.extend(intake::units(earlier).iter().filter_map(|unit| unit.read().ok()));
            intake::merge(scans).map(|scan| pipeline::to_rain(&scan, &source.recipe))
        })
        .await?;
        let name = self.source.name.clone();
        match made {
            Some(Ok(prepared)) => {
                let frame = prepared.frame(&self.source);
                let outcome = self.store_frame(&frame).await?;
                tracing::info!(source = name, radar = prepared.radar, valid_time = %prepared.field.valid_time,
                    wet_percent = prepared.wet_percent(), outcome, "frame stored");
                metrics::counter!("raincell_prepare_frames_total", "source" => name.clone()).increment(1);
                metrics::histogram!("raincell_prepare_seconds", "source" => name).record(began.elapsed().as_secs_f64());
            }
            Some(Err(reason)) => {
                // Parts without reflectivity wait for the part that has it; they are not bad.
                tracing::warn!(source = name, scan = %key.time, origin = key.origin, reason = format!("{:#}", anyhow::Error::from(reason)), "no frame from this scan yet");
                metrics::counter!("raincell_prepare_scans_without_frame_total", "source" => name).increment(1);
            }
            None => {}
        }
        for (path, stamp) in &files {
            self.ledger.note(path, *stamp, key);
        }
        Ok(files.len())
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

    fn set_aside(&mut self, unit: &Unit, reason: &str) -> anyhow::Result<()> {
        let folder = self.source.dead_letter_folder();
        tracing::error!(source = self.source.name, file = %unit.path().display(), reason, "bad file set aside");
        metrics::counter!("raincell_prepare_dead_letters_total", "source" => self.source.name.clone()).increment(1);
        dead_letters::bury(unit.paths(), &folder, reason, self.runtime.clock.now())
            .with_context(|| format!("cannot set {} aside in {}", unit.path().display(), folder.display()))?;
        Ok(())
    }

    async fn save_ledger(&mut self) -> anyhow::Result<()> {
        let checkpoint = Checkpoint {
            name: checkpoint_name(&self.source),
            revision: self.revision,
            value: serde_json::to_value(&self.ledger)?,
        };
        let kept = match self.store.put_checkpoint(&checkpoint).await {
            // Another copy of this service watches the same folder: both take in everything, which is harmless.
            Err(ClientError::StaleCheckpoint(theirs)) => *theirs,
            kept => kept?,
        };
        self.revision = kept.revision;
        Ok(())
    }

    fn relative(&self, path: &Path) -> Option<String> {
        path.strip_prefix(&self.source.path).ok().map(|p| p.to_string_lossy().into_owned())
    }
}

fn checkpoint_name(source: &SourceConfig) -> String {
    format!("prepare-folder-{}", source.name)
}

/// All files of a folder and its sub-folders (one level) with their stamps, dead letters and hidden files left out.
fn list(folder: &Path, dead: &Path) -> std::io::Result<BTreeMap<String, Stamp>> {
    let mut listing = BTreeMap::new();
    list_into(folder, folder, dead, 1, &mut listing)?;
    Ok(listing)
}

fn list_into(
    root: &Path,
    folder: &Path,
    dead: &Path,
    levels: usize,
    listing: &mut BTreeMap<String, Stamp>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let unfinished = [".tmp", ".part", ".partial"].iter().any(|ending| name.ends_with(ending));
        if name.starts_with('.') || unfinished || path == dead {
            continue;
        }
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            if levels > 0 {
                list_into(root, &path, dead, levels - 1, listing)?;
            }
        } else if let Ok(relative) = path.strip_prefix(root) {
            let changed = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let changed_ms = changed.map_or(0, |d| d.as_millis() as i64);
            listing.insert(relative.to_string_lossy().into_owned(), Stamp { bytes: metadata.len(), changed_ms });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_leaves_out_what_is_hidden_unfinished_or_dead() {
        let root = tempfile::tempdir().unwrap();
        let dead = root.path().join("dead-letters");
        for folder in ["chunks", "chunks/deeper", "dead-letters"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["a.h5", ".hidden", "b.h5.tmp", "chunks/c", "chunks/deeper/d", "dead-letters/e"] {
            std::fs::write(root.path().join(file), file).unwrap();
        }
        let names: Vec<String> = list(root.path(), &dead).unwrap().into_keys().collect();
        assert_eq!(names, ["a.h5", "chunks/c"]);
    }
}
