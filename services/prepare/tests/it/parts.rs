//! Files of one scan, and files that change.

use crate::scans::{RADAR, by_moment, expected, whole};
use crate::world::{World, many_looks, source_health};

#[tokio::test(flavor = "multi_thread")]
async fn one_moment_a_file_makes_one_frame_whatever_comes_first() {
    let files = by_moment(0);
    let all = expected(&files);
    assert_ne!(all, expected(&files[..1]), "correlation makes a difference, or this proves nothing");
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let world = World::new().await;
        let prepare = world.prepare("").await;
        for part in order {
            let (name, bytes) = &files[part];
            world.drop_file(name, bytes);
            world.until_taken(name).await;
        }
        world.until_frames(&all).await;
        prepare.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_there_with_the_first_part_and_replaced_as_more_arrive() {
    let (world, files) = (World::new().await, by_moment(0));
    let prepare = world.prepare("").await;
    world.drop_file(&files[0].0, &files[0].1);
    world.until_frames(&expected(&files[..1])).await;
    world.drop_file(&files[1].0, &files[1].1);
    world.until_frames(&expected(&files[..2])).await;
    assert_eq!(world.frames().await[0].source, RADAR);
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_lay_there_before_the_start_make_one_frame_a_scan() {
    let world = World::new().await;
    let files: Vec<_> = (0..4).flat_map(by_moment).collect();
    for (name, bytes) in &files {
        world.drop_file(name, bytes);
    }
    let prepare = world.prepare("").await;
    world.until_frames(&expected(&files)).await;
    assert_eq!(world.frames().await.len(), 4);
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_file_waits_until_it_is_whole() {
    let (world, (name, bytes)) = (World::new().await, whole(0));
    let prepare = world.prepare("settle_seconds = 60.0").await;
    let path = world.folder().join(&name);
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    // The writer rests for long enough that the file looks finished.
    many_looks().await;
    assert!(world.frames().await.is_empty());
    let (condition, detail) = source_health(&prepare).await;
    assert!(condition == "degraded" && detail.contains(&name), "{condition}: {detail}");
    std::fs::write(&path, &bytes).unwrap();
    world.until_frames(&expected(&[(name, bytes)])).await;
    assert!(!world.dead_letters().exists(), "it was never bad");
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_keeps_growing_is_not_read() {
    let (world, (name, bytes)) = (World::new().await, whole(0));
    let prepare = world.prepare("settle_seconds = 0.1").await;
    let path = world.folder().join(&name);
    for end in (1..=40).map(|n| bytes.len() * n / 40) {
        std::fs::write(&path, &bytes[..end]).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.until_frames(&expected(&[(name, bytes)])).await;
    assert!(!world.dead_letters().exists());
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_replaced_under_the_same_name_replaces_its_frame() {
    let world = World::new().await;
    let prepare = world.prepare("").await;
    let parts = by_moment(0);
    world.drop_file("latest.h5", &parts[0].1);
    world.until_frames(&expected(&parts[..1])).await;
    let (_, better) = whole(0);
    world.drop_file("latest.h5", &better);
    world.until_frames(&expected(&[("latest.h5".into(), better)])).await;
    // The same name holds the next scan now; both frames stay.
    let (_, next) = whole(1);
    world.drop_file("latest.h5", &next);
    world.until_frames(&expected(&[whole(0), whole(1)])).await;
    prepare.stop().await;
}
