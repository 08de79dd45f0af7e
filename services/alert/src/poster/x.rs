//! X (v2): the picture in steps (initialize, append, finalize, look until it is ready, describe), then the post.
//!
//! X has no idempotency key. What became of a request whose answer was lost is read back from the account's own last
//! posts, by their text. Posting is paid for, and a post with a link costs many times as much, so that there are none
//! unless the config wants them.

pub mod sign;

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use raincell_api_types::alerts::RainEvent;
use raincell_http_client::reqwest::header::AUTHORIZATION;
use raincell_http_client::reqwest::multipart::{Form, Part};
use raincell_http_client::reqwest::{self, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::exchange::{Effect, Exchange};
use super::text::unescaped;
use super::{Permit, Picture, PictureKind, PictureWish, PostError, PostText, Poster};
use crate::config::XConfig;
use crate::length::{LONGEST_POST, weighted_length};

const NAME: &str = "x";
/// X takes up to 15 MB; one third loads on a phone.
const MOST_PICTURE_BYTES: usize = 5_000_000;
/// Bytes of a picture that are sent at a time.
const SEGMENT: usize = 1 << 20;
/// The longest alt text.
const LONGEST_ALT: usize = 1000;
/// Looks at a picture that X still works on, and the longest pause between two.
const LOOKS: u32 = 30;
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Own posts that are read back.
const READ_BACK: &str = "20";
/// How much older than the post its copy may seem to be, by the clock of X.
const SLACK: Duration = Duration::from_secs(600);

/// Posts as one account.
#[derive(Debug)]
pub struct XPoster {
    exchange: Exchange,
    config: XConfig,
    account: OnceCell<String>,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct WithId {
    id: String,
}

#[derive(Deserialize)]
struct Upload {
    #[serde(default)]
    processing_info: Option<Processing>,
}

#[derive(Deserialize)]
struct Processing {
    state: String,
    #[serde(default)]
    check_after_secs: u64,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Timeline {
    #[serde(default)]
    data: Vec<Tweet>,
}

#[derive(Deserialize)]
struct Tweet {
    id: String,
    text: String,
    created_at: jiff::Timestamp,
}

impl XPoster {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: &XConfig, timeout: Duration) -> Result<Self, reqwest::Error> {
        Ok(Self { exchange: Exchange::new(NAME, timeout)?, config: config.clone(), account: OnceCell::new() })
    }

    /// A signed request; the parameters go into its query.
    fn request(&self, method: Method, path: &str, parameters: &[(&str, &str)]) -> Result<RequestBuilder, PostError> {
        let not_signed = |reason| PostError::NotSent { target: NAME, step: "sign", reason };
        let url = format!("{}{path}", self.config.api_url.trim_end_matches('/'));
        let nonce = nonce().map_err(not_signed)?;
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let moment = sign::Moment { nonce: &nonce, timestamp };
        let header = sign::authorization(&self.config, method.as_str(), &url, parameters, moment);
        let mut full = reqwest::Url::parse(&url).map_err(|error| not_signed(error.to_string()))?;
        if !parameters.is_empty() {
            full.query_pairs_mut().extend_pairs(parameters);
        }
        Ok(self.exchange.http.request(method, full).header(AUTHORIZATION, header))
    }

    async fn account(&self, permit: &Permit) -> Result<&str, PostError> {
        let ask = async || {
            let request = self.request(Method::GET, "/2/users/me", &[])?;
            let answer = self.exchange.send(permit, "ask who we are", Effect::Hidden, request).await?;
            Ok(answer.json::<Data<WithId>>()?.data.id)
        };
        self.account.get_or_try_init(ask).await.map(String::as_str)
    }

    /// Lays a picture ready; gives its id.
    async fn upload(&self, post: &PostText, picture: &Picture, permit: &Permit) -> Result<String, PostError> {
        let category = if picture.media_type == "image/gif" { "tweet_gif" } else { "tweet_image" };
        let body = json!({
            "media_type": picture.media_type, "media_category": category, "total_bytes": picture.bytes.len(),
        });
        let request = self.request(Method::POST, "/2/media/upload/initialize", &[])?.json(&body);
        let answer = self.exchange.send(permit, "initialize", Effect::Hidden, request).await?;
        let id = answer.json::<Data<WithId>>()?.data.id;
        let path = |step: &str| format!("/2/media/upload/{id}/{step}");
        let mut rest = picture.bytes.clone();
        let mut index = 0;
        while !rest.is_empty() {
            let segment = rest.split_to(rest.len().min(SEGMENT));
            let media = Part::stream(segment).file_name(picture.file_name());
            let form = Form::new().text("segment_index", index.to_string()).part("media", media);
            let request = self.request(Method::POST, &path("append"), &[])?.multipart(form);
            self.exchange.send(permit, "append", Effect::Hidden, request).await?;
            index += 1;
        }
        let request = self.request(Method::POST, &path("finalize"), &[])?;
        let answer = self.exchange.send(permit, "finalize", Effect::Hidden, request).await?;
        self.processed(&id, answer.json::<Data<Upload>>()?.data, permit).await?;
        self.describe(post, &id, permit).await?;
        Ok(id)
    }

    /// Waits until X has looked through a picture.
    async fn processed(&self, id: &str, mut upload: Upload, permit: &Permit) -> Result<(), PostError> {
        let step = "wait for the picture";
        for _ in 0..LOOKS {
            let Some(processing) = upload.processing_info else { return Ok(()) };
            match processing.state.as_str() {
                "succeeded" => return Ok(()),
                "failed" => {
                    let reason = processing.error.map_or_else(|| "failed".into(), |error| error.to_string());
                    return Err(PostError::Refused { target: NAME, step, reason });
                }
                _ => tokio::time::sleep(Duration::from_secs(processing.check_after_secs).min(LONGEST_PAUSE)).await,
            }
            let parameters = [("command", "STATUS"), ("media_id", id)];
            let request = self.request(Method::GET, "/2/media/upload", &parameters)?;
            let answer = self.exchange.send(permit, step, Effect::Hidden, request).await?;
            upload = answer.json::<Data<Upload>>()?.data;
        }
        Err(PostError::NotSent { target: NAME, step, reason: format!("not ready after {LOOKS} looks") })
    }

    /// Adds the alt text; a picture that cannot be described goes all the same.
    async fn describe(&self, post: &PostText, id: &str, permit: &Permit) -> Result<(), PostError> {
        if post.event.alt.is_empty() {
            return Ok(());
        }
        let alt: String = post.event.alt.chars().take(LONGEST_ALT).collect();
        let body = json!({ "id": id, "metadata": { "alt_text": { "text": alt } } });
        let request = self.request(Method::POST, "/2/media/metadata", &[])?.json(&body);
        match self.exchange.send(permit, "describe", Effect::Hidden, request).await {
            Err(error) if error.is_final() => {
                tracing::warn!(key = post.key, %error, "the picture goes without its alt text");
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    fn check(&self, post: &PostText) -> Result<(), PostError> {
        let length = weighted_length(&post.text);
        let refused = |reason| Err(PostError::Refused { target: NAME, step: "post", reason });
        if length > LONGEST_POST {
            return refused(format!("the text counts {length} characters, expected at most {LONGEST_POST}"));
        }
        if !self.config.links && has_link(&post.text) {
            return refused("the text has a link, which costs more; `links = true` allows them".into());
        }
        Ok(())
    }
}

#[async_trait]
impl Poster for XPoster {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wishes(&self) -> Vec<PictureWish> {
        vec![PictureWish { kind: PictureKind::Gif, width: 1080, height: 1080, most_bytes: MOST_PICTURE_BYTES }]
    }

    async fn find(&self, post: &PostText, permit: &Permit) -> Result<Option<String>, PostError> {
        let path = format!("/2/users/{}/tweets", self.account(permit).await?);
        let parameters = [("max_results", READ_BACK), ("tweet.fields", "created_at")];
        let request = self.request(Method::GET, &path, &parameters)?;
        let answer = self.exchange.send(permit, "read own posts", Effect::Hidden, request).await?;
        let oldest = answer.now().checked_sub(post.waiting + SLACK);
        let oldest = oldest.and_then(|oldest| jiff::Timestamp::try_from(oldest).ok());
        let timeline: Timeline = answer.json()?;
        let recent = |tweet: &Tweet| oldest.is_none_or(|oldest| tweet.created_at >= oldest);
        let copy = timeline.data.iter().find(|tweet| recent(tweet) && post.is_told_by(&as_written(&tweet.text)));
        Ok(copy.map(|tweet| tweet.id.clone()))
    }

    async fn send(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError> {
        self.check(post)?;
        let mut body = json!({ "text": post.text });
        if let Some(picture) = picture {
            let id = self.upload(post, picture, permit).await.map_err(PostError::of_picture)?;
            body["media"] = json!({ "media_ids": [id] });
        }
        if let Some(parent) = &post.reply_to {
            body["reply"] = json!({ "in_reply_to_tweet_id": parent });
        }
        let request = self.request(Method::POST, "/2/tweets", &[])?.json(&body);
        let answer = self.exchange.send(permit, "post", Effect::Publishes, request).await?;
        Ok(answer.json::<Data<WithId>>()?.data.id)
    }

    fn price_usd(&self, event: &RainEvent) -> f64 {
        let post = if has_link(&event.text) { self.config.link_post_usd } else { self.config.post_usd };
        if event.alt.is_empty() { post } else { post + self.config.alt_text_usd }
    }

    fn daily_budget_usd(&self) -> Option<f64> {
        Some(self.config.daily_budget_usd)
    }
}

/// The text of a post as it was sent: X escapes `&`, `<` and `>`, and adds the short link of its picture.
fn as_written(text: &str) -> String {
    let text = text.trim_end();
    let bare = match text.rsplit_once(char::is_whitespace) {
        Some((bare, last)) if last.starts_with("https://t.co/") => bare,
        _ => text,
    };
    unescaped(bare)
}

/// True when X would make a link of some part of a text. It links bare domains, too: a dot before at
/// least two letters counts.
pub fn has_link(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let bare = |window: &[char]| {
        window[0].is_alphanumeric() && window[1] == '.' && window[2].is_alphabetic() && window[3].is_alphabetic()
    };
    text.contains("://") || characters.windows(4).any(bare)
}

fn nonce() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_posts_are_read_as_they_were_written() {
        assert_eq!(as_written("Wind &amp; rain &lt; 2 mm/h https://t.co/AbC123xyz0"), "Wind & rain < 2 mm/h");
        assert_eq!(as_written("Rain."), "Rain.");
    }

    #[test]
    fn links_are_told_from_full_stops() {
        for link in ["see https://a.example", "Radar: knmi.nl", "x.com"] {
            assert!(has_link(link), "{link}");
        }
        for text in ["Rain. Soon.", "12.5 mm/h", "St. Gallen: 3.2 mm/h, bis ca. 14:30.", "z.B. 4 mm"] {
            assert!(!has_link(text), "{text}");
        }
    }

    #[test]
    fn a_nonce_is_never_the_same() {
        let first = nonce().unwrap();
        assert_eq!(first.len(), 32);
        assert_ne!(first, nonce().unwrap());
    }
}
