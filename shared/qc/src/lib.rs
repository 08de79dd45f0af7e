//! Takes out of a sweep what is not rain: ground clutter, insects and birds, speckle.
//!
//! A [`Chain`] of [`SweepFilter`]s runs over the reflectivity of one sweep. A gate that a filter takes becomes
//! *undetect*, not nodata: the radar looked there and what it saw was not rain, so that "no rain" is what is known of
//! it. (Nodata would tear holes into the coverage wherever a tower stands, and every product would say "unknown" for
//! places that are watched.) Each filter says how many gates it took.
//!
//! | filter | takes | needs |
//! | --- | --- | --- |
//! | [`Correlation`] | echo that is no drops: RHOHV below 0.85 | a dual-polarisation radar |
//! | [`Texture`] | ground clutter: lonely peaks, thin patches (Gabella and Notarpietro 2002) | – |
//! | [`Speckle`] | patches of fewer than 10 gates | – |
//!
//! A new filter is a module with a type that implements [`SweepFilter`], its settings in [`QcConfig`], and a line in
//! [`Chain::new`]. This crate reads no files and makes no rain rates.

mod chain;
mod correlation;
#[cfg(test)]
mod picture;
mod regions;
mod ring;
mod speckle;
mod texture;

pub use chain::{Chain, FilterReport, QcConfig, QcError, QcOutcome, SweepFilter};
pub use correlation::{Correlation, MissingCorrelation};
pub use speckle::Speckle;
pub use texture::Texture;
