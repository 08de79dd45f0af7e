//! Retention by the real binary, of what was stored days ago; and what it costs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_fault_proxy::{Fault, FaultProxy, Faults};
use raincell_frame_store::{FrameKey, FrameStore, Removed, WriteCondition};
use raincell_service_runtime::config;
use raincell_store_client::StoreClient;
use tokio::process::Command;

use super::process::{BINARY, dynamodb, spawn, sqlite};
use super::server::{TOKEN, endpoint_and_table, frame, minute};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_hidden_can_be_brought_back_and_is_removed_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let toml = format!("database = '{}'", folder.path().join("data/store.db").display());
    hide_bring_back_and_remove(folder.path(), &toml, sqlite(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_hidden_can_be_brought_back_and_is_removed_on_dynamodb() {
    let Some((endpoint, table)) = endpoint_and_table() else { return };
    let folder = tempfile::tempdir().unwrap();
    let toml = format!("backend = 'dynamodb'\ntable = '{table}'\nendpoint = '{endpoint}'");
    hide_bring_back_and_remove(folder.path(), &toml, dynamodb(endpoint, table)).await;
}

/// What the command line works on beside the running service.
async fn beside(toml: &str) -> Arc<dyn FrameStore> {
    let config = config::load_with(None, &format!("[store]\ntoken = '{TOKEN}'\n{toml}")).unwrap();
    raincell_store::open(&config).await.unwrap()
}

async fn hide_bring_back_and_remove(folder: &Path, toml: &str, mut database: Vec<(&'static str, String)>) {
    let hours_ago = |hours: i64| Timestamp::now() - SignedDuration::from_hours(hours);
    let store = beside(toml).await;
    let put = async |minutes: i64, stored_at: Timestamp| {
        let key = FrameKey::new("a", "rate", minute(minutes)).unwrap();
        let body: Bytes = raincell_frame::encode(&frame("a", minutes, 1.0)).unwrap().into();
        store.put_frame(&key, body, &WriteCondition::IfAbsent, stored_at).await.unwrap();
    };
    put(0, hours_ago(100)).await;
    store.expire(hours_ago(99), hours_ago(10)).await.unwrap();
    put(5, hours_ago(90)).await;
    put(10, hours_ago(1)).await;
    database.push(("RAINCELL_STORE__RETENTION_HOURS", "72".into()));
    database.push(("RAINCELL_STORE__TOMBSTONE_HOURS", "6".into()));
    let (_child, url) = spawn(folder, &database, Command::new(BINARY)).await;
    until_counted(&url, "raincell_store_removed_total", &["step=\"expired\"", "kind=\"frame\""], 1).await;
    until_counted(&url, "raincell_store_removed_total", &["step=\"collected\"", "kind=\"frame\""], 1).await;
    let client = StoreClient::new(&url, TOKEN).unwrap();
    let listed = async || {
        let frames = client.latest_frames("a", "rate", 10).await.unwrap();
        frames.into_iter().map(|info| info.valid_time).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [minute(10)]);
    let back = store.undelete(None, Timestamp::now()).await.unwrap();
    assert_eq!(back, Removed { frames: 1, ..Removed::default() });
    assert_eq!(listed().await, [minute(5), minute(10)]);
    let info = client.latest_frames("a", "rate", 2).await.unwrap().remove(0);
    assert_eq!(raincell_frame::content_hash(&client.frame_bytes(&info).await.unwrap()), info.hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_counted_in_write_units_and_its_lost_answer_in_read_units() {
    let Some((endpoint, table)) = endpoint_and_table() else { return };
    let folder = tempfile::tempdir().unwrap();
    let units = |kind: &'static str| ["operation=\"TransactWriteItems\"", kind];
    let name = "raincell_store_dynamodb_capacity_units_total";
    let (_child, url) = spawn(folder.path(), &dynamodb(endpoint.clone(), table.clone()), Command::new(BINARY)).await;
    StoreClient::new(&url, TOKEN).unwrap().put_frame(&frame("a", 0, 1.0)).await.unwrap();
    // Entry, manifest, event and head of the log are below a KB each: two write units for each of the four.
    until_counted(&url, name, &units("kind=\"write\""), 8).await;
    assert_eq!(counted(&url, name, &units("kind=\"read\"")).await, 0);

    let lost = Faults { every: 1, kinds: vec![Fault::LostAnswer, Fault::Slow(Duration::ZERO)] };
    let proxy = FaultProxy::start(&endpoint, lost).await.unwrap();
    let (_child, url) = spawn(folder.path(), &dynamodb(proxy.url.clone(), table), Command::new(BINARY)).await;
    let client = StoreClient::new(&url, TOKEN).unwrap();
    let mut minutes = 5;
    while counted(&url, name, &units("kind=\"read\"")).await == 0 {
        client.put_frame(&frame("a", minutes, 1.0)).await.unwrap();
        minutes += 5;
    }
}

/// The sum of the series of a counter that have those labels.
async fn counted(url: &str, name: &str, labels: &[&str]) -> u64 {
    let http = raincell_http_client::builder().no_proxy().build().unwrap();
    let text = http.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
    let of_it = |line: &&str| line.starts_with(&format!("{name}{{")) && labels.iter().all(|label| line.contains(label));
    text.lines().filter(of_it).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

async fn until_counted(url: &str, name: &str, labels: &[&str], count: u64) {
    while counted(url, name, labels).await < count {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(counted(url, name, labels).await, count);
}
