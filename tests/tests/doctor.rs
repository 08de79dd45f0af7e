//! `raincell doctor` beside the real services, well and with faults made on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use raincell_tests::cloud::Cloud;
use raincell_tests::{Running, eventually, free_port, json, raincell};
use serde_json::Value;

const SERVICES: [&str; 5] = ["store", "prepare", "nowcast", "api", "alert"];
const TOKEN: &str = "a-token-for-tests";

/// Somebody who answers everything alike, with a clock of their own.
fn answering(status: &'static str, clock_is_ahead: SignedDuration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 2048]);
            let date = (Timestamp::now() + clock_is_ahead).strftime("%a, %d %b %Y %H:%M:%S GMT");
            let _ =
                write!(stream, "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    format!("http://{address}")
}

fn target(clock_is_ahead: SignedDuration) -> String {
    answering("404 Not Found", clock_is_ahead)
}

/// A configuration of five processes; `more` goes below it.
fn configuration(folder: &Path, more: &str) -> String {
    let ports: Vec<u16> = SERVICES.iter().map(|_| free_port().unwrap()).collect();
    let mut text = String::new();
    for (service, port) in SERVICES.iter().zip(&ports) {
        writeln!(text, "[{service}]\nbind = '127.0.0.1:{port}'").unwrap();
        match *service {
            "store" => writeln!(text, "token = '{TOKEN}'\ndatabase = '{}'", folder.join("rain.sqlite").display()),
            _ => writeln!(text, "store_url = 'http://127.0.0.1:{}'\nstore_token = '{TOKEN}'", ports[0]),
        }
        .unwrap();
    }
    writeln!(text, "posts_folder = '{}'\n{more}", folder.join("posts").display()).unwrap();
    text
}

fn doctor(config: &Path, more: &[&str]) -> (i32, Vec<Value>) {
    let mut arguments = vec!["doctor", "--json", "--config", config.to_str().unwrap()];
    arguments.extend(more);
    let (code, output, errors) = raincell(&arguments).unwrap();
    let findings = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}{errors}"));
    (code, findings)
}

/// State and words of a finding.
fn of<'a>(findings: &'a [Value], check: &str, subject: &str) -> (&'a str, &'a str) {
    let found = findings.iter().find(|f| f["check"] == check && f["subject"].as_str().unwrap().contains(subject));
    let found = found.unwrap_or_else(|| panic!("no {check} {subject} in {findings:#?}"));
    (found["state"].as_str().unwrap(), found["found"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_well_is_said_to_be_well_and_each_fault_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (config, raw) = (folder.path().join("raincell.toml"), folder.path().join("raw"));
    std::fs::create_dir(&raw).unwrap();
    let source = format!("[[prepare.sources]]\nname = 'hills'\npath = '{}'\n", raw.display());
    let ntfy =
        |server: String| format!("[alert.ntfy]\nenabled = true\nserver = '{server}'\ntopic = 'rain-in-the-hills'\n");
    let base = configuration(folder.path(), &source);
    std::fs::write(&config, format!("{base}{}", ntfy(target(SignedDuration::ZERO)))).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let mut running: Vec<Running> = SERVICES
        .iter()
        .map(|service| Running::start(&format!("raincell-{service}"), &arguments, folder.path()).unwrap())
        .collect();
    eventually("a ready alert service", async || {
        (json(&format!("{}/ready", running[4].url)).await?["dependencies"]["store"]["condition"] == "ok").then_some(())
    })
    .await
    .unwrap();

    let (code, findings) = doctor(&config, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    for service in SERVICES {
        assert_eq!(of(&findings, "config", service).0, "well");
    }
    assert_eq!(of(&findings, "service", "store").0, "well");
    assert_eq!(of(&findings, "store", "http://127.0.0.1"), ("well", "answers, and takes the token"));
    assert_eq!(of(&findings, "source", "hills").0, "well");
    assert_eq!(of(&findings, "target", "ntfy").0, "well");
    assert_eq!(of(&findings, "config", "trace").0, "well");
    assert_eq!(of(&findings, "trace", ""), ("skipped", "no collector of spans is named"));
    assert_eq!(of(&findings, "clock", "").0, "well");
    assert_ne!(of(&findings, "disk", "").0, "skipped");

    // A service that has ended, a folder that went, another token, a wrong clock, a target that is not there, no certificate.
    running[2].kill().unwrap();
    std::fs::remove_dir(&raw).unwrap();
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, "no certificate").unwrap();
    let nobody = free_port().unwrap();
    let faulty = base.replacen(&format!("store_token = '{TOKEN}'"), "store_token = 'another-token'", 1);
    let webhook = format!(
        "[alert.webhook]\nenabled = true\nurl = 'http://127.0.0.1:{nobody}/s3cret'\nsecret = 'a-secret-of-enough-letters'\n"
    );
    let late = ntfy(target(SignedDuration::from_mins(10)));
    std::fs::write(&config, format!("{faulty}{late}{webhook}")).unwrap();
    let (code, findings) = doctor(&config, &["--certificate", certificate.to_str().unwrap()]);
    assert_eq!(code, 1, "{findings:#?}");
    let (state, words) = of(&findings, "service", "nowcast");
    assert!(state == "wrong" && words.contains("does not answer at 127.0.0.1:"), "{words}");
    assert_eq!(of(&findings, "service", "api").0, "warning");
    assert_eq!(of(&findings, "store", "for prepare").1, "refuses the token");
    assert_eq!(of(&findings, "store", "for nowcast, api, alert").0, "well");
    let (state, words) = of(&findings, "source", "hills");
    assert!(state == "wrong" && words.contains("raw: No such file"), "{words}");
    let (state, words) = of(&findings, "clock", "");
    assert!(state == "wrong" && words.contains("s behind 127.0.0.1"), "{words}");
    let (state, words) = of(&findings, "target", "webhook");
    assert!(state == "wrong" && words.contains("refused") && !words.contains("s3cret"), "{words}");
    assert_eq!(of(&findings, "certificate", "certificate.pem").0, "wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_exit_code_2_and_the_rest_is_looked_at_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("raincell.toml");
    let text = configuration(folder.path(), "").replace("[nowcast]\n", "[nowcast]\nmethod = 'crystal-ball'\n");
    std::fs::write(&config, text).unwrap();
    let (code, findings) = doctor(&config, &[]);
    assert_eq!(code, 2);
    let (state, words) = of(&findings, "config", "nowcast");
    assert!(state == "wrong" && words.contains("crystal-ball"), "{words}");
    assert_eq!((of(&findings, "config", "api").0, of(&findings, "service", "api").0), ("well", "wrong"));
}

#[test]
fn a_config_file_that_is_not_there_or_is_no_toml_is_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("raincell.toml");
    let arguments = ["doctor", "--config", config.to_str().unwrap()];
    let (code, output, errors) = raincell(&arguments).unwrap();
    assert_eq!((code, output.as_str(), errors.lines().count()), (2, "", 1), "{errors}");
    assert!(errors.contains("raincell.toml: No such file"), "{errors}");
    std::fs::write(&config, "[store]\n[api\n").unwrap();
    let (code, output, errors) = raincell(&arguments).unwrap();
    assert_eq!((code, output.as_str(), errors.lines().count()), (2, "", 1), "{errors}");
    assert!(errors.contains("raincell.toml, line 2: "), "{errors}");
}

#[test]
fn the_collector_of_spans_is_asked_whether_it_takes_any() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("raincell.toml");
    let with_trace = |more: &str| {
        std::fs::write(&config, configuration(folder.path(), &format!("[trace]\n{more}\n[wind]\n"))).unwrap();
        doctor(&config, &[])
    };
    let at = |endpoint: String| with_trace(&format!("endpoint = '{endpoint}'")).1;
    assert_eq!(of(&at(answering("200 OK", SignedDuration::ZERO)), "trace", "/v1/traces"), ("well", "takes spans"));
    let refused = at(answering("401 Unauthorized", SignedDuration::ZERO));
    assert_eq!(of(&refused, "trace", "/v1/traces"), ("wrong", "refuses who sends"));
    assert_eq!(of(&refused, "config", "wind"), ("warning", "nobody reads this"));
    let nobody = at(format!("http://127.0.0.1:{}", free_port().unwrap()));
    let (state, words) = of(&nobody, "trace", "/v1/traces");
    assert!(state == "wrong" && words.contains("does not answer"), "{words}");
    let (code, findings) = with_trace("sample = 2.0");
    let (state, words) = of(&findings, "config", "trace");
    assert!(code == 2 && state == "wrong" && words.contains("sample is 2"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_queues_and_tables_are_reached_for() {
    let Some(cloud) = Cloud::new().await else { return };
    cloud.announce().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("raincell.toml");
    let good = format!("[[prepare.sources]]\nname = 'good'\n{}\n", cloud.sqs("prefix = 'a/%Y/'"));
    let missing =
        good.replace("'good'", "'missing'").replace(&format!("bucket = '{}'", cloud.name), "bucket = 'not-there'");
    let table = format!("backend = 'dynamodb'\ntable = 'not-there'\nendpoint = '{}'\n", cloud.endpoint);
    let text =
        configuration(folder.path(), &format!("{good}{missing}")).replace("[store]\n", &format!("[store]\n{table}"));
    std::fs::write(&config, text).unwrap();
    // The command takes its credentials from the environment of ./test, or has none and says so.
    let (code, findings) = doctor(&config, &[]);
    assert_eq!(code, 1);
    let signed = std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
    if signed {
        assert_eq!(of(&findings, "source", "good").0, "well", "{findings:#?}");
        assert!(of(&findings, "queue", "good").1.contains("messages wait"), "{findings:#?}");
        let (state, words) = of(&findings, "source", "missing");
        assert!(state == "wrong" && words.contains("NoSuchBucket"), "{words}");
        let (state, words) = of(&findings, "database", "not-there");
        assert!(state == "wrong" && words.contains("ResourceNotFoundException"), "{words}");
    } else {
        assert!(of(&findings, "source", "good").1.contains("credentials"), "{findings:#?}");
    }
    assert_eq!(of(&findings, "clock", "").0, "well");
}
