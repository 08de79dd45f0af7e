//! The place that is a bucket of S3, or of anything that speaks like it.

mod chunks;
mod notification;
mod objects;
mod queue;

use glob::Pattern;

use crate::config::{Layout, SourceConfig, SourceKind};

pub use objects::Objects;
pub use queue::Queue;

/// SQS hides messages for at most twelve hours.
const LONGEST_VISIBILITY: f64 = 43_200.0;

/// What is wrong with the settings of such a source.
pub fn check(source: &SourceConfig) -> Vec<String> {
    let mut problems = Vec::new();
    if source.bucket.is_empty() {
        problems.push("bucket is empty, expected the name of one".to_owned());
    }
    if source.region.is_empty() {
        problems.push("region is empty, expected one like us-east-1".to_owned());
    }
    if !source.endpoint.is_empty() && !is_address(&source.endpoint) {
        problems.push(format!("endpoint is `{}`, expected https://host or nothing", source.endpoint));
    }
    if let Err(error) = Pattern::new(&source.pattern) {
        problems.push(format!("pattern `{}`: {error}", source.pattern));
    }
    let is_site = source.prefix.strip_suffix('/').is_some_and(|site| !site.is_empty() && !site.contains(['/', '%']));
    if source.layout == Layout::NexradChunks && !is_site {
        problems.push(format!("prefix is `{}`, expected a radar like KLOT/ with layout nexrad-chunks", source.prefix));
    }
    if source.kind == SourceKind::S3Sqs {
        if !is_address(&source.queue_url) {
            problems.push(format!("queue_url is `{}`, expected the https:// address of a queue", source.queue_url));
        }
        let visibility = source.visibility_seconds;
        if !(10.0..=LONGEST_VISIBILITY).contains(&visibility) {
            problems.push(format!("visibility_seconds is {visibility}, expected 10 to {LONGEST_VISIBILITY}"));
        }
    }
    problems
}

fn is_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
