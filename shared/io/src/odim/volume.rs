//! Polar volumes and single scans (`PVOL`, `SCAN`).

use jiff::{SignedDuration, Timestamp};
use ndarray::{Array2, Axis};
use raincell_model::{Moment, PolarVolume, Quantity, RadarSite, Sample, Sweep};

use super::attributes::{Attributes, Node};
use super::source::OdimSource;
use super::unpack::{Scaling, read_samples, shape_within};
use crate::limits::{self, MAX_GATES, MAX_RAYS, MAX_SWEEPS};
use crate::{ReadErrorKind, ReadOptions};

/// A nominal time farther than this from all sweeps is a leftover of an earlier scan.
const STALE: SignedDuration = SignedDuration::from_mins(15);

/// Reads all sweeps that the options ask for.
pub(crate) fn read(root: &Node, file_bytes: usize, options: &ReadOptions) -> Result<PolarVolume, ReadErrorKind> {
    let what = root.attributes("what")?;
    let place = root.attributes("where")?;
    let numbers = root.numbered("dataset");
    if numbers.is_empty() {
        return Err(ReadErrorKind::Missing { field: root.path_of("dataset1"), expected: "a sweep" });
    }
    limits::check_count("number of datasets", numbers.len(), MAX_SWEEPS)?;
    let version = odim_version(root, &what)?;
    let mut sweeps = Vec::new();
    let mut out_of_order = 0;
    for number in numbers {
        let Some(dataset) = root.child(&format!("dataset{number}"))? else { continue };
        if is_malfunction(&dataset)? {
            out_of_order += 1;
            continue;
        }
        if let Some(sweep) = read_sweep(&dataset, &what, version, file_bytes, options)? {
            sweeps.push(sweep);
        }
    }
    if sweeps.is_empty() {
        let what = if out_of_order > 0 { "sweep of a working radar (`malfunc` is True)" } else { "sweep asked for" };
        return Err(ReadErrorKind::Nothing { what });
    }
    sweeps.sort_by_key(|s: &Sweep| s.start_time);
    Ok(PolarVolume { site: read_site(&what, &place)?, nominal_time: nominal_time(&what, &sweeps)?, sweeps })
}

fn odim_version(root: &Node, what: &Attributes) -> Result<(u32, u32), ReadErrorKind> {
    // Files without `Conventions` are read as the version that almost all such files are of.
    let conventions = root.own_attributes()?;
    let text = match conventions.text("Conventions")? {
        Some(text) => text.rsplit('V').next().unwrap_or_default().replace('_', "."),
        None => what.text("version")?.and_then(|v| v.split_whitespace().last()).unwrap_or_default().to_owned(),
    };
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Ok((parts.next().flatten().unwrap_or(2), parts.next().flatten().unwrap_or(2)))
}

fn read_site(what: &Attributes, place: &Attributes) -> Result<RadarSite, ReadErrorKind> {
    let source = OdimSource::parse(what.require_text("source", "who measured, as NOD:…, RAD:… or WMO:…")?);
    let id = source.radar_id().ok_or_else(|| ReadErrorKind::Field {
        field: what.path_of("source"),
        expected: "one of NOD, RAD, WMO, PLC, CMT".into(),
        found: "none of them".into(),
    })?;
    let site = RadarSite {
        id,
        // Names in Latin-1 arrive with their umlauts lost; no name is better than half a one.
        name: source.get("PLC").filter(|name| !name.contains(char::REPLACEMENT_CHARACTER)).map(str::to_owned),
        lat_deg: place.require_number("lat", "latitude in degrees")?,
        lon_deg: place.require_number("lon", "longitude in degrees")?,
        height_m: place.number("height")?.unwrap_or(0.0),
    };
    let check = |name: &str, value: f64, limit: f64| {
        if value.abs() <= limit {
            return Ok(());
        }
        let (field, expected) = (place.path_of(name), format!("-{limit} to {limit}"));
        Err(ReadErrorKind::Field { field, expected, found: value.to_string() })
    };
    check("lat", site.lat_deg, 90.0)?;
    check("lon", site.lon_deg, 360.0)?;
    check("height", site.height_m, 9000.0)?;
    Ok(site)
}

fn nominal_time(what: &Attributes, sweeps: &[Sweep]) -> Result<Timestamp, ReadErrorKind> {
    let measured = sweeps.iter().map(|s| s.start_time).min();
    let last = sweeps.iter().map(|s| s.end_time).max();
    match (what.instant("date", "time")?, measured, last) {
        (Some(nominal), Some(first), Some(last)) if nominal > last + STALE || nominal < first - STALE => Ok(first),
        (Some(nominal), ..) => Ok(nominal),
        (None, Some(first), _) => Ok(first),
        (None, None, _) => Err(ReadErrorKind::Missing { field: what.path_of("date"), expected: "a date YYYYMMDD" }),
    }
}

fn is_malfunction(dataset: &Node) -> Result<bool, ReadErrorKind> {
    Ok(dataset.attributes("how")?.text("malfunc")?.is_some_and(|flag| flag.eq_ignore_ascii_case("true")))
}

/// One sweep; `None` where the options do not ask for it or it has no moment that they ask for.
fn read_sweep(
    dataset: &Node,
    top_what: &Attributes,
    version: (u32, u32),
    file_bytes: usize,
    options: &ReadOptions,
) -> Result<Option<Sweep>, ReadErrorKind> {
    let place = dataset.attributes("where")?;
    let elevation_deg = place.require_number("elangle", "elevation in degrees")? as f32;
    if !(-10.0..=91.0).contains(&elevation_deg) {
        let found = elevation_deg.to_string();
        return Err(ReadErrorKind::Field { field: place.path_of("elangle"), expected: "-10 to 91".into(), found });
    }
    if !options.wants_elevation(elevation_deg) {
        return Ok(None);
    }
    let (first_gate_m, gate_spacing_m) = gate_geometry(&place, version)?;
    let what = dataset.attributes("what")?;
    let (start_time, end_time) = sweep_times(&what, top_what)?;

    let mut moments: Vec<Moment> = Vec::new();
    let mut rays = None;
    for number in dataset.numbered("data") {
        let Some(node) = dataset.child(&format!("data{number}"))? else { continue };
        let data_what = node.attributes("what")?;
        let name = match data_what.text("quantity")? {
            Some(name) => name,
            None => what.require_text("quantity", "the name of the moment")?,
        };
        let quantity = Quantity::from_odim(name);
        if !options.wants_quantity(&quantity) {
            continue;
        }
        let data = node.data()?;
        let shape = shape_within(&node, &data, (MAX_RAYS, MAX_GATES, MAX_RAYS * MAX_GATES), file_bytes)?;
        if *rays.get_or_insert(shape.0) != shape.0 {
            return Err(ReadErrorKind::Field {
                field: node.path_of("data"),
                expected: format!("{} rays as the other moments", rays.unwrap_or_default()),
                found: format!("{} rays", shape.0),
            });
        }
        let samples = read_samples(&node, &data, shape, Scaling::read(&data_what, &what)?)?;
        moments.push(Moment { quantity, first_gate_m, gate_spacing_m, data: samples });
    }
    let Some(rays) = rays else { return Ok(None) };
    let azimuths_deg = ray_azimuths(&dataset.attributes("how")?, rays)?;
    Ok(Some(in_azimuth_order(Sweep { elevation_deg, start_time, end_time, azimuths_deg, moments })))
}

/// (centre of the first gate, distance between gates), metres.
fn gate_geometry(place: &Attributes, version: (u32, u32)) -> Result<(f32, f32), ReadErrorKind> {
    let wrong = |name: &str, expected: &str, found: f64| ReadErrorKind::Field {
        field: place.path_of(name),
        expected: expected.into(),
        found: found.to_string(),
    };
    let rscale = place.require_number("rscale", "length of a gate in metres")?;
    // Gates are tens to thousands of metres long; a number below ten is kilometres.
    let spacing_m = if rscale < 10.0 { rscale * 1000.0 } else { rscale };
    if !(1.0..=20_000.0).contains(&spacing_m) {
        return Err(wrong("rscale", "a gate of 1 to 20000 m", rscale));
    }
    let rstart = place.number("rstart")?.unwrap_or(0.0);
    // Kilometres up to version 2.3, metres from 2.4; no radar begins to listen beyond 200 km.
    let start_m = if version >= (2, 4) || rstart.abs() > 200.0 { rstart } else { rstart * 1000.0 };
    if start_m.abs() > 200_000.0 {
        return Err(wrong("rstart", "a first gate within 200 km", rstart));
    }
    Ok(((start_m + spacing_m / 2.0) as f32, spacing_m as f32))
}

fn sweep_times(what: &Attributes, top_what: &Attributes) -> Result<(Timestamp, Timestamp), ReadErrorKind> {
    let start = match what.instant("startdate", "starttime")? {
        Some(start) => start,
        None => top_what.instant("date", "time")?.ok_or_else(|| ReadErrorKind::Missing {
            field: what.path_of("startdate"),
            expected: "a date YYYYMMDD here or in what/date",
        })?,
    };
    let end = what.instant("enddate", "endtime")?.unwrap_or(start);
    Ok((start, end.max(start)))
}

/// Centre of each ray in the order of the rows, degrees: from start and stop angles where the file has them (arrays, or
/// the comma-separated strings of older files), else evenly spaced from `astart` or north.
fn ray_azimuths(how: &Attributes, rays: usize) -> Result<Vec<f32>, ReadErrorKind> {
    if let (Some(starts), Some(stops)) = (how.numbers("startazA")?, how.numbers("stopazA")?)
        && starts.len() == rays
        && stops.len() == rays
        && starts.iter().chain(&stops).all(|angle| angle.is_finite())
    {
        return Ok(starts.iter().zip(&stops).map(|(start, stop)| middle(*start, *stop)).collect());
    }
    // Danish files misspell the name.
    for name in ["azangles", "azangels"] {
        if let Some(angles) = how.text(name)?.and_then(|text| parse_angle_pairs(text, rays)) {
            return Ok(angles);
        }
    }
    let first_edge = how.number("astart")?.filter(|angle| angle.abs() <= 360.0).unwrap_or(0.0);
    let width = 360.0 / rays as f64;
    Ok((0..rays).map(|ray| (first_edge + (ray as f64 + 0.5) * width).rem_euclid(360.0) as f32 % 360.0).collect())
}

fn parse_angle_pairs(text: &str, rays: usize) -> Option<Vec<f32>> {
    let pair = |part: &str| {
        let (start, stop) = part.split_once(':')?;
        let (start, stop): (f64, f64) = (start.trim().parse().ok()?, stop.trim().parse().ok()?);
        (start.is_finite() && stop.is_finite()).then(|| middle(start, stop))
    };
    let angles: Option<Vec<f32>> = text.split(',').map(pair).collect();
    angles.filter(|a| a.len() == rays)
}

/// The angle half-way between two, over north where that is shorter.
fn middle(start: f64, stop: f64) -> f32 {
    let half = ((stop - start + 180.0).rem_euclid(360.0) - 180.0) / 2.0;
    let angle = (start + half).rem_euclid(360.0) as f32;
    // The nearest f32 below 360 may be 360 itself.
    if angle >= 360.0 { 0.0 } else { angle }
}

/// The same sweep with its rays ascending from north.
fn in_azimuth_order(mut sweep: Sweep) -> Sweep {
    if sweep.azimuths_deg.is_sorted() {
        return sweep;
    }
    let mut order: Vec<usize> = (0..sweep.azimuths_deg.len()).collect();
    order.sort_by(|a, b| sweep.azimuths_deg[*a].total_cmp(&sweep.azimuths_deg[*b]));
    sweep.azimuths_deg = order.iter().map(|ray| sweep.azimuths_deg[*ray]).collect();
    for moment in &mut sweep.moments {
        let data: Array2<Sample> = moment.data.select(Axis(0), &order);
        moment.data = data;
    }
    sweep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_ray_over_north_is_north() {
        assert_eq!(middle(359.5, 0.5), 0.0);
        assert_eq!(middle(359.0, 0.5), 359.75);
        assert_eq!(middle(10.0, 11.0), 10.5);
    }

    #[test]
    fn angle_pairs_must_be_as_many_as_rays() {
        assert_eq!(parse_angle_pairs("359.5:0.5,1:2", 2), Some(vec![0.0, 1.5]));
        assert_eq!(parse_angle_pairs("359.5:0.5,1:2", 3), None);
        assert_eq!(parse_angle_pairs("x:0.5,1:2", 2), None);
    }
}
