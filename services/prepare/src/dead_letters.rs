//! Where bad files go: out of the way, with the reason beside them.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Moves the files of a bad unit into `folder` and writes `<first file>.reason.txt` beside them.
///
/// A name that is taken gets a number: an older dead letter is never overwritten.
///
/// # Errors
/// When the folder cannot be made or a file cannot be moved.
pub fn bury(files: &[PathBuf], folder: &Path, reason: &str, now: Timestamp) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let first = files.first().and_then(|f| f.file_name()).unwrap_or_default().to_string_lossy().into_owned();
    let number = (0..u32::MAX).find(|n| !reason_path(folder, &first, *n).exists()).unwrap_or_default();
    // The reason goes first: a file among the dead letters always has one, whenever the process is killed.
    let reason_file = reason_path(folder, &first, number);
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    std::fs::write(&reason_file, format!("{now}\n{}\n{reason}\n", names.join("\n")))?;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = folder.join(numbered(&name, number));
        move_file(file, &target)?;
    }
    Ok(reason_file)
}

/// Moves the files of a unit back to where they were before the last [`bury`], and takes their reason away.
///
/// What is there again already stays.
///
/// # Errors
/// When a file is neither among the dead letters nor in its place.
pub fn dig_up(files: &[PathBuf], folder: &Path) -> std::io::Result<()> {
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let last = (0..u32::MAX).take_while(|n| folder.join(numbered(&name, *n)).exists()).last();
        match last {
            _ if file.exists() => {}
            Some(number) => {
                move_file(&folder.join(numbered(&name, number)), file)?;
                // Only the first file of a unit has one.
                let _ = std::fs::remove_file(reason_path(folder, &name, number));
            }
            None => {
                let message = format!("{} is not among the dead letters", file.display());
                return Err(std::io::Error::new(std::io::ErrorKind::NotFound, message));
            }
        }
    }
    Ok(())
}

fn reason_path(folder: &Path, name: &str, number: u32) -> PathBuf {
    folder.join(format!("{}.reason.txt", numbered(name, number)))
}

fn numbered(name: &str, number: u32) -> String {
    if number == 0 { name.to_owned() } else { format!("{name}.{number}") }
}

/// Renames, or copies and removes where the target lies on another file system.
fn move_file(from: &Path, to: &Path) -> std::io::Result<()> {
    if std::fs::rename(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to)?;
    std::fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_bad_file_of_the_same_name_does_not_overwrite_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let (incoming, dead) = (folder.path().join("a.h5"), folder.path().join("dead"));
        for text in ["one", "two"] {
            std::fs::write(&incoming, text).unwrap();
            bury(std::slice::from_ref(&incoming), &dead, "not HDF5", Timestamp::UNIX_EPOCH).unwrap();
            assert!(!incoming.exists());
        }
        assert_eq!(std::fs::read_to_string(dead.join("a.h5")).unwrap(), "one");
        assert_eq!(std::fs::read_to_string(dead.join("a.h5.1")).unwrap(), "two");
        assert!(std::fs::read_to_string(dead.join("a.h5.1.reason.txt")).unwrap().contains("not HDF5"));
    }

    #[test]
    fn the_last_that_was_set_aside_comes_back_and_what_is_gone_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (incoming, dead) = (folder.path().join("a.h5"), folder.path().join("dead"));
        for text in ["one", "two"] {
            std::fs::write(&incoming, text).unwrap();
            bury(std::slice::from_ref(&incoming), &dead, "not HDF5", Timestamp::UNIX_EPOCH).unwrap();
        }
        dig_up(std::slice::from_ref(&incoming), &dead).unwrap();
        assert_eq!(std::fs::read_to_string(&incoming).unwrap(), "two");
        assert!(!dead.join("a.h5.1.reason.txt").exists() && dead.join("a.h5.reason.txt").exists());
        let error = dig_up(&[folder.path().join("b.h5")], &dead).unwrap_err();
        assert!(error.to_string().contains("b.h5 is not among"), "{error}");
    }
}
