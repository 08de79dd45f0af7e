//! Typed HTTP client of the store service.
//!
//! - [`StoreClient`] has one method for each thing that the store can do, over the resilient client of
//!   `raincell-http-client`: tries within a deadline, circuit breakers, several replicas.
//! - [`StoreClient::events`] is an endless stream of what happens in the store; it reconnects by itself, goes on
//!   where it was, and says when it is cut off, so that the listener can poll meanwhile.
//! - [`LeaseKeeper`] takes a lease, keeps it, and says whether it is held; [`StoreClient::with_fence`] writes under it.
//! - [`ClientError`] has a variant for each answer that a caller can do something about.
//!
//! What it will not do: keep copies of answers.

mod alerts;
mod checkpoints;
mod dead_letters;
mod error;
mod events;
mod frames;
mod lease_keeper;
mod leases;
mod nowcasts;
mod transport;
mod verification;

pub use error::ClientError;
pub use events::StreamItem;
pub use frames::{FrameQuery, PutOutcome, encode_frame};
pub use lease_keeper::{LeaseKeeper, LeaseView};
pub use raincell_http_client::RetryPolicy;
pub use transport::StoreClient;
