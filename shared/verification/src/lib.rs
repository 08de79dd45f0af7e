//! Scores of nowcasts against what then fell.
//!
//! [`Pool`] gathers one lead time over many nowcasts: hits, misses and false alarms, absolute errors and the terms of the
//! fractions skill score at each threshold; [`Pool::scores`] turns them into figures. [`EnsemblePool`] does so for
//! ensembles (CRPS, spread and error), [`CrpsPool`] for what a run keeps of them, and [`ProbabilityPool`] for probabilities (Brier,
//! reliability, ROC). Every observed cell counts, and a cell that the nowcast leaves unknown counts as dry there, so that a shrinking domain costs score.

mod ensemble;
mod pool;
mod probability;
mod sums;
mod told;
mod window;

pub use ensemble::{EnsemblePool, crps};
pub use pool::{Pool, Scores, THRESHOLDS_MM_H, ThresholdScores, VerificationError};
pub use probability::{ProbabilityPool, RELIABILITY_CLASSES, Reliability};
pub use sums::{CRPS, Sums, probability_name};
pub use told::{CrpsPool, ToldEnsemble};
