//! A personal data server of Bluesky: logins that run out, blobs, records under keys.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::{Platform, Reply, Request, reply};

const DID: &str = "did:plc:rain";

#[derive(Default)]
struct State {
    logins: u32,
    blobs: Vec<(String, usize)>,
    records: BTreeMap<String, Value>,
    order: Vec<String>,
}

#[derive(Default)]
pub struct Bluesky(Mutex<State>);

pub fn toml(url: &str) -> String {
    format!(
        "[alert.bluesky]\nenabled = true\nserver = '{url}'\nidentifier = 'rain.example'\napp_password = 'abcd-efgh'\n"
    )
}

impl Bluesky {
    /// The records in the order in which they came, with their addresses.
    pub fn records(&self) -> Vec<(String, Value)> {
        let state = self.0.lock().unwrap();
        state.order.iter().map(|key| (uri(key), state.records[key].clone())).collect()
    }

    /// Makes all logins so far invalid.
    pub fn log_out(&self) {
        self.0.lock().unwrap().logins += 1;
    }
}

fn uri(key: &str) -> String {
    format!("at://{DID}/app.bsky.feed.post/{key}")
}

impl Platform for Bluesky {
    fn step(&self, request: &Request) -> &'static str {
        match request.path.as_str() {
            "/xrpc/com.atproto.server.createSession" => "log in",
            "/xrpc/com.atproto.repo.uploadBlob" => "upload",
            "/xrpc/com.atproto.repo.createRecord" => "post",
            "/xrpc/com.atproto.repo.getRecord" => "read",
            _ => "nothing",
        }
    }

    fn answer(&self, step: &'static str, request: &Request) -> Reply {
        let mut state = self.0.lock().unwrap();
        let error = |status, error: &str| reply(status, json!({ "error": error, "message": error }));
        if step == "log in" {
            let login = request.json();
            if login != json!({ "identifier": "rain.example", "password": "abcd-efgh" }) {
                return error(401, "AuthenticationRequired");
            }
            return reply(200, json!({ "did": DID, "accessJwt": format!("jwt-{}", state.logins), "refreshJwt": "r" }));
        }
        if request.header("authorization") != format!("Bearer jwt-{}", state.logins) {
            return error(400, "ExpiredToken");
        }
        match step {
            "upload" => {
                let (kind, size) = (request.header("content-type").to_owned(), request.body.len());
                match kind.as_str() {
                    "video/mp4" => assert!(&request.body[4..8] == b"ftyp" && size <= 5_000_000),
                    "image/png" => assert!(request.body.starts_with(b"\x89PNG") && size <= 1_000_000),
                    kind => return error(400, &format!("no {kind}")),
                }
                state.blobs.push((kind.clone(), size));
                let link = json!({ "$link": format!("bafkrei{}", state.blobs.len()) });
                reply(200, json!({ "blob": { "$type": "blob", "ref": link, "mimeType": kind, "size": size } }))
            }
            "post" => state.create(&request.json()),
            "read" => {
                let key = request.parameter("rkey").unwrap();
                match state.records.get(&key) {
                    Some(value) => reply(200, json!({ "uri": uri(&key), "cid": format!("cid-{key}"), "value": value })),
                    None => error(400, "RecordNotFound"),
                }
            }
            _ => error(404, "MethodNotImplemented"),
        }
    }

    fn texts(&self) -> Vec<String> {
        self.records().iter().map(|(_, record)| record["text"].as_str().unwrap().to_owned()).collect()
    }
}

/// What `app.bsky.embed.video` and `app.bsky.embed.images` ask for.
fn check_embed(record: &Value) {
    let (kind, of) = match record["embed"]["$type"].as_str() {
        None => return,
        Some("app.bsky.embed.video") => ("video/mp4", &record["embed"]),
        Some("app.bsky.embed.images") => ("image/png", &record["embed"]["images"][0]),
        Some(other) => panic!("no such embed: {other}"),
    };
    let blob = if kind == "video/mp4" { &of["video"] } else { &of["image"] };
    assert_eq!((&blob["$type"], &blob["mimeType"]), (&json!("blob"), &json!(kind)));
    assert!(of["alt"].as_str().unwrap().chars().count() <= 1000);
    let side = |name: &str| of["aspectRatio"][name].as_u64().unwrap();
    assert!(side("width") >= 1 && side("height") >= 1);
}

impl State {
    fn create(&mut self, body: &Value) -> Reply {
        let key = body["rkey"].as_str().unwrap().to_owned();
        assert!(key.len() == 13 && key.bytes().all(|b| b"234567abcdefghijklmnopqrstuvwxyz".contains(&b)), "{key}");
        assert_eq!((&body["repo"], &body["collection"]), (&json!(DID), &json!("app.bsky.feed.post")));
        let record = &body["record"];
        assert_eq!(record["$type"], "app.bsky.feed.post");
        assert!(record["text"].as_str().unwrap().chars().count() <= 300);
        check_embed(record);
        assert!(record["createdAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        for end in ["root", "parent"] {
            let named = record["reply"][end]["uri"].as_str();
            if named.is_some_and(|named| !self.order.iter().any(|key| uri(key) == named)) {
                return reply(400, json!({ "error": "InvalidRequest", "message": "no such record to answer" }));
            }
        }
        if self.records.contains_key(&key) {
            return reply(400, json!({ "error": "InvalidRequest", "message": "the record exists" }));
        }
        self.records.insert(key.clone(), record.clone());
        self.order.push(key.clone());
        reply(200, json!({ "uri": uri(&key), "cid": format!("cid-{key}") }))
    }
}
