//! Mastodon: media that take a while, statuses under idempotency keys.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::multipart::parts;
use super::{Platform, Reply, Request, reply};

pub const TOKEN: &str = "mastodon-token";

#[derive(Clone, Debug)]
pub struct Status {
    pub id: String,
    pub text: String,
    pub in_reply_to: Option<String>,
    /// Descriptions of its pictures.
    pub pictures: Vec<String>,
    pub language: String,
    created_at: Timestamp,
}

#[derive(Default)]
struct State {
    media: Vec<(String, u32)>,
    files: Vec<Vec<u8>>,
    statuses: Vec<Status>,
    keys: HashMap<String, usize>,
}

#[derive(Default)]
pub struct Mastodon(Mutex<State>);

pub fn toml(url: &str) -> String {
    format!("[alert.mastodon]\nenabled = true\nserver = '{url}/'\naccess_token = '{TOKEN}'\n")
}

impl Mastodon {
    pub fn statuses(&self) -> Vec<Status> {
        self.0.lock().unwrap().statuses.clone()
    }

    /// What was uploaded.
    pub fn files(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().files.clone()
    }
}

impl Platform for Mastodon {
    fn step(&self, request: &Request) -> &'static str {
        match request.path.as_str() {
            "/api/v1/accounts/verify_credentials" => "me",
            "/api/v1/accounts/7/statuses" => "own statuses",
            "/api/v2/media" => "upload",
            "/api/v1/statuses" => "post",
            path if path.starts_with("/api/v1/media/") => "media",
            _ => "nothing",
        }
    }

    fn answer(&self, step: &'static str, request: &Request) -> Reply {
        let mut state = self.0.lock().unwrap();
        if request.header("authorization") != format!("Bearer {TOKEN}") {
            return reply(401, json!({ "error": "The access token is invalid" }));
        }
        match step {
            "me" => reply(200, json!({ "id": "7", "username": "rain" })),
            "own statuses" => reply(200, Value::Array(state.statuses.iter().rev().map(told).collect())),
            "upload" => {
                let parts: HashMap<_, _> = parts(request).into_iter().collect();
                state.files.push(parts["file"].clone());
                state.media.push((String::from_utf8(parts["description"].clone()).unwrap(), 0));
                reply(202, json!({ "id": state.media.len().to_string(), "url": null }))
            }
            "media" => {
                let index: usize = request.path.rsplit('/').next().unwrap().parse().unwrap();
                state.media[index - 1].1 += 1;
                reply(200, json!({ "id": index.to_string(), "url": "http://media" }))
            }
            "post" => state.post(request),
            _ => reply(404, json!({ "error": "Record not found" })),
        }
    }

    fn texts(&self) -> Vec<String> {
        self.statuses().into_iter().map(|status| status.text).collect()
    }
}

fn told(status: &Status) -> Value {
    let html = status.text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;");
    let created_at = status.created_at.to_string();
    json!({ "id": status.id, "content": format!("<p>{html}</p>"), "created_at": created_at })
}

impl State {
    fn post(&mut self, request: &Request) -> Reply {
        let key = request.header("idempotency-key").to_owned();
        assert!(!key.is_empty());
        if let Some(&known) = self.keys.get(&key) {
            return reply(200, told(&self.statuses[known]));
        }
        let body = request.json();
        let text = body["status"].as_str().unwrap().to_owned();
        if text.chars().count() > 500 {
            return reply(422, json!({ "error": "Validation failed: Text character limit of 500 exceeded" }));
        }
        let media = body["media_ids"].as_array().unwrap();
        let of = |id: &Value| self.media[id.as_str().unwrap().parse::<usize>().unwrap() - 1].clone();
        let media: Vec<_> = media.iter().map(of).collect();
        if media.iter().any(|(_, looks)| *looks == 0) {
            return reply(422, json!({ "error": "Cannot attach files that have not finished processing" }));
        }
        let status = Status {
            id: (1000 + self.statuses.len()).to_string(),
            text,
            in_reply_to: body["in_reply_to_id"].as_str().map(str::to_owned),
            pictures: media.into_iter().map(|(description, _)| description).collect(),
            language: body["language"].as_str().unwrap().to_owned(),
            created_at: Timestamp::now(),
        };
        self.keys.insert(key, self.statuses.len());
        self.statuses.push(status);
        reply(200, told(&self.statuses[self.statuses.len() - 1]))
    }
}
