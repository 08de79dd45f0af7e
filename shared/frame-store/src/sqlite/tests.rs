//! The suite on a file and in memory, and what only a file can show: reopening, two openers, damage.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use raincell_api_types::frames::Checkpoint;
use serde_json::json;
use tempfile::TempDir;

use super::*;

async fn in_file() -> (TempDir, Arc<dyn FrameStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    (folder, Arc::new(store))
}

async fn in_memory() -> ((), Arc<dyn FrameStore>) {
    ((), Arc::new(SqliteStore::in_memory().await.unwrap()))
}

mod on_a_file {
    crate::frame_store_conformance!(super::in_file());
}

mod in_memory_only {
    crate::frame_store_conformance!(super::in_memory());
}

fn key(minutes: i64) -> FrameKey {
    FrameKey::new("a", "rate", Timestamp::from_second(minutes * 60).unwrap()).unwrap()
}

async fn put(store: &SqliteStore, minutes: i64) {
    let now = Timestamp::UNIX_EPOCH;
    let body = format!("frame {minutes}").into();
    store.put_frame(&key(minutes), body, &WriteCondition::IfAbsent, now).await.unwrap();
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let before = {
        let store = SqliteStore::open(&path).await.unwrap();
        put(&store, 1).await;
        store.put_checkpoint(&Checkpoint { name: "x/y".into(), revision: 0, value: json!([1]) }).await.unwrap();
        (store.frame(&key(1)).await.unwrap(), store.events_after(0, 9).await.unwrap())
    };
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!((store.frame(&key(1)).await.unwrap(), store.events_after(0, 9).await.unwrap()), before);
    assert_eq!(store.checkpoint("x/y").await.unwrap().revision, 1);
    assert_eq!(*store.subscribe().borrow(), before.1[0].sequence);
}

#[tokio::test]
async fn four_may_open_a_new_file_at_once_and_all_of_them_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let stores = join_all((0..4).map(|_| SqliteStore::open(&path))).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    join_all((0..40).map(|i| put(&stores[i % 4], i as i64))).await;
    for store in &stores {
        assert_eq!(store.latest_frames("a", "rate", 100).await.unwrap().len(), 40);
        assert_eq!(store.last_sequence().await.unwrap(), 40);
    }
}

#[tokio::test]
async fn a_subscriber_hears_of_the_events_of_another_opener_when_it_looks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (here, there) = (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    let mut head = here.subscribe();
    put(&there, 1).await;
    assert!(!head.has_changed().unwrap());
    here.last_sequence().await.unwrap();
    head.changed().await.unwrap();
}

#[tokio::test]
async fn a_changed_body_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, 1).await;
    Connection::open(&path).unwrap().execute("UPDATE bodies SET body = x'00'", []).unwrap();
    let error = store.frame(&key(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, vec![b'x'; 20_000]).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_page_is_found_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    for minutes in 0..200 {
        put(&store, minutes).await;
    }
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(u16::from_be_bytes([bytes[16], bytes[17]]), 8192, "page size");
    for page in (1..bytes.len() / 8192).skip(1) {
        bytes[page * 8192..page * 8192 + 200].fill(0xA5);
    }
    std::fs::write(&path, bytes).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(SqliteStore::open(&path).await.unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Schema { found: 99, known: schema::VERSION }), "{error:?}");
}

#[tokio::test]
async fn a_backup_made_while_others_write_is_whole_and_can_be_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("store.db"), folder.path().join("copy.db"));
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    for minutes in 0..50 {
        put(&store, minutes).await;
    }
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for minutes in 50..100 {
            put(&writer, minutes).await;
        }
    });
    store.backup(&copy).await.unwrap();
    writing.await.unwrap();
    assert!(!folder.path().join("copy.db-wal").exists() && !folder.path().join("copy.db.part").exists());
    let again = store.backup(&copy).await.unwrap_err();
    assert!(matches!(again, StoreError::Backend { .. }), "a backup is not overwritten: {again}");
    let busy = SqliteStore::restore(&copy, &path).await.unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy:?}");
    assert_eq!(store.latest_frames("a", "rate", 1000).await.unwrap().len(), 100);
    drop(store);
    let kept = SqliteStore::restore(&copy, &path).await.unwrap().unwrap();
    let restored = SqliteStore::open(&path).await.unwrap();
    let frames = restored.latest_frames("a", "rate", 1000).await.unwrap().len();
    assert!((50..=100).contains(&frames), "{frames}");
    assert_eq!(restored.last_sequence().await.unwrap(), frames as u64);
    let checked = restored.check().await.unwrap();
    assert_eq!((checked.bodies, checked.damage.len()), (frames as u64, 0));
    put(&restored, 1000).await;
    let before = SqliteStore::open(&kept).await.unwrap();
    assert_eq!(before.latest_frames("a", "rate", 1000).await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_damaged_database_is_replaced_by_its_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("store.db"), folder.path().join("copy.db"));
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, 1).await;
    store.backup(&copy).await.unwrap();
    drop(store);
    std::fs::write(&path, vec![b'x'; 20_000]).unwrap();
    std::fs::write(folder.path().join("store.db-wal"), b"what is left of a log").unwrap();
    SqliteStore::restore(&copy, &path).await.unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.frame(&key(1)).await.is_ok());
}

#[tokio::test]
async fn what_is_no_backup_is_not_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("store.db"), folder.path().join("copy.db"));
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, 1).await;
    drop(store);
    assert!(SqliteStore::restore(&copy, &path).await.is_err(), "it is not there");
    std::fs::write(&copy, vec![b'x'; 20_000]).unwrap();
    assert!(matches!(SqliteStore::restore(&copy, &path).await, Err(StoreError::Corrupt { .. })));
    std::fs::remove_file(&copy).unwrap();
    Connection::open(&copy).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(matches!(SqliteStore::restore(&copy, &path).await, Err(StoreError::Schema { found: 0, .. })));
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.frame(&key(1)).await.is_ok());
}

#[tokio::test]
async fn a_thorough_check_names_each_damaged_body() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, 1).await;
    put(&store, 2).await;
    put(&store, 3).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("UPDATE bodies SET body = x'00' WHERE entry = 1; DELETE FROM bodies WHERE entry = 2").unwrap();
    let checked = store.check().await.unwrap();
    assert_eq!((checked.bodies, checked.damage.len()), (3, 2), "{checked:?}");
    assert!(checked.damage[0].contains("a/rate") && checked.damage[1].contains("no body"), "{checked:?}");
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, 1).await;
    drop(store);
    let old = Connection::open(&path).unwrap();
    old.execute_batch("DROP TABLE leases; DROP TABLE dead_letters; DROP TABLE verification; PRAGMA user_version = 1")
        .unwrap();
    drop(old);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.lease("x").await.unwrap().version, 0);
    assert!(store.dead_letters(None, 1).await.unwrap().is_empty());
    let (first, last) = (Timestamp::UNIX_EPOCH, Timestamp::now());
    assert!(store.verification("a", first, last).await.unwrap().is_empty());
    assert!(store.frame(&key(1)).await.is_ok());
}

#[tokio::test]
async fn a_missing_folder_is_an_error_that_names_what_was_tried() {
    let error = SqliteStore::open(Path::new("/no/such/folder/store.db")).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot open the database");
}
