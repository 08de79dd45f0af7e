//! Nowcast methods: past rain-rate fields in, future ones out.
//!
//! A [`NowcastMethod`] gets the last fields of one grid, in any order and however unevenly spaced, and gives a rain-rate
//! field for each lead time. [`method`] finds one by its name; [`DEFAULT_METHOD`] is the one that verifies best.
//! Every method takes the newest field's valid time as its issue time and knows nothing later.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for wider vector instructions")]

mod anvil;
mod arrivals;
mod best;
mod calibrated;
#[allow(clippy::approx_constant)] // A fitted number may lie near a famous one.
mod calibrated_weights;
mod dealing;
mod drift;
mod ensemble;
mod ensemble_model;
mod evolution;
mod exceedance;
mod extrapolation;
pub mod fitting;
mod levels;
pub mod matching;
mod method;
mod network;
#[allow(clippy::approx_constant)] // As above.
mod network_weights;
mod odds;
pub mod odds_fitting;
mod persistence;
mod placing;
mod predictive;
mod ranking;
mod recalibration;
mod scale_persistence;
mod scales;
mod sprog;
#[doc(hidden)]
pub mod stages;
mod states;
mod traits;
mod trend;
mod voices;
mod weights;

pub use anvil::Anvil;
pub use arrivals::{ARRIVAL_PERCENTILES, Arrivals};
pub use best::Best;
pub use ensemble::{Correction, EnsembleNowcast, EnsembleSettings, EnsembleStep, PROBABILITY_RATES_MM_H};
pub use ensemble_model::{EnsembleModel, ensemble, ensemble_history};
pub use extrapolation::Extrapolation;
pub use method::{DEFAULT_METHOD, LeadTimes, METHODS, Nowcast, NowcastError, NowcastMethod, Timings, method};
pub use persistence::Persistence;
pub use predictive::Predictive;
pub use raincell_extrapolation::Inflow;
pub use scale_persistence::ScalePersistence;
pub use sprog::Sprog;
