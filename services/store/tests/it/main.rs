//! The store over real HTTP: in this process on port 0, and as the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alerts;
mod dead_letters;
mod events;
mod frames;
mod leases;
mod process;
mod replicas;
mod retention;
mod server;
mod verification;
