//! Frames and nowcast runs: bodies under a key. Both kinds share two tables and this code.

use std::fmt::Display;

use bytes::Bytes;
use jiff::Timestamp;
use raincell_api_types::events::Event;
use raincell_api_types::frames::{FrameInfo, FramePage, NowcastInfo, SourceInfo};
use raincell_frame::content_hash;
use rusqlite::blob::ZeroBlob;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::connections::Fault;
use super::events;
use crate::key::Cursor;
use crate::{FrameKey, FrameQuery, NowcastKey, Put, Removed, StoreError, Stored, WriteCondition};

/// A body of as many bytes or more is not copied on its way into the file.
const LARGE: usize = 1 << 20;

/// What is known of a body: the columns of its row.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    source: String,
    product: String,
    time: Timestamp,
    hash: String,
    bytes: u64,
    stored_at: Timestamp,
}

/// The columns that [`Entry::read`] wants, in its order.
const COLUMNS: &str = "source, product, time, hash, bytes, stored_at";

impl Entry {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Fault> {
        Ok(Self {
            source: row.get(0)?,
            product: row.get(1)?,
            time: timestamp(row.get(2)?)?,
            hash: row.get(3)?,
            bytes: row.get::<_, i64>(4)? as u64,
            stored_at: timestamp(row.get(5)?)?,
        })
    }
}

pub(super) fn timestamp(microseconds: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_microsecond(microseconds).map_err(|_| {
        let expected = "microseconds within the years -9999 to 9999".into();
        StoreError::Corrupt { what: "a stored time".into(), expected, found: microseconds.to_string() }.into()
    })
}

/// A key with the names that its columns have in the table.
pub(super) trait Key: Display {
    /// What the outside sees of an entry.
    type Info: From<Entry> + Clone;
    /// Value of the column `kind`.
    const KIND: &'static str;

    fn source(&self) -> &str;
    fn product(&self) -> &str;
    fn time(&self) -> Timestamp;
    fn event(info: Self::Info) -> Event;

    fn columns(&self) -> (&'static str, &str, &str, i64) {
        (Self::KIND, self.source(), self.product(), self.time().as_microsecond())
    }
}

impl Key for FrameKey {
    type Info = FrameInfo;
    const KIND: &'static str = "frame";

    fn source(&self) -> &str {
        self.source()
    }

    fn product(&self) -> &str {
        self.product()
    }

    fn time(&self) -> Timestamp {
        self.valid_time()
    }

    fn event(info: FrameInfo) -> Event {
        Event::Frame(info)
    }
}

impl Key for NowcastKey {
    type Info = NowcastInfo;
    const KIND: &'static str = "nowcast";

    fn source(&self) -> &str {
        self.source()
    }

    fn product(&self) -> &'static str {
        ""
    }

    fn time(&self) -> Timestamp {
        self.issue_time()
    }

    fn event(info: NowcastInfo) -> Event {
        Event::Nowcast(info)
    }
}

impl From<Entry> for FrameInfo {
    fn from(entry: Entry) -> Self {
        let Entry { source, product, time, hash, bytes, stored_at } = entry;
        Self { source, product, valid_time: time, hash, bytes, stored_at }
    }
}

impl From<Entry> for NowcastInfo {
    fn from(entry: Entry) -> Self {
        let Entry { source, time, hash, bytes, stored_at, .. } = entry;
        Self { source, issue_time: time, hash, bytes, stored_at }
    }
}

/// Stores a body within a transaction; gives the highest sequence of the log, too.
pub(super) fn put<K: Key>(
    connection: &Connection,
    key: &K,
    body: &Bytes,
    condition: &WriteCondition,
    now: Timestamp,
) -> Result<(Put<K::Info>, u64), Fault> {
    let hash = content_hash(body);
    let stored = find(connection, key)?;
    match (stored, condition) {
        (Some(entry), _) if entry.hash == hash => {
            return Ok((Put::Same(entry.into()), events::last_sequence(connection)?));
        }
        (Some(entry), WriteCondition::IfAbsent) => {
            return Err(StoreError::Conflict { what: key.to_string(), stored: entry.hash }.into());
        }
        (stored, WriteCondition::IfMatch(expected)) if stored.as_ref().map(|e| &e.hash) != Some(expected) => {
            let found = stored.map(|entry| entry.hash);
            return Err(StoreError::Precondition { what: key.to_string(), expected: expected.clone(), found }.into());
        }
        _ => {}
    }
    let entry = Entry {
        source: key.source().to_owned(),
        product: key.product().to_owned(),
        time: timestamp(key.time().as_microsecond())?,
        hash,
        bytes: body.len() as u64,
        stored_at: timestamp(now.as_microsecond())?,
    };
    write(connection, K::KIND, &entry, body)?;
    let info = K::Info::from(entry);
    let sequence = events::log(connection, &K::event(info.clone()), now)?;
    Ok((Put::New(info), sequence))
}

/// Writes over what is there, be it expired or to be replaced.
fn write(connection: &Connection, kind: &str, entry: &Entry, body: &[u8]) -> Result<(), Fault> {
    let id: i64 = connection
        .prepare_cached(
            "INSERT INTO entries (kind, source, product, time, hash, bytes, stored_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kind, source, product, time) DO UPDATE
             SET hash = excluded.hash, bytes = excluded.bytes, stored_at = excluded.stored_at, expired_at = NULL
             RETURNING id",
        )?
        .query_row(
            (
                kind,
                &entry.source,
                &entry.product,
                entry.time.as_microsecond(),
                &entry.hash,
                entry.bytes as i64,
                entry.stored_at.as_microsecond(),
            ),
            |row| row.get(0),
        )?;
    if body.len() < LARGE {
        connection
            .prepare_cached("INSERT OR REPLACE INTO bodies (entry, body) VALUES (?1, ?2)")?
            .execute((id, body))?;
    } else {
        // Straight into the pages: a value that is bound is copied first.
        let room = ZeroBlob(body.len() as u64);
        connection
            .prepare_cached("INSERT OR REPLACE INTO bodies (entry, body) VALUES (?1, ?2)")?
            .execute((id, room))?;
        connection.blob_open("main", "bodies", "body", id, false)?.write_at(body, 0)?;
    }
    Ok(())
}

fn find<K: Key>(connection: &Connection, key: &K) -> Result<Option<Entry>, Fault> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM entries
         WHERE kind = ?1 AND source = ?2 AND product = ?3 AND time = ?4 AND expired_at IS NULL"
    ))?;
    let mut rows = statement.query(key.columns())?;
    rows.next()?.map(Entry::read).transpose()
}

pub(super) fn info<K: Key>(connection: &Connection, key: &K) -> Result<K::Info, Fault> {
    let entry = find(connection, key)?.ok_or_else(|| StoreError::NotFound { what: key.to_string() })?;
    Ok(entry.into())
}

pub(super) fn get<K: Key>(connection: &Connection, key: &K) -> Result<Stored<K::Info>, Fault> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, id FROM entries
         WHERE kind = ?1 AND source = ?2 AND product = ?3 AND time = ?4 AND expired_at IS NULL"
    ))?;
    let mut rows = statement.query(key.columns())?;
    let row = rows.next()?.ok_or_else(|| StoreError::NotFound { what: key.to_string() })?;
    let entry = Entry::read(row)?;
    // Into one buffer, within the same read transaction as the row: a value of a column would be copied once more.
    let blob = connection.blob_open("main", "bodies", "body", row.get(6)?, true)?;
    let mut body = vec![0; blob.len()];
    blob.read_at_exact(&mut body, 0)?;
    let found = content_hash(&body);
    if found != entry.hash {
        let expected = format!("a body with hash {}", entry.hash);
        return Err(StoreError::Corrupt { what: key.to_string(), expected, found }.into());
    }
    Ok(Stored { info: entry.into(), body: body.into() })
}

pub(super) fn list(connection: &Connection, query: &FrameQuery) -> Result<FramePage, Fault> {
    let cursor = query.cursor.as_deref().map(Cursor::parse).transpose().map_err(StoreError::from)?;
    let mut sql = format!("SELECT {COLUMNS} FROM entries WHERE kind = 'frame' AND expired_at IS NULL");
    let mut values: Vec<Value> = Vec::new();
    let mut restrict = |condition: &str, given: Vec<Value>| {
        sql.push_str(condition);
        values.extend(given);
    };
    if let Some(source) = &query.source {
        restrict(" AND source = ?", vec![source.clone().into()]);
    }
    if let Some(product) = &query.product {
        restrict(" AND product = ?", vec![product.clone().into()]);
    }
    if let Some(from) = query.from {
        restrict(" AND time >= ?", vec![from.as_microsecond().into()]);
    }
    if let Some(to) = query.to {
        restrict(" AND time <= ?", vec![to.as_microsecond().into()]);
    }
    if let Some(Cursor { time_us, source, product }) = cursor {
        restrict(" AND (time, source, product) > (?, ?, ?)", vec![time_us.into(), source.into(), product.into()]);
    }
    let limit = query.limit.clamp(1, i64::MAX as usize - 1);
    restrict(" ORDER BY time, source, product LIMIT ?", vec![(limit as i64 + 1).into()]);
    let mut frames: Vec<FrameInfo> = collect(connection, &sql, rusqlite::params_from_iter(values))?;
    let more = frames.len() > limit;
    frames.truncate(limit);
    let next_cursor = frames.last().filter(|_| more).map(|last| {
        let (source, product) = (last.source.clone(), last.product.clone());
        Cursor { time_us: last.valid_time.as_microsecond(), source, product }.to_string()
    });
    Ok(FramePage { frames, next_cursor })
}

/// The newest `n` in ascending order; the product of a nowcast run is empty.
pub(super) fn latest<I: LatestInfo>(
    connection: &Connection,
    source: &str,
    product: &str,
    n: usize,
) -> Result<Vec<I>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM entries
         WHERE kind = ?1 AND source = ?2 AND product = ?3 AND expired_at IS NULL ORDER BY time DESC LIMIT ?4"
    );
    let mut newest: Vec<I> = collect(connection, &sql, (I::KIND, source, product, n.min(i64::MAX as usize) as i64))?;
    newest.reverse();
    Ok(newest)
}

/// Which kind of entry an info tells of.
pub(super) trait LatestInfo: From<Entry> {
    /// Value of the column `kind`.
    const KIND: &'static str;
}

impl LatestInfo for FrameInfo {
    const KIND: &'static str = FrameKey::KIND;
}

impl LatestInfo for NowcastInfo {
    const KIND: &'static str = NowcastKey::KIND;
}

fn collect<I: From<Entry>>(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<I>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut infos = Vec::new();
    while let Some(row) = rows.next()? {
        infos.push(Entry::read(row)?.into());
    }
    Ok(infos)
}

/// Brings back what is hidden within a transaction; gives the highest sequence of the log, too.
pub(super) fn undelete(connection: &Connection, source: Option<&str>, now: Timestamp) -> Result<(Removed, u64), Fault> {
    let (frames, nowcasts) =
        (undelete_kind::<FrameKey>(connection, source, now)?, undelete_kind::<NowcastKey>(connection, source, now)?);
    let back = Removed { frames, nowcasts, ..Removed::default() };
    Ok((back, events::last_sequence(connection)?))
}

fn undelete_kind<K: Key>(connection: &Connection, source: Option<&str>, now: Timestamp) -> Result<u64, Fault> {
    let sql = format!(
        "UPDATE entries SET expired_at = NULL, stored_at = ?3
         WHERE kind = ?1 AND expired_at IS NOT NULL AND (?2 IS NULL OR source = ?2) RETURNING {COLUMNS}"
    );
    let mut back: Vec<Entry> = collect(connection, &sql, (K::KIND, source, now.as_microsecond()))?;
    back.sort_by_key(|entry| entry.time);
    let count = back.len() as u64;
    for entry in back {
        events::log(connection, &K::event(entry.into()), now)?;
    }
    Ok(count)
}

pub(super) fn sources(connection: &Connection) -> Result<Vec<SourceInfo>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT source, product, max(time), count(*) FROM entries
         WHERE kind = 'frame' AND expired_at IS NULL GROUP BY source, product ORDER BY source, product",
    )?;
    let mut rows = statement.query([])?;
    let mut sources = Vec::new();
    while let Some(row) = rows.next()? {
        sources.push(SourceInfo {
            source: row.get(0)?,
            product: row.get(1)?,
            newest_valid_time: timestamp(row.get(2)?)?,
            frames: row.get::<_, i64>(3)? as u64,
        });
    }
    Ok(sources)
}
