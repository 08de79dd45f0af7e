//! Any bytes as a frame: no decoder panics, parts agree with the whole, and what decodes encodes and decodes to itself.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use raincell_frame::{CellPlace, GroupDecoder, decode, decode_header, decode_point, decode_window, encode_quantised};
use raincell_model::Observation;

/// Larger grids only take time.
const MOST_CELLS: usize = 1 << 17;

thread_local! {
    /// Has seen other frames before: nothing of them may be left.
    static DECODER: RefCell<GroupDecoder> = RefCell::default();
}

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

/// Puts the right checksums of the segments into the header, too: else no mutation of the body ever gets past them.
fn sealed_throughout(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = sealed(bytes);
    let header = decode_header(&bytes).ok()?;
    // The table is found by its rows.
    let mut begin = 0;
    for segment in &header.segments {
        let row: Vec<u8> = [segment.first_block, segment.blocks, segment.length]
            .iter()
            .flat_map(|number| (*number as u32).to_le_bytes())
            .chain(segment.crc.to_le_bytes())
            .collect();
        begin += bytes[begin..header.header_bytes].windows(row.len()).position(|found| found == row)? + row.len();
        let checksum = crc32fast::hash(&bytes[segment.offset..segment.offset + segment.length]);
        bytes[begin - 4..begin].copy_from_slice(&checksum.to_le_bytes());
    }
    Some(sealed(&bytes))
}

fuzz_target!(|bytes: &[u8]| {
    let Some(bytes) = sealed_throughout(bytes) else { return };
    let bytes = &bytes[..];
    let Ok(header) = decode_header(bytes) else { return };
    let (height, width) = header.grid.shape();
    if height * width > MOST_CELLS {
        return;
    }
    let (row, column) = (height / 2, width / 3);
    let (point, window) = (decode_point(bytes, row, column), decode_window(bytes, row..row + 40, column..column + 40));
    let place = header.place_of(row, column);
    let again_and_again = match place {
        CellPlace::Header(observation) => Ok(observation),
        CellPlace::Group(number) => {
            let segment = header.segment_of(row, column).expect("a group is in a segment");
            let segment = header.segments[segment].bytes_in(bytes);
            DECODER
                .with_borrow_mut(|decoder| decoder.decode(&header, segment, number))
                .map(|group| group.at(&header, row, column))
        }
    };
    let Ok(frame) = decode(bytes) else { return };
    let whole = &frame.field.rate_mm_h;
    let expected = match whole[(row, column)] {
        rate if rate.is_nan() => Observation::NoData,
        0.0 => Observation::Dry,
        rate => Observation::Rain(rate),
    };
    assert_eq!(point.ok(), Some(expected));
    assert_eq!(again_and_again.ok(), Some(expected));
    for ((y, x), rate) in window.expect("a part of what decodes as a whole").indexed_iter() {
        assert_eq!(rate.to_bits(), whole[(row + y, column + x)].to_bits());
    }
    let again = encode_quantised(&frame, header.quantisation).expect("what was decoded");
    assert_eq!(
        decode(&again).map(|frame| frame.field.rate_mm_h.mapv(f32::to_bits)).ok(),
        Some(whole.mapv(f32::to_bits))
    );
});
