//! Where posts go. Each target is a module of its own with its own switch in the config.

mod dry_run;

use std::path::PathBuf;

use async_trait::async_trait;
use thiserror::Error;

pub use dry_run::DryRunPoster;

/// A post as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadyPost {
    /// Idempotency key: `<time>-<place>-<event>`; letters, digits and hyphens.
    pub key: String,
    /// At most 280 characters as X counts them.
    pub text: String,
    /// An animated GIF of less than 3 MB; `None` where it could not be made.
    pub gif: Option<Vec<u8>>,
}

/// Why a post did not go out. It is tried again until its news are too old.
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
}

/// A target of posts.
#[async_trait]
pub trait Poster: Send + Sync {
    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Where the post with this key went, if it was sent already: the answer to an earlier try may have been lost.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn find(&self, key: &str) -> Result<Option<String>, PostError>;

    /// Sends a post, and says where it went. The same post again leads to one post.
    ///
    /// # Errors
    /// When it did not go out, or may not have.
    async fn send(&self, post: &ReadyPost) -> Result<String, PostError>;
}
