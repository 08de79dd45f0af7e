//! The trait that every backend and every wrapper implements.

use std::fmt::Debug;
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
use raincell_frame::{FrameHeader, SegmentInfo};
use tokio::sync::watch;

use crate::{FrameKey, FrameQuery, NowcastKey, StoreError};

/// When a body may be written over another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteCondition {
    /// Never.
    IfAbsent,
    /// If the stored one has this content hash.
    IfMatch(String),
}

/// What became of a body that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put<T> {
    /// It is stored now.
    New(T),
    /// The same content was there already; nothing has changed.
    Same(T),
}

/// A body with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// What is known of it.
    pub info: T,
    /// As it was stored.
    pub body: Bytes,
}

/// A frame of a series, or what somebody wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesFrame {
    /// What is known of it.
    pub info: FrameInfo,
    /// The beginning of its bytes: its header and maybe more, all of what is no frame; nothing of one that is known.
    pub opening: Bytes,
    /// The segment that is wanted, where the opening ends before it does.
    pub segment: Option<Bytes>,
}

impl SeriesFrame {
    /// Of one that is known.
    pub(crate) fn known(info: FrameInfo) -> Self {
        Self { info, opening: Bytes::new(), segment: None }
    }

    /// The bytes of a segment, which is the one that was wanted.
    pub fn segment(&self, segment: &SegmentInfo) -> &[u8] {
        self.segment.as_deref().unwrap_or_else(|| segment.bytes_in(&self.opening))
    }
}

/// What somebody wants of each frame of a series. A closure that says which segment is one of these.
pub trait Wanted: Send + Sync {
    /// True where nothing of a frame needs to be read: its content, by the hash, is known already.
    fn is_known(&self, _info: &FrameInfo) -> bool {
        false
    }

    /// The segment that is wanted; `None` where the header says it all.
    fn segment_of(&self, header: &FrameHeader) -> Option<usize>;
}

impl<F: Fn(&FrameHeader) -> Option<usize> + Send + Sync> Wanted for F {
    fn segment_of(&self, header: &FrameHeader) -> Option<usize> {
        self(header)
    }
}

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Frames.
    pub frames: u64,
    /// Nowcast runs.
    pub nowcasts: u64,
    /// Entries of the event log.
    pub events: u64,
    /// Posts of the outbox that nobody waits for.
    pub posts: u64,
    /// Dead letters that came to life.
    pub dead_letters: u64,
}

/// Keeps frames, nowcast runs, their verification, alert states with their outbox, checkpoints, leases, dead letters, and
/// a log of what happened.
///
/// Promises, each with its function in the conformance suite:
/// - What a call has returned as stored is durable: it survives the end of the process at any later instant.
/// - Each call takes effect wholly or not at all, also against other processes on the same data.
/// - Bodies are identified by [`raincell_frame::content_hash`]; storing the same content again changes nothing.
/// - The log has one event for each stored frame and run and for each post put into the outbox, in the order of their
///   storing; its sequence only rises, also over restarts and expiry.
/// - What has expired is invisible at once, and removed later.
/// - A lease has one holder at a time. No clock of the backend takes part: a rival says which version it has seen for
///   the whole duration, and of all that saw the same one gets it. The fencing token rises with each holder, and what
///   is written through [`Self::fenced`] with an older one is refused.
#[async_trait]
pub trait FrameStore: Debug + Send + Sync {
    /// Stores a frame.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] or [`StoreError::Precondition`] where the condition forbids it.
    async fn put_frame(
        &self,
        key: &FrameKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<FrameInfo>, StoreError>;

    /// What is known of a frame, without its body.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn frame_info(&self, key: &FrameKey) -> Result<FrameInfo, StoreError>;

    /// A frame with its body.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Corrupt`] where the body is not the one that was stored.
    async fn frame(&self, key: &FrameKey) -> Result<Stored<FrameInfo>, StoreError>;

    /// A page of frames in ascending order of valid time, then source, then product.
    ///
    /// # Errors
    /// [`StoreError::Key`] for a cursor that no page gave.
    async fn list_frames(&self, query: &FrameQuery) -> Result<FramePage, StoreError>;

    /// The newest `n` frames by valid time, in ascending order.
    ///
    /// # Errors
    /// As any call.
    async fn latest_frames(&self, source: &str, product: &str, n: usize) -> Result<Vec<FrameInfo>, StoreError>;

    /// The newest frame and those up to `past` before it (by valid time), in ascending order, each with its header and the
    /// segment that is wanted. A frame that goes away meanwhile is left out.
    ///
    /// # Errors
    /// As any call.
    async fn recent_segments(
        &self,
        source: &str,
        product: &str,
        past: SignedDuration,
        wanted: Arc<dyn Wanted>,
    ) -> Result<Vec<SeriesFrame>, StoreError>;

    /// What is stored of each source and product, in the order of their names.
    ///
    /// # Errors
    /// As any call.
    async fn sources(&self) -> Result<Vec<SourceInfo>, StoreError>;

    /// Stores the products of a run, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] or [`StoreError::Precondition`] where the condition forbids it.
    async fn put_nowcast(
        &self,
        key: &NowcastKey,
        body: Bytes,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Put<NowcastInfo>, StoreError>;

    /// A run with its body.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Corrupt`] where the body is not the one that was stored.
    async fn nowcast(&self, key: &NowcastKey) -> Result<Stored<NowcastInfo>, StoreError>;

    /// The newest `n` runs of a source by issue time, in ascending order.
    ///
    /// # Errors
    /// As any call.
    async fn latest_nowcasts(&self, source: &str, n: usize) -> Result<Vec<NowcastInfo>, StoreError>;

    /// At most `limit` events with a sequence above `sequence`, in rising order.
    ///
    /// # Errors
    /// As any call.
    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<SequencedEvent>, StoreError>;

    /// The highest sequence given so far, 0 before the first event. Tells subscribers, too, so that calling it now and
    /// then lets them know of events that other processes have written.
    ///
    /// # Errors
    /// As any call.
    async fn last_sequence(&self) -> Result<u64, StoreError>;

    /// The highest sequence that this process knows of; changes with each event that it writes.
    fn subscribe(&self) -> watch::Receiver<u64>;

    /// Why nothing can be written at present, where the last write failed for a reason that is not the caller's: a full
    /// disk, a file that may not be written.
    fn write_trouble(&self) -> Option<String> {
        None
    }

    /// The state of a watched place; revision 0 and null where none is stored.
    ///
    /// # Errors
    /// As any call.
    async fn alert_state(&self, place: &str) -> Result<AlertState, StoreError>;

    /// Changes the state of a place, puts posts into the outbox (one that is there under its key stays as it is) and
    /// logs the event of each new post that is to be announced, in one step.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where the stored revision is not the expected one; nothing has changed then.
    async fn transition(
        &self,
        place: &str,
        transition: &AlertTransition,
        now: Timestamp,
    ) -> Result<AlertState, StoreError>;

    /// At most `limit` posts, oldest first; of one status, or all.
    ///
    /// # Errors
    /// As any call.
    async fn outbox(&self, status: Option<PostStatus>, limit: usize) -> Result<Vec<OutboxPost>, StoreError>;

    /// At most `limit` posts, newest first.
    ///
    /// # Errors
    /// As any call.
    async fn newest_posts(&self, limit: usize) -> Result<Vec<OutboxPost>, StoreError>;

    /// A post by its key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn outbox_post(&self, key: &str) -> Result<OutboxPost, StoreError>;

    /// Records what became of a try to send a post, and counts it. A post that was sent stays sent.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn record_outcome(&self, key: &str, outcome: &PostOutcome) -> Result<OutboxPost, StoreError>;

    /// A checkpoint by its name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn checkpoint(&self, name: &str) -> Result<Checkpoint, StoreError>;

    /// Stores a checkpoint; its revision is the one that it was read with, 0 for a new one. Gives it with its new one.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where the stored revision is another one.
    async fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Checkpoint, StoreError>;

    /// A lease as it is stored; version 0 and no owner where it was never taken.
    ///
    /// # Errors
    /// As any call.
    async fn lease(&self, name: &str) -> Result<Lease, StoreError>;

    /// Takes, renews or releases a lease. That a rival has waited long enough is for the rival to see to.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where the lease has another version than the one that the change was computed from;
    /// [`StoreError::Fenced`] for a renewal or release by somebody who does not hold it.
    async fn change_lease(&self, name: &str, change: &LeaseChange) -> Result<Lease, StoreError>;

    /// The same store for somebody who writes under a lease: each of its writes (but those of leases) is refused with
    /// [`StoreError::Fenced`] unless the lease is held with this very token at the instant of the write.
    fn fenced(&self, fence: Fence) -> Arc<dyn FrameStore>;

    /// Stores what was given up; under a key that is there already it is the same letter, which is dead again.
    ///
    /// # Errors
    /// As any call.
    async fn add_dead_letter(&self, letter: &NewDeadLetter, now: Timestamp) -> Result<DeadLetter, StoreError>;

    /// At most `limit` dead letters, oldest first; in one state, or all.
    ///
    /// # Errors
    /// As any call.
    async fn dead_letters(&self, state: Option<DeadLetterState>, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// A dead letter by its number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn dead_letter(&self, id: u64) -> Result<DeadLetter, StoreError>;

    /// Moves a dead letter into another state.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn set_dead_letter_state(
        &self,
        id: u64,
        state: DeadLetterState,
        now: Timestamp,
    ) -> Result<DeadLetter, StoreError>;

    /// Hides what was stored before `stored_before`: frames, runs, events, posts that are sent or failed, and dead
    /// letters that were replayed. (By the time of storing, not by valid time: archived weather may be shown, too.)
    ///
    /// # Errors
    /// As any call.
    async fn expire(&self, stored_before: Timestamp, now: Timestamp) -> Result<Removed, StoreError>;

    /// Brings back the frames and runs that [`Self::expire`] has hidden and [`Self::collect`] not yet removed, of one
    /// source or of all, as if they were stored now; each is logged as an event. Gives how many there were.
    ///
    /// # Errors
    /// As any call.
    async fn undelete(&self, source: Option<&str>, now: Timestamp) -> Result<Removed, StoreError>;

    /// Removes for good what [`Self::expire`] has hidden before `hidden_before`.
    ///
    /// # Errors
    /// As any call.
    async fn collect(&self, hidden_before: Timestamp) -> Result<Removed, StoreError>;

    /// Adds the sums of scored nowcasts of a source. A nowcast counts once at each lead time: what was added before under
    /// the same method, issue time and lead time is left out. Gives how many were not.
    ///
    /// # Errors
    /// As any call; nothing was added then.
    async fn add_verification(&self, source: &str, scored: &[ScoredNowcast], now: Timestamp)
    -> Result<u64, StoreError>;

    /// The sums of the nowcasts of a source by method and lead time, in the order of both: those issued in the hours (of
    /// UTC) that begin at `from` or later and before `to`.
    ///
    /// # Errors
    /// As any call.
    async fn verification(&self, source: &str, from: Timestamp, to: Timestamp) -> Result<Vec<PooledSums>, StoreError>;

    /// Removes the sums, of all sources, to which nothing was added since `before`; gives how many rows or items they
    /// were. (By the time of adding, not by issue time: archived weather may be nowcast, too.)
    ///
    /// # Errors
    /// As any call.
    async fn forget_verification(&self, added_before: Timestamp) -> Result<u64, StoreError>;
}
