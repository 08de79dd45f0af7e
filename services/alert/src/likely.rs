//! A nowcast run with the probabilities that it gives, where it gives any.

use std::sync::Arc;

use raincell_frame::{DecodeError, decode, decode_run, decode_run_header};
use raincell_model::{NowcastRun, RainField};

/// Products with the probability that the rain rate reaches so many mm/h, ascending.
const PROBABILITIES: [(&str, f32); 3] = [("probability-0.1", 0.1), ("probability-1", 1.0), ("probability-5", 5.0)];

/// A run and its probabilities.
pub(crate) struct LikelyRun {
    pub run: NowcastRun,
    /// (rate in mm/h, probabilities of reaching it, 0–1), those that the run has.
    probabilities: Vec<(f32, Vec<RainField>)>,
}

impl LikelyRun {
    /// From the bytes of a run.
    ///
    /// # Errors
    /// [`DecodeError`] when a part of it is damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let run = decode_run(bytes)?;
        let header = decode_run_header(bytes)?;
        let grid = run.fields.first().map_or(&header.grid, |field| &field.grid);
        let mut probabilities = Vec::new();
        for (name, rate_mm_h) in PROBABILITIES {
            let mut fields = Vec::new();
            for product in header.products_named(name) {
                let mut field = decode(product.frame_bytes(bytes))?.field;
                if *field.grid == **grid {
                    field.grid = Arc::clone(grid);
                    fields.push(field);
                }
            }
            if !fields.is_empty() {
                probabilities.push((rate_mm_h, fields));
            }
        }
        Ok(Self { run, probabilities })
    }

    /// The probabilities of the highest rate that is not above a threshold; none where the run has none.
    pub fn probabilities_of(&self, threshold_mm_h: f32) -> &[RainField] {
        let below = self.probabilities.iter().rev().find(|(rate_mm_h, _)| *rate_mm_h <= threshold_mm_h + 1e-4);
        below.map_or(&[], |(_, fields)| fields)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use ndarray::Array2;
    use raincell_frame::{Frame, encode_run, encode_run_with};
    use raincell_model::{Grid, MotionField};

    use super::*;
    use crate::observe::PlaceCells;

    fn run(grid: &Arc<Grid>) -> NowcastRun {
        NowcastRun {
            source: "demo".into(),
            issue_time: Timestamp::UNIX_EPOCH,
            method: "best".into(),
            model_version: "test".into(),
            based_on: String::new(),
            motion: MotionField::at_rest(Arc::clone(grid)),
            fields: vec![field(grid, 5, 3.0), field(grid, 10, 3.0)],
        }
    }

    fn field(grid: &Arc<Grid>, minute: i64, value: f32) -> RainField {
        let valid_time = Timestamp::from_second(60 * minute).unwrap();
        RainField { grid: Arc::clone(grid), valid_time, rate_mm_h: Array2::from_elem(grid.shape(), value) }
    }

    #[test]
    fn probabilities_are_those_of_the_threshold_of_the_place_and_missing_ones_are_none() {
        let grid = Arc::new(Grid::around_radar(52.0, 4.0, 20.0, 1.0));
        let product = |name: &str, minute, value| Frame {
            source: "demo".into(),
            product: name.into(),
            field: field(&grid, minute, value),
        };
        let products = [product("probability-0.1", 5, 0.8), product("probability-1", 5, 0.5)];
        let bytes = encode_run_with(&run(&grid), &products).unwrap();
        let likely = LikelyRun::decode(&bytes).unwrap();
        let cells = PlaceCells::new(&grid, 52.0, 4.0, 3.0).unwrap().unwrap();
        let at = |threshold: f32| -> Vec<_> {
            let outlook = cells.outlook(&likely.run, likely.probabilities_of(threshold));
            outlook.steps.iter().map(|step| step.probability.map(|p| (p * 20.0).round() / 20.0)).collect()
        };
        assert_eq!(at(0.3), [Some(0.8), None]);
        assert_eq!(at(2.0), [Some(0.5), None]);
        let bare = LikelyRun::decode(&encode_run(&run(&grid)).unwrap()).unwrap();
        assert!(bare.probabilities_of(0.3).is_empty());
        assert_eq!(bare.run.fields.len(), 2);
    }
}
