//! Objects of a bucket, found by listing it.

use raincell_tests::cloud::Cloud;

use crate::process::Process;
use crate::scans::{expected, scan, whole};
use crate::world::{World, eventually, health_of, many_looks};

#[tokio::test(flavor = "multi_thread")]
async fn objects_become_frames_and_each_is_fetched_once_across_a_kill() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, files) = (World::new().await, (0..3).map(whole).collect::<Vec<_>>());
    let source = cloud.poll("prefix = '%Y/%m/%d/'\npattern = '*.h5'");
    let today = jiff::Timestamp::now().strftime("%Y/%m/%d").to_string();
    for (name, bytes) in &files[..2] {
        cloud.put(&format!("{today}/a folder+/{name}"), bytes).await;
    }
    cloud.put(&format!("{today}/{}_MDM", files[2].0), &files[2].1).await;
    cloud.put(&format!("1999/01/01/{}", files[2].0), &files[2].1).await;
    let prepare = Process::start(&world, &source);
    world.until_frames(&expected(&files[..2])).await;
    eventually("both are noted", async || world.ledger("s3").await.len() == 2).await;
    assert_eq!(prepare.metric("raincell_prepare_s3_requests_total", "call=\"get\"").await, 2.0);
    prepare.kill();

    cloud.put(&format!("{today}/{}", files[2].0), &files[2].1).await;
    let prepare = Process::start(&world, &source);
    world.until_frames(&expected(&files)).await;
    many_looks().await;
    assert_eq!(prepare.metric("raincell_prepare_s3_requests_total", "call=\"get\"").await, 1.0);
    assert!(prepare.metric("raincell_prepare_looks_total", "incoming").await > 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_time_away_the_look_back_begins_where_the_last_look_ended() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, files) = (World::new().await, (0..2).map(whole).collect::<Vec<_>>());
    // A look-back of a second and a half: what comes while nobody looks is older than that when somebody does.
    let source = cloud.poll("look_back_minutes = 0.025");
    cloud.put(&files[0].0, &files[0].1).await;
    let prepare = Process::start(&world, &source);
    world.until_frames(&expected(&files[..1])).await;
    eventually("it is noted", async || world.ledger("s3").await.len() == 1).await;
    prepare.kill();
    cloud.put(&files[1].0, &files[1].1).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let _prepare = Process::start(&world, &source);
    world.until_frames(&expected(&files)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_named() {
    let Some(cloud) = Cloud::new().await else { return };
    let world = World::new().await;
    let source = cloud.poll("").replace(&format!("'{}'", cloud.name), "'no-such-bucket'");
    let prepare = Process::start(&world, &source);
    eventually("it is told", async || {
        let (condition, detail) = health_of(&prepare.url, "source").await;
        condition == "degraded" && detail.contains("no-such-bucket") && detail.contains("NoSuchBucket")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_volumes_that_take_turns_make_a_frame_before_the_volume_ends() {
    let Some(cloud) = Cloud::new().await else { return };
    let world = World::new().await;
    let begin = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(12);
    let volume = |number: i64| {
        let time = begin + jiff::SignedDuration::from_mins(5 * number);
        let name = time.strftime("%Y%m%d-%H%M%S").to_string();
        let chunks = raincell_simulator::nexrad_chunks(&scan(number), "KSIM").unwrap();
        chunks.into_iter().map(move |(old, bytes)| (format!("{name}{}", &old[15..]), bytes)).collect::<Vec<_>>()
    };
    let put = async |number: u32, chunks: &[(String, Vec<u8>)]| {
        for (name, bytes) in chunks {
            cloud.put(&format!("KSIM/{number}/{name}"), bytes).await;
        }
    };
    // What is left of the turn before: old times under the numbers that come next, and another radar.
    for number in [1, 2, 3, 997] {
        let name = format!("KSIM/{number}/20200101-00{number:04}-001-S");
        cloud.put(&name, b"old").await;
    }
    cloud.put("KOTH/998/20300101-000000-001-S", b"another").await;
    put(998, &volume(0)).await;
    let (second, third) = (volume(1), volume(2));
    put(999, &second[..second.len() - 1]).await;
    let _prepare = Process::start(
        &world,
        &cloud.poll("prefix = 'KSIM/'\nlayout = 'nexrad-chunks'\nlook_back_minutes = 20.0\nchunk_idle_seconds = 600.0"),
    );
    eventually("the second volume needs no end", async || world.frames().await.len() == 2).await;
    let early = world.hashes().await;
    put(999, &second[second.len() - 1..]).await;
    put(1, &third).await;
    eventually("the number after 999 is 1", async || world.frames().await.len() == 3).await;
    eventually("all chunks are noted", async || {
        let all = world.ledger("s3").await.len();
        all == volume(0).len() + second.len() + third.len()
    })
    .await;
    let late = world.hashes().await;
    assert!(
        early.iter().all(|(key, hash)| late.get(key) == Some(hash)),
        "the end of a volume changed its lowest sweep"
    );
}
