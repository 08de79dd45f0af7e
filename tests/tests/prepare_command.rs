//! `raincell prepare` on real raw files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use raincell_tests::{raincell, test_data};
use serde_json::Value;

/// Runs `raincell prepare --json`; gives (exit code, a JSON object a scan, standard error).
fn prepare(files: &[PathBuf], more: &[&str]) -> (i32, Vec<Value>, String) {
    let out = tempfile::tempdir().unwrap();
    let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let mut arguments = vec!["prepare", "--json", "--out", out.path().to_str().unwrap()];
    arguments.extend(files.iter().map(String::as_str));
    arguments.extend(more);
    let (code, stdout, stderr) = raincell(&arguments).unwrap();
    let scans: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for scan in &scans {
        assert!(Path::new(scan["file"].as_str().unwrap()).exists());
    }
    (code, scans, stderr)
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn wet_percent(scan: &Value) -> f64 {
    scan["wet_percent"].as_f64().unwrap()
}

#[test]
fn clutter_comes_out_dry() {
    let Some(data) = test_data() else { return };
    let (code, scans, _) = prepare(&[data.join("raw/odim-pvol/behel-20200207")], &[]);
    assert_eq!((code, scans.len()), (0, 8), "one frame for each time, its four moments merged");
    for scan in scans {
        assert!(wet_percent(&scan) <= 0.2, "{scan}");
    }
}

#[test]
fn weak_echo_comes_out_dry() {
    let Some(data) = test_data() else { return };
    let (code, scans, _) = prepare(&[data.join("raw/nexrad/KLSX20251229_065156_V06")], &[]);
    assert_eq!((code, scans.len()), (0, 1));
    assert!(wet_percent(&scans[0]) <= 0.2, "{}", scans[0]);
}

#[test]
fn storms_keep_their_rain() {
    let Some(data) = test_data() else { return };
    let chunks = [data.join("raw/nexrad-chunks/KLOT-20210729-123848")];
    let (code, cleaned, _) = prepare(&chunks, &[]);
    assert_eq!((code, cleaned.len()), (0, 1), "94 chunks are one volume");
    let no_filters = tempfile::NamedTempFile::new().unwrap();
    let text = "[[prepare.sources]]\nname = 'raw'\npath = '.'\n\
                recipe = { rhohv_gate = false, gabella = false, despeckle = false }\n";
    std::fs::write(no_filters.path(), text).unwrap();
    let (_, raw, _) = prepare(&chunks, &["--config", no_filters.path().to_str().unwrap()]);
    let sum = |scan: &Value| scan["rain_sum_mm_h"].as_f64().unwrap();
    let kept = sum(&cleaned[0]) / sum(&raw[0]);
    println!("KLOT keeps {:.1} % of its rain", kept * 100.0);
    assert!(kept >= 0.85, "{kept}");
}

#[test]
fn every_volume_gives_a_frame_or_a_named_error() {
    let Some(data) = test_data() else { return };
    for folder in
        ["nexrad", "nexrad-legacy", "odim-pvol/capflat-20181220", "odim-pvol/sweden-20090501T1200", "odim-pvol/single"]
    {
        for file in files_in(&data.join("raw").join(folder)) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let (code, scans, stderr) = prepare(std::slice::from_ref(&file), &[]);
            if scans.is_empty() {
                assert_eq!(code, 1, "{name}");
                assert!(stderr.contains(&name), "the error does not name {name}: {stderr}");
                println!("{name}: {}", stderr.trim());
            } else {
                assert_eq!(code, 0, "{name}: {stderr}");
            }
        }
    }
}

#[test]
fn a_bad_file_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let weather = raincell_simulator::Weather::demo(1, "2026-05-01T12:00:00Z".parse().unwrap());
    let volume = raincell_simulator::Radar::demo().scan(&weather, "2026-05-01T12:00:00Z".parse().unwrap());
    let (name, bytes) = raincell_simulator::odim_file(&volume).unwrap();
    std::fs::write(folder.path().join(name), &bytes).unwrap();
    std::fs::write(folder.path().join("cut.h5"), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(folder.path().join("empty.h5"), b"").unwrap();
    std::fs::write(folder.path().join("letter.txt"), b"Dear radar").unwrap();
    let (code, scans, stderr) = prepare(&[folder.path().to_owned()], &[]);
    assert_eq!((code, scans.len()), (1, 1));
    for name in ["cut.h5", "empty.h5", "letter.txt"] {
        assert!(stderr.lines().any(|line| line.contains(name)), "{name}: {stderr}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    assert_eq!(raincell(&["prepare"]).unwrap().0, 2);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("wrong.toml");
    std::fs::write(&config, "[[prepare.sources]]\nname = 'x'\npath = '.'\npoll_seconds = 0\n").unwrap();
    let out = folder.path().to_str().unwrap();
    let (code, _, stderr) = raincell(&["prepare", out, "--out", out, "--config", config.to_str().unwrap()]).unwrap();
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("poll_seconds is 0"), "{stderr}");
}
