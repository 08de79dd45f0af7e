//! Rain fields by scale: the Gaussian band-pass cascade and its autoregression in time.
//!
//! [`Fft2`] is the planned two-dimensional real FFT, [`BandPass`] the filters in it, [`BandPass::decompose`] makes a
//! [`Cascade`] of a field; [`ar`] has the AR(2) model of each level, for the whole field (S-PROG, STEPS) and cell by cell
//! (ANVIL). Definitions follow pysteps; `nowcasts/tests/pysteps.rs` compares the two on the same arrays.
//!
//! Fields come without NaN: what stands in for the unknown is the caller's decision. No motion and no rain rates here:
//! those who carry the fields along are in the crate `nowcasts`.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for wider vector instructions")]

pub mod ar;
mod bandpass;
mod fft;
mod spectral;

pub use bandpass::{BandPass, Cascade, CascadeError};
pub use fft::{Fft2, Spectrum, fast_size};
