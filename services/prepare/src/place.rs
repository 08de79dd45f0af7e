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

/// The span of time that a look is about, from the end of the last one less the look-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// What is older is left alone.
    pub begin: Timestamp,
    /// Now.
    pub end: Timestamp,
}

/// A place that raw files appear in: a folder, a directory on a web server, a bucket.
///
/// A place only lists, fetches and sets aside; what is new, what belongs together and what has been taken in is the same
/// for all of them (see `watch`).
pub trait Place: Send + Sync + 'static {
    /// Stands in the name of the checkpoint.
    const KIND: &'static str;
    /// True where a listing tells only of files that changed within the window, false where it tells all there are.
    const WINDOWED: bool;
    /// True where a file is never seen half-written.
    const ATOMIC: bool;

    /// All files that may be radar files.
    ///
    /// # Errors
    /// When the place cannot be looked at, with its name.
    fn list(&self, window: Window) -> impl Future<Output = anyhow::Result<Listing>> + Send;

    /// Size and age of one file that somebody has named; `None` where there is none.
    ///
    /// # Errors
    /// When the place cannot be asked now.
    fn stamp(&self, name: &str) -> impl Future<Output = anyhow::Result<Option<Stamp>>> + Send;

    /// The content of a file; `None` where it has gone since it was listed.
    ///
    /// # Errors
    /// When it cannot be had now; it is tried again later.
    fn fetch(&self, name: &str) -> impl Future<Output = anyhow::Result<Option<Vec<u8>>>> + Send;

    /// Puts bad files where somebody can look at them, with the reason beside them. Gives the file with the reason, or
    /// `None` for a place where bad files stay and only the dead letter in the store tells of them.
    ///
    /// # Errors
    /// When that is not possible: the files stay where they are.
    fn set_aside(
        &self,
        names: &[String],
        reason: &str,
        now: Timestamp,
    ) -> impl Future<Output = anyhow::Result<Option<PathBuf>>> + Send;

    /// Puts files that were set aside back where they were found, so that they can be tried again.
    ///
    /// # Errors
    /// When they are not there any more.
    fn bring_back(&self, names: &[String]) -> impl Future<Output = anyhow::Result<()>> + Send;
}
