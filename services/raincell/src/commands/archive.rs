//! `raincell archive`: files to where they outlive this machine.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use raincell_aws::s3::config::timeout::TimeoutConfig;
use raincell_aws::s3::config::{Builder, RequestChecksumCalculation};
use raincell_aws::s3::error::DisplayErrorContext;
use raincell_aws::s3::primitives::ByteStream;
use raincell_aws::{AwsSettings, s3};
use raincell_service_runtime::service;

use crate::cli::{ArchiveArguments, UsageError};
use crate::{Outcome, output};

/// A backup of a gigabyte over a slow line.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Puts each file below an address, under its own name, and prints where it is then. What cannot be put is named on
/// standard error; the rest goes on.
pub fn run(arguments: &ArchiveArguments) -> anyhow::Result<Outcome> {
    let (bucket, folder) = parts(&arguments.to)?;
    service::block_on(async {
        let client = client(arguments).await;
        let mut outcome = Outcome::AllDone;
        for file in &arguments.files {
            match put(&client, bucket, folder, file).await {
                Ok(address) => output::line(&format!("{} → {address}", file.display()))?,
                Err(error) => {
                    eprintln!("raincell: {}: {error:#}", file.display());
                    outcome = Outcome::SomeFailed;
                }
            }
        }
        Ok(outcome)
    })
}

async fn client(arguments: &ArchiveArguments) -> s3::Client {
    let settings =
        AwsSettings { region: arguments.region.clone(), endpoint: arguments.endpoint.clone(), anonymous: false };
    let time_outs =
        TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).operation_timeout(PATIENCE * 2).build();
    let config = Builder::from(&settings.load().await)
        .force_path_style(!arguments.endpoint.is_empty())
        // Not every server takes the checksum behind a body.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .timeout_config(time_outs)
        .build();
    s3::Client::from_conf(config)
}

async fn put(client: &s3::Client, bucket: &str, folder: &str, file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().and_then(|name| name.to_str()).context("has no name that an object could have")?;
    let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let body = ByteStream::from_path(file).await.map_err(|error| anyhow::anyhow!("{}", DisplayErrorContext(&error)))?;
    let address = format!("s3://{bucket}/{key}");
    let answer = client.put_object().bucket(bucket).key(key).body(body).send().await;
    answer.map_err(|error| anyhow::anyhow!("{address}: {}", DisplayErrorContext(&error)))?;
    Ok(address)
}

/// Bucket and folder of `s3://bucket/folder`.
fn parts(address: &str) -> Result<(&str, &str), UsageError> {
    let wrong = || UsageError(format!("--to is `{address}`, expected s3://BUCKET or s3://BUCKET/FOLDER"));
    let rest = address.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() { Err(wrong()) } else { Ok((bucket, folder.trim_matches('/'))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_folder() {
        assert_eq!(parts("s3://b/logs/hills/").unwrap(), ("b", "logs/hills"));
        assert_eq!(parts("s3://b").unwrap(), ("b", ""));
        for wrong in ["b/logs", "s3://", "s3:///logs", "https://b"] {
            assert!(parts(wrong).unwrap_err().to_string().contains(wrong));
        }
    }
}
