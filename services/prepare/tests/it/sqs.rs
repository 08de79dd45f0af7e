//! Objects that a queue announces.

use std::time::Duration;

use raincell_fault_proxy::{Fault, FaultProxy, Faults};
use raincell_tests::cloud::{Cloud, created, start_ministack};
use raincell_tests::free_port;

use crate::process::Process;
use crate::scans::{expected, whole};
use crate::world::{World, eventually, health_of};

/// Listings come so rarely that only the queue can have told.
const QUEUE_ONLY: &str = "fallback_seconds = 3600.0\nvisibility_seconds = 10.0";

/// Waits until the first look is over and the queue answers.
async fn until_listening(prepare: &Process) {
    eventually("the queue answers", async || {
        prepare.metric("raincell_prepare_queue_requests_total", "outcome=\"ok\"").await > 0.0
            && prepare.metric("raincell_prepare_looks_total", "incoming").await > 0.0
    })
    .await;
}

async fn until_empty(cloud: &Cloud) {
    eventually("the queue is empty", async || cloud.messages(&cloud.name).await == 0).await;
    assert_eq!(cloud.messages(&format!("{}-dead", cloud.name)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn announced_objects_become_one_frame_each_however_often_and_in_whatever_order() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, files) = (World::new().await, (0..4).map(whole).collect::<Vec<_>>());
    // The first announcement is a test event of the bucket.
    cloud.announce().await;
    let prepare = Process::start(&world, &cloud.sqs(QUEUE_ONLY));
    until_listening(&prepare).await;
    let keys: Vec<String> = files.iter().map(|(name, _)| format!("a folder/b+c ä%/{name}")).collect();
    for (key, (_, bytes)) in keys.iter().zip(&files).rev() {
        cloud.put(key, bytes).await;
    }
    // Straight from S3, slashes escaped, as some do; and again what was said already.
    for key in keys.iter().chain(&keys[..2]) {
        let escaped = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
        cloud.send(&created(&cloud.name, &escaped).to_string()).await;
    }
    cloud.send(&created("another-bucket", &keys[0]).to_string()).await;
    world.until_frames(&expected(&files)).await;
    until_empty(&cloud).await;
    assert_eq!(prepare.metric("raincell_prepare_s3_requests_total", "call=\"get\"").await, 4.0, "each is read once");
    assert_eq!(prepare.metric("raincell_prepare_files_total", "by=\"announced\"").await, 4.0);
    assert_eq!(prepare.metric("raincell_prepare_looks_total", "incoming").await, 1.0);
    assert_eq!(world.client.dead_letters(None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_before_it_is_read_is_skipped_and_what_is_no_notification_is_kept_in_the_store() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, file) = (World::new().await, whole(0));
    cloud.announce().await;
    cloud.put("gone.h5", b"x").await;
    cloud.delete("gone.h5").await;
    cloud.send("no notification at all").await;
    let prepare = Process::start(&world, &cloud.sqs(QUEUE_ONLY));
    cloud.put(&file.0, &file.1).await;
    world.until_frames(&expected(&[file])).await;
    until_empty(&cloud).await;
    assert_eq!(prepare.metric("raincell_prepare_gone_total", "incoming").await, 1.0);
    let letters = world.client.dead_letters(None).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].letter.reason.contains("no notification at all"), "{}", letters[0].letter.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_between_receiving_and_deleting_lose_nothing_and_double_nothing() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, files) = (World::new().await, (0..8).map(whole).collect::<Vec<_>>());
    cloud.announce().await;
    for (round, (name, bytes)) in files.iter().enumerate() {
        let prepare = Process::start(&world, &cloud.sqs(QUEUE_ONLY));
        cloud.put(name, bytes).await;
        tokio::time::sleep(std::time::Duration::from_millis(90 * round as u64)).await;
        prepare.kill();
    }
    let _prepare = Process::start(&world, &cloud.sqs(QUEUE_ONLY));
    world.until_frames(&expected(&files)).await;
    until_empty(&cloud).await;
    assert_eq!(world.client.dead_letters(None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_queue_is_away_listings_keep_frames_coming() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, files) = (World::new().await, (0..3).map(whole).collect::<Vec<_>>());
    let port = free_port().unwrap();
    let queue = format!("queue_url = 'http://127.0.0.1:{port}/000000000000/later'\nfallback_seconds = 3600.0");
    let prepare = Process::start(&world, &cloud.sqs(&queue));
    for (index, (name, bytes)) in files[..2].iter().enumerate() {
        cloud.put(name, bytes).await;
        world.until_frames(&expected(&files[..=index])).await;
    }
    eventually("it is told", async || health_of(&prepare.url, "queue").await.0 == "degraded").await;
    assert!(prepare.metric("raincell_prepare_queue_requests_total", "outcome=\"failed\"").await > 0.0);
    assert_eq!(prepare.metric("raincell_prepare_files_total", "by=\"found\"").await, 2.0);
    // It comes back, and says what listings, now rare, would not.
    let _later = start_ministack(port);
    let later = Cloud::at(port, "later").await;
    eventually("the queue is well", async || health_of(&prepare.url, "queue").await.0 == "ok").await;
    cloud.put(&files[2].0, &files[2].1).await;
    later.send(&created(&cloud.name, &files[2].0).to_string()).await;
    world.until_frames(&expected(&files)).await;
    assert_eq!(prepare.metric("raincell_prepare_files_total", "by=\"announced\"").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_stays_hidden_for_as_long_as_its_object_is_worked_on() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, file) = (World::new().await, whole(0));
    cloud.announce().await;
    // Each look into the bucket takes longer than a message is hidden at first.
    let slow = Faults { every: 1, kinds: vec![Fault::Slow(Duration::from_secs(12))] };
    let bucket = FaultProxy::start(&cloud.endpoint, slow).await.unwrap();
    let source = cloud.sqs(QUEUE_ONLY).replace(&format!("endpoint = '{}'", cloud.endpoint), "");
    let prepare = Process::start(&world, &format!("{source}\nendpoint = '{}'", bucket.url));
    cloud.put(&file.0, &file.1).await;
    let named = async || prepare.metric("raincell_prepare_messages_total", "objects").await;
    eventually("it is announced", async || named().await == 1.0).await;
    let mut asked = 0;
    while world.frames().await.is_empty() {
        assert_eq!(cloud.receive(&cloud.name).await, None, "another reader sees it while it is worked on");
        asked += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    world.until_frames(&expected(&[file])).await;
    until_empty(&cloud).await;
    assert!(asked > 20, "it took no longer than the message was hidden: {asked}");
    assert!(prepare.metric("raincell_prepare_queue_requests_total", "call=\"extend\"").await >= 3.0);
    assert_eq!(prepare.metric("raincell_prepare_messages_total", "again=\"yes\"").await, 0.0);
    assert_eq!(prepare.metric("raincell_prepare_s3_requests_total", "call=\"get\"").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_never_finished_ends_in_the_dead_letter_queue_and_the_others_go_on() {
    let Some(cloud) = Cloud::new().await else { return };
    let (mut world, file) = (World::new().await, whole(0));
    cloud.announce().await;
    cloud.give_up_after(2).await;
    // What is no notification is told to the store, and is deleted only then: without a store it comes back.
    world.stop_store().await;
    cloud.send("no notification at all").await;
    let prepare = Process::start(&world, &cloud.sqs(QUEUE_ONLY));
    let dead = format!("{}-dead", cloud.name);
    eventually("it is in the dead-letter queue", async || cloud.messages(&dead).await == 1).await;
    assert_eq!(prepare.metric("raincell_prepare_messages_total", "holds=\"unreadable\"").await, 2.0);
    assert_eq!(cloud.receive(&dead).await.as_deref(), Some("no notification at all"));
    world.restart_store().await;
    cloud.put(&file.0, &file.1).await;
    world.until_frames(&expected(&[file])).await;
    eventually("the queue is empty", async || cloud.messages(&cloud.name).await == 0).await;
}
