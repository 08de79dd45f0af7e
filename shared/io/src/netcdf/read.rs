//! Our own nowcast files, read back.

use std::io::{Read, Seek};
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;
use raincell_model::{Grid, RainField};

use super::classic::Reader;
use super::{NowcastOutline, RainSpell, names};
use crate::limits::{MAX_GRID_CELLS, check_count};
use crate::{ReadError, ReadErrorKind};

/// Lead times, members, thresholds or percentiles of a nowcast.
const MAX_COUNT: usize = 10_000;

/// A nowcast that [`super::NowcastWriter`] wrote, open for reading: fields are read when they are asked for.
#[derive(Debug)]
pub struct NowcastReader<R> {
    reader: Reader<R>,
    file_name: String,
    outline: NowcastOutline,
}

impl<R: Read + Seek> NowcastReader<R> {
    /// Reads the header and the coordinates; the name is for messages only.
    ///
    /// # Errors
    /// [`ReadError`] naming the variable or offset that is not as it should be.
    pub fn new(from: R, file_name: &str) -> Result<Self, ReadError> {
        let named = |kind| ReadError::new(file_name, kind);
        let mut reader = Reader::open(from).map_err(named)?;
        let outline = read_outline(&mut reader).map_err(named)?;
        Ok(Self { reader, file_name: file_name.to_owned(), outline })
    }

    /// All that the file says beside its fields.
    pub fn outline(&self) -> &NowcastOutline {
        &self.outline
    }

    /// The rain rate of a step (counted from 0).
    ///
    /// # Errors
    /// [`ReadError`] when there is no such step, or its field cannot be read.
    pub fn rain_rate(&mut self, step: usize) -> Result<RainField, ReadError> {
        let rate_mm_h = self.field(names::RAIN_RATE, 0, step)?;
        let NowcastOutline { grid, valid_times, .. } = &self.outline;
        // There is such a step: its field has been read.
        Ok(RainField { grid: grid.clone(), valid_time: valid_times[step], rate_mm_h })
    }

    /// The rain rate of a member at a step (both counted from 0), mm/h, (rows, columns); NaN = no data.
    ///
    /// # Errors
    /// As [`NowcastReader::rain_rate`].
    pub fn member_mm_h(&mut self, member: usize, step: usize) -> Result<Array2<f32>, ReadError> {
        self.field(names::MEMBERS, member, step)
    }

    /// The probability (0–1) of reaching a threshold at a step (both counted from 0), (rows, columns); NaN = no data.
    ///
    /// # Errors
    /// As [`NowcastReader::rain_rate`].
    pub fn probability(&mut self, threshold: usize, step: usize) -> Result<Array2<f32>, ReadError> {
        self.field(names::PROBABILITY, threshold, step)
    }

    /// When rain begins and ends; `None` where there are no percentiles of it.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn spell(&mut self) -> Result<Option<RainSpell>, ReadError> {
        let percentiles = 0..self.outline.percentiles.len();
        if percentiles.is_empty() {
            return Ok(None);
        }
        let probability = self.nth(names::ARRIVAL_PROBABILITY, 0)?;
        let begins_min = percentiles.clone().map(|k| self.nth(names::ARRIVAL_TIME, k)).collect::<Result<_, _>>()?;
        let ends_min = percentiles.map(|k| self.nth(names::END_TIME, k)).collect::<Result<_, _>>()?;
        Ok(Some(RainSpell { probability, begins_min, ends_min }))
    }

    /// The field of a step; steps are the third dimension from the end.
    fn field(&mut self, name: &str, outer: usize, step: usize) -> Result<Array2<f32>, ReadError> {
        let steps = self.outline.valid_times.len();
        if step >= steps {
            let (expected, found) = (format!("a step below {steps}"), step.to_string());
            return Err(ReadError::new(&self.file_name, ReadErrorKind::Field { field: name.into(), expected, found }));
        }
        self.nth(name, outer.saturating_mul(steps).saturating_add(step))
    }

    fn nth(&mut self, name: &str, index: usize) -> Result<Array2<f32>, ReadError> {
        let shape = self.outline.grid.shape();
        let cells = shape.0 * shape.1;
        let values = self.reader.floats(name, index.saturating_mul(cells), cells);
        let field = values.and_then(|values| {
            let not_a_field = |_| ReadErrorKind::Missing { field: name.to_owned(), expected: "a field" };
            Array2::from_shape_vec(shape, values).map_err(not_a_field)
        });
        field.map_err(|kind| ReadError::new(&self.file_name, kind))
    }
}

fn read_outline<R: Read + Seek>(reader: &mut Reader<R>) -> Result<NowcastOutline, ReadErrorKind> {
    let missing = || ReadErrorKind::Missing { field: names::RAIN_RATE.into(), expected: "a variable (time, y, x)" };
    let shape = reader.shape(names::RAIN_RATE).ok_or_else(missing)?;
    let &[steps, height, width] = shape.as_slice() else {
        return Err(ReadErrorKind::Field {
            field: names::RAIN_RATE.into(),
            expected: "dimensions time, y, x".into(),
            found: format!("{} dimensions", shape.len()),
        });
    };
    check_count("time", steps, MAX_COUNT)?;
    check_count("cells of the grid", height.saturating_mul(width), MAX_GRID_CELLS)?;
    let valid_times = read_times(reader, "time")?;
    if valid_times.len() != steps {
        let (expected, found) = (steps.to_string(), valid_times.len().to_string());
        return Err(ReadErrorKind::Field { field: "time".into(), expected, found });
    }
    let issue_time = read_times(reader, "forecast_reference_time")?
        .first()
        .copied()
        .ok_or_else(|| ReadErrorKind::Missing { field: "forecast_reference_time".into(), expected: "one instant" })?;
    let [source, method] = ["source", "method"].map(|name| reader.global_text(name).unwrap_or_default().to_owned());
    Ok(NowcastOutline {
        source,
        method,
        issue_time,
        grid: Arc::new(read_grid(reader, width, height)?),
        valid_times,
        members: count_of(reader, names::MEMBERS, &[steps, height, width])?,
        thresholds_mm_h: labels(reader, "threshold", names::PROBABILITY, &[steps, height, width])?,
        percentiles: labels(reader, "percentile", names::ARRIVAL_TIME, &[height, width])?,
    })
}

/// Length of the first dimension of a variable whose others are `inner`; 0 where there is no such variable.
fn count_of<R: Read + Seek>(reader: &Reader<R>, name: &str, inner: &[usize]) -> Result<usize, ReadErrorKind> {
    let Some(shape) = reader.shape(name) else { return Ok(0) };
    let Some((&count, _)) = shape.split_first().filter(|(_, others)| *others == inner) else {
        let expected = format!("fields of {inner:?}");
        return Err(ReadErrorKind::Field { field: name.to_owned(), expected, found: format!("{shape:?}") });
    };
    check_count(name, count, MAX_COUNT)?;
    Ok(count)
}

/// The coordinate along the first dimension of `of`, a variable whose other dimensions are `inner`; empty where there is
/// no such variable.
fn labels<R: Read + Seek>(
    reader: &mut Reader<R>,
    name: &str,
    of: &str,
    inner: &[usize],
) -> Result<Vec<f32>, ReadErrorKind> {
    let count = count_of(reader, of, inner)?;
    let labels = if count == 0 { Vec::new() } else { reader.doubles(name)? };
    if labels.len() != count {
        let (expected, found) = (count.to_string(), labels.len().to_string());
        return Err(ReadErrorKind::Field { field: name.to_owned(), expected, found });
    }
    Ok(labels.into_iter().map(|label| label as f32).collect())
}

fn read_times<R: Read + Seek>(reader: &mut Reader<R>, name: &str) -> Result<Vec<Timestamp>, ReadErrorKind> {
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
    reader.doubles(name)?.into_iter().map(instant).collect()
}

fn read_grid<R: Read + Seek>(reader: &Reader<R>, width: usize, height: usize) -> Result<Grid, ReadErrorKind> {
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
