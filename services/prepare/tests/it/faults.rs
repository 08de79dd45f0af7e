//! Restarts, kills, and a store that is away.

use std::time::Duration;

use crate::scans::{expected, whole};
use crate::world::{World, eventually, many_looks};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_in_nothing_twice_and_what_came_meanwhile() {
    let world = World::new().await;
    let files: Vec<_> = (0..3).map(whole).collect();
    let prepare = world.prepare("").await;
    for (name, bytes) in &files[..2] {
        world.drop_file(name, bytes);
    }
    for (name, _) in &files[..2] {
        world.until_taken(name).await;
    }
    prepare.stop().await;
    let stored = world.frames().await;
    world.drop_file(&files[2].0, &files[2].1);
    let prepare = world.prepare("").await;
    world.until_frames(&expected(&files)).await;
    world.until_taken(&files[2].0).await;
    many_looks().await;
    assert_eq!(world.frames().await[..2], stored, "the old frames are as they were");
    let metrics = raincell_http_client::builder().build().unwrap().get(format!("{}/metrics", prepare.url)).send().await;
    assert!(metrics.unwrap().status().is_success());
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_nothing() {
    let world = World::new().await;
    let files: Vec<_> = (0..6).map(whole).collect();
    for round in 0..12 {
        let prepare = world.prepare("").await;
        if let Some((name, bytes)) = files.get(round / 2) {
            world.drop_file(name, bytes);
        }
        tokio::time::sleep(Duration::from_millis(37 * round as u64)).await;
        prepare.kill().await;
    }
    let prepare = world.prepare("").await;
    world.until_frames(&expected(&files)).await;
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_while_the_store_is_away_are_taken_in_when_it_is_back() {
    let mut world = World::new().await;
    let files: Vec<_> = (0..3).map(whole).collect();
    let prepare = world.prepare("").await;
    world.drop_file(&files[0].0, &files[0].1);
    world.until_taken(&files[0].0).await;
    world.stop_store().await;
    for (name, bytes) in &files[1..] {
        world.drop_file(name, bytes);
    }
    many_looks().await;
    world.restart_store().await;
    world.until_frames(&expected(&files)).await;
    assert!(!world.dead_letters().exists(), "the files were never bad");
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_before_its_store_begins_when_the_store_is_there() {
    let mut world = World::new().await;
    let file = whole(0);
    world.drop_file(&file.0, &file.1);
    world.stop_store().await;
    let prepare = world.prepare("").await;
    many_looks().await;
    world.restart_store().await;
    world.until_frames(&expected(&[file])).await;
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_stops_at_once_though_the_store_is_away() {
    let mut world = World::new().await;
    let prepare = world.prepare("").await;
    world.stop_store().await;
    let file = whole(0);
    world.drop_file(&file.0, &file.1);
    many_looks().await;
    tokio::time::timeout(Duration::from_secs(10), prepare.stop()).await.expect("it waited for the store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_made_later_is_looked_at_then() {
    let world = World::new().await;
    let later = world.folder().join("later");
    let prepare = world.prepare(&format!("path = '{}'", later.display())).await;
    eventually("it says so", async || {
        let (condition, detail) = crate::world::source_health(&prepare).await;
        condition == "degraded" && detail.contains("cannot list")
    })
    .await;
    let file = whole(0);
    world.drop_file(&format!("later/{}", file.0), &file.1);
    world.until_frames(&expected(&[file])).await;
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_on_one_folder_make_each_frame_once() {
    let world = World::new().await;
    let files: Vec<_> = (0..4).map(whole).collect();
    let (one, two) = (world.prepare("").await, world.prepare("").await);
    for (name, bytes) in &files {
        world.drop_file(name, bytes);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    world.until_frames(&expected(&files)).await;
    for (name, _) in &files {
        world.until_taken(name).await;
    }
    one.stop().await;
    two.stop().await;
}
