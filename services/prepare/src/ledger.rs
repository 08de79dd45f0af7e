//! What has been taken in already, so that a restart goes on where it was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::intake::ScanKey;

/// Size and age of a file: two looks that see the same stamp see a file that nobody writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub bytes: u64,
    /// Last change, milliseconds since 1970.
    pub changed_ms: i64,
}

/// A file that has been taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    stamp: Stamp,
    /// Label of the scan that it was part of; empty for a bad file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scan: String,
    /// Why it is bad, where nobody else has been told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    bad: String,
}

/// All files of a place that have been taken in, by their name within it. Kept as a checkpoint in the store.
///
/// Losing it costs time, not frames: what is read again is stored again under the same key with the same content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    files: BTreeMap<String, Entry>,
    /// All that was there at this time has been looked at, milliseconds since 1970; 0 before the first look.
    #[serde(default)]
    looked_at_ms: i64,
}

impl Ledger {
    /// True when exactly this file has been taken in.
    pub fn knows(&self, path: &str, stamp: Stamp) -> bool {
        self.files.get(path).is_some_and(|e| e.stamp == stamp)
    }

    /// When all that was there had been looked at.
    pub fn looked_at(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.looked_at_ms).ok().filter(|_| self.looked_at_ms > 0)
    }

    /// Notes that all that was there at this time has been looked at.
    pub fn note_look(&mut self, time: Timestamp) {
        self.looked_at_ms = self.looked_at_ms.max(time.as_millisecond());
    }

    /// True when exactly this file was taken in and found bad.
    pub fn knows_as_bad(&self, path: &str, stamp: Stamp) -> bool {
        self.files.get(path).is_some_and(|e| e.stamp == stamp && e.scan.is_empty())
    }

    /// Forgets a file, so that it is taken in again.
    pub fn forget(&mut self, path: &str) {
        self.files.remove(path);
    }

    /// Notes a file, and the scan that it was part of.
    pub fn note(&mut self, path: &str, stamp: Stamp, scan: &ScanKey) {
        self.files.insert(path.to_owned(), Entry { stamp, scan: label(scan), bad: String::new() });
    }

    /// Notes a bad file, so that it is not read again until it changes; `left` says what is wrong with one that could
    /// not be set aside and is empty for one that was.
    pub fn note_bad(&mut self, path: &str, stamp: Stamp, left: &str) {
        self.files.insert(path.to_owned(), Entry { stamp, scan: String::new(), bad: left.to_owned() });
    }

    /// Bad files that are still where they were found, with what is wrong with them.
    pub fn bad_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter(|(_, e)| !e.bad.is_empty()).map(|(path, e)| (path.as_str(), e.bad.as_str()))
    }

    /// Takes over what another copy of the service has noted and this one has not.
    pub fn absorb(&mut self, theirs: Self) {
        self.looked_at_ms = self.looked_at_ms.max(theirs.looked_at_ms);
        for (path, entry) in theirs.files {
            self.files.entry(path).or_insert(entry);
        }
    }

    /// Files that were part of a scan.
    pub fn files_of(&self, scan: &ScanKey) -> Vec<String> {
        let label = label(scan);
        self.files.iter().filter(|(_, e)| e.scan == label).map(|(path, _)| path.clone()).collect()
    }

    /// Forgets files that are gone; true when there were any.
    pub fn retain(&mut self, still_there: impl Fn(&str, Stamp) -> bool) -> bool {
        let before = self.files.len();
        self.files.retain(|path, entry| still_there(path, entry.stamp));
        self.files.len() != before
    }
}

fn label(scan: &ScanKey) -> String {
    format!("{}@{}", scan.origin, scan.time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_is_not_known() {
        let (old, new) = (Stamp { bytes: 1, changed_ms: 1 }, Stamp { bytes: 2, changed_ms: 5 });
        let scan = ScanKey { origin: "41.60,-88.08".into(), time: jiff::Timestamp::UNIX_EPOCH };
        let mut ledger = Ledger::default();
        ledger.note("a.h5", old, &scan);
        assert!(ledger.knows("a.h5", old) && !ledger.knows("a.h5", new) && !ledger.knows("b.h5", old));
        assert_eq!(ledger.files_of(&scan), ["a.h5"]);
        let text = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
        let mut other = Ledger::default();
        other.note_bad("b.h5", new, "not HDF5");
        ledger.absorb(other);
        assert!(ledger.knows("b.h5", new) && ledger.bad_files().eq([("b.h5", "not HDF5")]));
        assert!(ledger.retain(|_, _| false) && !ledger.retain(|_, _| false));
    }
}
