//! What the weights of the ensemble's odds are fitted on: features of places beside the rain that came to them.

use ndarray::Array2;
use raincell_extrapolation::Inflow;
use raincell_model::RainField;

use crate::NowcastError;
use crate::calibrated::{Calibrated, Weights};
use crate::calibrated_weights::{FEATURES, RATES};
use crate::drift::Drift;
use crate::ensemble_model::{minutes, states};
use crate::network::{HIDDEN, PER_UNIT};

/// A place at one lead.
#[derive(Clone, Debug)]
pub struct PlaceExample {
    /// Minutes after the newest field known.
    pub lead_min: f32,
    /// What fell there, mm/h.
    pub observed_mm_h: f32,
    /// By rate the features in the order of the weights.
    pub features: [[f32; FEATURES]; RATES],
}

/// Examples from `past` fields and the `later` ones: of every place for which `pick`, asked once a place and lead, says yes.
/// The engine itself adds features up as it makes them, so that each is had by giving it alone a weight.
///
/// # Errors
/// As [`NowcastMethod::run`](crate::NowcastMethod::run).
pub fn place_examples(
    past: &[RainField],
    later: &[RainField],
    mut pick: impl FnMut() -> bool,
) -> Result<Vec<PlaceExample>, NowcastError> {
    let last = crate::method::newest(past)?;
    let drift = Drift::estimate(past)?;
    let states = states(past, last, &drift.fresh)?;
    let leads: Vec<f32> = later.iter().map(|field| minutes(last, field)).collect();
    let along = leads.iter().map(|lead| drift.to(*lead)).collect::<Result<Vec<_>, _>>()?;
    let every: [usize; RATES] = std::array::from_fn(|k| k);
    let mut picked: Vec<Array2<bool>> = Vec::with_capacity(later.len());
    for field in later {
        picked.push(field.rate_mm_h.mapv(|observed| observed.is_finite() && pick()));
    }
    let mut out: Vec<PlaceExample> = Vec::new();
    for feature in 0..FEATURES {
        let networks = [[[0.0; PER_UNIT]; HIDDEN]; RATES];
        let mut alone = Weights { sum: [[[0.0; 3]; FEATURES]; RATES], networks };
        for weights in &mut alone.sum {
            weights[feature][0] = 1.0;
        }
        let odds = Calibrated::new(last, &states, along.clone(), Inflow::LastObservation, &alone, &every);
        let mut places = 0;
        for (lead, (field, picked)) in later.iter().zip(&picked).enumerate() {
            for (at, values) in odds.sampled_odds(lead, 1) {
                if !picked[at] {
                    continue;
                }
                if feature == 0 {
                    let (lead_min, observed_mm_h) = (leads[lead], field.rate_mm_h[at]);
                    out.push(PlaceExample { lead_min, observed_mm_h, features: [[0.0; FEATURES]; RATES] });
                }
                for (features, value) in out[places].features.iter_mut().zip(values) {
                    features[feature] = value;
                }
                places += 1;
            }
        }
    }
    Ok(out)
}
