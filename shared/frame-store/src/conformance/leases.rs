//! Leases and fencing.

use std::sync::Arc;

use futures::future::join_all;
use raincell_api_types::alerts::{AlertTransition, PostOutcome, PostStatus};
use raincell_api_types::events::Event;
use raincell_api_types::frames::Checkpoint;
use raincell_api_types::leases::{Fence, Lease, LeaseChange};
use serde_json::json;

use super::{Store, body, key, minute, store_frame};
use crate::{FrameQuery, FrameStore, NowcastKey, StoreError, WriteCondition};

const NAME: &str = "leader";

fn take(owner: &str, version: u64) -> LeaseChange {
    LeaseChange::Take { owner: owner.into(), duration_ms: 10_000, version }
}

fn renew(lease: &Lease) -> LeaseChange {
    let (owner, version, fence) = (lease.owner.clone().unwrap(), lease.version, lease.fence);
    LeaseChange::Renew { owner, version, fence }
}

fn release(lease: &Lease) -> LeaseChange {
    let (owner, version, fence) = (lease.owner.clone().unwrap(), lease.version, lease.fence);
    LeaseChange::Release { owner, version, fence }
}

fn under(store: &Store, token: u64) -> Arc<dyn FrameStore> {
    store.fenced(Fence { lease: NAME.into(), token })
}

/// A small write under a lease.
async fn note(store: &dyn FrameStore, name: &str) -> Result<Checkpoint, StoreError> {
    store.put_checkpoint(&Checkpoint { name: name.into(), revision: 0, value: json!(1) }).await
}

/// Somebody who has seen nothing cannot take what is there.
pub async fn a_lease_begins_free_and_is_taken_once(store: Store) {
    let unused = store.lease(NAME).await.unwrap();
    assert_eq!((unused.owner, unused.version, unused.fence), (None, 0, 0));
    let lease = store.change_lease(NAME, &take("a", 0)).await.unwrap();
    assert_eq!((lease.owner.as_deref(), lease.version, lease.fence, lease.duration_ms), (Some("a"), 1, 1, 10_000));
    assert_eq!(store.lease(NAME).await.unwrap(), lease);
    let error = store.change_lease(NAME, &take("b", 0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Stale { expected: 0, found: 1, .. }), "{error}");
    assert_eq!(store.lease("another").await.unwrap().version, 0);
}

/// Round after round, each with a fence of its own.
pub async fn of_forty_rivals_for_a_lease_one_takes_it(store: Store) {
    for version in 0..3 {
        let changes: Vec<_> = (0..40).map(|i| take(&format!("rival {i}"), version)).collect();
        let outcomes = join_all(changes.iter().map(|c| store.change_lease(NAME, c))).await;
        let winners: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!((winners[0].version, winners[0].fence), (version + 1, version + 1));
        assert_eq!(&store.lease(NAME).await.unwrap(), winners[0]);
        assert!(outcomes.iter().all(|o| !matches!(o, Err(e) if !matches!(e, StoreError::Stale { .. }))));
    }
}

/// Whoever watches sees another version and waits anew; the fence stays as long as the holder does.
pub async fn a_renewed_lease_is_not_taken_over(store: Store) {
    let lease = store.change_lease(NAME, &take("a", 0)).await.unwrap();
    let renewed = store.change_lease(NAME, &renew(&lease)).await.unwrap();
    assert_eq!((renewed.version, renewed.fence, renewed.owner.as_deref()), (2, 1, Some("a")));
    let error = store.change_lease(NAME, &take("b", lease.version)).await.unwrap_err();
    assert!(matches!(error, StoreError::Stale { .. }), "{error}");
    note(&*under(&store, 1), "x").await.unwrap();
}

/// It wakes up after its lease was taken, and believes that it still has it.
pub async fn a_holder_that_was_paused_cannot_renew_release_or_write(store: Store) {
    let old = store.change_lease(NAME, &take("a", 0)).await.unwrap();
    let new = store.change_lease(NAME, &take("b", old.version)).await.unwrap();
    assert_eq!(new.fence, 2);
    for change in [renew(&old), release(&old)] {
        let error = store.change_lease(NAME, &change).await.unwrap_err();
        assert!(matches!(error, StoreError::Stale { .. }), "{error}");
    }
    // Even where it has looked up the version, but not who holds the lease.
    for change in [renew(&Lease { version: new.version, ..old.clone() }), release(&Lease { fence: 1, ..new.clone() })] {
        let error = store.change_lease(NAME, &change).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { found: 2, .. }), "{error}");
    }
    let error = note(&*under(&store, old.fence), "x").await.unwrap_err();
    assert!(matches!(&error, StoreError::Fenced { found: 2, owner: Some(b), .. } if b == "b"), "{error}");
    note(&*under(&store, new.fence), "x").await.unwrap();
    assert_eq!(store.lease(NAME).await.unwrap(), new);
}

/// Nobody needs to wait for one who has gone in peace.
pub async fn a_released_lease_is_free_at_once_and_its_writes_end(store: Store) {
    let lease = store.change_lease(NAME, &take("a", 0)).await.unwrap();
    let free = store.change_lease(NAME, &release(&lease)).await.unwrap();
    assert_eq!((free.owner.clone(), free.version, free.fence), (None, 2, 1));
    let error = note(&*under(&store, lease.fence), "x").await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { owner: None, .. }), "{error}");
    let next = store.change_lease(NAME, &take("b", free.version)).await.unwrap();
    assert_eq!((next.version, next.fence), (3, 2));
}

/// And leaves nothing behind: no body, no event, no post.
pub async fn every_write_under_a_stale_fence_is_refused(store: Store) {
    store_frame(&store, "a", 0).await;
    let before = store.last_sequence().await.unwrap();
    let old = store.change_lease(NAME, &take("a", 0)).await.unwrap();
    store.change_lease(NAME, &take("b", old.version)).await.unwrap();
    let (stale, fresh, now) = (under(&store, old.fence), WriteCondition::IfAbsent, minute(9));
    let run = NowcastKey::new("a", minute(5)).unwrap();
    let change = AlertTransition { expected_revision: 0, state: json!(1), posts: Vec::new() };
    let sent = PostOutcome { status: PostStatus::Sent, detail: None };
    let outcomes = [
        stale.put_frame(&key("a", 5), body("x"), &fresh, now).await.err(),
        stale.put_nowcast(&run, body("x"), &fresh, now).await.err(),
        stale.transition("home", &change, now).await.err(),
        stale.record_outcome("post", &sent).await.err(),
        note(&*stale, "x").await.err(),
        stale.expire(minute(60), now).await.err(),
        stale.collect(minute(60)).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(StoreError::Fenced { found: 2, .. })), "{outcome:?}");
    }
    assert_eq!(store.last_sequence().await.unwrap(), before);
    assert_eq!(store.list_frames(&FrameQuery::default()).await.unwrap().frames.len(), 1);
    assert_eq!(store.alert_state("home").await.unwrap().revision, 0);
    // Reading is for everybody, and an older fence is no worse than one that never was.
    assert!(stale.frame(&key("a", 0)).await.is_ok());
    assert!(matches!(note(&*under(&store, 99), "x").await, Err(StoreError::Fenced { .. })));
    assert!(matches!(
        note(&*store.fenced(Fence { lease: "no".into(), token: 0 }), "x").await,
        Err(StoreError::Fenced { .. })
    ));
}

/// Either the holder is still there, or somebody else is, and never both.
pub async fn of_a_renewal_and_forty_takeovers_one_wins(store: Store) {
    let mut lease = store.change_lease(NAME, &take("holder", 0)).await.unwrap();
    for round in 0..5 {
        let mut changes: Vec<_> = (0..40).map(|i| take(&format!("rival {round}.{i}"), lease.version)).collect();
        changes.insert(20, renew(&lease));
        let outcomes = join_all(changes.iter().map(|c| store.change_lease(NAME, c))).await;
        let winners: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
        assert_eq!(winners.len(), 1);
        let kept = winners[0].owner == lease.owner;
        assert_eq!(winners[0].fence, lease.fence + u64::from(!kept));
        let (old, new) = (note(&*under(&store, lease.fence), &lease.version.to_string()).await, winners[0].clone());
        assert_eq!(old.is_ok(), kept);
        lease = new;
    }
}

/// Whatever the time is to those who write: neither the order of their clocks nor the time that they say it is takes
/// part. None of them releases the lease: they are killed, and some come back.
pub async fn killed_holders_whose_clocks_are_hours_apart_follow_each_other(store: Store) {
    let clocks_min = [0, 180, -720, 7, 525_600, -3, 0, -1440];
    let mut last = store.lease(NAME).await.unwrap();
    for (turn, clock_min) in (0..).zip(clocks_min) {
        let now = minute(clock_min + turn);
        let taken = store.change_lease(NAME, &take(&format!("holder {turn}"), last.version)).await.unwrap();
        let held = store.change_lease(NAME, &renew(&taken)).await.unwrap();
        assert_eq!((held.version, held.fence), (last.version + 2, last.fence + 1));
        // The one before was not killed after all, and its clock may be ahead.
        if turn > 0 {
            for late_min in [clock_min, 1_000_000, -1_000_000] {
                let (write, late, now) = (under(&store, last.fence), key("late", turn), minute(late_min));
                let put = write.put_frame(&late, body("x"), &WriteCondition::IfAbsent, now).await;
                assert!(matches!(put, Err(StoreError::Fenced { .. })), "{put:?}");
            }
            let error = store.change_lease(NAME, &renew(&last)).await.unwrap_err();
            assert!(matches!(error, StoreError::Stale { .. }), "{error}");
        }
        let write = under(&store, held.fence);
        write.put_frame(&key("a", turn), body("x"), &WriteCondition::IfAbsent, now).await.unwrap();
        last = held;
    }
    let events = store.events_after(0, 100).await.unwrap();
    let told = events.iter().filter_map(|event| match &event.event {
        Event::Frame(info) => Some((info.source.as_str(), info.valid_time)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let expected: Vec<_> = (0..clocks_min.len() as i64).map(|turn| ("a", minute(turn))).collect();
    assert_eq!(told, expected, "in the order of the holders");
}
