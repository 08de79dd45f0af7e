//! Copies of a whole database: made while it is in use, checked, and put back.

use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use raincell_frame::content_hash;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connections::{Fault, blocking};
use super::{SqliteStore, schema};
use crate::StoreError;

/// What a thorough check has looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Bodies of frames and runs, hidden ones among them.
    pub bodies: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong, a line each.
    pub damage: Vec<String>,
}

impl SqliteStore {
    /// Copies the database, as it is at one instant, to a new file, while others go on reading and writing. The copy
    /// is one file without a log beside it; it is checked and on disk when this returns. Gives its bytes.
    ///
    /// # Errors
    /// [`StoreError::Backend`] where the file exists already or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<u64, StoreError> {
        let to = to.to_owned();
        self.connections.read("back up the database", move |source| copy_to(source, &to)).await
    }

    /// Puts the content of a backup into place. What was there is kept beside it; the path to it is given. The
    /// services must be stopped.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] or [`StoreError::Schema`] for a backup that cannot be used, [`StoreError::Busy`] where
    /// the database is in use, [`StoreError::Backend`] where a file cannot be read or written; the database is as it
    /// was then.
    pub async fn restore(from: &Path, database: &Path) -> Result<Option<PathBuf>, StoreError> {
        let (from, database) = (from.to_owned(), database.to_owned());
        blocking("restore the database", move || put_back(&from, &database)).await
    }

    /// Looks at every page and every body.
    ///
    /// # Errors
    /// Where it cannot be read at all; damage that is found is told in the answer.
    pub async fn check(&self) -> Result<Checked, StoreError> {
        self.connections.read("check the database", check_all).await
    }
}

fn copy_to(source: &Connection, to: &Path) -> Result<u64, Fault> {
    if to.exists() {
        return Err(io(Error::new(ErrorKind::AlreadyExists, format!("{} is there already", to.display()))));
    }
    let part = beside(to, ".part");
    clear_away(&part)?;
    let mut copy = Connection::open(&part)?;
    copy_all(source, &mut copy)?;
    schema::check(&copy)?;
    // One file that can be carried away.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get::<_, String>(0))?;
    copy.close().map_err(|(_, error)| error)?;
    let file = std::fs::File::open(&part).map_err(io)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&part, to).map_err(io)?;
    sync_folder(to)?;
    Ok(file.metadata().map_err(io)?.len())
}

/// In one step, which sees one instant: in WAL mode writers need not wait for it.
fn copy_all(source: &Connection, copy: &mut Connection) -> Result<(), Fault> {
    let backup = Backup::new(source, copy)?;
    match backup.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(StoreError::Busy { doing: "copy the database" }.into()),
    }
}

fn put_back(from: &Path, database: &Path) -> Result<Option<PathBuf>, Fault> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    schema::check(&source)?;
    schema::expect_known(&source)?;
    expect_unused(database)?;
    let part = beside(database, ".restoring");
    clear_away(&part)?;
    let mut copy = Connection::open(&part)?;
    copy_all(&source, &mut copy)?;
    schema::check(&copy)?;
    copy.close().map_err(|(_, error)| error)?;
    std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(io)?;
    let kept = database.exists().then(|| free_name(database));
    if let Some(kept) = &kept {
        // A second name first, so that at no instant there is no database.
        std::fs::hard_link(database, kept).map_err(io)?;
        let log = beside(database, "-wal");
        if log.exists() {
            // A damaged database may have left one; it must not be applied to another.
            std::fs::rename(log, beside(kept, "-wal")).map_err(io)?;
        }
        remove_if_there(&beside(database, "-shm"))?;
    }
    std::fs::rename(&part, database).map_err(io)?;
    sync_folder(database)?;
    Ok(kept)
}

/// Nobody may have it open. One that is damaged beyond opening is nobody's.
fn expect_unused(database: &Path) -> Result<(), Fault> {
    if !database.exists() {
        return Ok(());
    }
    let look = || -> Result<(), rusqlite::Error> {
        let connection = Connection::open(database)?;
        connection.busy_timeout(Duration::from_millis(200))?;
        connection.pragma_update_and_check(None, "locking_mode", "exclusive", |row| row.get::<_, String>(0))?;
        connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK;")
    };
    match look().map_err(|error| Fault::Sqlite(error).during("restore the database")) {
        Ok(()) | Err(StoreError::Corrupt { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn check_all(connection: &Connection) -> Result<Checked, Fault> {
    let mut checked = Checked::default();
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    checked.damage.extend(lines.into_iter().filter(|line| line != "ok"));
    let mut statement = connection.prepare(
        "SELECT kind || ' ' || source || '/' || product || ' stored as entry ' || id, hash, body
         FROM entries LEFT JOIN bodies ON entry = id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let (expected, body) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_blob_or_null()?);
        checked.bodies += 1;
        checked.bytes += body.map_or(0, <[u8]>::len) as u64;
        match body.map(content_hash) {
            None => checked.damage.push(format!("{name} has no body")),
            Some(found) if found != expected => {
                checked.damage.push(format!("{name}: expected hash {expected}, found {found}"));
            }
            Some(_) => {}
        }
    }
    Ok(checked)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// `database.before-restore-1` or the next number that is free.
fn free_name(database: &Path) -> PathBuf {
    let name = |number: u32| beside(database, &format!(".before-restore-{number}"));
    (1..=u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

fn remove_if_there(path: &Path) -> Result<(), Fault> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

/// What is left of an earlier try, with the journal that would be applied to the next one.
fn clear_away(part: &Path) -> Result<(), Fault> {
    for path in [part.to_owned(), beside(part, "-journal"), beside(part, "-wal"), beside(part, "-shm")] {
        remove_if_there(&path)?;
    }
    Ok(())
}

/// So that the new name is there after a loss of power, too.
fn sync_folder(of: &Path) -> Result<(), Fault> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

fn io(error: Error) -> Fault {
    StoreError::Backend { doing: "copy the database", source: error.into() }.into()
}
