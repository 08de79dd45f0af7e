//! From past fields to an ensemble: motion, states, odds, and how the odds of the last hour came out.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::{MotionField, RainField};
use raincell_motion::{FlowSettings, MotionEstimator, PyramidFlow};

use crate::calibrated::{Calibrated, Weights, decibels, halved};
use crate::calibrated_weights::{FEATURES, RATES, RATES_MM_H, WEIGHTS};
use crate::drift::{Drift, FRESH_MIN};
use crate::ensemble::Scene;
use crate::method::newest;
use crate::network::{HIDDEN, PER_UNIT, POWERS};
use crate::network_weights::NETWORKS;
use crate::recalibration::{Cases, LOOKED_AT, Recalibration};
use crate::{EnsembleNowcast, EnsembleSettings, LeadTimes, NowcastError};

/// How far back a nowcast looks, minutes.
const HISTORY_MIN: i64 = 31;
/// Ages of the two earlier states, minutes.
const AGES_MIN: [f32; 2] = [5.0, 15.0];
/// How long ago the hindcasts begin that the odds are put right by, minutes.
const HINDCASTS_MIN: [f32; 2] = [15.0, 30.0];
/// How far off its time a hindcast may begin, minutes.
const TOLERANCE_MIN: f32 = 6.0;
/// Fields that each of them is held against, the earliest not before a third of its length.
const HELD_AGAINST: usize = 3;
/// Every so many cells, in both directions, of a hindcast are looked at.
const STRIDE: usize = 6;

/// The ensemble nowcast of the newest of `past` fields, for each of `leads`, as the [`EnsembleModel`] that verifies best
/// makes it; also the seconds that the motion took.
///
/// # Errors
/// As [`EnsembleModel::run`].
pub fn ensemble(
    past: &[RainField],
    leads: &LeadTimes,
    inflow: Inflow,
    settings: EnsembleSettings,
) -> Result<(EnsembleNowcast, f64), NowcastError> {
    EnsembleModel::default().run(past, leads, inflow, settings)
}

/// How far back [`ensemble`] makes use of fields.
pub fn ensemble_history() -> SignedDuration {
    EnsembleModel::default().history()
}

/// How probabilities come about that members are drawn from: by odds that were fitted beforehand, put right by how the
/// odds of short hindcasts of the last hour came out.
#[derive(Clone, Debug)]
pub struct EnsembleModel {
    weights: Box<Weights>,
    recalibrates: bool,
}

impl Default for EnsembleModel {
    fn default() -> Self {
        Self { weights: Box::new(Weights { sum: WEIGHTS, networks: NETWORKS }), recalibrates: true }
    }
}

impl EnsembleModel {
    /// With weights of one's own: for each rate and feature the three coefficients of a parabola in ln(lead / 30 min),
    /// then for each rate and unit of its network a weight for each smoothed feature, a bias and three such coefficients;
    /// `None` when there are too few or too many numbers.
    pub fn with_weights(weights: &[f32]) -> Option<Self> {
        let (sum, networks) = weights.split_at_checked(RATES * FEATURES * POWERS)?;
        if networks.len() != RATES * HIDDEN * PER_UNIT {
            return None;
        }
        let weight = |k: usize, feature: usize, p: usize| sum[(k * FEATURES + feature) * POWERS + p];
        let of_unit = |k: usize, unit: usize, i: usize| networks[(k * HIDDEN + unit) * PER_UNIT + i];
        let weights = Weights {
            sum: std::array::from_fn(|k| std::array::from_fn(|f| std::array::from_fn(|p| weight(k, f, p)))),
            networks: std::array::from_fn(|k| std::array::from_fn(|u| std::array::from_fn(|i| of_unit(k, u, i)))),
        };
        Some(Self { weights: Box::new(weights), ..Self::default() })
    }

    /// The same with or without the look at the last hour.
    #[must_use]
    pub fn recalibrating(self, recalibrates: bool) -> Self {
        Self { recalibrates, ..self }
    }

    /// How far back fields are of use.
    pub fn history(&self) -> SignedDuration {
        let hindcasts = HINDCASTS_MIN.into_iter().fold(0.0, f32::max);
        let further = if self.recalibrates { (hindcasts + FRESH_MIN) as i64 } else { 0 };
        SignedDuration::from_mins(HISTORY_MIN.max(further))
    }

    /// The ensemble nowcast of the newest of `past` fields (in any order), for each of `leads`. With
    /// [`Inflow::LastObservation`] what comes from beyond what was observed is guessed from the observed surroundings.
    /// Also the seconds that the motion took.
    ///
    /// # Errors
    /// As [`NowcastMethod::run`](crate::NowcastMethod::run).
    pub fn run(
        &self,
        past: &[RainField],
        leads: &LeadTimes,
        inflow: Inflow,
        settings: EnsembleSettings,
    ) -> Result<(EnsembleNowcast, f64), NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let valid_times = leads.valid_times(last.valid_time)?;
        let drift = Drift::estimate(past)?;
        let motion_s = started.elapsed().as_secs_f64();
        let along = drift.along(leads.step_min as f32, leads.count)?;
        let states = states(past, last, &drift.fresh)?;
        let pattern = [halved(&states[0], |d| d), halved(states.get(1).unwrap_or(&states[0]), |d| d)];
        let every: [usize; RATES] = std::array::from_fn(|k| k);
        let odds = Calibrated::new(last, &states, along.clone(), inflow, &self.weights, &every);
        let recalibration = if self.recalibrates { self.recalibration(past, last)? } else { Recalibration::default() };
        let predictive = Box::new(odds.recalibrated(recalibration));
        let newest_mm_h = last.rate_mm_h.clone();
        let scene = Scene { newest_mm_h, grid: last.grid.clone(), motion: drift.lasting, along, valid_times, pattern };
        Ok((EnsembleNowcast::new(scene, predictive, settings)?, motion_s))
    }

    /// What short hindcasts say, each made of nothing later than its issue time.
    fn recalibration(&self, past: &[RainField], last: &RainField) -> Result<Recalibration, NowcastError> {
        let mut cases = Cases::default();
        for wanted in HINDCASTS_MIN {
            let distance = |f: &RainField| (minutes(f, last) - wanted).abs();
            let issued = past.iter().rev().min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let Some(issued) = issued.filter(|f| distance(f) <= TOLERANCE_MIN) else { continue };
            self.hindcast(past, issued, last, &mut cases)?;
        }
        Ok(Recalibration::of(&cases))
    }

    /// The odds that there would have been at the time of the field `issued`, and whether the rain came, until `last`.
    fn hindcast(
        &self,
        past: &[RainField],
        issued: &RainField,
        last: &RainField,
        cases: &mut Cases,
    ) -> Result<(), NowcastError> {
        let before: Vec<RainField> = past.iter().filter(|f| f.valid_time <= issued.valid_time).cloned().collect();
        if before.iter().all(|f| f.valid_time == issued.valid_time) {
            return Ok(());
        }
        // One motion is half the work of two, and for so short a time as good.
        let flow = PyramidFlow::new(FlowSettings { history_min: FRESH_MIN, ..FlowSettings::default() });
        let motion = flow.estimate(&before)?;
        let states = states(&before, issued, &motion)?;
        let length = minutes(issued, last);
        let (mut along, mut held_against) = (Vec::new(), Vec::new());
        let mut trajectories = Trajectories::new(&motion)?;
        for part in 1..=HELD_AGAINST {
            let wanted = length * part as f32 / HELD_AGAINST as f32;
            let distance = |f: &RainField| (minutes(issued, f) - wanted).abs();
            let Some(field) = past.iter().rev().min_by(|a, b| distance(a).total_cmp(&distance(b))) else { continue };
            let lead = minutes(issued, field);
            if lead > trajectories.minutes() + 1.0 && field.rate_mm_h.dim() == issued.rate_mm_h.dim() {
                trajectories.advance(lead - trajectories.minutes());
                along.push(trajectories.clone());
                held_against.push(field);
            }
        }
        let odds = Calibrated::new(issued, &states, along, Inflow::Unknown, &self.weights, &LOOKED_AT);
        for (lead, field) in held_against.into_iter().enumerate() {
            for ([row, column], odds) in odds.sampled_odds(lead, STRIDE) {
                let observed = field.rate_mm_h[(row, column)];
                if observed.is_finite() && odds[LOOKED_AT[0]] > DRY_ODDS {
                    for (cases, rate) in cases.iter_mut().zip(LOOKED_AT) {
                        cases.push((odds[rate], observed >= RATES_MM_H[rate]));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where rain is less likely than these odds there is nothing to learn.
const DRY_ODDS: f32 = -7.0;

/// Minutes from one field to another.
pub(crate) fn minutes(from: &RainField, to: &RainField) -> f32 {
    to.valid_time.duration_since(from.valid_time).as_secs_f32() / 60.0
}

/// The newest field and the earlier ones carried to its time along the motion, decibels.
pub(crate) fn states(
    past: &[RainField],
    last: &RainField,
    motion: &MotionField,
) -> Result<Vec<Array2<f32>>, NowcastError> {
    let mut states = vec![decibels(&last.rate_mm_h)];
    let mut trajectories = Trajectories::new(motion)?;
    for wanted in AGES_MIN {
        let distance = |f: &RainField| (minutes(f, last) - wanted).abs();
        let usable = past.iter().rev().filter(|f| (0.0..=HISTORY_MIN as f32).contains(&minutes(f, last)));
        let Some(field) = usable.min_by(|a, b| distance(a).total_cmp(&distance(b))) else { break };
        let age = minutes(field, last);
        let mut back = trajectories.clone();
        back.advance(age - trajectories.minutes());
        let carried = back.carry(&field.rate_mm_h, Interpolation::Bilinear, Inflow::LastObservation)?;
        states.push(decibels(&carried));
        if age > trajectories.minutes() {
            trajectories = back;
        }
    }
    Ok(states)
}
