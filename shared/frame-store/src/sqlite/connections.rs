//! One connection that writes, a few that read, and threads for them to block. Where a file cannot be written when it is
//! opened (wrong owner, a read-only or a full disk), there are only those that read, until it can.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::opening;
use crate::StoreError;

/// How long a connection waits for one of another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections for reading; more of them than cores would only wait for each other.
pub(super) const READERS: usize = 4;
/// Between two tries to open a busy file.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Between two looks whether a file that could only be read can be written by now.
const RECOVERY_PAUSE: Duration = Duration::from_secs(1);

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

    /// True when the file may well be read, but not written.
    fn is_unwritable(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
            )
        )
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
    /// Where the file is; `None` for a database in memory.
    path: Option<PathBuf>,
    pool: Mutex<Arc<Pool>>,
    /// Why the last write failed, if it did.
    trouble: Mutex<Option<String>>,
    last_look: Mutex<Instant>,
}

/// Connections that were opened together.
#[derive(Debug)]
pub(super) struct Pool {
    /// `None` where the file could not be written when they were opened.
    writer: Option<Arc<tokio::sync::Mutex<Connection>>>,
    /// Those that nobody reads with just now; as many as there are permits.
    readers: Arc<Mutex<Vec<Connection>>>,
    /// `None` where reads go over the writing connection: a database in memory has only one.
    permits: Option<Arc<Semaphore>>,
}

impl Pool {
    pub(super) fn of(writer: Option<Connection>, readers: Vec<Connection>) -> Self {
        let permits = (!readers.is_empty()).then(|| Arc::new(Semaphore::new(readers.len())));
        let writer = writer.map(|writer| Arc::new(tokio::sync::Mutex::new(writer)));
        Self { writer, readers: Arc::new(Mutex::new(readers)), permits }
    }
}

impl Connections {
    pub(super) async fn open(path: PathBuf) -> Result<Self, StoreError> {
        let file = path.clone();
        let (pool, trouble) = blocking("open the database", move || {
            // While another opener makes the file or turns its log on, SQLite refuses at once instead of waiting.
            let until = Instant::now() + BUSY_TIMEOUT;
            loop {
                match opening::for_writing(&path, opening::Check::Sound) {
                    Err(fault) if fault.is_busy() && Instant::now() < until => std::thread::sleep(BUSY_PAUSE),
                    Err(fault) if fault.is_unwritable() && path.is_file() => {
                        let trouble = "the file cannot be opened for writing".to_owned();
                        return opening::for_reading(&path).map_or(Err(fault), |pool| Ok((pool, Some(trouble))));
                    }
                    outcome => return outcome.map(|pool| (pool, None)),
                }
            }
        })
        .await?;
        let connections = Self::over(Some(file), pool);
        connections.note_trouble(trouble);
        Ok(connections)
    }

    pub(super) async fn in_memory() -> Result<Self, StoreError> {
        let pool = blocking("open a database in memory", opening::in_memory).await?;
        Ok(Self::over(None, pool))
    }

    fn over(path: Option<PathBuf>, pool: Pool) -> Self {
        let (pool, trouble, last_look) = (Mutex::new(Arc::new(pool)), Mutex::default(), Mutex::new(Instant::now()));
        Self { path, pool, trouble, last_look }
    }

    /// Runs `work` in a transaction, which is durable when this returns; an error rolls it back.
    pub(super) async fn write<T, W>(&self, doing: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let outcome = match self.writer(doing).await {
            Ok(writer) => {
                let mut writer = writer.lock_owned().await;
                blocking(doing, move || {
                    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
                    let value = work(&transaction)?;
                    transaction.commit()?;
                    Ok(value)
                })
                .await
            }
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(_) => self.note_trouble(None),
            // A full disk, a file that may not be written; what else there is says nothing about the file.
            Err(StoreError::Backend { source, .. }) => self.note_trouble(Some(source.to_string())),
            Err(_) => {}
        }
        outcome
    }

    /// The writing connection; where there is none yet, the file is opened for writing if that goes by now.
    async fn writer(&self, doing: &'static str) -> Result<Arc<tokio::sync::Mutex<Connection>>, StoreError> {
        if let Some(writer) = &self.pool().writer {
            return Ok(Arc::clone(writer));
        }
        let path = self.path.clone().unwrap_or_default();
        let pool = Arc::new(blocking(doing, move || opening::for_writing(&path, opening::Check::Known)).await?);
        let unwritable = || StoreError::Backend { doing, source: "the file cannot be opened for writing".into() };
        let writer = pool.writer.clone().ok_or_else(unwritable)?;
        *lock(&self.pool) = pool;
        self.note_trouble(None);
        Ok(writer)
    }

    /// Looks now and then whether a file that could only be read can be written by now.
    pub(super) async fn look_for_recovery(&self) {
        if self.pool().writer.is_some() {
            return;
        }
        {
            let mut last_look = lock(&self.last_look);
            if last_look.elapsed() < RECOVERY_PAUSE {
                return;
            }
            *last_look = Instant::now();
        }
        if let Err(error) = self.writer("open the database for writing").await {
            tracing::debug!(%error, "the database can still only be read");
        }
    }

    fn pool(&self) -> Arc<Pool> {
        Arc::clone(&lock(&self.pool))
    }

    fn note_trouble(&self, trouble: Option<String>) {
        *lock(&self.trouble) = trouble;
    }

    /// Why nothing can be written at present: what the last write failed with.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Runs `work`, which only reads, beside the writer.
    pub(super) async fn read<T, W>(&self, doing: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let pool = self.pool();
        let permit = match &pool.permits {
            // The semaphore is never closed.
            Some(permits) => permits.clone().acquire_owned().await.ok(),
            None => None,
        };
        let (Some(permit), Some(connection)) = (permit, lock(&pool.readers).pop()) else {
            let writer = self.writer(doing).await?.lock_owned().await;
            return blocking(doing, move || work(&writer)).await;
        };
        let reader = Reader { connection: Some(connection), home: pool.readers.clone(), _permit: permit };
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
