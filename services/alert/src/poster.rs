//! Where posts go. Each target is a module of its own with its own switch in the config.
//!
//! A poster is told one post at a time and keeps nothing between two. What it cannot know, whether a request whose
//! answer was lost had its effect, it says so ([`PostError::Unknown`]); the outbox then asks [`Poster::find`] before
//! it has the post sent again.

mod exchange;
mod permit;
mod text;

pub mod bluesky;
pub mod dry_run;
pub mod feed;
pub mod mastodon;
pub mod ntfy;
pub mod webhook;
pub mod x;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use raincell_api_types::alerts::RainEvent;
use raincell_words::still_alt_text;
use serde::Deserialize;
use thiserror::Error;

pub use dry_run::DryRunPoster;
pub use permit::Permit;

/// The words of a post and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PostText {
    /// Idempotency key, the same for every try; letters, digits, hyphens and `@`.
    pub key: String,
    /// What is posted: at most 280 characters as X counts them.
    pub text: String,
    /// What an earlier try may have posted instead (with or without the minutes until the start).
    pub other_text: String,
    /// The event that it tells of.
    pub event: RainEvent,
    /// What the target calls the post that this one answers, as [`Poster::send`] has given it.
    pub reply_to: Option<String>,
    /// For how long the post waits already: no copy of it at the target can be older.
    pub waiting: Duration,
}

impl PostText {
    /// The language of the text (BCP 47).
    pub fn language(&self) -> &str {
        if self.event.language.is_empty() { "en" } else { &self.event.language }
    }

    /// What `picture` shows, for those who do not see it, in at most so many characters.
    pub fn alt(&self, picture: &Picture, longest: usize) -> String {
        let is_still = picture.media_type == PictureKind::Png.media_type() && self.event.facts.is_some();
        let alt = if is_still { still_alt_text(&self.event) } else { self.event.alt.clone() };
        alt.chars().take(longest).collect()
    }

    /// True when `found` is the text of this post or of an earlier try.
    pub fn is_told_by(&self, found: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = words(found);
        found == words(&self.text) || found == words(&self.other_text)
    }
}

/// A picture as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The file.
    pub bytes: Bytes,
    /// As in [`PictureKind::media_type`].
    pub media_type: &'static str,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Picture {
    /// What its file is called.
    pub fn file_name(&self) -> &'static str {
        match self.media_type {
            "image/png" => "rain.png",
            "video/mp4" => "rain.mp4",
            _ => "rain.gif",
        }
    }
}

/// Kinds of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureKind {
    /// An animated GIF.
    Gif,
    /// The same as a video without sound, H.264.
    Mp4,
    /// A still of now.
    Png,
}

impl PictureKind {
    /// As targets want it named.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Gif => "image/gif",
            Self::Mp4 => "video/mp4",
            Self::Png => "image/png",
        }
    }
}

/// Which picture a target takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PictureWish {
    /// What it is.
    pub kind: PictureKind,
    /// Pixels in a row; a picture with too many bytes is made again with fewer.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The most bytes.
    pub most_bytes: usize,
}

/// Why a post did not go out.
#[derive(Debug, Error)]
pub enum PostError {
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It did not reach the target, or the target could not take it: it is not out.
    #[error("{target}: {step}: {reason}")]
    NotSent {
        /// Which target.
        target: &'static str,
        /// What was asked of it.
        step: &'static str,
        /// What happened instead.
        reason: String,
    },
    /// The request went out and the answer did not come back: the post may be out.
    #[error("{target}: {step}: {reason}; it may have been posted")]
    Unknown {
        /// Which target.
        target: &'static str,
        /// What was asked of it.
        step: &'static str,
        /// What happened instead.
        reason: String,
    },
    /// The target wants a pause.
    #[error("{target}: {step}: too many requests, again in {} s", wait.as_secs())]
    Limited {
        /// Which target.
        target: &'static str,
        /// What was asked of it.
        step: &'static str,
        /// How long, by the target's own clock.
        wait: Duration,
    },
    /// The target does not accept the credentials, which somebody may mend while the news are fresh.
    #[error("{target}: {step}: the credentials are not accepted: {reason}")]
    Unauthorized {
        /// Which target.
        target: &'static str,
        /// What was asked of it.
        step: &'static str,
        /// What it said.
        reason: String,
    },
    /// The target will not take this post, however often it is sent.
    #[error("{target}: {step}: refused: {reason}")]
    Refused {
        /// Which target.
        target: &'static str,
        /// What was asked of it.
        step: &'static str,
        /// What it said.
        reason: String,
    },
    /// The target does not take this picture; another one, or the text alone, it may.
    #[error("{target}: {step}: the picture is refused: {reason}")]
    PictureRefused {
        /// Which target.
        target: &'static str,
        /// What was asked of it.
        step: &'static str,
        /// What it said.
        reason: String,
    },
    /// Another process sends by now.
    #[error("{target}: {step}: the lease is lost, another process goes on")]
    LeaseLost {
        /// Which target.
        target: &'static str,
        /// What would have been asked of it.
        step: &'static str,
    },
}

impl PostError {
    /// True when another try cannot change anything.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// What laying a picture ready ran into: where it is refused, the post is not.
    fn of_picture(self) -> Self {
        match self {
            Self::Refused { target, step, reason } => Self::PictureRefused { target, step, reason },
            error => error,
        }
    }

    /// True when the post may be out.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// A target of posts.
#[async_trait]
pub trait Poster: Send + Sync {
    /// Its name in keys, logs and metrics: lower-case letters and hyphens.
    fn name(&self) -> &'static str;

    /// The pictures that it takes, the best one first; none where texts go alone. The next one is sent where one cannot
    /// be made or is refused, and in the end the text alone.
    fn wishes(&self) -> Vec<PictureWish>;

    /// What the target calls the post, if it was sent already: the answer to an earlier try may have been lost. It is
    /// called only when that may be.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn find(&self, post: &PostText, permit: &Permit) -> Result<Option<String>, PostError>;

    /// Sends a post, and gives what the target calls it: what its replies name.
    ///
    /// # Errors
    /// When it did not go out, or may not have; [`PostError::PictureRefused`] where it is the picture that keeps it.
    async fn send(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError>;

    /// What it costs to post an event, US dollars.
    fn price_usd(&self, _event: &RainEvent) -> f64 {
        0.0
    }

    /// The most that may be spent in a day (UTC), US dollars; `None` for no limit.
    fn daily_budget_usd(&self) -> Option<f64> {
        None
    }
}
