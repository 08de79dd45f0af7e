//! Tables, their versions, and the check at opening.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::connections::Fault;
use crate::StoreError;

/// What brings the schema from one version (its index) to the next. Only ever add to the end.
///
/// Times are microseconds since 1970. Bodies are apart from what is known of them, so that listings read few pages.
const STEPS: [&str; 4] = [
    "
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        product TEXT NOT NULL,
        time INTEGER NOT NULL,
        hash TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        stored_at INTEGER NOT NULL,
        expired_at INTEGER,
        UNIQUE (kind, source, product, time)
    ) STRICT;
    CREATE INDEX entries_by_time ON entries (kind, time, source, product);
    CREATE INDEX entries_by_age ON entries (stored_at) WHERE expired_at IS NULL;
    CREATE INDEX entries_to_collect ON entries (expired_at) WHERE expired_at IS NOT NULL;
    CREATE TABLE bodies (
        entry INTEGER PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        logged_at INTEGER NOT NULL,
        expired_at INTEGER,
        event TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_by_age ON events (logged_at) WHERE expired_at IS NULL;
    CREATE INDEX events_to_collect ON events (expired_at) WHERE expired_at IS NOT NULL;
    CREATE TABLE alert_states (
        place TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        state TEXT NOT NULL
    ) STRICT;
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        event TEXT NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        detail TEXT,
        created_at INTEGER NOT NULL,
        expired_at INTEGER
    ) STRICT;
    CREATE TABLE checkpoints (
        name TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        value TEXT NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE leases (
        name TEXT PRIMARY KEY,
        owner TEXT,
        version INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        fence INTEGER NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE dead_letters (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        reason TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        origin TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        expired_at INTEGER
    ) STRICT;
",
    "
    CREATE TABLE verification (
        source TEXT NOT NULL,
        hour INTEGER NOT NULL,
        method TEXT NOT NULL,
        lead_min INTEGER NOT NULL,
        issued TEXT NOT NULL,
        sums TEXT NOT NULL,
        added_at INTEGER NOT NULL,
        PRIMARY KEY (source, hour, method, lead_min)
    ) STRICT, WITHOUT ROWID;
",
];

/// The newest version that this program knows.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Brings the schema up to date. Of two processes that open a new file at once, one does it and the other sees it.
pub(super) fn migrate(connection: &Connection) -> Result<(), Fault> {
    let known = VERSION;
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let steps = usize::try_from(found).ok().and_then(|done| STEPS.get(done..));
    let Some(steps) = steps else { return Err(StoreError::Schema { found, known }.into()) };
    for step in steps {
        transaction.execute_batch(step)?;
    }
    if found < known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The file must be of a version that this program can bring up to date.
pub(super) fn expect_known(connection: &Connection) -> Result<(), Fault> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if (1..=VERSION).contains(&found) { Ok(()) } else { Err(StoreError::Schema { found, known: VERSION }.into()) }
}

/// Whether the pages of the file belong together.
pub(super) fn check(connection: &Connection) -> Result<(), Fault> {
    let began = Instant::now();
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if began.elapsed() > Duration::from_secs(5) {
        tracing::info!(seconds = began.elapsed().as_secs(), "the check of the database took a while");
    }
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt { what: "the database file".into(), expected: "a sound SQLite file".into(), found }.into())
}
