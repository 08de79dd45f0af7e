//! What is told of the whole domain, on a schedule, and of one's own warnings.

use jiff::Timestamp;
use raincell_api_types::alerts::{OutboxPost, RainEventKind};

use crate::weather::Weather;
use crate::world::{World, eventually};

fn start() -> Timestamp {
    "2026-01-01T13:00:00Z".parse().unwrap()
}

async fn of_kind(world: &World, kind: RainEventKind) -> Vec<OutboxPost> {
    let mut posts = world.outbox().await;
    posts.retain(|post| post.event.kind == kind);
    posts.sort_by(|a, b| a.key.cmp(&b.key));
    posts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_scheduled_is_posted_once_by_two_services_and_warnings_are_scored() {
    let weather = Weather::band(start(), 35, 68, 12.0);
    let world = World::new(start()).await;
    let schedules = "schedules = [{ post = 'outlook', cron = '*/30 * * * *', place = 'harbour-town' }, \
                     { post = 'digest', cron = '*/30 * * * *', language = 'de' }, \
                     { post = 'score', cron = '25 14 * * *' }]";
    let services = [world.start(schedules).await, world.start(schedules).await];
    for minute in (0..=90).step_by(5) {
        world.live(&weather, minute).await;
        // What is due now is posted before the clock goes on.
        if minute % 30 == 0 && minute > 0 {
            let outlooks = minute as usize / 30;
            let posted = async || of_kind(&world, RainEventKind::Outlook).await.len() == outlooks;
            eventually("the outlook is posted", posted).await;
        }
        if minute == 60 {
            let posted = async || of_kind(&world, RainEventKind::Digest).await.len() == 1;
            eventually("the digest is posted", posted).await;
        }
        if minute == 80 {
            eventually("the warning is scored", async || {
                let stored = world.client.alert_state("_score").await.unwrap().state;
                stored["skill"]["hits"] == 1
            })
            .await;
        }
    }
    eventually("the score is posted", async || of_kind(&world, RainEventKind::Score).await.len() == 1).await;
    let text = |posts: &[OutboxPost], index: usize| posts[index].event.text.clone();
    let outlooks = of_kind(&world, RainEventKind::Outlook).await;
    assert_eq!(
        text(&outlooks, 0),
        "Harbour Town, next 2 hours: rain from about 14:35, heavy (12 mm/h), until about 15:10. Radar: synthetic"
    );
    assert_eq!(
        text(&outlooks, 1),
        "Harbour Town, next 2 hours: raining now, heavy (12 mm/h), until about 15:10. Radar: synthetic"
    );
    assert_eq!(text(&outlooks, 2), "Harbour Town, next 2 hours: no rain in sight. Radar: synthetic");
    assert_eq!(outlooks[0].key, "20260101T133000Z-harbour-town-outlook");
    let digests = of_kind(&world, RainEventKind::Digest).await;
    assert_eq!(digests.len(), 1, "nothing while it is dry");
    // Of two services the one posts that looks at its schedule first, perhaps before it has the frame of this minute.
    let of_frame = |time: &str| format!("Regen um {time}: Harbour Town (starker Regen). Radar: synthetic");
    assert!([of_frame("13:55"), of_frame("14:00")].contains(&text(&digests, 0)), "{digests:?}");
    let score = of_kind(&world, RainEventKind::Score).await;
    assert!(
        text(&score, 0).starts_with("Our rain warnings of the last 7 days: 1 came true, 0 false alarms"),
        "{score:?}"
    );
    for service in services {
        service.stop().await;
    }
    let skill = world.client.alert_state("_score").await.unwrap().state["skill"].clone();
    assert_eq!((&skill["pod"], &skill["far"], &skill["start_error_min"]), (&1.0.into(), &0.0.into(), &0.0.into()));
    assert_eq!(skill["lead_time_min"], 30.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_of_heavy_rain_is_named_after_the_nearest_town() {
    let weather = Weather::band(start(), 35, 68, 42.0);
    let world = World::new(start()).await;
    let service = world.start("heavy_rain = { enabled = true, language = 'nl', time_zone = 'Europe/Amsterdam' }").await;
    for minute in [0, 5, 10] {
        world.live(&weather, minute).await;
    }
    let posted = async || of_kind(&world, RainEventKind::HeavyRain).await.len() == 1;
    eventually("the cell is told", posted).await;
    let post = &of_kind(&world, RainEventKind::HeavyRain).await[0];
    println!("{} {}", post.key, post.event.text);
    // A frame holds 42 mm/h as the nearest of its steps.
    let rate = post.event.rate_mm_h;
    assert!((rate / 42.0 - 1.0).abs() < 0.024, "{rate}");
    assert!(
        post.event.text.starts_with(&format!("Zware regen bij {}: tot {rate:.0} mm/u", post.event.place)),
        "{post:?}"
    );
    assert!(post.key.starts_with("20260101T130500Z-near-") && post.key.ends_with("-heavy-rain"), "{}", post.key);
    assert!(post.event.centre.is_some() && post.event.place_id.is_empty());
    service.stop().await;
}
