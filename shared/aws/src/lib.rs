//! How S3, SQS and DynamoDB are reached: region, endpoint, credentials and time-outs, the same for all three. Clients
//! are made from here, so that the SDKs are compiled for one crate and the rest of the house names them through it.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde::{Deserialize, Serialize};

pub use aws_sdk_dynamodb as dynamodb;
pub use aws_sdk_s3 as s3;
pub use aws_sdk_sqs as sqs;

/// Tries of one call before its caller hears of a failure: the SDK waits between them with jittered back-off.
const TRIES: u32 = 4;

/// Where and as whom. Credentials come from the usual places (environment, profile, instance role), never from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsSettings {
    /// The region, `us-east-1` for instance; what signatures are made for.
    pub region: String,
    /// Another endpoint than Amazon's, `http://127.0.0.1:4566` for instance; empty for Amazon's.
    pub endpoint: String,
    /// Unsigned requests, as public buckets take them.
    pub anonymous: bool,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self { region: "us-east-1".into(), endpoint: String::new(), anonymous: false }
    }
}

impl AwsSettings {
    /// The config that clients are made from. Nothing is sent yet; credentials are looked up with the first request.
    pub async fn load(&self) -> SdkConfig {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let time_outs = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(30))
            .operation_timeout(Duration::from_secs(90))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .http_client(http)
            .timeout_config(time_outs)
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES));
        if !self.endpoint.is_empty() {
            loader = loader.endpoint_url(&self.endpoint);
        }
        if self.anonymous {
            loader = loader.no_credentials();
        }
        loader.load().await
    }
}
