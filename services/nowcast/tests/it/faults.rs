//! Restarts, a store that is away, and events that never come.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::world::{NEVER, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_makes_no_second_run_and_finds_what_came_meanwhile() {
    let world = World::new().await;
    let nowcast = world.nowcast(NEVER).await;
    let first = world.put("klot", 0).await;
    world.until_run_of("klot", &first).await;
    let stored = world.runs("klot").await;
    nowcast.stop().await;

    let nowcast = world.nowcast(NEVER).await;
    eventually("it has looked", async || nowcast.health_of("nowcast").await.0 == "ok").await;
    assert_eq!(world.runs("klot").await, stored, "stored once, and not again");
    nowcast.stop().await;

    let second = world.put("klot", 5).await;
    let nowcast = world.nowcast(NEVER).await;
    world.until_run_of("klot", &second).await;
    assert_eq!(world.runs("klot").await.len(), 2);
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_come_while_the_store_restarts_are_seen_to() {
    let mut world = World::new().await;
    let nowcast = world.nowcast(NEVER).await;
    let first = world.put("klot", 0).await;
    world.until_run_of("klot", &first).await;
    world.stop_store().await;
    eventually("it is told", async || nowcast.health_of("store").await.0 == "degraded").await;
    // The last run is still answered.
    assert_eq!(nowcast.get("/v1/nowcast").await.status(), 200);
    world.restart_store().await;
    let second = world.put("klot", 5).await;
    world.until_run_of("klot", &second).await;
    eventually("all is well", async || nowcast.health_of("store").await.0 == "ok").await;
    nowcast.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_sees_to_frames_whose_events_never_come() {
    let world = World::new().await;
    let address = without_events(world.address().to_owned()).await;
    let nowcast = world.nowcast_at(&address, "fallback_cron = '* * * * * *'").await;
    let hash = world.put("klot", 0).await;
    world.until_run_of("klot", &hash).await;
    eventually("the lack of events is told", async || nowcast.health_of("store").await.0 == "degraded").await;
    assert_eq!(world.runs("klot").await.len(), 1, "once, however often the schedule comes");
    nowcast.stop().await;
}

/// A way to the store that lets everything through but the stream of events.
async fn without_events(store: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let forward = async |store: String, request: Request| {
        let (parts, body) = request.into_parts();
        let url = format!("http://{store}{}", parts.uri);
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let sent = raincell_http_client::builder()
            .build()
            .unwrap()
            .request(parts.method, url)
            .headers(parts.headers)
            .body(body)
            .send();
        let answer = sent.await.unwrap();
        (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap())
    };
    let router = Router::new().route("/v1/events", get(|| async { StatusCode::SERVICE_UNAVAILABLE })).fallback(
        move |request: Request| {
            let store = store.clone();
            async move { forward(store, request).await }
        },
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
