//! The prepare service against a real store: raw files in, frames and dead letters out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_files;
mod chunks;
mod faults;
mod helchteren;
mod http_index;
mod parts;
mod scans;
mod server;
mod world;
