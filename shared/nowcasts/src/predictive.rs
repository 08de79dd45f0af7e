//! Predictive distributions of the rain rate, given as exceedance probabilities.

use ndarray::Array3;
use raincell_simd::{exp, log2};

use crate::NowcastError;

/// What may fall: for each cell and lead the probability that the rain rate reaches each of a few rates.
pub trait Predictive: Send + Sync {
    /// The rates, mm/h, ascending; the first is where rain begins.
    fn rates_mm_h(&self) -> &[f32];

    /// Probabilities (0–1) that rain reaches each of [`Predictive::rates_mm_h`] at a lead (counted from 0), shape (rows,
    /// columns, rates), falling from rate to rate in every cell; NaN where nothing is known. `out` is filled, and may be
    /// what another lead left.
    ///
    /// # Errors
    /// [`NowcastError`]: the fields do not fit together.
    fn exceedance(&self, lead: usize, out: &mut Array3<f32>) -> Result<(), NowcastError>;
}

/// Highest rate that any distribution gives, mm/h.
const MOST_MM_H: f32 = 250.0;
/// Slowest decline of the tail: the logarithm of the rate grows at most by this per e-folding of the probability.
const LONGEST_TAIL: f32 = 0.7;
/// Natural logarithms of the rates of a distribution, ready for quantiles.
#[derive(Clone, Debug)]
pub(crate) struct Quantiles {
    log_rates: Vec<f32>,
}

impl Quantiles {
    pub fn new(rates_mm_h: &[f32]) -> Self {
        Self { log_rates: rates_mm_h.iter().map(|r| r.ln()).collect() }
    }

    /// The rates that are reached with the probabilities `reached` (ascending) where `p` are those of the rates; they end
    /// where rain at all is less likely. Linear in the logarithm of the rate; beyond the last rate the tail goes on as it
    /// came.
    #[inline(always)]
    pub fn rates_reached(&self, p: &[f32], reached: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let rates = &self.log_rates[..self.log_rates.len().min(p.len())];
        let mut rest = reached;
        // From the last rate down: between two of them the logarithm of the rate is a straight line.
        for k in (0..rates.len()).rev() {
            let likelier = rest.iter().take_while(|e| **e <= p[k]).count();
            let (here, further) = rest.split_at(likelier);
            rest = further;
            if here.is_empty() {
                continue;
            }
            if k + 1 < rates.len() {
                let slope = (rates[k + 1] - rates[k]) / (p[k] - p[k + 1]).max(1e-9);
                out.extend(here.iter().map(|e| rates[k] + (p[k] - e) * slope));
            } else {
                let slope = if k > 0 {
                    ((rates[k] - rates[k - 1]) / ln((p[k - 1] / p[k]).max(1.0 + 1e-6)).max(1e-9)).min(LONGEST_TAIL)
                } else {
                    LONGEST_TAIL
                };
                out.extend(here.iter().map(|e| rates[k] + slope * ln(p[k] / e.max(1e-6))));
            }
        }
        for rate in out {
            *rate = exp(*rate).min(MOST_MM_H);
        }
    }
}

/// Natural logarithm of a positive number.
#[inline(always)]
fn ln(x: f32) -> f32 {
    std::f32::consts::LN_2 * log2(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(quantiles: &Quantiles, p: &[f32], e: f32) -> f32 {
        let mut rates = Vec::new();
        quantiles.rates_reached(p, &[e], &mut rates);
        rates.first().copied().unwrap_or(0.0)
    }

    #[test]
    fn many_quantiles_at_once_are_those_one_by_one() {
        let (quantiles, p) = (Quantiles::new(&[0.1, 1.0, 5.0]), [0.7, 0.4, 0.15]);
        let (reached, mut together) = ([0.02, 0.1, 0.15, 0.2, 0.39, 0.55, 0.7, 0.71, 0.9], Vec::new());
        quantiles.rates_reached(&p, &reached, &mut together);
        assert_eq!(together, reached[..7].iter().map(|e| one(&quantiles, &p, *e)).collect::<Vec<_>>());
    }

    #[test]
    fn quantiles_rise_and_agree_with_the_probabilities() {
        let (rates, p) = ([0.1, 1.0, 5.0], [0.7, 0.4, 0.15]);
        let quantiles = Quantiles::new(&rates);
        let of = |e: f32| one(&quantiles, &p, e);
        assert_eq!(of(0.71), 0.0);
        for (rate, p) in rates.iter().zip(p) {
            assert!((of(p) / rate - 1.0).abs() < 1e-4, "{rate}: {}", of(p));
        }
        let all: Vec<f32> = (1..100).rev().map(|e| of(e as f32 / 100.0)).collect();
        assert!(all.windows(2).all(|w| w[0] <= w[1]) && all[98] < MOST_MM_H && all[98] > 5.0);
    }

    #[test]
    fn certain_and_impossible_rain_are_no_trouble() {
        let quantiles = Quantiles::new(&[0.1, 1.0]);
        assert_eq!(one(&quantiles, &[0.0, 0.0], 0.01), 0.0);
        assert!(one(&quantiles, &[1.0, 1.0], 0.5).is_finite());
        assert_eq!(one(&quantiles, &[f32::NAN, f32::NAN], 0.5), 0.0);
    }
}
