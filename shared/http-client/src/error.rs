//! Why a call came to nothing.

use std::time::Duration;

use thiserror::Error;

use crate::Answer;

/// A call that found no answer within its deadline, or none that another try would not change.
#[derive(Clone, Debug, Error)]
pub enum CallError {
    /// Nobody answered.
    #[error("no answer to {operation} after {attempts} tries in {seconds:.1} s: {reason}")]
    Unreachable {
        /// What was asked.
        operation: &'static str,
        /// How often it was sent.
        attempts: u32,
        /// For how long.
        seconds: f64,
        /// The last reason.
        reason: String,
    },
    /// The server could not do it (5xx, 429) until the deadline.
    #[error("{operation} is answered with {} after {attempts} tries", answer.status)]
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// How often it was sent.
        attempts: u32,
        /// The last answer.
        answer: Box<Answer>,
    },
    /// It was not sent: the circuit of every address is open until after the deadline.
    #[error("not asked to {operation}: after many failures the next probe is in {:.1} s", wait.as_secs_f64())]
    CircuitOpen {
        /// What was to be asked.
        operation: &'static str,
        /// When it makes sense to try again.
        wait: Duration,
    },
    /// The answer is larger than was asked for; it was cut off.
    #[error("the answer to {operation} is larger than {most} bytes")]
    TooLarge {
        /// What was asked.
        operation: &'static str,
        /// The limit.
        most: usize,
    },
}

/// Why one try failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Connection(String),
    Answered(Box<Answer>),
    /// No address may be asked for so long.
    CircuitsOpen(Duration),
    TooLarge(usize),
}

impl Failure {
    pub fn connection(error: &dyn std::error::Error) -> Self {
        Self::Connection(chain(error))
    }

    /// What is to be waited at least before the next try.
    pub fn wait(&self) -> Duration {
        match self {
            Self::Answered(answer) => answer.retry_after().unwrap_or_default(),
            Self::CircuitsOpen(wait) => *wait,
            Self::Connection(_) | Self::TooLarge(_) => Duration::ZERO,
        }
    }

    pub fn into_error(self, operation: &'static str, attempts: u32, took: Duration) -> CallError {
        match self {
            Self::Connection(reason) => {
                CallError::Unreachable { operation, attempts, seconds: took.as_secs_f64(), reason }
            }
            Self::Answered(answer) => CallError::Unavailable { operation, attempts, answer },
            Self::CircuitsOpen(wait) => CallError::CircuitOpen { operation, wait },
            Self::TooLarge(most) => CallError::TooLarge { operation, most },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connection(reason) => f.write_str(reason),
            Self::Answered(answer) => write!(f, "{}", answer.status),
            Self::CircuitsOpen(wait) => write!(f, "circuit open for {:.1} s", wait.as_secs_f64()),
            Self::TooLarge(most) => write!(f, "more than {most} bytes"),
        }
    }
}

/// An error with all its causes: the outermost of an HTTP client rarely says what happened.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
