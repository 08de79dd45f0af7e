//! Probabilities as they turned out to be: what happened in how many of the cases that were given a probability, by the
//! rolling verification.

use raincell_api_types::verification::PooledSums;
use raincell_verification::{ProbabilityPool, Reliability, THRESHOLDS_MM_H, probability_name};

use crate::verify::raw_name;

/// Below so many cells the verification tells nothing yet.
const LEAST_CELLS: f64 = 200_000.0;
/// A class with fewer cells than this is joined to its neighbour.
const LEAST_CLASS_CELLS: f64 = 2_000.0;

/// Lead times that are put right together, minutes: what is good at +5 min need not be so at +2 h.
const GROUP_MIN: usize = 30;

/// A map for each threshold and group of lead times.
#[derive(Clone, Debug, Default)]
pub struct Calibrations(Vec<[Calibration; THRESHOLDS_MM_H.len()]>);

impl Calibrations {
    /// From the sums of a source.
    pub fn of(pools: &[PooledSums]) -> Self {
        let mut groups: Vec<[ProbabilityPool; THRESHOLDS_MM_H.len()]> = Vec::new();
        for pool in pools {
            let group = group_of(f64::from(pool.lead_min));
            groups.resize(groups.len().max(group + 1), Default::default());
            for (index, probabilities) in groups[group].iter_mut().enumerate() {
                if let Some(sums) = pool.sums.get(&raw_name(&probability_name(index))) {
                    probabilities.merge(&ProbabilityPool::from_sums(sums));
                }
            }
        }
        Self(groups.iter().map(|pools| std::array::from_fn(|index| Calibration::of(&pools[index]))).collect())
    }

    /// Puts the probabilities of a cell right, those of the rising thresholds; the higher one is never the likelier.
    pub fn apply(&self, lead_min: f64, probabilities: &mut [f32; THRESHOLDS_MM_H.len()]) {
        let Some(maps) = self.0.get(group_of(lead_min)) else { return };
        let mut most = f32::INFINITY;
        for (probability, map) in probabilities.iter_mut().zip(maps) {
            // The lesser of the two; NaN stays.
            *probability = if probability.is_nan() { f32::NAN } else { map.apply(*probability).min(most) };
            most = if probability.is_nan() { most } else { *probability };
        }
    }
}

fn group_of(lead_min: f64) -> usize {
    ((lead_min - 1.0).max(0.0) as usize) / GROUP_MIN
}

/// A rising map from probabilities to probabilities: isotonic regression on the classes of the reliability diagram
/// (pool adjacent violators, Ayer et al. 1955), linear between them, with 0 and 1 left where they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// (given, turned out), rising in both; empty leaves everything as it is.
    knots: Vec<(f32, f32)>,
}

impl Calibration {
    /// From the scores of raw probabilities; changes nothing while there are too few of them.
    pub fn of(pool: &ProbabilityPool) -> Self {
        if pool.cells() < LEAST_CELLS {
            return Self::default();
        }
        let mut blocks: Vec<Reliability> = Vec::new();
        for class in pool.reliability() {
            blocks.push(class);
            while let [.., before, last] = blocks[..] {
                let few = before.cells.min(last.cells) < LEAST_CLASS_CELLS;
                if !few && last.observed >= before.observed {
                    break;
                }
                blocks.truncate(blocks.len() - 2);
                blocks.push(joined(&before, &last));
            }
        }
        let inner = blocks.iter().map(|b| (b.forecast as f32, b.observed as f32)).filter(|(p, _)| *p > 0.0 && *p < 1.0);
        let mut knots = vec![(0.0, 0.0)];
        knots.extend(inner);
        knots.push((1.0, 1.0));
        Self { knots }
    }

    /// What a probability turned out to be; NaN stays NaN.
    pub fn apply(&self, probability: f32) -> f32 {
        let above = self.knots.partition_point(|(given, _)| *given < probability);
        match (above.checked_sub(1).and_then(|k| self.knots.get(k)), self.knots.get(above)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (probability - x0) / (x1 - x0).max(1e-6),
            _ => probability,
        }
    }
}

fn joined(a: &Reliability, b: &Reliability) -> Reliability {
    let cells = a.cells + b.cells;
    let mean = |x: f64, y: f64| (x * a.cells + y * b.cells) / cells;
    Reliability { forecast: mean(a.forecast, b.forecast), observed: mean(a.observed, b.observed), cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every probability of a tenth, so often right as `truth` says.
    fn pool(cells: usize, truth: impl Fn(f64) -> f64) -> ProbabilityPool {
        let mut pool = ProbabilityPool::default();
        for class in 0..=10 {
            let p = class as f64 / 10.0;
            let events = (truth(p) * cells as f64).round() as usize;
            (0..cells).for_each(|cell| pool.add_cell(p as f32, cell < events));
        }
        pool
    }

    #[test]
    fn overconfident_probabilities_are_put_right() {
        let calibration = Calibration::of(&pool(30_000, |p| 0.1 + 0.8 * p));
        for p in [0.1, 0.35, 0.5, 0.9] {
            assert!((calibration.apply(p) - (0.1 + 0.8 * p)).abs() < 0.01, "{p}: {}", calibration.apply(p));
        }
        assert_eq!((calibration.apply(0.0), calibration.apply(1.0)), (0.0, 1.0));
        assert!(calibration.apply(f32::NAN).is_nan());
    }

    #[test]
    fn more_never_becomes_less() {
        let calibration = Calibration::of(&pool(30_000, |p| if p > 0.45 && p < 0.75 { 0.3 } else { p }));
        let out: Vec<f32> = (0..=100).map(|p| calibration.apply(p as f32 / 100.0)).collect();
        assert!(out.is_sorted(), "{out:?}");
        // What was given 0.4 to 0.7 is one class, 0.55 on average, and happened in 32.5 % of its cases.
        assert!((calibration.apply(0.55) - 0.325).abs() < 0.01, "{}", calibration.apply(0.55));
    }

    #[test]
    fn each_group_of_lead_times_and_threshold_is_put_right_by_its_own_sums() {
        let pooled = |lead_min: u16, index: usize, truth: fn(f64) -> f64| {
            let sums = pool(30_000, truth).to_sums();
            let name = raw_name(&probability_name(index));
            PooledSums { method: "best".into(), lead_min, nowcasts: 9, sums: [(name, sums)].into() }
        };
        let pools = [pooled(5, 0, |p| p * p), pooled(60, 1, |p| 0.5 * p)];
        let calibrations = Calibrations::of(&pools);
        let mut near = [0.5, 0.4, f32::NAN];
        calibrations.apply(30.0, &mut near);
        assert!((near[0] - 0.25).abs() < 0.01 && (near[1] - near[0]).abs() < 1e-6 && near[2].is_nan(), "{near:?}");
        let mut far = [0.5, 0.4, 0.1];
        calibrations.apply(45.0, &mut far);
        assert!(far[0] == 0.5 && (far[1] - 0.2).abs() < 0.01 && far[2] == 0.1, "{far:?}");
    }

    #[test]
    fn a_few_cases_change_nothing() {
        assert_eq!(Calibration::of(&pool(100, |_| 0.0)), Calibration::default());
        assert_eq!(Calibration::default().apply(0.37), 0.37);
    }
}
