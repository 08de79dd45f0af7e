//! States of watched places and the outbox.

use jiff::Timestamp;
use raincell_api_types::alerts::{AlertState, AlertTransition, NewPost, OutboxPost, PostOutcome, PostStatus};
use raincell_api_types::events::Event;
use rusqlite::{CachedStatement, Connection, Params, Row};

use super::bodies::timestamp;
use super::connections::Fault;
use super::events::{self, from_json, to_json};
use crate::StoreError;

pub(super) fn state(connection: &Connection, place: &str) -> Result<AlertState, Fault> {
    let mut statement = connection.prepare_cached("SELECT revision, state FROM alert_states WHERE place = ?1")?;
    let mut rows = statement.query([place])?;
    let (revision, state) = match rows.next()? {
        Some(row) => (row.get::<_, i64>(0)? as u64, from_json(row.get_ref(1)?.as_str()?, || what(place))?),
        None => (0, serde_json::Value::Null),
    };
    Ok(AlertState { place: place.to_owned(), revision, state })
}

/// Changes a state within a transaction; gives the highest sequence of the log, too.
pub(super) fn transition(
    connection: &Connection,
    place: &str,
    transition: &AlertTransition,
    now: Timestamp,
) -> Result<(AlertState, u64), Fault> {
    let stored = state(connection, place)?;
    if stored.revision != transition.expected_revision {
        let (expected, found) = (transition.expected_revision, stored.revision);
        return Err(StoreError::Stale { what: what(place), expected, found }.into());
    }
    let changed = AlertState { place: stored.place, revision: stored.revision + 1, state: transition.state.clone() };
    connection
        .prepare_cached(
            "INSERT INTO alert_states (place, revision, state) VALUES (?1, ?2, ?3)
             ON CONFLICT (place) DO UPDATE SET revision = excluded.revision, state = excluded.state",
        )?
        .execute((place, changed.revision as i64, to_json(&changed.state)?))?;
    for post in &transition.posts {
        if enqueue(connection, post, now)? && post.announced {
            events::log(connection, &Event::Rain(post.event.clone()), now)?;
        }
    }
    Ok((changed, events::last_sequence(connection)?))
}

/// False where the key is in the outbox already.
fn enqueue(connection: &Connection, post: &NewPost, now: Timestamp) -> Result<bool, Fault> {
    let added = connection
        .prepare_cached(
            "INSERT INTO outbox (key, event, status, attempts, created_at) VALUES (?1, ?2, ?3, 0, ?4)
             ON CONFLICT (key) DO NOTHING",
        )?
        .execute((&post.key, to_json(&post.event)?, status_name(PostStatus::Pending), now.as_microsecond()))?;
    Ok(added > 0)
}

pub(super) fn outbox(
    connection: &Connection,
    status: Option<PostStatus>,
    limit: usize,
) -> Result<Vec<OutboxPost>, Fault> {
    let statement = connection.prepare_cached(
        "SELECT key, event, status, attempts, detail, created_at FROM outbox
         WHERE expired_at IS NULL AND (?1 IS NULL OR status = ?1) ORDER BY number LIMIT ?2",
    )?;
    read_posts(statement, (status.map(status_name), rows(limit)))
}

pub(super) fn newest(connection: &Connection, limit: usize) -> Result<Vec<OutboxPost>, Fault> {
    let statement = connection.prepare_cached(
        "SELECT key, event, status, attempts, detail, created_at FROM outbox
         WHERE expired_at IS NULL ORDER BY number DESC LIMIT ?1",
    )?;
    read_posts(statement, [rows(limit)])
}

pub(super) fn post(connection: &Connection, key: &str) -> Result<OutboxPost, Fault> {
    let statement = connection.prepare_cached(
        "SELECT key, event, status, attempts, detail, created_at FROM outbox WHERE key = ?1 AND expired_at IS NULL",
    )?;
    let post = read_posts(statement, [key])?.pop();
    post.ok_or_else(|| StoreError::NotFound { what: format!("post {key}") }.into())
}

fn read_posts(mut statement: CachedStatement<'_>, values: impl Params) -> Result<Vec<OutboxPost>, Fault> {
    let mut rows = statement.query(values)?;
    let mut posts = Vec::new();
    while let Some(row) = rows.next()? {
        posts.push(read_post(row)?);
    }
    Ok(posts)
}

/// As SQLite counts.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn record(connection: &Connection, key: &str, outcome: &PostOutcome) -> Result<OutboxPost, Fault> {
    // A late report of a failed try does not undo what another one has sent.
    let mut statement = connection.prepare_cached(
        "UPDATE outbox SET
            attempts = attempts + 1,
            detail = CASE WHEN status = 'sent' AND ?2 <> 'sent' THEN detail ELSE ?3 END,
            status = CASE WHEN status = 'sent' THEN status ELSE ?2 END
         WHERE key = ?1 AND expired_at IS NULL
         RETURNING key, event, status, attempts, detail, created_at",
    )?;
    let mut rows = statement.query((key, status_name(outcome.status), &outcome.detail))?;
    let post = rows.next()?.map(read_post).transpose()?;
    // A statement with RETURNING is done only when its rows are read to the end.
    while rows.next()?.is_some() {}
    post.ok_or_else(|| StoreError::NotFound { what: format!("post {key}") }.into())
}

fn read_post(row: &Row<'_>) -> Result<OutboxPost, Fault> {
    let key: String = row.get(0)?;
    let what = || format!("post {key}");
    Ok(OutboxPost {
        event: from_json(row.get_ref(1)?.as_str()?, what)?,
        status: status_of(row.get_ref(2)?.as_str()?, what)?,
        attempts: row.get(3)?,
        detail: row.get(4)?,
        created_at: timestamp(row.get(5)?)?,
        key,
    })
}

fn status_name(status: PostStatus) -> &'static str {
    match status {
        PostStatus::Pending => "pending",
        PostStatus::Sent => "sent",
        PostStatus::Failed => "failed",
    }
}

fn status_of(name: &str, what: impl FnOnce() -> String) -> Result<PostStatus, StoreError> {
    match name {
        "pending" => Ok(PostStatus::Pending),
        "sent" => Ok(PostStatus::Sent),
        "failed" => Ok(PostStatus::Failed),
        _ => Err(StoreError::Corrupt { what: what(), expected: "pending, sent or failed".into(), found: name.into() }),
    }
}

fn what(place: &str) -> String {
    format!("the alert state of {place}")
}
