//! Composites of a real event, where they are at hand.

use std::path::{Path, PathBuf};

use raincell_gridding::{DEFAULT_CAP_MM_H, ZR, grid_scan_to_rain};
use raincell_io::{RawScan, ReadOptions};
use raincell_model::RainField;

/// The files of an event, in order of time; `None` without the data.
pub fn frames(event: &str) -> Option<Vec<PathBuf>> {
    let fallback = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).to_owned();
    let data = std::env::var_os("RAINCELL_TEST_DATA").map_or(fallback, PathBuf::from);
    let entries = std::fs::read_dir(data.join("composites").join(event)).ok()?;
    let mut paths: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "h5")).collect();
    paths.sort();
    Some(paths)
}

/// The rain of a composite.
pub fn read(path: &Path) -> RainField {
    let bytes = std::fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    let RawScan::Grid(scan) = raincell_io::read(&bytes, &name, &ReadOptions::default()).unwrap() else {
        panic!("{name} is no composite")
    };
    grid_scan_to_rain(&scan, &ZR::MARSHALL_PALMER, DEFAULT_CAP_MM_H).unwrap().field
}
