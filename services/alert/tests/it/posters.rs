//! Each target over real HTTP, with everything that goes wrong on the way.

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{OutboxPost, PostStatus, RainEventKind, event_and_target, post_key};
use raincell_api_types::dead_letters::DeadLetterState;
use raincell_service_runtime::telemetry;
use serde_json::json;

use crate::targets::bluesky::{self, Bluesky};
use crate::targets::mastodon::{self, Mastodon};
use crate::targets::ntfy::{self, Ntfy};
use crate::targets::webhook::{self, Webhook};
use crate::targets::{Fault, Platform, StandIn, reply, x};
use crate::world::{World, event, eventually};

fn start() -> Timestamp {
    "2026-01-01T13:00:00Z".parse().unwrap()
}

/// Only what the test names is switched on.
const NO_FILES: &str = "dry_run = false\n";
/// For targets that never answer; others may take longer on a busy machine.
const HASTY: &str = "send_timeout_s = 1.0\n";

/// How the outbox sees the post of a target.
async fn post(world: &World, target: &str) -> OutboxPost {
    let posts = world.outbox().await;
    posts.into_iter().find(|post| event_and_target(&post.key).1 == target).unwrap()
}

async fn start_all() -> (StandIn<x::X>, StandIn<Mastodon>, StandIn<Bluesky>, StandIn<Ntfy>, StandIn<Webhook>, String) {
    let x = x::start().await;
    let mastodon = StandIn::start(Mastodon::default()).await;
    let bluesky = StandIn::start(Bluesky::default()).await;
    let ntfy = StandIn::start(Ntfy::default()).await;
    let webhook = StandIn::start(Webhook::default()).await;
    let config = [
        NO_FILES,
        &x::toml(&x.url, ""),
        &mastodon::toml(&mastodon.url),
        &bluesky::toml(&bluesky.url),
        &ntfy::toml(&ntfy.url),
        &webhook::toml(&webhook.url),
    ]
    .concat();
    (x, mastodon, bluesky, ntfy, webhook, config)
}

const ALL: [&str; 5] = ["x", "mastodon", "bluesky", "ntfy", "webhook"];

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_to_every_target_and_what_follows_answers_it_there() {
    telemetry::prometheus();
    let (x, mastodon, bluesky, ntfy, webhook, config) = start_all().await;
    let world = World::new(start()).await;
    world.store_dry_weather(start()).await;
    let first = "Rain & wind < 3 mm/h at Harbour Town's pier.";
    let service = world.start(&config).await;
    world.is_sending(&service, 5).await;
    let thread = world.put_event(&ALL, event(RainEventKind::Begun, start(), first)).await;
    world.settled_outbox().await;
    let mut ended = event(RainEventKind::Ended, start() + SignedDuration::from_mins(5), "It is over.");
    ended.thread = Some(thread);
    world.clock.set(ended.time);
    world.put_event(&ALL, ended).await;
    let posts = world.settled_outbox().await;
    service.stop().await;
    assert!(posts.iter().all(|post| post.status == PostStatus::Sent), "{posts:#?}");

    for texts in [x.texts(), mastodon.texts(), bluesky.texts(), ntfy.texts(), webhook.texts()] {
        assert_eq!(texts, [first, "It is over."]);
    }
    let alt = format!("Map around Harbour Town: {first}");
    let tweets = x.platform().tweets();
    assert_eq!(tweets[1].reply_to.as_ref(), Some(&tweets[0].id));
    let (bytes, described) = tweets[0].picture.clone().unwrap();
    assert!((10_000..5_000_000).contains(&bytes) && described == alt, "{bytes} {described}");
    let one_post = ["initialize", "append", "finalize", "status", "status", "describe", "post"];
    assert_eq!(x.steps(), [one_post, one_post].concat());

    assert!(mastodon.platform().files().iter().all(|file| file.starts_with(b"GIF89a")));
    let statuses = mastodon.platform().statuses();
    assert_eq!(statuses[1].in_reply_to.as_ref(), Some(&statuses[0].id));
    assert_eq!((statuses[0].pictures.clone(), statuses[0].language.as_str()), (vec![alt.clone()], "en"));

    let records = bluesky.platform().records();
    let named = json!({ "uri": records[0].0, "cid": format!("cid-{}", records[0].0.rsplit('/').next().unwrap()) });
    assert_eq!(records[1].1["reply"], json!({ "root": named, "parent": named }));
    let embed = &records[0].1["embed"];
    assert_eq!((&embed["$type"], &embed["presentation"]), (&json!("app.bsky.embed.video"), &json!("gif")));
    assert_eq!((&embed["alt"], &embed["aspectRatio"]["width"]), (&json!(alt), &json!(720)));

    let messages = ntfy.platform().messages();
    assert!(messages[0].attachment.starts_with(b"\x89PNG") && messages[0].title == "Harbour Town");
    let deliveries = webhook.platform().deliveries();
    assert_eq!(deliveries[1].1["event"]["thread"], json!(event_and_target(&deliveries[0].0).0));
    // Its value is that of whichever test of this process has sent last.
    let metrics = telemetry::prometheus().render();
    assert!(metrics.contains("raincell_alert_spent_today_usd{poster=\"x\"} 0."), "{metrics}");
}

/// Sends one post to X, whose stand-in was told to fail; gives what the outbox then says. `patience` is for what never
/// answers.
async fn send_to_x(server: &StandIn<x::X>, patience: &str) -> (World, OutboxPost) {
    let world = World::new(start()).await;
    world.store_dry_weather(start()).await;
    world.put_event(&["x"], event(RainEventKind::Begun, start(), "Rain has begun.")).await;
    let config = format!("{NO_FILES}{patience}{}", x::toml(&server.url, ""));
    let service = world.start(&config).await;
    world.settled_outbox().await;
    service.stop().await;
    let post = post(&world, "x").await;
    (world, post)
}

#[tokio::test(flavor = "multi_thread")]
async fn x_may_fail_at_any_step_and_the_post_is_there_once() {
    for step in ["initialize", "append", "finalize", "status", "describe", "post"] {
        let faults = [Fault::Says(reply(500, "oops")), Fault::Says(reply(401, "who?")), Fault::Silence, Fault::Lost];
        for fault in faults {
            let server = x::start().await;
            server.fails_at(step, fault.clone());
            let (_, post) = send_to_x(&server, HASTY).await;
            assert!(server.has_failed());
            assert_eq!(post.status, PostStatus::Sent, "{step} {fault:?} {post:?}");
            let tweets = server.platform().tweets();
            assert_eq!(tweets.len(), 1, "{step} {fault:?}");
            assert_eq!(post.detail.as_ref(), Some(&tweets[0].id));
            assert!(tweets[0].picture.is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_read_back_even_when_reading_fails_at_first() {
    let server = x::start().await;
    server.fails_at("post", Fault::Lost);
    server.fails_at("own posts", Fault::Says(reply(503, "")));
    server.fails_at("me", Fault::Silence);
    let (_, post) = send_to_x(&server, HASTY).await;
    assert_eq!((post.status, server.texts().len()), (PostStatus::Sent, 1));
    assert_eq!(server.steps().iter().filter(|step| *step == "post").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_wait_for_the_reset_time_of_the_target() {
    let server = x::start().await;
    let mut limited = reply(429, "Too Many Requests");
    let reset = Timestamp::now().as_second() + 2;
    limited.headers = vec![("x-rate-limit-reset", reset.to_string()), ("x-rate-limit-remaining", "0".into())];
    server.fails_at("post", Fault::Says(limited));
    let (_, post) = send_to_x(&server, "").await;
    assert_eq!((post.status, post.attempts, server.texts().len()), (PostStatus::Sent, 2, 1));
    assert!(Timestamp::now().as_second() >= reset);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_becomes_a_dead_letter_at_once_and_goes_out_when_asked_for() {
    let server = x::start().await;
    server.fails_at("post", Fault::Says(reply(403, "Your account is suspended")));
    let (world, post) = send_to_x(&server, "").await;
    assert_eq!((post.status, post.attempts), (PostStatus::Failed, 1));
    let letters = world.client.dead_letters(Some(DeadLetterState::Dead)).await.unwrap();
    assert_eq!(letters[0].letter.key, format!("alert/{}", post.key));
    assert!(letters[0].letter.reason.contains("suspended"), "{letters:?}");

    // Hours later somebody has mended it.
    world.clock.set(start() + SignedDuration::from_hours(5));
    world.client.set_dead_letter_state(letters[0].id, DeadLetterState::ReplayRequested).await.unwrap();
    let service = world.start(&format!("{NO_FILES}{}", x::toml(&server.url, ""))).await;
    eventually("it is sent", async || {
        world.client.dead_letter(letters[0].id).await.unwrap().state == DeadLetterState::Replayed
    })
    .await;
    service.stop().await;
    assert_eq!(server.texts(), ["Rain has begun."]);
    assert_eq!(world.client.outbox_post(&post.key).await.unwrap().status, PostStatus::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_tried_until_the_news_are_old() {
    let server = x::start().await;
    let world = World::new(start()).await;
    world.put_event(&["x"], event(RainEventKind::Begun, start(), "Rain has begun.")).await;
    let config = x::toml(&server.url, "").replace("app-key", "another-key");
    let service = world.start(&format!("{NO_FILES}{config}")).await;
    eventually("tried twice", async || world.outbox().await[0].attempts >= 2).await;
    world.clock.set(start() + SignedDuration::from_mins(22));
    let posts = world.settled_outbox().await;
    service.stop().await;
    let detail = posts[0].detail.clone().unwrap();
    assert!(posts[0].status == PostStatus::Failed && detail.contains("22 min old"), "{detail}");
    assert!(detail.contains("credentials") && detail.contains("unknown keys"), "{detail}");
    assert!(server.texts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_spent_holds_back_the_next_post_also_after_a_restart() {
    let server = x::start().await;
    let world = World::new(start()).await;
    let config = format!("{NO_FILES}{}", x::toml(&server.url, "daily_budget_usd = 0.03"));
    world.put_event(&["x"], event(RainEventKind::Begun, start(), "Rain has begun.")).await;
    let service = world.start(&config).await;
    world.settled_outbox().await;
    service.stop().await;
    world.put_event(&["x"], event(RainEventKind::Ended, start(), "Rain has ended.")).await;
    let service = world.start(&config).await;
    eventually("it was held back", async || world.outbox().await[1].attempts >= 1).await;
    let held = world.outbox().await[1].detail.clone().unwrap();
    assert!(held.contains("$0.020 of $0.03"), "{held}");
    world.clock.set(start() + SignedDuration::from_mins(25));
    assert_eq!(world.settled_outbox().await[1].status, PostStatus::Failed);
    service.stop().await;
    assert_eq!(server.texts(), ["Rain has begun."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_in_which_x_would_make_a_link_is_not_posted() {
    let server = x::start().await;
    let world = World::new(start()).await;
    world.put_event(&["x"], event(RainEventKind::Begun, start(), "Rain, see knmi.nl")).await;
    let service = world.start(&format!("{NO_FILES}{}", x::toml(&server.url, ""))).await;
    let posts = world.settled_outbox().await;
    service.stop().await;
    assert!(posts[0].detail.as_deref().is_some_and(|detail| detail.contains("link")), "{posts:?}");
    assert!(server.texts().is_empty());
}

/// One post to one target that fails once at `step`; it must be there exactly once.
async fn fails_once<P: Platform>(server: StandIn<P>, config: String, target: &str, step: &'static str, fault: Fault) {
    server.fails_at(step, fault.clone());
    let world = World::new(start()).await;
    world.store_dry_weather(start()).await;
    world.put_event(&[target], event(RainEventKind::Begun, start(), "Rain has begun.")).await;
    let service = world.start(&format!("{NO_FILES}{HASTY}{config}")).await;
    let posts = world.settled_outbox().await;
    service.stop().await;
    assert!(server.has_failed(), "{target} {step}");
    assert_eq!(posts[0].status, PostStatus::Sent, "{target} {step} {fault:?} {posts:?}");
    assert_eq!(server.texts(), ["Rain has begun."], "{target} {step} {fault:?}");
}

fn faults() -> [Fault; 3] {
    [Fault::Says(reply(502, "bad gateway")), Fault::Silence, Fault::Lost]
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_may_fail_at_any_step_and_the_post_is_there_once() {
    for step in ["upload", "media", "post"] {
        for fault in faults() {
            let server = StandIn::start(Mastodon::default()).await;
            let config = mastodon::toml(&server.url);
            fails_once(server, config, "mastodon", step, fault).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bluesky_may_fail_at_any_step_and_the_post_is_there_once() {
    for step in ["log in", "upload", "post"] {
        for fault in faults() {
            let server = StandIn::start(Bluesky::default()).await;
            let config = bluesky::toml(&server.url);
            fails_once(server, config, "bluesky", step, fault).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ntfy_and_webhook_may_fail_and_the_post_is_there_once() {
    for fault in faults() {
        let server = StandIn::start(Ntfy::default()).await;
        let config = ntfy::toml(&server.url);
        fails_once(server, config, "ntfy", "post", fault.clone()).await;
        let server = StandIn::start(Webhook::default()).await;
        let config = webhook::toml(&server.url);
        fails_once(server, config, "webhook", "post", fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_bluesky_that_has_run_out_is_made_anew() {
    let server = StandIn::start(Bluesky::default()).await;
    let world = World::new(start()).await;
    let service = world.start(&format!("{NO_FILES}{}", bluesky::toml(&server.url))).await;
    world.put_event(&["bluesky"], event(RainEventKind::Begun, start(), "Rain has begun.")).await;
    world.settled_outbox().await;
    server.platform().log_out();
    world.put_event(&["bluesky"], event(RainEventKind::Ended, start(), "Rain has ended.")).await;
    let posts = world.settled_outbox().await;
    service.stop().await;
    assert!(posts.iter().all(|post| post.status == PostStatus::Sent), "{posts:?}");
    assert_eq!(server.texts(), ["Rain has begun.", "Rain has ended."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_holds_up_none_of_the_others_and_what_answers_waits_for_what_it_answers() {
    let server = StandIn::start(Webhook::default()).await;
    let world = World::new(start()).await;
    // Nobody listens there.
    let config = format!("send_timeout_s = 1.0\n{}{}", x::toml("http://127.0.0.1:9", ""), webhook::toml(&server.url));
    let targets = ["dry-run", "x", "webhook"];
    let thread = world.put_event(&targets, event(RainEventKind::Begun, start(), "Rain has begun.")).await;
    let mut ended = event(RainEventKind::Ended, start(), "Rain has ended.");
    ended.thread = Some(thread.clone());
    let answer = world.put_event(&targets, ended).await;
    let service = world.start(&config).await;
    eventually("the others are sent", async || {
        let sent = |post: &OutboxPost| post.status == PostStatus::Sent;
        world.outbox().await.iter().filter(|post| sent(post)).count() == 4
    })
    .await;
    eventually("x is tried", async || world.client.outbox_post(&post_key(&thread, "x")).await.unwrap().attempts >= 2)
        .await;
    service.stop().await;
    assert_eq!(server.texts(), ["Rain has begun.", "Rain has ended."]);
    let waiting = world.client.outbox_post(&post_key(&answer, "x")).await.unwrap();
    assert_eq!((waiting.status, waiting.attempts), (PostStatus::Pending, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_posts_nothing_twice() {
    for jump in [SignedDuration::from_hours(-3), SignedDuration::from_mins(15), SignedDuration::from_hours(30)] {
        let server = x::start().await;
        server.fails_at("post", Fault::Lost);
        server.fails_at("own posts", Fault::Says(reply(500, "")));
        let world = World::new(start()).await;
        let service = world.start(&format!("{NO_FILES}{}", x::toml(&server.url, ""))).await;
        world.is_sending(&service, 1).await;
        world.put_event(&["x"], event(RainEventKind::Begun, start(), "Rain has begun.")).await;
        let is_out = async || world.outbox().await[0].attempts >= 1 && !server.texts().is_empty();
        eventually("the answer is lost", is_out).await;
        world.clock.set(start() + jump);
        let posts = world.settled_outbox().await;
        service.stop().await;
        assert_eq!(server.texts(), ["Rain has begun."], "{jump:?} {posts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_what_is_stored_or_told() {
    let (x, mastodon, bluesky, ntfy, webhook, config) = start_all().await;
    x.fails_at("post", Fault::Says(reply(403, "no")));
    mastodon.fails_at("post", Fault::Says(reply(401, "no")));
    bluesky.fails_at("log in", Fault::Says(reply(401, "no")));
    ntfy.fails_at("post", Fault::Says(reply(500, "no")));
    webhook.fails_at("post", Fault::Silence);
    let world = World::new(start()).await;
    let secrets =
        [x::KEYS.consumer_secret, x::KEYS.token_secret, mastodon::TOKEN, "abcd-efgh", ntfy::TOPIC, "tk_secret"];
    let loaded: raincell_alert::Config =
        raincell_service_runtime::config::load_with(None, &world.toml(&config)).unwrap();
    let loaded = format!("{:?} {:?} {:?} {:?}", loaded.x, loaded.mastodon, loaded.ntfy, loaded.webhook);
    world.put_event(&ALL, event(RainEventKind::Begun, start(), "Rain has begun.")).await;
    let service = world.start(&format!("send_timeout_s = 1.0\n{config}")).await;
    eventually("all are tried", async || world.outbox().await.iter().all(|post| post.attempts >= 1)).await;
    let letters = world.client.dead_letters(None).await.unwrap();
    let health = raincell_store_client::StoreClient::new(&service.url, "").unwrap().ready().await.unwrap();
    let told = format!("{loaded} {:?} {letters:?} {health:?}", world.outbox().await);
    service.stop().await;
    for secret in secrets.iter().chain([&webhook::SECRET, &"key=abc"]) {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
}
