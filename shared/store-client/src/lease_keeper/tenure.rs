//! What one party knows of a lease, and what it may do next: the record-version-number algorithm without its network.
//!
//! All times are of the party's own monotonic clock, counted from any instant. Nothing is ever compared with the clock
//! of somebody else, so that clocks may be wrong by years; where one runs at another speed, two may believe for a while
//! that they hold the lease, and the fencing token decides.

use std::time::Duration;

use raincell_api_types::leases::{Lease, LeaseChange};

/// How many times a lease is renewed within its duration.
const RENEWALS: u32 = 3;

#[derive(Debug)]
pub(super) struct Tenure {
    owner: String,
    duration: Duration,
    /// As last heard.
    stored: Option<Lease>,
    /// When the version of `stored` was first heard of.
    since: Duration,
    /// The fencing token, and until when the lease is held for sure.
    held: Option<(u64, Duration)>,
}

impl Tenure {
    pub(super) fn new(owner: String, duration: Duration) -> Self {
        Self { owner, duration, stored: None, since: Duration::ZERO, held: None }
    }

    /// The fencing token while the lease is held for sure.
    pub(super) fn fence(&self, now: Duration) -> Option<u64> {
        self.held.filter(|(_, until)| now < *until).map(|(fence, _)| fence)
    }

    /// What was heard of the lease; `now` is when the answer came.
    pub(super) fn heard(&mut self, stored: Lease, now: Duration) {
        if self.stored.as_ref().is_none_or(|known| known.version != stored.version) {
            self.since = now;
        }
        if !self.is_own(&stored) {
            self.held = None;
        }
        self.stored = Some(stored);
    }

    /// A change was made; `asked_at` is when it was sent. The tenure counts from then, as a rival may have seen its
    /// effect from then on.
    pub(super) fn changed(&mut self, stored: Lease, asked_at: Duration, now: Duration) {
        self.held = self.is_own(&stored).then_some((stored.fence, asked_at + self.duration));
        self.heard(stored, now);
    }

    /// What to ask for now, if anything.
    pub(super) fn next(&self, now: Duration) -> Option<LeaseChange> {
        let stored = self.stored.as_ref()?;
        let (owner, version, fence) = (self.owner.clone(), stored.version, stored.fence);
        if self.is_own(stored) {
            // Also where the answer to the take was lost: renewing is what makes it sure.
            return Some(LeaseChange::Renew { owner, version, fence });
        }
        let patience = Duration::from_millis(stored.duration_ms);
        let free = stored.owner.is_none() || now.saturating_sub(self.since) >= patience;
        let duration_ms = self.duration.as_millis() as u64;
        free.then_some(LeaseChange::Take { owner, duration_ms, version })
    }

    /// What gives the lease back, where it may be held.
    pub(super) fn release(&self) -> Option<LeaseChange> {
        let stored = self.stored.as_ref().filter(|stored| self.is_own(stored))?;
        Some(LeaseChange::Release { owner: self.owner.clone(), version: stored.version, fence: stored.fence })
    }

    /// How long to wait before the next look or renewal.
    pub(super) fn pause(&self) -> Duration {
        self.duration / RENEWALS
    }

    /// How long until the lease is not held for sure any more.
    pub(super) fn remaining(&self, now: Duration) -> Option<Duration> {
        self.held.map(|(_, until)| until.saturating_sub(now))
    }

    /// True when somebody else is stored as the owner.
    pub(super) fn has_other_owner(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.owner.is_some() && !self.is_own(stored))
    }

    fn is_own(&self, stored: &Lease) -> bool {
        stored.owner.as_deref() == Some(&self.owner)
    }
}

#[cfg(test)]
#[path = "tenure_tests.rs"]
mod tests;
