//! The chain on real sweeps: what is rain stays, what is not goes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raincell_gridding::{RadarView, ZR};
use raincell_io::{RawScan, ReadOptions, nexrad, odim, read};
use raincell_model::{Grid, Moment, PolarVolume, RainField};
use raincell_qc::{Chain, QcOutcome};

fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var("RAINCELL_TEST_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned());
    let path = Path::new(&root).join(path);
    if !path.exists() {
        println!("skipped: no data");
        return None;
    }
    Some(path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn volume(path: &Path) -> PolarVolume {
    let name = path.file_name().unwrap().to_string_lossy();
    match read(&fs::read(path).unwrap(), &name, &ReadOptions::for_rain(1.0)).unwrap() {
        RawScan::Volume(volume) => volume,
        RawScan::Grid(_) => panic!("{name} is a grid"),
    }
}

fn klot() -> Option<PolarVolume> {
    let chunks: Vec<_> = files(&data("raw/nexrad-chunks/KLOT-20210729-123848")?)
        .iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    Some(nexrad::read_chunks(&chunks, &ReadOptions::for_rain(1.0)).unwrap())
}

fn named(folder: &str, beginning: &str) -> Option<PolarVolume> {
    let path = files(&data(folder)?)
        .into_iter()
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(beginning));
    Some(volume(&path.unwrap()))
}

fn rain(volume: &PolarVolume, moment: &Moment) -> RainField {
    let grid = Grid::around_radar(volume.site.lat_deg, volume.site.lon_deg, 240.0, 1.0);
    let view = RadarView::new(&volume.site, Arc::new(grid)).unwrap();
    view.grid_sweep(volume.lowest_sweep().unwrap(), moment, &ZR::default(), volume.nominal_time).field
}

fn sum(field: &RainField) -> f64 {
    field.rate_mm_h.iter().filter(|rate| !rate.is_nan()).map(|rate| f64::from(*rate)).sum()
}

struct Verdict {
    outcome: QcOutcome,
    /// Share of the observed area with at least 0.1 mm/h, before and after.
    wet: (f64, f64),
    kept: f64,
}

fn judge(volume: &PolarVolume) -> Verdict {
    let sweep = volume.lowest_sweep().unwrap();
    let outcome = Chain::default().run(sweep).unwrap();
    let before = rain(volume, sweep.reflectivity().unwrap());
    let after = rain(volume, &outcome.reflectivity);
    let verdict =
        Verdict { wet: (before.wet_share(0.1), after.wet_share(0.1)), kept: sum(&after) / sum(&before), outcome };
    println!(
        "{}: wet {:.5} -> {:.5} of the area, {:.3} of the rain kept, {:?}",
        volume.site.id, verdict.wet.0, verdict.wet.1, verdict.kept, verdict.outcome.report
    );
    verdict
}

#[test]
fn helchteren_clutter_ends_up_dry() {
    let Some(folder) = data("raw/odim-pvol/behel-20200207") else { return };
    // One moment a file; velocity and spectrum width are not looked at.
    let wanted = |path: &PathBuf| ["dbzh", "rhohv"].iter().any(|name| path.to_string_lossy().contains(name));
    let paths = files(&folder).into_iter().filter(wanted);
    let scans = odim::group_volumes(paths.map(|path| volume(&path)).collect());
    assert!(scans.len() >= 8, "{}", scans.len());
    for scan in &scans {
        let verdict = judge(scan);
        assert!(verdict.wet.1 <= 0.002, "{}", verdict.wet.1);
    }
}

#[test]
fn weak_echo_over_st_louis_ends_up_dry() {
    let Some(volume) = named("raw/nexrad", "KLSX") else { return };
    let verdict = judge(&volume);
    assert!(verdict.wet.1 <= 0.002, "{}", verdict.wet.1);
}

#[test]
fn clear_air_over_oklahoma_is_mostly_taken() {
    let Some(volume) = named("raw/nexrad", "KTLX2019") else { return };
    let verdict = judge(&volume);
    assert!(verdict.kept <= 0.1, "{}", verdict.kept);
}

#[test]
fn storms_over_chicago_stay() {
    let Some(volume) = klot() else { return };
    let verdict = judge(&volume);
    assert!(verdict.kept >= 0.85, "{}", verdict.kept);
}

#[test]
fn rain_over_denmark_stays_although_its_file_scales_the_correlation_wrongly() {
    let Some(volume) = named("raw/odim-pvol/single", "T_PAZZ43_C_EKMI") else { return };
    let verdict = judge(&volume);
    assert!(verdict.kept >= 0.85, "{}", verdict.kept);
}
