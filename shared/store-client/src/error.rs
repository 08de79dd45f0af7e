//! What can go wrong on the way to the store and back.

use std::time::Duration;

use raincell_api_types::alerts::AlertState;
use raincell_api_types::frames::Checkpoint;
use raincell_api_types::leases::Lease;
use raincell_api_types::problem::ProblemDetails;
use raincell_frame::{DecodeError, EncodeError};
use raincell_http_client::AddressError;
use thiserror::Error;

/// Why a call did not give what was asked for.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address of the store cannot be used.
    #[error("store: {0}")]
    Address(#[from] AddressError),
    /// The HTTP client cannot be set up, or the token cannot be sent.
    #[error("cannot set up the store client: {0}")]
    Setup(String),
    /// The store has nothing there.
    #[error("the store has no {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The store holds other content under the key; it stays as it is.
    #[error("the store holds other content for {what} (hash {stored_hash})")]
    Conflict {
        /// The key.
        what: String,
        /// Hash of the content that is there; name it to replace it.
        stored_hash: String,
    },
    /// What was to be replaced is not what is stored any more.
    #[error("{what} was to replace content with hash {expected}, {found:?} is stored")]
    Precondition {
        /// The key.
        what: String,
        /// The hash that was to be replaced.
        expected: String,
        /// The hash of what is stored, if anything is.
        found: Option<String>,
    },
    /// The state of a place has changed since it was read.
    #[error("the state of {} is at revision {}, not the one the change was computed from", .0.place, .0.revision)]
    StaleState(Box<AlertState>),
    /// A checkpoint has changed since it was read.
    #[error("checkpoint {} is at revision {}, not the one the change was computed from", .0.name, .0.revision)]
    StaleCheckpoint(Box<Checkpoint>),
    /// A lease has changed since it was read.
    #[error("lease {} is at version {}, not the one the change was computed from", .0.name, .0.version)]
    StaleLease(Box<Lease>),
    /// The lease under which something was to be written is not held any more; nothing was written.
    #[error("the store refuses a write: {reason}")]
    Fenced {
        /// As the store tells it.
        reason: String,
    },
    /// The store does not accept the token.
    #[error("the store does not accept the token")]
    Unauthorized,
    /// The store says that the request is wrong; trying again will not help.
    #[error("the store rejects {operation}: {} {}: {}", problem.status, problem.title, problem.detail)]
    Rejected {
        /// What was tried.
        operation: &'static str,
        /// What is wrong with it.
        problem: Box<ProblemDetails>,
    },
    /// The store answered, but could not do it (5xx, 429) until the deadline.
    #[error("the store cannot {operation} now: {} {}: {}", problem.status, problem.title, problem.detail)]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// Its last answer.
        problem: Box<ProblemDetails>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// No answer until the deadline.
    #[error("no answer from the store to {operation} after {attempts} tries in {seconds:.1} s: {reason}")]
    Unreachable {
        /// What was tried.
        operation: &'static str,
        /// How often.
        attempts: u32,
        /// For how long.
        seconds: f64,
        /// The last reason.
        reason: String,
    },
    /// The store is not asked for a while, as it did not answer many times.
    #[error("the store is not asked to {operation}: its circuit is open, next probe in {:.1} s", wait.as_secs_f64())]
    CircuitOpen {
        /// What was to be asked.
        operation: &'static str,
        /// When it makes sense to try again.
        wait: Duration,
    },
    /// The store answered with something that is not what it should be.
    #[error("the answer of the store to {operation} cannot be understood: {reason}")]
    Answer {
        /// What was tried.
        operation: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// What was to be stored cannot be encoded.
    #[error("cannot encode {what}")]
    Encode {
        /// What it is.
        what: String,
        /// Why.
        #[source]
        source: EncodeError,
    },
    /// A stored body cannot be decoded.
    #[error("cannot decode {what} as the store gave it")]
    Decode {
        /// What it is.
        what: String,
        /// Where it is wrong.
        #[source]
        source: DecodeError,
    },
}

impl ClientError {
    /// True when the same call may well succeed later: the store does not answer, or cannot do it now.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Unreachable { .. } | Self::CircuitOpen { .. })
    }
}
