//! Files that a web server lists.

use crate::scans::{by_moment, expected, whole};
use crate::server::Server;
use crate::world::{World, eventually, many_looks, source_health};

/// The block of such a source; the files of these tests are as old as the year they were made for.
fn source(server: &Server, more: &str) -> String {
    let look_back = if more.contains("look_back_minutes") { "" } else { "look_back_minutes = 999999.0\n" };
    format!("kind = 'http-index'\nurl = '{}'\npattern = '*.h5'\n{look_back}{more}", server.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_listing_become_frames_and_each_is_fetched_once() {
    let (world, server) = (World::new().await, Server::start().await);
    let files: Vec<_> = (0..2).map(whole).collect();
    server.put("readme.html", b"not for us");
    server.put(&files[0].0, &files[0].1);
    let prepare = world.prepare(&source(&server, "")).await;
    world.until_frames(&expected(&files[..1])).await;
    server.put(&files[1].0, &files[1].1);
    world.until_frames(&expected(&files)).await;
    eventually("both are noted", async || world.ledger("http-index").await.len() == 2).await;
    prepare.stop().await;

    let prepare = world.prepare(&source(&server, "")).await;
    many_looks().await;
    prepare.stop().await;
    assert_eq!(files.iter().map(|(name, _)| server.asked(name)).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(server.asked("readme.html"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_list_and_one_moment_a_file_do_as_well() {
    let (world, server) = (World::new().await, Server::start().await);
    server.inside.lock().unwrap().plain = true;
    let prepare = world.prepare(&source(&server, "")).await;
    let files = by_moment(0);
    for end in 1..=files.len() {
        let (name, bytes) = &files[end - 1];
        server.put(name, bytes);
        world.until_frames(&expected(&files[..end.min(2)])).await;
    }
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_file_is_taken_within_the_look_back_and_left_alone_beyond() {
    let (world, server) = (World::new().await, Server::start().await);
    let files: Vec<_> = (0..3).map(whole).collect();
    let name_at = |minutes: i64| {
        let time = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
        format!("nlsim_{}_PVOL.h5", time.strftime("%Y%m%dT%H%M%S"))
    };
    let prepare = world.prepare(&source(&server, "look_back_minutes = 60.0")).await;
    server.put(&name_at(1), &files[0].1);
    world.until_frames(&expected(&files[..1])).await;
    server.put(&name_at(120), &files[1].1);
    server.put(&name_at(30), &files[2].1);
    world.until_frames(&expected(&[files[0].clone(), files[2].clone()])).await;
    many_looks().await;
    assert_eq!(server.asked(&name_at(120)), 0);
    assert_eq!(world.frames().await.len(), 2);
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ails_or_is_down_is_told_and_nothing_is_lost() {
    let (world, server) = (World::new().await, Server::start().await);
    let files: Vec<_> = (0..2).map(whole).collect();
    server.inside.lock().unwrap().down = true;
    server.put(&files[0].0, &files[0].1);
    let prepare = world.prepare(&source(&server, "settle_seconds = 0.1")).await;
    eventually("it is told", async || {
        let (condition, detail) = source_health(&prepare).await;
        condition == "degraded" && detail.contains("500")
    })
    .await;
    {
        let mut inside = server.inside.lock().unwrap();
        (inside.down, inside.ailing) = (false, true);
    }
    eventually("it is told", async || source_health(&prepare).await.1.contains("503")).await;
    many_looks().await;
    assert!(server.asked(&files[0].0) < 8, "a server that ails is not hammered");
    server.inside.lock().unwrap().ailing = false;
    server.put(&files[1].0, &files[1].1);
    world.until_frames(&expected(&files)).await;
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_copied_to_the_dead_letters_with_its_address_and_not_fetched_for_ever() {
    let (world, server) = (World::new().await, Server::start().await);
    server.put("bad.h5", b"<html>please log in</html>");
    let dead = world.folder().join("dead");
    let more = format!("dead_letters = '{}'", dead.display());
    let prepare = world.prepare(&source(&server, &more)).await;
    eventually("it is set aside", async || dead.join("bad.h5").exists()).await;
    let reason = std::fs::read_to_string(dead.join("bad.h5.reason.txt")).unwrap();
    assert!(reason.contains("unknown format") && reason.contains(&format!("{}bad.h5", server.url)), "{reason}");
    eventually("all is well", async || source_health(&prepare).await.0 == "ok").await;
    let asked = server.asked("bad.h5");
    many_looks().await;
    assert_eq!((server.asked("bad.h5"), asked), (4, 4), "three tries and the copy");
    prepare.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_its_own_authority_is_trusted_where_the_config_names_that() {
    let (world, (server, authority)) = (World::new().await, Server::start_tls().await);
    let file = whole(0);
    server.put(&file.0, &file.1);
    let prepare = world.prepare(&source(&server, "")).await;
    eventually("it is told", async || {
        let (condition, detail) = source_health(&prepare).await;
        condition == "degraded" && detail.contains(&server.url)
    })
    .await;
    prepare.stop().await;
    assert_eq!((server.asked(&file.0), world.frames().await.len()), (0, 0));

    let ca_file = world.path("authority.pem");
    std::fs::write(&ca_file, authority).unwrap();
    let prepare = world.prepare(&source(&server, &format!("ca_file = '{}'", ca_file.display()))).await;
    world.until_frames(&expected(&[file])).await;
    prepare.stop().await;
}
