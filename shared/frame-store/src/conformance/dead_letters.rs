//! What was given up, and what was brought back.

use raincell_api_types::dead_letters::{DeadLetterState, NewDeadLetter};
use serde_json::json;

use super::{Store, body, key, minute, store_frame};
use crate::{FrameQuery, NowcastKey, Removed, StoreError, WriteCondition};

fn letter(key: &str, attempts: u32) -> NewDeadLetter {
    let reason = format!("byte {attempts} is wrong");
    NewDeadLetter { key: key.into(), source: "KLOT".into(), reason, attempts, origin: json!({"path": key}) }
}

/// However often it is given up: with its last reason, and its first time.
pub async fn an_object_is_one_dead_letter_under_its_key(store: Store) {
    let first = store.add_dead_letter(&letter("a", 3), minute(0)).await.unwrap();
    assert_eq!((&first.letter, first.state, first.created_at), (&letter("a", 3), DeadLetterState::Dead, minute(0)));
    let other = store.add_dead_letter(&letter("b", 3), minute(1)).await.unwrap();
    assert!(other.id > first.id);
    let again = store.add_dead_letter(&letter("a", 6), minute(2)).await.unwrap();
    assert_eq!((again.id, &again.letter), (first.id, &letter("a", 6)));
    assert_eq!((again.created_at, again.changed_at), (minute(0), minute(2)));
    assert_eq!(store.dead_letter(first.id).await.unwrap(), again);
    assert_eq!(store.dead_letters(None, 10).await.unwrap(), [again.clone(), other]);
    assert_eq!(store.dead_letters(None, 1).await.unwrap(), [again]);
}

/// Dead, asked for, and dead again or done.
pub async fn a_dead_letter_is_replayed(store: Store) {
    let id = store.add_dead_letter(&letter("a", 3), minute(0)).await.unwrap().id;
    let requested = store.set_dead_letter_state(id, DeadLetterState::ReplayRequested, minute(1)).await.unwrap();
    assert_eq!((requested.state, requested.changed_at), (DeadLetterState::ReplayRequested, minute(1)));
    assert_eq!(store.dead_letters(Some(DeadLetterState::ReplayRequested), 10).await.unwrap(), [requested]);
    assert!(store.dead_letters(Some(DeadLetterState::Dead), 10).await.unwrap().is_empty());
    let failed = store.add_dead_letter(&letter("a", 4), minute(2)).await.unwrap();
    assert_eq!((failed.id, failed.state), (id, DeadLetterState::Dead));
    store.set_dead_letter_state(id, DeadLetterState::Replayed, minute(3)).await.unwrap();
    assert_eq!(store.dead_letter(id).await.unwrap().state, DeadLetterState::Replayed);
    for missing in [id + 1, u64::MAX] {
        assert!(matches!(store.dead_letter(missing).await, Err(StoreError::NotFound { .. })));
        let error = store.set_dead_letter_state(missing, DeadLetterState::Dead, minute(3)).await;
        assert!(matches!(error, Err(StoreError::NotFound { .. })));
    }
}

/// One that was not, waits however old it is.
pub async fn replayed_dead_letters_expire(store: Store) {
    let done = store.add_dead_letter(&letter("a", 3), minute(0)).await.unwrap().id;
    let waiting = store.add_dead_letter(&letter("b", 3), minute(0)).await.unwrap();
    store.set_dead_letter_state(done, DeadLetterState::Replayed, minute(1)).await.unwrap();
    let one = Removed { dead_letters: 1, ..Removed::default() };
    assert_eq!(store.expire(minute(60), minute(61)).await.unwrap(), one);
    assert_eq!(store.dead_letters(None, 10).await.unwrap(), [waiting]);
    assert!(matches!(store.dead_letter(done).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.collect(minute(62)).await.unwrap(), one);
}

/// With their bodies, as if they were stored now; listeners hear of them again.
pub async fn what_has_expired_can_be_brought_back_until_it_is_collected(store: Store) {
    for source in ["a", "b"] {
        store_frame(&store, source, 0).await;
    }
    let run = NowcastKey::new("a", minute(0)).unwrap();
    store.put_nowcast(&run, body("run"), &WriteCondition::IfAbsent, minute(0)).await.unwrap();
    store.expire(minute(30), minute(31)).await.unwrap();
    let before = store.last_sequence().await.unwrap();
    let expected = Removed { frames: 1, nowcasts: 1, ..Removed::default() };
    assert_eq!(store.undelete(Some("a"), minute(40)).await.unwrap(), expected);
    let frame = store.frame(&key("a", 0)).await.unwrap();
    assert_eq!((frame.body, frame.info.stored_at), (body(&key("a", 0).to_string()), minute(40)));
    assert_eq!(store.nowcast(&run).await.unwrap().body, body("run"));
    assert!(matches!(store.frame(&key("b", 0)).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.events_after(before, 10).await.unwrap().len(), 2);
    // What is kept counts from now on.
    assert_eq!(store.expire(minute(39), minute(41)).await.unwrap().frames, 0);
    assert_eq!(store.collect(minute(60)).await.unwrap().frames, 1);
    assert_eq!(store.undelete(None, minute(61)).await.unwrap(), Removed::default());
    assert_eq!(store.list_frames(&FrameQuery::default()).await.unwrap().frames.len(), 1);
}
