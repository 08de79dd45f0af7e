//! CRPS of an ensemble that is told by a few probabilities and percentiles, as a run keeps it.

use ndarray::Array2;

use crate::{THRESHOLDS_MM_H, VerificationError, crps};

/// Equally likely rates that a distribution is parted into.
const MEMBERS: usize = 24;
/// The chances that the 10th, 50th and 90th percentile are reached.
const PERCENTILES_REACHED: [f32; 3] = [0.9, 0.5, 0.1];
/// What is told of a cell.
const POINTS: usize = THRESHOLDS_MM_H.len() + PERCENTILES_REACHED.len();
/// A slope between points that are nearer than this (natural logarithm of the rate) means nothing.
const ONE_POINT: f32 = 0.05;
/// Slowest decline of the tail: the logarithm of the rate grows at most by this per e-folding of the probability.
const LONGEST_TAIL: f32 = 0.7;
/// Highest rate that any distribution gives, mm/h.
const MOST_MM_H: f32 = 250.0;

/// An ensemble in a few fields of one shape; NaN unknown.
#[derive(Clone, Copy, Debug)]
pub struct ToldEnsemble<'a> {
    /// Probability (0–1) that the rain rate reaches each of [`THRESHOLDS_MM_H`].
    pub probabilities: [&'a Array2<f32>; THRESHOLDS_MM_H.len()],
    /// 10th, 50th and 90th percentile of the rain rate, mm/h.
    pub percentiles_mm_h: [&'a Array2<f32>; PERCENTILES_REACHED.len()],
}

/// Sums of the continuous ranked probability score of one lead time, over as many nowcasts as are added. Every observed
/// cell counts; where a nowcast is unknown, it counts as dry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrpsPool {
    pub(crate) sum_mm_h: f64,
    pub(crate) cells: f64,
}

impl CrpsPool {
    /// Adds an ensemble and what was observed, mm/h: the [`crps`] of 24 equally likely rates of the distribution through
    /// what is told of it, in which the logarithm of the rate is linear in the probability of reaching it.
    ///
    /// # Errors
    /// [`VerificationError::ShapeMismatch`] when a field differs in shape from the observation; the pool stays as it was.
    pub fn add_told(&mut self, told: &ToldEnsemble<'_>, observed_mm_h: &Array2<f32>) -> Result<(), VerificationError> {
        let [a, b, c] = told.probabilities;
        let [low, middle, high] = told.percentiles_mm_h;
        for field in [a, b, c, low, middle, high] {
            fits(field, observed_mm_h)?;
        }
        let probabilities = a.iter().zip(b).zip(c);
        let percentiles = low.iter().zip(middle).zip(high);
        let mut rates = [0.0; MEMBERS];
        for ((((a, b), c), ((low, middle), high)), &observed) in probabilities.zip(percentiles).zip(observed_mm_h) {
            if !observed.is_finite() {
                continue;
            }
            let distribution = Distribution::of([*a, *b, *c], [*low, *middle, *high]);
            self.sum_mm_h +=
                f64::from(if distribution.draw(&mut rates) { crps(&mut rates, observed) } else { observed });
            self.cells += 1.0;
        }
        Ok(())
    }

    /// Adds a nowcast without an ensemble and what was observed, mm/h: its absolute error, which is the score of a single
    /// member.
    ///
    /// # Errors
    /// [`VerificationError::ShapeMismatch`] when the two differ in shape; the pool stays as it was.
    pub fn add_single(
        &mut self,
        nowcast_mm_h: &Array2<f32>,
        observed_mm_h: &Array2<f32>,
    ) -> Result<(), VerificationError> {
        fits(nowcast_mm_h, observed_mm_h)?;
        for (&rate, &observed) in nowcast_mm_h.iter().zip(observed_mm_h).filter(|(_, o)| o.is_finite()) {
            self.sum_mm_h += f64::from((if rate.is_finite() { rate } else { 0.0 } - observed).abs());
            self.cells += 1.0;
        }
        Ok(())
    }

    /// Mean CRPS, mm/h; `None` without a cell.
    pub fn crps_mm_h(&self) -> Option<f64> {
        (self.cells > 0.0).then(|| self.sum_mm_h / self.cells)
    }
}

fn fits(field: &Array2<f32>, observed: &Array2<f32>) -> Result<(), VerificationError> {
    if field.dim() == observed.dim() {
        return Ok(());
    }
    Err(VerificationError::ShapeMismatch { nowcast: field.dim(), observed: observed.dim() })
}

/// Points (probability of being reached, natural logarithm of the rate in mm/h), ascending in rate.
struct Distribution {
    points: [(f32, f32); POINTS],
    count: usize,
}

impl Distribution {
    /// Of one cell; empty where it is unknown.
    fn of(probabilities: [f32; 3], percentiles_mm_h: [f32; 3]) -> Self {
        let mut all = Self { points: [(0.0, 0.0); POINTS], count: 0 };
        if probabilities.iter().any(|p| p.is_nan()) || probabilities[0] <= 0.0 {
            return all;
        }
        let rates = THRESHOLDS_MM_H.into_iter().chain(percentiles_mm_h);
        for (reached, rate) in probabilities.into_iter().chain(PERCENTILES_REACHED).zip(rates) {
            // Below the first threshold it is dry, and a percentile that is unknown tells nothing.
            if rate >= THRESHOLDS_MM_H[0] {
                all.points[all.count] = (reached, rate.ln());
                all.count += 1;
            }
        }
        let points = &mut all.points[..all.count];
        points.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(b.0.total_cmp(&a.0)));
        // What is rounded must not rise.
        let mut most = 1.0_f32;
        for (reached, _) in points {
            most = most.min(*reached);
            *reached = most;
        }
        all
    }

    /// Its equally likely rates, mm/h, the highest first; false where all of them are 0.
    fn draw(&self, rates: &mut [f32; MEMBERS]) -> bool {
        let points = &self.points[..self.count];
        for (i, rate) in rates.iter_mut().enumerate() {
            let reached = (i as f32 + 0.5) / MEMBERS as f32;
            *rate = match points.iter().rposition(|(p, _)| *p >= reached) {
                None => 0.0,
                Some(k) if k + 1 < points.len() => {
                    let ((p, below), (q, above)) = (points[k], points[k + 1]);
                    (below + (above - below) * (p - reached) / (p - q).max(1e-9)).exp()
                }
                Some(k) => (points[k].1 + tail(points) * (points[k].0 / reached).ln()).exp().min(MOST_MM_H),
            };
        }
        rates[0] > 0.0
    }
}

/// By how much the logarithm of the rate grows per e-folding of the probability beyond the last point.
fn tail(points: &[(f32, f32)]) -> f32 {
    let Some((q, above)) = points.last() else { return LONGEST_TAIL };
    let before = points.iter().rev().find(|(_, below)| above - below >= ONE_POINT);
    before.map_or(LONGEST_TAIL, |(p, below)| ((above - below) / (p / q).max(1.0 + 1e-6).ln()).min(LONGEST_TAIL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn told(p: [f32; 3], percentiles: [f32; 3], observed: f32) -> f64 {
        let (p, percentiles) = (p.map(|p| array![[p]]), percentiles.map(|rate| array![[rate]]));
        let told = ToldEnsemble { probabilities: p.each_ref(), percentiles_mm_h: percentiles.each_ref() };
        let mut pool = CrpsPool::default();
        pool.add_told(&told, &array![[observed]]).unwrap();
        pool.crps_mm_h().unwrap()
    }

    /// A share of cells with rain whose logarithm is uniform: the rates of 24 members of it, and what is told of it.
    fn uniform(share: f32, least: f32, most: f32) -> (Vec<f32>, [f32; 3], [f32; 3]) {
        let rate = |reached: f32| if reached >= share { 0.0 } else { most * (least / most).powf(reached / share) };
        let reaching = |rate: f32| share * ((most / rate).ln() / (most / least).ln()).clamp(0.0, 1.0);
        let members = (0..24).map(|i| rate((i as f32 + 0.5) / 24.0)).collect();
        (members, THRESHOLDS_MM_H.map(reaching), PERCENTILES_REACHED.map(rate))
    }

    #[test]
    fn what_is_told_of_an_ensemble_scores_as_its_members_do() {
        for (share, least, most) in [(1.0, 0.1, 20.0), (0.6, 0.1, 5.0), (0.3, 0.2, 8.0), (0.95, 1.0, 10.0)] {
            let (members, p, percentiles) = uniform(share, least, most);
            for observed in [0.0, 0.5, 2.0, 7.0, 30.0] {
                let exact = f64::from(crps(&mut members.clone(), observed));
                let found = told(p, percentiles, observed);
                assert!((found - exact).abs() < 0.05 * exact + 0.02, "{share} {most} {observed}: {found}, {exact}");
            }
        }
    }

    #[test]
    fn dry_unknown_and_certain_are_scored_as_a_single_member() {
        assert_eq!(told([0.0; 3], [0.0; 3], 3.0), 3.0);
        assert_eq!(told([f32::NAN; 3], [f32::NAN; 3], 3.0), 3.0);
        let sure = told([1.0, 1.0, 0.0], [2.0; 3], 2.0);
        assert!(sure < 0.1, "{sure}");
        let mut single = CrpsPool::default();
        single.add_single(&array![[1.0, f32::NAN, 4.0]], &array![[3.0, 1.0, f32::NAN]]).unwrap();
        assert_eq!(single.crps_mm_h(), Some(1.5));
    }

    #[test]
    fn contradictions_and_wrong_shapes_do_no_harm() {
        for p in [[0.2, 0.5, 0.9], [1e-6, 0.0, 0.0], [1.0; 3]] {
            for percentiles in [[9.0, 3.0, 0.1], [f32::NAN; 3], [250.0; 3]] {
                let score = told(p, percentiles, 1.0);
                assert!(score.is_finite() && (0.0..=250.0).contains(&score), "{p:?} {percentiles:?}: {score}");
            }
        }
        let mut pool = CrpsPool::default();
        let refused = pool.add_single(&array![[0.0, 1.0]], &array![[0.0]]);
        assert!(matches!(refused, Err(VerificationError::ShapeMismatch { .. })));
        assert_eq!((pool, pool.crps_mm_h()), (CrpsPool::default(), None));
    }
}
