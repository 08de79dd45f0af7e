//! Counts pooled over many nowcasts, and the scores made of them.

use ndarray::Array2;
use thiserror::Error;

use crate::window::window_mean;

/// Thresholds of the categorical scores, mm/h; a cell counts as rain at or above.
pub const THRESHOLDS_MM_H: [f32; 3] = [0.1, 1.0, 5.0];
/// Side of the window of the fractions skill score, cells.
const FSS_WINDOW_CELLS: usize = 11;

/// Why a nowcast cannot be scored.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum VerificationError {
    /// Nowcast and observation differ in shape.
    #[error("a nowcast of shape {nowcast:?} cannot be scored against an observation of shape {observed:?}")]
    ShapeMismatch {
        /// (rows, columns) of the nowcast.
        nowcast: (usize, usize),
        /// (rows, columns) of the observation.
        observed: (usize, usize),
    },
    /// An ensemble without members.
    #[error("an ensemble wants at least one member to be scored, got none")]
    NoMembers,
}

/// Counts of one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) hits: f64,
    pub(crate) misses: f64,
    pub(crate) false_alarms: f64,
    /// Sum of squared differences of the two fractions.
    pub(crate) fss_difference: f64,
    /// Sum of both squared fractions: the worst the difference could be.
    pub(crate) fss_reference: f64,
}

/// Verification counts of one lead time, over as many nowcasts as are added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    pub(crate) thresholds: [Counts; THRESHOLDS_MM_H.len()],
    pub(crate) absolute_error: f64,
    pub(crate) wet_cells: f64,
    pub(crate) covered_cells: f64,
    pub(crate) observed_cells: f64,
    pub(crate) nowcasts: usize,
}

/// Scores at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdScores {
    /// The threshold, mm/h.
    pub threshold_mm_h: f32,
    /// Critical success index: hits / (hits + misses + false alarms), 0–1.
    pub csi: f64,
    /// Frequency bias: cells with rain in the nowcast / in the observation.
    pub bias: f64,
    /// Fractions skill score (Roberts & Lean 2008) in a window of 11 × 11 cells, 0–1.
    pub fss: f64,
}

/// Scores of a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// At each of [`THRESHOLDS_MM_H`].
    pub at: [ThresholdScores; THRESHOLDS_MM_H.len()],
    /// Mean absolute error where nowcast or observation has at least 0.1 mm/h, mm/h.
    pub mae_wet_mm_h: f64,
    /// Share of the observed cells that the nowcast knows.
    pub cover: f64,
    /// Nowcasts scored.
    pub nowcasts: usize,
}

impl Pool {
    /// Adds one nowcast and what was observed at its valid time, both mm/h with NaN = unknown. Where nothing was
    /// observed, nothing is scored; where the nowcast knows nothing, it counts as dry.
    ///
    /// # Errors
    /// [`VerificationError::ShapeMismatch`] when the two differ in shape; the pool stays as it was.
    pub fn add(&mut self, nowcast: &Array2<f32>, observed: &Array2<f32>) -> Result<(), VerificationError> {
        if nowcast.dim() != observed.dim() {
            return Err(VerificationError::ShapeMismatch { nowcast: nowcast.dim(), observed: observed.dim() });
        }
        let known: Vec<bool> = observed.iter().map(|o| o.is_finite()).collect();
        let expected: Vec<f32> = nowcast.iter().map(|&f| if f.is_finite() { f } else { 0.0 }).collect();
        for ((&f, &o), _) in nowcast.iter().zip(observed).zip(&known).filter(|(_, k)| **k) {
            self.observed_cells += 1.0;
            self.covered_cells += f64::from(u8::from(f.is_finite()));
            let f = if f.is_finite() { f } else { 0.0 };
            if f >= THRESHOLDS_MM_H[0] || o >= THRESHOLDS_MM_H[0] {
                self.wet_cells += 1.0;
                self.absolute_error += f64::from((f - o).abs());
            }
        }
        let shape = observed.dim();
        for (counts, threshold) in self.thresholds.iter_mut().zip(THRESHOLDS_MM_H) {
            let a: Vec<f32> = expected.iter().zip(&known).map(|(f, k)| indicator(*k && *f >= threshold)).collect();
            let b: Vec<f32> = observed.iter().zip(&known).map(|(o, k)| indicator(*k && *o >= threshold)).collect();
            counts.add(&a, &b, &known, shape);
        }
        self.nowcasts += 1;
        Ok(())
    }

    /// Adds the counts of another pool.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.thresholds.iter_mut().zip(&other.thresholds) {
            mine.hits += theirs.hits;
            mine.misses += theirs.misses;
            mine.false_alarms += theirs.false_alarms;
            mine.fss_difference += theirs.fss_difference;
            mine.fss_reference += theirs.fss_reference;
        }
        self.absolute_error += other.absolute_error;
        self.wet_cells += other.wet_cells;
        self.covered_cells += other.covered_cells;
        self.observed_cells += other.observed_cells;
        self.nowcasts += other.nowcasts;
    }

    /// Cells that were observed.
    pub fn observed_cells(&self) -> f64 {
        self.observed_cells
    }

    /// Cells with rain in the nowcast and in the observation, at the threshold of an index of [`THRESHOLDS_MM_H`].
    pub fn wet_cells(&self, threshold: usize) -> (f64, f64) {
        let counts = self.thresholds.get(threshold).copied().unwrap_or_default();
        (counts.hits + counts.false_alarms, counts.hits + counts.misses)
    }

    /// The scores so far. Where neither nowcast nor observation had rain, CSI and bias are 0 and FSS is 1.
    pub fn scores(&self) -> Scores {
        let mut at =
            THRESHOLDS_MM_H.map(|threshold_mm_h| ThresholdScores { threshold_mm_h, csi: 0.0, bias: 0.0, fss: 0.0 });
        for (score, c) in at.iter_mut().zip(&self.thresholds) {
            score.csi = c.hits / (c.hits + c.misses + c.false_alarms).max(1.0);
            score.bias = (c.hits + c.false_alarms) / (c.hits + c.misses).max(1.0);
            score.fss = 1.0 - c.fss_difference / c.fss_reference.max(1e-9);
        }
        Scores {
            at,
            mae_wet_mm_h: self.absolute_error / self.wet_cells.max(1.0),
            cover: self.covered_cells / self.observed_cells.max(1.0),
            nowcasts: self.nowcasts,
        }
    }
}

impl Counts {
    fn add(&mut self, a: &[f32], b: &[f32], known: &[bool], (rows, columns): (usize, usize)) {
        if rows * columns == 0 {
            return;
        }
        for (&x, &y) in a.iter().zip(b) {
            match (x > 0.0, y > 0.0) {
                (true, true) => self.hits += 1.0,
                (false, true) => self.misses += 1.0,
                (true, false) => self.false_alarms += 1.0,
                (false, false) => {}
            }
        }
        let fraction_a = window_mean(a, rows, columns, FSS_WINDOW_CELLS);
        let fraction_b = window_mean(b, rows, columns, FSS_WINDOW_CELLS);
        for ((&x, &y), _) in fraction_a.iter().zip(&fraction_b).zip(known).filter(|(_, k)| **k) {
            let (x, y) = (f64::from(x), f64::from(y));
            self.fss_difference += (x - y) * (x - y);
            self.fss_reference += x * x + y * y;
        }
    }
}

fn indicator(yes: bool) -> f32 {
    if yes { 1.0 } else { 0.0 }
}
