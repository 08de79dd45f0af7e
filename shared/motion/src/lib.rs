//! Dense motion fields from the last rain-rate fields.
//!
//! [`MotionEstimator`] is what the nowcast methods ask; [`PyramidFlow`] is the estimator in use: Lucas–Kanade normal
//! equations gathered from every pair of past fields on a pyramid of dBR images, solved together on a lattice of nodes
//! with a smoothness term, so that dry areas take the motion of the rain around them.
//!
//! This crate knows no file format and keeps no state between calls; motion comes out in cells per minute.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for wider vector instructions")]

mod estimator;
mod flow;
mod gather;
mod lattice;
mod pyramid;
mod sequence;
mod translation;

pub use estimator::{MotionError, MotionEstimator};
pub use flow::{FlowSettings, PyramidFlow};
