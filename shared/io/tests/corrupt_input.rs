//! Damaged input is an error, never a panic, a hang or a flood of memory: every decoder is fed real and made-up files
//! with bytes flipped, overwritten and cut, more than 10,000 variants from a fixed seed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use raincell_io::netcdf::NowcastReader;
use raincell_io::{RawScan, ReadOptions, nexrad, odim, read};
use rayon::prelude::*;
use support::{data, load, small_field, small_volume, written};

/// SplitMix64: the same variants on every machine.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One variant: a cut, or a few bytes flipped, set to an extreme, or copied from elsewhere. Half of the damage lies in
/// the first kilobytes, where headers are.
fn damage(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Seeded(seed);
    let mut out = bytes.to_vec();
    if random.below(5) == 0 {
        out.truncate(random.below(bytes.len()));
    }
    if out.is_empty() || random.below(10) == 0 {
        return out;
    }
    for _ in 0..=random.below(8) {
        let reach = if random.below(2) == 0 { out.len().min(4096) } else { out.len() };
        let at = random.below(reach);
        match random.below(4) {
            0 => out[at] ^= 1 << random.below(8),
            1 => out[at] = random.next() as u8,
            2 => {
                let end = (at + 1 + random.below(8)).min(out.len());
                out[at..end].fill(if random.below(2) == 0 { 0xff } else { 0 });
            }
            _ => {
                let from = random.below(out.len());
                let length = (1 + random.below(16)).min(out.len() - at.max(from));
                out.copy_within(from..from + length, at);
            }
        }
    }
    out
}

/// Cells that a result holds, to see that no damaged header makes much of little.
fn cells(scan: &RawScan) -> usize {
    match scan {
        RawScan::Grid(grid) => grid.data.len(),
        RawScan::Volume(volume) => volume.sweeps.iter().flat_map(|s| &s.moments).map(|m| m.data.len()).sum(),
    }
}

/// Runs variants of one file through a decoder; none may panic (the test would fail), take long, or grow.
fn survive(name: &str, bytes: &[u8], variants: u64, decode: impl Fn(&[u8]) -> Result<usize, String> + Sync) -> usize {
    let (failed, longest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    (0..variants).into_par_iter().for_each(|seed| {
        let damaged = damage(bytes, seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ bytes.len() as u64);
        let started = Instant::now();
        match decode(&damaged) {
            Ok(cells) => assert!(cells < 40_000_000, "{name}, variant {seed}: {cells} cells"),
            Err(message) => {
                assert!(message.len() > 10 && message.len() < 1000, "{name}, variant {seed}: {message}");
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        longest.fetch_max(started.elapsed().as_millis() as usize, Ordering::Relaxed);
    });
    // Reported, not asserted: a hang shows as a test that does not end, slowness as a figure to look at.
    let (failed, longest) = (failed.into_inner(), Duration::from_millis(longest.into_inner() as u64));
    println!("{name}: {variants} variants, {failed} refused, longest {longest:?}, {:?} in all", began.elapsed());
    failed
}

fn decode_any(name: &str) -> impl Fn(&[u8]) -> Result<usize, String> + Sync + use<'_> {
    move |bytes| read(bytes, name, &ReadOptions::default()).map(|scan| cells(&scan)).map_err(|e| e.to_string())
}

#[test]
fn made_up_volumes_and_composites_survive_damage() {
    let volume = odim::write_volume(&small_volume()).unwrap();
    assert!(survive("volume.h5", &volume, 5_000, decode_any("volume.h5")) > 500);
    let composite = odim::write_composite(&small_field(0), "demo", None).unwrap();
    assert!(survive("composite.h5", &composite, 3_000, decode_any("composite.h5")) > 500);
}

#[test]
fn nowcasts_survive_damage() {
    let fields = [small_field(5), small_field(10)];
    let nowcast = written(small_field(0).valid_time, &fields);
    let decode = |bytes: &[u8]| {
        let mut back = NowcastReader::new(Cursor::new(bytes), "n.nc").map_err(|e| e.to_string())?;
        let steps = 0..back.outline().valid_times.len();
        steps.map(|step| Ok(back.rain_rate(step).map_err(|e| e.to_string())?.rate_mm_h.len())).sum()
    };
    assert!(survive("nowcast.nc", &nowcast, 3_000, decode) > 500);
}

#[test]
fn real_odim_files_survive_damage() {
    let Some(data) = data() else { return };
    for (file, variants) in [
        ("raw/odim-pvol/odd/Z_SCAN_C_ESWI_20101023180200_selul_000000.h5", 2_000),
        ("raw/odim-pvol/odd/scan_sehuv_0.5_20110126T184500Z.h5", 300),
        ("raw/odim-pvol/sweden-20090501T1200/pvol_seosu_20090501T120000Z.h5", 500),
        ("raw/odim-pvol/single/T_PAZZ43_C_EKMI_20241008073000.h5", 40),
        ("composites/mch_20170131/201701311020.h5", 100),
        ("raw/odim-pvol/odd/KNMI-PVOL-Den_Helder.h5", 100),
    ] {
        let (name, bytes) = load(&data.join(file));
        survive(&name, &bytes, variants, decode_any(&name));
    }
}

#[test]
fn real_mosaics_survive_damage() {
    let Some(data) = data() else { return };
    // Each that still reads is 24.5 million cells.
    let (name, bytes) = load(&data.join("raw/mrms/PrecipRate_00.00_20190610-000000.grib2"));
    survive(&name, &bytes, 24, decode_any(&name));
    let head: Vec<u8> = bytes.iter().take(400).copied().collect();
    assert!(survive("the beginning of it", &head, 2_000, decode_any("head.grib2")) > 1_500);
}

#[test]
fn real_nexrad_files_survive_damage() {
    let Some(data) = data() else { return };
    // The beginnings of volumes: whole ones take a second each, and hold the same kinds of messages.
    for (file, records, variants) in
        [("raw/nexrad/KABR20050101_000745.gz", usize::MAX, 200), ("raw/nexrad/KLSX20251229_065156_V06", 2, 200)]
    {
        let (name, bytes) = load(&data.join(file));
        survive(&name, first_records(&bytes, records), variants, decode_any(&name));
    }
    let (name, bytes) = load(&data.join("raw/nexrad/KABR20050101_000745.gz"));
    let mut messages = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut messages).unwrap();
    survive(&format!("{name} unpacked"), &messages[..24 + 150 * 2432], 1_500, decode_any(&name));
}

#[test]
fn damaged_real_time_chunks_survive_and_are_named() {
    let Some(data) = data() else { return };
    let folder = data.join("raw/nexrad-chunks/KLOT-20210729-123848");
    let start = load(&folder.join("20210729-123848-001-S"));
    let (name, radials) = load(&folder.join("20210729-123848-012-I"));
    let unpacked = unpacked_messages(&radials);
    let chunks = |second: Vec<u8>| vec![start.clone(), (name.clone(), second)];
    let decode = |bytes: &[u8]| {
        let read = nexrad::read_chunks(&chunks(bytes.to_vec()), &ReadOptions::default());
        read.map(|volume| cells(&RawScan::Volume(volume))).map_err(|e| e.to_string())
    };
    survive("chunk", &radials, 300, decode);
    // Bare messages instead of a compressed record: damage that a checksum would have caught reaches the decoder.
    survive("chunk unpacked", first_radials(&unpacked, 30), 1_500, decode);
    let error = nexrad::read_chunks(&chunks(radials[..1000].to_vec()), &ReadOptions::default()).unwrap_err();
    assert_eq!(error.file, "20210729-123848-012-I");
    let error = nexrad::read_chunks(&chunks(radials)[1..], &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("expected AR2V"), "{error}");
}

/// The volume header and the first records, whole.
fn first_records(bytes: &[u8], count: usize) -> &[u8] {
    let mut end = 24;
    for _ in 0..count {
        let Some(length) = bytes.get(end..).and_then(|rest| rest.first_chunk::<4>()) else { return bytes };
        end += 4 + i32::from_be_bytes(*length).unsigned_abs() as usize;
    }
    &bytes[..end.min(bytes.len())]
}

/// The first messages of a record of radials, whole.
fn first_radials(messages: &[u8], count: usize) -> &[u8] {
    let mut end = 0;
    for _ in 0..count {
        let Some(halfwords) = messages.get(end + 12..end + 14) else { break };
        end += 12 + 2 * (usize::from(halfwords[0]) << 8 | usize::from(halfwords[1]));
    }
    &messages[..end.min(messages.len())]
}

fn unpacked_messages(chunk: &[u8]) -> Vec<u8> {
    let mut messages = Vec::new();
    std::io::Read::read_to_end(&mut bzip2::read::BzDecoder::new(&chunk[4..]), &mut messages).unwrap();
    messages
}

#[test]
fn empty_and_tiny_files_are_refused_by_name() {
    for bytes in [
        &b""[..],
        b"A",
        b"AR2V0006.",
        b"\x89HDF\r\n\x1a\n",
        b"\x1f\x8b",
        b"CDF\x02",
        b"1234BZh9",
        b"ARCHIVE2.001aaaaaaaaaaaa",
    ] {
        let error = read(bytes, "some.file", &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with("some.file: "), "{error}");
        assert!(NowcastReader::new(Cursor::new(bytes), "some.nc").is_err());
    }
}

#[test]
fn a_chunk_that_claims_gigabytes_is_refused_before_room_is_made() {
    let Some(data) = data() else { return };
    let (name, bytes) = load(&data.join("composites/mch_20170131/201701311020.h5"));
    // Found by a longer run of the same damage: the index has chunks beyond the file, one of them of 3.7 GB.
    let damaged = damage(&bytes, 1_000_492_u64.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ bytes.len() as u64);
    let error = read(&damaged, &name, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("chunk of an HDF5 dataset needs"), "{error}");
}
