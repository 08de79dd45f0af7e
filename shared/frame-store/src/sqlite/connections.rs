//! One connection that writes, a few that read, and threads for them to block.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::schema;
use crate::StoreError;

/// How long a connection waits for one of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections for reading; more of them than cores would only wait for each other.
const READERS: usize = 4;
/// Between two tries to open a busy file.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Why the work on a connection ended early.
#[derive(Debug)]
pub(super) enum Fault {
    Store(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<FromSqlError> for Fault {
    fn from(error: FromSqlError) -> Self {
        Self::Sqlite(error.into())
    }
}

impl Fault {
    /// True when the same will work as soon as another one is done.
    fn is_busy(&self) -> bool {
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Store(error) => return matches!(error, StoreError::Busy { .. }),
        };
        matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    pub(super) fn during(self, doing: &'static str) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Sqlite(error) => error,
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { doing },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt {
                what: "the database file".into(),
                expected: "a sound SQLite file".into(),
                found: error.to_string(),
            },
            _ => StoreError::Backend { doing, source: error.into() },
        }
    }
}

/// The connections of one store.
#[derive(Debug)]
pub(super) struct Connections {
    writer: Arc<tokio::sync::Mutex<Connection>>,
    /// Those that nobody reads with just now; as many as there are permits.
    readers: Arc<Mutex<Vec<Connection>>>,
    /// `None` where reads go over the writing connection: a database in memory has only one.
    permits: Option<Arc<Semaphore>>,
    /// Why the last write failed, if it did.
    trouble: Mutex<Option<String>>,
}

impl Connections {
    pub(super) async fn open(path: PathBuf) -> Result<Self, StoreError> {
        let doing = "open the database";
        blocking(doing, move || {
            // While another opener makes the file or turns its log on, SQLite refuses at once instead of waiting.
            let until = Instant::now() + BUSY_TIMEOUT;
            loop {
                match Self::try_open(&path) {
                    Err(fault) if fault.is_busy() && Instant::now() < until => std::thread::sleep(BUSY_PAUSE),
                    outcome => return outcome,
                }
            }
        })
        .await
    }

    fn try_open(path: &Path) -> Result<Self, Fault> {
        let writer = connect(path)?;
        schema::migrate(&writer)?;
        schema::check(&writer)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = connect(path)?;
            reader.pragma_update(None, "query_only", true)?;
            readers.push(reader);
        }
        Ok(Self::of(writer, readers))
    }

    pub(super) async fn in_memory() -> Result<Self, StoreError> {
        blocking("open a database in memory", || {
            let writer = Connection::open_in_memory()?;
            schema::migrate(&writer)?;
            Ok(Self::of(writer, Vec::new()))
        })
        .await
    }

    fn of(writer: Connection, readers: Vec<Connection>) -> Self {
        let permits = (!readers.is_empty()).then(|| Arc::new(Semaphore::new(readers.len())));
        Self {
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            readers: Arc::new(Mutex::new(readers)),
            permits,
            trouble: Mutex::default(),
        }
    }

    /// Runs `work` in a transaction, which is durable when this returns; an error rolls it back.
    pub(super) async fn write<T, W>(&self, doing: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let mut writer = self.writer.clone().lock_owned().await;
        let outcome = blocking(doing, move || {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await;
        match &outcome {
            Ok(_) => self.note_trouble(None),
            // A full disk, a file that may not be written; what else there is says nothing about the file.
            Err(StoreError::Backend { source, .. }) => self.note_trouble(Some(source.to_string())),
            Err(_) => {}
        }
        outcome
    }

    fn note_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Why nothing can be written at present: what the last write failed with.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `work`, which only reads, beside the writer.
    pub(super) async fn read<T, W>(&self, doing: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let permit = match &self.permits {
            // The semaphore is never closed.
            Some(permits) => permits.clone().acquire_owned().await.ok(),
            None => None,
        };
        let (Some(permit), Some(connection)) = (permit, lock(&self.readers).pop()) else {
            let writer = self.writer.clone().lock_owned().await;
            return blocking(doing, move || work(&writer)).await;
        };
        let reader = Reader { connection: Some(connection), home: self.readers.clone(), _permit: permit };
        blocking(doing, move || match &reader.connection {
            Some(connection) => work(connection),
            None => Err(Fault::Sqlite(rusqlite::Error::InvalidQuery)),
        })
        .await
    }
}

/// A connection that goes back to the others when it is dropped, whatever happened.
struct Reader {
    connection: Option<Connection>,
    home: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Reader {
    fn drop(&mut self) {
        lock(&self.home).extend(self.connection.take());
    }
}

fn lock(connections: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let connection = Connection::open(path)?;
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

pub(super) async fn blocking<T, W>(doing: &'static str, work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, Fault> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|fault| fault.during(doing)),
        // It panicked, or the runtime is going down.
        Err(error) => Err(StoreError::Backend { doing, source: error.into() }),
    }
}
