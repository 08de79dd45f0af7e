//! What the radar sees has to do with the truth, and what it sees wrongly is where it is said to be.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::Timestamp;
use raincell_model::{PolarVolume, Quantity, RadarSite, Sample};
use raincell_simulator::{DEMO_SITE, Preset, Radar, ScanStrategy, Weather};

fn start() -> Timestamp {
    "2026-07-14T15:00:00Z".parse().unwrap()
}

/// A moment of a sweep by (ray, gate).
fn moment(volume: &PolarVolume, sweep: usize, quantity: &Quantity) -> ndarray::Array2<Sample> {
    volume.sweeps[sweep].moment(quantity).unwrap().data.clone()
}

fn rate_of(dbz: f32) -> f64 {
    f64::from((10.0_f32.powf(dbz / 10.0) / 200.0).powf(1.0 / 1.6))
}

#[test]
fn the_same_scan_twice_is_the_same_and_the_next_one_is_not() {
    let weather = Weather::demo(1, start());
    let radar = Radar::demo();
    let first = radar.scan(&weather, start());
    assert_eq!(first, radar.scan(&weather, start()));
    assert_ne!(
        first.sweeps[0].moments,
        radar.scan(&weather, "2026-07-14T15:05:00Z".parse().unwrap()).sweeps[0].moments
    );
    assert!(first.sweeps.is_sorted_by(|a, b| a.end_time < b.start_time));
}

#[test]
fn gridded_back_the_lowest_sweep_agrees_with_the_truth_where_it_rains() {
    let weather = Weather::demo(1, start());
    let volume = Radar::demo().scan(&weather, start());
    let sweep = volume.lowest_sweep().unwrap();
    let middle = sweep.start_time + sweep.end_time.duration_since(sweep.start_time) / 2;
    let (dbz, rhohv) = (moment(&volume, 0, &Quantity::Dbzh), moment(&volume, 0, &Quantity::Rhohv));
    let scene = weather.scene(middle);
    let (mut ratios, mut missed, mut truth_sum, mut radar_sum) = (Vec::new(), 0, 0.0, 0.0);
    for (x, y) in (-120..120).flat_map(|x| (-120..120).map(move |y| (f64::from(x) + 0.5, f64::from(y) + 0.5))) {
        let truth = f64::from(scene.rain(x, y).rate_mm_h);
        let (ray, gate) = (x.atan2(y).to_degrees().rem_euclid(360.0) as usize, (x.hypot(y) * 2.0) as usize);
        if truth < 0.5 || x.hypot(y) > 120.0 {
            continue;
        }
        match dbz[(ray, gate)].as_value().filter(|_| rhohv[(ray, gate)].as_value().is_some_and(|r| r > 0.85)) {
            Some(dbz) => {
                // The truth at the gate itself: a kilometre further it may rain twice as hard.
                let azimuth = (ray as f64 + 0.5).to_radians();
                let ground_km = (gate as f64 + 0.5) * 0.5;
                let there = scene.rain(ground_km * azimuth.sin(), ground_km * azimuth.cos()).rate_mm_h;
                if there > 0.3 {
                    ratios.push(rate_of(dbz) / f64::from(there));
                }
                truth_sum += truth;
                radar_sum += rate_of(dbz);
            }
            None => missed += 1,
        }
    }
    ratios.sort_by(f64::total_cmp);
    let quantile = |share: f64| ratios[(ratios.len() as f64 * share) as usize];
    println!(
        "{} gates, median ratio {:.3}, 5–95 % {:.2}–{:.2}, missed {missed}, sums {:.3}",
        ratios.len(),
        quantile(0.5),
        quantile(0.05),
        quantile(0.95),
        radar_sum / truth_sum
    );
    assert!(ratios.len() > 2000, "{}", ratios.len());
    assert!((0.85..1.15).contains(&quantile(0.5)), "{}", quantile(0.5));
    assert!(quantile(0.05) > 0.6 && quantile(0.95) < 1.7);
    assert!(missed * 50 < ratios.len(), "{missed} of {} missed", ratios.len());
    assert!((0.85..1.15).contains(&(radar_sum / truth_sum)));
}

#[test]
fn under_a_clear_sky_there_is_clutter_where_it_is_said_to_be_and_speckle() {
    let radar = Radar::demo();
    let volume = radar.scan(&Weather::new(1, &DEMO_SITE, Preset::Dry), start());
    let mut counts = Vec::new();
    for (number, sweep) in volume.sweeps.iter().enumerate() {
        let (dbz, rhohv) = (moment(&volume, number, &Quantity::Dbzh), moment(&volume, number, &Quantity::Rhohv));
        let (mut clutter, mut speckle) = (0, 0);
        for ((ray, gate), sample) in dbz.indexed_iter() {
            let expected = radar.clutter_dbz(sweep.elevation_deg, ray, gate);
            match (sample.as_value(), expected) {
                (Some(found), Some(expected)) => {
                    assert!((found - expected).abs() < 8.0, "{found} {expected}");
                    assert!(rhohv[(ray, gate)].as_value().unwrap() < 0.81);
                    clutter += 1;
                }
                (Some(_), None) => {
                    assert!(rhohv[(ray, gate)].as_value().unwrap() < 0.81);
                    speckle += 1;
                }
                (None, None) => assert!(sample.is_undetect()),
                (None, Some(expected)) => panic!("{expected} dBZ of clutter not seen at {ray}, {gate}"),
            }
        }
        assert!((10..100).contains(&speckle), "sweep {number}: {speckle} speckles");
        counts.push(clutter);
    }
    println!("gates with clutter by sweep: {counts:?}");
    assert!(
        counts[0] > 1000 && counts[1] < counts[0] * 3 / 4 && counts[4..].iter().all(|&count| count == 0),
        "{counts:?}"
    );
}

#[test]
fn rain_has_a_high_correlation_and_moves_towards_and_away_as_the_flow_does() {
    let weather = Weather::demo(1, start());
    let radar = Radar::demo();
    let volume = radar.scan(&weather, start());
    let velocity = moment(&volume, 0, &Quantity::Vradh);
    let rhohv = moment(&volume, 0, &Quantity::Rhohv);
    let (mut compared, mut correlation) = (0, 0.0);
    for ((ray, gate), sample) in velocity.indexed_iter().filter(|((_, gate), _)| (100..240).contains(gate)) {
        let rain_alone = radar.clutter_dbz(0.5, ray, gate).is_none();
        let (Some(speed), Some(rho)) = (sample.as_value(), rhohv[(ray, gate)].as_value()) else { continue };
        if rain_alone && rho > 0.85 {
            let (sin, cos) = (ray as f64 + 0.5).to_radians().sin_cos();
            let range_km = (gate as f64 + 0.5) * 0.5;
            let (u, v) = weather.flow_at(range_km * sin, range_km * cos);
            // The wind grows with height by five percent a kilometre.
            assert!((f64::from(speed) - (u * sin + v * cos)).abs() < 5.0);
            compared += 1;
            correlation += f64::from(rho);
        }
    }
    assert!(compared > 2000, "{compared}");
    assert!((0.95..0.99).contains(&(correlation / f64::from(compared))));
}

#[test]
fn a_second_radar_sees_the_same_storm_in_its_own_place() {
    let weather = Weather::demo(1, start());
    let strategy = ScanStrategy { elevations_deg: vec![0.5], ..ScanStrategy::default() };
    let site = RadarSite { id: "nltwo".into(), name: None, lat_deg: 52.10, lon_deg: 5.18, height_m: 44.0 };
    let volume = Radar::new(site.clone(), strategy, 2).scan(&weather, start());
    let geo = raincell_model::Grid::around_radar(site.lat_deg, site.lon_deg, 1.0, 1.0).georeference().unwrap();
    let (dbz, rhohv) = (moment(&volume, 0, &Quantity::Dbzh), moment(&volume, 0, &Quantity::Rhohv));
    let middle =
        volume.sweeps[0].start_time + volume.sweeps[0].end_time.duration_since(volume.sweeps[0].start_time) / 2;
    let scene = weather.scene(middle);
    let (mut compared, mut close) = (0, 0);
    for (ray, gate) in (0..360).flat_map(|ray| (60..240).map(move |gate| (ray, gate))) {
        let (Some(dbz), Some(rho)) = (dbz[(ray, gate)].as_value(), rhohv[(ray, gate)].as_value()) else { continue };
        if rho > 0.85 && rate_of(dbz) > 0.5 {
            let (sin, cos) = (ray as f64 + 0.5).to_radians().sin_cos();
            let range_km = (gate as f64 + 0.5) * 0.5;
            let (lat, lon) = geo.lat_lon_of(1.0 - range_km * cos, 1.0 + range_km * sin).unwrap();
            let (x, y) = weather.position_km(lat, lon).unwrap();
            let ratio = rate_of(dbz) / f64::from(scene.rain(x, y).rate_mm_h);
            compared += 1;
            close += usize::from((0.5..2.0).contains(&ratio));
        }
    }
    assert!(compared > 1000 && close as f64 > 0.95 * compared as f64, "{close} of {compared}");
}
