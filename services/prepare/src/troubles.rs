//! Files that could not be taken in yet, and when they are tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ledger::Stamp;

/// A bad file is tried so often before it is set aside: it may have been caught half-written.
const TRIES: u32 = 3;
/// The longest pause between two tries of a file that cannot be had.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// One unit's story.
#[derive(Clone, Debug)]
struct Trouble {
    stamps: Vec<Stamp>,
    tries: u32,
    again: Instant,
    reason: String,
}

/// All units in trouble, by name. Only in memory: after a restart each is tried anew.
#[derive(Debug, Default)]
pub struct Troubles(BTreeMap<String, Trouble>);

/// Why a unit could not be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It could not be had; nothing is known of what it holds.
    Unavailable(String),
    /// It was read, and it is bad.
    Bad(String),
}

impl Troubles {
    /// True when a unit should be left alone for now: it has been tried, and nothing has changed since.
    pub fn rests(&self, unit: &str, stamps: &[Stamp], now: Instant) -> bool {
        self.0.get(unit).is_some_and(|t| t.stamps == stamps && now < t.again)
    }

    /// Notes a try that failed. Gives the number of tries when it is time to give up: bad [`TRIES`] times, spread over
    /// `patience`.
    pub fn note(
        &mut self,
        unit: &str,
        stamps: Vec<Stamp>,
        refusal: &Refusal,
        patience: Duration,
        now: Instant,
    ) -> Option<u32> {
        let tries = self.0.get(unit).filter(|t| t.stamps == stamps).map_or(0, |t| t.tries) + 1;
        let (pause, reason) = match refusal {
            Refusal::Bad(reason) => (patience / (TRIES - 1), reason),
            Refusal::Unavailable(reason) => ((patience * (1 << tries.min(10))).min(LONGEST_PAUSE), reason),
        };
        self.0.insert(unit.to_owned(), Trouble { stamps, tries, again: now + pause, reason: reason.clone() });
        (matches!(refusal, Refusal::Bad(_)) && tries >= TRIES).then_some(tries)
    }

    /// A unit is well again, or gone.
    pub fn forget(&mut self, unit: &str) {
        self.0.remove(unit);
    }

    /// Forgets the units that are not there any more.
    pub fn retain(&mut self, still_there: impl Fn(&str) -> bool) {
        self.0.retain(|unit, _| still_there(unit));
    }

    /// How many there are, and the story of the first.
    pub fn summary(&self) -> Option<String> {
        let (unit, trouble) = self.0.first_key_value()?;
        Some(format!("{} not read yet, the first {unit} ({} tries): {}", self.0.len(), trouble.tries, trouble.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_bad_file_is_given_up_after_three_tries_and_its_patience() {
        let (mut troubles, begin) = (Troubles::default(), Instant::now());
        let stamps = vec![Stamp { bytes: 3, changed_ms: 0 }];
        let bad = Refusal::Bad("not HDF5".into());
        let mut given_up = Vec::new();
        for seconds in [0, 5, 10] {
            let now = begin + Duration::from_secs(seconds);
            assert!(!troubles.rests("a.h5", &stamps, now));
            given_up.push(troubles.note("a.h5", stamps.clone(), &bad, PATIENCE, now));
            assert!(troubles.rests("a.h5", &stamps, now));
        }
        assert_eq!(given_up, [None, None, Some(3)]);
        assert!(troubles.summary().unwrap().contains("not HDF5"));
    }

    #[test]
    fn a_file_that_changed_begins_anew() {
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        let bad = Refusal::Bad("short".into());
        for bytes in 0..5 {
            let stamps = vec![Stamp { bytes, changed_ms: 0 }];
            assert!(!troubles.rests("a.h5", &stamps, now));
            assert_eq!(troubles.note("a.h5", stamps, &bad, PATIENCE, now), None);
        }
    }

    #[test]
    fn what_cannot_be_had_is_never_given_up_but_tried_ever_more_rarely() {
        let (mut troubles, begin) = (Troubles::default(), Instant::now());
        let stamps = vec![Stamp { bytes: 3, changed_ms: 0 }];
        for _ in 0..40 {
            let away = Refusal::Unavailable("503".into());
            assert_eq!(troubles.note("a", stamps.clone(), &away, PATIENCE, begin), None);
        }
        assert!(troubles.rests("a", &stamps, begin + LONGEST_PAUSE / 2));
        assert!(!troubles.rests("a", &stamps, begin + LONGEST_PAUSE));
    }
}
