//! Where Raincell remembers: the [`FrameStore`] trait, its backends, and the suite that each of them passes.
//!
//! - [`FrameStore`] says what a backend can do, [`StoreError`] what a caller can do about a failure.
//! - [`SqliteStore`] is the backend for one machine; several processes may open its file.
//! - [`DynamoStore`] is the backend for many: one table that any number of processes share.
//! - [`ThrottledStore`] makes another store slow, refuses calls and loses answers, for tests of those who use one.
//! - `conformance` (feature of the same name) holds one test function for each promise of the trait; every backend and
//!   every wrapper runs all of them.
//!
//! What it will not do: look into the bodies that it keeps (beyond the header of a frame), ask for the time (callers pass it), or speak HTTP.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod dynamodb;
mod error;
mod key;
mod lease;
mod sqlite;
mod store;
mod throttled;

pub use dynamodb::{DynamoSettings, DynamoStore, Initialised};
pub use error::{KeyError, StoreError};
pub use key::{FrameKey, FrameQuery, NowcastKey, valid_name};
pub use sqlite::{Checked, SqliteStore};
pub use store::{FrameStore, Put, Removed, SeriesFrame, Stored, Wanted, WriteCondition};
pub use throttled::{Throttle, ThrottledStore};
