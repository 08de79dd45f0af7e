//! Where raw files lie: what every kind of source has to be able to do.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::ledger::Stamp;

/// What a place holds right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Size and age of each file, by its name within the place (`KLOT/20210729-123848-001-S`).
    pub files: BTreeMap<String, Stamp>,
    /// What cannot be looked into, and why; all else is taken in.
    pub blocked: Vec<String>,
}

/// A place that raw files appear in: a folder, a directory on a web server.
///
/// A place only lists, fetches and sets aside; what is new, what belongs together and what has been taken in is the same
/// for all of them (see `watch`).
pub trait Place: Send + Sync + 'static {
    /// Stands in the name of the checkpoint.
    const KIND: &'static str;

    /// All files that may be radar files.
    ///
    /// # Errors
    /// When the place cannot be looked at, with its name.
    fn list(&self, now: Timestamp) -> impl Future<Output = anyhow::Result<Listing>> + Send;

    /// The content of a file; `None` where it has gone since it was listed.
    ///
    /// # Errors
    /// When it cannot be had now; it is tried again later.
    fn fetch(&self, name: &str) -> impl Future<Output = anyhow::Result<Option<Vec<u8>>>> + Send;

    /// Puts bad files where somebody can look at them, with the reason beside them. Gives the file with the reason.
    ///
    /// # Errors
    /// When that is not possible: the files stay where they are.
    fn set_aside(
        &self,
        names: &[String],
        reason: &str,
        now: Timestamp,
    ) -> impl Future<Output = anyhow::Result<PathBuf>> + Send;
}
