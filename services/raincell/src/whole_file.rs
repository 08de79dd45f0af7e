//! Files that are whole or not there.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

/// A file to be written at `path`, in any order: under another name beside it, which goes when it is dropped, until
/// [`WholeFile::keep`] gives it its own. What was at `path` before stays until then.
pub struct WholeFile {
    part: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file, empty.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        // A link stays one, to the new file.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        ensure!(path.is_file() || !path.exists(), "{}: expected a file, found something else", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut prefix = path.file_name().map(OsString::from).unwrap_or_default();
        prefix.push(".");
        let part = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            // As readable as any other file; the default is for secrets.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .with_context(|| path.display().to_string())?;
        Ok(Self { part, path })
    }

    /// Where its bytes go for the time being.
    pub fn bytes(&self) -> &std::fs::File {
        self.part.as_file()
    }

    /// Gives it its name.
    pub fn keep(self) -> anyhow::Result<()> {
        let Self { part, path } = self;
        part.persist(&path).with_context(|| path.display().to_string())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_takes_its_name_once_it_is_whole_and_leaves_nothing_when_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.nc");
        let file = WholeFile::create(&path).unwrap();
        file.bytes().write_all(b"half").unwrap();
        drop(file);
        assert!(names(folder.path()).is_empty());

        let link = folder.path().join("link.nc");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for (to, text) in [(&path, "first"), (&link, "second")] {
            let file = WholeFile::create(to).unwrap();
            file.bytes().write_all(text.as_bytes()).unwrap();
            file.keep().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert!(link.is_symlink());

        let file = WholeFile::create(&path).unwrap();
        file.bytes().write_all(b"ha").unwrap();
        drop(file);
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("second", 2));
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let error = WholeFile::create(Path::new("/dev/null")).err().unwrap().to_string();
        assert!(error.starts_with("/dev/null: expected a file"), "{error}");
    }
}
