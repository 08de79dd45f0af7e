//! Real scans put into S3, announced through SNS and SQS, and a forecast over HTTP at the other end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use raincell_tests::cloud::Cloud;
use raincell_tests::{Running, eventually, free_port, json, test_data};

const SERVICES: [&str; 5] = ["store", "prepare", "nowcast", "api", "alert"];
/// A local S3 takes any, signed requests want some.
const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "a-test"), ("AWS_SECRET_ACCESS_KEY", "a-secret")];

/// The chunks of a volume in their order are the archive file of it.
fn klot(data: &Path) -> Vec<u8> {
    let mut chunks: Vec<_> = std::fs::read_dir(data.join("raw/nexrad-chunks/KLOT-20210729-123848"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    chunks.sort();
    chunks.iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
}

/// Key and content of each scan, as the archive bucket has them.
fn scans(data: &Path) -> Vec<(String, Vec<u8>)> {
    let mut scans = vec![("2021/07/29/KLOT/KLOT20210729_123848_V06".to_owned(), klot(data))];
    for entry in std::fs::read_dir(data.join("raw/nexrad-legacy")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        scans.push((format!("2005/08/21/KBGM/{name}"), std::fs::read(path).unwrap()));
    }
    scans
}

/// The source of both radars: all that the queue announces.
fn source(cloud: &Cloud) -> String {
    let more =
        "name = 'radars'\nprefix = '%Y/%m/%d/'\npattern = '*[!M]'\nfallback_seconds = 3600.0\npoll_seconds = 1.0";
    format!("[[prepare.sources]]\n{}\n", cloud.sqs(more))
}

/// Puts the scans, some of them announced twice, and waits for the forecasts.
async fn until_forecasts(data: &Path, cloud: &Cloud, api: &str) {
    cloud.announce().await;
    let scans = scans(data);
    for (key, bytes) in &scans {
        cloud.put(key, bytes).await;
    }
    for (key, bytes) in &scans[..2] {
        cloud.put(key, bytes).await;
    }
    for (radar, frames) in [("kbgm", 5), ("klot", 1)] {
        eventually(&format!("{frames} frames of {radar}"), async || {
            let page = json(&format!("{api}/v1/frames?source={radar}")).await?;
            let observed = page["frames"].as_array()?.iter().filter(|f| f["kind"] == "observed").count();
            (observed == frames).then_some(())
        })
        .await
        .unwrap();
    }
    for (place, radar) in [("lat=41.88&lon=-87.63", "klot"), ("lat=42.2&lon=-75.98", "kbgm")] {
        let forecast = eventually(&format!("a forecast of {radar}"), async || {
            let forecast = json(&format!("{api}/v1/forecast?{place}")).await?;
            forecast["model_version"].is_string().then_some(forecast)
        })
        .await
        .unwrap();
        assert_eq!((&forecast["status"], &forecast["source"]), (&"ok".into(), &radar.into()));
        assert_eq!(forecast["stale"], true, "scans of years ago are never served as fresh");
    }
    eventually("the queue is empty", async || (cloud.messages(&cloud.name).await == 0).then_some(())).await.unwrap();
}

/// A database in the folder that the processes run in.
const SQLITE: &str = "database = 'r.sqlite'\n";

/// A table of a test's own on a DynamoDB-compatible server, made at the start of the store.
fn dynamodb(test: &str) -> Option<String> {
    let Ok(endpoint) = std::env::var("RAINCELL_TEST_DYNOXIDE") else {
        println!("skipped: no RAINCELL_TEST_DYNOXIDE");
        return None;
    };
    let table = format!("{test}-{}", std::process::id());
    Some(format!("backend = 'dynamodb'\nendpoint = '{endpoint}'\ntable = '{table}'\n"))
}

async fn one_process(test: &str, store: &str) {
    let Some(data) = test_data() else { return };
    let Some(cloud) = Cloud::named(test).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = format!("[store]\n{store}[api]\nbind = '127.0.0.1:0'\n{}", source(&cloud));
    std::fs::write(folder.path().join("raincell.toml"), config).unwrap();
    let arguments = ["up", "--config", "raincell.toml"];
    let mut up = Running::start_with("raincell", &arguments, &CREDENTIALS, folder.path()).unwrap();
    until_forecasts(&data, &cloud, &up.url).await;
    up.terminate().unwrap();
}

async fn five_processes(test: &str, store: &str) {
    let Some(data) = test_data() else { return };
    let Some(cloud) = Cloud::named(test).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let ports: BTreeMap<&str, u16> = SERVICES.iter().map(|service| (*service, free_port().unwrap())).collect();
    let port = ports["store"];
    let mut config = format!("[store]\nbind = '127.0.0.1:{port}'\ntoken = 'end-to-end'\n{store}");
    for service in &SERVICES[1..] {
        writeln!(
            config,
            "[{service}]\nbind = '127.0.0.1:{}'\nstore_url = 'http://127.0.0.1:{port}'\nstore_token = 'end-to-end'",
            ports[service]
        )
        .unwrap();
    }
    config += &source(&cloud);
    std::fs::write(folder.path().join("raincell.toml"), config).unwrap();
    let mut running: Vec<Running> = SERVICES
        .iter()
        .map(|service| {
            let (name, arguments) = (format!("raincell-{service}"), ["--config", "raincell.toml"]);
            Running::start_with(&name, &arguments, &CREDENTIALS, folder.path()).unwrap()
        })
        .collect();
    until_forecasts(&data, &cloud, &format!("http://127.0.0.1:{}", ports["api"])).await;
    for service in running.iter_mut().rev() {
        service.terminate().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_on_sqlite() {
    one_process("one-process", SQLITE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_on_sqlite() {
    five_processes("five-processes", SQLITE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_on_dynamodb() {
    if let Some(store) = dynamodb("one-on-dynamodb") {
        one_process("one-on-dynamodb", &store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_on_dynamodb() {
    if let Some(store) = dynamodb("five-on-dynamodb") {
        five_processes("five-on-dynamodb", &store).await;
    }
}
