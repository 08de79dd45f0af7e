//! Small scans with known rain, as files.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use raincell_io::RawScan;
use raincell_model::PolarVolume;
use raincell_prepare::intake::{self, Unit};
use raincell_prepare::{Recipe, SourceConfig, pipeline};
use raincell_simulator::{Radar, ScanStrategy, Weather};

/// What the frames of the radar below are stored under.
pub const RADAR: &str = "nlsim";

pub fn recipe() -> Recipe {
    Recipe { radius_km: 40.0, ..Recipe::default() }
}

/// A scan of two sweeps, `number` times five minutes after the first.
pub fn scan(number: i64) -> PolarVolume {
    let start: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let time = start + SignedDuration::from_mins(5 * number);
    let site = raincell_simulator::DEMO_SITE.clone();
    let strategy =
        ScanStrategy { elevations_deg: vec![0.5, 1.0], rays: 180, gates: 80, gate_m: 500.0, ..ScanStrategy::default() };
    Radar::new(site, strategy, 7).scan(&Weather::demo(7, start - SignedDuration::from_mins(60)), time)
}

/// A scan as one file.
pub fn whole(number: i64) -> (String, Vec<u8>) {
    raincell_simulator::odim_file(&scan(number)).unwrap()
}

/// The same scan as one file for each moment of reflectivity, correlation and spectrum width.
pub fn by_moment(number: i64) -> Vec<(String, Vec<u8>)> {
    ["DBZH", "RHOHV", "WRADH"]
        .into_iter()
        .map(|quantity| {
            let mut volume = scan(number);
            for sweep in &mut volume.sweeps {
                sweep.moments.retain(|moment| moment.quantity.odim_name() == quantity);
            }
            let (name, bytes) = raincell_simulator::odim_file(&volume).unwrap();
            (name.replace("PVOL", quantity), bytes)
        })
        .collect()
}

/// Content hash of the frame that all of these files together make, by (source, valid time).
pub fn expected(files: &[(String, Vec<u8>)]) -> BTreeMap<(String, String), String> {
    let mut scans: BTreeMap<_, Vec<RawScan>> = BTreeMap::new();
    for (name, bytes) in files {
        let scan = Unit::File(name.into()).decode(&[(name.clone(), bytes.clone())]).unwrap();
        scans.entry(intake::scan_key(&scan)).or_default().push(scan);
    }
    scans.into_values().map(hash_of).collect()
}

fn hash_of(parts: Vec<RawScan>) -> ((String, String), String) {
    let prepared = pipeline::to_rain(&intake::merge(parts).unwrap(), &recipe()).unwrap();
    assert!(prepared.wet_percent() > 1.0, "a scan without rain would prove nothing");
    let source: SourceConfig = serde_json::from_value(serde_json::json!({ "name": "x", "path": "x" })).unwrap();
    let bytes = raincell_frame::encode(&prepared.frame(&source)).unwrap();
    ((prepared.radar, prepared.field.valid_time.to_string()), raincell_frame::content_hash(&bytes))
}
