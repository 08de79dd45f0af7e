//! Several store processes on one DynamoDB table.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use raincell_store_client::{StoreClient, StreamItem};
use reqwest::Method;
use tokio::time::timeout;

use super::server::{CENTRE, Server, frame, minute, table};

async fn two() -> Option<(Server, Server)> {
    let table = table()?;
    let first = Server::start_on(&table, "127.0.0.1:0").await;
    Some((first, Server::start_on(&table, "127.0.0.1:0").await))
}

/// Sequence and valid time of the next `n` frames.
async fn hear(client: &StoreClient, after: u64, n: usize) -> Vec<(u64, String)> {
    let mut items: Pin<Box<dyn Stream<Item = StreamItem> + Send>> = Box::pin(client.events(Some(after)));
    let mut heard = Vec::new();
    while heard.len() < n {
        let item = timeout(Duration::from_secs(60), items.next()).await.expect("no item in a minute").unwrap();
        if let StreamItem::Event(event) = item {
            heard.push((event.sequence, format!("{:?}", event.event)));
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_goes_on_at_another_replica_where_it_was() {
    let Some((first, second)) = two().await else { return };
    let putting = async {
        for i in 0..10 {
            first.client.put_frame(&frame("a", i, 1.0)).await.unwrap();
            second.client.put_frame(&frame("b", i, 1.0)).await.unwrap();
        }
    };
    // While they come: what either writes is heard at both.
    let ((), at_first, at_second) = tokio::join!(putting, hear(&first.client, 0, 20), hear(&second.client, 0, 20));
    assert_eq!(at_first, at_second);
    assert!(at_first.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "{at_first:?}");
    for (at, (sequence, _)) in at_first.iter().enumerate().take(19) {
        let replica = if at % 2 == 0 { &second } else { &first };
        assert_eq!(hear(&replica.client, *sequence, 19 - at).await, at_first[at + 1..]);
    }
    // As a browser asks.
    let request = first.request(Method::GET, "/v1/events").header("last-event-id", at_first[4].0.to_string());
    assert_eq!(request.send().await.unwrap().headers()["raincell-sequence"], at_first[4].0.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_has_stored_the_other_one_has() {
    let Some((first, second)) = two().await else { return };
    for i in 0..25 {
        first.client.put_frame(&frame("a", i * 5, i as f32)).await.unwrap();
    }
    let (lat, lon) = CENTRE;
    let answer = second.get(&format!("/v1/rain?lat={lat}&lon={lon}&past=60")).await;
    let series: serde_json::Value = answer.json().await.unwrap();
    let samples = series["samples"].as_array().unwrap();
    assert_eq!((samples.len(), samples[0]["valid_time"].as_str()), (13, Some(minute(60).to_string().as_str())));
    let newest = samples[12]["rate_mm_h"].as_f64().unwrap();
    assert!((newest - 24.0).abs() < 0.6, "{newest}");
    let metrics = second.get("/metrics").await.text().await.unwrap();
    let counted = "raincell_store_dynamodb_capacity_units_total{operation=\"TransactWriteItems\",kind=\"write\"}";
    assert!(metrics.contains(counted), "{metrics}");
}
