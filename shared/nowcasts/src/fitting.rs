//! What the weights of [`Best`](crate::Best) are fitted on: traits of places beside the rain that came to them.

use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation};
use raincell_model::RainField;

use crate::NowcastError;
use crate::best::{Recent, in_decibels};
use crate::drift::Drift;
use crate::traits::{Rate, TRAITS, traits_at};

/// One example: did rain reach a rate at a place?
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Minutes after the newest field known.
    pub lead_min: f32,
    /// The rate, mm/h.
    pub rate_mm_h: f32,
    /// True when it was reached.
    pub reached: bool,
    /// The traits in the order of the weights.
    pub traits: [f32; TRAITS],
}

/// Examples at each rate, from `past` fields (the newest last) and the `later` ones; every place for which `pick` says yes.
///
/// # Errors
/// As [`NowcastMethod::run`](crate::NowcastMethod::run).
pub fn examples(
    past: &[RainField],
    later: &[RainField],
    rates_mm_h: &[f32],
    mut pick: impl FnMut() -> bool,
) -> Result<Vec<Example>, NowcastError> {
    let last = crate::method::newest(past)?;
    let drift = Drift::estimate(past)?;
    let recent = Recent::of(past, last, &drift.fresh)?;
    let state = recent.state(last.grid.cell_km() as f32);
    let known = state.known();
    let rates: Vec<Rate> = rates_mm_h.iter().map(|r| Rate::of(*r)).collect();
    let levels: Vec<_> = rates.iter().map(|rate| state.levels(*rate, &known)).collect();
    let mut out = Vec::new();
    for field in later {
        let lead_min = field.valid_time.duration_since(last.valid_time).as_secs_f32() / 60.0;
        let trajectories = drift.to(lead_min)?;
        let carried = trajectories.carry(&last.rate_mm_h, Interpolation::Bilinear, Inflow::Unknown)?;
        let filled =
            in_decibels(&trajectories.carry(&last.rate_mm_h, Interpolation::Bilinear, Inflow::LastObservation)?);
        let (mut line, mut origins) = (Vec::new(), Vec::new());
        for row in 0..carried.nrows() {
            trajectories.origins(row, &mut line, &mut origins);
            for (column, origin) in origins.iter().enumerate() {
                let at = (row, column);
                if !filled[at].is_nan() && field.rate_mm_h[at].is_finite() && pick() {
                    for ((rate, levels), &rate_mm_h) in rates.iter().zip(&levels).zip(rates_mm_h) {
                        let cell = [row as f32, column as f32];
                        let traits =
                            traits_at(levels, state.halvings(), *rate, cell, *origin, filled[at], carried[at].is_nan());
                        out.push(Example { lead_min, rate_mm_h, reached: field.rate_mm_h[at] >= rate_mm_h, traits });
                    }
                }
            }
        }
    }
    Ok(out)
}

/// The rates that the given shares of a field's rain (≥ 0.1 mm/h) reach or exceed, mm/h; none for a dry field.
pub fn quantiles(field: &Array2<f32>, shares: &[f32]) -> Vec<f32> {
    let mut wet: Vec<f32> = field.iter().copied().filter(|r| *r >= Rate::ONSET_MM_H).collect();
    wet.sort_by(f32::total_cmp);
    let at = |share: &f32| wet[((1.0 - share) * (wet.len() - 1) as f32) as usize];
    if wet.is_empty() { Vec::new() } else { shares.iter().map(at).collect() }
}
