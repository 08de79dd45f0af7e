//! The nowcast as a CF-netCDF file.

use std::io::{Seek, SeekFrom, Write};

use jiff::Timestamp;
use ndarray::{ArrayRef2, Axis};
use rayon::prelude::*;

use super::classic::{Attribute, Header, Kind, Variable};
use super::{NowcastOutline, RainSpell, crs, names};
use crate::WriteError;

/// Rows that a core converts at a time, at least.
const ROWS: usize = 32;

/// Writes a nowcast as CF-netCDF (netCDF-3, 64-bit offset), field by field, in any order: `rain_rate(time,y,x)` in mm/h,
/// float32, NaN = no data; where there are members also `rain_rate_members(member,time,y,x)`; where there are thresholds
/// `probability(threshold,time,y,x)`; and where there are percentiles, of when the first rain begins and ends,
/// `arrival_probability(y,x)`, `arrival_time(percentile,y,x)` and `end_time(percentile,y,x)`.
///
/// One field is in memory at a time. What was written is a nowcast once [`NowcastWriter::finish`] says so.
#[derive(Debug)]
pub struct NowcastWriter<W> {
    to: W,
    shape: (usize, usize),
    steps: usize,
    parts: Vec<Part>,
    /// A field as it lies in the file.
    converted: Vec<u8>,
}

/// A variable that holds fields.
#[derive(Debug)]
struct Part {
    name: String,
    begin: u64,
    /// Which fields are in the file by now.
    written: Vec<bool>,
}

impl<W: Write + Seek> NowcastWriter<W> {
    /// Begins a file at the beginning of `to`: header and coordinates.
    ///
    /// # Errors
    /// [`WriteError::Nothing`] without a step, [`WriteError::TooLarge`] when a variable exceeds 4 GiB and is not the last
    /// one (the members, where there are any), [`WriteError::Storage`] when `to` does not take it.
    pub fn new(to: W, outline: &NowcastOutline) -> Result<Self, WriteError> {
        let (shape, steps) = (outline.grid.shape(), outline.valid_times.len());
        if steps == 0 {
            return Err(WriteError::Nothing { what: "step" });
        }
        let (header, coordinates) = describe(outline);
        let (mut head, begins) = header.layout()?;
        for (values, begin) in coordinates.iter().zip(&begins) {
            head.resize(*begin as usize, 0);
            head.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        }
        let fields = header.variables.into_iter().zip(begins).skip(coordinates.len());
        let count = |variable: &Variable| {
            let lengths = variable.dimensions.iter().map(|index| header.dimensions[*index].1);
            lengths.rev().skip(2).product()
        };
        let parts = fields
            .map(|(variable, begin)| Part { written: vec![false; count(&variable)], name: variable.name, begin })
            .collect();
        let mut writer = Self { to, shape, steps, parts, converted: Vec::new() };
        writer.write_at(0, &head).map_err(|source| WriteError::Storage { what: "the header".into(), source })?;
        Ok(writer)
    }

    /// Writes the rain rate of a step (counted from 0), mm/h, (rows, columns).
    ///
    /// # Errors
    /// [`WriteError::Shape`] when the field is not of the shape of the grid, or there is no such step;
    /// [`WriteError::Storage`].
    pub fn rain_rate(&mut self, step: usize, rate_mm_h: &ArrayRef2<f32>) -> Result<(), WriteError> {
        self.field(names::RAIN_RATE, 0, step, rate_mm_h)
    }

    /// Writes the rain rate of a member at a step (both counted from 0), mm/h, (rows, columns).
    ///
    /// # Errors
    /// As [`NowcastWriter::rain_rate`].
    pub fn member(&mut self, member: usize, step: usize, rate_mm_h: &ArrayRef2<f32>) -> Result<(), WriteError> {
        self.field(names::MEMBERS, member, step, rate_mm_h)
    }

    /// Writes the probability (0–1) of reaching a threshold at a step (both counted from 0), (rows, columns).
    ///
    /// # Errors
    /// As [`NowcastWriter::rain_rate`].
    pub fn probability(
        &mut self,
        threshold: usize,
        step: usize,
        probability: &ArrayRef2<f32>,
    ) -> Result<(), WriteError> {
        self.field(names::PROBABILITY, threshold, step, probability)
    }

    /// Writes when rain begins and ends.
    ///
    /// # Errors
    /// As [`NowcastWriter::rain_rate`], and when there are more fields than percentiles.
    pub fn spell(&mut self, spell: &RainSpell) -> Result<(), WriteError> {
        self.put(names::ARRIVAL_PROBABILITY, 0, &spell.probability)?;
        for (name, fields) in [(names::ARRIVAL_TIME, &spell.begins_min), (names::END_TIME, &spell.ends_min)] {
            for (index, field) in fields.iter().enumerate() {
                self.put(name, index, field)?;
            }
        }
        Ok(())
    }

    /// Gives back what was written to, with a whole nowcast in it.
    ///
    /// # Errors
    /// [`WriteError::Unwritten`] naming the first field that is missing, [`WriteError::Storage`].
    pub fn finish(mut self) -> Result<W, WriteError> {
        for part in self.parts {
            if let Some(index) = part.written.iter().position(|written| !written) {
                return Err(WriteError::Unwritten { what: part.name, index });
            }
        }
        self.to.flush().map_err(|source| WriteError::Storage { what: "the end".into(), source })?;
        Ok(self.to)
    }

    /// Writes the field of a step; steps are the third dimension from the end.
    fn field(&mut self, name: &str, outer: usize, step: usize, field: &ArrayRef2<f32>) -> Result<(), WriteError> {
        if step >= self.steps {
            let (expected, found) = (vec![self.steps], vec![step + 1]);
            return Err(WriteError::Shape { what: format!("{name} (steps)"), expected, found });
        }
        self.put(name, outer * self.steps + step, field)
    }

    fn put(&mut self, name: &str, index: usize, field: &ArrayRef2<f32>) -> Result<(), WriteError> {
        let (rows, columns) = self.shape;
        if field.dim() != self.shape {
            let (expected, found) = (vec![rows, columns], field.shape().to_vec());
            return Err(WriteError::Shape { what: name.into(), expected, found });
        }
        let part = self.parts.iter_mut().find(|part| part.name == name);
        let fields = part.as_ref().map_or(0, |part| part.written.len());
        let Some(part) = part.filter(|_| index < fields) else {
            let (expected, found) = (vec![fields], vec![index + 1]);
            return Err(WriteError::Shape { what: format!("{name} (fields)"), expected, found });
        };
        let begin = part.begin + index as u64 * (rows * columns * 4) as u64;
        part.written[index] = true;
        self.convert(field);
        let converted = std::mem::take(&mut self.converted);
        let outcome = self.write_at(begin, &converted);
        self.converted = converted;
        outcome.map_err(|source| WriteError::Storage { what: format!("field {index} of {name}"), source })
    }

    /// Turns a field into big-endian bytes, on all cores.
    fn convert(&mut self, field: &ArrayRef2<f32>) {
        let (rows, columns) = self.shape;
        self.converted.resize(rows * columns * 4, 0);
        let lines = self.converted.par_chunks_exact_mut((columns * 4).max(1)).with_min_len(ROWS);
        lines.zip(field.axis_iter(Axis(0))).for_each(|(out, line)| {
            let out = out.as_chunks_mut::<4>().0.iter_mut();
            match line.as_slice() {
                Some(values) => out.zip(values).for_each(|(out, value)| *out = value.to_be_bytes()),
                None => out.zip(line).for_each(|(out, value)| *out = value.to_be_bytes()),
            }
        });
    }

    fn write_at(&mut self, place: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.to.seek(SeekFrom::Start(place))?;
        self.to.write_all(bytes)
    }
}

/// The double nearest to the decimal that a person meant: 0.1 and not 0.10000000149.
fn round_decimal(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, Attribute)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect()
}

/// The header, and the values of its first variables, which hold no fields. The last variable is the largest one.
fn describe(outline: &NowcastOutline) -> (Header, Vec<Vec<f64>>) {
    let NowcastOutline { grid, issue_time, valid_times, thresholds_mm_h, percentiles, .. } = outline;
    let lengths = [
        ("time", valid_times.len()),
        ("y", grid.height),
        ("x", grid.width),
        ("member", outline.members),
        ("threshold", thresholds_mm_h.len()),
        ("percentile", percentiles.len()),
    ];
    let mut header = Header {
        dimensions: lengths.map(|(name, length)| (name.to_owned(), length)).into(),
        attributes: attributes(&[
            ("Conventions", "CF-1.11"),
            ("title", "Rain-rate nowcast"),
            ("institution", "Raincell"),
            ("source", &outline.source),
            ("method", &outline.method),
            // Of the data's own time, so that the same input gives the same file.
            ("history", &format!("nowcast issued {issue_time} for {} steps", valid_times.len())),
        ]),
        variables: Vec::new(),
    };
    // A length of 0 would be one without a limit.
    header.dimensions.retain(|(name, length)| *length > 0 || name == "y" || name == "x");
    header.attributes.retain(|(_, value)| *value != Attribute::Text(String::new()));
    let values = add_coordinates(&mut header, outline);
    add_fields(&mut header);
    (header, values)
}

fn add_coordinates(header: &mut Header, outline: &NowcastOutline) -> Vec<Vec<f64>> {
    let NowcastOutline { grid, issue_time, valid_times, .. } = outline;
    let seconds = |time: Timestamp| time.as_millisecond() as f64 / 1000.0;
    let times: Vec<f64> = valid_times.iter().map(|time| seconds(*time)).collect();
    let leads = times.iter().map(|time| (time - seconds(*issue_time)) / 60.0).collect();
    let (names, units) = if grid.is_geographic() {
        (["latitude", "longitude"], ["degrees_north", "degrees_east"])
    } else {
        (["projection_y_coordinate", "projection_x_coordinate"], ["m", "m"])
    };
    let y = (0..grid.height).map(|row| grid.top - (row as f64 + 0.5) * grid.cell_height).collect();
    let x = (0..grid.width).map(|column| grid.left + (column as f64 + 0.5) * grid.cell_width).collect();
    let decimals = |values: &[f32]| values.iter().map(|value| round_decimal(*value)).collect();

    let mut all_values = Vec::new();
    // The grid mapping has a value because it must; nobody reads it.
    header.add("crs", &[], Kind::Int, crs::grid_mapping(grid));
    all_values.push(Vec::new());
    let mut add = |name: &str, dimensions: &[&str], values: Vec<f64>, about: &[(&str, &str)]| {
        if header.add(name, dimensions, Kind::Double, attributes(about)) {
            all_values.push(values);
        }
    };
    let time_unit = ("units", "seconds since 1970-01-01 00:00:00");
    let calendar = ("calendar", "standard");
    add("time", &["time"], times, &[("standard_name", "time"), time_unit, calendar, ("axis", "T")]);
    let reference = [("standard_name", "forecast_reference_time"), time_unit, calendar];
    add("forecast_reference_time", &[], vec![seconds(*issue_time)], &reference);
    add("lead_time", &["time"], leads, &[("standard_name", "forecast_period"), ("units", "minutes")]);
    add("y", &["y"], y, &[("standard_name", names[0]), ("units", units[0]), ("axis", "Y")]);
    add("x", &["x"], x, &[("standard_name", names[1]), ("units", units[1]), ("axis", "X")]);
    let members = (0..outline.members).map(|member| member as f64).collect();
    add("member", &["member"], members, &[("standard_name", "realization"), ("units", "1")]);
    let about = [("long_name", "Rain-rate threshold"), ("units", "mm/h")];
    add("threshold", &["threshold"], decimals(&outline.thresholds_mm_h), &about);
    let about = [("long_name", "Percentile over the members in which it rains"), ("units", "percent")];
    add("percentile", &["percentile"], decimals(&outline.percentiles), &about);
    all_values
}

fn add_fields(header: &mut Header) {
    let has_spell = header.dimension("percentile").is_some();
    let mut add = |name: &str, dimensions: &[&str], long_name: &str, units: &str| {
        let mut about = attributes(&[("long_name", long_name), ("units", units), ("grid_mapping", "crs")]);
        if units == "mm/h" {
            about.push(("standard_name".into(), "rainfall_rate".into()));
        }
        let lead = if dimensions.contains(&"time") { "lead_time " } else { "" };
        about.push(("coordinates".into(), format!("{lead}forecast_reference_time").as_str().into()));
        about.push(("_FillValue".into(), Attribute::Floats(vec![f32::NAN])));
        header.add(name, dimensions, Kind::Float, about);
    };
    add(names::RAIN_RATE, &["time", "y", "x"], "Rain rate", "mm/h");
    let long_name = "Probability that the rain rate reaches the threshold";
    add(names::PROBABILITY, &["threshold", "time", "y", "x"], long_name, "1");
    if has_spell {
        let long_name = "Probability of rain (0.1 mm/h or more) now or at any lead time";
        add(names::ARRIVAL_PROBABILITY, &["y", "x"], long_name, "1");
        // Units that readers leave as the numbers that they are, unlike "minutes".
        let long_name = "Time from the forecast reference time to the first rain";
        add(names::ARRIVAL_TIME, &["percentile", "y", "x"], long_name, "min");
        let long_name = "Time from the forecast reference time to the end of the first rain";
        add(names::END_TIME, &["percentile", "y", "x"], long_name, "min");
    }
    add(names::MEMBERS, &["member", "time", "y", "x"], "Rain rate", "mm/h");
}
