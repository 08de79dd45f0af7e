//! Bluesky: a record `app.bsky.feed.post` with a video or a still picture, by XRPC.
//!
//! The key of a record is chosen here, made from the idempotency key of the post: a second try under the same key
//! changes nothing, and whether there was a first one is one read away. Animated pictures are no image type of Bluesky:
//! the animation is a video, uploaded as any other blob (the simple way of its documentation), and shown as a GIF by
//! clients that know `presentation`.

use std::time::Duration;

use async_trait::async_trait;
use raincell_http_client::reqwest::header::CONTENT_TYPE;
use raincell_http_client::reqwest::{self, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::exchange::{Effect, Exchange};
use super::{Permit, Picture, PictureKind, PictureWish, PostError, PostText, Poster};
use crate::config::BlueskyConfig;

const NAME: &str = "bluesky";
const COLLECTION: &str = "app.bsky.feed.post";
/// The most bytes of an image (`app.bsky.embed.images`).
const MOST_IMAGE_BYTES: usize = 1_000_000;
/// The most bytes of a blob that a personal data server takes as it is installed. (`app.bsky.embed.video` itself has 50 MB
/// and, by later versions, more.)
const MOST_VIDEO_BYTES: usize = 5_000_000;
/// The most characters of an alt text (1000 graphemes, `app.bsky.embed.video`).
const LONGEST_ALT: usize = 1000;
/// The most graphemes of a text; code points are never fewer.
const LONGEST_TEXT: usize = 300;
/// The base 32 of record keys, in ascending order (AT Protocol, TID).
const TID_ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// Posts as one account.
#[derive(Debug)]
pub struct BlueskyPoster {
    exchange: Exchange,
    config: BlueskyConfig,
    session: Mutex<Option<Session>>,
}

/// A login; its tokens are not printed.
#[derive(Clone, Deserialize)]
struct Session {
    did: String,
    #[serde(rename = "accessJwt")]
    access: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("did", &self.did).finish_non_exhaustive()
    }
}

/// A record as others name it.
#[derive(Clone, Debug, Deserialize)]
struct Record {
    uri: String,
    cid: String,
    /// Of a record that is read: what it says.
    #[serde(default)]
    value: Value,
}

impl Record {
    /// What the outbox remembers of it.
    fn name(&self) -> String {
        format!("{} {}", self.uri, self.cid)
    }
}

impl BlueskyPoster {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: &BlueskyConfig, timeout: Duration) -> Result<Self, reqwest::Error> {
        Ok(Self { exchange: Exchange::new(NAME, timeout)?, config: config.clone(), session: Mutex::new(None) })
    }

    fn request(&self, method: Method, call: &str) -> RequestBuilder {
        let url = format!("{}/xrpc/{call}", self.config.server.trim_end_matches('/'));
        self.exchange.http.request(method, url)
    }

    /// The login of this process, made where there is none.
    async fn session(&self, permit: &Permit) -> Result<Session, PostError> {
        let mut known = self.session.lock().await;
        if let Some(session) = &*known {
            return Ok(session.clone());
        }
        let login = json!({ "identifier": self.config.identifier, "password": self.config.app_password.reveal() });
        let request = self.request(Method::POST, "com.atproto.server.createSession").json(&login);
        let answer = self.exchange.send(permit, "log in", Effect::Hidden, request).await?;
        let session: Session = answer.json()?;
        *known = Some(session.clone());
        Ok(session)
    }

    /// A login is good for some hours only: one that is not accepted, or has run out (400 `ExpiredToken`), is made anew
    /// with the next try.
    async fn forget_session_after<T>(&self, outcome: Result<T, PostError>) -> Result<T, PostError> {
        if !outcome.as_ref().is_err_and(is_expired) {
            return outcome;
        }
        *self.session.lock().await = None;
        outcome.map_err(|error| PostError::NotSent { target: NAME, step: "use the login", reason: error.to_string() })
    }

    async fn upload(&self, session: &Session, picture: &Picture, permit: &Permit) -> Result<Value, PostError> {
        let request = self
            .request(Method::POST, "com.atproto.repo.uploadBlob")
            .bearer_auth(&session.access)
            .header(CONTENT_TYPE, picture.media_type)
            .body(picture.bytes.clone());
        let answer = self.exchange.send(permit, "upload", Effect::Hidden, request).await?;
        let blob = answer.json::<Value>()?.get("blob").cloned();
        blob.ok_or_else(|| answer.unreadable("there is no blob"))
    }

    async fn read(&self, uri: &str, permit: &Permit) -> Result<Option<Record>, PostError> {
        let session = self.session(permit).await?;
        let mut parts = uri.trim_start_matches("at://").splitn(3, '/');
        let (Some(repo), Some(collection), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(None);
        };
        let call = format!("com.atproto.repo.getRecord?repo={repo}&collection={collection}&rkey={key}");
        let request = self.request(Method::GET, &call).bearer_auth(&session.access);
        match self.exchange.send(permit, "read a record", Effect::Hidden, request).await {
            Ok(answer) => Ok(Some(answer.json()?)),
            Err(PostError::Refused { reason, .. }) if is_missing(&reason) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The two ends of the thread that a reply must name.
    async fn reply(&self, parent: &str, permit: &Permit) -> Result<Option<Value>, PostError> {
        let Some((uri, cid)) = parent.split_once(' ') else { return Ok(None) };
        let Some(record) = self.read(uri, permit).await? else { return Ok(None) };
        let parent = json!({ "uri": uri, "cid": cid });
        let root = record.value.pointer("/reply/root").cloned().unwrap_or_else(|| parent.clone());
        Ok(Some(json!({ "root": root, "parent": parent })))
    }

    async fn post(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError> {
        let session = self.session(permit).await?;
        let created_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        let mut record = json!({
            "$type": COLLECTION, "text": post.text, "createdAt": created_at, "langs": [post.language()],
        });
        if let Some(picture) = picture {
            let blob = self.upload(&session, picture, permit).await.map_err(|error| match error {
                expired @ PostError::Refused { .. } if is_expired(&expired) => expired,
                error => error.of_picture(),
            })?;
            record["embed"] = embed(post, picture, &blob);
        }
        if let Some(parent) = &post.reply_to
            && let Some(reply) = self.reply(parent, permit).await?
        {
            record["reply"] = reply;
        }
        let body = json!({
            "repo": session.did, "collection": COLLECTION, "rkey": record_key(post), "record": record,
        });
        let request =
            self.request(Method::POST, "com.atproto.repo.createRecord").bearer_auth(&session.access).json(&body);
        let answer = self.exchange.send(permit, "post", Effect::Publishes, request).await?;
        Ok(answer.json::<Record>()?.name())
    }
}

/// The picture as a post holds it.
fn embed(post: &PostText, picture: &Picture, blob: &Value) -> Value {
    let size = json!({ "width": picture.width, "height": picture.height });
    let alt = post.alt(picture, LONGEST_ALT);
    if picture.media_type == PictureKind::Mp4.media_type() {
        let kind = "app.bsky.embed.video";
        return json!({ "$type": kind, "video": blob, "alt": alt, "aspectRatio": size, "presentation": "gif" });
    }
    let image = json!({ "image": blob, "alt": alt, "aspectRatio": size });
    json!({ "$type": "app.bsky.embed.images", "images": [image] })
}

/// True when the login is what is not accepted (400 `ExpiredToken`, 401).
fn is_expired(error: &PostError) -> bool {
    match error {
        PostError::Unauthorized { .. } => true,
        PostError::Refused { reason, .. } => reason.contains("ExpiredToken"),
        _ => false,
    }
}

#[async_trait]
impl Poster for BlueskyPoster {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wishes(&self) -> Vec<PictureWish> {
        let wish = |kind| match kind {
            PictureKind::Png => PictureWish { kind, width: 1080, height: 1080, most_bytes: MOST_IMAGE_BYTES },
            kind => PictureWish { kind, width: 720, height: 720, most_bytes: MOST_VIDEO_BYTES },
        };
        self.config.picture.kinds().into_iter().map(wish).collect()
    }

    async fn find(&self, post: &PostText, permit: &Permit) -> Result<Option<String>, PostError> {
        let found = async {
            let session = self.session(permit).await?;
            let uri = format!("at://{}/{COLLECTION}/{}", session.did, record_key(post));
            self.read(&uri, permit).await
        };
        let found = found.await;
        Ok(self.forget_session_after(found).await?.map(|record| record.name()))
    }

    async fn send(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError> {
        let length = post.text.chars().count();
        if length > LONGEST_TEXT {
            let reason = format!("the text has {length} characters, expected at most {LONGEST_TEXT}");
            return Err(PostError::Refused { target: NAME, step: "post", reason });
        }
        let sent = self.post(post, picture, permit).await;
        self.forget_session_after(sent).await
    }
}

/// What `getRecord` says of a record that is not there.
fn is_missing(reason: &str) -> bool {
    reason.contains("RecordNotFound")
        || reason.contains("Could not locate record")
        || reason.starts_with(StatusCode::NOT_FOUND.as_str())
}

/// A time stamp identifier (AT Protocol, TID): 53 bits of microseconds and 10 bits of a clock's number, here the time of
/// the event with its parts below a second and the number taken from the hash of the idempotency key.
fn record_key(post: &PostText) -> String {
    let hash = Sha256::digest(post.key.as_bytes());
    let hash = u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
    let second = post.event.time.as_second().max(0) as u64;
    let number = (((second * 1_000_000 + (hash >> 10) % 1_000_000) << 10) | (hash & 0x3ff)) & (u64::MAX >> 1);
    (0..13).rev().map(|digit| char::from(TID_ALPHABET[(number >> (5 * digit) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use raincell_api_types::alerts::RainEvent;

    fn key(key: &str, time: &str) -> String {
        let event = RainEvent { time: time.parse().unwrap(), ..RainEvent::default() };
        let (text, other_text) = (String::new(), String::new());
        record_key(&PostText { key: key.into(), text, other_text, event, reply_to: None, waiting: Duration::ZERO })
    }

    #[test]
    fn a_record_key_is_a_tid_of_the_event_and_its_own_for_each_post() {
        let first = key("a@bluesky", "2026-01-01T00:00:00Z");
        assert_eq!(first.len(), 13);
        assert!(b"234567abcdefghij".contains(&first.as_bytes()[0]), "{first}");
        assert_eq!(first, key("a@bluesky", "2026-01-01T00:00:00Z"));
        assert_ne!(first, key("b@bluesky", "2026-01-01T00:00:00Z"));
        assert!(first < key("a@bluesky", "2026-01-01T00:00:02Z"));
        assert!(first.starts_with("3mb"), "{first}");
    }
}
