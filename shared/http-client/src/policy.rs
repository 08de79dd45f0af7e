//! How long a call may take, and how often it is tried.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Pauses between tries, one after the other.
pub type Pauses = backon::ExponentialBackoff;

/// How long a call may take, and what is waited between its tries.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// One try, from the first byte sent to the last byte received.
    pub attempt_timeout: Duration,
    /// The whole call with all its tries; no try begins after it, and a running one is given up.
    pub deadline: Duration,
    /// The first pause; each is twice the one before, plus a random part of itself.
    pub first_pause: Duration,
    /// No pause is longer than this (before its random part).
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(3),
        }
    }
}

impl RetryPolicy {
    /// The pauses between the tries of one call; endless, as the deadline ends it.
    pub fn pauses(&self) -> Pauses {
        ExponentialBuilder::new()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_jitter()
            .without_max_times()
            .build()
    }
}
