//! A composite, on its own grid, to rain rate.

use std::sync::Arc;

use raincell_model::{GridQuantity, GridScan, RainField, SampleKind};
use rayon::prelude::*;
use thiserror::Error;

use crate::{Gridded, ZR};

/// Rain rate beyond which a cell of a composite cannot be right, mm/h: over a square kilometre and five minutes such
/// rates are not measured even in the tropics, while composites hold thousands where clutter came through.
pub const DEFAULT_CAP_MM_H: f32 = 250.0;

/// Why a composite cannot become rain rate.
#[derive(Debug, Error, PartialEq)]
pub enum ScanError {
    /// An accumulation without the time it was gathered in.
    #[error("accumulation of {rain_source} over {found} minutes; expected a period above 0")]
    Period {
        /// Who made the composite.
        rain_source: String,
        /// The period that it gives, minutes.
        found: f32,
    },
}

/// Turns a composite into rain rate: a rate as it is, an accumulation by its period, reflectivity by Z–R. Undetect
/// becomes 0, nodata and negative amounts NaN; what is beyond `cap_mm_h` (or, for reflectivity, beyond the cap of the
/// relation) is set to the cap and counted.
///
/// # Errors
/// [`ScanError::Period`] for an accumulation whose period is unknown.
pub fn grid_scan_to_rain(scan: &GridScan, zr: &ZR, cap_mm_h: f32) -> Result<Gridded, ScanError> {
    let per_hour = match scan.quantity {
        GridQuantity::Accumulation if scan.period_min > 0.0 && scan.period_min.is_finite() => 60.0 / scan.period_min,
        GridQuantity::Accumulation => {
            return Err(ScanError::Period { rain_source: scan.source.clone(), found: scan.period_min });
        }
        GridQuantity::RainRate | GridQuantity::Reflectivity => 1.0,
    };
    let mut rate_mm_h = ndarray::Array2::zeros(scan.data.dim());
    let capped_cells = ndarray::Zip::from(&mut rate_mm_h)
        .and(&scan.data)
        .into_par_iter()
        .with_min_len(16_384)
        .map(|(cell, sample)| {
            let (rate, capped) = match sample.kind() {
                SampleKind::NoData => (f32::NAN, false),
                SampleKind::Undetect => (0.0, false),
                SampleKind::Value(dbz) if scan.quantity == GridQuantity::Reflectivity => {
                    (zr.rate_mm_h(dbz), zr.caps(dbz))
                }
                SampleKind::Value(amount) if amount < 0.0 => (f32::NAN, false),
                SampleKind::Value(amount) => (amount * per_hour, false),
            };
            let beyond = rate > cap_mm_h;
            *cell = if beyond { cap_mm_h } else { rate };
            usize::from(capped || beyond)
        })
        .sum();
    let field = RainField { grid: Arc::clone(&scan.grid), valid_time: scan.valid_time, rate_mm_h };
    Ok(Gridded { field, capped_cells })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use ndarray::array;
    use raincell_model::{Grid, Observation, Sample};

    fn scan(quantity: GridQuantity, period_min: f32, value: f32) -> GridScan {
        GridScan {
            source: "opera".into(),
            valid_time: Timestamp::UNIX_EPOCH,
            period_min,
            grid: Arc::new(Grid::around_radar(50.0, 5.0, 1.0, 1.0)),
            quantity,
            data: array![[Sample::NODATA, Sample::UNDETECT], [Sample::value(value), Sample::value(8646.0)]],
        }
    }

    fn rain(scan: &GridScan) -> Gridded {
        grid_scan_to_rain(scan, &ZR::MARSHALL_PALMER, DEFAULT_CAP_MM_H).unwrap()
    }

    #[test]
    fn each_quantity_becomes_a_rate_by_its_own_way() {
        for (quantity, period, value, rate) in [
            (GridQuantity::RainRate, 0.0, 2.5, 2.5),
            (GridQuantity::Accumulation, 5.0, 0.25, 3.0),
            (GridQuantity::Accumulation, 60.0, 7.0, 7.0),
            (GridQuantity::Reflectivity, 0.0, 40.0, 11.53),
        ] {
            let gridded = rain(&scan(quantity, period, value));
            assert_eq!(gridded.field.at(0, 0), Observation::NoData);
            assert_eq!(gridded.field.at(0, 1), Observation::Dry);
            let Observation::Rain(found) = gridded.field.at(1, 0) else { panic!("dry") };
            assert!((found - rate).abs() < 0.01, "{quantity:?}: {found}");
            assert_eq!(gridded.capped_cells, 1, "{quantity:?}");
        }
    }

    #[test]
    fn rates_beyond_physics_are_set_to_the_cap() {
        assert_eq!(rain(&scan(GridQuantity::RainRate, 0.0, 1.0)).field.at(1, 1), Observation::Rain(250.0));
    }

    #[test]
    fn a_negative_amount_is_no_observation() {
        assert_eq!(rain(&scan(GridQuantity::RainRate, 0.0, -0.5)).field.at(1, 0), Observation::NoData);
    }

    #[test]
    fn an_accumulation_without_period_is_refused_by_name() {
        let error = grid_scan_to_rain(&scan(GridQuantity::Accumulation, 0.0, 1.0), &ZR::default(), 250.0).unwrap_err();
        assert!(error.to_string().contains("accumulation of opera over 0 minutes"), "{error}");
    }
}
