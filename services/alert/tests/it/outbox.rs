//! Posts that cannot be sent at once.

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{PostStatus, RainEventKind};

use crate::world::{World, event, eventually};

fn start() -> Timestamp {
    "2026-01-01T13:00:00Z".parse().unwrap()
}

/// Puts a post about `time` into the outbox, as if a service had died right after it.
async fn put_post(world: &World, time: Timestamp) -> String {
    let event = event(RainEventKind::Ended, time, "Rain has ended at Harbour Town.");
    world.put_event(&["dry-run"], event).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_frames_the_text_goes_alone() {
    let world = World::new(start()).await;
    let key = put_post(&world, start()).await;
    let service = world.start("").await;
    let posts = world.settled_outbox().await;
    assert_eq!(posts[0].status, PostStatus::Sent);
    assert_eq!(world.files(), [format!("{key}.txt")]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_target_fails_is_tried_again_until_it_works() {
    let world = World::new(start()).await;
    std::fs::write(world.posts_folder(), "in the way").unwrap();
    let key = put_post(&world, start()).await;
    let service = world.start("").await;
    eventually("a try has failed", async || world.outbox().await[0].attempts >= 1).await;
    let post = &world.outbox().await[0];
    assert_eq!(post.status, PostStatus::Pending);
    assert!(post.detail.as_deref().is_some_and(|detail| detail.contains("posts")), "{post:?}");
    std::fs::remove_file(world.posts_folder()).unwrap();
    // Half of the time that is left until the news are old: longer than any pause so far.
    world.clock.set(start() + SignedDuration::from_mins(10));
    let posts = world.settled_outbox().await;
    assert_eq!((posts[0].status, world.files()), (PostStatus::Sent, vec![format!("{key}.txt")]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_news_are_given_up_with_the_reason() {
    let world = World::new(start()).await;
    put_post(&world, start() - SignedDuration::from_mins(21)).await;
    let service = world.start("").await;
    let posts = world.settled_outbox().await;
    assert_eq!(posts[0].status, PostStatus::Failed);
    assert!(posts[0].detail.as_deref().is_some_and(|detail| detail.contains("21 min old")), "{posts:?}");
    assert_eq!(world.files(), Vec::<String>::new());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_was_sent_before_a_crash_is_not_sent_again() {
    let world = World::new(start()).await;
    let key = put_post(&world, start()).await;
    std::fs::create_dir_all(world.posts_folder()).unwrap();
    std::fs::write(world.posts_folder().join(format!("{key}.txt")), "as sent").unwrap();
    let service = world.start("").await;
    let posts = world.settled_outbox().await;
    assert_eq!(posts[0].status, PostStatus::Sent);
    assert_eq!(world.read(&format!("{key}.txt")), b"as sent");
    service.stop().await;
}
