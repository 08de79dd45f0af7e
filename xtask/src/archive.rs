//! Archives whose bytes depend on nothing but what is in them: entries in order of their names, owned by root, all of
//! one time, no time in the gzip header.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::{Compression, GzBuilder};

/// Files of one archive by path within it.
#[derive(Debug, Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    bytes: Vec<u8>,
    mode: u32,
}

impl Archive {
    /// Adds a file that anybody may read.
    pub fn add(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.entries.insert(path.into(), Entry { bytes: bytes.into(), mode: 0o644 });
    }

    /// Adds a program.
    pub fn add_program(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.entries.insert(path.into(), Entry { bytes: bytes.into(), mode: 0o755 });
    }

    /// Writes `folder/…` as a gzipped tar file; `time` in seconds since 1970 is that of all entries.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path, folder: &str, time: u64) -> anyhow::Result<()> {
        let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
        let mut tar = tar::Builder::new(gzip);
        let mut folders = BTreeSet::from([format!("{folder}/")]);
        for path in self.entries.keys() {
            folders.extend(path.match_indices('/').map(|(end, _)| format!("{folder}/{}", &path[..=end])));
        }
        for path in folders {
            append(&mut tar, &path, tar::EntryType::Directory, 0o755, time, &[])?;
        }
        for (path, Entry { bytes, mode }) in &self.entries {
            append(&mut tar, &format!("{folder}/{path}"), tar::EntryType::Regular, *mode, time, bytes)?;
        }
        let bytes = tar.into_inner()?.finish()?;
        std::fs::write(file, bytes).with_context(|| file.display().to_string())
    }
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    time: u64,
    bytes: &[u8],
) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, path, bytes).with_context(|| path.to_owned())
}
