//! Pools as named sums of numbers, to be kept and added up by those who know nothing of scores.

use std::collections::BTreeMap;

use crate::pool::{Counts, Pool};
use crate::probability::{Class, ProbabilityPool};
use crate::{CrpsPool, RELIABILITY_CLASSES, THRESHOLDS_MM_H};

/// Sums by name; those of two pools are added element by element.
pub type Sums = BTreeMap<String, Vec<f64>>;

/// Hits, misses and false alarms at each threshold.
const CONTINGENCY: &str = "contingency";
/// Sum of squared differences of the fractions and sum of both squared, at each threshold.
const FSS: &str = "fss";
/// Sum of absolute errors and wet cells.
const ABSOLUTE_ERROR: &str = "absolute_error";
/// Cells that nowcast and observation know, and that the observation knows.
const COVER: &str = "cover";
/// The name under which the sums of a [`CrpsPool`] are kept.
pub const CRPS: &str = "crps";

impl Pool {
    /// The sums of this pool. How many nowcasts there are is for the keeper of the sums to count.
    pub fn to_sums(&self) -> Sums {
        let contingency = self.thresholds.iter().flat_map(|c| [c.hits, c.misses, c.false_alarms]).collect();
        let fss = self.thresholds.iter().flat_map(|c| [c.fss_difference, c.fss_reference]).collect();
        BTreeMap::from([
            (CONTINGENCY.to_owned(), contingency),
            (FSS.to_owned(), fss),
            (ABSOLUTE_ERROR.to_owned(), vec![self.absolute_error, self.wet_cells]),
            (COVER.to_owned(), vec![self.covered_cells, self.observed_cells]),
        ])
    }

    /// The pool of such sums over `nowcasts` nowcasts; a sum that is not there counts as 0.
    pub fn from_sums(sums: &Sums, nowcasts: usize) -> Self {
        let of = |name: &str, index: usize| number(sums, name, index);
        let mut pool = Self { nowcasts, ..Self::default() };
        for (i, counts) in pool.thresholds.iter_mut().enumerate() {
            *counts = Counts {
                hits: of(CONTINGENCY, 3 * i),
                misses: of(CONTINGENCY, 3 * i + 1),
                false_alarms: of(CONTINGENCY, 3 * i + 2),
                fss_difference: of(FSS, 2 * i),
                fss_reference: of(FSS, 2 * i + 1),
            };
        }
        pool.absolute_error = of(ABSOLUTE_ERROR, 0);
        pool.wet_cells = of(ABSOLUTE_ERROR, 1);
        pool.covered_cells = of(COVER, 0);
        pool.observed_cells = of(COVER, 1);
        pool
    }
}

impl ProbabilityPool {
    /// The sums of the probabilities of reaching one threshold, to be kept under a name of its own: the squared error,
    /// then cells, probabilities and events of each class.
    pub fn to_sums(&self) -> Vec<f64> {
        let classes = self.classes.iter().flat_map(|c| [c.cells, c.probability, c.events]);
        std::iter::once(self.squared_error).chain(classes).collect()
    }

    /// The pool of such sums; what is not there counts as 0.
    pub fn from_sums(sums: &[f64]) -> Self {
        let of = |index: usize| sums.get(index).copied().unwrap_or(0.0);
        let mut pool = Self { squared_error: of(0), ..Self::default() };
        for (i, class) in pool.classes.iter_mut().enumerate().take(RELIABILITY_CLASSES) {
            *class = Class { cells: of(1 + 3 * i), probability: of(2 + 3 * i), events: of(3 + 3 * i) };
        }
        pool
    }
}

impl CrpsPool {
    /// The sums, to be kept under [`CRPS`]: of the scores, mm/h, and of the cells.
    pub fn to_sums(&self) -> Vec<f64> {
        vec![self.sum_mm_h, self.cells]
    }

    /// The pool of such sums; what is not there counts as 0.
    pub fn from_sums(sums: &[f64]) -> Self {
        let of = |index: usize| sums.get(index).copied().unwrap_or(0.0);
        Self { sum_mm_h: of(0), cells: of(1) }
    }
}

fn number(sums: &Sums, name: &str, index: usize) -> f64 {
    sums.get(name).and_then(|values| values.get(index)).copied().unwrap_or(0.0)
}

/// The name under which the sums of probabilities of a threshold are kept.
pub fn probability_name(threshold: usize) -> String {
    format!("probability-{}", THRESHOLDS_MM_H[threshold.min(THRESHOLDS_MM_H.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_pool_comes_back_from_its_sums() {
        let field = |k: usize| Array2::from_shape_fn((20, 17), |(r, c)| ((r * 7 + c * 5 + k) % 13) as f32 - 6.0);
        let mut pool = Pool::default();
        pool.add(&field(1), &field(3)).unwrap();
        assert_eq!(Pool::from_sums(&pool.to_sums(), 1), pool);
        assert_eq!(Pool::from_sums(&Sums::new(), 0), Pool::default());
        let mut probabilities = ProbabilityPool::default();
        probabilities.add_cell(0.31, true);
        probabilities.add_cell(0.9, false);
        assert_eq!(ProbabilityPool::from_sums(&probabilities.to_sums()), probabilities);
        let mut crps = CrpsPool::default();
        crps.add_single(&field(1), &field(3)).unwrap();
        assert_eq!(CrpsPool::from_sums(&crps.to_sums()), crps);
        assert_eq!(CrpsPool::from_sums(&[]).crps_mm_h(), None);
    }
}
