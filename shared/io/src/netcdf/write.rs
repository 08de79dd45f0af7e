//! The nowcast as a CF-netCDF file.

use jiff::Timestamp;
use ndarray::Array2;
use raincell_model::{Grid, RainField};
use rayon::prelude::*;

use super::classic::{Attribute, Header, Kind, Variable};
use super::{Ensemble, crs};
use crate::WriteError;

/// Who made a nowcast, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provenance<'a> {
    /// Source of the frames it was made from; may be empty.
    pub source: &'a str,
    /// Method it was made with; may be empty.
    pub method: &'a str,
}

/// Writes a deterministic nowcast as CF-netCDF: `rain_rate(time,y,x)` in mm/h, float32, NaN = no data.
///
/// # Errors
/// As [`write_ensemble_nowcast`].
pub fn write_nowcast(issue_time: Timestamp, fields: &[RainField]) -> Result<Vec<u8>, WriteError> {
    write_ensemble_nowcast(Provenance::default(), issue_time, fields, &Ensemble::default())
}

/// Writes a nowcast as CF-netCDF (netCDF-3, 64-bit offset): `rain_rate(time,y,x)` in mm/h, float32, NaN = no data;
/// where there are members also `rain_rate_members(member,time,y,x)`, and `probability(threshold,time,y,x)`; and of when the
/// first rain begins and ends `arrival_probability(y,x)`, `arrival_time(percentile,y,x)` and `end_time(percentile,y,x)`.
///
/// # Errors
/// [`WriteError::Nothing`] without a field, [`WriteError::Shape`] when a field is not on the grid of the first or an
/// ensemble has another number of steps, [`WriteError::TooLarge`] when a variable exceeds 4 GiB.
pub fn write_ensemble_nowcast(
    provenance: Provenance<'_>,
    issue_time: Timestamp,
    fields: &[RainField],
    ensemble: &Ensemble,
) -> Result<Vec<u8>, WriteError> {
    let grid = &fields.first().ok_or(WriteError::Nothing { what: "field" })?.grid;
    check_shapes(grid, fields, ensemble)?;
    let history = format!("nowcast issued {issue_time} for {} steps", fields.len());
    let mut header = build_header(provenance, grid, fields.len(), ensemble);
    // Of the data's own time, so that the same input gives the same file.
    header.attributes.push(("history".into(), Attribute::Text(history)));
    let (mut file, begins) = header.allocate()?;
    let place = |name: &str| header.variables.iter().position(|v| v.name == name).and_then(|i| begins.get(i).copied());

    let seconds = |time: Timestamp| time.as_millisecond() as f64 / 1000.0;
    let leads: Vec<f64> = fields.iter().map(|f| (seconds(f.valid_time) - seconds(issue_time)) / 60.0).collect();
    let times: Vec<f64> = fields.iter().map(|f| seconds(f.valid_time)).collect();
    let y: Vec<f64> = (0..grid.height).map(|row| grid.top - (row as f64 + 0.5) * grid.cell_height).collect();
    let x: Vec<f64> = (0..grid.width).map(|column| grid.left + (column as f64 + 0.5) * grid.cell_width).collect();
    let coordinates: [(&str, &[f64]); 5] = [
        ("time", &times),
        ("lead_time", &leads),
        ("y", &y),
        ("x", &x),
        ("forecast_reference_time", &[seconds(issue_time)]),
    ];
    for (name, values) in coordinates {
        fill_doubles(&mut file, place(name), values);
    }
    let thresholds: Vec<f32> = ensemble.probabilities.iter().map(|p| p.threshold_mm_h).collect();
    fill_doubles(&mut file, place("threshold"), &thresholds.iter().map(|t| round_decimal(*t)).collect::<Vec<f64>>());
    let members: Vec<f64> = (0..ensemble.members.len()).map(|member| member as f64).collect();
    fill_doubles(&mut file, place("member"), &members);

    fill_fields(&mut file, place("rain_rate"), &fields.iter().map(|f| &f.rate_mm_h).collect::<Vec<_>>());
    fill_fields(&mut file, place("rain_rate_members"), &ensemble.members.iter().flatten().collect::<Vec<_>>());
    let probabilities: Vec<&Array2<f32>> = ensemble.probabilities.iter().flat_map(|p| &p.by_lead).collect();
    fill_fields(&mut file, place("probability"), &probabilities);
    if let Some(spell) = &ensemble.spell {
        let percentiles: Vec<f64> = spell.percentiles.iter().map(|p| round_decimal(*p)).collect();
        fill_doubles(&mut file, place("percentile"), &percentiles);
        fill_fields(&mut file, place("arrival_probability"), &[&spell.probability]);
        for (name, fields) in [("arrival_time", &spell.begins_min), ("end_time", &spell.ends_min)] {
            fill_fields(&mut file, place(name), &fields.iter().collect::<Vec<_>>());
        }
    }
    Ok(file)
}

/// The double nearest to the decimal that a person meant: 0.1 and not 0.10000000149.
fn round_decimal(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

fn check_shapes(grid: &Grid, fields: &[RainField], ensemble: &Ensemble) -> Result<(), WriteError> {
    let (rows, columns) = grid.shape();
    let check = |what: &str, found: (usize, usize)| {
        if found == (rows, columns) {
            return Ok(());
        }
        Err(WriteError::Shape { what: what.into(), expected: vec![rows, columns], found: vec![found.0, found.1] })
    };
    for field in fields {
        if *field.grid != *grid {
            let shape = field.grid.shape();
            return Err(WriteError::Shape {
                what: "the grid of a later field (or its place)".into(),
                expected: vec![rows, columns],
                found: vec![shape.0, shape.1],
            });
        }
        check("rain_rate", field.rate_mm_h.dim())?;
    }
    let members = ensemble.members.iter().map(|member| ("rain_rate_members", member));
    let probabilities = ensemble.probabilities.iter().map(|p| ("probability", &p.by_lead));
    for (what, steps) in members.chain(probabilities) {
        if steps.len() != fields.len() {
            let (expected, found) = (vec![fields.len()], vec![steps.len()]);
            return Err(WriteError::Shape { what: format!("{what} (steps)"), expected, found });
        }
        for step in steps {
            check(what, step.dim())?;
        }
    }
    let Some(spell) = &ensemble.spell else { return Ok(()) };
    check("arrival_probability", spell.probability.dim())?;
    for (what, fields) in [("arrival_time", &spell.begins_min), ("end_time", &spell.ends_min)] {
        if fields.len() != spell.percentiles.len() {
            let (expected, found) = (vec![spell.percentiles.len()], vec![fields.len()]);
            return Err(WriteError::Shape { what: format!("{what} (percentiles)"), expected, found });
        }
        for field in fields {
            check(what, field.dim())?;
        }
    }
    Ok(())
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, Attribute)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect()
}

fn build_header(provenance: Provenance<'_>, grid: &Grid, steps: usize, ensemble: &Ensemble) -> Header {
    let mut header = Header {
        dimensions: vec![("time".into(), steps), ("y".into(), grid.height), ("x".into(), grid.width)],
        attributes: attributes(&[
            ("Conventions", "CF-1.11"),
            ("title", "Rain-rate nowcast"),
            ("institution", "Raincell"),
            ("source", provenance.source),
            ("method", provenance.method),
        ]),
        variables: Vec::new(),
    };
    header.attributes.retain(|(_, value)| *value != Attribute::Text(String::new()));
    let mut add = |name: &str, dimensions: &[usize], kind: Kind, attributes: Vec<(String, Attribute)>| {
        header.variables.push(Variable { name: name.into(), dimensions: dimensions.into(), attributes, kind });
    };
    let time_unit = ("units", "seconds since 1970-01-01 00:00:00");
    let calendar = ("calendar", "standard");
    add("time", &[0], Kind::Double, attributes(&[("standard_name", "time"), time_unit, calendar, ("axis", "T")]));
    let reference = attributes(&[("standard_name", "forecast_reference_time"), time_unit, calendar]);
    add("forecast_reference_time", &[], Kind::Double, reference);
    let lead = attributes(&[("standard_name", "forecast_period"), ("units", "minutes")]);
    add("lead_time", &[0], Kind::Double, lead);
    let (names, unit) = if grid.is_geographic() {
        (["latitude", "longitude"], ["degrees_north", "degrees_east"])
    } else {
        (["projection_y_coordinate", "projection_x_coordinate"], ["m", "m"])
    };
    add("y", &[1], Kind::Double, attributes(&[("standard_name", names[0]), ("units", unit[0]), ("axis", "Y")]));
    add("x", &[2], Kind::Double, attributes(&[("standard_name", names[1]), ("units", unit[1]), ("axis", "X")]));
    add("crs", &[], Kind::Int, crs::grid_mapping(grid));
    let at = |coordinates: &str, long_name: &str, standard_name: Option<&str>, units: &str| {
        let mut all = attributes(&[("long_name", long_name), ("units", units), ("grid_mapping", "crs")]);
        all.extend(standard_name.map(|name| ("standard_name".to_owned(), name.into())));
        all.push(("coordinates".into(), coordinates.into()));
        all.push(("_FillValue".into(), Attribute::Floats(vec![f32::NAN])));
        all
    };
    let on_grid = |long_name: &str, standard_name: Option<&str>, units: &str| {
        at("lead_time forecast_reference_time", long_name, standard_name, units)
    };
    let rain = || on_grid("Rain rate", Some("rainfall_rate"), "mm/h");
    add("rain_rate", &[0, 1, 2], Kind::Float, rain());
    let mut extra = Vec::new();
    if !ensemble.members.is_empty() {
        extra.push(("member".to_owned(), ensemble.members.len()));
        add("member", &[3], Kind::Double, attributes(&[("standard_name", "realization"), ("units", "1")]));
        add("rain_rate_members", &[3, 0, 1, 2], Kind::Float, rain());
    }
    if !ensemble.probabilities.is_empty() {
        let dimension = 3 + extra.len();
        extra.push(("threshold".to_owned(), ensemble.probabilities.len()));
        let about = attributes(&[("long_name", "Rain-rate threshold"), ("units", "mm/h")]);
        add("threshold", &[dimension], Kind::Double, about);
        let about = on_grid("Probability that the rain rate reaches the threshold", None, "1");
        add("probability", &[dimension, 0, 1, 2], Kind::Float, about);
    }
    if let Some(spell) = &ensemble.spell {
        let dimension = 3 + extra.len();
        extra.push(("percentile".to_owned(), spell.percentiles.len()));
        let about = attributes(&[("long_name", "Percentile over the members in which it rains"), ("units", "percent")]);
        add("percentile", &[dimension], Kind::Double, about);
        let once = |long_name: &str, units: &str| at("forecast_reference_time", long_name, None, units);
        let about = once("Probability of rain (0.1 mm/h or more) now or at any lead time", "1");
        add("arrival_probability", &[1, 2], Kind::Float, about);
        // Units that readers leave as the numbers that they are, unlike "minutes".
        let about = once("Time from the forecast reference time to the first rain", "min");
        add("arrival_time", &[dimension, 1, 2], Kind::Float, about);
        let about = once("Time from the forecast reference time to the end of the first rain", "min");
        add("end_time", &[dimension, 1, 2], Kind::Float, about);
    }
    header.dimensions.extend(extra);
    header
}

fn fill_doubles(file: &mut [u8], place: Option<usize>, values: &[f64]) {
    let Some(stretch) = place.and_then(|begin| file.get_mut(begin..begin + values.len() * 8)) else { return };
    for (out, value) in stretch.as_chunks_mut::<8>().0.iter_mut().zip(values) {
        *out = value.to_be_bytes();
    }
}

/// Writes fields one after the other, on all cores.
fn fill_fields(file: &mut [u8], place: Option<usize>, fields: &[&Array2<f32>]) {
    let (Some(begin), Some(first)) = (place, fields.first()) else { return };
    let field_bytes = first.len() * 4;
    let Some(stretch) = file.get_mut(begin..begin + field_bytes * fields.len()) else { return };
    stretch.par_chunks_mut(field_bytes.max(1)).zip(fields).for_each(|(out, field)| {
        let out = out.as_chunks_mut::<4>().0.iter_mut();
        match field.as_slice() {
            Some(values) => out.zip(values).for_each(|(out, value)| *out = value.to_be_bytes()),
            None => out.zip(field.iter()).for_each(|(out, value)| *out = value.to_be_bytes()),
        }
    });
}
