//! What the writers write, the readers give back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Cursor;
use std::sync::Arc;

use ndarray::Array2;
use raincell_io::netcdf::{NowcastOutline, NowcastReader, NowcastWriter, RainSpell};
use raincell_io::{RawScan, ReadOptions, WriteError, inspect, odim, read};
use raincell_model::{Grid, GridQuantity, PolarVolume, Quantity, RainField, SampleKind};
use support::{outline, small_field, small_volume, written};

fn read_volume(bytes: &[u8], options: &ReadOptions) -> PolarVolume {
    match read(bytes, "volume.h5", options).unwrap() {
        RawScan::Volume(volume) => volume,
        RawScan::Grid(_) => panic!("a grid"),
    }
}

#[test]
fn a_volume_comes_back_with_every_state_and_value() {
    let volume = small_volume();
    let back = read_volume(&odim::write_volume(&volume).unwrap(), &ReadOptions::default());
    assert_eq!(back.site, volume.site);
    assert_eq!(back.nominal_time, volume.nominal_time);
    // The sweep with two gate geometries comes as two.
    assert_eq!(back.sweeps.len(), 4);
    let merged = odim::merge_volumes(vec![back.clone(), back]).unwrap();
    for sweep in &volume.sweeps {
        for moment in &sweep.moments {
            let found = merged
                .sweeps
                .iter()
                .filter(|s| s.elevation_deg == sweep.elevation_deg)
                .find_map(|s| Some((s, s.moment(&moment.quantity)?)));
            let (found_sweep, found) = found.expect("the moment");
            assert_eq!((found_sweep.start_time, found_sweep.end_time), (sweep.start_time, sweep.end_time));
            assert_eq!(found.data.dim(), moment.data.dim());
            assert!((found.first_gate_m - moment.first_gate_m).abs() < 0.01);
            assert_eq!(found.gate_spacing_m, moment.gate_spacing_m);
            for (a, b) in sweep.azimuths_deg.iter().zip(&found_sweep.azimuths_deg) {
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
            for (a, b) in moment.data.iter().zip(&found.data) {
                match (a.kind(), b.kind()) {
                    (SampleKind::Value(a), SampleKind::Value(b)) => assert!((a - b).abs() < 1e-3, "{a} {b}"),
                    (a, b) => assert_eq!(a, b),
                }
            }
        }
    }
}

#[test]
fn only_what_was_asked_for_is_read() {
    let bytes = odim::write_volume(&small_volume()).unwrap();
    let options = ReadOptions { max_elevation_deg: Some(2.0), quantities: Some(vec![Quantity::Dbzh]) };
    let back = read_volume(&bytes, &options);
    assert_eq!(
        back.sweeps.iter().map(|s| (s.elevation_deg, s.moments.len())).collect::<Vec<_>>(),
        [(0.5, 1), (1.5, 1)]
    );
    let nothing = ReadOptions { max_elevation_deg: Some(0.1), quantities: None };
    let error = read(&bytes, "volume.h5", &nothing).unwrap_err().to_string();
    assert_eq!(error, "volume.h5: no sweep asked for in the file");
}

#[test]
fn one_file_a_moment_becomes_one_volume() {
    let volume = small_volume();
    let part = |keep: fn(&Quantity) -> bool| {
        let mut part = volume.clone();
        for sweep in &mut part.sweeps {
            sweep.moments.retain(|moment| keep(&moment.quantity));
        }
        part.sweeps.retain(|sweep| !sweep.moments.is_empty());
        part
    };
    let mut echo = part(|q| *q == Quantity::Dbzh);
    let mut rest = part(|q| *q != Quantity::Dbzh);
    echo.site.name = None;
    echo.site.id = "10637".into();
    rest.nominal_time += jiff::SignedDuration::from_secs(20);
    let merged = odim::merge_volumes(vec![echo.clone(), rest.clone()]).unwrap();
    assert_eq!(merged, volume);
    let mut later = rest.clone();
    later.nominal_time += jiff::SignedDuration::from_mins(5);
    let error = odim::merge_volumes(vec![echo.clone(), later.clone()]).unwrap_err().to_string();
    assert!(error.contains("nominal time"), "{error}");
    assert_eq!(odim::group_volumes(vec![echo, later, rest]).len(), 2);
}

#[test]
fn a_composite_comes_back_to_half_a_hundredth() {
    let field = small_field(0);
    let quality = Array2::from_elem(field.rate_mm_h.dim(), 0.5_f32);
    let bytes = odim::write_composite(&field, "demo", Some(&quality)).unwrap();
    let RawScan::Grid(back) = read(&bytes, "c.h5", &ReadOptions::default()).unwrap() else { panic!("a volume") };
    assert_eq!((back.source.as_str(), back.quantity), ("demo", GridQuantity::RainRate));
    assert_eq!(back.valid_time, field.valid_time);
    let (a, b) = (&back.grid, &field.grid);
    assert_eq!((a.width, a.height, a.cell_width, a.cell_height), (b.width, b.height, b.cell_width, b.cell_height));
    assert!((a.left - b.left).abs() < 0.01 && (a.top - b.top).abs() < 0.01, "{a:?}");
    for (sample, rate) in back.data.iter().zip(&field.rate_mm_h) {
        match sample.kind() {
            SampleKind::NoData => assert!(rate.is_nan()),
            SampleKind::Undetect => assert_eq!(*rate, 0.0),
            SampleKind::Value(v) => assert!((v - rate).abs() <= 0.005 + 1e-4, "{v} {rate}"),
        }
    }
}

#[test]
fn composites_come_back_in_every_projection_of_the_field() {
    for (projection, left, top, cell) in [
        ("+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378137 +b=6356752 +x_0=0 +y_0=0 +units=m", 0.0, -3650e3, 1e3),
        (
            "+proj=somerc +lon_0=7.43958333333333 +lat_0=46.9524055555556 +k_0=1 +x_0=600000 +y_0=200000 +ellps=bessel +units=m",
            255e3,
            480e3,
            1e3,
        ),
        ("+proj=laea +lat_0=55 +lon_0=10 +x_0=1950000 +y_0=-2100000 +units=m +ellps=WGS84", 1e5, -1e5, 2e3),
        ("+proj=longlat +datum=WGS84", 5.0, 55.0, 0.01),
    ] {
        let small = small_field(0);
        let grid = Grid {
            projection: projection.into(),
            left,
            top,
            cell_width: cell,
            cell_height: cell,
            ..(*small.grid).clone()
        };
        let field = RainField { grid: Arc::new(grid.clone()), ..small };
        let bytes = odim::write_composite(&field, "demo", None).unwrap();
        let RawScan::Grid(back) = read(&bytes, "c.h5", &ReadOptions::default()).unwrap() else { panic!("a volume") };
        let near = |a: f64, b: f64| (a - b).abs() < cell * 1e-3;
        assert!(near(back.grid.left, left) && near(back.grid.top, top), "{projection}: {:?}", back.grid);
        assert!(near(back.grid.cell_width, cell) && near(back.grid.cell_height, cell), "{projection}: {:?}", back.grid);
    }
}

/// What a nowcast with an ensemble is made of: fields by step, the ensemble as multiples of them.
struct Ensemble {
    outline: NowcastOutline,
    fields: Vec<RainField>,
    spell: RainSpell,
}

impl Ensemble {
    fn small() -> Self {
        let fields: Vec<RainField> = (1..=3).map(|step| small_field(step * 5)).collect();
        let outline = NowcastOutline {
            source: "KLOT".into(),
            method: "extrapolation".into(),
            members: 2,
            thresholds_mm_h: vec![0.1],
            percentiles: vec![10.0, 50.0, 90.0],
            ..outline(small_field(0).valid_time, &fields)
        };
        let times = |factor: f32| fields.iter().map(|f| f.rate_mm_h.mapv(|r| r * factor)).collect();
        let spell =
            RainSpell { probability: fields[0].rate_mm_h.clone(), begins_min: times(3.0), ends_min: times(4.0) };
        Self { outline, fields, spell }
    }

    fn member(&self, member: usize, step: usize) -> Array2<f32> {
        self.fields[step].rate_mm_h.mapv(|rate| rate * (member as f32 + 0.5))
    }

    fn probability(&self, step: usize) -> Array2<f32> {
        self.fields[step].rate_mm_h.mapv(|rate| rate * 0.01)
    }

    fn writer(&self) -> NowcastWriter<Cursor<Vec<u8>>> {
        NowcastWriter::new(Cursor::new(Vec::new()), &self.outline).unwrap()
    }

    /// As the ensemble gives it: one lead after the other.
    fn by_step(&self) -> Vec<u8> {
        let mut writer = self.writer();
        for (step, field) in self.fields.iter().enumerate() {
            writer.rain_rate(step, &field.rate_mm_h).unwrap();
            writer.probability(0, step, &self.probability(step)).unwrap();
            (0..2).for_each(|member| writer.member(member, step, &self.member(member, step)).unwrap());
        }
        writer.spell(&self.spell).unwrap();
        writer.finish().unwrap().into_inner()
    }

    /// As it lies in the file: one variable after the other.
    fn by_variable(&self) -> Vec<u8> {
        let mut writer = self.writer();
        let steps = 0..self.fields.len();
        steps.clone().for_each(|step| writer.rain_rate(step, &self.fields[step].rate_mm_h).unwrap());
        steps.clone().for_each(|step| writer.probability(0, step, &self.probability(step)).unwrap());
        writer.spell(&self.spell).unwrap();
        for member in 0..2 {
            // A field whose columns lie together, which is not how they lie in the file.
            let turned = |step| self.member(member, step).reversed_axes().as_standard_layout().into_owned();
            steps.clone().for_each(|step| writer.member(member, step, &turned(step).t()).unwrap());
        }
        writer.finish().unwrap().into_inner()
    }
}

#[test]
fn a_nowcast_comes_back_bit_by_bit() {
    let ensemble = Ensemble::small();
    let mut back = NowcastReader::new(Cursor::new(ensemble.by_step()), "n.nc").unwrap();
    assert_eq!(back.outline(), &ensemble.outline);
    let bits = |field: &Array2<f32>| field.iter().map(|r| r.to_bits()).collect::<Vec<_>>();
    for (step, field) in ensemble.fields.iter().enumerate() {
        let found = back.rain_rate(step).unwrap();
        assert_eq!((&found.grid, found.valid_time), (&field.grid, field.valid_time));
        assert_eq!(bits(&found.rate_mm_h), bits(&field.rate_mm_h));
        assert_eq!(bits(&back.probability(0, step).unwrap()), bits(&ensemble.probability(step)));
        for member in 0..2 {
            assert_eq!(bits(&back.member_mm_h(member, step).unwrap()), bits(&ensemble.member(member, step)));
        }
    }
    let (spell, expected) = (back.spell().unwrap().unwrap(), &ensemble.spell);
    assert_eq!(bits(&spell.probability), bits(&expected.probability));
    assert_eq!(bits(&spell.begins_min[0]), bits(&expected.begins_min[0]));
    assert_eq!(bits(&spell.ends_min[2]), bits(&expected.ends_min[2]));
    let error = back.member_mm_h(0, 3).unwrap_err().to_string();
    assert_eq!(error, "n.nc: `rain_rate_members`: expected a step below 3, found 3");

    let deterministic = written(ensemble.outline.issue_time, &ensemble.fields);
    let mut back = NowcastReader::new(Cursor::new(&deterministic), "n.nc").unwrap();
    assert!(back.outline().members == 0 && back.spell().unwrap().is_none());
    let report = inspect(Cursor::new(&deterministic), "n.nc").unwrap().to_string();
    assert!(report.contains("3 times from 2021-07-29T12:45:00Z"), "{report}");
}

#[test]
fn the_order_in_which_fields_are_written_does_not_show() {
    let ensemble = Ensemble::small();
    assert!(ensemble.by_step() == ensemble.by_variable());
}

#[test]
fn a_nowcast_with_a_field_missing_is_not_finished() {
    let ensemble = Ensemble::small();
    let mut writer = ensemble.writer();
    for step in [0, 2] {
        writer.rain_rate(step, &ensemble.fields[step].rate_mm_h).unwrap();
    }
    let error = writer.finish().unwrap_err().to_string();
    assert_eq!(error, "field 1 of rain_rate was never written");
}

#[test]
fn fields_of_another_grid_are_refused() {
    let (mut a, b) = (small_field(5), small_field(10));
    a.rate_mm_h = Array2::zeros((3, 3));
    let outline = outline(b.valid_time, std::slice::from_ref(&b));
    let nowcast = || NowcastWriter::new(Cursor::new(Vec::new()), &outline).unwrap();
    let refused = |outcome, named: &str| matches!(outcome, Err(WriteError::Shape { what, .. }) if what.contains(named));
    assert!(refused(nowcast().rain_rate(0, &a.rate_mm_h), "rain_rate"));
    assert!(refused(nowcast().rain_rate(1, &b.rate_mm_h), "rain_rate (steps)"));
    assert!(refused(nowcast().member(0, 0, &b.rate_mm_h), "rain_rate_members (fields)"));
    assert!(matches!(odim::write_composite(&a, "demo", None), Err(WriteError::Shape { .. })));
    let nothing = NowcastOutline { valid_times: Vec::new(), ..outline.clone() };
    let written = NowcastWriter::new(Cursor::new(Vec::new()), &nothing).map(|_| ());
    assert!(matches!(written, Err(WriteError::Nothing { .. })));
    let (probability, begins_min) = (b.rate_mm_h.clone(), vec![b.rate_mm_h.clone(); 2]);
    let told = NowcastOutline { percentiles: vec![50.0], ..outline.clone() };
    let mut writer = NowcastWriter::new(Cursor::new(Vec::new()), &told).unwrap();
    let spell = RainSpell { probability, begins_min, ends_min: Vec::new() };
    assert!(refused(writer.spell(&spell), "arrival_time (fields)"));
}

#[test]
fn the_report_of_a_volume_names_radar_sweeps_and_ranges() {
    let report = inspect(Cursor::new(odim::write_volume(&small_volume()).unwrap()), "v.h5").unwrap();
    let text = report.to_string();
    assert!(
        text.starts_with("ODIM_H5: radar detst (Teststadt) at 2021-07-29T12:38:48Z\n50.2500°, 8.5000°, 512 m\n"),
        "{text}"
    );
    assert!(text.contains("sweep 1: 0.50°, 90 rays, 12:38:48"), "{text}");
    assert!(text.contains("DBZH          60 gates of 500 m  "), "{text}");
    assert!(report.to_json().contains(r#""format":"ODIM_H5""#));
}
