//! Nowcast runs.

use raincell_frame::content_hash;

use super::{Store, body, minute, store_frame};
use crate::{FrameQuery, NowcastKey, Put, StoreError, WriteCondition};

fn run(source: &str, minutes: i64) -> NowcastKey {
    NowcastKey::new(source, minute(minutes)).unwrap()
}

async fn store_run(store: &Store, source: &str, minutes: i64) {
    let text = format!("run {source} {minutes}");
    store.put_nowcast(&run(source, minutes), body(&text), &WriteCondition::IfAbsent, minute(minutes)).await.unwrap();
}

/// What goes in comes out; again changes nothing; other content only for those who know what is there.
pub async fn a_nowcast_comes_back_as_it_was_stored(store: Store) {
    let (key, fresh) = (run("a", 0), WriteCondition::IfAbsent);
    let put = store.put_nowcast(&key, body("one"), &fresh, minute(1)).await.unwrap();
    let Put::New(info) = put else { panic!("{put:?}") };
    assert_eq!((info.issue_time, info.hash.as_str(), info.bytes), (minute(0), content_hash(b"one").as_str(), 3));
    assert_eq!(store.put_nowcast(&key, body("one"), &fresh, minute(2)).await.unwrap(), Put::Same(info.clone()));
    let error = store.put_nowcast(&key, body("two"), &fresh, minute(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert_eq!(store.nowcast(&key).await.unwrap().body, body("one"));
    let known = WriteCondition::IfMatch(info.hash);
    store.put_nowcast(&key, body("two"), &known, minute(2)).await.unwrap();
    assert_eq!(store.nowcast(&key).await.unwrap().body, body("two"));
    assert!(matches!(store.nowcast(&run("a", 5)).await, Err(StoreError::NotFound { .. })));
}

/// A late old run does not become the newest.
pub async fn the_latest_nowcast_is_by_issue_time(store: Store) {
    assert!(store.latest_nowcasts("a", 1).await.unwrap().is_empty());
    for minutes in [10, 0, 5] {
        store_run(&store, "a", minutes).await;
        store_run(&store, "b", minutes + 100).await;
    }
    let times = |infos: Vec<raincell_api_types::frames::NowcastInfo>| -> Vec<_> {
        infos.into_iter().map(|i| i.issue_time).collect()
    };
    assert_eq!(times(store.latest_nowcasts("a", 1).await.unwrap()), [minute(10)]);
    assert_eq!(times(store.latest_nowcasts("a", 9).await.unwrap()), [minute(0), minute(5), minute(10)]);
}

/// A run is no frame of its source.
pub async fn nowcasts_and_frames_do_not_mix(store: Store) {
    store_run(&store, "a", 5).await;
    store_frame(&store, "a", 0).await;
    assert_eq!(store.list_frames(&FrameQuery::default()).await.unwrap().frames.len(), 1);
    assert_eq!(store.sources().await.unwrap()[0].newest_valid_time, minute(0));
    assert_eq!(store.latest_nowcasts("a", 9).await.unwrap().len(), 1);
}
