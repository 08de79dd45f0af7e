//! The alert service against a real store: frames and nowcasts in, states, outbox and files out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod domain;
mod kill;
mod kill_posts;
mod life;
mod outbox;
mod pictures;
mod posters;
#[path = "../real_data/mod.rs"]
mod real_data;
mod real_event;
mod targets;
mod weather;
mod weeks;
mod world;
