//! The files that are written, opened with the readers that everybody uses: GDAL, the netCDF library, ncdump, and the
//! IOOS compliance checker of CF conventions.
//!
//! The Python that has them (`shared/nowcasts/tests/python/requirements.txt`) is named by `RAINCELL_TEST_PEERS`; without
//! it these tests say so and pass.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_io::geotiff::{self, Band};
use raincell_io::netcdf::{NowcastOutline, NowcastReader, NowcastWriter, RainSpell};
use raincell_model::{Grid, RainField};
use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/describe_file.py");

/// Projections as the world's composites have them, each with a corner that lies on the earth and the size of a cell.
fn grids() -> Vec<Grid> {
    let grid = |projection: &str, left, top, cell| Grid {
        projection: projection.into(),
        left,
        top,
        cell_width: cell,
        cell_height: cell,
        width: 90,
        height: 70,
    };
    let swiss = "+proj=somerc +lon_0=7.43958333333333 +lat_0=46.9524055555556 +k_0=1 +x_0=600000 +y_0=200000 \
                 +ellps=bessel +towgs84=674.374,15.056,405.346,0,0,0,0 +no_defs +units=m";
    let finnish = "+proj=stere +lon_0=25E +lat_0=90N +lat_ts=60 +a=6371288 +x_0=380886.310 +y_0=3395677.920 +units=m";
    let european = "+proj=laea +lat_0=55.0 +lon_0=10.0 +x_0=1950000.0 +y_0=-2100000.0 +units=m +ellps=WGS84";
    let australian =
        "+proj=aea +lat_1=-18 +lat_2=-36 +lat_0=-33.264 +lon_0=150.874 +a=6378137 +b=6356752.31414 +units=m";
    vec![
        Grid { width: 90, height: 90, ..Grid::around_radar(41.6, -88.1, 45.0, 1.0) },
        grid(swiss, 255_000.0, 480_000.0, 1000.0),
        grid(finnish, 100_000.0, 1_000_000.0, 1000.0),
        grid(european, 0.0, 0.0, 2000.0),
        grid(australian, -128_000.0, 128_000.0, 1000.0),
        grid("+proj=lcc +lat_1=25 +lat_2=45 +lat_0=38.5 +lon_0=-97.5 +a=6371200 +units=m", 0.0, 90_000.0, 3000.0),
        grid(
            "+proj=lcc +lat_1=46 +lat_0=46 +lon_0=2 +x_0=600000 +y_0=200000 +R=6371229 +units=m",
            0.0,
            90_000.0,
            3000.0,
        ),
        grid(
            "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=WGS84 +units=m",
            1e5,
            9e5,
            1e3,
        ),
        grid("+proj=merc +lon_0=0 +lat_ts=20 +x_0=0 +y_0=0 +a=6378137 +b=6378137 +units=m", 500_000.0, 6e6, 2000.0),
        grid("+proj=merc +lon_0=0 +k=1 +x_0=0 +y_0=0 +a=6378137 +b=6378137 +units=m", 500_000.0, 6e6, 2000.0),
        grid("+proj=stere +lat_0=47 +lon_0=8 +k=1 +x_0=0 +y_0=0 +ellps=WGS84 +units=m", -40_000.0, 40_000.0, 1000.0),
        grid("+proj=longlat +datum=WGS84 +no_defs", 5.0, 52.0, 0.01),
    ]
}

fn fields(grid: &Grid, issue_time: Timestamp) -> Vec<RainField> {
    let grid = Arc::new(grid.clone());
    (1..=3)
        .map(|k| RainField {
            grid: grid.clone(),
            valid_time: issue_time + SignedDuration::from_mins(5 * k),
            rate_mm_h: Array2::from_shape_fn(grid.shape(), |(r, c)| match (r + c) % 5 {
                0 => f32::NAN,
                1 => 0.0,
                _ => (r * 90 + c) as f32 * 0.01 + k as f32,
            }),
        })
        .collect()
}

fn python() -> Option<String> {
    let named = std::env::var("RAINCELL_TEST_PEERS").ok();
    if named.is_none() {
        println!("skipped: no python venv with GDAL and the CF checker");
    }
    named
}

fn told(python: &str, kind: &str, path: &Path) -> Value {
    let output = Command::new(python).arg(SCRIPT).arg(kind).arg(path).output().expect("python starts");
    assert!(output.status.success(), "{kind} {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn assert_values(found: &Value, expected: &Array2<f32>, what: &str) {
    for ((r, c), value) in expected.indexed_iter() {
        let found = found[r][c].as_f64().map(|v| v as f32);
        assert_eq!(found, value.is_finite().then_some(*value), "{what} at row {r}, column {c}");
    }
}

#[test]
fn gdal_opens_a_geotiff_in_every_projection_and_finds_its_bands_where_they_lie() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (number, grid) in grids().into_iter().enumerate() {
        let fields = fields(&grid, "2026-05-01T12:00:00Z".parse().unwrap());
        let bands: Vec<Band<'_>> =
            fields.iter().map(|f| Band { name: f.valid_time.to_string(), values: &f.rate_mm_h }).collect();
        let path = written(folder.path(), &format!("{number}.tif"), &geotiff::write(&grid, "mm/h", &bands).unwrap());
        let found = told(&python, "geotiff", &path);
        let what = &grid.projection;
        assert_eq!((found["count"].as_u64(), found["driver"].as_str()), (Some(3), Some("GTiff")), "{what}");
        assert_eq!(found["nodata_is_nan"], true, "{what}");
        assert_eq!(found["names"][1], "2026-05-01T12:10:00Z", "{what}");
        assert_eq!(found["units"][2], "mm/h", "{what}");
        let transform = [grid.cell_width, 0.0, grid.left, 0.0, -grid.cell_height, grid.top];
        for (found, expected) in found["transform"].as_array().unwrap().iter().zip(transform) {
            assert!((found.as_f64().unwrap() - expected).abs() < 1e-6, "{what}: {found}, expected {expected}");
        }
        for (band, field) in found["bands"].as_array().unwrap().iter().zip(&fields) {
            assert_values(band, &field.rate_mm_h, what);
        }
        let reference = grid.georeference().unwrap();
        for (corner, (row, column)) in [(0.0, 0.0), (grid.height as f64, grid.width as f64)].into_iter().enumerate() {
            let (lat, lon) = reference.lat_lon_of(row, column).unwrap();
            let there = |k: usize| found["corners"][corner][k].as_f64().unwrap();
            // A cell is 0.01° or more; datum shifts are the projection library's business.
            let apart = (there(0) - lon).abs().max((there(1) - lat).abs());
            assert!(apart < 2e-3, "{what}: corner at {}, {}, expected {lon}, {lat}", there(0), there(1));
        }
    }
}

#[test]
fn a_nowcast_file_passes_the_cf_checker_and_opens_with_netcdf_tools() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let issue_time = "2026-05-01T12:00:00Z".parse().unwrap();
    for (number, grid) in grids().into_iter().enumerate() {
        let fields = fields(&grid, issue_time);
        let steps: Vec<Array2<f32>> = fields.iter().map(|f| f.rate_mm_h.clone()).collect();
        let outline = NowcastOutline {
            source: "somewhere".into(),
            method: "best".into(),
            issue_time,
            grid: Arc::new(grid.clone()),
            valid_times: fields.iter().map(|f| f.valid_time).collect(),
            members: 2,
            thresholds_mm_h: vec![0.1, 1.0, 5.0],
            percentiles: vec![10.0, 50.0, 90.0],
        };
        let path = folder.path().join(format!("{number}.nc"));
        let mut writer = NowcastWriter::new(File::create(&path).unwrap(), &outline).unwrap();
        for (step, field) in steps.iter().enumerate() {
            writer.rain_rate(step, field).unwrap();
            (0..2).for_each(|member| writer.member(member, step, field).unwrap());
            let probability = Array2::zeros(grid.shape());
            (0..3).for_each(|threshold| writer.probability(threshold, step, &probability).unwrap());
        }
        let probability = Array2::zeros(grid.shape());
        writer.spell(&RainSpell { probability, begins_min: steps.clone(), ends_min: steps }).unwrap();
        writer.finish().unwrap();
        let said = told(&python, "cf", &path);
        // CF 1.11 (appendix F) asks for `azimuth_of_central_line`, which the checker knows by another name. What it would
        // have said of leap seconds is for coordinates that count them; POSIX time does not.
        // It takes the one attribute that a Mercator projection wants for a list of its letters.
        let known = [
            "azimuth is a required attribute for grid mapping oblique_mercator",
            "is a required attribute for grid mapping mercator",
            "leap_seconds: none",
        ];
        for severity in ["high_priorities", "medium_priorities"] {
            let against: Vec<&Value> = said[severity].as_array().unwrap().iter().collect();
            let rest: Vec<_> = against.iter().filter(|m| !known.iter().any(|k| m.to_string().contains(k))).collect();
            assert!(rest.is_empty(), "{}: {rest:?}", grid.projection);
        }
        if number > 0 {
            continue;
        }
        let found = told(&python, "netcdf", &path);
        assert_eq!(found["variables"]["rain_rate_members"], serde_json::json!(["member", "time", "y", "x"]));
        assert_eq!(found["variables"]["probability"], serde_json::json!(["threshold", "time", "y", "x"]));
        assert_eq!(found["variables"]["arrival_time"], serde_json::json!(["percentile", "y", "x"]));
        assert_eq!(found["variables"]["arrival_probability"], serde_json::json!(["y", "x"]));
        assert_values(&found["last"], &fields[2].rate_mm_h, "last step");
        let Ok(dump) = Command::new("ncdump").arg("-h").arg(&path).output() else {
            println!("skipped: no ncdump");
            continue;
        };
        let header = String::from_utf8(dump.stdout).unwrap();
        assert!(dump.status.success() && header.contains("float rain_rate(time, y, x)"), "{header}");
    }
}

#[test]
fn members_of_more_than_four_gib_are_found_where_they_lie() {
    // A file of holes: only what is looked at below is on the disk.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holes.nc");
    let (grid, issue_time) = (Grid::around_radar(41.6, -88.1, 96.0, 1.0), "2026-05-01T12:00:00Z".parse().unwrap());
    let fields = fields(&grid, issue_time);
    let (first, last) = (&fields[0].rate_mm_h, &fields[2].rate_mm_h);
    let valid_times = (1..=30).map(|k| issue_time + SignedDuration::from_mins(5 * k)).collect();
    let mut outline = NowcastOutline::deterministic(issue_time, Arc::new(grid), valid_times);
    outline.members = 1_000;
    let file = File::create(&path).unwrap();
    let mut writer = NowcastWriter::new(&file, &outline).unwrap();
    writer.rain_rate(29, first).unwrap();
    writer.member(1, 0, first).unwrap();
    writer.member(999, 29, last).unwrap();
    assert!(file.metadata().unwrap().len() > 4 << 30);

    let mut reader = NowcastReader::new(File::open(&path).unwrap(), "holes.nc").unwrap();
    assert_eq!(reader.outline(), &outline);
    let bits = |field: &Array2<f32>| field.iter().map(|r| r.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&reader.rain_rate(29).unwrap().rate_mm_h), bits(first));
    assert_eq!(bits(&reader.member_mm_h(1, 0).unwrap()), bits(first));
    assert_eq!(bits(&reader.member_mm_h(999, 29).unwrap()), bits(last));
    assert!(reader.member_mm_h(999, 28).unwrap().iter().all(|rate| *rate == 0.0));
    assert!(reader.member_mm_h(1_000, 0).is_err() && reader.member_mm_h(0, 30).is_err());

    let Some(python) = python() else { return };
    for library in ["netCDF4", "scipy", "gdal"] {
        let found = told(&python, &format!("members-{library}"), &path);
        assert_eq!(found["shape"], serde_json::json!([1_000, 30, 192, 192]), "{library}");
        assert_values(&found["second"], first, library);
        assert_values(&found["last"], last, library);
    }
}
