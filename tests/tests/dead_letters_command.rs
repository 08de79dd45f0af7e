//! `raincell dead-letters` and `raincell alerts` beside running services: what was given up is listed, shown, and tried
//! once more.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use jiff::Timestamp;
use raincell_api_types::alerts::{AlertTransition, NewPost, PostStatus, RainEvent, RainEventKind};
use raincell_api_types::dead_letters::DeadLetterState;
use raincell_simulator::{Radar, Weather, odim_file};
use raincell_store_client::StoreClient;
use raincell_tests::{Running, binary, eventually, free_port};
use serde_json::Value;

const TOKEN: &str = "end-to-end";

/// Exit code, standard output and standard error of a command in the folder whose services it works beside.
fn raincell(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let output = Command::new(binary("raincell").unwrap())
        .args(arguments)
        .args(["--config", "raincell.toml"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A store and one service that talks to it; `more` is what that service's section says beyond where the store is.
fn beside_a_store(service: &str, more: &str, folder: &Path) -> (StoreClient, [Running; 2]) {
    let port = free_port().unwrap();
    let config = format!(
        "[store]\nbind = '127.0.0.1:{port}'\ntoken = '{TOKEN}'\ndatabase = 'r.sqlite'\n\
         [{service}]\nbind = '127.0.0.1:0'\nstore_url = 'http://127.0.0.1:{port}'\nstore_token = '{TOKEN}'\n{more}"
    );
    std::fs::write(folder.join("raincell.toml"), config).unwrap();
    let start = |name: &str| Running::start(name, &["--config", "raincell.toml"], folder).unwrap();
    let running = [start("raincell-store"), start(&format!("raincell-{service}"))];
    (StoreClient::new(&running[0].url, TOKEN).unwrap(), running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_file_is_listed_shown_and_replayed_once_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("incoming")).unwrap();
    let source = "sources = [{ name = 'sim', path = 'incoming', poll_seconds = 0.1, settle_seconds = 0.4 }]\n";
    let (client, mut running) = beside_a_store("prepare", source, folder);
    assert_eq!(raincell(&["dead-letters", "list"], folder), (0, String::new(), String::new()));

    let time: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let (name, whole) = odim_file(&Radar::demo().scan(&Weather::demo(3, time), time)).unwrap();
    std::fs::write(folder.join("incoming").join(&name), &whole[..whole.len() / 3]).unwrap();
    let listed = eventually("the letter is listed", async || {
        let (code, listed, errors) = raincell(&["dead-letters", "list"], folder);
        assert_eq!(code, 0, "{errors}");
        (!listed.is_empty()).then_some(listed)
    })
    .await
    .unwrap();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    for expected in ["  dead  sim  ", &*format!("sim/{name}"), "  tried 3×: "] {
        assert!(listed.contains(expected), "{expected}: {listed}");
    }
    let id = listed.split("  ").next().unwrap();
    let (code, shown, errors) = raincell(&["dead-letters", "show", id], folder);
    assert_eq!((code, errors.as_str()), (0, ""));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["state"], &shown["attempts"], &shown["source"]), (&"dead".into(), &3.into(), &"sim".into()));
    let reason = shown["reason"].as_str().unwrap();
    assert!(reason.contains(&name) && listed.trim_end().ends_with(reason), "{reason}");
    assert!(shown["origin"]["files"].to_string().contains(&name), "{shown}");
    let (_, as_json, _) = raincell(&["dead-letters", "list", "--json"], folder);
    assert_eq!(serde_json::from_str::<Value>(&as_json).unwrap(), shown);

    // Somebody mends it where it lies.
    let kept = folder.join("incoming/dead-letters").join(&name);
    eventually("it is set aside", async || kept.exists().then_some(())).await.unwrap();
    assert!(client.latest_frames("nlsim", "rate", 1).await.unwrap().is_empty());
    std::fs::write(&kept, &whole).unwrap();
    let (code, replayed, errors) = raincell(&["dead-letters", "replay", id], folder);
    assert!(code == 0 && replayed.contains("  replay_requested  sim  "), "{replayed}{errors}");
    let frame = eventually("its frame", async || client.latest_frames("nlsim", "rate", 1).await.ok()?.pop());
    assert_eq!(frame.await.unwrap().valid_time, time);
    eventually("the list says so", async || {
        raincell(&["dead-letters", "list"], folder).1.contains("  replayed  sim  ").then_some(())
    })
    .await
    .unwrap();
    assert_eq!(client.dead_letters(Some(DeadLetterState::Dead)).await.unwrap(), []);
    running.iter_mut().rev().for_each(|running| running.terminate().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_not_there_is_said_and_does_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (client, _running) = beside_a_store("prepare", "", folder);
    let letter = raincell_api_types::dead_letters::NewDeadLetter {
        key: "sim/a.h5".into(),
        source: "sim".into(),
        reason: "no HDF5".into(),
        attempts: 3,
        origin: Value::Null,
    };
    let letter = client.add_dead_letter(&letter).await.unwrap();
    let (code, _, errors) = raincell(&["dead-letters", "show", "77"], folder);
    assert!(code == 1 && errors.contains("dead letter 77 is not stored"), "{errors}");
    let (code, said, errors) = raincell(&["dead-letters", "replay", "77", &letter.id.to_string()], folder);
    assert!(code == 1 && errors.contains("dead letter 77 is not stored"), "{errors}");
    assert!(said.contains("  replay_requested  sim  "), "{said}");
    for wrong in [&["dead-letters", "show", "first"][..], &["dead-letters", "replay"], &["dead-letters", "mend"]] {
        let (code, _, errors) = raincell(wrong, folder);
        assert!(code == 2 && errors.starts_with("error: ") && errors.contains("try '--help'"), "{wrong:?}: {errors}");
    }
    let (code, _, errors) = {
        std::fs::write(folder.join("raincell.toml"), "[store]\ndatabase = 'not-here.sqlite'\n").unwrap();
        raincell(&["dead-letters", "list"], folder)
    };
    assert!(code == 1 && errors.contains("there is no database at not-here.sqlite"), "{errors}");
    assert!(!folder.join("not-here.sqlite").exists());
}

/// A webhook that refuses for good until it is told otherwise; gives its URL, the switch, and what it took.
async fn webhook() -> (String, Arc<AtomicBool>, Arc<Mutex<Vec<Value>>>) {
    let (takes, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let post = {
        let (takes, taken) = (Arc::clone(&takes), Arc::clone(&taken));
        axum::routing::post(move |body: axum::Json<Value>| async move {
            if !takes.load(Ordering::SeqCst) {
                return StatusCode::BAD_REQUEST;
            }
            taken.lock().unwrap().push(body.0);
            StatusCode::OK
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/rain", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/rain", post);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, takes, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_its_target_refused_is_listed_shown_and_sent_once_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (url, takes, taken) = webhook().await;
    let alert = format!(
        "poll_s = 1\nplaces = [{{ name = 'Amsterdam', lat = 52.374, lon = 4.8897 }}]\n\
         [alert.webhook]\nenabled = true\nurl = '{url}'\nsecret = 'sixteen characters'\n"
    );
    let (client, mut running) = beside_a_store("alert", &alert, folder);
    let now = Timestamp::now();
    let event = RainEvent {
        place: "Amsterdam".into(),
        place_id: "amsterdam".into(),
        kind: RainEventKind::Begun,
        time: now,
        about: now,
        rate_mm_h: 2.0,
        text: "It rains in Amsterdam.".into(),
        ..RainEvent::default()
    };
    let key = "amsterdam-begun@webhook";
    let posts = vec![NewPost { key: key.into(), event, announced: true }];
    let transition = AlertTransition { expected_revision: 0, state: Value::Null, posts };
    client.transition("by-hand", &transition).await.unwrap();
    eventually("it is given up", async || {
        (client.outbox_post(key).await.ok()?.status == PostStatus::Failed).then_some(())
    })
    .await
    .unwrap();

    let (code, listed, errors) = raincell(&["alerts", "list"], folder);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(listed.contains(&format!("  {key}  webhook  failed  tried ")) && listed.contains("400"), "{listed}");
    let (_, shown, _) = raincell(&["alerts", "show", key], folder);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["event"]["text"], "It rains in Amsterdam.");

    takes.store(true, Ordering::SeqCst);
    let (code, said, errors) = raincell(&["alerts", "replay", "no-such-post", key], folder);
    assert!(code == 1 && errors.contains("no-such-post: there is no such post"), "{errors}");
    assert!(said.starts_with(&format!("{key}: asked for")), "{said}");
    eventually("it is sent", async || (client.outbox_post(key).await.ok()?.status == PostStatus::Sent).then_some(()))
        .await
        .unwrap();
    let (code, _, errors) = raincell(&["alerts", "replay", key], folder);
    assert!(code == 1 && errors.contains("it is sent already"), "{errors}");
    assert_eq!(taken.lock().unwrap().len(), 1);

    let (code, said, errors) = raincell(&["alerts", "test", "--place", "amsterdam"], folder);
    assert!(code == 0 && said.contains("webhook: sent "), "{said}{errors}");
    assert!(taken.lock().unwrap()[1].to_string().contains("Test post about Amsterdam"));
    let (code, _, errors) = raincell(&["alerts", "test", "--place", "Rotterdam"], folder);
    assert!(code == 1 && errors.contains("no watched place is called `Rotterdam`"), "{errors}");
    running.iter_mut().rev().for_each(|running| running.terminate().unwrap());
}
