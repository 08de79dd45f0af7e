//! Expiry in two steps: a tombstone first, removal later.

use jiff::Timestamp;
use rusqlite::Connection;

use super::connections::Fault;
use crate::Removed;

pub(super) fn expire(connection: &Connection, stored_before: Timestamp, now: Timestamp) -> Result<Removed, Fault> {
    let (before, now) = (stored_before.as_microsecond(), now.as_microsecond());
    let entries = |kind: &str| {
        connection.execute(
            "UPDATE entries SET expired_at = ?2 WHERE expired_at IS NULL AND stored_at < ?1 AND kind = ?3",
            (before, now, kind),
        )
    };
    Ok(Removed {
        frames: entries("frame")? as u64,
        nowcasts: entries("nowcast")? as u64,
        events: connection
            .execute("UPDATE events SET expired_at = ?2 WHERE expired_at IS NULL AND logged_at < ?1", (before, now))?
            as u64,
        posts: connection.execute(
            "UPDATE outbox SET expired_at = ?2
             WHERE expired_at IS NULL AND created_at < ?1 AND status <> 'pending'",
            (before, now),
        )? as u64,
        dead_letters: connection.execute(
            "UPDATE dead_letters SET expired_at = ?2
             WHERE expired_at IS NULL AND changed_at < ?1 AND state = 'replayed'",
            (before, now),
        )? as u64,
    })
}

/// Removes at most `rows` of each kind.
pub(super) fn collect(connection: &Connection, hidden_before: Timestamp, rows: usize) -> Result<Removed, Fault> {
    let (before, rows) = (hidden_before.as_microsecond(), rows as i64);
    let entries = |kind: &str| {
        connection.execute(
            "DELETE FROM entries WHERE id IN
                (SELECT id FROM entries WHERE expired_at < ?1 AND kind = ?3 LIMIT ?2)",
            (before, rows, kind),
        )
    };
    Ok(Removed {
        frames: entries("frame")? as u64,
        nowcasts: entries("nowcast")? as u64,
        events: connection.execute(
            "DELETE FROM events WHERE sequence IN (SELECT sequence FROM events WHERE expired_at < ?1 LIMIT ?2)",
            (before, rows),
        )? as u64,
        posts: connection.execute(
            "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox WHERE expired_at < ?1 LIMIT ?2)",
            (before, rows),
        )? as u64,
        dead_letters: connection.execute(
            "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE expired_at < ?1 LIMIT ?2)",
            (before, rows),
        )? as u64,
    })
}
