//! The circuit breaker of one address (Nygard, *Release It!*, 2007): after some failures in a row nothing is sent for a
//! while, then one probe; its outcome closes the circuit or opens it for longer.
//!
//! An own one, because the kept crates (failsafe, recloser, tower-resilience) read the machine's clock themselves, and
//! do not say for how long a circuit stays open, which a choice among replicas and a retry within a deadline need; the
//! first two also let everybody probe at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long it stays open the first time; twice as long after each probe that fails.
    pub first_wait: Duration,
    /// It stays open no longer than this before the next probe.
    pub longest_wait: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(10) }
    }
}

/// What a circuit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Everything.
    Closed,
    /// One probe, which is under way or may be sent by the next call.
    HalfOpen,
    /// Nothing, for so long.
    Open(Duration),
}

#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    failures: u32,
    /// How long it stays open the next time.
    wait: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    OpenUntil(Instant),
    /// A probe may be sent.
    Ready,
    Probing,
}

/// The permission to send one request, whose outcome is to be told. A probe that is given up makes room for another.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Arc<Breaker>,
    probe: bool,
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Arc<Self> {
        let state = State { failures: 0, wait: settings.first_wait, phase: Phase::Closed };
        Arc::new(Self { settings, state: Mutex::new(state) })
    }

    pub fn circuit(&self, now: Instant) -> Circuit {
        match self.lock().phase {
            Phase::Closed => Circuit::Closed,
            Phase::OpenUntil(until) if now < until => Circuit::Open(until - now),
            Phase::OpenUntil(_) | Phase::Ready | Phase::Probing => Circuit::HalfOpen,
        }
    }

    /// A permit, or how long to wait before it makes sense to ask again (zero while a probe is under way).
    pub fn admit(self: &Arc<Self>, now: Instant) -> Result<Permit, Duration> {
        let mut state = self.lock();
        let probe = match state.phase {
            Phase::Closed => false,
            Phase::OpenUntil(until) if now < until => return Err(until - now),
            Phase::OpenUntil(_) | Phase::Ready => {
                state.phase = Phase::Probing;
                true
            }
            Phase::Probing => return Err(Duration::ZERO),
        };
        Ok(Permit { breaker: Arc::clone(self), probe })
    }

    /// A sign of life closes the circuit, wherever it came from.
    pub fn succeeded(&self) {
        let mut state = self.lock();
        *state = State { failures: 0, wait: self.settings.first_wait, phase: Phase::Closed };
    }

    /// True when this failure opened the circuit.
    pub fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        // Failures of what was sent before it opened, or was not gated, change nothing.
        if state.phase != Phase::Closed || state.failures < self.settings.failures {
            return false;
        }
        self.open(&mut state, now);
        true
    }

    fn open(&self, state: &mut State, now: Instant) {
        state.phase = Phase::OpenUntil(now + state.wait);
        state.wait = (state.wait * 2).min(self.settings.longest_wait);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    pub fn succeeded(self) {
        self.breaker.succeeded();
    }

    /// True when this failure opened the circuit, for the first time or again.
    pub fn failed(mut self, now: Instant) -> bool {
        if !std::mem::take(&mut self.probe) {
            return self.breaker.failed(now);
        }
        let mut state = self.breaker.lock();
        // Something else may have closed it meanwhile.
        let again = state.phase == Phase::Probing;
        if again {
            self.breaker.open(&mut state, now);
        }
        again
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe {
            let mut state = self.breaker.lock();
            if state.phase == Phase::Probing {
                state.phase = Phase::Ready;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { failures: 3, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(3) };

    fn opened(now: Instant) -> Arc<Breaker> {
        let breaker = Breaker::new(SETTINGS);
        let opened: Vec<bool> = (0..3).map(|_| breaker.admit(now).unwrap().failed(now)).collect();
        assert_eq!(opened, [false, false, true]);
        breaker
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_failures_in_a_row_open_the_circuit() {
        let (breaker, now) = (Breaker::new(SETTINGS), Instant::now());
        for _ in 0..5 {
            breaker.admit(now).unwrap().failed(now);
            breaker.admit(now).unwrap().failed(now);
            breaker.admit(now).unwrap().succeeded();
        }
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        assert_eq!(opened(now).circuit(now), Circuit::Open(seconds(1)));
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let now = Instant::now();
        let breaker = opened(now);
        assert_eq!(breaker.admit(now).unwrap_err(), seconds(1));
        let later = now + seconds(1);
        let probe = breaker.admit(later).unwrap();
        assert_eq!(breaker.circuit(later), Circuit::HalfOpen);
        assert_eq!(breaker.admit(later).unwrap_err(), Duration::ZERO, "only one at a time");
        assert!(probe.failed(later));
        assert_eq!(breaker.circuit(later), Circuit::Open(seconds(2)));
        breaker.admit(later + seconds(2)).unwrap().succeeded();
        assert_eq!(breaker.circuit(later), Circuit::Closed);
    }

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew_after_a_success() {
        let mut now = Instant::now();
        let breaker = opened(now);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let Circuit::Open(wait) = breaker.circuit(now) else { panic!("it is open") };
            waits.push(wait.as_secs());
            now += wait;
            breaker.admit(now).unwrap().failed(now);
        }
        assert_eq!(waits, [1, 2, 3, 3]);
        breaker.succeeded();
        for _ in 0..3 {
            breaker.failed(now);
        }
        assert_eq!(breaker.circuit(now), Circuit::Open(seconds(1)));
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_another() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + seconds(1);
        drop(breaker.admit(later).unwrap());
        breaker.admit(later).unwrap().succeeded();
        assert_eq!(breaker.circuit(later), Circuit::Closed);
    }

    #[test]
    fn what_was_sent_before_it_opened_does_not_keep_it_open() {
        let now = Instant::now();
        let breaker = opened(now);
        let probe = breaker.admit(now + seconds(1)).unwrap();
        assert!(!breaker.failed(now + seconds(1)));
        probe.succeeded();
        assert_eq!(breaker.circuit(now), Circuit::Closed);
    }
}
