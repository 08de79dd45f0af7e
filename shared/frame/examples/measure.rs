//! Bytes and speed of the sparse frame on composites: `cargo run --release -p raincell-frame --example measure -- DIR…`
//! prints a table with a row for each folder of ODIM_H5 composites.
//!
//! Speeds are of processor time on one core, so that others who use the machine count less; beside them stands how fast
//! the same fields are merely copied, as a measure of what such a machine gives just then.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use raincell_frame::{Frame, decode, decode_header, decode_point, encode};
use raincell_gridding::{DEFAULT_CAP_MM_H, ZR, grid_scan_to_rain};
use raincell_io::{RawScan, ReadOptions, read};
use rustix::time::{ClockId, clock_gettime};

/// Each thing is repeated for so long, seconds of processor time.
const LASTING_S: f64 = 2.0;

/// Seconds that this thread has been on a processor.
fn processor_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds of processor time that the frames take, of each the least of many times: frame after frame, round after round,
/// so that none is still in a cache from the time before.
fn timed<T>(frames: &[T], mut work: impl FnMut(&T)) -> f64 {
    let began = processor_s();
    let mut least = vec![f64::INFINITY; frames.len()];
    while processor_s() - began < LASTING_S {
        for (frame, least) in frames.iter().zip(&mut least) {
            let before = processor_s();
            work(frame);
            *least = least.min(processor_s() - before);
        }
    }
    least.iter().sum()
}

/// The composites of a folder, and how many bytes their files have.
fn frames_of(folder: &Path) -> Result<(Vec<Frame>, usize), Box<dyn Error>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    let (mut frames, mut file_bytes) = (Vec::new(), 0);
    for path in paths {
        let file = fs::read(&path)?;
        let scan = match read(&file, &path.to_string_lossy(), &ReadOptions::default()) {
            Ok(RawScan::Grid(scan)) => scan,
            Ok(_) => continue,
            Err(error) => {
                println!("{}: {error}", path.display());
                continue;
            }
        };
        let field = grid_scan_to_rain(&scan, &ZR::default(), DEFAULT_CAP_MM_H)?.field;
        frames.push(Frame { source: scan.source, product: "rate".into(), field });
        file_bytes += file.len();
    }
    Ok((frames, file_bytes))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| event | wet | of the file | bits a wet cell | encode, Mpx/s | decode, Mpx/s | copy, Mpx/s | point, us |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for folder in std::env::args().skip(1) {
        let (frames, file_bytes) = frames_of(Path::new(&folder))?;
        let encoded = frames.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let cells: usize = frames.iter().map(|frame| frame.field.rate_mm_h.len()).sum();
        let frame_bytes: usize = encoded.iter().map(Vec::len).sum();
        let mut wet_cells = 0;
        for bytes in &encoded {
            wet_cells += decode_header(bytes)?.wet_cells;
        }
        let speed = |seconds: f64| cells as f64 / seconds / 1e6;
        let copy = speed(timed(&frames, |frame| drop(black_box(frame.field.rate_mm_h.clone()))));
        let encode = speed(timed(&frames, |frame| drop(black_box(encode(frame)))));
        let decode = speed(timed(&encoded, |bytes| drop(black_box(decode(bytes)))));
        let point_s = timed(&encoded, |bytes| {
            let _ = black_box(decode_header(bytes).and_then(|header| {
                let (height, width) = header.grid.shape();
                decode_point(bytes, height / 2, width / 2)
            }));
        });
        println!(
            "| {} | {:.1} % | {:.3} | {:.2} | {encode:.0} | {decode:.0} | {copy:.0} | {:.0} |",
            folder.rsplit('/').next().unwrap_or(&folder),
            100.0 * wet_cells as f64 / cells as f64,
            frame_bytes as f64 / file_bytes as f64,
            frame_bytes as f64 * 8.0 / wet_cells as f64,
            point_s / frames.len() as f64 * 1e6,
        );
    }
    Ok(())
}
