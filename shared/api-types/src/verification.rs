//! Rolling verification: the sums that scores are made of, as they go between `nowcast`, `store` and `api`, and what
//! `api` answers at `GET /v1/skill`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Sums by their names, each of one number or several; sums of several nowcasts are added element by element, and what
/// one of them lacks counts as 0 there.
pub type Sums = BTreeMap<String, Vec<f64>>;

/// Adds `more` to `sums`.
pub fn add_sums(sums: &mut Sums, more: &Sums) {
    for (name, values) in more {
        let total = sums.entry(name.clone()).or_default();
        total.resize(total.len().max(values.len()), 0.0);
        for (sum, value) in total.iter_mut().zip(values) {
            *sum += value;
        }
    }
}

/// What one nowcast adds at one lead time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoredNowcast {
    /// Method of the nowcast.
    pub method: String,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    pub issue_time: Timestamp,
    /// Minutes from there to the time it was scored at.
    pub lead_min: u16,
    /// Its sums.
    pub sums: Sums,
}

/// How many of the nowcasts given to `store`'s `POST /v1/verification/{source}` were added; the others had been before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Added {
    /// So many.
    pub added: u64,
}

/// Sums over the nowcasts of a span of time: an entry of `store`'s `GET /v1/verification/{source}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PooledSums {
    /// Method of the nowcasts.
    pub method: String,
    /// Their lead time, minutes.
    pub lead_min: u16,
    /// How many there are.
    pub nowcasts: u64,
    /// Their sums.
    pub sums: Sums,
}

/// Answer of `GET /v1/skill`: how the nowcasts of a source verified, with persistence beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Skill {
    /// Source of the frames.
    pub source: String,
    /// The method of most of the nowcasts; null where none has been scored yet.
    pub method: Option<String>,
    /// One sentence for people.
    pub summary: String,
    /// Valid time of the newest frame; the windows end with it.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// True when the store could not be asked anew, or the newest frame is old.
    pub stale: bool,
    /// The last 24 hours, and the last 30 days.
    pub windows: Vec<SkillWindow>,
}

/// Skill over a span of issue times, in whole hours of UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SkillWindow {
    /// How long it is.
    pub hours: u32,
    /// By method, and by lead time in ascending order; `persistence` is what one would have said without a nowcast: the
    /// rain stays where it is.
    pub leads: Vec<LeadSkill>,
}

/// Skill of a method at a lead time, all nowcasts pooled. What cannot be told yet is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeadSkill {
    /// Method of the nowcasts.
    pub method: String,
    /// Lead time, minutes.
    pub lead_min: u16,
    /// How many nowcasts were scored.
    pub nowcasts: u64,
    /// At 0.1, 1 and 5 mm/h.
    pub thresholds: Vec<ThresholdSkill>,
    /// Mean absolute error where nowcast or observation has at least 0.1 mm/h, mm/h.
    pub mae_wet_mm_h: Option<f64>,
    /// Share of the observed cells that the nowcast knows; the others count as dry in it.
    pub cover: Option<f64>,
    /// Continuous ranked probability score over all observed cells, mm/h, of the ensemble as it was drawn; of
    /// `persistence`, its mean absolute error, which is the same of a single field. Null without an ensemble.
    pub crps_mm_h: Option<f64>,
}

/// Skill at a threshold of the rain rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThresholdSkill {
    /// The threshold, mm/h.
    pub threshold_mm_h: f32,
    /// Critical success index, 0–1.
    pub csi: Option<f64>,
    /// Frequency bias: wet cells of the nowcast for each wet cell observed.
    pub bias: Option<f64>,
    /// Fractions skill score in windows of 11 × 11 cells, 0–1.
    pub fss: Option<f64>,
    /// Brier score of the probabilities; null without an ensemble.
    pub brier: Option<f64>,
    /// Reliability diagram of the probabilities; empty without an ensemble.
    pub reliability: Vec<ReliabilityPoint>,
}

/// A point of a reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReliabilityPoint {
    /// Mean of the probabilities, 0–1.
    pub forecast: f64,
    /// How often it was so, 0–1.
    pub observed: f64,
    /// In how many cells.
    pub cells: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_lacks_counts_as_nothing() {
        let sums =
            |pairs: &[(&str, &[f64])]| -> Sums { pairs.iter().map(|(n, v)| ((*n).into(), v.to_vec())).collect() };
        let mut total = sums(&[("a", &[1.0]), ("b", &[1.0, 2.0])]);
        add_sums(&mut total, &sums(&[("b", &[1.0, 1.0, 1.0]), ("c", &[4.0])]));
        assert_eq!(total, sums(&[("a", &[1.0]), ("b", &[2.0, 3.0, 1.0]), ("c", &[4.0])]));
    }
}
