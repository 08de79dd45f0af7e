//! Log-odds that rain reaches a rate, from the traits of a place.

use crate::levels::{Lanes, Levels, Plane};
use crate::traits::{Rate, SCALES, STANDING, TRAITS};

/// Rates whose exceedance is predicted, mm/h.
pub(crate) const RATES_MM_H: [f32; 3] = [Rate::ONSET_MM_H, 1.0, 5.0];
/// How many.
pub(crate) const RATES: usize = RATES_MM_H.len();
/// Lead times at which the weights' polynomials are held to what they were fitted on, minutes.
const FITTED_MIN: [f32; 2] = [5.0, 120.0];

/// Weights of the traits, each a parabola in the logarithm of the lead time.
pub(crate) type Table = [[f32; 3]; TRAITS];
/// Weights of the traits at one lead time.
pub(crate) type Weights = [f32; TRAITS];

/// The weights at a lead time.
pub(crate) fn weights_at(table: &Table, lead_min: f32) -> Weights {
    let t = (lead_min.clamp(FITTED_MIN[0], FITTED_MIN[1]) / 30.0).ln();
    table.map(|[a, b, c]| a + t * (b + t * c))
}

/// Log-odds per rate, as far as they hang on the surroundings of the cell and of its air's origin.
pub(crate) struct Surroundings {
    /// By origin, on the finest level, a lane per rate.
    pub arriving: Plane,
    /// By the place itself, on the first of the standing levels.
    pub standing: Plane,
}

impl Surroundings {
    pub fn new(levels: &[Levels], weights: &[Weights]) -> Self {
        let summed = |scales: std::ops::Range<usize>, add: &dyn Fn(&Lanes, &Weights, usize) -> f32| {
            let mut sum: Option<Plane> = None;
            for scale in scales.rev() {
                let Some(shape) = levels.first().map(|l| &l.planes[scale]) else { break };
                let mut plane = Plane::zeros(shape.rows, shape.columns);
                for (k, (level, weights)) in levels.iter().zip(weights).enumerate() {
                    for (out, cell) in plane.cells.iter_mut().zip(&level.planes[scale].cells) {
                        out[k] = add(cell, weights, scale);
                    }
                }
                if let Some(coarse) = &sum {
                    plane.add_upsampled(coarse);
                }
                sum = Some(plane);
            }
            sum.unwrap_or_default()
        };
        let arriving = summed(0..SCALES, &|cell, w, scale| {
            let w = &w[4 * scale..4 * scale + 4];
            w[0] * cell[0] + w[1] * cell[1] + w[2] * cell[2] + w[3] * cell[3]
        });
        let first = SCALES - STANDING;
        let standing = summed(first..SCALES, &|cell, w, scale| w[4 * SCALES + scale - first] * cell[0]);
        Self { arriving, standing }
    }
}

/// Log-odds by what the cell's own air brings.
#[inline]
pub(crate) fn own(weights: &Weights, rate: Rate, own_db: f32, unknown: bool) -> f32 {
    let w = &weights[4 * SCALES + STANDING..];
    let unknown = if unknown { w[2] } else { 0.0 };
    w[0] * rate.strength(own_db) + w[1] * rate.presence(own_db) + unknown + w[3]
}
