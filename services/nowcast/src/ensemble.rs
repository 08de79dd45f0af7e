//! Probabilities and percentiles as products of a run: made, put right and encoded lead by lead, so that a large domain
//! never holds more than one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use ndarray::{Array2, ArrayView2, Zip};
use raincell_frame::{EncodedProduct, Frame, Quantisation};
use raincell_model::{Grid, RainField};
use raincell_nowcasts::{Arrivals, EnsembleModel, EnsembleSettings, Inflow, LeadTimes, PROBABILITY_RATES_MM_H};
use raincell_verification::probability_name;

use crate::calibration::Calibrations;
use crate::fixed_times::Settling;
use crate::verify::raw_name;

/// The percentiles that are products.
pub const PERCENTILES: [&str; 3] = ["p10", "p50", "p90"];
/// The longest time in minutes that a code stands for each minute of.
const MINUTE_BY_MINUTE: f32 = 254.0;

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
    /// Members that say when rain begins and ends; 0 for none.
    pub members: usize,
    /// They are drawn only as long as all leads can be expected to be done by then.
    pub members_until: Instant,
    /// Nobody waits any more.
    pub given_up: Arc<AtomicBool>,
}

/// The fields of one lead time.
struct Lead {
    probabilities: [Array2<f32>; 3],
    percentiles: [Array2<f32>; 3],
}

impl Task {
    /// `probability-…`, `probability-raw-…` (before they are put right), `p10`, `p50` and `p90` at the fixed times; and
    /// where there is time for members, when rain begins and ends, in minutes after the issue time.
    ///
    /// # Errors
    /// When there is no ensemble of these frames, or it was given up.
    pub fn products(&self) -> anyhow::Result<Vec<EncodedProduct>> {
        let newest = self.past.last().context("no frame")?;
        // The same frames give the same run, and other frames other chances.
        let settings = EnsembleSettings { members: self.members, seed: newest.valid_time.as_second().unsigned_abs() };
        let (steps, _) = self.model.run(&self.past, &self.leads, self.inflow, settings)?;
        let calibrations = Arc::clone(&self.calibrations);
        let put_right = move |lead_min: f32, probability: f32| {
            let mut cell = [probability, 0.0, 0.0];
            calibrations.apply(f64::from(lead_min), &mut cell);
            cell[0]
        };
        let mut steps = steps.following_arrivals().correcting_arrivals(Box::new(put_right)).giving_no_members();
        let settling = Settling::new(newest.valid_time, steps.motion(), self.step_min, self.inflow)?;
        let mut products = Vec::new();
        self.put(&settling, 0, newest, || Lead::observed(newest), &mut products)?;
        let began = Instant::now();
        let mut draws = self.members > 0;
        for number in 1..=self.leads.count {
            let Some(step) = steps.next() else { break };
            ensure!(!self.given_up.load(Ordering::Relaxed), "given up");
            let step = step?;
            let lead = || Lead {
                probabilities: step.probabilities().map(|field: ArrayView2<'_, f32>| field.to_owned()),
                percentiles: step.percentiles_mm_h().map(|field| field.to_owned()),
            };
            self.put(&settling, number, newest, lead, &mut products)?;
            let all = began.elapsed().mul_f64(self.leads.count as f64 / number as f64);
            if draws && began + all > self.members_until {
                steps.drop_members();
                draws = false;
                metrics::counter!("raincell_nowcast_without_arrivals_total").increment(1);
                tracing::warn!(source = self.source, leads = number, "no time for members: a run without arrivals");
            }
        }
        if let Some(arrivals) = steps.arrivals() {
            self.put_arrivals(arrivals, newest, &mut products)?;
        }
        Ok(products)
    }

    /// Puts to the products when rain begins and ends.
    fn put_arrivals(
        &self,
        arrivals: Arrivals,
        newest: &RainField,
        products: &mut Vec<EncodedProduct>,
    ) -> anyhow::Result<()> {
        let Arrivals { probability, begins_min, ends_min } = arrivals;
        let of = |product: String, field| frame(&self.source, product, newest.valid_time, &newest.grid, field);
        let known: Vec<bool> =
            begins_min[1].iter().zip(&probability).map(|(b, p)| !b.is_nan() || !p.is_nan()).collect();
        products.push(EncodedProduct::of(&of("probability-arrival".to_owned(), probability))?);
        let horizon_min = (self.leads.step_min * self.leads.count as f64) as f32;
        let quantisation = if horizon_min > MINUTE_BY_MINUTE {
            Quantisation::Linear { highest: horizon_min }
        } else {
            Quantisation::MINUTES
        };
        for (name, fields) in [("arrival", begins_min), ("end", ends_min)] {
            for (percentile, mut field) in PERCENTILES.into_iter().zip(fields) {
                // 0 is that there is none; a time is never rounded to it.
                for (minutes, known) in field.iter_mut().zip(&known) {
                    *minutes = match *minutes {
                        none if none.is_nan() && *known => 0.0,
                        soon if soon > 0.0 => soon.max(1.0),
                        other => other,
                    };
                }
                products.push(EncodedProduct::quantised(&of(format!("{name}-{percentile}"), field), quantisation)?);
            }
        }
        Ok(())
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
