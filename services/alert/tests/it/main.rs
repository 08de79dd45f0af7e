//! The alert service against a real store: frames and nowcasts in, states, outbox and files out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod domain;
mod kill;
mod life;
mod outbox;
mod weather;
mod weeks;
mod world;
