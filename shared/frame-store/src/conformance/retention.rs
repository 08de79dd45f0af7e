//! Expiry: invisible at once, removed later.

use raincell_api_types::alerts::{AlertTransition, NewPost, PostOutcome, PostStatus, RainEvent, RainEventKind};
use serde_json::json;

use super::{Store, body, key, minute, store_frame};
use crate::{FrameQuery, NowcastKey, Put, Removed, StoreError, WriteCondition};

/// Two frames and runs each, stored at minutes 0 and 60, and a post each that was sent.
async fn fill(store: &Store) {
    for (revision, minutes) in [0, 60].into_iter().enumerate() {
        store_frame(store, "a", minutes).await;
        let run = NowcastKey::new("a", minute(minutes)).unwrap();
        store.put_nowcast(&run, body("run"), &WriteCondition::IfAbsent, minute(minutes)).await.unwrap();
        let event = RainEvent {
            place: "home".into(),
            kind: RainEventKind::Ended,
            time: minute(minutes),
            about: minute(minutes),
            rate_mm_h: 1.0,
            text: "Over.".into(),
            ..RainEvent::default()
        };
        let post = NewPost { key: format!("post at {minutes}"), event, announced: true };
        let change = AlertTransition { expected_revision: revision as u64, state: json!(null), posts: vec![post] };
        store.transition("home", &change, minute(minutes)).await.unwrap();
    }
    store.record_outcome("post at 0", &PostOutcome { status: PostStatus::Sent, detail: None }).await.unwrap();
}

/// From every listing and lookup.
pub async fn what_expires_is_invisible_at_once(store: Store) {
    fill(&store).await;
    let expired = store.expire(minute(30), minute(61)).await.unwrap();
    assert_eq!(expired, Removed { frames: 1, nowcasts: 1, events: 3, posts: 1, dead_letters: 0 });
    assert_eq!(store.expire(minute(30), minute(62)).await.unwrap(), Removed::default());
    assert!(matches!(store.frame(&key("a", 0)).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.frame_info(&key("a", 0)).await, Err(StoreError::NotFound { .. })));
    let run = NowcastKey::new("a", minute(0)).unwrap();
    assert!(matches!(store.nowcast(&run).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.list_frames(&FrameQuery::default()).await.unwrap().frames.len(), 1);
    assert_eq!(store.latest_frames("a", "rate", 9).await.unwrap().len(), 1);
    assert_eq!(store.latest_nowcasts("a", 9).await.unwrap().len(), 1);
    assert_eq!(store.sources().await.unwrap()[0].frames, 1);
    assert_eq!(store.events_after(0, 100).await.unwrap().len(), 3);
    assert_eq!(store.outbox(None, 100).await.unwrap().len(), 1);
}

/// Nothing before its time, nothing that is alive.
pub async fn collection_leaves_what_is_alive(store: Store) {
    fill(&store).await;
    store.expire(minute(30), minute(61)).await.unwrap();
    assert_eq!(store.collect(minute(61)).await.unwrap(), Removed::default());
    let collected = store.collect(minute(62)).await.unwrap();
    assert_eq!(collected, Removed { frames: 1, nowcasts: 1, events: 3, posts: 1, dead_letters: 0 });
    assert_eq!(store.collect(minute(62)).await.unwrap(), Removed::default());
    assert!(store.frame(&key("a", 60)).await.is_ok());
    assert_eq!(store.events_after(0, 100).await.unwrap().len(), 3);
    // A pending post waits however old it is.
    store.expire(minute(1000), minute(1000)).await.unwrap();
    assert_eq!(store.outbox(None, 100).await.unwrap()[0].key, "post at 60");
}

/// With other content, too: nobody sees the old one any more.
pub async fn an_expired_frame_can_be_stored_again(store: Store) {
    store_frame(&store, "a", 0).await;
    store.expire(minute(30), minute(61)).await.unwrap();
    let put = store.put_frame(&key("a", 0), body("other"), &WriteCondition::IfAbsent, minute(70)).await.unwrap();
    assert!(matches!(put, Put::New(_)), "{put:?}");
    assert_eq!(store.collect(minute(100)).await.unwrap().frames, 0);
    assert_eq!(store.frame(&key("a", 0)).await.unwrap().body, body("other"));
}

/// So that a listener that was away does not wait for numbers that have passed.
pub async fn sequences_rise_over_an_emptied_log(store: Store) {
    store_frame(&store, "a", 0).await;
    let before = store.last_sequence().await.unwrap();
    store.expire(minute(30), minute(30)).await.unwrap();
    store.collect(minute(31)).await.unwrap();
    assert_eq!(store.last_sequence().await.unwrap(), before);
    store_frame(&store, "a", 60).await;
    assert!(store.events_after(before, 10).await.unwrap()[0].sequence > before);
}
