//! A part of each of the newest frames: of a large body only the pages are read that are asked for.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::FrameInfo;
use raincell_frame::decode_header;
use rusqlite::blob::Blob;
use rusqlite::{Connection, OptionalExtension};

use super::bodies::{Entry, timestamp};
use super::connections::Fault;
use crate::{StoreError, Stored, Wanted};

/// Bytes that are read of a large body for its header, at first.
const HEADER_GUESS: usize = 16 * 1024;
/// A smaller body is read whole.
const SMALL: usize = 64 * 1024;
/// Where a frame says how long its header is, as a little-endian `u32`.
const HEADER_LENGTH: std::ops::Range<usize> = 8..12;

pub(super) fn read(
    connection: &Connection,
    source: &str,
    product: &str,
    past: SignedDuration,
    wanted: &dyn Wanted,
) -> Result<Vec<Stored<FrameInfo>>, Fault> {
    let newest: Option<i64> = connection
        .prepare_cached(
            "SELECT time FROM entries
             WHERE kind = 'frame' AND source = ?1 AND product = ?2 AND expired_at IS NULL ORDER BY time DESC LIMIT 1",
        )?
        .query_row((source, product), |row| row.get(0))
        .optional()?;
    let Some(newest) = newest else { return Ok(Vec::new()) };
    let begin = timestamp(newest)?.checked_sub(past).unwrap_or(Timestamp::MIN);
    let mut statement = connection.prepare_cached(
        "SELECT source, product, time, hash, bytes, stored_at, id FROM entries
         WHERE kind = 'frame' AND source = ?1 AND product = ?2 AND expired_at IS NULL AND time >= ?3 ORDER BY time",
    )?;
    let mut rows = statement.query((source, product, begin.as_microsecond()))?;
    let mut series = Vec::new();
    while let Some(row) = rows.next()? {
        let (info, id) = (FrameInfo::from(Entry::read(row)?), row.get(6)?);
        if wanted.is_known(&info) {
            series.push(Stored { info, body: Bytes::new() });
            continue;
        }
        // Within the same read transaction as the listing.
        let blob = connection.blob_open("main", "bodies", "body", id, true)?;
        let body = Bytes::from(read_part(&blob, wanted)?);
        if body.len() as u64 != info.bytes {
            let (expected, found) = (format!("{} bytes", info.bytes), format!("{}", body.len()));
            return Err(
                StoreError::Corrupt { what: format!("the body of a frame of {source}"), expected, found }.into()
            );
        }
        series.push(Stored { info, body });
    }
    Ok(series)
}

/// As long as the body; zeros where nothing was read.
fn read_part(blob: &Blob<'_>, wanted: &dyn Wanted) -> Result<Vec<u8>, Fault> {
    let mut body = vec![0; blob.len()];
    let first = if body.len() <= SMALL { body.len() } else { HEADER_GUESS };
    blob.read_at_exact(&mut body[..first], 0)?;
    if first == body.len() {
        return Ok(body);
    }
    let length = body[HEADER_LENGTH].try_into().map_or(0, u32::from_le_bytes) as usize;
    if length > first && length <= body.len() {
        blob.read_at_exact(&mut body[first..length], first)?;
    }
    let header = decode_header(&body);
    let segment =
        header.ok().map(|header| wanted.segment_of(&header).and_then(|number| header.segments.get(number).copied()));
    match segment {
        Some(Some(segment)) => {
            blob.read_at_exact(&mut body[segment.offset..segment.offset + segment.length], segment.offset)?;
        }
        Some(None) => {}
        // Not a frame as this program knows it: whoever asks will see.
        None => blob.read_at_exact(&mut body, 0)?,
    }
    Ok(body)
}
