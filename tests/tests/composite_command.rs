//! `raincell composite` on the scans of two radars that see the same storms.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jiff::{SignedDuration, Timestamp};
use raincell_io::{RawScan, ReadOptions};
use raincell_model::RadarSite;
use raincell_simulator::{DEMO_SITE, Radar, ScanStrategy, Weather, odim_file};
use raincell_tests::raincell;
use serde_json::Value;

#[test]
fn two_radars_become_one_composite_and_a_bad_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let start: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let time = start + SignedDuration::from_mins(40);
    let weather = Weather::demo(1, start);
    let east = RadarSite { id: "nleas".into(), name: None, lat_deg: 52.9, lon_deg: 6.6, height_m: 20.0 };
    let strategy =
        || ScanStrategy { elevations_deg: vec![0.5], rays: 360, gates: 240, gate_m: 1000.0, ..ScanStrategy::default() };
    let radars = [DEMO_SITE.clone(), east.clone()].map(|site| Radar::new(site, strategy(), 1));
    for radar in &radars {
        let (name, bytes) = odim_file(&radar.scan(&weather, time)).unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let raw = folder.path().to_str().unwrap();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("all.h5");
    let composite = |raw: &str| raincell(&["composite", raw, "--json", "--out", file.to_str().unwrap()]).unwrap();
    let (code, told, stderr) = composite(raw);
    assert_eq!(code, 0, "{stderr}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["radars"].as_array().unwrap().len(), 2, "{told}");

    let bytes = std::fs::read(&file).unwrap();
    let RawScan::Grid(grid) = raincell_io::read(&bytes, "all.h5", &ReadOptions::default()).unwrap() else {
        panic!("no composite")
    };
    assert_eq!(grid.valid_time, time);
    let geo = grid.grid.georeference().unwrap();
    let seen = |lat: f64, lon: f64| grid.data[geo.index_of(lat, lon).unwrap()];
    for site in [&*DEMO_SITE, &east] {
        assert!(!seen(site.lat_deg + 0.3, site.lon_deg).is_nodata(), "near {}", site.id);
    }
    let (rows, columns) = grid.data.dim();
    assert!(
        grid.data[(0, 0)].is_nodata() && grid.data[(rows - 1, columns - 1)].is_nodata(),
        "corners are seen by none"
    );
    let (mut wet, mut both) = (0, 0);
    for ((row, column), sample) in grid.data.indexed_iter().filter(|(_, sample)| !sample.is_nodata()) {
        let (lat, lon) = geo.lat_lon_of(row as f64 + 0.5, column as f64 + 0.5).unwrap();
        if weather.rain_at(lat, lon, time).is_some_and(|rate| rate >= 2.0) {
            wet += 1;
            both += usize::from(sample.as_value().is_some_and(|rate| rate >= 0.3));
        }
    }
    assert!(wet > 500 && both * 10 > wet * 6, "{both} of {wet} cells with rain are seen");

    // A scan of half an hour before and a file that is none: both are named, the composite is made all the same.
    let (name, bytes) = odim_file(&radars[1].scan(&weather, time - SignedDuration::from_mins(30))).unwrap();
    std::fs::write(folder.path().join(format!("old-{name}")), bytes).unwrap();
    std::fs::write(folder.path().join("broken.h5"), b"\x89HDF\r\n\x1a\nnothing more").unwrap();
    let (code, _, stderr) = composite(raw);
    assert_eq!(code, 1);
    assert!(stderr.contains("broken.h5") && stderr.contains("2026-05-01T12:10:00Z"), "{stderr}");
}
