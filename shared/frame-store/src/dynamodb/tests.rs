//! The suite on each DynamoDB-compatible server that `./test` has started, and what is DynamoDB's own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_api_types::alerts::{AlertTransition, NewPost, PostStatus, RainEvent};
use raincell_api_types::dead_letters::NewDeadLetter;
use raincell_aws::AwsSettings;
use raincell_fault_proxy::{Fault, FaultProxy, Faults};
use raincell_frame::{Frame, FrameHeader};
use raincell_model::{Grid, RainField};
use serde_json::json;

use super::commit::new_stamp;
use super::{DynamoSettings, DynamoStore};
use crate::{FrameKey, FrameQuery, FrameStore, Wanted, WriteCondition};

static SKIPPED: Once = Once::new();

/// A new table on the server whose address is in an environment variable.
fn settings_at(variable: &str) -> Option<DynamoSettings> {
    let Ok(endpoint) = std::env::var(variable) else {
        SKIPPED.call_once(|| println!("skipped: no {variable}"));
        return None;
    };
    let aws = AwsSettings { endpoint, ..AwsSettings::default() };
    let table = format!("raincell-{}", new_stamp().unwrap());
    Some(DynamoSettings { aws, table, ..DynamoSettings::default() })
}

async fn fresh_at(variable: &str) -> Option<((), Arc<dyn FrameStore>)> {
    let settings = settings_at(variable)?;
    DynamoStore::init(&settings).await.unwrap();
    Some(((), Arc::new(DynamoStore::open(&settings).await.unwrap())))
}

mod on_dynoxide {
    crate::frame_store_conformance!(super::fresh_at("RAINCELL_TEST_DYNOXIDE"));
}

mod on_ministack {
    crate::frame_store_conformance!(super::fresh_at("RAINCELL_TEST_MINISTACK"));
}

/// Each seventh request fares ill, in all the ways there are.
async fn fresh_through_faults() -> Option<(FaultProxy, Arc<dyn FrameStore>)> {
    let mut settings = settings_at("RAINCELL_TEST_DYNOXIDE")?;
    DynamoStore::init(&settings).await.unwrap();
    settings.try_time_out = Duration::from_millis(1500);
    let kinds = vec![
        Fault::Throttled,
        Fault::Unprocessed,
        Fault::LostAnswer,
        Fault::ServerError,
        Fault::Reset,
        Fault::Unprocessed,
        Fault::Slow(Duration::from_millis(100)),
        Fault::Silence(Duration::from_secs(2)),
    ];
    let proxy = FaultProxy::start(&settings.aws.endpoint, Faults { every: 7, kinds }).await.unwrap();
    settings.aws.endpoint.clone_from(&proxy.url);
    let store = DynamoStore::open(&settings).await.unwrap();
    Some((proxy, Arc::new(store)))
}

mod through_faults {
    crate::frame_store_conformance!(super::fresh_through_faults());
}

#[tokio::test]
async fn a_table_is_made_once_and_must_be_there() {
    let Some(settings) = settings_at("RAINCELL_TEST_DYNOXIDE") else { return };
    let error = DynamoStore::open(&settings).await.unwrap_err();
    assert!(error.to_string().contains("raincell store init"), "{error}");
    assert!(DynamoStore::init(&settings).await.unwrap().made);
    assert!(!DynamoStore::init(&settings).await.unwrap().made);
    assert_eq!(DynamoStore::open(&settings).await.unwrap().last_sequence().await.unwrap(), 0);
}

/// What each question costs in requests, with a hundred of each thing there.
#[tokio::test]
async fn each_question_is_as_many_requests_as_the_documentation_says() {
    let Some(mut settings) = settings_at("RAINCELL_TEST_DYNOXIDE") else { return };
    DynamoStore::init(&settings).await.unwrap();
    let proxy = FaultProxy::start(&settings.aws.endpoint, Faults { every: 0, kinds: Vec::new() }).await.unwrap();
    settings.aws.endpoint.clone_from(&proxy.url);
    let store = DynamoStore::open(&settings).await.unwrap();
    let key = |minutes: i64| FrameKey::new("a", "rate", Timestamp::from_second(minutes * 60).unwrap()).unwrap();
    for minutes in 0..100 {
        let (now, body) = (key(minutes).valid_time(), encoded(minutes));
        store.put_frame(&key(minutes), body, &WriteCondition::IfAbsent, now).await.unwrap();
        let event = RainEvent { place: "home".into(), time: now, about: now, ..RainEvent::default() };
        let post = NewPost { key: format!("post {minutes}"), event, announced: false };
        let change = AlertTransition { expected_revision: minutes as u64, state: json!(1), posts: vec![post] };
        store.transition("home", &change, now).await.unwrap();
        let (source, reason, origin) = ("a".to_owned(), "bad".to_owned(), json!(null));
        let letter = NewDeadLetter { key: format!("letter {minutes}"), source, reason, attempts: 3, origin };
        store.add_dead_letter(&letter, now).await.unwrap();
    }
    let query = FrameQuery { source: Some("a".into()), product: Some("rate".into()), ..FrameQuery::default() };
    let range = FrameQuery { from: Some(key(20).valid_time()), to: Some(key(40).valid_time()), limit: 1000, ..query };
    let before = std::cell::Cell::new(proxy.requests());
    let requests = || proxy.requests() - before.replace(proxy.requests());
    store.frame(&key(7)).await.unwrap();
    assert_eq!(requests(), 1, "a frame at a time");
    assert_eq!((store.latest_frames("a", "rate", 12).await.unwrap().len(), requests()), (12, 1), "the latest");
    assert_eq!((store.list_frames(&range).await.unwrap().frames.len(), requests()), (21, 1), "a range of times");
    let first: Arc<dyn Wanted> = Arc::new(|_: &FrameHeader| Some(0));
    let series = store.recent_segments("a", "rate", SignedDuration::from_mins(40), Arc::clone(&first)).await;
    assert_eq!((series.unwrap().len(), requests()), (41, 2), "a series at a point");
    let again = store.recent_segments("a", "rate", SignedDuration::from_mins(40), Arc::clone(&first)).await;
    assert_eq!((again.unwrap().len(), requests()), (41, 1), "the same once more");
    assert_eq!((store.events_after(50, 20).await.unwrap().len(), requests()), (20, 1), "events");
    assert_eq!((store.outbox_post("post 70").await.unwrap().attempts, requests()), (0, 1), "a post");
    assert_eq!((store.newest_posts(10).await.unwrap().len(), requests()), (10, 1), "the newest posts");
    assert_eq!(
        (store.outbox(Some(PostStatus::Pending), 10).await.unwrap().len(), requests()),
        (10, 1),
        "those that wait"
    );
    assert_eq!(
        (store.outbox(Some(PostStatus::Sent), 10).await.unwrap().len(), requests()),
        (0, 1),
        "those that do not"
    );
    assert_eq!((store.dead_letter(70).await.unwrap().id, requests()), (70, 2), "a dead letter");
}

/// A frame whose one segment is its own.
fn encoded(minutes: i64) -> Bytes {
    let grid = Arc::new(Grid::around_radar(52.0, 5.0, 10.0, 1.0));
    let rate_mm_h = Array2::from_elem(grid.shape(), 1.0);
    let field = RainField { grid, valid_time: Timestamp::from_second(minutes * 60).unwrap(), rate_mm_h };
    raincell_frame::encode(&Frame { source: "a".into(), product: "rate".into(), field }).unwrap().into()
}
