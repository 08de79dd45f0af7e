//! The alert service against a real store: frames and nowcasts in, states, outbox and files out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod domain;
mod kill;
mod kill_posts;
mod life;
mod outbox;
mod posters;
mod targets;
mod weather;
mod weeks;
mod world;
