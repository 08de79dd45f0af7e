//! Probabilities and percentiles as products of a run: made, put right and encoded lead by lead, so that a large domain
//! never holds more than one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use ndarray::{Array2, ArrayView2, Zip};
use raincell_frame::{EncodedProduct, Frame};
use raincell_model::{Grid, RainField};
use raincell_nowcasts::{EnsembleModel, EnsembleSettings, Inflow, LeadTimes, PROBABILITY_RATES_MM_H};
use raincell_verification::probability_name;

use crate::calibration::Calibrations;
use crate::fixed_times::Settling;
use crate::verify::raw_name;

/// The percentiles that are products.
pub const PERCENTILES: [&str; 3] = ["p10", "p50", "p90"];

/// What the products are to be made of.
pub struct Task {
    /// Whose frames they are.
    pub source: String,
    /// The frames, ascending in time.
    pub past: Arc<Vec<RainField>>,
    /// What makes the probabilities.
    pub model: EnsembleModel,
    /// Lead times.
    pub leads: LeadTimes,
    /// What stands where the air comes from beyond what was observed.
    pub inflow: Inflow,
    /// Minutes between two products.
    pub step_min: u32,
    /// What puts the probabilities right.
    pub calibrations: Arc<Calibrations>,
    /// Nobody waits any more.
    pub given_up: Arc<AtomicBool>,
}

/// The fields of one lead time.
struct Lead {
    probabilities: [Array2<f32>; 3],
    percentiles: [Array2<f32>; 3],
}

impl Task {
    /// `probability-…`, `probability-raw-…` (before they are put right), `p10`, `p50` and `p90` at the fixed times.
    ///
    /// # Errors
    /// When there is no ensemble of these frames, or it was given up.
    pub fn products(&self) -> anyhow::Result<Vec<EncodedProduct>> {
        let newest = self.past.last().context("no frame")?;
        let settings = EnsembleSettings { members: 0, seed: 0 };
        let (steps, _) = self.model.run(&self.past, &self.leads, self.inflow, settings)?;
        let settling = Settling::new(newest.valid_time, steps.motion(), self.step_min, self.inflow)?;
        let mut products = Vec::new();
        self.put(&settling, 0, newest, || Lead::observed(newest), &mut products)?;
        for (number, step) in (1..).zip(steps) {
            ensure!(!self.given_up.load(Ordering::Relaxed), "given up");
            let step = step?;
            let lead = || Lead {
                probabilities: step.probabilities().map(|field: ArrayView2<'_, f32>| field.to_owned()),
                percentiles: step.percentiles_mm_h().map(|field| field.to_owned()),
            };
            self.put(&settling, number, newest, lead, &mut products)?;
        }
        Ok(products)
    }

    /// Puts the products of one lead time to the others, where it has a fixed time.
    fn put(
        &self,
        settling: &Settling,
        number: usize,
        newest: &RainField,
        lead: impl FnOnce() -> Lead,
        products: &mut Vec<EncodedProduct>,
    ) -> anyhow::Result<()> {
        let Some(valid_time) = settling.time_of(number, self.leads.count) else { return Ok(()) };
        let Lead { probabilities, percentiles } = lead();
        let mut put = |product: String, field: Array2<f32>| -> anyhow::Result<()> {
            products.push(EncodedProduct::of(&frame(&self.source, product, valid_time, &newest.grid, field))?);
            Ok(())
        };
        let mut right = Vec::with_capacity(probabilities.len());
        for (index, field) in probabilities.iter().enumerate() {
            let settled = settling.settle(field)?;
            put(raw_name(&probability_name(index)), settled.clone())?;
            right.push(settled);
        }
        let lead_min = valid_time.duration_since(newest.valid_time).as_secs_f64() / 60.0;
        if let [low, middle, high] = right.as_mut_slice() {
            Zip::from(low).and(middle).and(high).par_for_each(|a, b, c| {
                let mut cell = [*a, *b, *c];
                self.calibrations.apply(lead_min, &mut cell);
                [*a, *b, *c] = cell;
            });
        }
        for (index, field) in right.into_iter().enumerate() {
            put(probability_name(index), field)?;
        }
        for (name, field) in PERCENTILES.into_iter().zip(&percentiles) {
            put(name.to_owned(), settling.settle(field)?)?;
        }
        Ok(())
    }
}

impl Lead {
    /// What was observed is sure.
    fn observed(newest: &RainField) -> Self {
        let reached = |threshold: f32| {
            newest.rate_mm_h.mapv(|rate| if rate.is_nan() { rate } else { f32::from(u8::from(rate >= threshold)) })
        };
        let percentiles = [(); 3].map(|()| newest.rate_mm_h.clone());
        Self { probabilities: PROBABILITY_RATES_MM_H.map(reached), percentiles }
    }
}

fn frame(source: &str, product: String, valid_time: Timestamp, grid: &Arc<Grid>, values: Array2<f32>) -> Frame {
    let field = RainField { grid: Arc::clone(grid), valid_time, rate_mm_h: values };
    Frame { source: source.to_owned(), product, field }
}
