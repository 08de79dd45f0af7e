//! Writers: polar volumes (`PVOL`) and composites (`COMP`).

use hdf5_pure::{AttrValue, FileBuilder, GroupBuilder};
use jiff::Timestamp;
use ndarray::{Array2, Axis, Slice};
use raincell_model::{Grid, Moment, PolarVolume, RadarSite, RainField, Sample, Sweep};

use super::packing::{Codes, Packed, pack_rates, pack_samples};
use crate::WriteError;

const CONVENTIONS: &str = "ODIM_H5/V2_3";
const VERSION: &str = "H5rad 2.3";
/// zlib level: beyond 4 radar fields shrink by a percent while the time doubles.
const DEFLATE_LEVEL: u32 = 4;

/// Writes a volume as ODIM_H5 2.3 `PVOL`: one dataset a sweep (one more for each further gate geometry in it), one
/// `dataN` a moment, packed into bytes where that loses nothing and else into words, deflated. Ray azimuths are kept in
/// `how/startazA`, `how/stopazA`.
///
/// # Errors
/// [`WriteError::Nothing`] without a sweep, [`WriteError::Shape`] when a moment has not as many rays as its sweep has
/// azimuths, [`WriteError::Hdf5`] when the container cannot be built.
pub fn write_volume(volume: &PolarVolume) -> Result<Vec<u8>, WriteError> {
    if volume.sweeps.is_empty() {
        return Err(WriteError::Nothing { what: "sweep" });
    }
    let mut file = FileBuilder::new();
    file.set_attr("Conventions", text(CONVENTIONS));
    let mut what = file.create_group("what");
    top_level_what(&mut what, "PVOL", &odim_source(&volume.site), volume.nominal_time);
    file.add_group(what.finish());
    let mut place = file.create_group("where");
    place.set_attr("lat", AttrValue::F64(volume.site.lat_deg));
    place.set_attr("lon", AttrValue::F64(volume.site.lon_deg));
    place.set_attr("height", AttrValue::F64(volume.site.height_m));
    file.add_group(place.finish());

    let mut number = 0;
    for sweep in &volume.sweeps {
        check_rays(sweep)?;
        for moments in by_gate_geometry(&sweep.moments) {
            number += 1;
            let mut dataset = file.create_group(&format!("dataset{number}"));
            write_sweep(&mut dataset, sweep, &moments);
            file.add_group(dataset.finish());
        }
    }
    Ok(file.finish()?)
}

/// Writes a rain-rate field as ODIM_H5 2.3 `COMP`, quantity `RATE`, in steps of 0.01 mm/h, deflated. `source` names who
/// made it, an ODIM source string (`ORG:…`, `NOD:…`) or a plain identifier. `quality` (0–1, same shape as the field)
/// becomes `quality1`.
///
/// # Errors
/// [`WriteError::Shape`] when an array is not shaped as the grid, [`WriteError::Grid`] or [`WriteError::Corner`] when
/// the grid has no place on the earth, [`WriteError::Hdf5`] when the container cannot be built.
pub fn write_composite(field: &RainField, source: &str, quality: Option<&Array2<f32>>) -> Result<Vec<u8>, WriteError> {
    check_shape("rate_mm_h", field.grid.shape(), field.rate_mm_h.dim())?;
    let mut file = FileBuilder::new();
    file.set_attr("Conventions", text(CONVENTIONS));
    let source = if source.contains(':') { source.to_owned() } else { format!("NOD:{source}") };
    let mut what = file.create_group("what");
    top_level_what(&mut what, "COMP", &source, field.valid_time);
    file.add_group(what.finish());
    let mut place = file.create_group("where");
    grid_where(&mut place, &field.grid)?;
    file.add_group(place.finish());

    let mut dataset = file.create_group("dataset1");
    let mut what = dataset.create_group("what");
    what.set_attr("product", text("COMP"));
    start_and_end(&mut what, field.valid_time, field.valid_time);
    dataset.add_group(what.finish());
    let mut data = dataset.create_group("data1");
    write_packed(&mut data, "RATE", field.grid.shape(), &pack_rates(&field.rate_mm_h.view()));
    dataset.add_group(data.finish());
    if let Some(quality) = quality {
        check_shape("quality", field.grid.shape(), quality.dim())?;
        let mut group = dataset.create_group("quality1");
        write_quality(&mut group, quality);
        dataset.add_group(group.finish());
    }
    file.add_group(dataset.finish());
    Ok(file.finish()?)
}

fn text(value: &str) -> AttrValue {
    // ODIM_H5 wants strings with a terminating zero, which a slot one byte wider gives; the fallback holds the same
    // characters without it.
    AttrValue::ascii_string_sized(value, value.len() as u32 + 1)
        .unwrap_or_else(|_| AttrValue::AsciiString(value.into()))
}

fn date(time: Timestamp) -> AttrValue {
    text(&time.strftime("%Y%m%d").to_string())
}

fn clock(time: Timestamp) -> AttrValue {
    text(&time.strftime("%H%M%S").to_string())
}

fn odim_source(site: &RadarSite) -> String {
    match &site.name {
        Some(name) => format!("NOD:{},PLC:{}", site.id, name.replace([',', ':'], " ")),
        None => format!("NOD:{}", site.id),
    }
}

fn top_level_what(group: &mut GroupBuilder, object: &str, source: &str, time: Timestamp) {
    group.set_attr("object", text(object));
    group.set_attr("version", text(VERSION));
    group.set_attr("date", date(time));
    group.set_attr("time", clock(time));
    group.set_attr("source", text(source));
}

fn start_and_end(group: &mut GroupBuilder, start: Timestamp, end: Timestamp) {
    group.set_attr("startdate", date(start));
    group.set_attr("starttime", clock(start));
    group.set_attr("enddate", date(end));
    group.set_attr("endtime", clock(end));
}

fn check_shape(what: &str, expected: (usize, usize), found: (usize, usize)) -> Result<(), WriteError> {
    if expected == found {
        return Ok(());
    }
    Err(WriteError::Shape { what: what.into(), expected: vec![expected.0, expected.1], found: vec![found.0, found.1] })
}

fn check_rays(sweep: &Sweep) -> Result<(), WriteError> {
    let rays = sweep.azimuths_deg.len();
    for moment in &sweep.moments {
        let what = format!("{} at {}°", moment.quantity.odim_name(), sweep.elevation_deg);
        check_shape(&what, (rays, moment.data.ncols()), moment.data.dim())?;
    }
    Ok(())
}

/// Moments of one sweep, those with the same range gates together: ODIM_H5 gives the gates once a dataset.
fn by_gate_geometry(moments: &[Moment]) -> Vec<Vec<&Moment>> {
    let mut groups: Vec<Vec<&Moment>> = Vec::new();
    for moment in moments {
        let same = |other: &&Moment| {
            other.first_gate_m == moment.first_gate_m && other.gate_spacing_m == moment.gate_spacing_m
        };
        match groups.iter_mut().find(|group| group.first().is_some_and(same)) {
            Some(group) => group.push(moment),
            None => groups.push(vec![moment]),
        }
    }
    groups
}

fn write_sweep(dataset: &mut GroupBuilder, sweep: &Sweep, moments: &[&Moment]) {
    let rays = sweep.azimuths_deg.len();
    let gates = moments.iter().map(|m| m.data.ncols()).max().unwrap_or(0);
    let (first_gate_m, spacing_m) = moments.first().map_or((0.0, 0.0), |m| (m.first_gate_m, m.gate_spacing_m));

    let mut what = dataset.create_group("what");
    what.set_attr("product", text("SCAN"));
    start_and_end(&mut what, sweep.start_time, sweep.end_time);
    dataset.add_group(what.finish());

    let mut place = dataset.create_group("where");
    place.set_attr("elangle", AttrValue::F64(f64::from(sweep.elevation_deg)));
    place.set_attr("nbins", AttrValue::I64(gates as i64));
    place.set_attr("nrays", AttrValue::I64(rays as i64));
    // Up to version 2.3 the start of the first gate counts in kilometres, the length of a gate in metres.
    place.set_attr("rstart", AttrValue::F64(f64::from(first_gate_m - spacing_m / 2.0) / 1000.0));
    place.set_attr("rscale", AttrValue::F64(f64::from(spacing_m)));
    place.set_attr("a1gate", AttrValue::I64(0));
    dataset.add_group(place.finish());

    let (starts, stops) = ray_edges(&sweep.azimuths_deg);
    let mut how = dataset.create_group("how");
    how.set_attr("startazA", AttrValue::F64Array(starts));
    how.set_attr("stopazA", AttrValue::F64Array(stops));
    dataset.add_group(how.finish());

    for (index, moment) in moments.iter().enumerate() {
        let mut data = dataset.create_group(&format!("data{}", index + 1));
        let packed = if moment.data.ncols() == gates {
            pack_samples(&moment.data.view())
        } else {
            let mut padded = Array2::from_elem((rays, gates), Sample::NODATA);
            padded.slice_axis_mut(Axis(1), Slice::from(..moment.data.ncols())).assign(&moment.data);
            pack_samples(&padded.view())
        };
        write_packed(&mut data, moment.quantity.odim_name(), (rays, gates), &packed);
        dataset.add_group(data.finish());
    }
}

/// Start and stop azimuth of each ray, so that the middle of both is its centre again: all rays as wide as they are
/// apart in the median.
fn ray_edges(azimuths_deg: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let mut gaps: Vec<f32> = azimuths_deg.windows(2).map(|pair| (pair[1] - pair[0]).rem_euclid(360.0)).collect();
    gaps.sort_by(f32::total_cmp);
    let half = gaps.get(gaps.len() / 2).map_or(0.5, |gap| f64::from(*gap) / 2.0);
    let edge = |shift: f64| azimuths_deg.iter().map(|a| (f64::from(*a) + shift).rem_euclid(360.0)).collect();
    (edge(-half), edge(half))
}

fn write_packed(data: &mut GroupBuilder, quantity: &str, shape: (usize, usize), packed: &Packed) {
    let mut what = data.create_group("what");
    what.set_attr("quantity", text(quantity));
    what.set_attr("gain", AttrValue::F64(packed.gain));
    what.set_attr("offset", AttrValue::F64(packed.offset));
    what.set_attr("nodata", AttrValue::F64(packed.nodata));
    what.set_attr("undetect", AttrValue::F64(packed.undetect));
    data.add_group(what.finish());
    let shape = [shape.0 as u64, shape.1 as u64];
    let dataset = data.create_dataset("data");
    match &packed.codes {
        Codes::Bytes(codes) => {
            dataset.with_u8_data(codes).set_attr("CLASS", text("IMAGE")).set_attr("IMAGE_VERSION", text("1.2"))
        }
        Codes::Words(codes) => dataset.with_u16_data(codes).with_shuffle(),
    };
    dataset.with_shape(&shape);
    if shape[0] > 0 && shape[1] > 0 {
        dataset.with_chunks(&shape).with_deflate(DEFLATE_LEVEL);
    }
}

fn write_quality(group: &mut GroupBuilder, quality: &Array2<f32>) {
    const GAIN: f32 = 1.0 / 254.0;
    let mut what = group.create_group("what");
    what.set_attr("gain", AttrValue::F64(1.0 / 254.0));
    what.set_attr("offset", AttrValue::F64(0.0));
    what.set_attr("nodata", AttrValue::F64(255.0));
    what.set_attr("undetect", AttrValue::F64(255.0));
    group.add_group(what.finish());
    let mut how = group.create_group("how");
    how.set_attr("task", text("raincell.quality.total"));
    group.add_group(how.finish());
    let code = |q: &f32| if q.is_nan() { u8::MAX } else { (q.clamp(0.0, 1.0) / GAIN).round() as u8 };
    let codes: Vec<u8> = quality.iter().map(code).collect();
    let shape = [quality.nrows() as u64, quality.ncols() as u64];
    let dataset = group.create_dataset("data");
    dataset.with_u8_data(&codes).with_shape(&shape);
    if shape[0] > 0 && shape[1] > 0 {
        dataset.with_chunks(&shape).with_deflate(DEFLATE_LEVEL);
    }
}

fn grid_where(group: &mut GroupBuilder, grid: &Grid) -> Result<(), WriteError> {
    group.set_attr("projdef", text(&grid.projection));
    group.set_attr("xsize", AttrValue::I64(grid.width as i64));
    group.set_attr("ysize", AttrValue::I64(grid.height as i64));
    group.set_attr("xscale", AttrValue::F64(grid.cell_width));
    group.set_attr("yscale", AttrValue::F64(grid.cell_height));
    let (rows, columns) = (grid.height as f64, grid.width as f64);
    let geo = grid.georeference()?;
    for (corner, row, column) in [("LL", rows, 0.0), ("UL", 0.0, 0.0), ("UR", 0.0, columns), ("LR", rows, columns)] {
        let (lat, lon) = geo
            .lat_lon_of(row, column)
            .ok_or_else(|| WriteError::Corner { corner, projection: grid.projection.clone() })?;
        group.set_attr(&format!("{corner}_lat"), AttrValue::F64(lat));
        group.set_attr(&format!("{corner}_lon"), AttrValue::F64(lon));
    }
    Ok(())
}
