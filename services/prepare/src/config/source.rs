//! One source: where its scans come from, and how.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use raincell_aws::AwsSettings;
use serde::Deserialize;

use super::Recipe;

/// How a source hands over its scans.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Files that appear in a folder.
    Folder,
    /// Files that appear in a directory of a web server that lists it.
    HttpIndex,
    /// Objects that appear in an S3 bucket, found by listing it.
    S3Poll,
    /// The same, announced by messages of an SQS queue; listing is the fallback.
    S3Sqs,
}

/// How the objects of a bucket are named.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One object a scan or a part of one, under a prefix that may hold the time.
    #[default]
    Objects,
    /// Real-time chunks of NEXRAD: `SITE/VOLUME/YYYYMMDD-HHMMSS-NNN-{S|I|E}`, volumes 1 to 999 in turn.
    NexradChunks,
}

/// One `[[prepare.sources]]` block.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Names the source in logs and metrics; composites are stored under it.
    pub name: String,
    /// On or off.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How it hands over its scans.
    #[serde(default = "folder")]
    pub kind: SourceKind,
    /// The folder, of a `folder` source.
    #[serde(default)]
    pub path: PathBuf,
    /// The directory, of an `http-index` source; `%Y`, `%m`, `%d`, `%H` stand for the time (UTC).
    #[serde(default)]
    pub url: String,
    /// Certificates to trust besides those that the machine trusts, PEM; of an `http-index` source.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// The bucket, of an S3 source.
    #[serde(default)]
    pub bucket: String,
    /// Beginning of the keys, of an S3 source; `%Y`, `%m`, `%d`, `%H` stand for the time (UTC).
    #[serde(default)]
    pub prefix: String,
    /// How the objects are named, of an S3 source.
    #[serde(default)]
    pub layout: Layout,
    /// Region of bucket and queue.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// S3-compatible endpoint; empty for Amazon's.
    #[serde(default)]
    pub endpoint: String,
    /// Unsigned requests to the bucket.
    #[serde(default)]
    pub anonymous: bool,
    /// The queue, of an `s3-sqs` source.
    #[serde(default)]
    pub queue_url: String,
    /// Seconds that a message stays hidden from other readers; extended while it is worked on.
    #[serde(default = "two_minutes_in_seconds")]
    pub visibility_seconds: f64,
    /// Seconds between two listings of an `s3-sqs` source while its queue answers.
    #[serde(default = "five_minutes_in_seconds")]
    pub fallback_seconds: f64,
    /// Names of the files that are taken, folders left out; of all kinds but `folder`.
    #[serde(default = "any_name")]
    pub pattern: String,
    /// Files older than this are left alone, minutes; of all kinds but `folder`.
    #[serde(default = "two_hours")]
    pub look_back_minutes: f64,
    /// After a time away the look-back begins at the last look, but at most this much earlier, hours.
    #[serde(default = "a_day")]
    pub catch_up_hours: f64,
    /// Seconds between two looks; 1 for a folder and 15 for the others where nothing is said.
    pub poll_seconds: Option<f64>,
    /// Seconds that a file which cannot be read is given to become whole.
    #[serde(default = "five")]
    pub settle_seconds: f64,
    /// Seconds without a new chunk after which an unfinished volume is used.
    #[serde(default = "a_minute")]
    pub chunk_idle_seconds: f64,
    /// Where bad files go; empty for `dead-letters` in the folder, or `dead-letters/<name>` here.
    #[serde(default)]
    pub dead_letters: PathBuf,
    /// Name of the frames; empty for the radar's own id.
    #[serde(default)]
    pub source: String,
    /// How a scan becomes rain.
    #[serde(default)]
    pub recipe: Recipe,
}

fn yes() -> bool {
    true
}

fn folder() -> SourceKind {
    SourceKind::Folder
}

fn us_east_1() -> String {
    AwsSettings::default().region
}

fn any_name() -> String {
    "*".to_owned()
}

fn two_hours() -> f64 {
    120.0
}

fn a_day() -> f64 {
    24.0
}

fn five() -> f64 {
    5.0
}

fn a_minute() -> f64 {
    60.0
}

fn two_minutes_in_seconds() -> f64 {
    120.0
}

fn five_minutes_in_seconds() -> f64 {
    300.0
}

impl SourceConfig {
    fn poll_seconds(&self) -> f64 {
        self.poll_seconds.unwrap_or(if self.kind == SourceKind::Folder { 1.0 } else { 15.0 })
    }

    /// Time between two looks.
    pub fn poll(&self) -> Duration {
        Duration::from_secs_f64(self.poll_seconds())
    }

    /// Time between two looks while a queue announces what comes.
    pub fn fallback(&self) -> Duration {
        Duration::from_secs_f64(self.fallback_seconds)
    }

    /// How long a message is hidden from other readers.
    pub fn visibility(&self) -> Duration {
        Duration::from_secs_f64(self.visibility_seconds)
    }

    /// How long a bad file may go on being written.
    pub fn settle(&self) -> Duration {
        Duration::from_secs_f64(self.settle_seconds)
    }

    /// Time without a new chunk after which an unfinished volume is used.
    pub fn chunk_idle(&self) -> Duration {
        Duration::from_secs_f64(self.chunk_idle_seconds)
    }

    /// Files from before this are left alone.
    pub fn look_back(&self) -> SignedDuration {
        SignedDuration::from_secs_f64(self.look_back_minutes * 60.0)
    }

    /// How much farther back is looked after a time away.
    pub fn catch_up(&self) -> SignedDuration {
        SignedDuration::from_secs_f64(self.catch_up_hours * 3600.0)
    }

    /// Where bucket and queue are.
    pub fn aws(&self) -> AwsSettings {
        AwsSettings { region: self.region.clone(), endpoint: self.endpoint.clone(), anonymous: self.anonymous }
    }

    /// Where bad files go.
    pub fn dead_letter_folder(&self) -> PathBuf {
        match self.kind {
            _ if !self.dead_letters.as_os_str().is_empty() => self.dead_letters.clone(),
            SourceKind::Folder => self.path.join("dead-letters"),
            _ => Path::new("dead-letters").join(&self.name),
        }
    }

    /// All that is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let name = &self.name;
        let mut problems = Vec::new();
        let positive = [
            ("poll_seconds", self.poll_seconds()),
            ("fallback_seconds", self.fallback_seconds),
            ("look_back_minutes", self.look_back_minutes),
            ("catch_up_hours", self.catch_up_hours),
            ("settle_seconds", self.settle_seconds),
            ("chunk_idle_seconds", self.chunk_idle_seconds),
            ("radius_km", self.recipe.radius_km),
            ("cell_km", self.recipe.cell_km),
        ];
        for (key, value) in positive {
            if !value.is_finite() || value <= 0.0 || value > 1e6 {
                problems.push(format!("sources `{name}`: {key} is {value}, expected a number above 0"));
            }
        }
        problems.extend(self.place_problems().into_iter().map(|problem| format!("sources `{name}`: {problem}")));
        if self.recipe.radius_km / self.recipe.cell_km > 5000.0 {
            problems.push(format!("sources `{name}`: radius_km / cell_km is above 5000 cells"));
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            problems.push(format!("sources: name `{name}` may hold letters, digits, `-` and `_` only"));
        }
        if !(0.0..=1.0).contains(&self.recipe.rhohv_minimum) {
            problems.push(format!("sources `{name}`: rhohv_minimum is {}, expected 0 to 1", self.recipe.rhohv_minimum));
        }
        problems
    }

    /// What its kind wants and does not get.
    fn place_problems(&self) -> Vec<String> {
        match self.kind {
            SourceKind::Folder if self.path.as_os_str().is_empty() => vec!["path is empty, expected a folder".into()],
            SourceKind::Folder => Vec::new(),
            SourceKind::HttpIndex => crate::http_index::check(self),
            SourceKind::S3Poll | SourceKind::S3Sqs => crate::s3::check(self),
        }
    }
}
