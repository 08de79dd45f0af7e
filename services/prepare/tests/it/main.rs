//! The prepare service against a real store: raw files in, frames and dead letters out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_files;
mod chunks;
mod dead_letters;
mod faults;
mod helchteren;
mod http_index;
mod parts;
mod poll;
mod process;
mod scans;
mod seaweed;
mod server;
mod sqs;
mod traits;
mod world;
