//! When a slow read is worth a second request to another address (Dean and Barroso, *The Tail at Scale*, 2013): after
//! the 95th percentile of what such reads took lately, and not for more than a tenth of them, so that a service that is
//! slow because it has too much to do does not get more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many of the latest answers count.
const WINDOW: usize = 128;
/// With fewer than these, nothing is known of the tail.
const LEAST: usize = 20;
/// Hedges for each answered read, and how many may be saved up.
const SHARE: f32 = 0.1;
const SAVED_UP: f32 = 5.0;

#[derive(Debug, Default)]
pub(crate) struct Hedging {
    operations: Mutex<HashMap<&'static str, Tail>>,
}

#[derive(Debug, Default)]
struct Tail {
    recent: VecDeque<Duration>,
    allowance: f32,
}

impl Hedging {
    /// A read was answered after `latency`.
    pub fn note(&self, operation: &'static str, latency: Duration) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = operations.entry(operation).or_default();
        if tail.recent.len() == WINDOW {
            tail.recent.pop_front();
        }
        tail.recent.push_back(latency);
        tail.allowance = (tail.allowance + SHARE).min(SAVED_UP);
    }

    /// After how long a second request is worth it.
    pub fn delay(&self, operation: &'static str) -> Option<Duration> {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = operations.get(operation).filter(|tail| tail.recent.len() >= LEAST && tail.allowance >= 1.0)?;
        let mut sorted: Vec<Duration> = tail.recent.iter().copied().collect();
        let rank = sorted.len() * 95 / 100;
        Some(*sorted.select_nth_unstable(rank).1)
    }

    /// Takes one from the allowance; false if there is none left.
    pub fn spend(&self, operation: &'static str) -> bool {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = operations.entry(operation).or_default();
        let allowed = tail.allowance >= 1.0;
        if allowed {
            tail.allowance -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_the_95th_percentile_once_enough_is_known() {
        let hedging = Hedging::default();
        for i in 0..19 {
            hedging.note("read", Duration::from_millis(i));
            assert_eq!(hedging.delay("read"), None);
        }
        for i in 19..100 {
            hedging.note("read", Duration::from_millis(i));
        }
        assert_eq!(hedging.delay("read"), Some(Duration::from_millis(95)));
        assert_eq!(hedging.delay("another"), None);
        // What is long past does not count.
        for _ in 0..WINDOW {
            hedging.note("read", Duration::from_millis(7));
        }
        assert_eq!(hedging.delay("read"), Some(Duration::from_millis(7)));
    }

    #[test]
    fn no_more_than_a_tenth_is_hedged() {
        let hedging = Hedging::default();
        let mut hedges = 0;
        for _ in 0..1000 {
            hedging.note("read", Duration::from_millis(1));
            hedges += usize::from(hedging.spend("read"));
        }
        assert!((95..=100).contains(&hedges), "{hedges}");
    }
}
