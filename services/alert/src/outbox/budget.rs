//! What posts of a target have cost today.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use raincell_api_types::alerts::{OutboxPost, PostStatus, event_and_target};

use crate::poster::Poster;

/// Below what any post costs: sums of decimal fractions are not exact.
const ROUNDING_USD: f64 = 1e-9;

/// Money spent in a day (UTC): what the store knows of at first, and what this process has sent since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spending {
    day: Date,
    usd: f64,
}

impl Spending {
    /// From the posts that the store has.
    pub fn of(posts: &[OutboxPost], poster: &dyn Poster, now: Timestamp) -> Self {
        let day = day(now);
        let counts = |post: &&OutboxPost| {
            post.status == PostStatus::Sent
                && event_and_target(&post.key).1 == poster.name()
                && self::day(post.created_at) == day
        };
        Self { day, usd: posts.iter().filter(counts).map(|post| poster.price_usd(&post.event)).sum() }
    }

    /// Counts a post that was sent, or may have been.
    pub fn add(&mut self, usd: f64, now: Timestamp) {
        self.turn(now);
        self.usd += usd;
    }

    /// Spent today.
    pub fn today(&mut self, now: Timestamp) -> f64 {
        self.turn(now);
        self.usd
    }

    /// True when a post at this price stays within the budget.
    pub fn allows(&mut self, usd: f64, budget_usd: f64, now: Timestamp) -> bool {
        self.today(now) + usd <= budget_usd + ROUNDING_USD
    }

    /// A new day begins with nothing spent; a clock that goes back does not give anything back.
    fn turn(&mut self, now: Timestamp) {
        let today = day(now);
        if today > self.day {
            *self = Self { day: today, usd: 0.0 };
        }
    }
}

fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_budget_is_that_of_a_day_in_utc_and_a_clock_that_goes_back_gives_nothing_back() {
        let mut spending = Spending { day: day(at("2026-01-01T00:00:00Z")), usd: 0.0 };
        let morning = at("2026-01-01T07:00:00Z");
        for _ in 0..50 {
            assert!(spending.allows(0.02, 1.0, morning));
            spending.add(0.02, morning);
        }
        assert!(!spending.allows(0.02, 1.0, morning));
        assert!(!spending.allows(0.02, 1.0, at("2025-12-31T23:00:00Z")));
        assert!(spending.allows(0.02, 1.0, at("2026-01-02T00:00:00Z")));
        assert_eq!(spending.today(at("2026-01-02T00:00:01Z")), 0.0);
    }
}
