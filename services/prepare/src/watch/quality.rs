//! How much the rain is worth, told beside it: when it changes, and now and then in between.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use raincell_frame::Frame;

/// What did not change is told again after this time, before it expires in the store.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(60);

/// What was last told of each source: a fingerprint of the values, and of when they were.
#[derive(Debug, Default)]
pub(super) struct ToldQuality(Mutex<BTreeMap<String, (u64, Timestamp)>>);

impl ToldQuality {
    /// True when the store should hear of it.
    pub fn is_news(&self, quality: &Frame) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = quality.field.valid_time;
        told.get(&quality.source).is_none_or(|(values, when)| {
            *values != fingerprint(quality) || time.duration_since(*when).abs() >= AGAIN_AFTER
        })
    }

    /// The store has it.
    pub fn note(&self, quality: &Frame) {
        let told = (fingerprint(quality), quality.field.valid_time);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(quality.source.clone(), told);
    }
}

fn fingerprint(quality: &Frame) -> u64 {
    let mut hasher = DefaultHasher::new();
    quality.field.grid.fingerprint().hash(&mut hasher);
    for value in &quality.field.rate_mm_h {
        value.to_bits().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use raincell_model::{Grid, RainField};
    use std::sync::Arc;

    #[test]
    fn what_did_not_change_is_news_once_an_hour() {
        let frame = |minutes: i64, value: f32| {
            let grid = Arc::new(Grid::around_radar(50.0, 5.0, 2.0, 1.0));
            let valid_time = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
            let field = RainField { rate_mm_h: Array2::from_elem(grid.shape(), value), grid, valid_time };
            Frame { source: "a".into(), product: "quality".into(), field }
        };
        let told = ToldQuality::default();
        assert!(told.is_news(&frame(0, 0.5)));
        told.note(&frame(0, 0.5));
        assert!(!told.is_news(&frame(5, 0.5)) && told.is_news(&frame(5, 0.6)) && told.is_news(&frame(60, 0.5)));
    }
}
