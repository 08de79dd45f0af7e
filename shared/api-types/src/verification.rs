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
