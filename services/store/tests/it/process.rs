//! The real binary: killed while it is written to, told to stop, started with a wrong configuration.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use raincell_store_client::{RetryPolicy, StoreClient};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::server::{TOKEN, frame};

const BINARY: &str = env!("CARGO_BIN_EXE_raincell-store");

async fn start(folder: &Path) -> (Child, StoreClient) {
    let mut child = Command::new(BINARY)
        .current_dir(folder)
        .env("RAINCELL_STORE__TOKEN", TOKEN)
        .env("RAINCELL_STORE__BIND", "127.0.0.1:0")
        .env("RAINCELL_STORE__DATABASE", folder.join("data/store.db"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it prints where it listens");
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    let policy = RetryPolicy { deadline: Duration::from_secs(2), ..RetryPolicy::default() };
    (child, StoreClient::new(&url, TOKEN).unwrap().with_policy(policy))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_frame_is_lost_to_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let (mut accepted, mut minutes) = (Vec::new(), 0);
    for round in 0..10 {
        let (mut child, client) = start(folder.path()).await;
        let stored = client.latest_frames("a", "rate", 1000).await.unwrap();
        for (key, hash) in &accepted {
            let found = stored.iter().find(|f| f.valid_time == *key).unwrap_or_else(|| panic!("{key} is lost"));
            assert_eq!(&found.hash, hash);
            assert_eq!(&raincell_frame::content_hash(&client.frame_bytes(found).await.unwrap()), hash);
        }
        // Four writers at once, and the process dies after a few answers, in the midst of the others.
        let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (client, sender) = (client.clone(), sender.clone());
                tokio::spawn(async move {
                    for i in 0.. {
                        let frame = frame("a", minutes + i * 4 + writer, 1.0 + round as f32);
                        match client.put_frame(&frame).await {
                            Ok(put) => drop(sender.send((put.info().valid_time, put.info().hash.clone()))),
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        for _ in 0..5 + round {
            accepted.push(answers.recv().await.expect("an answer"));
        }
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        for writer in writers {
            writer.abort();
        }
        while let Some(answer) = answers.recv().await {
            accepted.push(answer);
        }
        minutes += 1000;
    }
    assert!(accepted.len() >= 95, "{}", accepted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_well_even_with_a_listener() {
    use futures::StreamExt;
    let folder = tempfile::tempdir().unwrap();
    let (mut child, client) = start(folder.path()).await;
    let mut events = Box::pin(client.events(None));
    events.next().await.unwrap();
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_wrong_configuration_is_told_whole_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .arg("--check-config")
        .current_dir(folder.path())
        .env_remove("RAINCELL_STORE__TOKEN")
        .env("RAINCELL_STORE__RETENTION_HOURS", "0")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("token has 0 characters") && message.contains("retention_hours is 0"), "{message}");
}
