//! The life of a rain at a watched place.

use jiff::Timestamp;
use raincell_api_types::alerts::{AlertTransition, PostStatus, RainEventKind};
use raincell_api_types::health::Condition;
use raincell_service_runtime::telemetry;
use raincell_store_client::StoreClient;

use crate::weather::Weather;
use crate::world::{PLACE, World, eventually};

fn start() -> Timestamp {
    "2026-01-01T13:00:00Z".parse().unwrap()
}

const THREE_POSTS: [&str; 6] = [
    "20260101T130500Z-harbour-town-coming.gif",
    "20260101T130500Z-harbour-town-coming.txt",
    "20260101T133500Z-harbour-town-begun.gif",
    "20260101T133500Z-harbour-town-begun.txt",
    "20260101T142000Z-harbour-town-ended.gif",
    "20260101T142000Z-harbour-town-ended.txt",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_rain_makes_three_posts_with_pictures() {
    telemetry::prometheus();
    let weather = Weather::band(start(), 35, 68, 12.0);
    let world = World::new(start()).await;
    let service = world.start("").await;
    for minute in (-60..=90).step_by(5) {
        world.live(&weather, minute).await;
        // Each post goes out with what the store holds at its time.
        world.settled_outbox().await;
    }
    let posts = world.settled_outbox().await;
    let kinds: Vec<_> = posts.iter().map(|post| (post.event.kind, post.status, post.attempts)).collect();
    assert_eq!(
        kinds,
        [
            (RainEventKind::Coming, PostStatus::Sent, 1),
            (RainEventKind::Begun, PostStatus::Sent, 1),
            (RainEventKind::Ended, PostStatus::Sent, 1)
        ]
    );
    let files = world.files();
    assert_eq!(files.len(), 6, "{files:?}");
    let text = |kind: &str| {
        let name = files.iter().find(|name| name.ends_with(&format!("{kind}.txt"))).unwrap();
        String::from_utf8(world.read(name)).unwrap()
    };
    let coming = text("coming");
    assert!(coming.starts_with("Rain coming to Harbour Town: starts about 14:35 (in "), "{coming}");
    assert!(coming.ends_with("min), heavy (12 mm/h), until about 15:10 (35 min). Radar: synthetic\n"), "{coming}");
    for name in files.iter().filter(|name| name.ends_with("gif")) {
        let bytes = world.read(name);
        assert!(bytes.len() < 3_000_000, "{name}: {} bytes", bytes.len());
        let frames = frames_of(&bytes);
        assert!(frames >= 12, "{name}: {frames} frames");
    }
    let readiness = StoreClient::new(&service.url, "").unwrap().ready().await.unwrap();
    assert_eq!(readiness.condition, Condition::Ok, "{readiness:?}");
    let metrics = telemetry::prometheus().render();
    let sent = |line: &&str| line.starts_with("raincell_alert_posts_total") && line.contains("status=\"sent\"");
    assert!(metrics.lines().any(|line| sent(&line)), "{metrics}");
    service.stop().await;
}

fn frames_of(gif: &[u8]) -> usize {
    let mut decoder = gif::DecodeOptions::new().read_info(gif).unwrap();
    let mut frames = 0;
    while decoder.read_next_frame().unwrap().is_some() {
        frames += 1;
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_after_every_look_posts_the_same() {
    let weather = Weather::band(start(), 35, 68, 12.0);
    let world = World::new(start()).await;
    for minute in (0..=90).step_by(5) {
        let service = world.start("").await;
        world.live(&weather, minute).await;
        world.settled_outbox().await;
        service.stop().await;
    }
    assert_eq!(world.files(), THREE_POSTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_at_once_post_everything_once() {
    let weather = Weather::band(start(), 35, 68, 12.0);
    let world = World::new(start()).await;
    let services = [world.start("").await, world.start("").await];
    for minute in (0..=90).step_by(5) {
        world.live(&weather, minute).await;
        // Before the clock goes on, and the news with it.
        world.settled_outbox().await;
    }
    let posts = world.settled_outbox().await;
    assert_eq!(posts.len(), 3);
    for service in services {
        service.stop().await;
    }
    assert_eq!(world.files(), THREE_POSTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_changed_by_another_is_read_again() {
    let weather = Weather::band(start(), 35, 68, 12.0);
    let world = World::new(start()).await;
    let service = world.start("").await;
    world.live(&weather, 0).await;
    // Another process has written a revision that this service does not know of.
    let stored = world.client.alert_state(PLACE).await.unwrap();
    let change = AlertTransition { expected_revision: stored.revision, state: stored.state, posts: Vec::new() };
    world.client.transition(PLACE, &change).await.unwrap();
    world.live(&weather, 5).await;
    let posts = world.settled_outbox().await;
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].key, "20260101T130500Z-harbour-town-coming");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rain_that_does_not_come_gets_an_all_clear_and_old_data_get_nothing() {
    let weather = Weather::band(start(), 35, 68, 12.0);
    let gone = Weather::band(start(), 1000, 1001, 12.0);
    let world = World::new(start()).await;
    let service = world.start("agreeing_nowcasts = 1").await;
    world.live(&weather, 0).await;
    for minute in [5, 10, 15] {
        world.live(&gone, minute).await;
    }
    let posts = world.settled_outbox().await;
    assert_eq!(
        posts.iter().map(|p| p.event.kind).collect::<Vec<_>>(),
        [RainEventKind::Coming, RainEventKind::FalseAlarm]
    );
    let text = String::from_utf8(world.read("20260101T131500Z-harbour-town-false-alarm.txt")).unwrap();
    assert_eq!(text, "All clear for Harbour Town: the rain expected about 14:35 did not come. Radar: synthetic\n");

    // Rain, but half an hour old: it is looked at and leads to nothing.
    let before = world.state().await;
    world.clock.set(weather.time(55));
    world.client.put_frame(&Weather::band(start(), 0, 100, 12.0).frame(20)).await.unwrap();
    let service_client = StoreClient::new(&service.url, "").unwrap();
    eventually("the old frame is looked at", async || {
        let readiness = service_client.ready().await.unwrap();
        readiness.dependencies["data"].detail.contains("13:20:00")
    })
    .await;
    service.stop().await;
    assert_eq!(world.state().await, before);
    assert_eq!(world.outbox().await.len(), 2);
}
