//! Several processes of the service beside each other.

use std::time::Duration;

use raincell_store_client::LeaseKeeper;

use crate::world::{NEVER, Running, World, eventually};

const SOURCES: [&str; 4] = ["a", "b", "c", "d"];

async fn answered(nowcast: &Running) -> Vec<&'static str> {
    let mut answered = Vec::new();
    for source in SOURCES {
        if nowcast.get(&format!("/v1/nowcast?source={source}")).await.status() == 200 {
            answered.push(source);
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_sources_and_one_goes_on_with_those_of_the_other() {
    let world = World::new().await;
    for source in SOURCES {
        world.put(source, 0).await;
    }
    let two = format!("{NEVER}\nmost_domains = 2\nlease_seconds = 1");
    let (one, other) = (world.nowcast(&two).await, world.nowcast(&two).await);
    eventually("each has two", async || answered(&one).await.len() + answered(&other).await.len() == 4).await;
    let (of_one, of_other) = (answered(&one).await, answered(&other).await);
    assert!(of_one.len() == 2 && of_one.iter().all(|source| !of_other.contains(source)), "{of_one:?} {of_other:?}");
    for source in SOURCES {
        assert_eq!(world.runs(source).await.len(), 1, "{source}");
    }
    one.stop().await;
    let third = world.nowcast(&format!("{NEVER}\nlease_seconds = 1")).await;
    for source in SOURCES {
        world.put(source, 5).await;
    }
    eventually("it goes on", async || answered(&third).await == of_one && world.runs(of_one[0]).await.len() == 2).await;
    other.stop().await;
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_holder_vanished_is_taken_over() {
    let world = World::new().await;
    let second = Duration::from_secs(1);
    let mut holder = LeaseKeeper::start(&world.client, "nowcast-klot", "another", second).unwrap();
    let old = holder.acquired().await;
    let nowcast = world.nowcast(&format!("{NEVER}\nlease_seconds = 1")).await;
    let hash = world.put("klot", 0).await;
    eventually("it stands by", async || nowcast.health_of("nowcast").await.1.contains("another process")).await;
    assert!(world.runs("klot").await.is_empty());
    // Like the end of a process: nothing is given back.
    drop(holder);
    world.until_run_of("klot", &hash).await;
    let late = world.client.with_fence(old).put_run(&world.newest("klot").await.unwrap().0).await;
    assert!(matches!(late, Err(raincell_store_client::ClientError::Fenced { .. })), "{late:?}");
    nowcast.stop().await;
}
