//! The codec as its users see it: round trips, parts, and bytes that lie.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;
use proptest::prelude::*;
use raincell_frame::{
    CellPlace, Frame, GroupDecoder, Quantisation, content_hash, decode, decode_header, decode_header_in, decode_point,
    decode_run, decode_run_header, decode_window, encode, encode_run, encode_run_with,
};
use raincell_model::{Grid, MotionField, NowcastRun, Observation, RainField};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

fn grid(height: usize, width: usize) -> Arc<Grid> {
    Arc::new(Grid { height, width, ..Grid::around_radar(50.1, 5.2, 1.0, 1.0) })
}

/// Smooth rain with dry gaps within a disc of coverage.
fn storm(height: usize, width: usize, seed: u64) -> Frame {
    let mut rng = SmallRng::seed_from_u64(seed);
    let cells: Vec<(f32, f32, f32, f32)> = (0..12)
        .map(|_| {
            let (row, column) = (rng.random_range(0.0..height as f32), rng.random_range(0.0..width as f32));
            (row, column, rng.random_range(3.0..15.0_f32), rng.random_range(1.0..80.0_f32))
        })
        .collect();
    let radius = height.max(width) as f32 * 0.45;
    let rate_mm_h = Array2::from_shape_fn((height, width), |(r, c)| {
        let (r, c) = (r as f32, c as f32);
        if (r - height as f32 / 2.0).hypot(c - width as f32 / 2.0) > radius {
            return f32::NAN;
        }
        let rate: f32 = cells
            .iter()
            .map(|(y, x, s, peak)| peak * (-((r - y).powi(2) + (c - x).powi(2)) / (2.0 * s * s)).exp())
            .sum();
        if rate < 0.1 { 0.0 } else { rate * rng.random_range(0.8..1.25) }
    });
    let valid_time = Timestamp::from_millisecond(1_627_562_328_123).unwrap();
    let field = RainField { grid: grid(height, width), valid_time, rate_mm_h };
    Frame { source: "KLOT".into(), product: "rate".into(), field }
}

fn same(quantised: f32, value: f32) -> bool {
    if value.is_nan() {
        return quantised.is_nan();
    }
    // Half a step below the lowest rate is dry.
    if quantised == 0.0 { value < 0.0489 } else { value > 0.0488 && (quantised / value - 1.0).abs() <= 0.025 }
}

#[test]
fn a_frame_comes_back_with_everything_it_said() {
    let frame = storm(333, 517, 1);
    let bytes = encode(&frame).unwrap();
    let back = decode(&bytes).unwrap();
    assert_eq!((&*back.source, &*back.product), ("KLOT", "rate"));
    assert_eq!(*back.field.grid, *frame.field.grid);
    assert_eq!(back.field.valid_time, frame.field.valid_time);
    assert!(back.field.rate_mm_h.iter().zip(&frame.field.rate_mm_h).all(|(q, v)| same(*q, *v)));
    let header = decode_header(&bytes).unwrap();
    let observed = frame.field.rate_mm_h.iter().filter(|v| !v.is_nan()).count();
    let wet = frame.field.rate_mm_h.iter().filter(|v| **v > 0.0).count();
    assert_eq!((header.observed_cells, header.wet_cells), (observed, wet));
    let max = frame.field.rate_mm_h.iter().fold(0.0_f32, |m, v| m.max(*v));
    assert_eq!(header.max_value, max);
    assert_eq!(header.segments.last().map(|s| s.offset + s.length), Some(bytes.len()));
}

#[test]
fn what_was_decoded_encodes_to_the_same_codes() {
    let once = decode(&encode(&storm(200, 100, 2)).unwrap()).unwrap();
    let twice = decode(&encode(&once).unwrap()).unwrap();
    let bits = |f: &Frame| f.field.rate_mm_h.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&once), bits(&twice));
}

#[test]
fn encoding_the_same_twice_gives_the_same_hash() {
    let (a, b) = (encode(&storm(90, 200, 3)).unwrap(), encode(&storm(90, 200, 3)).unwrap());
    assert_eq!(content_hash(&a), content_hash(&b));
    assert_ne!(content_hash(&a), content_hash(&encode(&storm(90, 200, 4)).unwrap()));
}

#[test]
fn the_bytes_of_version_three_stay_what_they_are() {
    // Whole numbers only, so that every machine makes the same field.
    let rate_mm_h = Array2::from_shape_fn((75, 131), |(r, c)| match (r * 7 + c * 3 + r * c / 9) % 97 {
        0..=40 => 0.0,
        41..=45 => f32::NAN,
        wet => (wet - 45) as f32 / 4.0,
    });
    let field = RainField { grid: grid(75, 131), valid_time: Timestamp::UNIX_EPOCH, rate_mm_h };
    let bytes = encode(&Frame { source: "KLOT".into(), product: "rate".into(), field }).unwrap();
    // Whoever changes this on purpose raises the version.
    assert_eq!(content_hash(&bytes), "07e922f0d1db13ed689cd412aa7fdff7");
}

#[test]
fn dry_and_unobserved_fields_take_few_bytes() {
    for fill in [0.0, f32::NAN] {
        let mut frame = storm(1900, 2200, 5);
        frame.field.rate_mm_h.fill(fill);
        let bytes = encode(&frame).unwrap();
        assert!(bytes.len() < 260, "{}", bytes.len());
        let back = decode(&bytes).unwrap();
        assert!(back.field.rate_mm_h.iter().all(|v| v.to_bits() == fill.to_bits() || (v.is_nan() && fill.is_nan())));
    }
}

#[test]
fn points_and_windows_are_those_of_the_whole() {
    let frame = storm(333, 517, 6);
    let bytes = encode(&frame).unwrap();
    let whole = decode(&bytes).unwrap().field;
    let mut rng = SmallRng::seed_from_u64(6);
    for _ in 0..300 {
        let (row, column) = (rng.random_range(0..340), rng.random_range(0..520));
        assert_eq!(decode_point(&bytes, row, column).unwrap(), whole.at(row, column), "{row} {column}");
    }
    for _ in 0..30 {
        let (top, left) = (rng.random_range(0..400), rng.random_range(0..600));
        let (height, width) = (rng.random_range(0..200), rng.random_range(0..200));
        let window = decode_window(&bytes, top..top + height, left..left + width).unwrap();
        let (rows, columns) = (333_usize.saturating_sub(top).min(height), 517_usize.saturating_sub(left).min(width));
        assert_eq!(window.dim(), (rows, columns));
        for ((r, c), v) in window.indexed_iter() {
            assert_eq!(v.to_bits(), whole.rate_mm_h[(top + r, left + c)].to_bits());
        }
    }
    let header_bytes = decode_header(&bytes).unwrap().header_bytes;
    let opening = decode_header_in(&bytes[..header_bytes], bytes.len()).unwrap();
    assert_eq!(opening.segments, decode_header(&bytes).unwrap().segments);
    assert!(decode_header_in(&bytes[..header_bytes], bytes.len() - 1).is_err());
    assert!(decode_header_in(&bytes[..header_bytes - 1], bytes.len()).is_err());
    assert_eq!(decode_point(&bytes, usize::MAX, usize::MAX).unwrap(), Observation::NoData);
}

#[test]
fn a_group_decoded_once_has_all_its_cells_whatever_was_decoded_before() {
    let mut decoder = GroupDecoder::new();
    for seed in 20..23 {
        let bytes = encode(&storm(200, 300, seed)).unwrap();
        let (header, whole) = (decode_header(&bytes).unwrap(), decode(&bytes).unwrap().field);
        let mut groups = std::collections::BTreeMap::new();
        for row in 0..202 {
            for column in 0..302 {
                let found = match header.place_of(row, column) {
                    CellPlace::Header(observation) => observation,
                    CellPlace::Group(number) => {
                        let segment = header.segments[header.segment_of(row, column).unwrap()].bytes_in(&bytes);
                        let group =
                            groups.entry(number).or_insert_with(|| decoder.decode(&header, segment, number).unwrap());
                        group.at(&header, row, column)
                    }
                };
                assert_eq!(found, whole.at(row, column), "{row} {column}");
            }
        }
        assert!(groups.len() > 1, "{} groups", groups.len());
    }
}

#[test]
fn large_fields_split_into_segments_that_fit_a_database_item() {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut frame = storm(1500, 1500, 7);
    frame.field.rate_mm_h.mapv_inplace(|_| rng.random_range(0.0..200.0));
    let bytes = encode(&frame).unwrap();
    let header = decode_header(&bytes).unwrap();
    assert!(header.segments.len() > 4 && header.segments.iter().all(|s| s.length <= 350_000));
    let back = decode(&bytes).unwrap();
    assert!(back.field.rate_mm_h.iter().zip(&frame.field.rate_mm_h).all(|(q, v)| same(*q, *v)));
}

#[test]
fn values_that_are_no_rain_rate_are_refused_with_their_place() {
    for bad in [-0.1, f32::INFINITY, f32::NEG_INFINITY] {
        let mut frame = storm(64, 64, 8);
        frame.field.rate_mm_h[(41, 7)] = bad;
        let message = encode(&frame).unwrap_err().to_string();
        assert!(message.contains("row 41, column 7"), "{message}");
    }
}

#[test]
fn errors_say_where_the_bytes_are_wrong() {
    let bytes = encode(&storm(64, 64, 9)).unwrap();
    let message = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert_eq!(message(&[]), "magic at byte 0: expected 4 bytes, found 0");
    assert!(message(b"GIF89a and so on").starts_with("magic at byte 0: expected"));
    let mut later = bytes.clone();
    later[4] = 9;
    assert_eq!(message(&later), "version at byte 4: expected 3, found 9, which is newer");
    let mut earlier = bytes.clone();
    earlier[4] = 2;
    assert_eq!(message(&earlier), "version at byte 4: expected 3, found 2");
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(message(&flipped).starts_with("segment, bytes "), "{}", message(&flipped));
    assert!(
        message(&bytes[..bytes.len() - 1]).contains("length of a segment at byte"),
        "{}",
        message(&bytes[..bytes.len() - 1])
    );
}

/// Bytes of a header, changed, with the checksum put right so that the fields themselves are looked at.
fn reseal(bytes: &mut [u8]) {
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    if (16..=bytes.len()).contains(&length) {
        let crc = crc32fast::hash(&bytes[..length - 4]);
        bytes[length - 4..length].copy_from_slice(&crc.to_le_bytes());
    }
}

#[test]
fn a_grid_of_one_block_is_held_to_the_end_of_its_group() {
    let mut bytes = encode(&storm(5, 7, 12)).unwrap();
    let header = decode_header(&bytes).unwrap();
    let (table, segment) = (header.header_bytes - 4 - 16, header.segments[0]);
    assert_eq!((header.segments.len(), segment.blocks), (1, 1));
    // A word more than its cells need; lengths and checksums know of it.
    bytes.extend([1, 0]);
    let group = segment.offset..segment.offset + 4;
    for length in [table + 8..table + 12, group] {
        let longer = u32::from_le_bytes(bytes[length.clone()].try_into().unwrap()) + 2;
        bytes[length].copy_from_slice(&longer.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[segment.offset..]);
    bytes[table + 12..table + 16].copy_from_slice(&crc.to_le_bytes());
    reseal(&mut bytes);
    let error = decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("group of blocks"), "{error}");
}

fn damage(bytes: &[u8], rng: &mut SmallRng) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        match rng.random_range(0..4) {
            0 => damaged.truncate(rng.random_range(0..=damaged.len())),
            1 => damaged.extend((0..rng.random_range(1..9)).map(|i| i as u8)),
            _ if damaged.is_empty() => {}
            // Most of the fields stand at the beginning.
            2 => {
                let at = rng.random_range(0..damaged.len().min(260));
                damaged[at] = rng.random();
            }
            _ => {
                let at = rng.random_range(0..damaged.len());
                damaged[at] ^= 1 << rng.random_range(0..8);
            }
        }
    }
    if rng.random_bool(0.7) && damaged.len() >= 16 {
        reseal(&mut damaged);
    }
    damaged
}

#[test]
fn twenty_thousand_damaged_frames_and_runs_never_panic() {
    let frame = encode(&storm(70, 90, 10)).unwrap();
    let run = encode_run(&run_of(40, 70)).unwrap();
    let mut rng = SmallRng::seed_from_u64(10);
    let mut refused = 0;
    for _ in 0..14_000 {
        let damaged = damage(&frame, &mut rng);
        let small = decode_header(&damaged).map_or(true, |h| h.grid.width * h.grid.height < 1 << 20);
        if small {
            refused += usize::from(decode(&damaged).is_err());
        }
        let _ = decode_point(&damaged, 35, 45);
        let _ = decode_window(&damaged, 3..50, 20..61);
    }
    for _ in 0..6_000 {
        let damaged = damage(&run, &mut rng);
        if decode_run_header(&damaged).map_or(true, |h| h.grid.width * h.grid.height < 1 << 20) {
            refused += usize::from(decode_run(&damaged).is_err());
        }
    }
    assert!(refused > 15_000, "{refused}");
}

fn run_of(height: usize, width: usize) -> NowcastRun {
    let first = storm(height, width, 11).field;
    let mut motion = MotionField::at_rest(Arc::clone(&first.grid));
    motion.u.indexed_iter_mut().for_each(|((r, c), u)| *u = 0.4 + 0.001 * r as f32 - 0.0005 * c as f32);
    let fields = (1..=3)
        .map(|step| {
            let valid_time = first.valid_time + jiff::SignedDuration::from_mins(5 * step);
            RainField { valid_time, ..first.clone() }
        })
        .collect();
    NowcastRun {
        source: "KLOT".into(),
        issue_time: first.valid_time,
        method: "extrapolation".into(),
        model_version: "0.1.0".into(),
        based_on: "ba7816bf8f01cfea414140de5dae2223".into(),
        motion,
        fields,
    }
}

#[test]
fn a_run_comes_back_with_its_motion_and_leads() {
    let run = run_of(120, 205);
    let bytes = encode_run(&run).unwrap();
    let header = decode_run_header(&bytes).unwrap();
    let back = decode_run(&bytes).unwrap();
    for (source, method, version, based_on) in [
        (&header.source, &header.method, &header.model_version, &header.based_on),
        (&back.source, &back.method, &back.model_version, &back.based_on),
    ] {
        assert_eq!((source, method, version, based_on), (&run.source, &run.method, &run.model_version, &run.based_on));
    }
    assert_eq!((header.issue_time, back.issue_time), (run.issue_time, run.issue_time));
    let leads: Vec<_> = run.fields.iter().map(|f| f.valid_time).collect();
    assert_eq!(header.lead_valid_times(), leads);
    assert_eq!(back.fields.iter().map(|f| f.valid_time).collect::<Vec<_>>(), leads);
    assert!(back.motion.u.iter().zip(&run.motion.u).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!(back.fields[2].rate_mm_h.iter().zip(&run.fields[2].rate_mm_h).all(|(q, v)| same(*q, *v)));
    let product = &header.products[1];
    let point = decode_point(product.frame_bytes(&bytes), 60, 100).unwrap();
    assert_eq!(point, back.fields[1].at(60, 100));
}

#[test]
fn readers_of_rain_rate_pass_over_products_they_do_not_know() {
    let run = run_of(64, 64);
    let mut probability = Frame { product: "probability-0.1".into(), ..storm(64, 64, 12) };
    probability.field.rate_mm_h.mapv_inplace(|v| v.min(100.0) / 100.0);
    let bytes = encode_run_with(&run, &[probability.clone()]).unwrap();
    let header = decode_run_header(&bytes).unwrap();
    assert_eq!((header.products.len(), header.lead_valid_times().len()), (4, 3));
    assert_eq!(decode_run(&bytes).unwrap().fields.len(), 3);
    let product = header.products_named("probability-0.1").next().unwrap();
    assert_eq!(decode_header(product.frame_bytes(&bytes)).unwrap().quantisation, Quantisation::SHARE);
    let back = decode(product.frame_bytes(&bytes)).unwrap();
    for (q, v) in back.field.rate_mm_h.iter().zip(&probability.field.rate_mm_h) {
        assert!((q.is_nan() && v.is_nan()) || (q - v).abs() < 0.0021, "{q} {v}");
    }
}

#[test]
fn a_product_on_another_grid_is_refused() {
    let message = encode_run_with(&run_of(64, 64), &[storm(32, 32, 13)]).unwrap_err().to_string();
    assert!(message.contains("another grid"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_field_comes_back_within_the_error_of_the_scale(
        height in 1..80_usize,
        width in 1..80_usize,
        values in prop::collection::vec(
            prop_oneof![3 => Just(0.0_f32), 2 => Just(f32::NAN), 4 => 0.0..300.0_f32, 2 => 0.0..0.2_f32],
            6400,
        ),
        run in 1..40_usize,
    ) {
        let rate_mm_h = Array2::from_shape_fn((height, width), |(r, c)| values[(r * width + c) / run]);
        let field = RainField { grid: grid(height, width), valid_time: Timestamp::UNIX_EPOCH, rate_mm_h };
        let frame = Frame { source: String::new(), product: "rate".into(), field };
        let back = decode(&encode(&frame).unwrap()).unwrap();
        for (q, v) in back.field.rate_mm_h.iter().zip(&frame.field.rate_mm_h) {
            prop_assert!(same(*q, *v), "{q} {v}");
        }
    }
}
