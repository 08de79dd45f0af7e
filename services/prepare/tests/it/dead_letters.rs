//! What is given up is told to the store, and tried again when somebody asks for it.

use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState};

use raincell_tests::cloud::Cloud;

use crate::process::Process;
use crate::scans::{expected, whole};
use crate::server::Server;
use crate::world::{World, eventually};

async fn the_letter(world: &World, state: DeadLetterState) -> DeadLetter {
    eventually(&format!("a letter that is {}", state.name()), async || {
        world.client.dead_letters(Some(state)).await.unwrap().len() == 1
    })
    .await;
    world.client.dead_letters(Some(state)).await.unwrap().remove(0)
}

async fn replay(world: &World, letter: &DeadLetter) {
    world.client.set_dead_letter_state(letter.id, DeadLetterState::ReplayRequested).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_object_is_tried_three_times_told_to_the_store_and_replayed_once_it_is_whole() {
    let Some(cloud) = Cloud::new().await else { return };
    let (world, file) = (World::new().await, whole(0));
    cloud.announce().await;
    let prepare = Process::start(&world, &cloud.sqs("fallback_seconds = 3600.0"));
    cloud.put("poison +.h5", &file.1[..file.1.len() / 3]).await;
    let letter = the_letter(&world, DeadLetterState::Dead).await;
    assert_eq!((letter.letter.key.as_str(), letter.letter.attempts), ("incoming/poison +.h5", 3));
    assert_eq!(prepare.metric("raincell_prepare_s3_requests_total", "call=\"get\"").await, 3.0);
    eventually("the queue is empty", async || cloud.messages(&cloud.name).await == 0).await;
    // Still bad: dead again, and still one letter.
    replay(&world, &letter).await;
    let again = the_letter(&world, DeadLetterState::Dead).await;
    assert_eq!((again.id, &again.letter.reason), (letter.id, &letter.letter.reason));
    eventually("three more tries", async || {
        prepare.metric("raincell_prepare_s3_requests_total", "call=\"get\"").await == 6.0
    })
    .await;
    cloud.put("poison +.h5", &file.1).await;
    world.until_frames(&expected(std::slice::from_ref(&file))).await;
    replay(&world, &letter).await;
    assert_eq!(the_letter(&world, DeadLetterState::Replayed).await.id, letter.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_of_a_folder_comes_back_into_it_when_it_is_replayed() {
    let (world, file) = (World::new().await, whole(0));
    let prepare = world.prepare("").await;
    world.drop_file("bad.h5", b"no radar file");
    let letter = the_letter(&world, DeadLetterState::Dead).await;
    assert!(letter.letter.reason.contains("unknown format"), "{}", letter.letter.reason);
    eventually("it is set aside", async || world.dead_letters().join("bad.h5").exists()).await;
    // Somebody mends it where it lies.
    std::fs::write(world.dead_letters().join("bad.h5"), &file.1).unwrap();
    replay(&world, &letter).await;
    world.until_frames(&expected(&[file])).await;
    the_letter(&world, DeadLetterState::Replayed).await;
    assert!(world.folder().join("bad.h5").exists());
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_file_is_gone_stays_dead_and_says_so() {
    let world = World::new().await;
    let prepare = world.prepare("").await;
    world.drop_file("bad.h5", b"no radar file");
    let letter = the_letter(&world, DeadLetterState::Dead).await;
    eventually("it is set aside", async || world.dead_letters().join("bad.h5").exists()).await;
    std::fs::remove_file(world.dead_letters().join("bad.h5")).unwrap();
    replay(&world, &letter).await;
    eventually("it says so", async || {
        let letter = world.client.dead_letter(letter.id).await.unwrap();
        letter.state == DeadLetterState::Dead && letter.letter.reason.contains("not among the dead letters")
    })
    .await;
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_of_a_web_server_is_fetched_again_when_it_is_replayed() {
    let (world, server, file) = (World::new().await, Server::start().await, whole(0));
    server.put("bad.h5", b"<html>please log in</html>");
    let source = format!(
        "kind = 'http-index'\nurl = '{}'\nlook_back_minutes = 999999.0\ndead_letters = '{}'",
        server.url,
        world.folder().join("dead").display()
    );
    let prepare = world.prepare(&source).await;
    let letter = the_letter(&world, DeadLetterState::Dead).await;
    let asked = server.asked("bad.h5");
    server.put("bad.h5", &file.1);
    replay(&world, &letter).await;
    world.until_frames(&expected(&[file])).await;
    the_letter(&world, DeadLetterState::Replayed).await;
    assert!(server.asked("bad.h5") > asked);
    prepare.stop().await;
}
