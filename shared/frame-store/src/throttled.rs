//! A store that is slow and fails now and then, for tests of those who use one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{AlertState, AlertTransition, OutboxPost, PostOutcome, PostStatus};
use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState, NewDeadLetter};
use raincell_api_types::events::SequencedEvent;
use raincell_api_types::frames::{Checkpoint, FrameInfo, FramePage, NowcastInfo, SourceInfo};
use raincell_api_types::leases::{Fence, Lease, LeaseChange};
use raincell_api_types::verification::{PooledSums, ScoredNowcast};
use tokio::sync::watch;

use crate::{
    FrameKey, FrameQuery, FrameStore, NowcastKey, Put, Removed, SeriesFrame, StoreError, Stored, Wanted, WriteCondition,
};

/// How slow, and how often not at all. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// What each call waits before it goes on.
    pub wait: Duration,
    /// Each call whose number is a multiple of this is refused before it has an effect; 0 for none.
    pub refuse_every: u64,
    /// Each call whose number is a multiple of this fails after it had its effect, as when the answer is lost; 0 for none.
    pub lose_every: u64,
}

/// A [`FrameStore`] that passes each call on to another one, later or not at all. A refused call and a lost answer
/// look the same: [`StoreError::Busy`].
#[derive(Clone, Debug)]
pub struct ThrottledStore {
    inner: Arc<dyn FrameStore>,
    throttle: Throttle,
    calls: Arc<AtomicU64>,
}

impl ThrottledStore {
    /// Around another store.
    pub fn new(inner: Arc<dyn FrameStore>, throttle: Throttle) -> Self {
        Self { inner, throttle, calls: Arc::default() }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn through<T>(&self, call: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.throttle.wait.is_zero() {
            tokio::time::sleep(self.throttle.wait).await;
        }
        let hit = |every: u64| every > 0 && number.is_multiple_of(every);
        if hit(self.throttle.refuse_every) {
            return Err(StoreError::Busy { doing: "go on while throttled" });
        }
        let outcome = call.await;
        if hit(self.throttle.lose_every) { Err(StoreError::Busy { doing: "answer while throttled" }) } else { outcome }
    }
}

#[async_trait]
impl FrameStore for ThrottledStore {
    async fn put_frame(
        &self,
        key: &FrameKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<FrameInfo>, StoreError> {
        self.through(self.inner.put_frame(key, body, condition, now)).await
    }

    async fn frame_info(&self, key: &FrameKey) -> Result<FrameInfo, StoreError> {
        self.through(self.inner.frame_info(key)).await
    }

    async fn frame(&self, key: &FrameKey) -> Result<Stored<FrameInfo>, StoreError> {
        self.through(self.inner.frame(key)).await
    }

    async fn list_frames(&self, query: &FrameQuery) -> Result<FramePage, StoreError> {
        self.through(self.inner.list_frames(query)).await
    }

    async fn latest_frames(&self, source: &str, product: &str, n: usize) -> Result<Vec<FrameInfo>, StoreError> {
        self.through(self.inner.latest_frames(source, product, n)).await
    }

    async fn recent_segments(
        &self,
        source: &str,
        product: &str,
        past: SignedDuration,
        wanted: Arc<dyn Wanted>,
    ) -> Result<Vec<SeriesFrame>, StoreError> {
        self.through(self.inner.recent_segments(source, product, past, wanted)).await
    }

    async fn sources(&self) -> Result<Vec<SourceInfo>, StoreError> {
        self.through(self.inner.sources()).await
    }

    async fn put_nowcast(
        &self,
        key: &NowcastKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<NowcastInfo>, StoreError> {
        self.through(self.inner.put_nowcast(key, body, condition, now)).await
    }

    async fn nowcast(&self, key: &NowcastKey) -> Result<Stored<NowcastInfo>, StoreError> {
        self.through(self.inner.nowcast(key)).await
    }

    async fn latest_nowcasts(&self, source: &str, n: usize) -> Result<Vec<NowcastInfo>, StoreError> {
        self.through(self.inner.latest_nowcasts(source, n)).await
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<SequencedEvent>, StoreError> {
        self.through(self.inner.events_after(sequence, limit)).await
    }

    async fn last_sequence(&self) -> Result<u64, StoreError> {
        self.through(self.inner.last_sequence()).await
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.subscribe()
    }

    fn write_trouble(&self) -> Option<String> {
        self.inner.write_trouble()
    }

    async fn alert_state(&self, place: &str) -> Result<AlertState, StoreError> {
        self.through(self.inner.alert_state(place)).await
    }

    async fn transition(
        &self,
        place: &str,
        transition: &AlertTransition,
        now: Timestamp,
    ) -> Result<AlertState, StoreError> {
        self.through(self.inner.transition(place, transition, now)).await
    }

    async fn outbox(&self, status: Option<PostStatus>, limit: usize) -> Result<Vec<OutboxPost>, StoreError> {
        self.through(self.inner.outbox(status, limit)).await
    }

    async fn newest_posts(&self, limit: usize) -> Result<Vec<OutboxPost>, StoreError> {
        self.through(self.inner.newest_posts(limit)).await
    }

    async fn outbox_post(&self, key: &str) -> Result<OutboxPost, StoreError> {
        self.through(self.inner.outbox_post(key)).await
    }

    async fn record_outcome(&self, key: &str, outcome: &PostOutcome) -> Result<OutboxPost, StoreError> {
        self.through(self.inner.record_outcome(key, outcome)).await
    }

    async fn checkpoint(&self, name: &str) -> Result<Checkpoint, StoreError> {
        self.through(self.inner.checkpoint(name)).await
    }

    async fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Checkpoint, StoreError> {
        self.through(self.inner.put_checkpoint(checkpoint)).await
    }

    async fn lease(&self, name: &str) -> Result<Lease, StoreError> {
        self.through(self.inner.lease(name)).await
    }

    async fn change_lease(&self, name: &str, change: &LeaseChange) -> Result<Lease, StoreError> {
        self.through(self.inner.change_lease(name, change)).await
    }

    fn fenced(&self, fence: Fence) -> Arc<dyn FrameStore> {
        Arc::new(Self { inner: self.inner.fenced(fence), ..self.clone() })
    }

    async fn add_dead_letter(&self, letter: &NewDeadLetter, now: Timestamp) -> Result<DeadLetter, StoreError> {
        self.through(self.inner.add_dead_letter(letter, now)).await
    }

    async fn dead_letters(&self, state: Option<DeadLetterState>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.through(self.inner.dead_letters(state, limit)).await
    }

    async fn dead_letter(&self, id: u64) -> Result<DeadLetter, StoreError> {
        self.through(self.inner.dead_letter(id)).await
    }

    async fn set_dead_letter_state(
        &self,
        id: u64,
        state: DeadLetterState,
        now: Timestamp,
    ) -> Result<DeadLetter, StoreError> {
        self.through(self.inner.set_dead_letter_state(id, state, now)).await
    }

    async fn expire(&self, stored_before: Timestamp, now: Timestamp) -> Result<Removed, StoreError> {
        self.through(self.inner.expire(stored_before, now)).await
    }

    async fn undelete(&self, source: Option<&str>, now: Timestamp) -> Result<Removed, StoreError> {
        self.through(self.inner.undelete(source, now)).await
    }

    async fn collect(&self, hidden_before: Timestamp) -> Result<Removed, StoreError> {
        self.through(self.inner.collect(hidden_before)).await
    }

    async fn add_verification(
        &self,
        source: &str,
        scored: &[ScoredNowcast],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.through(self.inner.add_verification(source, scored, now)).await
    }

    async fn verification(&self, source: &str, from: Timestamp, to: Timestamp) -> Result<Vec<PooledSums>, StoreError> {
        self.through(self.inner.verification(source, from, to)).await
    }

    async fn forget_verification(&self, added_before: Timestamp) -> Result<u64, StoreError> {
        self.through(self.inner.forget_verification(added_before)).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;
    use crate::SqliteStore;

    async fn throttled(throttle: Throttle) -> Arc<ThrottledStore> {
        Arc::new(ThrottledStore::new(Arc::new(SqliteStore::in_memory().await.unwrap()), throttle))
    }

    async fn slow() -> ((), Arc<dyn FrameStore>) {
        ((), throttled(Throttle { wait: Duration::from_millis(2), ..Throttle::default() }).await)
    }

    mod that_is_slow {
        crate::frame_store_conformance!(super::slow());
    }

    fn note(revision: u64) -> Checkpoint {
        Checkpoint { name: "x".into(), revision, value: json!(revision) }
    }

    #[tokio::test]
    async fn a_refused_call_has_no_effect() {
        let store = throttled(Throttle { refuse_every: 2, ..Throttle::default() }).await;
        store.put_checkpoint(&note(0)).await.unwrap();
        assert!(matches!(store.put_checkpoint(&note(1)).await, Err(StoreError::Busy { .. })));
        assert_eq!(store.checkpoint("x").await.unwrap().revision, 1);
        assert_eq!(store.calls(), 3);
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_its_effect() {
        let store = throttled(Throttle { lose_every: 2, ..Throttle::default() }).await;
        store.put_checkpoint(&note(0)).await.unwrap();
        assert!(matches!(store.put_checkpoint(&note(1)).await, Err(StoreError::Busy { .. })));
        assert_eq!(store.checkpoint("x").await.unwrap().revision, 2);
    }

    #[tokio::test]
    async fn frames_stored_again_after_each_failure_are_there_once() {
        let store = throttled(Throttle { refuse_every: 3, lose_every: 4, ..Throttle::default() }).await;
        let now = Timestamp::UNIX_EPOCH;
        for minutes in 0..100 {
            let key = FrameKey::new("a", "rate", Timestamp::from_second(minutes * 60).unwrap()).unwrap();
            let body = Bytes::from(format!("frame {minutes}"));
            while store.put_frame(&key, body.clone(), &WriteCondition::IfAbsent, now).await.is_err() {}
        }
        assert_eq!(store.inner.latest_frames("a", "rate", 1000).await.unwrap().len(), 100);
        assert_eq!(store.inner.events_after(0, 1000).await.unwrap().len(), 100);
        assert!(store.calls() > 130, "{}", store.calls());
    }
}
