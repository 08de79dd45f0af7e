//! Objects of a bucket: listed by prefix and time, fetched whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use glob::Pattern;
use jiff::Timestamp;
use raincell_aws::s3::Client;
use raincell_aws::s3::error::{DisplayErrorContext, SdkError};
use tokio::sync::Mutex;

use super::chunks::Volumes;
use crate::config::{Layout, SourceConfig};
use crate::ledger::Stamp;
use crate::place::{Listing, Place, Window};
use crate::time_pattern;

/// How long one object may take in all.
const TIMEOUT: Duration = Duration::from_secs(300);
/// A raw file is not larger than this.
const LARGEST_OBJECT: i64 = 512 << 20;

/// Objects that appear in a bucket.
#[derive(Debug)]
pub struct Objects {
    client: Client,
    source: String,
    bucket: String,
    /// May hold `%Y`, `%m`, `%d`, `%H`.
    prefix: String,
    pattern: Pattern,
    /// Where volumes of chunks take turns: which there are.
    volumes: Option<Mutex<Volumes>>,
}

impl Objects {
    /// The bucket of a source.
    ///
    /// # Errors
    /// When the pattern is none.
    pub async fn new(source: &SourceConfig) -> anyhow::Result<Self> {
        let settings = source.aws().load().await;
        // A bucket at an endpoint of one's own has no host name of its own.
        let config = raincell_aws::s3::config::Builder::from(&settings).force_path_style(!source.endpoint.is_empty());
        let volumes = (source.layout == Layout::NexradChunks).then(Mutex::default);
        Ok(Self {
            client: Client::from_conf(config.build()),
            source: source.name.clone(),
            bucket: source.bucket.clone(),
            prefix: source.prefix.clone(),
            pattern: Pattern::new(&source.pattern)?,
            volumes,
        })
    }

    /// True when an object of this bucket and key is one of this place's.
    pub fn takes(&self, bucket: &str, key: &str) -> bool {
        bucket == self.bucket && time_pattern::begins(key, &self.prefix) && self.is_wanted(key)
    }

    fn is_wanted(&self, key: &str) -> bool {
        let file_name = key.rsplit('/').next().unwrap_or(key);
        !file_name.is_empty() && self.pattern.matches(file_name)
    }

    /// What the config calls the prefix, as it is.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The objects under a prefix, in the order of their keys; those after a key where one is given.
    pub(super) async fn list_prefix(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> anyhow::Result<BTreeMap<String, Stamp>> {
        let mut objects = BTreeMap::new();
        let mut token = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
            let request = request.set_start_after(after.map(str::to_owned)).set_continuation_token(token);
            let page = self.timed("list", request.send()).await?;
            let page = page.with_context(|| format!("there is no s3://{}/{prefix}", self.bucket))?;
            for object in page.contents() {
                let (Some(key), Some(changed)) = (object.key(), object.last_modified()) else { continue };
                let bytes = u64::try_from(object.size().unwrap_or(0)).unwrap_or(0);
                objects.insert(key.to_owned(), Stamp { bytes, changed_ms: changed.secs() * 1000 });
            }
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Ok(objects);
            }
        }
    }

    /// The folders directly under a prefix.
    pub(super) async fn folders(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let mut folders = Vec::new();
        let mut token = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
            let page = self.timed("list", request.set_continuation_token(token).send()).await?;
            let page = page.with_context(|| format!("there is no s3://{}/{prefix}", self.bucket))?;
            folders.extend(page.common_prefixes().iter().filter_map(|folder| folder.prefix()).map(str::to_owned));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Ok(folders);
            }
        }
    }

    /// Runs a request and counts it; `None` says that what it is about is not there.
    async fn timed<T, E>(
        &self,
        call: &'static str,
        request: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> anyhow::Result<Option<T>>
    where
        E: std::error::Error + Send + Sync + 'static + raincell_aws::s3::error::ProvideErrorMetadata,
    {
        let began = Instant::now();
        let outcome = request.await;
        let gone = matches!(&outcome, Err(SdkError::ServiceError(error))
            if matches!(error.err().code(), Some("NoSuchKey" | "NotFound")));
        let label = match &outcome {
            Ok(_) => "ok",
            Err(_) if gone => "gone",
            Err(_) => "failed",
        };
        metrics::counter!("raincell_prepare_s3_requests_total",
            "source" => self.source.clone(), "call" => call, "outcome" => label)
        .increment(1);
        metrics::histogram!("raincell_prepare_s3_seconds", "source" => self.source.clone(), "call" => call)
            .record(began.elapsed().as_secs_f64());
        match outcome {
            Ok(answer) => Ok(Some(answer)),
            Err(_) if gone => Ok(None),
            Err(error) => bail!("{call} in s3://{}: {}", self.bucket, DisplayErrorContext(&error)),
        }
    }

    async fn get(&self, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        let Some(object) = self.timed("get", request.send()).await? else { return Ok(None) };
        if object.content_length().is_some_and(|bytes| bytes > LARGEST_OBJECT) {
            bail!("s3://{}/{key} is larger than {} MiB", self.bucket, LARGEST_OBJECT >> 20);
        }
        let body = object.body.collect().await.with_context(|| format!("s3://{}/{key} breaks off", self.bucket))?;
        Ok(Some(body.to_vec()))
    }
}

impl Place for Objects {
    const KIND: &'static str = "s3";
    const WINDOWED: bool = true;
    const ATOMIC: bool = true;

    async fn list(&self, window: Window) -> anyhow::Result<Listing> {
        let begin_ms = window.begin.as_millisecond();
        let mut listing = Listing::default();
        if let Some(volumes) = &self.volumes {
            listing.files = volumes.lock().await.list(self, window).await?;
        } else {
            for prefix in time_pattern::between(&self.prefix, window.begin, window.end) {
                listing.files.extend(self.list_prefix(&prefix, None).await?);
            }
        }
        listing.files.retain(|key, stamp| stamp.changed_ms >= begin_ms && self.is_wanted(key));
        Ok(listing)
    }

    async fn stamp(&self, name: &str) -> anyhow::Result<Option<Stamp>> {
        let request = self.client.head_object().bucket(&self.bucket).key(name);
        let Some(object) = self.timed("head", request.send()).await? else { return Ok(None) };
        let bytes = u64::try_from(object.content_length().unwrap_or(0)).unwrap_or(0);
        let changed_ms = object.last_modified().map_or(0, |changed| changed.secs() * 1000);
        Ok(Some(Stamp { bytes, changed_ms }))
    }

    async fn fetch(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        tokio::time::timeout(TIMEOUT, self.get(name))
            .await
            .with_context(|| format!("s3://{}/{name}: not within {} s", self.bucket, TIMEOUT.as_secs()))?
    }

    /// Objects stay in their bucket.
    async fn set_aside(&self, _names: &[String], _reason: &str, _now: Timestamp) -> anyhow::Result<Option<PathBuf>> {
        Ok(None)
    }

    async fn bring_back(&self, _names: &[String]) -> anyhow::Result<()> {
        Ok(())
    }
}
