//! Any bytes as a nowcast run: no decoder panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raincell_frame::{decode_run, decode_run_header};

/// Puts the right checksum under the header, which hardly any mutation hits by itself.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length =
        bytes.get(8..12).map_or(0, |field| u32::from_le_bytes([field[0], field[1], field[2], field[3]]) as usize);
    if let Some(body) = length.checked_sub(4).filter(|_| length <= bytes.len()) {
        let checksum = crc32fast::hash(&bytes[..body]);
        bytes[body..length].copy_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let bytes = &sealed(bytes)[..];
    let header = decode_run_header(bytes);
    let run = decode_run(bytes);
    assert!(header.is_ok() || run.is_err(), "a run without a header that can be read");
});
