//! Each target gets the kind of picture that its configuration names, and another one where it refuses that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use raincell_api_types::alerts::{EventFacts, PostStatus, RainEvent, RainEventKind};
use serde_json::json;

use crate::targets::bluesky::{self, Bluesky};
use crate::targets::mastodon::{self, Mastodon};
use crate::targets::ntfy::{self, Ntfy};
use crate::targets::webhook::{self, Webhook};
use crate::targets::{Fault, StandIn, reply};
use crate::world::{World, event};

fn start() -> Timestamp {
    "2026-01-01T13:00:00Z".parse().unwrap()
}

fn begun() -> RainEvent {
    let facts = EventFacts { time_zone: "UTC".into(), ..EventFacts::default() };
    RainEvent { facts: Some(Box::new(facts)), ..event(RainEventKind::Begun, start(), "Rain has begun.") }
}

/// Sends one event to some targets.
async fn send(targets: &[&str], config: &str) {
    let world = World::new(start()).await;
    world.store_dry_weather(start()).await;
    world.put_event(targets, begun()).await;
    let service = world.start(&format!("dry_run = false\n{config}")).await;
    let posts = world.settled_outbox().await;
    service.stop().await;
    assert!(posts.iter().all(|post| post.status == PostStatus::Sent), "{posts:#?}");
}

fn kind(file: &[u8]) -> &'static str {
    match file {
        [b'G', b'I', b'F', ..] => "gif",
        [0x89, b'P', b'N', b'G', ..] => "png",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "mp4",
        _ => "nothing known",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_ntfy_and_the_webhook_get_what_the_configuration_says() {
    for wanted in ["gif", "mp4", "png", "none"] {
        let mastodon = StandIn::start(Mastodon::default()).await;
        let ntfy = StandIn::start(Ntfy::default()).await;
        let webhook = StandIn::start(Webhook::default()).await;
        let picture = format!("picture = '{wanted}'\n");
        let tables = [mastodon::toml(&mastodon.url), ntfy::toml(&ntfy.url), webhook::toml(&webhook.url)];
        send(&["mastodon", "ntfy", "webhook"], &tables.map(|table| table + &picture).concat()).await;

        let (files, message) = (mastodon.platform().files(), ntfy.platform().messages().remove(0));
        let delivered = webhook.platform().deliveries()[0].1["picture"].clone();
        if wanted == "none" {
            assert!(files.is_empty() && message.attachment.is_empty() && delivered.is_null());
            continue;
        }
        assert_eq!(files.iter().map(|file| kind(file)).collect::<Vec<_>>(), [wanted]);
        assert_eq!(kind(&message.attachment), wanted);
        let media_type = if wanted == "mp4" { "video/mp4".to_owned() } else { format!("image/{wanted}") };
        assert_eq!(delivered["media_type"], json!(media_type));
        assert_eq!(kind(&STANDARD.decode(delivered["base64"].as_str().unwrap()).unwrap()), wanted);
        let alt = mastodon.platform().statuses()[0].pictures[0].clone();
        let told = if wanted == "png" { "Radar map of the surroundings" } else { "Map around Harbour Town" };
        assert!(alt.starts_with(told), "{alt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bluesky_gets_a_still_where_it_refuses_the_video_or_the_configuration_wants_one() {
    for (more, refused) in [("", true), ("picture = 'png'\n", false)] {
        let server = StandIn::start(Bluesky::default()).await;
        if refused {
            server.fails_at("upload", Fault::Says(reply(413, json!({ "error": "PayloadTooLarge" }))));
        }
        send(&["bluesky"], &format!("{}{more}", bluesky::toml(&server.url))).await;
        let records = server.platform().records();
        assert_eq!(records.len(), 1);
        let embed = &records[0].1["embed"];
        assert_eq!(embed["$type"], "app.bsky.embed.images");
        assert_eq!(embed["images"][0]["aspectRatio"]["width"], 1080);
        let alt = embed["images"][0]["alt"].as_str().unwrap();
        assert!(alt.starts_with("Radar map of the surroundings of Harbour Town: the rain observed at 13:00."), "{alt}");
    }
}
