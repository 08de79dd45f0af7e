//! The log of what happened.

use jiff::Timestamp;
use raincell_api_types::events::{Event, SequencedEvent};
use rusqlite::{Connection, OptionalExtension};

use super::connections::Fault;
use crate::StoreError;

/// Adds an event within a transaction; gives its sequence.
pub(super) fn log(connection: &Connection, event: &Event, now: Timestamp) -> Result<u64, Fault> {
    connection
        .prepare_cached("INSERT INTO events (logged_at, event) VALUES (?1, ?2)")?
        .execute((now.as_microsecond(), to_json(event)?))?;
    Ok(connection.last_insert_rowid() as u64)
}

pub(super) fn after(connection: &Connection, sequence: u64, limit: usize) -> Result<Vec<SequencedEvent>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, event FROM events WHERE sequence > ?1 AND expired_at IS NULL ORDER BY sequence LIMIT ?2",
    )?;
    let mut rows = statement.query((sequence.min(i64::MAX as u64) as i64, limit as i64))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let sequence = row.get::<_, i64>(0)? as u64;
        let event = from_json(row.get_ref(1)?.as_str()?, || format!("event {sequence}"))?;
        events.push(SequencedEvent { sequence, event });
    }
    Ok(events)
}

/// From SQLite's own count, which stays when the log is emptied.
pub(super) fn last_sequence(connection: &Connection) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?;
    let sequence: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(sequence.unwrap_or(0) as u64)
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value)
        .map_err(|source| StoreError::Backend { doing: "write JSON", source: source.into() }.into())
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::Corrupt { what: what(), expected: "its JSON shape".into(), found: error.to_string() }.into()
    })
}
