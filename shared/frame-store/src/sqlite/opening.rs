//! How a file is opened: for writing, its schema brought up to date, or for reading alone.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{Connection, MAIN_DB, OpenFlags, ffi};

use super::connections::{BUSY_TIMEOUT, Fault, Pool, READERS};
use super::schema;
use crate::StoreError;

/// What a file name may hold in an address as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// Whether the pages of the file are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// They must belong together.
    Sound,
    /// They were looked at before.
    Known,
}

/// The file is made where it is missing.
pub(super) fn for_writing(path: &Path, check: Check) -> Result<Pool, Fault> {
    let writer = connect(path)?;
    schema::migrate(&writer)?;
    if check == Check::Sound {
        schema::check(&writer)?;
    }
    let mut readers = Vec::with_capacity(READERS);
    for _ in 0..READERS {
        let reader = connect(path)?;
        reader.pragma_update(None, "query_only", true)?;
        readers.push(reader);
    }
    Ok(Pool::of(Some(writer), readers))
}

/// Readers of a file that cannot be written now. Its schema must be the newest one.
///
/// Readers of a log need files beside the database that can be written, so that SQLite is told that nothing changes the
/// file. Where a log is there, it holds what is not in the file yet: then there are no readers, and whoever reads tries
/// to open the file for writing.
pub(super) fn for_reading(path: &Path) -> Result<Pool, Fault> {
    let mut readers = Vec::new();
    if Path::new(&format!("{}-wal", path.display())).exists() {
        return Ok(Pool::of(None, readers));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let address = format!("file:{}?immutable=1", utf8_percent_encode(&path.to_string_lossy(), PATH));
    for _ in 0..READERS {
        readers.push(set_up_reader(Connection::open_with_flags(&address, flags)?)?);
    }
    if let Some(reader) = readers.first() {
        schema::check(reader)?;
    }
    Ok(Pool::of(None, readers))
}

fn set_up_reader(connection: Connection) -> Result<Connection, Fault> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == schema::VERSION {
        return Ok(connection);
    }
    Err(StoreError::Schema { found, known: schema::VERSION }.into())
}

pub(super) fn in_memory() -> Result<Pool, Fault> {
    let writer = Connection::open_in_memory()?;
    schema::migrate(&writer)?;
    Ok(Pool::of(Some(writer), Vec::new()))
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let connection = Connection::open(path)?;
    // SQLite opens what it cannot write for reading, and would leave files beside it that nobody can write either.
    if connection.is_readonly(MAIN_DB)? {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY), None).into());
    }
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Takes effect only before the first page is written.
    connection.pragma_update(None, "page_size", 8192)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |row| row.get::<_, i64>(0))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
