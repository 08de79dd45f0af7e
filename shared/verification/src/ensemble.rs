//! Scores of an ensemble: CRPS, spread and error, and the scores of its probabilities.

use ndarray::Array2;

use crate::{ProbabilityPool, THRESHOLDS_MM_H, VerificationError};

/// Continuous ranked probability score of `members` (sorted in place) against one observation, in their unit: the
/// members' mean distance from the observation less half their mean distance from each other (Gneiting & Raftery 2007,
/// eq. 20, each member counted with itself). Of one member it is the absolute error; 0 of none.
pub fn crps(members: &mut [f32], observed: f32) -> f32 {
    members.sort_unstable_by(f32::total_cmp);
    let count = members.len() as f32;
    let (mut distance, mut apart) = (0.0, 0.0);
    for (rank, &member) in members.iter().enumerate() {
        distance += (member - observed).abs();
        apart += (2.0 * rank as f32 + 1.0 - count) * member;
    }
    if members.is_empty() { 0.0 } else { distance / count - apart / (count * count) }
}

/// Verification sums of one lead time, over as many ensemble nowcasts as are added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnsemblePool {
    crps: f64,
    variance: f64,
    squared_error: f64,
    cells: f64,
    probabilities: [ProbabilityPool; THRESHOLDS_MM_H.len()],
}

impl EnsemblePool {
    /// Adds the members of one nowcast, mm/h, and what was observed. Cells that were not observed (NaN) are left out;
    /// where a member is unknown, it counts as dry. Probabilities are shares of the members.
    ///
    /// # Errors
    /// [`VerificationError::ShapeMismatch`] when a member differs in shape from the observation;
    /// [`VerificationError::NoMembers`] without a member. The pool stays as it was.
    pub fn add(&mut self, members: &[Array2<f32>], observed_mm_h: &Array2<f32>) -> Result<(), VerificationError> {
        if members.is_empty() {
            return Err(VerificationError::NoMembers);
        }
        if let Some(other) = members.iter().find(|m| m.dim() != observed_mm_h.dim()) {
            let (nowcast, observed) = (other.dim(), observed_mm_h.dim());
            return Err(VerificationError::ShapeMismatch { nowcast, observed });
        }
        let mut rates = vec![0.0_f32; members.len()];
        let mut cells: Vec<_> = members.iter().map(|m| m.iter()).collect();
        for &observed in observed_mm_h {
            for (rate, member) in rates.iter_mut().zip(&mut cells) {
                *rate = member.next().copied().filter(|r| r.is_finite()).unwrap_or(0.0);
            }
            if observed.is_finite() {
                self.add_cell(&mut rates, observed);
            }
        }
        Ok(())
    }

    fn add_cell(&mut self, rates: &mut [f32], observed: f32) {
        let count = rates.len() as f32;
        let mean = rates.iter().sum::<f32>() / count;
        self.crps += f64::from(crps(rates, observed));
        self.variance += f64::from(rates.iter().map(|r| (r - mean).powi(2)).sum::<f32>() / (count - 1.0).max(1.0));
        self.squared_error += f64::from((mean - observed).powi(2));
        self.cells += 1.0;
        for (pool, threshold) in self.probabilities.iter_mut().zip(THRESHOLDS_MM_H) {
            // Sorted by now.
            let below = rates.partition_point(|r| *r < threshold) as f32;
            pool.add_cell(1.0 - below / count, observed >= threshold);
        }
    }

    /// Adds the sums of another pool.
    pub fn merge(&mut self, other: &Self) {
        self.crps += other.crps;
        self.variance += other.variance;
        self.squared_error += other.squared_error;
        self.cells += other.cells;
        for (mine, theirs) in self.probabilities.iter_mut().zip(&other.probabilities) {
            mine.merge(theirs);
        }
    }

    /// Mean CRPS, mm/h; `None` without a cell.
    pub fn crps(&self) -> Option<f64> {
        (self.cells > 0.0).then(|| self.crps / self.cells)
    }

    /// Root of the mean variance of the members and root mean square error of their mean, mm/h: equal in an ensemble
    /// whose spread tells its error. `None` without a cell.
    pub fn spread_and_error(&self) -> Option<(f64, f64)> {
        let root = |sum: f64| (sum / self.cells).sqrt();
        (self.cells > 0.0).then(|| (root(self.variance), root(self.squared_error)))
    }

    /// The probabilities' scores, one for each of [`THRESHOLDS_MM_H`].
    pub fn probabilities(&self) -> &[ProbabilityPool; THRESHOLDS_MM_H.len()] {
        &self.probabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn crps_of_one_member_is_the_absolute_error_and_of_a_case_done_by_hand() {
        assert_eq!(crps(&mut [2.0], 5.0), 3.0);
        // Distances 1, 0, 3 from the observation; between the members 1, 3, 4, each pair twice among nine.
        assert!((crps(&mut [4.0, 0.0, 1.0], 1.0) - (4.0 / 3.0 - 16.0 / 18.0)).abs() < 1e-6);
        assert_eq!(crps(&mut [], 1.0), 0.0);
    }

    #[test]
    fn unknown_members_count_as_dry_and_unobserved_cells_not_at_all() {
        let mut pool = EnsemblePool::default();
        let members = [array![[f32::NAN, 9.0]], array![[2.0, 9.0]]];
        pool.add(&members, &array![[2.0, f32::NAN]]).unwrap();
        assert!((pool.crps().unwrap() - 0.5).abs() < 1e-6);
        assert!((pool.probabilities()[1].brier().unwrap() - 0.25).abs() < 1e-6);
    }

    #[test]
    fn members_that_do_not_fit_are_refused_and_change_nothing() {
        let mut pool = EnsemblePool::default();
        assert_eq!(pool.add(&[], &array![[0.0]]), Err(VerificationError::NoMembers));
        let refused = pool.add(&[array![[0.0, 1.0]]], &array![[0.0]]);
        assert!(matches!(refused, Err(VerificationError::ShapeMismatch { .. })));
        assert_eq!(pool, EnsemblePool::default());
    }

    #[test]
    fn members_drawn_as_the_truth_is_have_as_much_spread_as_error() {
        let mut seed = 7_u64;
        let mut draw = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 40) as f32 / (1 << 24) as f32
        };
        let mut field = || Array2::from_shape_simple_fn((200, 200), &mut draw);
        let members: Vec<_> = (0..40).map(|_| field()).collect();
        let truth = field();
        let mut pool = EnsemblePool::default();
        pool.add(&members, &truth).unwrap();
        let (spread, error) = pool.spread_and_error().unwrap();
        assert!((spread / error - 1.0).abs() < 0.03, "{spread} against {error}");
    }
}
