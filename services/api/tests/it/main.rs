//! The service over real HTTP, beside a real store, on a small storm whose every arrival is known.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alert_skill;
mod alerts_feed;
mod compatible;
mod documents;
mod edr;
mod points;
mod products;
mod resilience;
mod restart;
mod scene;
mod skill;
mod tiles;
