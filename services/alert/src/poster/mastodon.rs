//! Mastodon and what speaks its API: media with a description, then a status under an idempotency key.
//!
//! Plain REST of `/api/v1` and `/api/v2`: four paths are needed. The server keeps an `Idempotency-Key` for an hour,
//! which is longer than news are tried; own last statuses are read back for what is sent again later than that.

use std::time::Duration;

use async_trait::async_trait;
use raincell_http_client::reqwest::multipart::{Form, Part};
use raincell_http_client::reqwest::{self, Method, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::exchange::{Effect, Exchange};
use super::text::plain_of_html;
use super::{Permit, Picture, PictureWish, PostError, PostText, Poster};
use crate::config::MastodonConfig;

const NAME: &str = "mastodon";
const MOST_PICTURE_BYTES: usize = 8_000_000;
/// The longest description of a picture.
const LONGEST_ALT: usize = 1500;
/// Looks at a picture that the server still works on, and the pause between two.
const LOOKS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// How much older than the post a status may be that counts as its copy, by the server's clock.
const SLACK: Duration = Duration::from_secs(600);

/// Posts as one account.
#[derive(Debug)]
pub struct MastodonPoster {
    exchange: Exchange,
    config: MastodonConfig,
    account: OnceCell<String>,
}

#[derive(Deserialize)]
struct WithId {
    id: String,
}

#[derive(Deserialize)]
struct Status {
    id: String,
    content: String,
    created_at: jiff::Timestamp,
}

#[derive(Serialize)]
struct NewStatus<'a> {
    status: &'a str,
    visibility: &'a str,
    language: &'a str,
    media_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to_id: Option<&'a str>,
}

impl MastodonPoster {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: &MastodonConfig, timeout: Duration) -> Result<Self, reqwest::Error> {
        Ok(Self { exchange: Exchange::new(NAME, timeout)?, config: config.clone(), account: OnceCell::new() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.config.server.trim_end_matches('/'));
        self.exchange.http.request(method, url).bearer_auth(self.config.access_token.reveal())
    }

    async fn account(&self, permit: &Permit) -> Result<&str, PostError> {
        let ask = async || {
            let request = self.request(Method::GET, "/api/v1/accounts/verify_credentials");
            let answer = self.exchange.send(permit, "ask who we are", Effect::Hidden, request).await?;
            Ok(answer.json::<WithId>()?.id)
        };
        self.account.get_or_try_init(ask).await.map(String::as_str)
    }

    /// Lays a picture ready; gives its id.
    async fn upload(&self, post: &PostText, picture: &Picture, permit: &Permit) -> Result<String, PostError> {
        let refused = |reason: String| PostError::Refused { target: NAME, step: "upload", reason };
        let file = Part::stream(picture.bytes.clone())
            .file_name(picture.file_name())
            .mime_str(picture.media_type)
            .map_err(|error| refused(error.to_string()))?;
        let form = Form::new().part("file", file).text("description", post.alt(picture, LONGEST_ALT));
        let request = self.request(Method::POST, "/api/v2/media").multipart(form);
        let answer = self.exchange.send(permit, "upload", Effect::Hidden, request).await?;
        let id = answer.json::<WithId>()?.id;
        if answer.status == StatusCode::ACCEPTED {
            self.processed(&id, permit).await?;
        }
        Ok(id)
    }

    /// Waits until the server has converted a picture.
    async fn processed(&self, id: &str, permit: &Permit) -> Result<(), PostError> {
        for _ in 0..LOOKS {
            let request = self.request(Method::GET, &format!("/api/v1/media/{id}"));
            let answer = self.exchange.send(permit, "wait for the picture", Effect::Hidden, request).await?;
            if answer.status == StatusCode::OK {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        let reason = format!("not ready after {LOOKS} looks");
        Err(PostError::NotSent { target: NAME, step: "wait for the picture", reason })
    }
}

#[async_trait]
impl Poster for MastodonPoster {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wishes(&self) -> Vec<PictureWish> {
        let wish = |kind| PictureWish { kind, width: 720, height: 720, most_bytes: MOST_PICTURE_BYTES };
        self.config.picture.kinds().into_iter().map(wish).collect()
    }

    async fn find(&self, post: &PostText, permit: &Permit) -> Result<Option<String>, PostError> {
        let account = self.account(permit).await?;
        let request = self.request(Method::GET, &format!("/api/v1/accounts/{account}/statuses?limit=40"));
        let answer = self.exchange.send(permit, "read own statuses", Effect::Hidden, request).await?;
        let statuses: Vec<Status> = answer.json()?;
        let oldest = answer.now().checked_sub(post.waiting + SLACK);
        let recent = |status: &Status| oldest.is_none_or(|oldest| status.created_at >= timestamp(oldest));
        let copy = |status: &&Status| recent(status) && post.is_told_by(&plain_of_html(&status.content));
        Ok(statuses.iter().find(copy).map(|status| status.id.clone()))
    }

    async fn send(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError> {
        let length = post.text.chars().count();
        if length > self.config.most_characters {
            let reason = format!("the text has {length} characters, expected at most {}", self.config.most_characters);
            return Err(PostError::Refused { target: NAME, step: "post", reason });
        }
        let media_ids = match picture {
            Some(picture) => vec![self.upload(post, picture, permit).await.map_err(PostError::of_picture)?],
            None => Vec::new(),
        };
        let status = NewStatus {
            status: &post.text,
            visibility: &self.config.visibility,
            language: post.language(),
            media_ids,
            in_reply_to_id: post.reply_to.as_deref(),
        };
        let request = self.request(Method::POST, "/api/v1/statuses").header("Idempotency-Key", &post.key).json(&status);
        let answer = self.exchange.send(permit, "post", Effect::Publishes, request).await?;
        Ok(answer.json::<WithId>()?.id)
    }
}

fn timestamp(time: std::time::SystemTime) -> jiff::Timestamp {
    jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MIN)
}
