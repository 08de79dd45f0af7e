//! Predictive distributions of the rain rate, given as exceedance probabilities.

use ndarray::Array2;

use crate::NowcastError;

/// What may fall: for each cell and lead the probability that the rain rate reaches each of a few rates.
pub trait Predictive: Send + Sync {
    /// The rates, mm/h, ascending; the first is where rain begins.
    fn rates_mm_h(&self) -> &[f32];

    /// Probabilities (0–1) that rain reaches each of [`Predictive::rates_mm_h`] at a lead (counted from 0), falling from
    /// rate to rate in every cell; NaN where nothing is known.
    ///
    /// # Errors
    /// [`NowcastError`]: the fields do not fit together.
    fn exceedance(&self, lead: usize) -> Result<Vec<Array2<f32>>, NowcastError>;
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

    /// The rate that is reached with probability `e` where `p` are the probabilities of the rates; 0 where rain at all is
    /// less likely. Linear in the logarithm of the rate; beyond the last rate the tail goes on as it came.
    #[inline]
    pub fn rate_reached(&self, p: &[f32], e: f32) -> f32 {
        let rates = &self.log_rates[..self.log_rates.len().min(p.len())];
        let Some(k) = (0..rates.len()).rev().find(|&k| p[k] >= e) else { return 0.0 };
        let log_rate = if k + 1 < rates.len() {
            let share = (p[k] - e) / (p[k] - p[k + 1]).max(1e-9);
            rates[k] + share * (rates[k + 1] - rates[k])
        } else {
            let slope = if k > 0 {
                ((rates[k] - rates[k - 1]) / (p[k - 1] / p[k]).max(1.0 + 1e-6).ln()).min(LONGEST_TAIL)
            } else {
                LONGEST_TAIL
            };
            rates[k] + slope * (p[k] / e.max(1e-6)).ln()
        };
        log_rate.exp().min(MOST_MM_H)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_rise_and_agree_with_the_probabilities() {
        let (rates, p) = ([0.1, 1.0, 5.0], [0.7, 0.4, 0.15]);
        let quantiles = Quantiles::new(&rates);
        let of = |e: f32| quantiles.rate_reached(&p, e);
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
        assert_eq!(quantiles.rate_reached(&[0.0, 0.0], 0.01), 0.0);
        assert!(quantiles.rate_reached(&[1.0, 1.0], 0.5).is_finite());
        assert_eq!(quantiles.rate_reached(&[f32::NAN, f32::NAN], 0.5), 0.0);
    }
}
