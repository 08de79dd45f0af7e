//! ntfy: a message to everybody who has subscribed to a topic, with a picture of the rain as its attachment.
//!
//! A post is known again by its text among the messages that the server keeps (`GET /<topic>/json?poll=1`).

use std::time::Duration;

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use raincell_api_types::alerts::RainEventKind;
use raincell_http_client::reqwest::{self, Method, RequestBuilder};
use serde::Deserialize;

use super::exchange::{Effect, Exchange};
use super::{Permit, Picture, PictureWish, PostError, PostText, Poster};
use crate::config::NtfyConfig;

const NAME: &str = "ntfy";
/// The most bytes of a message; a longer one becomes an attachment.
const LONGEST_MESSAGE: usize = 4096;
const MOST_PICTURE_BYTES: usize = 2_000_000;
/// How much older than the post a message may be that counts as its copy.
const SLACK: Duration = Duration::from_secs(60);

/// Posts to one topic.
#[derive(Debug)]
pub struct NtfyPoster {
    exchange: Exchange,
    config: NtfyConfig,
}

/// A message as the server tells it.
#[derive(Deserialize)]
struct Message {
    id: String,
    #[serde(default)]
    event: String,
    #[serde(default, rename = "message")]
    text: String,
}

impl NtfyPoster {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: &NtfyConfig, timeout: Duration) -> Result<Self, reqwest::Error> {
        Ok(Self { exchange: Exchange::new(NAME, timeout)?, config: config.clone() })
    }

    fn request(&self, method: Method, more: &str) -> RequestBuilder {
        let server = self.config.server.trim_end_matches('/');
        let request = self.exchange.http.request(method, format!("{server}/{}{more}", self.config.topic.reveal()));
        if self.config.token.is_empty() { request } else { request.bearer_auth(self.config.token.reveal()) }
    }
}

#[async_trait]
impl Poster for NtfyPoster {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wishes(&self) -> Vec<PictureWish> {
        let wish = |kind| PictureWish { kind, width: 720, height: 720, most_bytes: MOST_PICTURE_BYTES };
        self.config.picture.kinds().into_iter().map(wish).collect()
    }

    async fn find(&self, post: &PostText, permit: &Permit) -> Result<Option<String>, PostError> {
        let seconds = (post.waiting + SLACK).as_secs();
        let request = self.request(Method::GET, &format!("/json?poll=1&since={seconds}s"));
        let answer = self.exchange.send(permit, "read own messages", Effect::Hidden, request).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let messages = text.lines().filter(|line| !line.trim().is_empty());
        for line in messages {
            let message: Message = serde_json::from_str(line).map_err(|error| answer.unreadable(&error.to_string()))?;
            if message.event == "message" && post.is_told_by(&message.text) {
                return Ok(Some(message.id));
            }
        }
        Ok(None)
    }

    async fn send(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError> {
        if post.text.len() > LONGEST_MESSAGE {
            let reason = format!("the text has {} bytes, expected at most {LONGEST_MESSAGE}", post.text.len());
            return Err(PostError::Refused { target: NAME, step: "publish", reason });
        }
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (priority, tag) = manner(post.event.kind);
        let about = format!("?title={}&priority={priority}&tags={tag}", encoded(&post.event.place));
        let request = match picture {
            Some(picture) => {
                let about = format!("{about}&filename={}&message={}", picture.file_name(), encoded(&post.text));
                self.request(Method::PUT, &about).body(picture.bytes.clone())
            }
            None => self.request(Method::POST, &about).body(post.text.clone()),
        };
        let answer = self.exchange.send(permit, "publish", Effect::Publishes, request).await?;
        Ok(answer.json::<Message>()?.id)
    }
}

/// How loud, and with which emoji (ntfy's short codes).
fn manner(kind: RainEventKind) -> (u8, &'static str) {
    match kind {
        RainEventKind::Coming => (4, "umbrella"),
        RainEventKind::Begun => (3, "cloud_with_rain"),
        _ => (2, "partly_sunny"),
    }
}
