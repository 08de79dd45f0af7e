//! Time is injected: services ask a [`Clock`], so that the demo can run it ten times as fast and tests can set it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Tells the time that a service lives by.
pub trait Clock: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// How long `duration` of this clock lasts on the wall.
    fn wall(&self, duration: Duration) -> Duration;
}

/// A clock that all services of a process share.
pub type SharedClock = Arc<dyn Clock>;

/// Real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn wall(&self, duration: Duration) -> Duration {
        duration
    }
}

/// Runs from a given start at a given multiple of real time.
#[derive(Clone, Copy, Debug)]
pub struct FastClock {
    began: Instant,
    start: Timestamp,
    speed: f64,
}

impl FastClock {
    /// Starts now at `start`; `speed` 10 lets ten minutes pass in one. A speed that is not above zero counts as 1.
    pub fn new(start: Timestamp, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        Self { began: Instant::now(), start, speed }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::from_secs_f64(self.began.elapsed().as_secs_f64() * self.speed);
        self.start.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    fn wall(&self, duration: Duration) -> Duration {
        duration.div_f64(self.speed)
    }
}

/// Waits for `duration` as `clock` counts it.
pub async fn sleep(clock: &dyn Clock, duration: Duration) {
    tokio::time::sleep(clock.wall(duration)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_begins_at_its_start_and_shortens_waits() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = FastClock::new(start, 10.0);
        assert!(clock.now() >= start);
        assert_eq!(clock.wall(Duration::from_secs(60)), Duration::from_secs(6));
        assert_eq!(FastClock::new(start, 0.0).wall(Duration::from_secs(1)), Duration::from_secs(1));
    }
}
