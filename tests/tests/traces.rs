//! One trace id leads from a scan in a folder to the post that it caused, over four processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use jiff::{SignedDuration, Timestamp, TimestampRound, Unit};
use raincell_frame::decode;
use raincell_simulator::{Radar, Weather, odim_file};
use raincell_tests::{Running, eventually, free_port};
use serde_json::Value;

const TOKEN: &str = "end-to-end";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Three scans, the newest of these minutes: older data make no posts.
fn write_scans(incoming: &Path) {
    let rounding = TimestampRound::new().smallest(Unit::Minute).increment(5).mode(jiff::RoundMode::Trunc);
    let newest = Timestamp::now().round(rounding).unwrap();
    let (weather, radar) = (Weather::demo(3, newest - HOUR), Radar::demo());
    for minutes in [10, 5, 0] {
        let (name, bytes) = odim_file(&radar.scan(&weather, newest - SignedDuration::from_mins(minutes))).unwrap();
        std::fs::write(incoming.join(name), bytes).unwrap();
    }
}

async fn ask(url: &str) -> Option<reqwest::Response> {
    let client = raincell_http_client::builder().build().unwrap();
    client.get(url).bearer_auth(TOKEN).send().await.ok().filter(|answer| answer.status().is_success())
}

/// Degrees north and east of the middle of the strongest rain.
fn rainy_place(frame: &[u8]) -> (f64, f64) {
    let field = decode(frame).unwrap().field;
    let rates = field.rate_mm_h.indexed_iter().filter(|(_, rate)| rate.is_finite());
    let ((row, column), _) = rates.max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    field.grid.georeference().unwrap().lat_lon_of(row as f64 + 0.5, column as f64 + 0.5).unwrap()
}

/// Lines of a JSON log with a span of the trace around them.
fn lines_of(log: &str, trace: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_of =
        |line: &Value| line["spans"].as_array().is_some_and(|spans| spans.iter().any(|s| s["trace_id"] == trace));
    lines.filter(is_of).collect()
}

/// A collector: gives its address and what it has taken.
async fn collector() -> (String, Arc<Mutex<Vec<Value>>>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let take = async |State(taken): State<Arc<Mutex<Vec<Value>>>>, Json(message): Json<Value>| {
        taken.lock().unwrap().push(message);
        Json(serde_json::json!({}))
    };
    let router = axum::Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&taken));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, taken)
}

/// (service, span) of a trace.
fn spans_of(messages: &[Value], trace: &str) -> Vec<(String, Value)> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let resources = messages.iter().flat_map(|message| list(&message["resourceSpans"]));
    let spans = resources.flat_map(|resource| {
        let service = resource["resource"]["attributes"][0]["value"]["stringValue"].as_str().unwrap().to_owned();
        let spans = list(&resource["scopeSpans"][0]["spans"]);
        spans.into_iter().map(move |span| (service.clone(), span))
    });
    spans.filter(|(_, span)| span["traceId"] == trace).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_a_scan_to_its_post() {
    let folder = tempfile::tempdir().unwrap();
    let incoming = folder.path().join("incoming");
    std::fs::create_dir_all(&incoming).unwrap();
    write_scans(&incoming);
    let port = free_port().unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let at_store = format!("bind = '127.0.0.1:0'\nstore_url = '{url}'\nstore_token = '{TOKEN}'\n");
    let (collector, taken) = collector().await;
    let mut config = format!(
        "[trace]\nendpoint = '{collector}'\n[store]\nbind = '127.0.0.1:{port}'\ntoken = '{TOKEN}'\ndatabase = 'raincell.sqlite'\n[nowcast]\n{at_store}\
         [prepare]\n{at_store}sources = [{{ name = 'sim', path = 'incoming', poll_seconds = 0.2 }}]\n"
    );
    let write = |config: &str| std::fs::write(folder.path().join("raincell.toml"), config).unwrap();
    write(&config);
    let start = |service: &str| {
        let environment = [("RAINCELL_LOG_FORMAT", "json")];
        let arguments = ["--config", "raincell.toml"];
        Running::start_with(&format!("raincell-{service}"), &arguments, &environment, folder.path()).unwrap()
    };
    let mut running = vec![start("store"), start("prepare"), start("nowcast")];
    let info = eventually("the newest frame and its nowcast", async || {
        let page: Value = ask(&format!("{url}/v1/frames?product=rate")).await?.json().await.ok()?;
        let frames = page["frames"].as_array().filter(|frames| frames.len() == 3)?;
        let newest = frames.last()?.clone();
        let source = newest["source"].as_str()?;
        let runs: Value = ask(&format!("{url}/v1/nowcasts?source={source}")).await?.json().await.ok()?;
        runs.as_array()?.iter().any(|run| run["issue_time"] == newest["valid_time"]).then_some(newest)
    })
    .await
    .unwrap();
    let trace = info["hash"].as_str().unwrap();
    let path = ["source", "product", "valid_time"].map(|key| info[key].as_str().unwrap()).join("/");
    let frame = ask(&format!("{url}/v1/frames/{path}")).await.unwrap().bytes().await.unwrap();
    let (lat, lon) = rainy_place(&frame);
    let alert = format!(
        "[alert]\n{at_store}posts_folder = 'posts'\nplaces = [{{ name = 'Here', lat = {lat}, lon = {lon} }}]\n"
    );
    config += &alert;
    write(&config);
    running.push(start("alert"));
    let post = eventually("a post that is sent", async || {
        let posts: Value = ask(&format!("{url}/v1/alerts/outbox?status=sent")).await?.json().await.ok()?;
        posts.as_array()?.first().cloned()
    })
    .await
    .unwrap();
    assert_eq!(post["event"]["trace_id"], trace, "{post}");
    let said = |service: usize| -> BTreeSet<String> {
        let lines = lines_of(&running[service].log_text(), trace);
        lines.iter().filter_map(|line| Some(line["fields"]["message"].as_str()?.to_owned())).collect()
    };
    let expected: [&[&str]; 4] = [
        &["frame stored", "nowcast stored", "post in the outbox"],
        &["frame stored"],
        &["nowcast stored"],
        &["rain event", "post sent"],
    ];
    for (service, expected) in expected.into_iter().enumerate() {
        for line in expected {
            eventually(&format!("{line:?} in the log of {service}"), async || {
                said(service).contains(*line).then_some(())
            })
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", said(service)));
        }
    }
    // What ends last is sent when the services end.
    for mut service in running.into_iter().rev() {
        service.terminate().unwrap();
    }
    let spans = spans_of(&taken.lock().unwrap(), trace);
    let named: BTreeSet<(&str, &str)> =
        spans.iter().map(|(service, span)| (service.as_str(), span["name"].as_str().unwrap())).collect();
    let expected = [
        ("raincell-prepare", "prepare"),
        ("raincell-store", "request"),
        ("raincell-nowcast", "nowcast"),
        ("raincell-alert", "read frame"),
        ("raincell-alert", "alert"),
        ("raincell-alert", "post"),
    ];
    for wanted in expected {
        assert!(named.contains(&wanted), "{wanted:?} is not among {named:?}");
    }
    let ids: BTreeSet<&str> = spans.iter().map(|(_, span)| span["spanId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), spans.len(), "no id comes twice");
    for (service, span) in &spans {
        match span["parentSpanId"].as_str() {
            Some(parent) => assert!(ids.contains(parent), "{service}: {span}"),
            None => {
                assert_eq!((service.as_str(), span["spanId"].as_str().unwrap()), ("raincell-prepare", &trace[..16]));
            }
        }
    }
    let asked_by = |id: &str| spans.iter().find(|(_, span)| span["spanId"] == id).map(|(service, _)| service.as_str());
    let requests = spans.iter().filter(|(service, _)| service == "raincell-store");
    let askers: BTreeSet<&str> = requests.filter_map(|(_, span)| asked_by(span["parentSpanId"].as_str()?)).collect();
    assert_eq!(askers, BTreeSet::from(["raincell-alert", "raincell-nowcast", "raincell-prepare"]));
}
