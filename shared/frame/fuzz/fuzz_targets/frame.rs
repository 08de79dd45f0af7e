//! Any bytes as a frame: no decoder panics, parts agree with the whole, and what decodes encodes and decodes to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raincell_frame::{decode, decode_header, decode_point, decode_window, encode_quantised};
use raincell_model::Observation;

/// Larger grids only take time.
const MOST_CELLS: usize = 1 << 20;

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
    let Ok(header) = decode_header(bytes) else { return };
    let (height, width) = header.grid.shape();
    if height * width > MOST_CELLS {
        return;
    }
    let (row, column) = (height / 2, width / 3);
    let (point, window) = (decode_point(bytes, row, column), decode_window(bytes, row..row + 40, column..column + 40));
    let Ok(frame) = decode(bytes) else { return };
    let whole = &frame.field.rate_mm_h;
    let expected = match whole[(row, column)] {
        rate if rate.is_nan() => Observation::NoData,
        0.0 => Observation::Dry,
        rate => Observation::Rain(rate),
    };
    assert_eq!(point.ok(), Some(expected));
    for ((y, x), rate) in window.expect("a part of what decodes as a whole").indexed_iter() {
        assert_eq!(rate.to_bits(), whole[(row + y, column + x)].to_bits());
    }
    let again = encode_quantised(&frame, header.quantisation).expect("what was decoded");
    assert_eq!(
        decode(&again).map(|frame| frame.field.rate_mm_h.mapv(f32::to_bits)).ok(),
        Some(whole.mapv(f32::to_bits))
    );
});
