//! `raincell hindcast` and `raincell verify` on frames that `raincell prepare` makes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use raincell_simulator::{Radar, Weather, odim_file};
use raincell_tests::{binary, raincell};
use serde_json::Value;

/// Frames every five minutes from 12:00 to 12:50 in `<folder>/frames`.
fn frames(folder: &Path) -> String {
    let start: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let weather = Weather::demo(1, start);
    for minutes in (0..=50).step_by(5) {
        let volume = Radar::demo().scan(&weather, start + SignedDuration::from_mins(minutes));
        let (name, bytes) = odim_file(&volume).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let frames = folder.join("frames").to_str().unwrap().to_owned();
    let (code, _, stderr) = raincell(&["prepare", folder.to_str().unwrap(), "--out", &frames]).unwrap();
    assert_eq!(code, 0, "{stderr}");
    frames
}

#[test]
fn a_hindcast_is_scored_beside_persistence_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let frames = frames(folder.path());
    let nowcast = folder.path().join("n.nc").to_str().unwrap().to_owned();
    let plot = folder.path().join("n.png").to_str().unwrap().to_owned();
    let hindcast = ["hindcast", "--frames", &frames, "--at", "202605011230", "--steps", "4", "--out", &nowcast];
    assert_eq!(raincell(&hindcast).unwrap().0, 0);
    let verify = ["verify", "--frames", &frames, "--nowcast", &nowcast];
    let (code, json, stderr) = raincell(&[&verify[..], &["--json", "--plot", &plot]].concat()).unwrap();
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&json).unwrap();
    let leads = report["leads"].as_array().unwrap();
    assert_eq!(
        leads.iter().map(|lead| lead["lead_min"].as_f64().unwrap()).collect::<Vec<_>>(),
        [5.0, 10.0, 15.0, 20.0]
    );
    for lead in leads {
        let csi = |which: &str| lead[which]["csi1"].as_f64().unwrap();
        assert!(csi("nowcast") > csi("persistence"), "{lead}");
    }
    assert!(std::fs::read(&plot).unwrap().starts_with(b"\x89PNG"));
    let (_, table, _) = raincell(&verify).unwrap();
    assert_eq!(table.lines().count(), 2 + 4, "{table}");

    let bands = folder.path().join("n.tif").to_str().unwrap().to_owned();
    let hindcast = ["hindcast", "--frames", &frames, "--at", "202605011230", "--steps", "4", "--out", &bands];
    assert_eq!(raincell(&hindcast).unwrap().0, 0);
    assert!(std::fs::read(&bands).unwrap().starts_with(b"II*\0"), "a TIFF");
    let (code, _, stderr) = raincell(&[&hindcast[..], &["--members", "2"]].concat()).unwrap();
    assert!(code == 2 && stderr.contains("--members"), "{stderr}");

    // The last step was never observed: the others are scored all the same.
    let last = std::fs::read_dir(&frames).unwrap().map(|e| e.unwrap().path()).max().unwrap();
    std::fs::remove_file(last).unwrap();
    let (code, table, stderr) = raincell(&verify).unwrap();
    assert_eq!((code, table.lines().count()), (1, 2 + 3), "{table}");
    assert!(stderr.contains("no frame of 2026-05-01T12:50:00Z"), "{stderr}");
}

#[test]
fn members_are_written_as_they_are_drawn_the_same_for_the_same_seed_and_scored() {
    let folder = tempfile::tempdir().unwrap();
    let frames = frames(folder.path());
    let hindcast = |name: &str| {
        let out = folder.path().join(name);
        let hindcast = ["hindcast", "--frames", &frames, "--at", "202605011230", "--steps", "3", "--seed", "7"];
        let members = ["--members", "3", "--out", out.to_str().unwrap()];
        let (code, said, stderr) = raincell(&[&hindcast[..], &members].concat()).unwrap();
        assert!(code == 0 && said.starts_with("motion_s=") && said.contains(" io_s="), "{said}{stderr}");
        out
    };
    let (first, again) = (hindcast("first.nc"), hindcast("again.nc"));
    assert!(std::fs::read(&first).unwrap() == std::fs::read(again).unwrap());
    let verify = ["verify", "--frames", &frames, "--nowcast", first.to_str().unwrap(), "--json"];
    let report: Value = serde_json::from_str(&raincell(&verify).unwrap().1).unwrap();
    for lead in report["leads"].as_array().unwrap() {
        let crps = |which: &str| lead[which]["crps"].as_f64().unwrap();
        assert!(crps("nowcast") < crps("persistence"), "{lead}");
    }
    let (code, said, stderr) = raincell(&["inspect", first.to_str().unwrap()]).unwrap();
    assert!(code == 0 && said.contains("3 times from 2026-05-01T12:35:00Z"), "{said}{stderr}");
}

#[test]
fn a_hindcast_that_finds_no_room_leaves_no_part_of_a_file_and_the_old_one_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let frames = frames(folder.path());
    let (out, name) = (tempfile::tempdir().unwrap(), "n.nc");
    let old = out.path().join(name);
    std::fs::write(&old, "old").unwrap();
    // No file may be larger than some fields of the deterministic nowcast, and than some of the members.
    for kilobytes in ["2000", "9000"] {
        let limited = Command::new("bash")
            .args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", kilobytes])
            .arg(binary("raincell").unwrap())
            .args(["hindcast", "--frames", &frames, "--at", "202605011230", "--steps", "3", "--members", "3", "--out"])
            .arg(&old)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&limited.stderr);
        assert_eq!(limited.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("n.nc: field ") && stderr.contains("File too large"), "{stderr}");
        let names: Vec<_> = std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [name], "{stderr}");
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
    }
}
