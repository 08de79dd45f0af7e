//! Rolling verification: a row for each hour of issue times, method and lead time.

use jiff::Timestamp;
use raincell_api_types::verification::{PooledSums, ScoredNowcast, Sums, add_sums};
use rusqlite::{Connection, OptionalExtension};

use super::connections::Fault;
use super::events::{from_json, to_json};

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// What a row holds.
struct Row {
    /// Issue times that are in its sums, microseconds into the hour.
    issued: Vec<i64>,
    sums: Sums,
}

/// Adds those that are not in yet, within a transaction; gives how many.
pub(super) fn add(
    connection: &Connection,
    source: &str,
    scored: &[ScoredNowcast],
    now: Timestamp,
) -> Result<u64, Fault> {
    let mut added = 0;
    for nowcast in scored {
        let time = nowcast.issue_time.as_microsecond();
        let (hour, within) = (time.div_euclid(HOUR), time.rem_euclid(HOUR));
        let mut row = find(connection, source, nowcast, hour)?;
        if row.issued.contains(&within) {
            continue;
        }
        row.issued.push(within);
        add_sums(&mut row.sums, &nowcast.sums);
        connection
            .prepare_cached(
                "INSERT INTO verification (source, hour, method, lead_min, issued, sums, added_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (source, hour, method, lead_min) DO UPDATE
                 SET issued = excluded.issued, sums = excluded.sums, added_at = excluded.added_at",
            )?
            .execute((
                source,
                hour,
                &nowcast.method,
                nowcast.lead_min,
                to_json(&row.issued)?,
                to_json(&row.sums)?,
                now.as_microsecond(),
            ))?;
        added += 1;
    }
    Ok(added)
}

fn find(connection: &Connection, source: &str, nowcast: &ScoredNowcast, hour: i64) -> Result<Row, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT issued, sums FROM verification WHERE source = ?1 AND hour = ?2 AND method = ?3 AND lead_min = ?4",
    )?;
    let stored = statement
        .query_row((source, hour, &nowcast.method, nowcast.lead_min), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let Some((issued, sums)) = stored else { return Ok(Row { issued: Vec::new(), sums: Sums::new() }) };
    Ok(Row { issued: from_json(&issued, || what(source))?, sums: from_json(&sums, || what(source))? })
}

/// The hours that begin at `from` or later and before `to`.
pub(super) fn pooled(
    connection: &Connection,
    source: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<PooledSums>, Fault> {
    let first = |time: Timestamp| -(-time.as_microsecond()).div_euclid(HOUR);
    let mut statement = connection.prepare_cached(
        "SELECT method, lead_min, issued, sums FROM verification
         WHERE source = ?1 AND hour >= ?2 AND hour < ?3 ORDER BY method, lead_min",
    )?;
    let mut rows = statement.query((source, first(from), first(to)))?;
    let mut pools: Vec<PooledSums> = Vec::new();
    while let Some(row) = rows.next()? {
        let (method, lead_min) = (row.get_ref(0)?.as_str()?, row.get(1)?);
        let issued: Vec<i64> = from_json(row.get_ref(2)?.as_str()?, || what(source))?;
        let sums: Sums = from_json(row.get_ref(3)?.as_str()?, || what(source))?;
        if let Some(pool) = pools.last_mut().filter(|pool| pool.method == method && pool.lead_min == lead_min) {
            pool.nowcasts += issued.len() as u64;
            add_sums(&mut pool.sums, &sums);
        } else {
            let (method, nowcasts) = (method.to_owned(), issued.len() as u64);
            pools.push(PooledSums { method, lead_min, nowcasts, sums });
        }
    }
    Ok(pools)
}

/// Removes what nothing was added to since; gives the number of rows.
pub(super) fn forget(connection: &Connection, added_before: Timestamp) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached("DELETE FROM verification WHERE added_at < ?1")?;
    Ok(statement.execute([added_before.as_microsecond()])? as u64)
}

fn what(source: &str) -> String {
    format!("the verification of {source}")
}
