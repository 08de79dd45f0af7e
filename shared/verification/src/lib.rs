//! Scores of nowcasts against what then fell.
//!
//! [`Pool`] gathers one lead time over many nowcasts: hits, misses and false alarms, absolute errors and the terms of the
//! fractions skill score at each threshold; [`Pool::scores`] turns them into figures. Every observed cell counts, and a
//! cell that the nowcast leaves unknown counts as dry there, so that a shrinking domain costs score.

mod pool;
mod window;

pub use pool::{Pool, Scores, THRESHOLDS_MM_H, ThresholdScores, VerificationError};
