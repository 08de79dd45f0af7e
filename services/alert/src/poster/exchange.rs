//! One request to a target and what its answer means, the same for all targets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use raincell_http_client::reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use raincell_http_client::reqwest::{self, Client, RequestBuilder, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;

use super::{Permit, PostError};

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 2 << 20;
/// The most characters of an answer that are told.
const LONGEST_REASON: usize = 300;
/// Pause after a 429 that does not say how long.
const UNTOLD_PAUSE: Duration = Duration::from_secs(60);

/// What a request leads to at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that followers see: reading, logging in, laying a picture ready.
    Hidden,
    /// The post.
    Publishes,
}

/// Requests to one target.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub target: &'static str,
    pub http: Client,
}

impl Exchange {
    /// `timeout` is for each request, its answer included.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(target: &'static str, timeout: Duration) -> Result<Self, reqwest::Error> {
        // A post that is sent elsewhere than configured would carry its credentials there.
        let http = raincell_http_client::builder().timeout(timeout).redirect(redirect::Policy::none()).build()?;
        Ok(Self { target, http })
    }

    /// Sends one request; an answer is one of 2xx, everything else is an error.
    pub async fn send(
        &self,
        permit: &Permit,
        step: &'static str,
        effect: Effect,
        request: RequestBuilder,
    ) -> Result<Answer, PostError> {
        let target = self.target;
        if !permit.holds() {
            return Err(PostError::LeaseLost { target, step });
        }
        let lost = |reason| match effect {
            Effect::Publishes => PostError::Unknown { target, step, reason },
            Effect::Hidden => PostError::NotSent { target, step, reason },
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(PostError::NotSent { target, step, reason: told(error) });
            }
            Err(error) => return Err(lost(told(error))),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response).await;
        if status.is_success() {
            let body = body.map_err(|reason| lost(format!("answered {status}, then {reason}")))?;
            return Ok(Answer { target, step, effect, status, headers, body });
        }
        let said = excerpt(&body.unwrap_or_default());
        let reason = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => PostError::Limited { target, step, wait: wait(&headers) },
            StatusCode::UNAUTHORIZED => PostError::Unauthorized { target, step, reason },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => lost(reason),
            status if status.is_server_error() => lost(reason),
            _ => PostError::Refused { target, step, reason },
        })
    }
}

/// An answer of 2xx.
#[derive(Debug)]
pub(super) struct Answer {
    target: &'static str,
    step: &'static str,
    effect: Effect,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Its JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, PostError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// The error for an answer that does not say what it should.
    pub fn unreadable(&self, reason: &str) -> PostError {
        let (target, step) = (self.target, self.step);
        let reason = format!("the answer cannot be read: {reason}");
        match self.effect {
            Effect::Publishes => PostError::Unknown { target, step, reason },
            Effect::Hidden => PostError::NotSent { target, step, reason },
        }
    }

    /// What the target's clock says.
    pub fn now(&self) -> SystemTime {
        date(&self.headers).unwrap_or_else(SystemTime::now)
    }
}

/// What went wrong, without the URL: those of some targets are secrets.
fn told(error: reqwest::Error) -> String {
    use std::error::Error;
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(format!("more than {LONGEST_ANSWER} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()
}

/// How long a target asks to wait, counted from its own `Date`, so that nobody's clock has to be right.
///
/// `Retry-After` (RFC 9110), else the end of its window: `x-rate-limit-reset` (X) and `ratelimit-reset` (Bluesky) in
/// Unix seconds, `x-ratelimit-reset` (Mastodon) as RFC 3339.
fn wait(headers: &HeaderMap) -> Duration {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let now = date(headers).unwrap_or_else(SystemTime::now);
    let until = |time: SystemTime| time.duration_since(now).unwrap_or_default();
    let unix = |text: &str| Some(UNIX_EPOCH + Duration::from_secs(text.parse().ok()?));
    let rfc3339 = |text: &str| Some(SystemTime::from(text.parse::<jiff::Timestamp>().ok()?));
    let asked = text(RETRY_AFTER.as_str())
        .and_then(|text| text.parse().ok().map(Duration::from_secs).or_else(|| http_date(text).map(until)))
        .or_else(|| text("x-rate-limit-reset").and_then(unix).map(until))
        .or_else(|| text("ratelimit-reset").and_then(unix).map(until))
        .or_else(|| text("x-ratelimit-reset").and_then(rfc3339).map(until));
    asked.unwrap_or(UNTOLD_PAUSE).max(Duration::from_secs(1))
}

fn date(headers: &HeaderMap) -> Option<SystemTime> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<SystemTime> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.replace("GMT", "+0000")).ok()?;
    Some(time.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pairs: &[(&'static str, &str)]) -> u64 {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        wait(&headers).as_secs()
    }

    #[test]
    fn every_way_to_tell_a_reset_time_is_understood_by_the_clock_of_the_target() {
        // Its clock is years off.
        let date = ("date", "Thu, 01 Jan 2015 00:00:00 GMT");
        assert_eq!(seconds(&[date, ("retry-after", "17")]), 17);
        assert_eq!(seconds(&[date, ("retry-after", "Thu, 01 Jan 2015 00:02:00 GMT")]), 120);
        assert_eq!(seconds(&[date, ("x-rate-limit-reset", "1420070700")]), 300);
        assert_eq!(seconds(&[date, ("ratelimit-reset", "1420070430")]), 30);
        assert_eq!(seconds(&[date, ("x-ratelimit-reset", "2015-01-01T00:05:00.000Z")]), 300);
        assert_eq!(seconds(&[date, ("x-rate-limit-reset", "1420070000")]), 1);
        assert_eq!(seconds(&[("retry-after", "soon")]), 60);
    }

    #[test]
    fn what_a_target_says_is_told_in_one_short_line() {
        assert_eq!(excerpt(b"  <p>\r\n no\x07 </p>\n"), "<p> no </p>");
        assert_eq!(excerpt(&b"x".repeat(1000)).len(), 300);
    }
}
