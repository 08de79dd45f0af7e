//! From stored codes to samples: gain, offset, nodata and undetect.

use hdf5_pure::{DType, Dataset};
use ndarray::Array2;
use raincell_model::Sample;

use super::attributes::{Attributes, Node, hdf5_error};
use crate::ReadErrorKind;
use crate::limits;

/// How codes become values: `value = code * gain + offset`, except for the two special codes.
///
/// Where a maker gives the same code for nodata and undetect (the Australian bureau: 0), it means undetect, as
/// everywhere out of range would otherwise be unknown for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling {
    gain: f64,
    offset: f64,
    nodata: Option<f64>,
    undetect: Option<f64>,
}

impl Scaling {
    /// From the `what` of the data, or where that says nothing the `what` of its dataset.
    pub(crate) fn read(data: &Attributes, dataset: &Attributes) -> Result<Self, ReadErrorKind> {
        let either = |name: &str| -> Result<Option<f64>, ReadErrorKind> {
            Ok(match data.number(name)? {
                Some(value) => Some(value),
                None => dataset.number(name)?,
            })
        };
        Ok(Self {
            gain: either("gain")?.unwrap_or(1.0),
            offset: either("offset")?.unwrap_or(0.0),
            nodata: either("nodata")?,
            undetect: either("undetect")?,
        })
    }

    fn sample(&self, code: f64) -> Sample {
        if Some(code) == self.undetect {
            Sample::UNDETECT
        } else if Some(code) == self.nodata {
            Sample::NODATA
        } else {
            Sample::value((code * self.gain + self.offset) as f32)
        }
    }
}

/// Shape (rows, columns) of a two-dimensional dataset, within `max_rows`, `max_columns` and `max_cells`.
pub(crate) fn shape_within(
    node: &Node,
    data: &Dataset,
    (max_rows, max_columns, max_cells): (usize, usize, usize),
    file_bytes: usize,
) -> Result<(usize, usize), ReadErrorKind> {
    let field = node.path_of("data");
    let shape = data.shape().map_err(|e| hdf5_error(&field, &e))?;
    let &[rows, columns] = shape.as_slice() else {
        return Err(ReadErrorKind::Field {
            field,
            expected: "two dimensions".into(),
            found: format!("{} dimensions", shape.len()),
        });
    };
    let (rows, columns) = (usize::try_from(rows).unwrap_or(usize::MAX), usize::try_from(columns).unwrap_or(usize::MAX));
    limits::check_count(format!("{field} rows"), rows, max_rows)?;
    limits::check_count(format!("{field} columns"), columns, max_columns)?;
    limits::check_count(format!("{field} cells"), rows.saturating_mul(columns), max_cells)?;
    let element = data.element_size().map_err(|e| hdf5_error(&field, &e))?;
    let bytes = (rows * columns).saturating_mul(usize::try_from(element).unwrap_or(usize::MAX));
    limits::check_inflation(&field, bytes, file_bytes)?;
    if let Some(chunk) = data.chunk_shape().map_err(|e| hdf5_error(&field, &e))? {
        // A chunk is decompressed whole, so that its claimed size must be as believable as that of the array.
        let cells = chunk.iter().fold(element, |product, edge| product.saturating_mul(*edge));
        limits::check_inflation(&format!("{field} chunk"), usize::try_from(cells).unwrap_or(usize::MAX), file_bytes)?;
        check_chunks(&field, data, file_bytes)?;
    }
    Ok((rows, columns))
}

/// Every chunk must lie within the file: the HDF5 reader makes room for what the index claims before it looks.
fn check_chunks(field: &str, data: &Dataset, file_bytes: usize) -> Result<(), ReadErrorKind> {
    for chunk in data.chunks().map_err(|e| hdf5_error(field, &e))? {
        let end = chunk.address.saturating_add(chunk.storage_size);
        if end > file_bytes as u64 {
            let what = "chunk of an HDF5 dataset";
            let left = (file_bytes as u64).saturating_sub(chunk.address);
            return Err(ReadErrorKind::Truncated {
                what,
                offset: chunk.address as usize,
                expected: chunk.storage_size as usize,
                found: left as usize,
            });
        }
    }
    Ok(())
}

/// Reads and unpacks a dataset whose shape has been checked.
pub(crate) fn read_samples(
    node: &Node,
    data: &Dataset,
    shape: (usize, usize),
    scaling: Scaling,
) -> Result<Array2<Sample>, ReadErrorKind> {
    let field = node.path_of("data");
    let fail = |e: hdf5_pure::Error| hdf5_error(&field, &e);
    let samples: Vec<Sample> = match data.dtype().map_err(fail)? {
        DType::U8 => {
            let table: Vec<Sample> = (0..=u8::MAX).map(|code| scaling.sample(f64::from(code))).collect();
            data.read_u8().map_err(fail)?.into_iter().map(|code| table[usize::from(code)]).collect()
        }
        DType::U16 => {
            let table: Vec<Sample> = (0..=u16::MAX).map(|code| scaling.sample(f64::from(code))).collect();
            data.read_u16().map_err(fail)?.into_iter().map(|code| table[usize::from(code)]).collect()
        }
        DType::I8 | DType::I16 => {
            data.read_i16().map_err(fail)?.into_iter().map(|code| scaling.sample(f64::from(code))).collect()
        }
        DType::F32 => data.read_f32().map_err(fail)?.into_iter().map(|v| scaling.sample(f64::from(v))).collect(),
        DType::I32 | DType::U32 | DType::F64 | DType::I64 | DType::U64 => {
            data.read_f64().map_err(fail)?.into_iter().map(|v| scaling.sample(v)).collect()
        }
        other => {
            return Err(ReadErrorKind::Field { field, expected: "numbers".into(), found: other.to_string() });
        }
    };
    let found = samples.len();
    Array2::from_shape_vec(shape, samples).map_err(|_| ReadErrorKind::Field {
        field,
        expected: format!("{} values", shape.0 * shape.1),
        found: format!("{found} values"),
    })
}
