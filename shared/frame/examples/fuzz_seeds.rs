//! Seeds for the fuzz target of frames: `cargo run --release -p raincell-frame --example fuzz_seeds -- OUT DIR…` cuts
//! small pieces out of the ODIM_H5 composites of the folders, and writes each as a frame and as a frame with a hole that
//! nobody observed.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use raincell_frame::{Frame, content_hash, encode};
use raincell_gridding::{DEFAULT_CAP_MM_H, ZR, grid_scan_to_rain};
use raincell_io::{RawScan, ReadOptions, read};
use raincell_model::{Grid, RainField};

/// Rows and columns of the pieces: within a block, at its edges, of a group and of more than one.
const SIZES: [(usize, usize); 6] = [(5, 7), (32, 32), (33, 65), (64, 200), (128, 128), (200, 300)];
/// Pieces start at so many places a side.
const PLACES: usize = 3;

fn fields_of(folder: &Path) -> Result<Vec<RainField>, Box<dyn Error>> {
    let mut paths = std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    let mut fields = Vec::new();
    for path in paths.into_iter().step_by(9) {
        if let RawScan::Grid(scan) = read(&std::fs::read(&path)?, &path.to_string_lossy(), &ReadOptions::default())? {
            fields.push(grid_scan_to_rain(&scan, &ZR::default(), DEFAULT_CAP_MM_H)?.field);
        }
    }
    Ok(fields)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let out = words.next().ok_or("expected OUT DIR…")?;
    std::fs::create_dir_all(&out)?;
    for folder in words {
        for field in fields_of(Path::new(&folder))? {
            let (height, width) = field.grid.shape();
            for (rows, columns) in SIZES {
                for place in 0..PLACES * PLACES {
                    let top = (height - rows) * (place / PLACES) / (PLACES - 1);
                    let left = (width - columns) * (place % PLACES) / (PLACES - 1);
                    let grid = Arc::new(Grid { width: columns, height: rows, ..Grid::clone(&field.grid) });
                    let whole = Array2::from_shape_fn((rows, columns), |(r, c)| field.rate_mm_h[(top + r, left + c)]);
                    let holed = Array2::from_shape_fn((rows, columns), |(r, c)| {
                        let hole = r >= rows / 3 && (columns / 2..columns * 3 / 4).contains(&c);
                        if hole { f32::NAN } else { whole[(r, c)] }
                    });
                    for rate_mm_h in [whole, holed] {
                        let field = RainField { grid: Arc::clone(&grid), valid_time: field.valid_time, rate_mm_h };
                        let bytes = encode(&Frame { source: "seed".into(), product: "rate".into(), field })?;
                        std::fs::write(Path::new(&out).join(content_hash(&bytes)), bytes)?;
                    }
                }
            }
        }
    }
    println!("{} seeds in {out}", std::fs::read_dir(&out)?.count());
    Ok(())
}
