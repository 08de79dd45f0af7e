//! Rolling verification.

use futures::future::join_all;
use raincell_api_types::leases::{Fence, LeaseChange};
use raincell_api_types::verification::{PooledSums, ScoredNowcast, Sums};

use super::{Store, minute};
use crate::StoreError;

/// A nowcast whose sums tell when it was issued and for when it is.
fn scored(method: &str, minutes: i64, lead_min: u16) -> ScoredNowcast {
    let sums = Sums::from([
        ("hits".to_owned(), vec![minutes as f64]),
        ("reliability".to_owned(), vec![1.0, 0.25, f64::from(lead_min)]),
    ]);
    ScoredNowcast { method: method.into(), issue_time: minute(minutes), lead_min, sums }
}

fn pooled(method: &str, lead_min: u16, nowcasts: u64, hits: f64) -> PooledSums {
    let n = nowcasts as f64;
    let sums = Sums::from([
        ("hits".to_owned(), vec![hits]),
        ("reliability".to_owned(), vec![n, 0.25 * n, n * f64::from(lead_min)]),
    ]);
    PooledSums { method: method.into(), lead_min, nowcasts, sums }
}

/// By method and lead time, in the order of both.
pub async fn sums_of_scored_nowcasts_add_up(store: Store) {
    let first = [scored("best", 0, 5), scored("best", 0, 10), scored("persistence", 0, 5)];
    assert_eq!(store.add_verification("a", &first, minute(0)).await.unwrap(), 3);
    let second = [scored("best", 7, 5), scored("best", 90, 5)];
    assert_eq!(store.add_verification("a", &second, minute(0)).await.unwrap(), 2);
    store.add_verification("b", &[scored("best", 1, 5)], minute(0)).await.unwrap();
    let expected = [pooled("best", 5, 3, 97.0), pooled("best", 10, 1, 0.0), pooled("persistence", 5, 1, 0.0)];
    assert_eq!(store.verification("a", minute(0), minute(1440)).await.unwrap(), expected);
    assert!(store.verification("c", minute(0), minute(1440)).await.unwrap().is_empty());
}

/// Whatever its sums are the second time: the first ones stay.
pub async fn a_scored_nowcast_counts_once(store: Store) {
    let mut again = scored("best", 7, 5);
    assert_eq!(store.add_verification("a", &[again.clone(), again.clone()], minute(0)).await.unwrap(), 1);
    again.sums.insert("hits".into(), vec![1e9]);
    assert_eq!(store.add_verification("a", &[again, scored("best", 8, 5)], minute(0)).await.unwrap(), 1);
    let found = store.verification("a", minute(0), minute(60)).await.unwrap();
    assert_eq!(found, [pooled("best", 5, 2, 15.0)]);
}

/// Of issue times; an hour is in where its beginning is.
pub async fn verification_is_asked_for_by_whole_hours(store: Store) {
    for minutes in [-1, 0, 59, 60, 119, 120] {
        store.add_verification("a", &[scored("best", minutes, 5)], minute(0)).await.unwrap();
    }
    for ((from, to), hits) in [
        ((0, 60), Some(59.0)),
        ((0, 61), Some(59.0 + 179.0)),
        ((1, 120), Some(179.0)),
        ((-60, 0), Some(-1.0)),
        ((61, 119), None),
        ((121, 0), None),
    ] {
        let found = store.verification("a", minute(from), minute(to)).await.unwrap();
        assert_eq!(found.first().map(|pool| pool.sums["hits"][0]), hits, "{from} to {to}");
    }
}

/// None is lost and none counts twice.
pub async fn forty_rivals_add_up_to_the_same_sums(store: Store) {
    let nowcasts: Vec<_> = (0..20).map(|minutes| [scored("best", minutes, 5)]).collect();
    // Each by two of them.
    let outcomes = join_all(nowcasts.iter().chain(&nowcasts).map(|n| store.add_verification("a", n, minute(0)))).await;
    assert_eq!(outcomes.into_iter().map(Result::unwrap).sum::<u64>(), 20);
    let found = store.verification("a", minute(0), minute(60)).await.unwrap();
    assert_eq!(found, [pooled("best", 5, 20, 190.0)]);
}

/// By when something was added last; and what is forgotten may come again.
pub async fn old_verification_is_forgotten(store: Store) {
    for (minutes, now) in [(0, 0), (60, 10), (120, 20), (1, 20)] {
        store.add_verification("a", &[scored("best", minutes, 5)], minute(now)).await.unwrap();
    }
    assert_eq!(store.forget_verification(minute(20)).await.unwrap(), 1);
    let found = store.verification("a", minute(0), minute(1440)).await.unwrap();
    assert_eq!(found, [pooled("best", 5, 3, 121.0)]);
    assert_eq!(store.add_verification("a", &[scored("best", 60, 5)], minute(30)).await.unwrap(), 1);
}

/// As all that is written.
pub async fn verification_is_written_under_a_fence_too(store: Store) {
    let take = |version| LeaseChange::Take { owner: "a".into(), duration_ms: 1000, version };
    let old = store.change_lease("nowcast-a", &take(0)).await.unwrap();
    store.change_lease("nowcast-a", &take(old.version)).await.unwrap();
    let stale = store.fenced(Fence { lease: "nowcast-a".into(), token: old.fence });
    let refused = stale.add_verification("a", &[scored("best", 0, 5)], minute(0)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    assert!(store.verification("a", minute(0), minute(60)).await.unwrap().is_empty());
}
