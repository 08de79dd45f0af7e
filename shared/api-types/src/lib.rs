//! JSON shapes that servers and clients share: what goes between the services and what `api` answers.
//!
//! No behaviour lives here beyond (de)serialisation. Times are RFC 3339 in UTC ([`jiff::Timestamp`]).

pub mod alerts;
pub mod dead_letters;
pub mod events;
pub mod forecast;
pub mod frames;
pub mod health;
pub mod leases;
pub mod problem;
pub mod verification;
