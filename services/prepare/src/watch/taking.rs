//! From new units to stored frames.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, StreamExt};
use raincell_api_types::frames::SourceTraits;
use raincell_frame::Frame;
use raincell_io::RawScan;
use raincell_store_client::{ClientError, encode_frame};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::{Found, Watch, name_of};
use crate::intake::{self, ScanKey, Unit};
use crate::pipeline::{self, PrepareError, Prepared};
use crate::place::Place;
use crate::troubles::Refusal;

/// Units that are read at the same time; two keep two cores busy and the memory small.
const READ_AT_ONCE: usize = 2;

/// What became of reading a unit.
enum Reading {
    Scan(RawScan),
    /// This file of it has gone since it was found.
    Gone(String),
    Refused(Refusal),
}

impl<P: Place> Watch<P> {
    /// Reads a batch of units, merges what belongs together and stores the frames, oldest first.
    pub(super) async fn take_batch(&mut self, batch: &[Found]) -> anyhow::Result<()> {
        let units: Vec<Unit> = batch.iter().map(|found| found.unit.clone()).collect();
        let mut reading = std::pin::pin!(read_units(&self.place, units));
        let mut scans: BTreeMap<ScanKey, (Vec<Found>, Vec<RawScan>)> = BTreeMap::new();
        for found in batch {
            let Some(outcome) = reading.next().await else { break };
            match outcome {
                Reading::Scan(scan) if found.early && !intake::low_sweep_is_whole(&scan) => self.wait_for_more(found),
                // A composite may be large, and has no parts to wait for.
                Reading::Scan(scan @ RawScan::Grid(_)) => {
                    let key = intake::scan_key(&scan);
                    self.take_parts(&key, std::slice::from_ref(found), vec![scan]).await?;
                }
                Reading::Scan(scan) => {
                    let (parts, contents) = scans.entry(intake::scan_key(&scan)).or_default();
                    parts.push(found.clone());
                    contents.push(scan);
                }
                Reading::Gone(name) => {
                    self.say_gone(&name);
                    self.troubles.forget(&found.name());
                }
                // The beginning of a volume need not make sense by itself.
                Reading::Refused(Refusal::Bad(_)) if found.early => self.wait_for_more(found),
                Reading::Refused(refusal) => self.refuse(found, &refusal).await?,
            }
        }
        for (key, (parts, contents)) in scans {
            self.take_parts(&key, &parts, contents).await?;
        }
        Ok(())
    }

    /// Makes the frame of a scan, and notes what became of its parts.
    async fn take_parts(&mut self, key: &ScanKey, parts: &[Found], contents: Vec<RawScan>) -> anyhow::Result<()> {
        let span = tracing::info_span!("prepare", trace_id = Empty, first = true, source = self.source.name);
        match self.take_scan(key, parts, contents).instrument(span).await? {
            Ok(()) => self.note_taken(key, parts),
            Err(_) if parts.iter().all(|part| part.early) => parts.iter().for_each(|part| self.wait_for_more(part)),
            Err(reason) => {
                for part in parts {
                    self.refuse(part, &Refusal::Bad(reason.clone())).await?;
                }
            }
        }
        Ok(())
    }

    fn wait_for_more(&mut self, found: &Found) {
        self.too_early.insert(found.name(), found.files.len());
    }

    fn note_taken(&mut self, key: &ScanKey, parts: &[Found]) {
        for (name, stamp) in parts.iter().flat_map(|part| &part.files) {
            let by = if self.wanted.is_announced(name) { "announced" } else { "found" };
            metrics::counter!("raincell_prepare_files_total", "source" => self.source.name.clone(), "by" => by)
                .increment(1);
            self.ledger.note(name, *stamp, key);
            self.unsaved = true;
        }
        for part in parts {
            self.troubles.forget(&part.name());
        }
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
        let earlier = read_units(&self.place, intake::units(earlier.map(Into::into).collect()));
        scans.extend(earlier.collect::<Vec<_>>().await.into_iter().filter_map(|outcome| match outcome {
            Reading::Scan(scan) => Some(scan),
            _ => None,
        }));
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
        // First, so that it is there when the rain is announced.
        let apart = tracing::info_span!("prepare quality", trace_id = Empty, first = true, source = name);
        self.tell_quality(&prepared, &frame).instrument(apart).await;
        self.tell_traits(&prepared, &frame).await;
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

    /// Stores how much the rain is worth where that is news. Rain does not wait for it: the next scan tries again.
    async fn tell_quality(&self, prepared: &Prepared, rate: &Frame) {
        let Some(quality) = prepared.quality_frame(rate).filter(|quality| self.told_quality.is_news(quality)) else {
            return;
        };
        match self.store_frame(&quality).await {
            Ok(_) => self.told_quality.note(&quality),
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(source = self.source.name, error, "quality not stored");
            }
        }
    }

    /// Tells how the rates of the source are made. Rain does not wait for it either.
    async fn tell_traits(&self, prepared: &Prepared, rate: &Frame) {
        let traits = SourceTraits { hail_cap_mm_h: prepared.hail_cap_mm_h };
        if let Err(error) = self.told_traits.tell(&self.store, &rate.source, traits).await {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(
                source = self.source.name,
                error,
                "the store does not know from which rate on this source sees hail"
            );
        }
    }

    /// Stores a frame. One made of fewer parts of the same scan is replaced: what was just read knows more.
    async fn store_frame(&self, frame: &Frame) -> Result<&'static str, ClientError> {
        let body = encode_frame(frame)?;
        // All that comes of this frame has its hash as the trace id; the work on the scan does from here on.
        Span::current().record("trace_id", raincell_frame::content_hash(&body));
        let put = async |replaces: Option<&str>| {
            let (source, product, time) = (&frame.source, &frame.product, frame.field.valid_time);
            self.store.put_frame_bytes(source, product, time, body.clone(), replaces).await
        };
        match put(None).await {
            Ok(outcome) => Ok(if outcome.is_new() { "new" } else { "same" }),
            Err(ClientError::Conflict { stored_hash, .. }) => put(Some(&stored_hash)).await.map(|_| "replaced"),
            Err(error) => Err(error),
        }
    }
}

/// Fetches and decodes units, [`READ_AT_ONCE`] at a time, in their order.
fn read_units<P: Place>(place: &Arc<P>, units: Vec<Unit>) -> impl Stream<Item = Reading> + use<P> {
    let place = Arc::clone(place);
    let reading = units.into_iter().map(move |unit| read_unit(Arc::clone(&place), unit));
    futures::stream::iter(reading).buffered(READ_AT_ONCE)
}

async fn read_unit<P: Place>(place: Arc<P>, unit: Unit) -> Reading {
    let mut files = Vec::new();
    for path in unit.paths() {
        let name = name_of(path);
        match place.fetch(&name).await {
            Ok(Some(bytes)) => {
                let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.push((file_name, bytes));
            }
            Ok(None) => return Reading::Gone(name),
            Err(error) => return Reading::Refused(Refusal::Unavailable(format!("{error:#}"))),
        }
    }
    match tokio::task::spawn_blocking(move || unit.decode(&files)).await {
        Ok(Ok(scan)) => Reading::Scan(scan),
        Ok(Err(error)) => Reading::Refused(Refusal::Bad(error.to_string())),
        Err(panicked) => Reading::Refused(Refusal::Bad(format!("the decoder failed: {panicked}"))),
    }
}
