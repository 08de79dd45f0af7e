//! Our own nowcast files, read back.

use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;
use raincell_model::{Grid, RainField};

use super::classic::{Kind, Reader, doubles, floats};
use super::{Ensemble, Exceedance, NowcastFile, RainSpell};
use crate::limits::{MAX_GRID_CELLS, check_count};
use crate::{ReadError, ReadErrorKind};

/// Lead times of a nowcast.
const MAX_STEPS: usize = 10_000;

/// Reads a nowcast that [`super::write_nowcast`] wrote.
///
/// # Errors
/// [`ReadError`] naming the variable or offset that is not as it should be.
pub fn read_nowcast(bytes: &[u8], file_name: &str) -> Result<NowcastFile, ReadError> {
    let outcome = if bytes.is_empty() { Err(ReadErrorKind::Empty) } else { read(bytes) };
    outcome.map_err(|kind| ReadError::new(file_name, kind))
}

fn read(bytes: &[u8]) -> Result<NowcastFile, ReadErrorKind> {
    let reader = Reader::open(bytes)?;
    let shape = reader
        .shape("rain_rate")
        .ok_or_else(|| ReadErrorKind::Missing { field: "rain_rate".into(), expected: "a variable (time, y, x)" })?;
    let &[steps, height, width] = shape.as_slice() else {
        return Err(ReadErrorKind::Field {
            field: "rain_rate".into(),
            expected: "dimensions time, y, x".into(),
            found: format!("{} dimensions", shape.len()),
        });
    };
    check_count("time", steps, MAX_STEPS)?;
    check_count("cells of the grid", height.saturating_mul(width), MAX_GRID_CELLS)?;
    let grid = Arc::new(read_grid(&reader, width, height)?);
    let times = read_times(&reader, "time")?;
    if times.len() != steps {
        let (expected, found) = (steps.to_string(), times.len().to_string());
        return Err(ReadErrorKind::Field { field: "time".into(), expected, found });
    }
    let rates = read_fields(&reader, "rain_rate", &grid, steps)?;
    let fields = rates.into_iter().zip(times);
    let fields =
        fields.map(|(rate_mm_h, valid_time)| RainField { grid: grid.clone(), valid_time, rate_mm_h }).collect();
    let issue_time = read_times(&reader, "forecast_reference_time")?
        .first()
        .copied()
        .ok_or_else(|| ReadErrorKind::Missing { field: "forecast_reference_time".into(), expected: "one instant" })?;
    Ok(NowcastFile {
        source: reader.global_text("source").unwrap_or_default().to_owned(),
        method: reader.global_text("method").unwrap_or_default().to_owned(),
        issue_time,
        fields,
        ensemble: read_ensemble(&reader, &grid, steps)?,
    })
}

fn read_times(reader: &Reader<'_>, name: &str) -> Result<Vec<Timestamp>, ReadErrorKind> {
    let instant = |seconds: f64| {
        // Beyond the year 3000 either way lies nothing but damage.
        let plausible = seconds.is_finite() && seconds.abs() < 3.3e10;
        plausible.then(|| Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()).flatten().ok_or_else(
            || {
                let expected = "seconds since 1970".into();
                ReadErrorKind::Field { field: name.to_owned(), expected, found: seconds.to_string() }
            },
        )
    };
    doubles(reader.data(name, Kind::Double)?).into_iter().map(instant).collect()
}

fn read_grid(reader: &Reader<'_>, width: usize, height: usize) -> Result<Grid, ReadErrorKind> {
    let attribute = |name: &str, expected: &'static str| {
        let missing = || ReadErrorKind::Missing { field: format!("crs:{name}"), expected };
        reader.variable_text("crs", name).ok_or_else(missing)
    };
    let projection = attribute("proj4", "a PROJ definition")?.to_owned();
    let text = attribute("GeoTransform", "six numbers")?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|part| part.parse().ok()).collect();
    match numbers.as_slice() {
        &[left, cell_width, _, top, _, minus_height]
            if numbers.iter().all(|n| n.is_finite()) && cell_width > 0.0 && minus_height < 0.0 =>
        {
            Ok(Grid { projection, left, top, cell_width, cell_height: -minus_height, width, height })
        }
        _ => Err(ReadErrorKind::Field {
            field: "crs:GeoTransform".into(),
            expected: "left, width, 0, top, 0, -height".into(),
            found: format!("`{}`", text.chars().take(80).collect::<String>()),
        }),
    }
}

/// The fields of a variable, one after the other.
fn read_fields(reader: &Reader<'_>, name: &str, grid: &Grid, count: usize) -> Result<Vec<Array2<f32>>, ReadErrorKind> {
    let bytes = reader.data(name, Kind::Float)?;
    let field_bytes = grid.width * grid.height * 4;
    let wrong = || ReadErrorKind::Field {
        field: name.to_owned(),
        expected: format!("{count} fields of {} × {}", grid.height, grid.width),
        found: format!("{} bytes", bytes.len()),
    };
    if Some(bytes.len()) != field_bytes.checked_mul(count) {
        return Err(wrong());
    }
    bytes
        .chunks_exact(field_bytes)
        .map(|field| Array2::from_shape_vec(grid.shape(), floats(field)).map_err(|_| wrong()))
        .collect()
}

fn read_ensemble(reader: &Reader<'_>, grid: &Grid, steps: usize) -> Result<Ensemble, ReadErrorKind> {
    let mut ensemble = Ensemble::default();
    if let Some(&count) = reader.shape("rain_rate_members").as_ref().and_then(|shape| shape.first()) {
        check_count("member", count, MAX_STEPS)?;
        ensemble.members = by_steps(read_fields(reader, "rain_rate_members", grid, count * steps)?, steps);
    }
    if let Some(&count) = reader.shape("probability").as_ref().and_then(|shape| shape.first()) {
        check_count("threshold", count, MAX_STEPS)?;
        let thresholds = doubles(reader.data("threshold", Kind::Double)?);
        let fields = by_steps(read_fields(reader, "probability", grid, count * steps)?, steps);
        let exceedance = |(threshold, by_lead)| Exceedance { threshold_mm_h: threshold as f32, by_lead };
        ensemble.probabilities = thresholds.into_iter().zip(fields).map(exceedance).collect();
    }
    if let Some(&count) = reader.shape("arrival_time").as_ref().and_then(|shape| shape.first()) {
        check_count("percentile", count, MAX_STEPS)?;
        let percentiles = doubles(reader.data("percentile", Kind::Double)?).into_iter().map(|p| p as f32).collect();
        let probability = read_fields(reader, "arrival_probability", grid, 1)?.pop();
        let begins_min = read_fields(reader, "arrival_time", grid, count)?;
        let ends_min = read_fields(reader, "end_time", grid, count)?;
        ensemble.spell = probability.map(|probability| RainSpell { probability, percentiles, begins_min, ends_min });
    }
    Ok(ensemble)
}

fn by_steps(fields: Vec<Array2<f32>>, steps: usize) -> Vec<Vec<Array2<f32>>> {
    let mut fields = fields.into_iter();
    let mut all = Vec::new();
    loop {
        let part: Vec<Array2<f32>> = fields.by_ref().take(steps).collect();
        if part.is_empty() {
            return all;
        }
        all.push(part);
    }
}
