//! The place that is a folder.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use jiff::Timestamp;

use crate::config::SourceConfig;
use crate::dead_letters;
use crate::ledger::Stamp;
use crate::place::{Listing, Place, Window};

/// Files that appear in a folder, or in a folder in it.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    dead: PathBuf,
}

impl Folder {
    /// The folder of a source.
    pub fn new(source: &SourceConfig) -> Self {
        Self { path: source.path.clone(), dead: source.dead_letter_folder() }
    }
}

impl Place for Folder {
    const KIND: &'static str = "folder";
    const WINDOWED: bool = false;
    const ATOMIC: bool = false;

    async fn list(&self, _window: Window) -> anyhow::Result<Listing> {
        let folder = self.clone();
        tokio::task::spawn_blocking(move || list(&folder.path, &folder.dead))
            .await?
            .with_context(|| format!("cannot list {}", self.path.display()))
    }

    async fn stamp(&self, name: &str) -> anyhow::Result<Option<Stamp>> {
        match tokio::fs::metadata(self.path.join(name)).await {
            Ok(metadata) => Ok(metadata.is_file().then(|| stamp_of(&metadata))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| self.path.join(name).display().to_string()),
        }
    }

    async fn fetch(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        match tokio::fs::read(&path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    async fn set_aside(&self, names: &[String], reason: &str, now: Timestamp) -> anyhow::Result<Option<PathBuf>> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path.join(name)).collect();
        let (dead, reason) = (self.dead.clone(), reason.to_owned());
        tokio::task::spawn_blocking(move || dead_letters::bury(&paths, &dead, &reason, now))
            .await?
            .map(Some)
            .with_context(|| format!("cannot move it to {}", self.dead.display()))
    }

    async fn bring_back(&self, names: &[String]) -> anyhow::Result<()> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path.join(name)).collect();
        let dead = self.dead.clone();
        tokio::task::spawn_blocking(move || dead_letters::dig_up(&paths, &dead))
            .await?
            .with_context(|| format!("cannot bring it back from {}", self.dead.display()))
    }
}

/// All files of a folder and its sub-folders (one level) with their stamps, dead letters and hidden files left out.
fn list(folder: &Path, dead: &Path) -> std::io::Result<Listing> {
    let mut listing = Listing::default();
    list_into(folder, folder, dead, &mut listing)?;
    Ok(listing)
}

fn list_into(root: &Path, folder: &Path, dead: &Path, listing: &mut Listing) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
            listing.blocked.push(format!("{}: the name is not UTF-8", path.display()));
            continue;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = [".tmp", ".part", ".partial"].iter().any(|ending| name.ends_with(ending));
        if name.starts_with('.') || unfinished || path == dead {
            continue;
        }
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_dir() && folder == root {
            // A sub-folder that is closed to us does not keep the others from being looked at.
            if let Err(error) = list_into(root, &path, dead, listing)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                listing.blocked.push(format!("{}: {error}", path.display()));
            }
        } else if metadata.is_file() {
            // A pipe or a device would be read for ever.
            listing.files.insert(relative.to_owned(), stamp_of(&metadata));
        }
    }
    Ok(())
}

fn stamp_of(metadata: &std::fs::Metadata) -> Stamp {
    let changed = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    Stamp { bytes: metadata.len(), changed_ms: changed.map_or(0, |d| d.as_millis() as i64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_leaves_out_what_is_hidden_unfinished_or_dead() {
        let root = tempfile::tempdir().unwrap();
        let dead = root.path().join("dead-letters");
        for folder in ["chunks", "chunks/deeper", "dead-letters"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["a.h5", ".hidden", "b.h5.tmp", "chunks/c", "chunks/deeper/d", "dead-letters/e"] {
            std::fs::write(root.path().join(file), file).unwrap();
        }
        let names: Vec<String> = list(root.path(), &dead).unwrap().files.into_keys().collect();
        assert_eq!(names, ["a.h5", "chunks/c"]);
    }

    #[test]
    fn a_listing_says_what_cannot_be_named() {
        use std::os::unix::ffi::OsStrExt;
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(std::ffi::OsStr::from_bytes(b"a\xff.h5")), "a").unwrap();
        std::fs::write(root.path().join("b.h5"), "b").unwrap();
        let listing = list(root.path(), Path::new("/nowhere")).unwrap();
        assert_eq!(listing.files.into_keys().collect::<Vec<_>>(), ["b.h5"]);
        assert!(listing.blocked[0].contains("not UTF-8"), "{:?}", listing.blocked);
    }
}
