//! The files that the simulator writes, opened with the readers that everybody uses.
//!
//! The Python with Py-ART and xradar (`tests/python/requirements.txt`) is named by `RAINCELL_TEST_PYTHON`; without it
//! these tests say so and pass.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use raincell_model::{PolarVolume, Quantity, SampleKind};
use raincell_simulator::{Radar, Weather, nexrad_file, odim_file};
use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/describe_volume.py");
/// Rays that are compared gate by gate: to the north, through the storm, and the last one.
const RAYS: [usize; 3] = [0, 201, 359];

fn volume() -> PolarVolume {
    let start: Timestamp = "2026-07-14T15:00:00Z".parse().unwrap();
    let weather = Weather::demo(1, start);
    Radar::demo().scan(&weather, start + SignedDuration::from_mins(10))
}

fn opened_with(reader: &str, (name, content): (String, Vec<u8>)) -> Option<Value> {
    let Ok(python) = std::env::var("RAINCELL_TEST_PYTHON") else {
        println!("skipped: no python venv");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let rays = RAYS.map(|ray| ray.to_string());
    let output = Command::new(python).arg(SCRIPT).arg(reader).arg(&path).args(rays).output().expect("python starts");
    assert!(output.status.success(), "{reader}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("the script prints JSON"))
}

fn near(found: &Value, expected: f64, tolerance: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what} is {found}"));
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

/// Compares what a reader found with the volume, but for the moments that the reader does not know.
/// `elevation_step_deg` is how finely the format gives commanded elevations.
fn assert_same(described: &Value, volume: &PolarVolume, elevation_step_deg: f64, unknown: &[Quantity]) {
    near(&described["lat_deg"], volume.site.lat_deg, 1e-5, "latitude");
    near(&described["lon_deg"], volume.site.lon_deg, 1e-5, "longitude");
    near(&described["height_m"], volume.site.height_m, 0.5, "height");
    let time: DateTime = described["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(time, volume.nominal_time.to_zoned(jiff::tz::TimeZone::UTC).datetime());
    let sweeps = described["sweeps"].as_array().unwrap();
    assert_eq!(sweeps.len(), volume.sweeps.len());
    let mut compared = 0;
    for (number, (found, sweep)) in sweeps.iter().zip(&volume.sweeps).enumerate() {
        near(&found["elevation_deg"], f64::from(sweep.elevation_deg), elevation_step_deg, "elevation");
        near(&found["first_gate_m"], f64::from(sweep.moments[0].first_gate_m), 1.0, "first gate");
        near(&found["gate_spacing_m"], f64::from(sweep.moments[0].gate_spacing_m), 0.1, "gate spacing");
        let azimuths = found["azimuths_deg"].as_array().unwrap();
        assert_eq!(azimuths.len(), sweep.azimuths_deg.len());
        for (found, azimuth) in azimuths.iter().zip(&sweep.azimuths_deg) {
            near(found, f64::from(*azimuth), 0.01, "azimuth");
        }
        for moment in sweep.moments.iter().filter(|moment| !unknown.contains(&moment.quantity)) {
            let quantity = moment.quantity.odim_name();
            for ray in RAYS {
                let row = found["fields"][quantity][ray.to_string()].as_array();
                let row = row.unwrap_or_else(|| panic!("sweep {number} has no {quantity}"));
                assert_eq!(row.len(), moment.data.ncols());
                for (gate, value) in row.iter().enumerate() {
                    let what = format!("{quantity} of sweep {number}, ray {ray}, gate {gate}");
                    match moment.data[(ray, gate)].kind() {
                        SampleKind::Value(expected) => {
                            near(value, f64::from(expected), 0.01, &what);
                            compared += 1;
                        }
                        _ => assert!(value.is_null(), "{what}: {value}, expected nothing"),
                    }
                }
            }
        }
    }
    println!("{compared} values compared");
    assert!(compared > 2000, "{compared}");
}

#[test]
fn py_art_opens_the_nexrad_file_and_finds_what_was_written() {
    let volume = volume();
    if let Some(described) = opened_with("pyart-nexrad", nexrad_file(&volume).unwrap()) {
        assert_same(&described, &volume, 0.022, &[]);
    }
}

#[test]
fn xradar_opens_the_nexrad_file_and_finds_what_was_written() {
    let volume = volume();
    if let Some(described) = opened_with("xradar-nexrad", nexrad_file(&volume).unwrap()) {
        assert_same(&described, &volume, 0.022, &[]);
    }
}

#[test]
fn py_art_opens_the_odim_file_and_finds_what_was_written() {
    let volume = volume();
    if let Some(described) = opened_with("pyart-odim", odim_file(&volume).unwrap()) {
        assert_same(&described, &volume, 1e-4, &[Quantity::Wradh]);
    }
}

#[test]
fn xradar_opens_the_odim_file_and_finds_what_was_written() {
    let volume = volume();
    if let Some(described) = opened_with("xradar-odim", odim_file(&volume).unwrap()) {
        assert_same(&described, &volume, 1e-4, &[]);
    }
}
