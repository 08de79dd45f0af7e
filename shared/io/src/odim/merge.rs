//! Putting together volumes that came as one file a moment or one file a sweep.

use jiff::SignedDuration;
use raincell_model::{PolarVolume, Sweep};

use crate::ReadErrorKind;

/// Files of one scan may differ by this in their nominal time.
const SAME_SCAN: SignedDuration = SignedDuration::from_secs(60);
/// Files of one radar may differ by this in its position, degrees: roundings.
const SAME_PLACE_DEG: f64 = 0.01;
/// Sweeps of one turn of the antenna may differ by this in elevation, degrees.
const SAME_ELEVATION_DEG: f32 = 0.05;

/// True when two volumes are parts of one scan of one radar: same place, same nominal time. (Not by identifier: one
/// file of a scan may name the radar by its WMO number, another by its node.)
pub fn belong_together(a: &PolarVolume, b: &PolarVolume) -> bool {
    (a.site.lat_deg - b.site.lat_deg).abs() <= SAME_PLACE_DEG
        && (a.site.lon_deg - b.site.lon_deg).abs() <= SAME_PLACE_DEG
        && a.nominal_time.duration_since(b.nominal_time).abs() <= SAME_SCAN
}

/// Merges the parts of one scan: sweeps of the same turn become one with the moments of all, the rest stand side by
/// side in the order of scanning. A moment that comes twice is kept as it came first.
///
/// # Errors
/// [`ReadErrorKind::Nothing`] without a volume, [`ReadErrorKind::Mismatch`] when one is of another radar or time.
pub fn merge_volumes(volumes: Vec<PolarVolume>) -> Result<PolarVolume, ReadErrorKind> {
    let mut volumes = volumes.into_iter();
    let mut merged = volumes.next().ok_or(ReadErrorKind::Nothing { what: "volume" })?;
    for volume in volumes {
        check_together(&merged, &volume)?;
        absorb(&mut merged, volume);
    }
    merged.sweeps.sort_by_key(|s| s.start_time);
    Ok(merged)
}

/// Sorts volumes into scans and merges each; the scans in the order in which their first part came.
pub fn group_volumes(volumes: Vec<PolarVolume>) -> Vec<PolarVolume> {
    let mut scans: Vec<PolarVolume> = Vec::new();
    for volume in volumes {
        match scans.iter_mut().find(|scan| belong_together(scan, &volume)) {
            Some(scan) => absorb(scan, volume),
            None => scans.push(volume),
        }
    }
    for scan in &mut scans {
        scan.sweeps.sort_by_key(|s| s.start_time);
    }
    scans
}

fn check_together(a: &PolarVolume, b: &PolarVolume) -> Result<(), ReadErrorKind> {
    if belong_together(a, b) {
        return Ok(());
    }
    let place = |v: &PolarVolume| format!("{} at {:.3}, {:.3}", v.site.id, v.site.lat_deg, v.site.lon_deg);
    Err(if a.nominal_time.duration_since(b.nominal_time).abs() > SAME_SCAN {
        let (expected, found) = (a.nominal_time.to_string(), b.nominal_time.to_string());
        ReadErrorKind::Mismatch { field: "nominal time", expected, found }
    } else {
        ReadErrorKind::Mismatch { field: "radar", expected: place(a), found: place(b) }
    })
}

fn absorb(merged: &mut PolarVolume, volume: PolarVolume) {
    if merged.site.name.is_none() && volume.site.name.is_some() {
        merged.site = volume.site;
    }
    merged.nominal_time = merged.nominal_time.min(volume.nominal_time);
    for sweep in volume.sweeps {
        match merged.sweeps.iter_mut().find(|known| is_same_turn(known, &sweep)) {
            Some(known) => {
                for moment in sweep.moments {
                    if known.moment(&moment.quantity).is_none() {
                        known.moments.push(moment);
                    }
                }
            }
            None => merged.sweeps.push(sweep),
        }
    }
}

fn is_same_turn(a: &Sweep, b: &Sweep) -> bool {
    (a.elevation_deg - b.elevation_deg).abs() <= SAME_ELEVATION_DEG
        && a.start_time.duration_since(b.start_time).abs() <= SignedDuration::from_secs(5)
        && a.azimuths_deg.len() == b.azimuths_deg.len()
        && a.azimuths_deg.iter().zip(&b.azimuths_deg).all(|(x, y)| (x - y).abs() < 0.2)
}
