//! `raincell store` beside a running service: what its retention has hidden comes back by hand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use raincell_frame::{Frame, content_hash, encode};
use raincell_frame_store::{FrameKey, WriteCondition};
use raincell_model::{Grid, RainField};
use raincell_service_runtime::config;
use raincell_store_client::StoreClient;
use raincell_tests::{Running, binary, eventually};

const TOKEN: &str = "end-to-end";
/// A local server takes any; the client wants some.
const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "a-test"), ("AWS_SECRET_ACCESS_KEY", "a-secret")];

/// Exit code, standard output and standard error of `raincell store …`.
fn raincell_store(command: &[&str], folder: &Path) -> (i32, String, String) {
    let output = Command::new(binary("raincell").unwrap())
        .args(["store", "--config", "raincell.toml"])
        .args(command)
        .current_dir(folder)
        .envs(CREDENTIALS)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Encoded; one cell of rain.
fn frame(valid_time: Timestamp) -> Vec<u8> {
    let grid = std::sync::Arc::new(Grid::around_radar(41.6, -88.1, 20.0, 1.0));
    let mut rate_mm_h = ndarray::Array2::zeros(grid.shape());
    rate_mm_h[(7, 9)] = 4.0;
    let field = RainField { grid, valid_time, rate_mm_h };
    encode(&Frame { source: "klot".into(), product: "rate".into(), field }).unwrap()
}

async fn hidden_and_brought_back(backend: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("[store]\nbind = '127.0.0.1:0'\ntoken = '{TOKEN}'\nretention_hours = 72\n{backend}");
    std::fs::write(folder.path().join("raincell.toml"), &store).unwrap();
    let (code, said, errors) = raincell_store(&["init"], folder.path());
    assert!(code == 0 && !said.is_empty(), "{said}{errors}");
    // Nothing was ever there.
    assert_eq!(raincell_store(&["undelete"], folder.path()), nothing(""));

    // As it was put a hundred hours ago, which no clock of a service says.
    let now = Timestamp::now();
    let (long_ago, valid_time) = (now - SignedDuration::from_hours(100), now - SignedDuration::from_hours(101));
    let valid_time = Timestamp::from_second(valid_time.as_second()).unwrap();
    let body = frame(valid_time);
    let old = store.replace("database = '", &format!("database = '{}/", folder.path().display()));
    let beside = raincell_store::open(&config::load_with(None, &old).unwrap()).await.unwrap();
    let key = FrameKey::new("klot", "rate", valid_time).unwrap();
    beside.put_frame(&key, body.clone().into(), &WriteCondition::IfAbsent, long_ago).await.unwrap();
    assert_eq!(beside.latest_frames("klot", "rate", 5).await.unwrap().len(), 1);

    let arguments = ["--config", "raincell.toml"];
    let mut service = Running::start_with("raincell-store", &arguments, &CREDENTIALS, folder.path()).unwrap();
    let client = StoreClient::new(&service.url, TOKEN).unwrap();
    eventually("retention hides it", async || {
        client.latest_frames("klot", "rate", 5).await.ok()?.is_empty().then_some(())
    })
    .await
    .unwrap();

    assert_eq!(raincell_store(&["undelete", "--source", "another"], folder.path()), nothing(" of another"));
    assert!(client.latest_frames("klot", "rate", 5).await.unwrap().is_empty());
    let (code, said, errors) = raincell_store(&["undelete", "--source", "klot"], folder.path());
    assert_eq!((code, &*said, &*errors), (0, "back again: 1 frames, 0 nowcast runs\n", ""));
    let info = client.latest_frames("klot", "rate", 5).await.unwrap().remove(0);
    assert_eq!((info.valid_time, &*info.hash), (valid_time, &*content_hash(&body)));
    assert_eq!(client.frame_bytes(&info).await.unwrap(), body);
    assert_eq!(raincell_store(&["undelete"], folder.path()), nothing(""));
    service.terminate().unwrap();
}

fn nothing(whose: &str) -> (i32, String, String) {
    let said = format!("raincell: nothing{whose} to bring back: nothing has expired that is not removed yet\n");
    (1, String::new(), said)
}

#[test]
fn wrong_words_and_a_missing_database_are_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("raincell.toml"), "[store]\ndatabase = 'not-here.sqlite'\n").unwrap();
    for wrong in [&["undelete", "klot"][..], &["undelete", "--source"], &["undelete", "--since", "1h"], &["undo"]] {
        let (code, _, errors) = raincell_store(wrong, folder.path());
        assert!(code == 2 && errors.starts_with("error: ") && errors.contains("try '--help'"), "{wrong:?}: {errors}");
    }
    let (code, _, errors) = raincell_store(&["undelete"], folder.path());
    assert_eq!((code, &*errors), (1, "raincell: there is no database at not-here.sqlite\n"));
    std::fs::write(folder.path().join("raincell.toml"), "[store]\nretention_hour = 3\n").unwrap();
    let (code, _, errors) = raincell_store(&["undelete"], folder.path());
    assert!(code == 2 && errors.contains("[store]: unknown field: found `retention_hour`"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_has_hidden_comes_back_by_hand_on_sqlite() {
    hidden_and_brought_back("database = 'r.sqlite'\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_has_hidden_comes_back_by_hand_on_dynamodb() {
    let Ok(endpoint) = std::env::var("RAINCELL_TEST_DYNOXIDE") else {
        println!("skipped: no RAINCELL_TEST_DYNOXIDE");
        return;
    };
    let table = format!("store-command-{}", std::process::id());
    hidden_and_brought_back(&format!("backend = 'dynamodb'\nendpoint = '{endpoint}'\ntable = '{table}'\n")).await;
}
