//! What can go wrong, sorted by what a caller can do about it.

use raincell_api_types::leases::Fence;
use thiserror::Error;

/// Why a store did not do what it was asked for.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is nothing, or it has expired.
    #[error("{what} is not stored")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// Other content is stored under the key; it stays as it is.
    #[error("other content is stored for {what} (hash {stored})")]
    Conflict {
        /// The key.
        what: String,
        /// Content hash of what is stored.
        stored: String,
    },
    /// What was to be replaced is not what is stored.
    #[error("{what} was to replace the content with hash {expected}, stored is {}", .found.as_deref().unwrap_or("nothing"))]
    Precondition {
        /// The key.
        what: String,
        /// Content hash of what was to be replaced.
        expected: String,
        /// Content hash of what is stored, if anything is.
        found: Option<String>,
    },
    /// The revision that a change was computed from is not the stored one.
    #[error("{what} was to be changed from revision {expected}, stored is revision {found}")]
    Stale {
        /// What was to be changed.
        what: String,
        /// The revision that the change was computed from.
        expected: u64,
        /// The stored revision.
        found: u64,
    },
    /// Somebody else holds the lease under which a write was to be made, or nobody does; nothing was written.
    #[error("the lease {} is not held with token {}: it stands at {found}, held by {}", .fence.lease, .fence.token, .owner.as_deref().unwrap_or("nobody"))]
    Fenced {
        /// What the writer says that it holds.
        fence: Fence,
        /// The token that is stored.
        found: u64,
        /// Who holds the lease.
        owner: Option<String>,
    },
    /// Something cannot be a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What is stored is damaged.
    #[error("{what} is damaged: expected {expected}, found {found}")]
    Corrupt {
        /// What it is.
        what: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The database was written by a newer version.
    #[error("the database has schema version {found}, this program knows versions up to {known}")]
    Schema {
        /// Version in the database.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// Others kept the database locked for too long; the same call may succeed later.
    #[error("cannot {doing}: the database is busy")]
    Busy {
        /// What was tried.
        doing: &'static str,
    },
    /// The backend failed.
    #[error("cannot {doing}")]
    Backend {
        /// What was tried.
        doing: &'static str,
        /// What the backend said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why something cannot be a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// A name that cannot stand in a path.
    #[error("{field} {found:?}: expected 1 to {most} of the characters A-Z a-z 0-9 . _ -, not beginning with a dot")]
    Name {
        /// Which name.
        field: &'static str,
        /// As given.
        found: String,
        /// How many characters there may be.
        most: usize,
    },
    /// A cursor that no listing gave.
    #[error("cursor {found:?}: expected next_cursor of the page before")]
    Cursor {
        /// As given.
        found: String,
    },
}
