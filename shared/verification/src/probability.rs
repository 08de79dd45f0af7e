//! Scores of probabilities of reaching a threshold: Brier, reliability, ROC.

use ndarray::Array2;

use crate::VerificationError;

/// Classes of probability of the reliability diagram: each a tenth wide, centred on 0, 0.1, … 1 (the outer ones half).
pub const RELIABILITY_CLASSES: usize = 11;

/// Counts of one threshold and lead time, over as many nowcasts as are added.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProbabilityPool {
    pub(crate) squared_error: f64,
    pub(crate) classes: [Class; RELIABILITY_CLASSES],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Class {
    pub(crate) cells: f64,
    pub(crate) probability: f64,
    pub(crate) events: f64,
}

/// One point of the reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reliability {
    /// Mean probability of the class, 0–1.
    pub forecast: f64,
    /// How often the event then happened, 0–1.
    pub observed: f64,
    /// Cells in the class.
    pub cells: f64,
}

impl ProbabilityPool {
    /// Adds the probability (0–1) of one cell and whether the event happened there.
    #[inline]
    pub fn add_cell(&mut self, probability: f32, happened: bool) {
        let (p, event) = (f64::from(probability), f64::from(u8::from(happened)));
        self.squared_error += (p - event) * (p - event);
        let index = (p * (RELIABILITY_CLASSES - 1) as f64).round();
        let class = &mut self.classes[(index as usize).min(RELIABILITY_CLASSES - 1)];
        class.cells += 1.0;
        class.probability += p;
        class.events += event;
    }

    /// Adds a field of probabilities that the rain rate reaches `threshold_mm_h`, and what was observed, mm/h. Cells
    /// that were not observed (NaN) are left out; where the probability is unknown, it counts as 0.
    ///
    /// # Errors
    /// [`VerificationError::ShapeMismatch`] when the two differ in shape; the pool stays as it was.
    pub fn add(
        &mut self,
        probability: &Array2<f32>,
        observed_mm_h: &Array2<f32>,
        threshold_mm_h: f32,
    ) -> Result<(), VerificationError> {
        if probability.dim() != observed_mm_h.dim() {
            let (nowcast, observed) = (probability.dim(), observed_mm_h.dim());
            return Err(VerificationError::ShapeMismatch { nowcast, observed });
        }
        for (&p, &o) in probability.iter().zip(observed_mm_h).filter(|(_, o)| o.is_finite()) {
            self.add_cell(if p.is_finite() { p } else { 0.0 }, o >= threshold_mm_h);
        }
        Ok(())
    }

    /// Adds the counts of another pool.
    pub fn merge(&mut self, other: &Self) {
        self.squared_error += other.squared_error;
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            mine.cells += theirs.cells;
            mine.probability += theirs.probability;
            mine.events += theirs.events;
        }
    }

    /// Cells scored.
    pub fn cells(&self) -> f64 {
        self.classes.iter().map(|c| c.cells).sum()
    }

    /// Brier score (Brier 1950): mean squared difference of probability and event, 0 is best; `None` without a cell.
    pub fn brier(&self) -> Option<f64> {
        let cells = self.cells();
        (cells > 0.0).then(|| self.squared_error / cells)
    }

    /// The reliability diagram: its classes that hold anything, ascending.
    pub fn reliability(&self) -> Vec<Reliability> {
        let of =
            |c: &Class| Reliability { forecast: c.probability / c.cells, observed: c.events / c.cells, cells: c.cells };
        self.classes.iter().filter(|c| c.cells > 0.0).map(of).collect()
    }

    /// Points (false alarm rate, hit rate) of the relative operating characteristic, from "always" (1, 1) down to
    /// "never" (0, 0), warning from each class of probability on; `None` where the event happened always or never.
    pub fn roc(&self) -> Option<Vec<(f64, f64)>> {
        let events: f64 = self.classes.iter().map(|c| c.events).sum();
        let none = self.cells() - events;
        if events <= 0.0 || none <= 0.0 {
            return None;
        }
        let (mut hits, mut false_alarms) = (events, none);
        let mut points = vec![(1.0, 1.0)];
        for class in &self.classes {
            hits -= class.events;
            false_alarms -= class.cells - class.events;
            points.push((false_alarms / none, hits / events));
        }
        Some(points)
    }

    /// Area under the ROC curve: 0.5 without skill, 1 perfect.
    pub fn roc_area(&self) -> Option<f64> {
        let points = self.roc()?;
        Some(points.windows(2).map(|p| (p[0].0 - p[1].0) * 0.5 * (p[0].1 + p[1].1)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn brier_and_reliability_of_a_case_done_by_hand() {
        let mut pool = ProbabilityPool::default();
        let (p, observed) = (array![[0.0, 0.2, 0.2, f32::NAN]], array![[0.0, 3.0, 0.4, 2.0]]);
        pool.add(&p, &observed, 1.0).unwrap();
        let expected = (0.0 + 0.64 + 0.04 + 1.0) / 4.0;
        assert!((pool.brier().unwrap() - expected).abs() < 1e-6);
        let reliability = pool.reliability();
        assert_eq!(reliability.len(), 2);
        assert!((reliability[1].forecast - 0.2).abs() < 1e-6 && (reliability[1].observed - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_perfect_forecast_has_all_the_area_and_a_constant_one_half() {
        let (mut perfect, mut constant) = (ProbabilityPool::default(), ProbabilityPool::default());
        for cell in 0..100 {
            let happened = cell % 3 == 0;
            perfect.add_cell(if happened { 1.0 } else { 0.0 }, happened);
            constant.add_cell(0.3, happened);
        }
        assert_eq!(perfect.roc_area(), Some(1.0));
        assert!((constant.roc_area().unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(perfect.brier(), Some(0.0));
    }

    #[test]
    fn nothing_observed_gives_no_score() {
        let mut pool = ProbabilityPool::default();
        pool.add(&array![[0.5]], &array![[f32::NAN]], 1.0).unwrap();
        assert_eq!((pool.brier(), pool.roc_area(), pool.reliability().len()), (None, None, 0));
    }
}
