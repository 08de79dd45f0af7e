//! What lies beyond this machine: the table, sources of raw scans, posting targets.

use std::time::Duration;

use jiff::Timestamp;
use raincell_aws::s3::error::DisplayErrorContext;
use raincell_aws::sqs::types::QueueAttributeName;
use raincell_aws::{AwsSettings, dynamodb, s3, sqs};
use raincell_prepare::{SourceConfig, SourceKind};
use raincell_store::Backend;

use super::Finding;
use super::web::Web;

/// How long an AWS call may take with its tries.
const PATIENCE: Duration = Duration::from_secs(20);
const RIGHTS: &str =
    "credentials come from the environment, a profile or the machine's role; what the role may do is in aws/*.yml";

pub(super) async fn database(web: &mut Web, config: &raincell_store::Config) -> Finding {
    const CHECK: &str = "database";
    if config.backend == Backend::Sqlite {
        let file = config.database.display().to_string();
        return match std::fs::metadata(&config.database) {
            Ok(found) => Finding::well(CHECK, file, format!("{} MB", found.len() >> 20)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::warning(
                CHECK,
                file,
                "not there yet: the store makes it when it starts",
                "is `database` right?",
            ),
            Err(error) => {
                let advice = "it belongs to the store's user: run the doctor as root, or correct its owner";
                Finding::wrong(CHECK, file, error.to_string(), advice)
            }
        };
    }
    let settings = AwsSettings { region: config.region.clone(), endpoint: config.endpoint.clone(), anonymous: false };
    let _ = web.ask(&endpoint(&settings, "dynamodb")).await;
    let client = dynamodb::Client::new(&settings.load().await);
    let subject = raincell_store::place(config);
    match within(client.describe_table().table_name(&config.table).send()).await {
        Ok(answer) => {
            let status =
                answer.table().and_then(|table| table.table_status()).map_or("unknown", |status| status.as_str());
            Finding::well(CHECK, subject, format!("the table is {}", status.to_lowercase()))
        }
        Err(reason) => {
            let advice = format!("`raincell store init` makes the table; {RIGHTS}");
            Finding::wrong(CHECK, subject, reason, &advice)
        }
    }
}

pub(super) async fn sources(web: &mut Web, config: &raincell_prepare::Config) -> Vec<Finding> {
    const CHECK: &str = "source";
    let mut findings = Vec::new();
    for source in config.enabled_sources() {
        let name = source.name.clone();
        let (found, advice) = match source.kind {
            SourceKind::Folder => (folder(&source), "make the folder, and let the prepare service's user read it"),
            SourceKind::HttpIndex => (index(web, &source).await, "correct `url`, or ask whoever runs that server"),
            SourceKind::S3Poll | SourceKind::S3Sqs => (bucket(web, &source).await, RIGHTS),
        };
        findings.push(match found {
            Ok(found) => Finding::well(CHECK, name, found),
            Err(reason) => Finding::wrong(CHECK, name, reason, advice),
        });
        if source.kind == SourceKind::S3Sqs {
            findings.push(queue(&source).await);
        }
    }
    if findings.is_empty() {
        findings.push(Finding::skipped(CHECK, "none is configured: no frames will come"));
    }
    findings
}

fn folder(source: &SourceConfig) -> Result<String, String> {
    let shown = source.path.display();
    let files = std::fs::read_dir(&source.path).map_err(|error| format!("{shown}: {error}"))?;
    Ok(format!("{shown} can be read, {} entries", files.count()))
}

async fn index(web: &mut Web, source: &SourceConfig) -> Result<String, String> {
    let url = raincell_prepare::address_at(&source.url, Timestamp::now());
    match web.ask(&url).await? {
        200..=299 => Ok(format!("{url} answers")),
        status => Err(format!("{url} answers with status {status}")),
    }
}

async fn bucket(web: &mut Web, source: &SourceConfig) -> Result<String, String> {
    let settings = source.aws();
    let _ = web.ask(&endpoint(&settings, "s3")).await;
    // As prepare makes it: with an endpoint of one's own the bucket is part of the path.
    let config =
        s3::config::Builder::from(&settings.load().await).force_path_style(!source.endpoint.is_empty()).build();
    let prefix = source.prefix.split('%').next().unwrap_or_default();
    let listing = s3::Client::from_conf(config).list_objects_v2().bucket(&source.bucket).prefix(prefix).max_keys(1);
    let answer = within(listing.send()).await.map_err(|reason| format!("s3://{}/{prefix}: {reason}", source.bucket))?;
    let holds = if answer.contents().is_empty() { "can be listed, holds nothing" } else { "can be listed" };
    Ok(format!("s3://{}/{prefix} {holds}", source.bucket))
}

async fn queue(source: &SourceConfig) -> Finding {
    const CHECK: &str = "queue";
    let settings = AwsSettings { anonymous: false, ..source.aws() };
    let client = sqs::Client::new(&settings.load().await);
    let request = client
        .get_queue_attributes()
        .queue_url(&source.queue_url)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .attribute_names(QueueAttributeName::RedrivePolicy);
    match within(request.send()).await {
        Ok(answer) => {
            let attribute = |name| answer.attributes().and_then(|all| all.get(&name));
            let waiting = attribute(QueueAttributeName::ApproximateNumberOfMessages).map_or("?", String::as_str);
            let found = format!("answers, {waiting} messages wait");
            if attribute(QueueAttributeName::RedrivePolicy).is_some() {
                return Finding::well(CHECK, &source.name, found);
            }
            let advice = "messages that are never finished come again for ever: aws/intake.yml makes a queue with one";
            Finding::warning(CHECK, &source.name, format!("{found}; it has no dead-letter queue"), advice)
        }
        Err(reason) => Finding::wrong(CHECK, &source.name, format!("{}: {reason}", source.queue_url), RIGHTS),
    }
}

pub(super) async fn targets(web: &mut Web, config: &raincell_alert::Config) -> Vec<Finding> {
    const CHECK: &str = "target";
    let all = [
        ("x", config.x.enabled, config.x.api_url.as_str()),
        ("mastodon", config.mastodon.enabled, config.mastodon.server.as_str()),
        ("bluesky", config.bluesky.enabled, config.bluesky.server.as_str()),
        ("ntfy", config.ntfy.enabled, config.ntfy.server.as_str()),
        ("webhook", config.webhook.enabled, origin(config.webhook.url.reveal())),
    ];
    let mut findings = Vec::new();
    for (name, _, url) in all.into_iter().filter(|(_, enabled, _)| *enabled) {
        findings.push(match web.ask(url).await {
            // Who answers anything at all is there; what it says of the keys, a real post tells.
            Ok(_) => Finding::well(CHECK, name, format!("{url} answers")),
            Err(reason) => Finding::wrong(
                CHECK,
                name,
                format!("{url} does not answer: {reason}"),
                "check the address and the way out of this machine; posts wait in the outbox meanwhile",
            ),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::skipped(CHECK, "none is switched on"));
    }
    findings
}

/// Scheme and host of an address whose path may be a secret.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |end| &url[..host + end])
}

/// Where a service of AWS answers.
fn endpoint(settings: &AwsSettings, service: &str) -> String {
    if settings.endpoint.is_empty() {
        return format!("https://{service}.{}.amazonaws.com/", settings.region);
    }
    settings.endpoint.clone()
}

/// Runs an AWS call, but not for ever.
async fn within<T, E>(call: impl Future<Output = Result<T, s3::error::SdkError<E>>>) -> Result<T, String>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(outcome) => outcome.map_err(|error| DisplayErrorContext(&error).to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_webhook_is_not_told() {
        assert_eq!(origin("https://hooks.test:8443/T0K3N/x"), "https://hooks.test:8443");
        assert_eq!(origin("https://hooks.test"), "https://hooks.test");
        assert_eq!(origin("nonsense/secret"), "nonsense");
    }
}
