//! X as far as posting goes: who signs, in which order the steps come, how large what comes is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use jiff::Timestamp;
use raincell_alert::length::weighted_length;
use serde_json::{Value, json};

use super::multipart::parts;
use super::oauth::{self, Keys};
use super::{Platform, Reply, Request, StandIn, reply};

pub const KEYS: Keys = Keys {
    consumer_key: "app-key",
    consumer_secret: "app secret & more",
    token: "4711-token",
    token_secret: "token/secret=",
};
const ACCOUNT: &str = "4711";

#[derive(Default)]
struct Upload {
    media_type: String,
    total_bytes: usize,
    segments: BTreeMap<usize, Vec<u8>>,
    finalized: bool,
    looks: u32,
    alt: Option<String>,
}

/// A post that followers see.
#[derive(Clone, Debug)]
pub struct Tweet {
    pub id: String,
    pub text: String,
    pub reply_to: Option<String>,
    /// Bytes and alt text of its picture.
    pub picture: Option<(usize, String)>,
    created_at: Timestamp,
}

#[derive(Default)]
struct State {
    nonces: HashSet<String>,
    uploads: HashMap<String, Upload>,
    tweets: Vec<Tweet>,
}

#[derive(Default)]
pub struct X {
    state: Mutex<State>,
    host: std::sync::OnceLock<String>,
}

pub async fn start() -> StandIn<X> {
    let server = StandIn::start(X::default()).await;
    server.platform().host.set(server.url.clone()).unwrap();
    server
}

/// The section of the config.
pub fn toml(url: &str, more: &str) -> String {
    format!(
        "[alert.x]\nenabled = true\napi_url = '{url}'\nconsumer_key = '{}'\nconsumer_secret = '{}'\n\
         access_token = '{}'\naccess_token_secret = '{}'\n{more}\n",
        KEYS.consumer_key, KEYS.consumer_secret, KEYS.token, KEYS.token_secret
    )
}

impl X {
    pub fn tweets(&self) -> Vec<Tweet> {
        self.state.lock().unwrap().tweets.clone()
    }
}

impl Platform for X {
    fn step(&self, request: &Request) -> &'static str {
        match request.path.as_str() {
            "/2/media/upload/initialize" => "initialize",
            path if path.ends_with("/append") => "append",
            path if path.ends_with("/finalize") => "finalize",
            "/2/media/upload" => "status",
            "/2/media/metadata" => "describe",
            "/2/tweets" => "post",
            "/2/users/me" => "me",
            path if path.starts_with("/2/users/") => "own posts",
            _ => "nothing",
        }
    }

    fn answer(&self, step: &'static str, request: &Request) -> Reply {
        let mut state = self.state.lock().unwrap();
        let url = format!("{}{}", self.host.get().unwrap(), request.path);
        match oauth::check(&KEYS, &url, request, Timestamp::now().as_second() as u64) {
            Ok(nonce) if state.nonces.insert(nonce.clone()) => {}
            Ok(_) => return reply(401, "the nonce was used before"),
            Err(reason) => return reply(401, reason),
        }
        let done = match step {
            "me" => Ok(json!({ "data": { "id": ACCOUNT, "username": "rain" } })),
            "own posts" => state.own_posts(request),
            "initialize" => state.initialize(&request.json()),
            "append" => state.append(request),
            "finalize" => state.finalize(request),
            "status" => state.status(request),
            "describe" => state.describe(&request.json()),
            "post" => return state.post(&request.json()),
            _ => return reply(404, "there is no such path"),
        };
        match done {
            Ok(body) => reply(200, body),
            Err(reason) => reply(400, json!({ "title": "Invalid Request", "detail": reason })),
        }
    }

    fn texts(&self) -> Vec<String> {
        self.tweets().into_iter().map(|tweet| tweet.text).collect()
    }
}

fn id_of(request: &Request) -> &str {
    request.path.split('/').nth(4).unwrap()
}

impl State {
    fn initialize(&mut self, body: &Value) -> Result<Value, String> {
        let media_type = body["media_type"].as_str().ok_or("media_type")?.to_owned();
        let total_bytes = body["total_bytes"].as_u64().ok_or("total_bytes")? as usize;
        let category = if media_type == "image/gif" { "tweet_gif" } else { "tweet_image" };
        if body["media_category"] != category {
            return Err(format!("media_category {} of {media_type}", body["media_category"]));
        }
        if total_bytes > 15_000_000 {
            return Err(format!("{total_bytes} bytes"));
        }
        let id = format!("{}", 9000 + self.uploads.len());
        self.uploads.insert(id.clone(), Upload { media_type, total_bytes, ..Upload::default() });
        Ok(json!({ "data": { "id": id, "media_key": format!("16_{id}"), "expires_after_secs": 86400 } }))
    }

    fn append(&mut self, request: &Request) -> Result<Value, String> {
        let upload = self.uploads.get_mut(id_of(request)).ok_or("initialize comes first")?;
        if upload.finalized {
            return Err("append after finalize".into());
        }
        let parts: HashMap<_, _> = parts(request).into_iter().collect();
        let index = std::str::from_utf8(&parts["segment_index"]).unwrap().parse().map_err(|_| "segment_index")?;
        upload.segments.insert(index, parts["media"].clone());
        Ok(json!({ "data": {} }))
    }

    fn finalize(&mut self, request: &Request) -> Result<Value, String> {
        let id = id_of(request).to_owned();
        let upload = self.uploads.get_mut(&id).ok_or("initialize comes first")?;
        let bytes: Vec<u8> = upload.segments.values().flatten().copied().collect();
        if bytes.len() != upload.total_bytes || upload.segments.keys().copied().ne(0..upload.segments.len()) {
            return Err(format!("{} bytes of {}", bytes.len(), upload.total_bytes));
        }
        if upload.media_type == "image/gif" {
            check_gif(&bytes)?;
        }
        upload.finalized = true;
        Ok(json!({ "data": { "id": id, "processing_info": { "state": "pending", "check_after_secs": 0 } } }))
    }

    fn status(&mut self, request: &Request) -> Result<Value, String> {
        let id = request.parameter("media_id").ok_or("media_id")?;
        if request.parameter("command").as_deref() != Some("STATUS") {
            return Err("command".into());
        }
        let upload = self.uploads.get_mut(&id).filter(|upload| upload.finalized).ok_or("finalize comes first")?;
        upload.looks += 1;
        let state = if upload.looks > 1 { "succeeded" } else { "in_progress" };
        Ok(json!({ "data": { "id": id, "processing_info": { "state": state, "check_after_secs": 0 } } }))
    }

    fn describe(&mut self, body: &Value) -> Result<Value, String> {
        let id = body["id"].as_str().ok_or("id")?;
        let upload = self.uploads.get_mut(id).filter(|upload| upload.looks > 1).ok_or("it is not ready")?;
        let alt = body["metadata"]["alt_text"]["text"].as_str().ok_or("alt_text")?;
        upload.alt = Some(alt.to_owned());
        Ok(json!({ "data": { "id": id } }))
    }

    fn post(&mut self, body: &Value) -> Reply {
        let text = body["text"].as_str().unwrap_or_default().to_owned();
        if text.is_empty() || weighted_length(&text) > 280 {
            return reply(400, "the text is empty or too long");
        }
        let recently = Timestamp::now() - jiff::SignedDuration::from_hours(1);
        if self.tweets.iter().any(|tweet| tweet.text == text && tweet.created_at > recently) {
            return reply(403, "You are not allowed to create a Tweet with duplicate content.");
        }
        let reply_to = body["reply"]["in_reply_to_tweet_id"].as_str().map(str::to_owned);
        if let Some(parent) = &reply_to
            && !self.tweets.iter().any(|tweet| tweet.id == *parent)
        {
            return reply(400, "there is no such post to answer");
        }
        let picture = match body["media"]["media_ids"][0].as_str() {
            Some(id) => match self.uploads.get(id).filter(|upload| upload.looks > 1) {
                Some(upload) => Some((upload.total_bytes, upload.alt.clone().unwrap_or_default())),
                None => return reply(400, "the picture is not ready"),
            },
            None => None,
        };
        let id = format!("{}", 1_900_000_000_000_000_000_u64 + self.tweets.len() as u64);
        let created_at = Timestamp::now();
        self.tweets.push(Tweet { id: id.clone(), text: text.clone(), reply_to, picture, created_at });
        reply(201, json!({ "data": { "id": id, "text": text, "edit_history_tweet_ids": [id] } }))
    }

    fn own_posts(&self, request: &Request) -> Result<Value, String> {
        if request.path != format!("/2/users/{ACCOUNT}/tweets") {
            return Err("another account".into());
        }
        let most: usize = request.parameter("max_results").and_then(|n| n.parse().ok()).ok_or("max_results")?;
        let told = |tweet: &Tweet| {
            let mut text = tweet.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            if tweet.picture.is_some() {
                text.push_str(" https://t.co/Ab3dEf6hIj");
            }
            json!({ "id": tweet.id, "text": text, "created_at": tweet.created_at.to_string() })
        };
        let tweets: Vec<_> = self.tweets.iter().rev().take(most).map(told).collect();
        // Without any, there is no `data`.
        Ok(if tweets.is_empty() { json!({ "meta": {} }) } else { json!({ "data": tweets }) })
    }
}

/// At most 1280 x 1080 pixels, 350 frames, 300 million pixels in all.
fn check_gif(bytes: &[u8]) -> Result<(), String> {
    let mut decoder = gif::DecodeOptions::new().read_info(bytes).map_err(|e| e.to_string())?;
    let (width, height) = (u64::from(decoder.width()), u64::from(decoder.height()));
    let mut frames = 0;
    while decoder.read_next_frame().map_err(|e| e.to_string())?.is_some() {
        frames += 1;
    }
    let fits = width <= 1280 && height <= 1080 && frames <= 350 && frames * width * height <= 300_000_000;
    if fits { Ok(()) } else { Err(format!("{width} x {height}, {frames} frames")) }
}
