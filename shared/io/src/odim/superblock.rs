//! What an HDF5 file says of its own length. A file that was cut may well open, and even give up its first datasets.

use crate::ReadErrorKind;

/// Where the superblock's version stands.
const VERSION_AT: usize = 8;

/// Refuses a file that is shorter than its superblock says (HDF5 file format specification 3.0, II.A). A superblock that
/// cannot be understood is left to the reader.
pub(super) fn check_length(bytes: &[u8]) -> Result<(), ReadErrorKind> {
    // (size of offsets, base address, end-of-file address), each with its place in the superblock.
    let places = match bytes.get(VERSION_AT) {
        Some(0) => (13, 24, 40),
        Some(1) => (13, 28, 44),
        Some(2 | 3) => (9, 12, 28),
        _ => return Ok(()),
    };
    let (Some(&8), Some(base), Some(end)) = (bytes.get(places.0), address(bytes, places.1), address(bytes, places.2))
    else {
        return Ok(());
    };
    let expected = usize::try_from(base.saturating_add(end)).unwrap_or(usize::MAX);
    if expected <= bytes.len() {
        return Ok(());
    }
    Err(ReadErrorKind::Truncated { what: "the HDF5 file", offset: 0, expected, found: bytes.len() })
}

fn address(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, sizes_at: usize, end_at: usize, end: u64) -> Vec<u8> {
        let mut bytes = vec![0; 96];
        bytes[VERSION_AT] = version;
        bytes[sizes_at] = 8;
        bytes[end_at..end_at + 8].copy_from_slice(&end.to_le_bytes());
        bytes
    }

    #[test]
    fn a_file_shorter_than_it_says_is_refused() {
        for (version, sizes_at, end_at) in [(0, 13, 40), (1, 13, 44), (2, 9, 28), (3, 9, 28)] {
            assert!(check_length(&file(version, sizes_at, end_at, 96)).is_ok(), "version {version}");
            let refused = check_length(&file(version, sizes_at, end_at, 97)).unwrap_err();
            assert!(matches!(refused, ReadErrorKind::Truncated { expected: 97, found: 96, .. }), "{refused}");
        }
    }

    #[test]
    fn a_superblock_of_another_version_is_left_to_the_reader() {
        assert!(check_length(&file(9, 13, 40, 1000)).is_ok());
        assert!(check_length(b"\x89HDF").is_ok());
    }
}
