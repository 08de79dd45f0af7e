//! The backend for many machines: one DynamoDB table that any number of store processes share.
//!
//! The module `keys` says where everything is, `bodies` how a frame becomes visible in one step, `commit` how things
//! change and how the log gets its order, `retention` how they go. Reads are strongly consistent: what one replica has
//! acknowledged, the next one has.

mod alerts;
mod bodies;
mod capacity;
mod checkpoints;
mod commit;
mod dead_letters;
mod events;
mod item;
mod keys;
mod known_parts;
mod leases;
mod listings;
mod parts;
mod request;
mod retention;
mod table;
#[cfg(test)]
mod tests;
mod verification;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{AlertState, AlertTransition, OutboxPost, PostOutcome, PostStatus};
use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState, NewDeadLetter};
use raincell_api_types::events::SequencedEvent;
use raincell_api_types::frames::{Checkpoint, FrameInfo, FramePage, NowcastInfo, SourceInfo};
use raincell_api_types::leases::{Fence, Lease, LeaseChange};
use raincell_api_types::verification::{PooledSums, ScoredNowcast};
use tokio::sync::{Mutex, watch};

use crate::{
    FrameKey, FrameQuery, FrameStore, NowcastKey, Put, Removed, SeriesFrame, StoreError, Stored, Wanted, WriteCondition,
};
use known_parts::KnownParts;
use request::Table;
pub use table::{DynamoSettings, Initialised};

/// A [`FrameStore`] in a DynamoDB table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    table: Table,
    keep: SignedDuration,
    collector_deletes_bodies: bool,
    /// Where the head of the log is thought to stand; held by the one who moves it.
    known_head: Arc<Mutex<u64>>,
    /// Sources that are known to be in the table.
    registered: Arc<Mutex<BTreeSet<String>>>,
    head: watch::Sender<u64>,
    known_parts: KnownParts,
    /// Under which lease it writes.
    fence: Option<Arc<Fence>>,
}

impl DynamoStore {
    /// Opens the table, which must be there.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where it is missing, [`StoreError::Corrupt`] where it is another kind of table,
    /// [`StoreError::Busy`] or [`StoreError::Backend`] where DynamoDB does not answer or refuses.
    pub async fn open(settings: &DynamoSettings) -> Result<Self, StoreError> {
        let table = Table::of(settings).await;
        table.check().await?;
        let store = Self {
            table,
            keep: settings.keep,
            collector_deletes_bodies: settings.collector_deletes_bodies,
            known_head: Arc::default(),
            registered: Arc::default(),
            head: watch::Sender::new(0),
            known_parts: KnownParts::default(),
            fence: None,
        };
        *store.known_head.lock().await = store.last_sequence().await?;
        Ok(store)
    }

    /// Makes the table where it is missing (on-demand capacity), and sets its time to live and point-in-time recovery.
    /// Does no harm to one that is there.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn init(settings: &DynamoSettings) -> Result<Initialised, StoreError> {
        Table::of(settings).await.init().await
    }

    /// Lets subscribers know of a sequence.
    fn announce(&self, sequence: u64) {
        self.head.send_if_modified(|head| {
            let rises = sequence > *head;
            *head = sequence.max(*head);
            rises
        });
    }
}

#[async_trait]
impl FrameStore for DynamoStore {
    async fn put_frame(
        &self,
        key: &FrameKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<FrameInfo>, StoreError> {
        self.put_body(key, &body, condition, now).await
    }

    async fn frame_info(&self, key: &FrameKey) -> Result<FrameInfo, StoreError> {
        self.body_info(key).await
    }

    async fn frame(&self, key: &FrameKey) -> Result<Stored<FrameInfo>, StoreError> {
        self.get_body(key).await
    }

    async fn list_frames(&self, query: &FrameQuery) -> Result<FramePage, StoreError> {
        self.list(query).await
    }

    async fn latest_frames(&self, source: &str, product: &str, n: usize) -> Result<Vec<FrameInfo>, StoreError> {
        self.newest::<FrameKey>(bodies::frames_of(source, product), n).await
    }

    async fn recent_segments(
        &self,
        source: &str,
        product: &str,
        past: SignedDuration,
        wanted: Arc<dyn Wanted>,
    ) -> Result<Vec<SeriesFrame>, StoreError> {
        self.series(source, product, past, &*wanted).await
    }

    async fn sources(&self) -> Result<Vec<SourceInfo>, StoreError> {
        self.list_sources().await
    }

    async fn put_nowcast(
        &self,
        key: &NowcastKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<NowcastInfo>, StoreError> {
        self.put_body(key, &body, condition, now).await
    }

    async fn nowcast(&self, key: &NowcastKey) -> Result<Stored<NowcastInfo>, StoreError> {
        self.get_body(key).await
    }

    async fn latest_nowcasts(&self, source: &str, n: usize) -> Result<Vec<NowcastInfo>, StoreError> {
        self.newest::<NowcastKey>(bodies::runs_of(source), n).await
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<SequencedEvent>, StoreError> {
        self.read_events(sequence, limit).await
    }

    async fn last_sequence(&self) -> Result<u64, StoreError> {
        let sequence = self.head().await?;
        self.announce(sequence);
        Ok(sequence)
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    async fn alert_state(&self, place: &str) -> Result<AlertState, StoreError> {
        Ok(self.get_state(place).await?.0)
    }

    async fn transition(
        &self,
        place: &str,
        transition: &AlertTransition,
        now: Timestamp,
    ) -> Result<AlertState, StoreError> {
        self.move_state(place, transition, now).await
    }

    async fn outbox(&self, status: Option<PostStatus>, limit: usize) -> Result<Vec<OutboxPost>, StoreError> {
        self.read_outbox(status, limit).await
    }

    async fn newest_posts(&self, limit: usize) -> Result<Vec<OutboxPost>, StoreError> {
        self.read_newest(limit).await
    }

    async fn outbox_post(&self, key: &str) -> Result<OutboxPost, StoreError> {
        Ok(self.find_post(key).await?.0)
    }

    async fn record_outcome(&self, key: &str, outcome: &PostOutcome) -> Result<OutboxPost, StoreError> {
        self.note_outcome(key, outcome).await
    }

    async fn checkpoint(&self, name: &str) -> Result<Checkpoint, StoreError> {
        let found = self.get_checkpoint(name).await?;
        found.map(|(found, _)| found).ok_or_else(|| StoreError::NotFound { what: checkpoints::what(name) })
    }

    async fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Checkpoint, StoreError> {
        self.write_checkpoint(checkpoint).await
    }

    async fn lease(&self, name: &str) -> Result<Lease, StoreError> {
        Ok(self.get_lease(name).await?.0)
    }

    async fn change_lease(&self, name: &str, change: &LeaseChange) -> Result<Lease, StoreError> {
        self.move_lease(name, change).await
    }

    fn fenced(&self, fence: Fence) -> Arc<dyn FrameStore> {
        Arc::new(Self { fence: Some(Arc::new(fence)), ..self.clone() })
    }

    async fn add_dead_letter(&self, letter: &NewDeadLetter, now: Timestamp) -> Result<DeadLetter, StoreError> {
        self.write_letter(letter, now).await
    }

    async fn dead_letters(&self, state: Option<DeadLetterState>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let letters = self.letters().await?.into_iter().map(|(letter, _)| letter);
        Ok(letters.filter(|letter| state.is_none_or(|state| state == letter.state)).take(limit).collect())
    }

    async fn dead_letter(&self, id: u64) -> Result<DeadLetter, StoreError> {
        Ok(self.letter(id).await?.0)
    }

    async fn set_dead_letter_state(
        &self,
        id: u64,
        state: DeadLetterState,
        now: Timestamp,
    ) -> Result<DeadLetter, StoreError> {
        self.move_letter(id, state, now).await
    }

    async fn expire(&self, stored_before: Timestamp, now: Timestamp) -> Result<Removed, StoreError> {
        self.hide(stored_before, now).await
    }

    async fn undelete(&self, source: Option<&str>, now: Timestamp) -> Result<Removed, StoreError> {
        self.bring_back(source, now).await
    }

    async fn collect(&self, hidden_before: Timestamp) -> Result<Removed, StoreError> {
        self.remove(hidden_before).await
    }

    async fn add_verification(
        &self,
        source: &str,
        scored: &[ScoredNowcast],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.add_scored(source, scored, now).await
    }

    async fn verification(&self, source: &str, from: Timestamp, to: Timestamp) -> Result<Vec<PooledSums>, StoreError> {
        self.pooled(source, from, to).await
    }

    async fn forget_verification(&self, added_before: Timestamp) -> Result<u64, StoreError> {
        self.forget_scored(added_before).await
    }
}
