//! What the simulator writes, Raincell's own readers read back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::Timestamp;
use raincell_io::{RawScan, ReadOptions};
use raincell_model::{PolarVolume, Quantity, Sample, SampleKind};
use raincell_simulator::{Radar, ScanStrategy, Weather, WriteError, icao_of, nexrad_chunks, nexrad_file, odim_file};

fn volume() -> PolarVolume {
    let start: Timestamp = "2026-07-14T23:58:00Z".parse().unwrap();
    let weather = Weather::demo(2, start);
    Radar::demo().scan(&weather, start)
}

fn read((name, content): &(String, Vec<u8>)) -> PolarVolume {
    match raincell_io::read(content, name, &ReadOptions::default()).unwrap() {
        RawScan::Volume(volume) => volume,
        RawScan::Grid(_) => panic!("a volume was written and a grid read"),
    }
}

fn assert_same(found: &PolarVolume, written: &PolarVolume, elevation_step_deg: f32) {
    assert_eq!(found.nominal_time, written.nominal_time);
    assert!((found.site.lat_deg - written.site.lat_deg).abs() < 1e-5);
    assert!((found.site.lon_deg - written.site.lon_deg).abs() < 1e-5);
    assert!((found.site.height_m - written.site.height_m).abs() < 0.5);
    assert_eq!(found.sweeps.len(), written.sweeps.len());
    for (found, written) in found.sweeps.iter().zip(&written.sweeps) {
        assert!((found.elevation_deg - written.elevation_deg).abs() <= elevation_step_deg);
        assert_eq!((found.start_time, found.end_time), (written.start_time, written.end_time));
        assert_eq!(found.azimuths_deg.len(), written.azimuths_deg.len());
        for (found, written) in found.azimuths_deg.iter().zip(&written.azimuths_deg) {
            assert!((found - written).abs() < 0.01, "{found} {written}");
        }
        for written in &written.moments {
            let found = found.moment(&written.quantity).expect("the moment was written");
            assert_eq!(found.first_gate_m, written.first_gate_m);
            assert_eq!(found.gate_spacing_m, written.gate_spacing_m);
            assert_eq!(found.data.dim(), written.data.dim());
            for (found, written) in found.data.iter().zip(&written.data) {
                match (found.kind(), written.kind()) {
                    (SampleKind::Value(found), SampleKind::Value(written)) => {
                        assert!((found - written).abs() < 0.01, "{found} {written}");
                    }
                    (found, written) => assert_eq!(found, written),
                }
            }
        }
    }
}

#[test]
fn a_nexrad_file_comes_back_as_the_volume_it_was_made_from() {
    let volume = volume();
    let file = nexrad_file(&volume).unwrap();
    assert_eq!(file.0, "XSIM20260714_235800_V06");
    let found = read(&file);
    assert_eq!(found.site.id, "XSIM");
    assert_same(&found, &volume, 0.022);
}

#[test]
fn an_odim_file_comes_back_as_the_volume_it_was_made_from() {
    let volume = volume();
    let file = odim_file(&volume).unwrap();
    assert_eq!(file.0, "nlsim_20260714T235800_PVOL.h5");
    let found = read(&file);
    assert_eq!(found.site.id, "nlsim");
    assert_same(&found, &volume, 1e-4);
}

#[test]
fn the_chunks_of_the_real_time_feed_put_together_are_the_archive_file() {
    let volume = volume();
    let chunks = nexrad_chunks(&volume, &icao_of(&volume.site)).unwrap();
    // Three records of 120 rays for each of seven sweeps, and the metadata.
    assert_eq!(chunks.len(), 22);
    assert_eq!(chunks[0].0, "20260714-235800-001-S");
    assert_eq!(chunks[1].0, "20260714-235800-002-I");
    assert_eq!(chunks[21].0, "20260714-235800-022-E");
    let together: Vec<u8> = chunks.into_iter().flat_map(|(_, content)| content).collect();
    assert_eq!(together, nexrad_file(&volume).unwrap().1);
}

#[test]
fn not_observed_stays_apart_from_nothing_there_in_both_formats() {
    let mut volume = volume();
    volume.sweeps.truncate(1);
    let strip = |ray: usize| if ray.is_multiple_of(2) { Sample::NODATA } else { Sample::UNDETECT };
    for moment in &mut volume.sweeps[0].moments {
        for ((ray, gate), sample) in moment.data.indexed_iter_mut() {
            if (100..140).contains(&gate) {
                *sample = strip(ray);
            }
        }
    }
    for file in [nexrad_file(&volume).unwrap(), odim_file(&volume).unwrap()] {
        let found = read(&file);
        let data = &found.sweeps[0].moment(&Quantity::Dbzh).unwrap().data;
        for ray in 0..360 {
            assert_eq!(data[(ray, 120)], strip(ray), "{} ray {ray}", file.0);
        }
    }
}

#[test]
fn what_does_not_fit_the_format_is_refused_by_name() {
    let mut volume = volume();
    let found = raincell_simulator::write_nexrad(&volume, "TOOLONG").unwrap_err();
    assert!(matches!(&found, WriteError::Icao { found } if found == "TOOLONG"), "{found}");

    let strategy = ScanStrategy { gates: 3000, elevations_deg: vec![0.5], ..ScanStrategy::default() };
    let weather = Weather::demo(2, volume.nominal_time);
    let wide = Radar::new(volume.site.clone(), strategy, 1).scan(&weather, volume.nominal_time);
    let found = nexrad_file(&wide).unwrap_err();
    assert!(found.to_string().contains("number of gates of DBZH of sweep 0 is 3000"), "{found}");

    volume.sweeps[1].azimuths_deg.pop();
    assert!(matches!(nexrad_file(&volume).unwrap_err(), WriteError::Rays { sweep: 1, .. }));

    volume.sweeps.clear();
    assert!(matches!(nexrad_file(&volume).unwrap_err(), WriteError::OutOfRange { .. }));
    assert!(matches!(odim_file(&volume).unwrap_err(), WriteError::Odim(_)));
}
