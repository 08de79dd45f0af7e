//! The backend for one machine: one SQLite file in WAL mode, which several processes may open.
//!
//! A write runs in a `BEGIN IMMEDIATE` transaction on the one writing connection and is synced before it returns;
//! reads run beside it on connections of their own. All of that happens on threads for blocking work.

mod alerts;
mod backup;
mod bodies;
mod checkpoints;
mod connections;
mod dead_letters;
mod events;
mod leases;
mod opening;
mod retention;
mod schema;
mod series;
#[cfg(test)]
mod tests;
mod verification;

use std::path::Path;
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
use rusqlite::Connection;
use tokio::sync::watch;

use crate::{
    FrameKey, FrameQuery, FrameStore, NowcastKey, Put, Removed, SeriesFrame, StoreError, Stored, Wanted, WriteCondition,
};
pub use backup::Checked;
use connections::{Connections, Fault};

/// How many rows one transaction of the collector removes, so that writers never wait long for it.
const COLLECT_ROWS: usize = 200;

/// A [`FrameStore`] in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connections: Arc<Connections>,
    head: watch::Sender<u64>,
    /// Under which lease it writes.
    fence: Option<Arc<Fence>>,
}

impl SqliteStore {
    /// Opens the file, which is made where it is missing (its folder must exist), brings its schema up to date and
    /// checks that it is sound. One that is there and cannot be written is opened for reading:
    /// [`FrameStore::write_trouble`] says so until it can be.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a damaged file or one that is no database, [`StoreError::Schema`] for one that a
    /// newer version has written, [`StoreError::Backend`] where it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::over(Connections::open(path.to_owned()).await?).await
    }

    /// A store that lives and dies with this value.
    ///
    /// # Errors
    /// [`StoreError::Backend`] where SQLite refuses.
    pub async fn in_memory() -> Result<Self, StoreError> {
        Self::over(Connections::in_memory().await?).await
    }

    async fn over(connections: Connections) -> Result<Self, StoreError> {
        let store = Self { connections: Arc::new(connections), head: watch::Sender::new(0), fence: None };
        match store.last_sequence().await {
            Err(error) if store.write_trouble().is_none() => Err(error),
            // One that cannot be opened for writing may do without for a while.
            _ => Ok(store),
        }
    }

    /// Writes in a transaction, which begins with a look at the lease where there is one to hold.
    async fn write<T, W>(&self, doing: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let fence = self.fence.clone();
        let admitted = move |c: &Connection| {
            fence.map_or(Ok(()), |fence| leases::admit(c, &fence))?;
            work(c)
        };
        self.connections.write(doing, admitted).await
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
impl FrameStore for SqliteStore {
    async fn put_frame(
        &self,
        key: &FrameKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<FrameInfo>, StoreError> {
        let (key, condition) = (key.clone(), condition.clone());
        let write = move |c: &Connection| bodies::put(c, &key, &body, &condition, now);
        let (put, sequence) = self.write("store a frame", write).await?;
        self.announce(sequence);
        Ok(put)
    }

    async fn frame_info(&self, key: &FrameKey) -> Result<FrameInfo, StoreError> {
        let key = key.clone();
        self.connections.read("look up a frame", move |c| bodies::info(c, &key)).await
    }

    async fn frame(&self, key: &FrameKey) -> Result<Stored<FrameInfo>, StoreError> {
        let key = key.clone();
        self.connections.read("read a frame", move |c| bodies::get(c, &key)).await
    }

    async fn list_frames(&self, query: &FrameQuery) -> Result<FramePage, StoreError> {
        let query = query.clone();
        self.connections.read("list frames", move |c| bodies::list(c, &query)).await
    }

    async fn latest_frames(&self, source: &str, product: &str, n: usize) -> Result<Vec<FrameInfo>, StoreError> {
        let (source, product) = (source.to_owned(), product.to_owned());
        self.connections.read("list the newest frames", move |c| bodies::latest(c, &source, &product, n)).await
    }

    async fn recent_segments(
        &self,
        source: &str,
        product: &str,
        past: SignedDuration,
        wanted: Arc<dyn Wanted>,
    ) -> Result<Vec<SeriesFrame>, StoreError> {
        let (source, product) = (source.to_owned(), product.to_owned());
        let read = move |c: &Connection| series::read(c, &source, &product, past, &*wanted);
        self.connections.read("read a series", read).await
    }

    async fn sources(&self) -> Result<Vec<SourceInfo>, StoreError> {
        self.connections.read("list sources", bodies::sources).await
    }

    async fn put_nowcast(
        &self,
        key: &NowcastKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<NowcastInfo>, StoreError> {
        let (key, condition) = (key.clone(), condition.clone());
        let write = move |c: &Connection| bodies::put(c, &key, &body, &condition, now);
        let (put, sequence) = self.write("store a nowcast", write).await?;
        self.announce(sequence);
        Ok(put)
    }

    async fn nowcast(&self, key: &NowcastKey) -> Result<Stored<NowcastInfo>, StoreError> {
        let key = key.clone();
        self.connections.read("read a nowcast", move |c| bodies::get(c, &key)).await
    }

    async fn latest_nowcasts(&self, source: &str, n: usize) -> Result<Vec<NowcastInfo>, StoreError> {
        let source = source.to_owned();
        self.connections.read("list the newest nowcasts", move |c| bodies::latest(c, &source, "", n)).await
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<SequencedEvent>, StoreError> {
        self.connections.read("read events", move |c| events::after(c, sequence, limit)).await
    }

    async fn last_sequence(&self) -> Result<u64, StoreError> {
        self.connections.look_for_recovery().await;
        let sequence = self.connections.read("look for events", events::last_sequence).await?;
        self.announce(sequence);
        Ok(sequence)
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    fn write_trouble(&self) -> Option<String> {
        self.connections.trouble()
    }

    async fn alert_state(&self, place: &str) -> Result<AlertState, StoreError> {
        let place = place.to_owned();
        self.connections.read("read an alert state", move |c| alerts::state(c, &place)).await
    }

    async fn transition(
        &self,
        place: &str,
        transition: &AlertTransition,
        now: Timestamp,
    ) -> Result<AlertState, StoreError> {
        let (place, transition) = (place.to_owned(), transition.clone());
        let write = move |c: &Connection| alerts::transition(c, &place, &transition, now);
        let (state, sequence) = self.write("change an alert state", write).await?;
        self.announce(sequence);
        Ok(state)
    }

    async fn outbox(&self, status: Option<PostStatus>, limit: usize) -> Result<Vec<OutboxPost>, StoreError> {
        self.connections.read("list the outbox", move |c| alerts::outbox(c, status, limit)).await
    }

    async fn newest_posts(&self, limit: usize) -> Result<Vec<OutboxPost>, StoreError> {
        self.connections.read("list the newest posts", move |c| alerts::newest(c, limit)).await
    }

    async fn outbox_post(&self, key: &str) -> Result<OutboxPost, StoreError> {
        let key = key.to_owned();
        self.connections.read("read a post", move |c| alerts::post(c, &key)).await
    }

    async fn record_outcome(&self, key: &str, outcome: &PostOutcome) -> Result<OutboxPost, StoreError> {
        let (key, outcome) = (key.to_owned(), outcome.clone());
        self.write("record a post", move |c| alerts::record(c, &key, &outcome)).await
    }

    async fn checkpoint(&self, name: &str) -> Result<Checkpoint, StoreError> {
        let name = name.to_owned();
        self.connections.read("read a checkpoint", move |c| checkpoints::get(c, &name)).await
    }

    async fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Checkpoint, StoreError> {
        let checkpoint = checkpoint.clone();
        self.write("store a checkpoint", move |c| checkpoints::put(c, checkpoint)).await
    }

    async fn lease(&self, name: &str) -> Result<Lease, StoreError> {
        let name = name.to_owned();
        self.connections.read("read a lease", move |c| leases::get(c, &name)).await
    }

    async fn change_lease(&self, name: &str, change: &LeaseChange) -> Result<Lease, StoreError> {
        let (name, change) = (name.to_owned(), change.clone());
        self.connections.write("change a lease", move |c| leases::change(c, &name, &change)).await
    }

    fn fenced(&self, fence: Fence) -> Arc<dyn FrameStore> {
        let (connections, head) = (Arc::clone(&self.connections), self.head.clone());
        Arc::new(Self { connections, head, fence: Some(Arc::new(fence)) })
    }

    async fn add_dead_letter(&self, letter: &NewDeadLetter, now: Timestamp) -> Result<DeadLetter, StoreError> {
        let letter = letter.clone();
        self.write("store a dead letter", move |c| dead_letters::add(c, &letter, now)).await
    }

    async fn dead_letters(&self, state: Option<DeadLetterState>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.connections.read("list dead letters", move |c| dead_letters::list(c, state, limit)).await
    }

    async fn dead_letter(&self, id: u64) -> Result<DeadLetter, StoreError> {
        self.connections.read("read a dead letter", move |c| dead_letters::get(c, id)).await
    }

    async fn set_dead_letter_state(
        &self,
        id: u64,
        state: DeadLetterState,
        now: Timestamp,
    ) -> Result<DeadLetter, StoreError> {
        self.write("change a dead letter", move |c| dead_letters::set_state(c, id, state, now)).await
    }

    async fn undelete(&self, source: Option<&str>, now: Timestamp) -> Result<Removed, StoreError> {
        let source = source.map(str::to_owned);
        let write = move |c: &Connection| bodies::undelete(c, source.as_deref(), now);
        let (back, sequence) = self.write("bring back what has expired", write).await?;
        self.announce(sequence);
        Ok(back)
    }

    async fn expire(&self, stored_before: Timestamp, now: Timestamp) -> Result<Removed, StoreError> {
        self.write("expire", move |c| retention::expire(c, stored_before, now)).await
    }

    async fn collect(&self, hidden_before: Timestamp) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        loop {
            let collect = move |c: &Connection| retention::collect(c, hidden_before, COLLECT_ROWS);
            let part = self.write("collect what has expired", collect).await?;
            if part == Removed::default() {
                return Ok(removed);
            }
            removed.frames += part.frames;
            removed.nowcasts += part.nowcasts;
            removed.events += part.events;
            removed.posts += part.posts;
            removed.dead_letters += part.dead_letters;
        }
    }

    async fn add_verification(
        &self,
        source: &str,
        scored: &[ScoredNowcast],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (source, scored) = (source.to_owned(), scored.to_vec());
        self.write("add to the verification", move |c| verification::add(c, &source, &scored, now)).await
    }

    async fn verification(&self, source: &str, from: Timestamp, to: Timestamp) -> Result<Vec<PooledSums>, StoreError> {
        let source = source.to_owned();
        self.connections.read("read the verification", move |c| verification::pooled(c, &source, from, to)).await
    }

    async fn forget_verification(&self, added_before: Timestamp) -> Result<u64, StoreError> {
        self.write("forget old verification", move |c| verification::forget(c, added_before)).await
    }
}
