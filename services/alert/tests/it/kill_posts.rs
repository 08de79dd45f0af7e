//! The real process, killed with SIGKILL or stopped at every step of a post: each event is posted exactly once.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{PostStatus, RainEventKind};

use crate::kill::{Process, kill, start};
use crate::targets::bluesky::{self, Bluesky};
use crate::targets::mastodon::{self, Mastodon};
use crate::targets::ntfy::{self, Ntfy};
use crate::targets::webhook::{self, Webhook};
use crate::targets::{Fault, Platform, StandIn, x};
use crate::world::{World, event, eventually};

/// Short patience, so that a hundred deaths fit into a test.
const HASTY: &str = "leader_lease_s = 0.6\nsend_timeout_s = 1.0\n";

fn config_file(world: &World, name: &str, section: &str) -> std::path::PathBuf {
    let file = world.folder.path().join(name);
    std::fs::write(&file, world.toml(&format!("dry_run = false\ngive_up_after_min = 600\n{section}"))).unwrap();
    file
}

/// The processes live by the real clock.
async fn new_world() -> (World, Timestamp) {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let world = World::new(now).await;
    // Before the oldest event.
    world.store_dry_weather(now - SignedDuration::from_mins(20)).await;
    (world, now)
}

/// A new event a round, and a process that is killed at one of the steps: before it has its effect, or after.
async fn is_killed<P: Platform>(
    server: StandIn<P>,
    target: &str,
    section: String,
    steps: &[&'static str],
    rounds: std::ops::Range<usize>,
) {
    let (world, now) = new_world().await;
    let config = config_file(&world, "raincell.toml", &format!("{HASTY}{section}"));
    let mut texts = Vec::new();
    for round in rounds {
        let fault = if round % 2 == 0 { Fault::Silence } else { Fault::Lost };
        server.fails_at(steps[round / 2 % steps.len()], fault);
        texts.push(format!("Rain number {round} has begun."));
        let time = now - SignedDuration::from_secs(1000 - round as i64);
        world.put_event(&[target], event(RainEventKind::Begun, time, &texts[texts.len() - 1])).await;
        let mut child = start(&config);
        eventually("the step is reached", async || server.has_failed()).await;
        kill(&mut child);
    }
    let mut child = start(&config);
    let posts = world.settled_outbox().await;
    kill(&mut child);
    assert!(posts.iter().all(|post| post.status == PostStatus::Sent), "{target} {posts:#?}");
    // One that waits to be tried again lets others go before it.
    let mut posted = server.texts();
    posted.sort();
    texts.sort();
    assert_eq!(posted, texts, "{target}");
}

const X_STEPS: [&str; 8] = ["initialize", "append", "finalize", "status", "describe", "post", "me", "own posts"];

#[tokio::test(flavor = "multi_thread")]
async fn x_gets_every_post_once_from_a_process_that_is_killed_a_hundred_times() {
    let deaths = async |rounds| {
        let server = x::start().await;
        let section = x::toml(&server.url, "daily_budget_usd = 1000");
        is_killed(server, "x", section, &X_STEPS, rounds).await;
    };
    tokio::join!(deaths(0..34), deaths(34..67), deaths(67..100));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_targets_get_every_post_once_from_a_process_that_is_killed_again_and_again() {
    let mastodon = async {
        let server = StandIn::start(Mastodon::default()).await;
        let section = mastodon::toml(&server.url);
        is_killed(server, "mastodon", section, &["upload", "media", "post", "own statuses"], 0..8).await;
    };
    let bluesky = async {
        let server = StandIn::start(Bluesky::default()).await;
        let section = bluesky::toml(&server.url);
        is_killed(server, "bluesky", section, &["log in", "upload", "post", "read"], 0..8).await;
    };
    let ntfy = async {
        let server = StandIn::start(Ntfy::default()).await;
        let section = ntfy::toml(&server.url);
        is_killed(server, "ntfy", section, &["post", "own messages"], 0..4).await;
    };
    let webhook = async {
        let server = StandIn::start(Webhook::default()).await;
        let section = webhook::toml(&server.url);
        is_killed(server, "webhook", section, &["post"], 0..2).await;
    };
    tokio::join!(mastodon, bluesky, ntfy, webhook);
}

fn signal(process: &Process, name: &str) {
    assert!(Command::new("kill").args([name, &process.id().to_string()]).status().unwrap().success());
}

/// A sender that is stopped at a step, is taken for dead, and wakes up when another has done its work.
async fn is_stopped(step: &'static str, fault: Fault) {
    let (world, now) = new_world().await;
    let server = x::start().await;
    let config = config_file(&world, "raincell.toml", &format!("{HASTY}{}", x::toml(&server.url, "")));
    let other = |config: &Path| start(config);
    server.fails_at(step, fault.clone());
    world.put_event(&["x"], event(RainEventKind::Begun, now, "Rain has begun.")).await;
    let mut sleeper = start(&config);
    eventually("the step is reached", async || server.has_failed()).await;
    signal(&sleeper, "-STOP");
    let mut successor = other(&config);
    world.settled_outbox().await;
    signal(&sleeper, "-CONT");
    // A second event, while both are there: one of them sends it.
    let time = now + SignedDuration::from_secs(1);
    world.put_event(&["x"], event(RainEventKind::Ended, time, "Rain has ended.")).await;
    world.settled_outbox().await;
    // Longer than any request that the sleeper still had in hand.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    kill(&mut sleeper);
    kill(&mut successor);
    assert_eq!(server.texts(), ["Rain has begun.", "Rain has ended."], "{step} {fault:?}");
    assert!(world.outbox().await.iter().all(|post| post.status == PostStatus::Sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_was_stopped_and_wakes_up_posts_nothing_twice() {
    tokio::join!(
        is_stopped("initialize", Fault::Silence),
        is_stopped("finalize", Fault::Lost),
        is_stopped("post", Fault::Silence),
        is_stopped("post", Fault::Lost),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_sends() {
    let (world, now) = new_world().await;
    let server = x::start().await;
    // With a lease that outlasts a pause of a busy machine: that would be a reason for the other one to read back.
    let config = config_file(&world, "raincell.toml", &format!("leader_lease_s = 60.0\n{}", x::toml(&server.url, "")));
    let mut children = [start(&config), start(&config)];
    let mut texts = Vec::new();
    for round in 0..6 {
        texts.push(format!("Rain number {round} has begun."));
        let time = now + SignedDuration::from_secs(round);
        world.put_event(&["x"], event(RainEventKind::Begun, time, &texts[texts.len() - 1])).await;
        world.settled_outbox().await;
    }
    for child in &mut children {
        kill(child);
    }
    assert_eq!(server.texts(), texts);
    // Nobody had a reason to read back, but for what was there before the first of them took the lease.
    assert!(server.steps().iter().filter(|step| *step == "own posts").count() <= 1, "{:?}", server.steps());
}
