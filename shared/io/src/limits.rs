//! How large anything in a raw file may be. What a damaged header claims beyond this is an error, not an allocation.

use crate::ReadErrorKind;

/// Rays of one sweep: a tenth of a degree apart, with as many again for overlap.
pub(crate) const MAX_RAYS: usize = 7_200;
/// Range gates of one ray.
pub(crate) const MAX_GATES: usize = 10_000;
/// Sweeps of one volume.
pub(crate) const MAX_SWEEPS: usize = 100;
/// Cells of one grid.
pub(crate) const MAX_GRID_CELLS: usize = 100_000_000;
/// Bytes of a decompressed volume: the largest dual-polarisation volumes have some 80 MB.
pub(crate) const MAX_VOLUME_BYTES: usize = 400_000_000;
/// Bytes of one decompressed Level II record: 120 rays of all moments are below 3 MB.
pub(crate) const MAX_RECORD_BYTES: usize = 32_000_000;
/// Deflate cannot shrink by more than this factor.
const MAX_DEFLATE_RATIO: usize = 1_032;

/// An error unless `found` is between 1 and `limit`.
pub(crate) fn check_count(field: impl Into<String>, found: usize, limit: usize) -> Result<(), ReadErrorKind> {
    if (1..=limit).contains(&found) {
        return Ok(());
    }
    Err(ReadErrorKind::Field { field: field.into(), expected: format!("1 to {limit}"), found: found.to_string() })
}

/// An error when an array of `bytes` could not have come from a file of `file_bytes`, however well compressed.
pub(crate) fn check_inflation(field: &str, bytes: usize, file_bytes: usize) -> Result<(), ReadErrorKind> {
    // Small arrays may be all fill value, which takes no room in the file.
    const ALWAYS_FINE: usize = 64_000_000;
    let limit = file_bytes.saturating_mul(MAX_DEFLATE_RATIO).max(ALWAYS_FINE);
    if bytes <= limit {
        return Ok(());
    }
    Err(ReadErrorKind::Field {
        field: field.to_owned(),
        expected: format!("at most {limit} bytes of data in a file of {file_bytes} bytes"),
        found: format!("{bytes} bytes"),
    })
}
