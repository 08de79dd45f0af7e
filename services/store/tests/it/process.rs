//! The real binary: killed while it is written to, told to stop, started with a wrong configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use ndarray::Array2;
use raincell_api_types::events::Event;
use raincell_api_types::health::Condition;
use raincell_frame::Frame;
use raincell_model::{Grid, RainField};
use raincell_store_client::{FrameQuery, RetryPolicy, StoreClient, StreamItem};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::server::{TOKEN, endpoint_and_table, frame, minute};

pub const BINARY: &str = env!("CARGO_BIN_EXE_raincell-store");

/// What it keeps things in goes into its environment.
async fn start(folder: &Path, database: &[(&str, String)]) -> (Child, StoreClient) {
    start_as(folder, database, Command::new(BINARY)).await
}

async fn start_as(folder: &Path, database: &[(&str, String)], command: Command) -> (Child, StoreClient) {
    let (child, url) = spawn(folder, database, command).await;
    let policy = RetryPolicy { deadline: Duration::from_secs(10), ..RetryPolicy::default() };
    (child, StoreClient::new(&url, TOKEN).unwrap().with_policy(policy))
}

/// Gives where it listens.
pub async fn spawn(folder: &Path, database: &[(&str, String)], mut command: Command) -> (Child, String) {
    let mut child = command
        .current_dir(folder)
        .env("RAINCELL_STORE__TOKEN", TOKEN)
        .env("RAINCELL_STORE__BIND", "127.0.0.1:0")
        .envs(database.iter().map(|(key, value)| (key, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it prints where it listens");
    (child, line.strip_prefix("listening on ").unwrap().to_owned())
}

pub fn sqlite(folder: &Path) -> Vec<(&'static str, String)> {
    vec![("RAINCELL_STORE__DATABASE", folder.join("data/store.db").display().to_string())]
}

pub fn dynamodb(endpoint: String, table: String) -> Vec<(&'static str, String)> {
    vec![
        ("RAINCELL_STORE__BACKEND", "dynamodb".to_owned()),
        ("RAINCELL_STORE__ENDPOINT", endpoint),
        ("RAINCELL_STORE__TABLE", table),
    ]
}

/// How often the store is killed.
const KILLS: u64 = 50;
/// Frames of one round have their own span of valid times, minutes.
const SPAN: i64 = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_frame_is_lost_to_fifty_kills_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    kill_while_it_is_written_to(folder.path(), &sqlite(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_frame_is_lost_to_fifty_kills_on_dynamodb() {
    let Some((endpoint, table)) = endpoint_and_table() else { return };
    let folder = tempfile::tempdir().unwrap();
    kill_while_it_is_written_to(folder.path(), &dynamodb(endpoint, table)).await;
}

/// Small frames, and some of several segments.
fn frame_of(minutes: i64, rate_mm_h: f32) -> Frame {
    if minutes % 4 != 3 {
        return frame("a", minutes, rate_mm_h);
    }
    let grid = Arc::new(Grid::around_radar(50.0, 5.0, 350.0, 1.0));
    let mut state = minutes as u32;
    let rate_mm_h = Array2::from_shape_simple_fn(grid.shape(), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.1 + (state >> 16) as f32 / 1000.0
    });
    Frame {
        source: "a".into(),
        product: "rate".into(),
        field: RainField { grid, valid_time: minute(minutes), rate_mm_h },
    }
}

async fn kill_while_it_is_written_to(folder: &Path, database: &[(&str, String)]) {
    let (mut accepted, mut chance) = (BTreeMap::new(), 0x9E37_79B9_7F4A_7C15_u64);
    for round in 0..KILLS {
        let (mut child, client) = start(folder, database).await;
        // Four writers at once, and the process dies at some instant after the first answer.
        let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (client, sender) = (client.clone(), sender.clone());
                tokio::spawn(async move {
                    for i in 0..SPAN / 4 {
                        let minutes = round as i64 * SPAN + i * 4 + writer;
                        match client.put_frame(&frame_of(minutes, 1.0 + round as f32)).await {
                            Ok(put) => drop(sender.send((put.info().valid_time, put.info().hash.clone()))),
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        accepted.extend(answers.recv().await);
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_micros(chance >> 48)).await;
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        for writer in writers {
            writer.abort();
        }
        while let Some((time, hash)) = answers.recv().await {
            accepted.insert(time, hash);
        }
    }
    let (_child, client) = start(folder, database).await;
    check_what_is_there(&client, &accepted).await;
    println!("{} frames were accepted over {KILLS} kills", accepted.len());
}

/// Every accepted frame once, each one that is listed whole, and one event for each.
async fn check_what_is_there(client: &StoreClient, accepted: &BTreeMap<Timestamp, String>) {
    let mut hashes = BTreeMap::new();
    for round in 0..KILLS as i64 {
        let (from, to) = (minute(round * SPAN), minute((round + 1) * SPAN - 1));
        let (source, product) = (Some("a".into()), Some("rate".into()));
        let query = FrameQuery { source, product, from: Some(from), to: Some(to), ..FrameQuery::default() };
        for info in client.list_frames(&query).await.unwrap().frames {
            let body = client.frame_bytes(&info).await.unwrap();
            assert_eq!(raincell_frame::content_hash(&body), info.hash, "{}", info.valid_time);
            assert_eq!(hashes.insert(info.valid_time, info.hash), None, "{} is there twice", info.valid_time);
        }
    }
    for (time, hash) in accepted {
        assert_eq!(hashes.get(time), Some(hash), "the frame of {time}");
    }
    let (mut told, mut events) = (BTreeSet::new(), Box::pin(client.events(Some(0))));
    while told.len() < hashes.len() {
        if let StreamItem::Event(event) = events.next().await.unwrap() {
            let Event::Frame(info) = event.event else { panic!("{event:?}") };
            assert!(told.insert(info.valid_time), "{} is told twice", info.valid_time);
        }
    }
}

/// Files may not grow beyond a limit, which is to a writer what a full disk is; whoever may lift it does so later.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_more_can_be_written_reads_go_on_health_says_so_and_it_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    // Blocks of 512 bytes; without the trap the process would be killed.
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -S -f 1200; exec {BINARY}")]);
    let (child, client) = start_as(folder.path(), &sqlite(folder.path()), limited).await;
    let mut accepted = Vec::new();
    let refused = loop {
        match client.put_frame(&frame("a", accepted.len() as i64, 1.0)).await {
            Ok(put) => accepted.push(put.info().clone()),
            Err(error) => break error,
        }
        assert!(accepted.len() < 10_000, "the limit has no effect");
    };
    assert!(refused.is_temporary(), "{refused}");
    let health = condition_becomes(&client, Condition::Degraded).await;
    assert!(health.contains("writes fail"), "{health}");
    for info in &accepted {
        assert_eq!(raincell_frame::content_hash(&client.frame_bytes(info).await.unwrap()), info.hash);
    }
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().await.unwrap().success());
    let patient = client.with_policy(RetryPolicy::default());
    let again = patient.put_frame(&frame("a", accepted.len() as i64, 1.0)).await.unwrap();
    accepted.push(again.info().clone());
    condition_becomes(&client, Condition::Ok).await;
    assert_eq!(client.latest_frames("a", "rate", 1000).await.unwrap().len(), accepted.len().min(1000));
}

/// As when somebody has put a backup back as another user, or the disk was mounted read-only.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_written_is_read_health_says_so_and_it_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, client) = start(folder.path(), &sqlite(folder.path())).await;
    let stored = client.put_frame(&frame("a", 0, 1.0)).await.unwrap().info().clone();
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let (data, database) = (folder.path().join("data"), folder.path().join("data/store.db"));
    let set = |modes: [u32; 2]| {
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (path, mode) in [(&database, modes[0]), (&data, modes[1])] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    // It was killed, and its log holds what is not in the file: without writing there is no reading either.
    set([0o444, 0o755]);
    let (mut child, client) = start_as(folder.path(), &sqlite(folder.path()), without_privilege()).await;
    condition_becomes(&client, Condition::Down).await;
    set([0o644, 0o755]);
    condition_becomes(&client, Condition::Ok).await;
    assert_eq!(client.latest_frames("a", "rate", 10).await.unwrap()[0], stored);
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    for (closed, open) in [([0o444, 0o755], [0o644, 0o755]), ([0o444, 0o555], [0o644, 0o755])] {
        set(closed);
        let (mut child, client) = start_as(folder.path(), &sqlite(folder.path()), without_privilege()).await;
        let detail = condition_becomes(&client, Condition::Degraded).await;
        assert!(detail.contains("writes fail"), "{detail}");
        assert_eq!(client.latest_frames("a", "rate", 10).await.unwrap()[0], stored);
        assert_eq!(raincell_frame::content_hash(&client.frame_bytes(&stored).await.unwrap()), stored.hash);
        let hasty = RetryPolicy { deadline: Duration::from_millis(500), ..RetryPolicy::default() };
        let refused = client.clone().with_policy(hasty).put_frame(&frame("a", 5, 1.0)).await.unwrap_err();
        assert!(refused.is_temporary(), "{refused}");
        set(open);
        // By itself: nobody has to write first.
        condition_becomes(&client, Condition::Ok).await;
        client.put_frame(&frame("a", 5, 1.0)).await.unwrap();
        let minutes: Vec<_> = client.latest_frames("a", "rate", 10).await.unwrap();
        assert_eq!(minutes.iter().map(|info| info.valid_time).collect::<Vec<_>>(), [minute(0), minute(5)]);
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        assert_eq!(child.wait().await.unwrap().code(), Some(0));
    }
}

/// The store bound by the permissions of files even where root runs the tests.
fn without_privilege() -> Command {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(BINARY);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search", BINARY]);
    command
}

/// Waits until the database is in a condition, and gives its detail.
async fn condition_becomes(client: &StoreClient, condition: Condition) -> String {
    loop {
        let database = client.ready().await.unwrap().dependencies["database"].clone();
        if database.condition == condition {
            return database.detail;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_well_even_with_a_listener() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, client) = start(folder.path(), &sqlite(folder.path())).await;
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

#[tokio::test]
async fn a_token_of_digits_only_is_a_text_also_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .arg("--check-config")
        .current_dir(folder.path())
        .env("RAINCELL_STORE__TOKEN", "0123456789012345678901234567890123456789")
        .env("RAINCELL_STORE__RETENTION_HOURS", "12")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
