//! Files that are no radar files.

use crate::scans::{expected, whole};
use crate::world::{World, eventually, many_looks, source_health};

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_set_aside_with_its_reason_and_holds_nothing_up() {
    let (world, good) = (World::new().await, whole(0));
    world.drop_file("a-poster.pdf", b"%PDF-1.7 not a radar file");
    world.drop_file("an-empty.h5", b"");
    world.drop_file("half.h5", &good.1[..good.1.len() / 3]);
    world.drop_file(&good.0, &good.1);
    let prepare = world.prepare("").await;
    // Good files of the same batch do not wait for the bad ones.
    world.until_frames(&expected(&[good])).await;
    for (name, part) in [("a-poster.pdf", "unknown format"), ("an-empty.h5", "empty"), ("half.h5", "half.h5")] {
        let reason = world.dead_letters().join(format!("{name}.reason.txt"));
        eventually(&format!("{name} is set aside"), async || !world.folder().join(name).exists()).await;
        let text = std::fs::read_to_string(reason).unwrap();
        assert!(text.contains(part), "{text}");
        assert!(world.dead_letters().join(name).exists());
    }
    eventually("all is well", async || source_health(&prepare).await.0 == "ok").await;
    eventually("what has gone is forgotten", async || world.ledger("folder").await.len() == 1).await;
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_that_cannot_be_moved_is_told_and_left_alone_across_restarts() {
    let (world, good) = (World::new().await, whole(0));
    // Nobody can make a folder below a file: the same as a folder that is not writable.
    std::fs::write(world.folder().join(".closed"), "").unwrap();
    let closed = format!("dead_letters = '{}'", world.folder().join(".closed/dead").display());
    world.drop_file("bad.h5", b"no radar file");
    let prepare = world.prepare(&closed).await;
    eventually("it is noted", async || world.ledger("folder").await.contains_key("bad.h5")).await;
    let told = async |prepare: &_| {
        let (condition, detail) = source_health(prepare).await;
        condition == "degraded" && detail.contains("could not be set aside") && detail.contains("bad.h5")
    };
    eventually("it is told", async || told(&prepare).await).await;
    // All else goes on.
    world.drop_file(&good.0, &good.1);
    world.until_frames(&expected(std::slice::from_ref(&good))).await;
    world.until_taken(&good.0).await;
    prepare.stop().await;

    // Tries after this would be seen in the revision of the checkpoint.
    let revision = async || world.client.checkpoint("prepare-folder-incoming").await.unwrap().unwrap().revision;
    let before = revision().await;
    let prepare = world.prepare(&closed).await;
    eventually("it is told again", async || told(&prepare).await).await;
    many_looks().await;
    many_looks().await;
    assert_eq!(revision().await, before, "nothing was tried again");
    // Once it is whole, it is taken in.
    let repaired = whole(1);
    world.drop_file("bad.h5", &repaired.1);
    world.until_frames(&expected(&[good, repaired])).await;
    eventually("all is well", async || source_health(&prepare).await.0 == "ok").await;
    prepare.stop().await;
}
