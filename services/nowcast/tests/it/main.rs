//! The nowcast service against a real store: frames in, runs out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod runs;
mod sharing;
mod verification;
mod world;
