//! Bytes and speed of the sparse frame on composites: `cargo run --release -p raincell-frame --example measure -- DIR…`
//! prints a line for each folder of ODIM_H5 composites.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use raincell_frame::{Frame, decode, decode_header, decode_point, encode};
use raincell_gridding::{DEFAULT_CAP_MM_H, ZR, grid_scan_to_rain};
use raincell_io::{RawScan, ReadOptions, read};

/// Repetitions, of which the fastest counts.
const ROUNDS: usize = 5;

#[derive(Default)]
struct Totals {
    file_bytes: usize,
    frame_bytes: usize,
    cells: usize,
    wet_cells: usize,
    encode_s: f64,
    decode_s: f64,
    point_s: f64,
    frames: usize,
}

fn fastest<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut best = f64::INFINITY;
    let mut once = || {
        let start = Instant::now();
        let out = work();
        best = best.min(start.elapsed().as_secs_f64());
        out
    };
    for _ in 1..ROUNDS {
        once();
    }
    let out = once();
    (best, out)
}

fn measure(path: &PathBuf, totals: &mut Totals) -> Result<(), Box<dyn Error>> {
    let file = fs::read(path)?;
    let RawScan::Grid(scan) = read(&file, &path.to_string_lossy(), &ReadOptions::default())? else {
        return Ok(());
    };
    let field = grid_scan_to_rain(&scan, &ZR::default(), DEFAULT_CAP_MM_H)?.field;
    let frame = Frame { source: scan.source, product: "rate".into(), field };
    let (encode_s, bytes) = fastest(|| encode(&frame));
    let bytes = bytes?;
    let header = decode_header(&bytes)?;
    let (height, width) = header.grid.shape();
    totals.encode_s += encode_s;
    totals.decode_s += fastest(|| decode(&bytes).is_ok()).0;
    totals.point_s += fastest(|| decode_point(&bytes, height / 2, width / 2).is_ok()).0;
    totals.file_bytes += file.len();
    totals.frame_bytes += bytes.len();
    totals.cells += height * width;
    totals.wet_cells += header.wet_cells;
    totals.frames += 1;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    for folder in std::env::args().skip(1) {
        let mut paths =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
        paths.sort();
        let mut totals = Totals::default();
        for path in &paths {
            if let Err(error) = measure(path, &mut totals) {
                println!("{}: {error}", path.display());
            }
        }
        let Totals { file_bytes, frame_bytes, cells, wet_cells, encode_s, decode_s, point_s, frames } = totals;
        println!(
            "{folder}: {frames} frames, {:.3} of the file, {:.2} bits a wet cell, encode {:.0} Mpx/s, decode {:.0} Mpx/s, \
             point {:.0} us",
            frame_bytes as f64 / file_bytes as f64,
            frame_bytes as f64 * 8.0 / wet_cells as f64,
            cells as f64 / encode_s / 1e6,
            cells as f64 / decode_s / 1e6,
            point_s / frames as f64 * 1e6,
        );
    }
    Ok(())
}
