//! What the tests of this crate share: where real files lie, and small made-up scans.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;
use raincell_io::netcdf::{NowcastOutline, NowcastWriter};
use raincell_model::{Grid, Moment, PolarVolume, Quantity, RadarSite, RainField, Sample, Sweep};

/// The folder of real data, or `None` (said on one line) where it is not there.
pub fn data() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("RAINCELL_TEST_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    if folder.join("raw").is_dir() {
        return Some(folder);
    }
    println!("skipped: no data");
    None
}

/// All files below a folder, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Name and bytes of a file.
pub fn load(path: &Path) -> (String, Vec<u8>) {
    (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
}

/// A volume of three sweeps; the second has moments of different gates.
pub fn small_volume() -> PolarVolume {
    let start: Timestamp = "2021-07-29T12:38:48Z".parse().unwrap();
    let moment = |quantity: Quantity, gates: usize, spacing: f32, step: f32| Moment {
        quantity,
        first_gate_m: 125.0 + spacing,
        gate_spacing_m: spacing,
        data: Array2::from_shape_fn((90, gates), |(ray, gate)| match (ray + gate) % 7 {
            0 => Sample::NODATA,
            1 | 2 => Sample::UNDETECT,
            _ => Sample::value((ray as f32 / 3.0).floor() * step - 12.0 * step),
        }),
    };
    let sweep = |elevation_deg: f32, minute: i64, moments: Vec<Moment>| Sweep {
        elevation_deg,
        start_time: start + jiff::SignedDuration::from_mins(minute),
        end_time: start + jiff::SignedDuration::from_mins(minute + 1),
        azimuths_deg: (0..90).map(|ray| ray as f32 * 4.0 + 0.25 * (ray % 3) as f32).collect(),
        moments,
    };
    PolarVolume {
        site: RadarSite {
            id: "detst".into(),
            name: Some("Teststadt".into()),
            lat_deg: 50.25,
            lon_deg: 8.5,
            height_m: 512.0,
        },
        nominal_time: start,
        sweeps: vec![
            sweep(0.5, 0, vec![moment(Quantity::Dbzh, 60, 500.0, 0.5), moment(Quantity::Rhohv, 60, 500.0, 0.01)]),
            sweep(1.5, 1, vec![moment(Quantity::Dbzh, 40, 500.0, 0.5), moment(Quantity::Vradh, 80, 250.0, 0.13)]),
            sweep(9.0, 2, vec![moment(Quantity::Other("SQI".into()), 30, 500.0, 0.02)]),
        ],
    }
}

/// A rain field with no data, dry and wet cells.
pub fn small_field(minute: i64) -> RainField {
    let grid = Arc::new(Grid::around_radar(50.25, 8.5, 24.0, 1.0));
    let rate_mm_h = Array2::from_shape_fn(grid.shape(), |(row, column)| match (row * 3 + column) % 5 {
        0 if row < 12 => f32::NAN,
        1 | 2 => 0.0,
        _ => (row * column) as f32 * 0.01 + minute as f32,
    });
    let valid_time = "2021-07-29T12:40:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute);
    RainField { grid, valid_time, rate_mm_h }
}

/// The outline of a deterministic nowcast of these fields.
pub fn outline(issue_time: Timestamp, fields: &[RainField]) -> NowcastOutline {
    let valid_times = fields.iter().map(|field| field.valid_time).collect();
    NowcastOutline::deterministic(issue_time, fields[0].grid.clone(), valid_times)
}

/// A deterministic nowcast of these fields as a file in memory.
pub fn written(issue_time: Timestamp, fields: &[RainField]) -> Vec<u8> {
    let mut writer = NowcastWriter::new(Cursor::new(Vec::new()), &outline(issue_time, fields)).unwrap();
    for (step, field) in fields.iter().enumerate() {
        writer.rain_rate(step, &field.rate_mm_h).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
