//! Folders of real-time chunks.

use std::time::Duration;

use raincell_io::RawScan;

use crate::scans::scan;
use crate::world::{World, eventually, many_looks};

fn chunks() -> Vec<(String, Vec<u8>)> {
    let chunks = raincell_simulator::nexrad_chunks(&scan(0), "KSIM").unwrap();
    assert!(chunks.len() >= 4, "{} chunks", chunks.len());
    chunks.into_iter().map(|(name, bytes)| (format!("KSIM-20260601-120000/{name}"), bytes)).collect()
}

/// Places where the frame has an answer.
async fn observed(world: &World) -> usize {
    let frame = world.client.frame(&world.frames().await[0]).await.unwrap();
    frame.field.rate_mm_h.iter().filter(|rate| rate.is_finite()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_used_once_all_its_chunks_are_there_in_whatever_order_they_came() {
    let world = World::new().await;
    let prepare = world.prepare("chunk_idle_seconds = 600.0").await;
    let mut chunks = chunks();
    chunks.reverse();
    let (first, others) = chunks.split_last().unwrap();
    for (name, bytes) in others {
        world.drop_file(name, bytes);
    }
    many_looks().await;
    assert!(world.frames().await.is_empty(), "the end is there, the beginning is not");
    world.drop_file(&first.0, &first.1);
    eventually("the frame", async || world.frames().await.len() == 1).await;
    eventually("all are noted", async || world.ledger("folder").await.len() == chunks.len()).await;
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_without_its_end_is_used_when_nothing_more_comes_and_replaced_when_it_does() {
    let world = World::new().await;
    let prepare = world.prepare("chunk_idle_seconds = 0.3").await;
    let chunks = chunks();
    for (name, bytes) in &chunks[..2] {
        world.drop_file(name, bytes);
    }
    eventually("a frame of what is there", async || world.frames().await.len() == 1).await;
    let (before, first) = (observed(&world).await, world.hashes().await);
    for (name, bytes) in &chunks[2..] {
        world.drop_file(name, bytes);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    eventually("the frame of all", async || world.hashes().await != first && observed(&world).await > before).await;
    assert_eq!(world.frames().await.len(), 1);
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_lack_their_start_for_good_become_one_dead_letter() {
    let world = World::new().await;
    let prepare = world.prepare("chunk_idle_seconds = 0.3").await;
    for (name, bytes) in &chunks()[1..] {
        world.drop_file(name, bytes);
    }
    eventually("all are set aside", async || {
        std::fs::read_dir(world.dead_letters()).is_ok_and(|entries| entries.count() == chunks().len())
    })
    .await;
    assert!(world.frames().await.is_empty());
    prepare.stop().await;
}

#[test]
fn the_chunks_of_these_tests_are_a_volume() {
    let RawScan::Volume(volume) =
        raincell_prepare::intake::Unit::Chunks(chunks().iter().map(|(name, _)| name.into()).collect())
            .decode(
                &chunks()
                    .into_iter()
                    .map(|(name, bytes)| (name.rsplit('/').next().unwrap().into(), bytes))
                    .collect::<Vec<_>>(),
            )
            .unwrap()
    else {
        panic!("not a volume")
    };
    assert!(volume.lowest_sweep().is_some());
}
