//! Random fields for ensembles: noise with the spectrum of the observed rain and a memory by scale, one seeded generator
//! a member, and perturbations of the motion.
//!
//! [`Texture`] is what the noise has to look like, [`MemberNoise`] one member's noise as it changes from step to step,
//! [`MotionError`] the error of its motion. The same seed and member give the same noise, on however many threads.
//! Nothing here knows rain rates.

mod generator;
mod motion;
mod texture;

pub use generator::generator;
pub use motion::{MotionError, MotionSpread};
pub use texture::{MemberNoise, Texture};
