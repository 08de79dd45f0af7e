//! Fields on a grid: what a composite file holds, and rain rates.

use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;

use crate::{Grid, Sample};

/// What a gridded product measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridQuantity {
    /// Rain rate, mm/h.
    RainRate,
    /// Accumulated rain, mm over the product's period.
    Accumulation,
    /// Reflectivity, dBZ.
    Reflectivity,
}

/// One gridded product as its file gives it, before it is turned into a rain rate.
#[derive(Clone, Debug, PartialEq)]
pub struct GridScan {
    /// Who made it, as a short identifier.
    pub source: String,
    /// Valid time.
    pub valid_time: Timestamp,
    /// Minutes over which [`GridQuantity::Accumulation`] was gathered; 0 where the file does not say.
    pub period_min: f32,
    /// Its grid.
    pub grid: Arc<Grid>,
    /// What it measures.
    pub quantity: GridQuantity,
    /// Shape (rows, columns) of the grid.
    pub data: Array2<Sample>,
}

/// What a rain-rate field says of one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation {
    /// Not observed.
    NoData,
    /// Observed, no rain.
    Dry,
    /// Rain, mm/h.
    Rain(f32),
}

/// Rain rate on a grid at one instant.
#[derive(Clone, Debug)]
pub struct RainField {
    /// The grid; shared, as a sequence of fields lies on one.
    pub grid: Arc<Grid>,
    /// When it holds.
    pub valid_time: Timestamp,
    /// mm/h, shape (rows, columns); NaN = no data, 0 = observed and dry (the convention of pysteps and of CF files).
    pub rate_mm_h: Array2<f32>,
}

impl RainField {
    /// What the field says of the cell (row, column); [`Observation::NoData`] off the grid.
    pub fn at(&self, row: usize, column: usize) -> Observation {
        match self.rate_mm_h.get((row, column)) {
            Some(&rate) if rate > 0.0 => Observation::Rain(rate),
            Some(&0.0) => Observation::Dry,
            _ => Observation::NoData,
        }
    }

    /// Share of the observed cells with at least `threshold_mm_h`; 0 where nothing was observed.
    pub fn wet_share(&self, threshold_mm_h: f32) -> f64 {
        let (mut observed, mut wet) = (0_usize, 0_usize);
        for &rate in &self.rate_mm_h {
            observed += usize::from(!rate.is_nan());
            wet += usize::from(rate >= threshold_mm_h);
        }
        if observed == 0 { 0.0 } else { wet as f64 / observed as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn unknown_dry_and_rain_are_three_answers() {
        let field = RainField {
            grid: Arc::new(Grid::around_radar(50.0, 5.0, 1.0, 1.0)),
            valid_time: Timestamp::UNIX_EPOCH,
            rate_mm_h: array![[f32::NAN, 0.0], [0.3, 2.0]],
        };
        assert_eq!(field.at(0, 0), Observation::NoData);
        assert_eq!(field.at(0, 1), Observation::Dry);
        assert_eq!(field.at(1, 1), Observation::Rain(2.0));
        assert_eq!(field.at(9, 9), Observation::NoData);
        assert!((field.wet_share(0.5) - 1.0 / 3.0).abs() < 1e-9);
    }
}
