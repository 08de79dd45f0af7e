//! What a nowcast method is asked, and the methods by name.

use jiff::{SignedDuration, Timestamp};
use raincell_cascade::CascadeError;
use raincell_extrapolation::{ExtrapolationError, Inflow};
use raincell_model::{MotionField, RainField};
use raincell_motion::MotionError;
use thiserror::Error;

use crate::{Anvil, Best, Extrapolation, Persistence, ScalePersistence, Sprog};

/// Names of all methods, for usage texts.
pub const METHODS: [&str; 6] = ["persistence", "extrapolation", "sprog", "anvil", "scale-persistence", "best"];
/// The method to use when nobody asks for another.
pub const DEFAULT_METHOD: &str = "best";

/// The method of a name, `None` for a name not in [`METHODS`].
pub fn method(name: &str) -> Option<Box<dyn NowcastMethod>> {
    match name {
        "persistence" => Some(Box::new(Persistence)),
        "extrapolation" => Some(Box::new(Extrapolation::default())),
        "sprog" => Some(Box::new(Sprog)),
        "anvil" => Some(Box::new(Anvil)),
        "scale-persistence" => Some(Box::new(ScalePersistence::default())),
        "best" => Some(Box::new(Best::default())),
        _ => None,
    }
}

/// Turns past rain-rate fields into future ones.
pub trait NowcastMethod: Send + Sync {
    /// Its name, as on the command line.
    fn name(&self) -> &'static str;

    /// How far back before the newest field it makes use of others; older ones may be given and are not looked at.
    fn history(&self) -> SignedDuration;

    /// The nowcast for each of `leads`, counted from the newest field of `past`.
    ///
    /// `past` may be in any order, unevenly spaced and hold a time twice (the last one given counts). `inflow` decides
    /// over places whose rain would come from beyond what was observed: [`Inflow::Unknown`] leaves them NaN, so that
    /// nobody takes a guess for knowledge; [`Inflow::LastObservation`] fills them, which scores better.
    ///
    /// # Errors
    /// [`NowcastError`]: nothing given, fields of several grids, lead times that are not times.
    fn run(&self, past: &[RainField], leads: &LeadTimes, inflow: Inflow) -> Result<Nowcast, NowcastError>;
}

/// The lead times of a nowcast: `step_min`, `2·step_min`, … `count·step_min` minutes after its issue time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeadTimes {
    /// Minutes between two products.
    pub step_min: f64,
    /// How many.
    pub count: usize,
}

impl LeadTimes {
    /// Valid times after `issue_time`, ascending.
    ///
    /// # Errors
    /// [`NowcastError::LeadTimes`] when the step is not a positive number or a time is past the end of the calendar.
    pub fn valid_times(&self, issue_time: Timestamp) -> Result<Vec<Timestamp>, NowcastError> {
        let refused = || NowcastError::LeadTimes { step_min: self.step_min, count: self.count };
        if !(self.step_min.is_finite() && self.step_min > 0.0) {
            return Err(refused());
        }
        (1..=self.count)
            .map(|k| {
                let lead = SignedDuration::try_from_secs_f64(self.step_min * 60.0 * k as f64).map_err(|_| refused())?;
                issue_time.checked_add(lead).map_err(|_| refused())
            })
            .collect()
    }
}

/// Seconds spent on the parts of a nowcast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings {
    /// On estimating motion.
    pub motion_s: f64,
    /// On everything after it.
    pub nowcast_s: f64,
}

/// What a method gives.
#[derive(Clone, Debug)]
pub struct Nowcast {
    /// The motion it was made with.
    pub motion: MotionField,
    /// A field for each lead time, ascending; NaN where the method does not know.
    pub fields: Vec<RainField>,
    /// What it took.
    pub timings: Timings,
}

/// Why there is no nowcast.
#[derive(Debug, Error)]
pub enum NowcastError {
    /// Nothing to start from.
    #[error("a nowcast wants at least one past rain field, got none")]
    NoFields,
    /// Lead times that are not times.
    #[error("{count} lead times of {step_min} min: the step must be positive and the last one within the calendar")]
    LeadTimes {
        /// Minutes between two products.
        step_min: f64,
        /// How many.
        count: usize,
    },
    /// No motion from these fields.
    #[error("no motion for the nowcast")]
    Motion(#[from] MotionError),
    /// The field has no scales to tell apart.
    #[error("the last field cannot be taken apart by scale")]
    Cascade(#[from] CascadeError),
    /// The fields do not fit their motion.
    #[error("the last field cannot be extrapolated")]
    Extrapolation(#[from] ExtrapolationError),
}

/// The field with the latest valid time; of several the last one given.
pub(crate) fn newest(past: &[RainField]) -> Result<&RainField, NowcastError> {
    past.iter().max_by_key(|f| f.valid_time).ok_or(NowcastError::NoFields)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_listed_method_is_found_under_its_name() {
        for name in METHODS {
            assert_eq!(method(name).unwrap().name(), name);
        }
        assert!(METHODS.contains(&DEFAULT_METHOD));
        assert!(method("tea leaves").is_none());
    }

    #[test]
    fn lead_times_count_from_the_issue_time() {
        let times = LeadTimes { step_min: 2.5, count: 2 }.valid_times(Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(times.iter().map(|t| t.as_second()).collect::<Vec<_>>(), [150, 300]);
    }

    #[test]
    fn a_step_that_is_no_step_is_refused() {
        for step_min in [0.0, -5.0, f64::NAN, 1e300] {
            let refused = LeadTimes { step_min, count: 3 }.valid_times(Timestamp::UNIX_EPOCH);
            assert!(matches!(refused, Err(NowcastError::LeadTimes { .. })), "{step_min}");
        }
    }
}
