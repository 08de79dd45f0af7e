//! The event stream: live, replayed, over a restart, from another process.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use raincell_api_types::events::{Event, SequencedEvent};
use raincell_frame_store::{FrameKey, FrameStore, SqliteStore, WriteCondition};
use raincell_store_client::{StoreClient, StreamItem};
use tokio::time::timeout;

use super::server::{Server, TOKEN, frame, minute};

type Items = Pin<Box<dyn Stream<Item = StreamItem> + Send>>;

fn listen(client: &StoreClient, after: Option<u64>) -> Items {
    Box::pin(client.events(after))
}

/// A test that waits for ever says less than one that fails.
async fn next(items: &mut Items) -> StreamItem {
    timeout(Duration::from_secs(60), items.next()).await.expect("no item in a minute").unwrap()
}

async fn next_event(items: &mut Items) -> SequencedEvent {
    loop {
        if let StreamItem::Event(event) = next(items).await {
            return *event;
        }
    }
}

fn minutes_of(event: &SequencedEvent) -> i64 {
    let Event::Frame(info) = &event.event else { panic!("{event:?}") };
    (info.valid_time - minute(0)).get_seconds() / 60
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_what_happens_from_its_connection_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server.client.put_frame(&frame("a", 0, 1.0)).await.unwrap();
    let mut items = listen(&server.client, None);
    assert_eq!(next(&mut items).await, StreamItem::Connected);
    server.client.put_frame(&frame("a", 5, 1.0)).await.unwrap();
    server.client.put_frame(&frame("a", 5, 1.0)).await.unwrap();
    server.client.put_frame(&frame("a", 10, 1.0)).await.unwrap();
    let (first, second) = (next_event(&mut items).await, next_event(&mut items).await);
    assert_eq!((minutes_of(&first), minutes_of(&second)), (5, 10));
    assert!(first.sequence < second.sequence);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_goes_on_where_it_was_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    // One that has seen an event, and one that has only been connected.
    let (mut seen, mut silent) = (listen(&server.client, Some(0)), listen(&server.client, None));
    assert_eq!(next(&mut silent).await, StreamItem::Connected);
    server.client.put_frame(&frame("a", 0, 1.0)).await.unwrap();
    assert_eq!(minutes_of(&next_event(&mut seen).await), 0);
    let address = server.stop().await;
    let cut = next(&mut seen).await;
    assert!(matches!(cut, StreamItem::Disconnected { .. }), "{cut:?}");
    let server = Server::start_at(folder.path(), &address).await;
    server.client.put_frame(&frame("a", 5, 1.0)).await.unwrap();
    assert_eq!(minutes_of(&next_event(&mut seen).await), 5);
    assert_eq!(minutes_of(&next_event(&mut silent).await), 0);
    assert_eq!(minutes_of(&next_event(&mut silent).await), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_replayed_after_any_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    for minutes in 0..250 {
        server.client.put_frame(&frame("a", minutes, 1.0)).await.unwrap();
    }
    let mut items = listen(&server.client, Some(0));
    let mut all = Vec::new();
    for minutes in 0..250 {
        let event = next_event(&mut items).await;
        assert_eq!(minutes_of(&event), minutes);
        all.push(event.sequence);
    }
    let mut items = listen(&server.client, Some(all[199]));
    assert_eq!(next_event(&mut items).await.sequence, all[200]);
    // A number from another database: everything is news.
    let mut items = listen(&server.client, Some(1 << 40));
    assert_eq!(next_event(&mut items).await.sequence, all[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_writes_is_heard_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let mut items = listen(&server.client, None);
    assert_eq!(next(&mut items).await, StreamItem::Connected);
    let other = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let key = FrameKey::new("a", "rate", minute(5)).unwrap();
    let body = Bytes::from_static(b"as another process would");
    other.put_frame(&key, body, &WriteCondition::IfAbsent, minute(5)).await.unwrap();
    assert_eq!(minutes_of(&next_event(&mut items).await), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_goes_on_at_another_replica_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Server::start(folder.path()).await, Server::start(folder.path()).await);
    let both = StoreClient::new(&format!("{},{}", first.url, second.url), TOKEN).unwrap();
    let mut items = listen(&both, None);
    assert_eq!(next(&mut items).await, StreamItem::Connected);
    both.put_frame(&frame("a", 0, 1.0)).await.unwrap();
    let before = next_event(&mut items).await;
    first.stop().await;
    // While the listener is cut off, and with one address gone.
    both.put_frame(&frame("a", 5, 1.0)).await.unwrap();
    both.put_frame(&frame("a", 10, 1.0)).await.unwrap();
    let after = [next_event(&mut items).await, next_event(&mut items).await];
    assert_eq!(after.each_ref().map(minutes_of), [5, 10]);
    assert_eq!(after.map(|event| event.sequence - before.sequence), [1, 2]);
    assert_eq!(second.client.latest_frames("a", "rate", 9).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_wire_an_event_has_id_name_and_data() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let info = server.client.put_frame(&frame("a", 0, 1.0)).await.unwrap().info().clone();
    let mut answer = server.get("/v1/events?after=0").await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("\n\n") {
        text += std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap();
    }
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let data = serde_json::to_string(&Event::Frame(info)).unwrap();
    assert_eq!(lines, ["", &format!("data: {data}"), "event: frame", "id: 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_a_wrong_token_says_so_and_does_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let mut items = listen(&StoreClient::new(&server.url, "another token").unwrap(), None);
    for _ in 0..2 {
        let item = next(&mut items).await;
        assert!(matches!(&item, StreamItem::Disconnected { reason } if reason.contains("401")), "{item:?}");
    }
}
