//! Backward semi-Lagrangian extrapolation along a motion field.
//!
//! [`Trajectories`] follow the motion back in time, step by step, and are shared by all fields that move with it;
//! [`Trajectories::carry`] then fetches every cell's value from where it came from, always from the original field, so
//! that a value is interpolated once however long the lead. What flows in over the edge is unknown, not dry: [`Inflow`].

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for wider vector instructions")]

mod carry;
mod trajectories;

pub use carry::{Carried, Inflow, Interpolation, Segment};
pub use trajectories::{Eight, ExtrapolationError, SEGMENT, Trajectories};
