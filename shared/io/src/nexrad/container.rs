//! The archive container: gzip around the file, the 24-byte volume header, and records compressed with bzip2.

use std::borrow::Cow;
use std::io::Read;

use jiff::{SignedDuration, Timestamp};

use crate::ReadErrorKind;
use crate::limits::{MAX_RECORD_BYTES, MAX_VOLUME_BYTES};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// True for the first bytes of an archive file, of a real-time chunk, or of gzip (which here can be nothing else).
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(b"AR2V")
        || bytes.starts_with(b"ARCHIVE2")
        || bytes.starts_with(GZIP_MAGIC)
        || bytes.get(4..7) == Some(b"BZh")
}

/// The bytes without their gzip wrapping, where they have one.
pub(crate) fn unwrap_gzip(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ReadErrorKind> {
    if !bytes.starts_with(GZIP_MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let decoder = flate2::read::MultiGzDecoder::new(bytes);
    read_bounded(decoder, "gzip stream", 0, MAX_VOLUME_BYTES).map(Cow::Owned)
}

fn read_bounded(decoder: impl Read, what: &'static str, offset: usize, limit: usize) -> Result<Vec<u8>, ReadErrorKind> {
    let mut out = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut out).map_err(|e| ReadErrorKind::Compression {
        what,
        offset,
        reason: e.to_string(),
    })?;
    if out.len() > limit {
        let reason = format!("more than {limit} bytes come out");
        return Err(ReadErrorKind::Compression { what, offset, reason });
    }
    Ok(out)
}

/// The first 24 bytes of a volume.
pub(crate) struct VolumeHeader {
    /// Four-letter identifier; `None` in files from before it was written there.
    pub icao: Option<String>,
    time: Option<Timestamp>,
}

impl VolumeHeader {
    /// Bytes of the header.
    pub(crate) const SIZE: usize = 24;

    /// Reads the header.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ReadErrorKind> {
        let Some(header) = bytes.first_chunk::<{ Self::SIZE }>() else {
            let (expected, found) = (Self::SIZE, bytes.len());
            return Err(ReadErrorKind::Truncated { what: "volume header", offset: 0, expected, found });
        };
        if !header.starts_with(b"AR2V") && !header.starts_with(b"ARCHIVE2") {
            return Err(ReadErrorKind::Block {
                what: "volume header",
                offset: 0,
                expected: "AR2V… or ARCHIVE2".into(),
                found: header[..9].escape_ascii().to_string(),
            });
        }
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let icao = &header[20..24];
        let is_icao = icao.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        Ok(Self {
            icao: is_icao.then(|| String::from_utf8_lossy(icao).into_owned()),
            time: instant(word(12), word(16)),
        })
    }

    /// The time in the header, unless it is not near the first ray: then the time of that ray.
    pub(crate) fn nominal_time(&self, first_ray: Option<Timestamp>) -> Timestamp {
        let near = |a: Timestamp, b: Timestamp| a.duration_since(b).abs() <= SignedDuration::from_mins(15);
        match (self.time, first_ray) {
            (Some(header), Some(ray)) if !near(header, ray) => ray,
            (Some(header), _) => header,
            (None, ray) => ray.unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

/// Level II counts days from 1 = 1 January 1970, and milliseconds after midnight.
pub(crate) fn instant(day: u32, millisecond: u32) -> Option<Timestamp> {
    let days = i64::from(day.checked_sub(1)?);
    Timestamp::from_millisecond(days.checked_mul(86_400_000)?.checked_add(i64::from(millisecond))?).ok()
}

/// One record: bzip2 with a length before it, or in older files all messages as they are.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    offset: usize,
    data: &'a [u8],
    is_compressed: bool,
}

impl<'a> Record<'a> {
    /// The messages in it.
    pub(crate) fn decompress(&self) -> Result<Cow<'a, [u8]>, ReadErrorKind> {
        if !self.is_compressed {
            return Ok(Cow::Borrowed(self.data));
        }
        let decoder = bzip2::read::BzDecoder::new(self.data);
        read_bounded(decoder, "bzip2 record", self.offset, MAX_RECORD_BYTES).map(Cow::Owned)
    }

    /// What to add to the position of a message to get an offset that helps: its place in the file where the messages
    /// lie bare, nothing where they are compressed.
    pub(crate) fn message_offset(&self) -> usize {
        if self.is_compressed { 0 } else { self.offset }
    }
}

/// Splits what follows `start` into records.
pub(crate) fn split_records(bytes: &[u8], start: usize) -> Result<Vec<Record<'_>>, ReadErrorKind> {
    let body = bytes.get(start..).unwrap_or_default();
    if body.is_empty() {
        return Err(ReadErrorKind::Truncated { what: "first record", offset: start, expected: 4, found: 0 });
    }
    if body.get(4..6) != Some(b"BZ") {
        return Ok(vec![Record { offset: start, data: body, is_compressed: false }]);
    }
    let mut records = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let offset = start + at;
        let Some(length) = body[at..].first_chunk::<4>() else {
            let found = body.len() - at;
            return Err(ReadErrorKind::Truncated { what: "record length", offset, expected: 4, found });
        };
        // The last record of a volume carries its length with a minus sign.
        let length = i32::from_be_bytes(*length).unsigned_abs() as usize;
        let data = &body[at + 4..];
        if length == 0 || data.len() < length {
            return Err(ReadErrorKind::Truncated {
                what: "bzip2 record",
                offset,
                expected: length.max(1),
                found: data.len(),
            });
        }
        records.push(Record { offset: offset + 4, data: &data[..length], is_compressed: true });
        at += 4 + length;
    }
    Ok(records)
}
