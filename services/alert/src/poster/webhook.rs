//! A signed webhook: each post as JSON to a URL of one's own.
//!
//! Signed as the Standard Webhooks specification (1.0.0) says, which has libraries in most languages: the headers are
//! `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature` (`v1,` and the Base64 of HMAC-SHA-256 over
//! `<id>.<timestamp>.<body>`). The id is the idempotency key of the post: the same for every try, so that a receiver
//! that has seen it answers 200 and does nothing. A receiver refuses time stamps that are more than five minutes off
//! ([`REPLAY_WINDOW`]); each try has a time stamp and a signature of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use raincell_api_types::alerts::RainEvent;
use raincell_http_client::reqwest;
use raincell_http_client::reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use sha2::Sha256;

use super::exchange::{Effect, Exchange};
use super::{Permit, Picture, PictureWish, PostError, PostText, Poster};
use crate::config::WebhookConfig;
use crate::secret::Secret;

/// How far the time stamp of a delivery may be from the receiver's clock.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(300);
const NAME: &str = "webhook";
const MOST_PICTURE_BYTES: usize = 3_000_000;

/// The body of a delivery.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    /// Idempotency key.
    key: &'a str,
    /// What to tell.
    text: &'a str,
    event: &'a RainEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<EncodedPicture>,
}

#[derive(Serialize)]
struct EncodedPicture {
    media_type: &'static str,
    width: u32,
    height: u32,
    base64: String,
}

/// Posts to a URL.
#[derive(Debug)]
pub struct WebhookPoster {
    exchange: Exchange,
    config: WebhookConfig,
}

impl WebhookPoster {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: &WebhookConfig, timeout: Duration) -> Result<Self, reqwest::Error> {
        Ok(Self { exchange: Exchange::new(NAME, timeout)?, config: config.clone() })
    }
}

#[async_trait]
impl Poster for WebhookPoster {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wishes(&self) -> Vec<PictureWish> {
        let wish = |kind| PictureWish { kind, width: 720, height: 720, most_bytes: MOST_PICTURE_BYTES };
        self.config.picture.kinds().into_iter().map(wish).collect()
    }

    /// The receiver knows by the key what it has.
    async fn find(&self, _post: &PostText, _permit: &Permit) -> Result<Option<String>, PostError> {
        Ok(None)
    }

    async fn send(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError> {
        let picture = picture.map(|picture| EncodedPicture {
            media_type: picture.media_type,
            width: picture.width,
            height: picture.height,
            base64: STANDARD.encode(&picture.bytes),
        });
        let body = Body { r#type: "rain.event", key: &post.key, text: &post.text, event: &post.event, picture };
        let refused = |reason| PostError::Refused { target: NAME, step: "write the body", reason };
        let body = serde_json::to_vec(&body).map_err(|error| refused(error.to_string()))?;
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = signature(&self.config.secret, &post.key, timestamp, &body).map_err(refused)?;
        let request = self
            .exchange
            .http
            .post(self.config.url.reveal())
            .header("webhook-id", &post.key)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", format!("v1,{signature}"))
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let answer = self.exchange.send(permit, "deliver", Effect::Publishes, request).await?;
        Ok(format!("{} {}", post.key, answer.status.as_u16()))
    }
}

/// Base64 of HMAC-SHA-256 over `<id>.<timestamp>.<body>`. The secret is Base64 after `whsec_`, or else its own bytes.
fn signature(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> Result<String, String> {
    let key = match secret.reveal().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "the secret is no Base64 after whsec_".to_owned())?,
        None => secret.reveal().as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_another_implementation() {
        // By Python: base64(hmac(b"key", b"id.1700000000.{}", sha256)), and with the key as Base64.
        let expected = "/Hqug/JsMUvI3mrKxx95W1oU9WZJN5/KNqtUvtF4fLc=";
        for secret in ["key", "whsec_a2V5"] {
            assert_eq!(signature(&Secret::new(secret), "id", 1_700_000_000, b"{}").unwrap(), expected);
        }
        assert!(signature(&Secret::new("whsec_%"), "id", 0, b"").is_err());
    }
}
