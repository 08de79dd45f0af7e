//! Questions over HTTP, and what the answers say of the time.

use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use raincell_http_client::reqwest::header::{self, HeaderMap};
use raincell_http_client::reqwest::{Client, RequestBuilder, Response, Url};

use super::Finding;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A clock that is off by more is told of: forecasts are late or early by so much.
const NOTICEABLE: SignedDuration = SignedDuration::from_secs(30);
/// S3, SQS and DynamoDB refuse requests that are signed by a clock further off.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// Asks, and remembers by how much the clocks of those who answered differ from ours.
pub struct Web {
    client: Client,
    offsets: Vec<(String, SignedDuration)>,
}

impl Web {
    pub fn new() -> anyhow::Result<Self> {
        let client = raincell_http_client::builder().timeout(PATIENCE).build().context("no HTTP client can be made")?;
        Ok(Self { client, offsets: Vec::new() })
    }

    /// The answer, whatever its status; else why there is none.
    pub async fn get(&self, url: &str, bearer: &str) -> Result<Response, String> {
        let request = self.client.get(url);
        let request = if bearer.is_empty() { request } else { request.bearer_auth(bearer) };
        send(request).await
    }

    /// The status of what is answered to JSON; else why nothing is.
    pub async fn post(&self, url: Url, headers: HeaderMap, json: &'static str) -> Result<u16, String> {
        let request =
            self.client.post(url).header(header::CONTENT_TYPE, "application/json").headers(headers).body(json);
        send(request).await.map(|answer| answer.status().as_u16())
    }

    /// Asks another machine, and looks at its clock. Its status, or why there is no answer.
    pub async fn ask(&mut self, url: &str) -> Result<u16, String> {
        let began = Timestamp::now();
        let answer = self.get(url, "").await?;
        let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(theirs) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            let host = answer.url().host_str().unwrap_or("?").to_owned();
            self.offsets.push((host, began.duration_since(theirs.timestamp())));
        }
        Ok(answer.status().as_u16())
    }

    /// What the answers so far say of this machine's clock.
    pub fn clock(&self) -> Finding {
        // Several of them must be wrong alike before a right clock is blamed: the middle one counts.
        let mut offsets = self.offsets.clone();
        offsets.sort_by_key(|(_, offset)| *offset);
        let Some((host, offset)) = offsets.get(offsets.len() / 2) else {
            return Finding::skipped("clock", "no other machine has answered, so there is none to compare with");
        };
        judge(host, *offset)
    }
}

async fn send(request: RequestBuilder) -> Result<Response, String> {
    request.send().await.map_err(|error| {
        if error.is_timeout() {
            return format!("no answer within {} s", PATIENCE.as_secs());
        }
        // Without the address, which may hold a token.
        raincell_http_client::chain(&error.without_url())
    })
}

fn judge(host: &str, offset: SignedDuration) -> Finding {
    let seconds = offset.as_secs();
    let side = if seconds < 0 { "behind" } else { "ahead of" };
    let found = format!("{} s {side} {host}", seconds.abs());
    let advice =
        "have the time set: `timedatectl set-ntp true`, then `chronyc tracking` or `timedatectl timesync-status`";
    if offset.abs() > REFUSED {
        Finding::wrong("clock", "", format!("{found}: S3, SQS and DynamoDB refuse what it signs"), advice)
    } else if offset.abs() > NOTICEABLE {
        Finding::warning("clock", "", found, advice)
    } else {
        Finding::well("clock", "", found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_clock_is_wrong_when_its_signatures_are_refused() {
        let state = |seconds| judge("x", SignedDuration::from_secs(seconds)).state;
        assert_eq!(
            (state(1), state(-20), state(-40), state(301)),
            (State::Well, State::Well, State::Warning, State::Wrong)
        );
        assert!(judge("x", SignedDuration::from_secs(-40)).found.contains("40 s behind x"));
    }
}
