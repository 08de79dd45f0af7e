//! A part of each of the newest frames: of a large body only the pages are read that are asked for.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::frames::FrameInfo;
use raincell_frame::decode_header_in;
use rusqlite::blob::Blob;
use rusqlite::{Connection, OptionalExtension};

use super::bodies::{Entry, timestamp};
use super::connections::Fault;
use crate::{SeriesFrame, StoreError, Wanted};

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
) -> Result<Vec<SeriesFrame>, Fault> {
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
            series.push(SeriesFrame::known(info));
            continue;
        }
        // Within the same read transaction as the listing.
        let blob = connection.blob_open("main", "bodies", "body", id, true)?;
        if blob.len() as u64 != info.bytes {
            let (expected, found) = (format!("{} bytes", info.bytes), format!("{}", blob.len()));
            return Err(
                StoreError::Corrupt { what: format!("the body of a frame of {source}"), expected, found }.into()
            );
        }
        let (opening, segment) = read_part(&blob, wanted)?;
        series.push(SeriesFrame { info, opening, segment });
    }
    Ok(series)
}

/// The opening of a body, and the segment that is wanted where it is not in there.
fn read_part(blob: &Blob<'_>, wanted: &dyn Wanted) -> Result<(Bytes, Option<Bytes>), Fault> {
    if blob.len() <= SMALL {
        return Ok((read_range(blob, 0..blob.len())?, None));
    }
    let mut opening = read_range(blob, 0..HEADER_GUESS)?;
    let length = opening[HEADER_LENGTH].try_into().map_or(0, u32::from_le_bytes) as usize;
    if length > opening.len() && length <= blob.len() {
        opening = read_range(blob, 0..length)?;
    }
    let Ok(header) = decode_header_in(&opening, blob.len()) else {
        // Not a frame as this program knows it: whoever asks will see.
        return Ok((read_range(blob, 0..blob.len())?, None));
    };
    let segment = wanted.segment_of(&header).and_then(|number| header.segments.get(number));
    let segment = segment.map(|segment| read_range(blob, segment.offset..segment.offset + segment.length));
    Ok((opening, segment.transpose()?))
}

fn read_range(blob: &Blob<'_>, range: std::ops::Range<usize>) -> Result<Bytes, Fault> {
    let mut bytes = vec![0; range.len()];
    blob.read_at_exact(&mut bytes, range.start)?;
    Ok(bytes.into())
}
