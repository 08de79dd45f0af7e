//! What was given up.

use jiff::Timestamp;
use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState, NewDeadLetter};
use rusqlite::{Connection, Params, Row};

use super::bodies::timestamp;
use super::connections::Fault;
use super::events::{from_json, to_json};
use crate::StoreError;

/// The columns that [`read`] wants, in its order.
const COLUMNS: &str = "id, key, source, reason, attempts, origin, state, created_at, changed_at";

pub(super) fn add(connection: &Connection, letter: &NewDeadLetter, now: Timestamp) -> Result<DeadLetter, Fault> {
    let sql = format!(
        "INSERT INTO dead_letters (key, source, reason, attempts, origin, state, created_at, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT (key) DO UPDATE SET source = excluded.source, reason = excluded.reason,
         attempts = excluded.attempts, origin = excluded.origin, state = excluded.state,
         created_at = CASE WHEN expired_at IS NULL THEN created_at ELSE excluded.created_at END,
         changed_at = excluded.changed_at, expired_at = NULL
         RETURNING {COLUMNS}"
    );
    let values = (
        &letter.key,
        &letter.source,
        &letter.reason,
        letter.attempts,
        to_json(&letter.origin)?,
        DeadLetterState::Dead.name(),
        now.as_microsecond(),
    );
    one(connection, &sql, values, || format!("dead letter {}", letter.key))
}

pub(super) fn list(
    connection: &Connection,
    state: Option<DeadLetterState>,
    limit: usize,
) -> Result<Vec<DeadLetter>, Fault> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM dead_letters
         WHERE expired_at IS NULL AND (?1 IS NULL OR state = ?1) ORDER BY id LIMIT ?2"
    ))?;
    let mut rows = statement.query((state.map(DeadLetterState::name), limit.min(i64::MAX as usize) as i64))?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        letters.push(read(row)?);
    }
    Ok(letters)
}

pub(super) fn get(connection: &Connection, id: u64) -> Result<DeadLetter, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE id = ?1 AND expired_at IS NULL");
    one(connection, &sql, [number(id)], || what(id))
}

pub(super) fn set_state(
    connection: &Connection,
    id: u64,
    state: DeadLetterState,
    now: Timestamp,
) -> Result<DeadLetter, Fault> {
    let sql = format!(
        "UPDATE dead_letters SET state = ?2, changed_at = ?3 WHERE id = ?1 AND expired_at IS NULL RETURNING {COLUMNS}"
    );
    one(connection, &sql, (number(id), state.name(), now.as_microsecond()), || what(id))
}

fn one(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    what: impl FnOnce() -> String,
) -> Result<DeadLetter, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let letter = rows.next()?.map(read).transpose()?;
    // A statement with RETURNING is done only when its rows are read to the end.
    while rows.next()?.is_some() {}
    letter.ok_or_else(|| StoreError::NotFound { what: what() }.into())
}

fn read(row: &Row<'_>) -> Result<DeadLetter, Fault> {
    let id = row.get::<_, i64>(0)? as u64;
    let state = row.get_ref(6)?.as_str()?;
    let Some(state) = DeadLetterState::of_name(state) else {
        let expected = "dead, replay_requested or replayed".into();
        return Err(StoreError::Corrupt { what: what(id), expected, found: state.to_owned() }.into());
    };
    let letter = NewDeadLetter {
        key: row.get(1)?,
        source: row.get(2)?,
        reason: row.get(3)?,
        attempts: row.get(4)?,
        origin: from_json(row.get_ref(5)?.as_str()?, || what(id))?,
    };
    Ok(DeadLetter { id, letter, state, created_at: timestamp(row.get(7)?)?, changed_at: timestamp(row.get(8)?)? })
}

/// A number beyond SQLite's is that of no letter.
fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(-1)
}

fn what(id: u64) -> String {
    format!("dead letter {id}")
}
