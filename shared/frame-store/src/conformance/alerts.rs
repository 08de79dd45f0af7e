//! Alert states, the outbox and checkpoints: compare-and-set.

use futures::future::join_all;
use raincell_api_types::alerts::{
    AlertTransition, NewPost, OutboxPost, PostOutcome, PostStatus, RainEvent, RainEventKind,
};
use raincell_api_types::events::Event;
use raincell_api_types::frames::Checkpoint;
use serde_json::{Value, json};

use super::{Store, minute};
use crate::StoreError;

fn post(key: &str, minutes: i64) -> NewPost {
    let event = RainEvent {
        place: "home".into(),
        kind: RainEventKind::Coming,
        time: minute(minutes),
        about: minute(minutes + 20),
        rate_mm_h: 2.5,
        text: "Rain in 20 minutes.".into(),
        ..RainEvent::default()
    };
    NewPost { key: key.into(), event, announced: true }
}

fn change(expected_revision: u64, state: Value, posts: &[&str]) -> AlertTransition {
    let posts = posts.iter().map(|key| post(key, 0)).collect();
    AlertTransition { expected_revision, state, posts }
}

/// So that a first transition expects 0.
pub async fn a_state_begins_at_revision_zero(store: Store) {
    let state = store.alert_state("home").await.unwrap();
    assert_eq!((state.place.as_str(), state.revision, state.state), ("home", 0, Value::Null));
}

/// All of it in one step.
pub async fn a_transition_writes_state_posts_and_events(store: Store) {
    let state = store.transition("home", &change(0, json!({"is": "coming"}), &["p1", "p2"]), minute(3)).await.unwrap();
    assert_eq!((state.revision, &state.state), (1, &json!({"is": "coming"})));
    assert_eq!(store.alert_state("home").await.unwrap(), state);
    assert_eq!(store.alert_state("work").await.unwrap().revision, 0);
    let outbox = store.outbox(None, 10).await.unwrap();
    assert_eq!(outbox.iter().map(|p| p.key.as_str()).collect::<Vec<_>>(), ["p1", "p2"]);
    assert!(outbox.iter().all(|p| p.status == PostStatus::Pending && p.attempts == 0 && p.created_at == minute(3)));
    let events = store.events_after(0, 10).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].event, Event::Rain(post("p1", 0).event));
}

/// No state, no post, no event.
pub async fn a_stale_transition_changes_nothing(store: Store) {
    store.transition("home", &change(0, json!(1), &["p1"]), minute(0)).await.unwrap();
    for expected in [0, 2, u64::MAX] {
        let stale = change(expected, json!(2), &["p2"]);
        let error = store.transition("home", &stale, minute(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Stale { found: 1, .. }), "{error}");
    }
    assert_eq!(store.alert_state("home").await.unwrap().state, json!(1));
    assert_eq!(store.outbox(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.events_after(0, 10).await.unwrap().len(), 1);
}

/// The posts of the losers stay out, too.
pub async fn of_forty_rival_transitions_one_wins(store: Store) {
    let changes: Vec<_> = (0..40).map(|i| change(0, json!(i), &[&format!("post of {i}")])).collect();
    let outcomes = join_all(changes.iter().map(|c| store.transition("home", c, minute(0)))).await;
    let winners: Vec<_> = (0..40).filter(|&i| outcomes[i].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    let lost = outcomes.iter().filter(|o| matches!(o, Err(StoreError::Stale { found: 1, .. }))).count();
    assert_eq!(lost, 39, "{outcomes:?}");
    assert_eq!(store.alert_state("home").await.unwrap().state, json!(winners[0]));
    let outbox = store.outbox(None, 100).await.unwrap();
    assert_eq!(outbox.iter().map(|p| p.key.clone()).collect::<Vec<_>>(), [format!("post of {}", winners[0])]);
}

/// Its key makes it idempotent, in the log as well.
pub async fn a_post_is_queued_once(store: Store) {
    store.transition("home", &change(0, json!(1), &["p1"]), minute(0)).await.unwrap();
    let sent = PostOutcome { status: PostStatus::Sent, detail: None };
    store.record_outcome("p1", &sent).await.unwrap();
    store.transition("home", &change(1, json!(2), &["p1", "p2"]), minute(5)).await.unwrap();
    let outbox = store.outbox(None, 10).await.unwrap();
    assert_eq!(outbox.iter().map(|p| p.status).collect::<Vec<_>>(), [PostStatus::Sent, PostStatus::Pending]);
    assert_eq!(store.events_after(0, 10).await.unwrap().len(), 2);
}

/// Posts of one event to several targets are one event to whoever listens.
pub async fn only_announced_posts_are_logged(store: Store) {
    let posts = vec![post("p1", 0), NewPost { announced: false, ..post("p1@x", 0) }];
    let change = AlertTransition { expected_revision: 0, state: json!(1), posts };
    store.transition("home", &change, minute(0)).await.unwrap();
    assert_eq!(store.outbox(None, 10).await.unwrap().len(), 2);
    assert_eq!(store.events_after(0, 10).await.unwrap().len(), 1);
}

/// One by its key, or those that came last.
pub async fn posts_are_found_by_key_and_newest_first(store: Store) {
    store.transition("home", &change(0, json!(1), &["p1", "p2"]), minute(0)).await.unwrap();
    store.transition("home", &change(1, json!(2), &["p3"]), minute(5)).await.unwrap();
    let sent = PostOutcome { status: PostStatus::Sent, detail: Some("1.txt".into()) };
    let recorded = store.record_outcome("p2", &sent).await.unwrap();
    assert_eq!(store.outbox_post("p2").await.unwrap(), recorded);
    assert!(matches!(store.outbox_post("p4").await, Err(StoreError::NotFound { .. })));
    let newest = store.newest_posts(2).await.unwrap();
    assert_eq!(newest.iter().map(|p| p.key.as_str()).collect::<Vec<_>>(), ["p3", "p2"]);
}

/// However many there are of one instant, whether they are logged or not; what has expired is not among them.
pub async fn posts_are_listed_in_their_order_and_by_what_became_of_them(store: Store) {
    let quiet = |key: &str| NewPost { announced: false, ..post(key, 0) };
    for (revision, keys) in [["p1", "p2"], ["p3", "p4"], ["p5", "p6"]].into_iter().enumerate() {
        let posts = if revision == 1 { keys.map(|key| post(key, 0)) } else { keys.map(quiet) }.to_vec();
        let place = format!("place {revision}");
        let change = AlertTransition { expected_revision: 0, state: json!(1), posts };
        // Two transitions within one microsecond, and one before them.
        store.transition(&place, &change, minute(if revision == 0 { 0 } else { 5 })).await.unwrap();
    }
    let outcome = |status| PostOutcome { status, detail: None };
    for (key, status) in [("p2", PostStatus::Sent), ("p4", PostStatus::Failed), ("p6", PostStatus::Failed)] {
        store.record_outcome(key, &outcome(status)).await.unwrap();
    }
    // Somebody asks for it once more.
    store.record_outcome("p6", &outcome(PostStatus::Pending)).await.unwrap();
    let keys = |posts: Vec<OutboxPost>| {
        let mut keys: Vec<_> = posts.into_iter().map(|post| post.key).collect();
        // Of one instant, those of one transition are together, in its order.
        keys.sort();
        keys.join(" ")
    };
    let listed = async |status| keys(store.outbox(Some(status), 10).await.unwrap());
    assert_eq!(listed(PostStatus::Pending).await, "p1 p3 p5 p6");
    assert_eq!(listed(PostStatus::Sent).await, "p2");
    assert_eq!(listed(PostStatus::Failed).await, "p4");
    let all = store.outbox(None, 10).await.unwrap();
    let mut newest = store.newest_posts(10).await.unwrap();
    newest.reverse();
    assert_eq!((all.len(), &all), (6, &newest));
    assert_eq!(keys(store.outbox(None, 2).await.unwrap()), "p1 p2");
    assert_eq!(keys(store.outbox(Some(PostStatus::Pending), 1).await.unwrap()), "p1");
    assert!(store.newest_posts(0).await.unwrap().is_empty() && store.outbox(None, 0).await.unwrap().is_empty());
    assert_eq!(store.expire(minute(1), minute(60)).await.unwrap().posts, 1);
    assert_eq!(keys(store.outbox(None, 10).await.unwrap()), "p1 p3 p4 p5 p6");
    assert_eq!(keys(store.newest_posts(10).await.unwrap()), "p1 p3 p4 p5 p6");
    assert!(matches!(store.outbox_post("p2").await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.collect(minute(61)).await.unwrap().posts, 1);
    assert_eq!(keys(store.newest_posts(10).await.unwrap()), "p1 p3 p4 p5 p6");
    // Its key is free again.
    let change = AlertTransition { expected_revision: 0, state: json!(1), posts: vec![post("p2", 9)] };
    store.transition("another place", &change, minute(62)).await.unwrap();
    assert_eq!(keys(store.newest_posts(1).await.unwrap()), "p2");
}

/// Of two senders, the one that failed does not undo what the other did.
pub async fn outcomes_are_counted_and_sent_is_final(store: Store) {
    let outcome = |status, detail: &str| PostOutcome { status, detail: Some(detail.into()) };
    store.transition("home", &change(0, json!(1), &["p1", "p2"]), minute(0)).await.unwrap();
    let post = store.record_outcome("p1", &outcome(PostStatus::Pending, "503")).await.unwrap();
    assert_eq!((post.status, post.attempts, post.detail.as_deref()), (PostStatus::Pending, 1, Some("503")));
    store.record_outcome("p1", &outcome(PostStatus::Sent, "a/1.txt")).await.unwrap();
    let post = store.record_outcome("p1", &outcome(PostStatus::Failed, "late")).await.unwrap();
    assert_eq!((post.status, post.attempts, post.detail.as_deref()), (PostStatus::Sent, 3, Some("a/1.txt")));
    let keys = |status| {
        let store = &store;
        async move {
            let posts = store.outbox(Some(status), 10).await.unwrap();
            posts.into_iter().map(|p| p.key).collect::<Vec<_>>()
        }
    };
    assert_eq!(keys(PostStatus::Sent).await, ["p1"]);
    assert_eq!(keys(PostStatus::Pending).await, ["p2"]);
    assert!(keys(PostStatus::Failed).await.is_empty());
    let missing = store.record_outcome("p3", &outcome(PostStatus::Sent, "")).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}

/// Revisions rise by one with each change.
pub async fn of_forty_rival_checkpoints_one_wins(store: Store) {
    let of = |revision, i: usize| Checkpoint { name: "prepare/folder".into(), revision, value: json!({"seen": i}) };
    for revision in 0..3 {
        let rivals: Vec<_> = (0..40).map(|i| of(revision, i)).collect();
        let outcomes = join_all(rivals.iter().map(|c| store.put_checkpoint(c))).await;
        let winners: Vec<_> = (0..40).filter(|&i| outcomes[i].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|o| !matches!(o, Err(e) if !matches!(e, StoreError::Stale { .. }))));
        assert_eq!(store.checkpoint("prepare/folder").await.unwrap(), of(revision + 1, winners[0]));
    }
}
