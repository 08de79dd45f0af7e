//! Percentiles and probabilities of a run, two bytes a cell.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;
use raincell_frame::{DecodeError, RunHeader, decode};
use raincell_model::{Grid, RainField};

/// Probabilities that the rain rate reaches 0.1, 1 and 5 mm/h, as they are named in a run and as tile layers.
pub const PROBABILITIES: [&str; 3] = ["probability-0.1", "probability-1", "probability-5"];
/// Percentiles of the rain rate, as they are named in a run.
pub const PERCENTILES: [&str; 3] = ["p10", "p50", "p90"];

/// The probability that it rains within a run, as it is named in it; of the issue time.
pub const ARRIVAL_PROBABILITY: &str = "probability-arrival";
/// The 10th and 90th percentile of when the first rain of a run begins, minutes after the issue time; 0 where it does not.
pub const BEGINS: [&str; 2] = ["arrival-p10", "arrival-p90"];
/// The same of when it ends; 0 where no end is in sight.
pub const ENDS: [&str; 2] = ["end-p10", "end-p90"];

/// What stands for "unknown".
const UNKNOWN: u16 = u16::MAX;

/// Fields of one run by the name of the product and valid time.
#[derive(Debug, Default)]
pub struct Products(HashMap<&'static str, Vec<(Timestamp, Packed)>>);

#[derive(Debug)]
struct Packed {
    cells: Array2<u16>,
    /// Value of 1.
    unit: f32,
}

impl Packed {
    fn of(values: &Array2<f32>, unit: f32) -> Self {
        let pack = |value: f32| {
            if value.is_nan() { UNKNOWN } else { (value / unit).round().clamp(0.0, f32::from(UNKNOWN - 1)) as u16 }
        };
        Self { cells: values.mapv(pack), unit }
    }

    fn value(&self, packed: u16) -> f32 {
        if packed == UNKNOWN { f32::NAN } else { f32::from(packed) * self.unit }
    }
}

impl Products {
    /// Those of a run, from the bytes that its header is of; empty where the run has none.
    ///
    /// # Errors
    /// When one of them is damaged.
    pub fn decode(header: &RunHeader, run: &[u8]) -> Result<Self, DecodeError> {
        let mut products = HashMap::new();
        let shares = PROBABILITIES.into_iter().chain([ARRIVAL_PROBABILITY]).map(|name| (name, 1e-4));
        let rates = PERCENTILES.into_iter().map(|name| (name, 0.01));
        let minutes = BEGINS.into_iter().chain(ENDS).map(|name| (name, 0.1));
        let units = shares.chain(rates).chain(minutes);
        for (name, unit) in units {
            let mut fields = Vec::new();
            for product in header.products_named(name) {
                let field = decode(product.frame_bytes(run))?.field;
                fields.push((product.valid_time, Packed::of(&field.rate_mm_h, unit)));
            }
            if !fields.is_empty() {
                products.insert(name, fields);
            }
        }
        Ok(Self(products))
    }

    /// True when there are fields of a product.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A value at a cell: 0–1 of a probability, mm/h of a percentile, minutes of a time; `None` where unknown.
    pub fn at(&self, name: &str, time: Timestamp, (row, column): (usize, usize)) -> Option<f32> {
        let packed = self.packed(name, time)?;
        packed.cells.get((row, column)).map(|cell| packed.value(*cell)).filter(|value| !value.is_nan())
    }

    /// A whole field, in the place of a rain rate.
    pub fn field(&self, name: &str, time: Timestamp, grid: &Arc<Grid>) -> Option<RainField> {
        let packed = self.packed(name, time)?;
        let rate_mm_h = packed.cells.mapv(|cell| packed.value(cell));
        Some(RainField { grid: Arc::clone(grid), valid_time: time, rate_mm_h })
    }

    fn packed(&self, name: &str, time: Timestamp) -> Option<&Packed> {
        self.0.get(name)?.iter().find(|(valid_time, _)| *valid_time == time).map(|(_, packed)| packed)
    }
}
