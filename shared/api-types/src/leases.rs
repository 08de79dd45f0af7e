//! Leases: which of several processes may do what only one should do.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A lease as it is stored.
///
/// It holds no time of day. Whoever holds it changes its version now and then; whoever wants it takes it over after
/// having seen the same version for [`Self::duration_ms`] on a clock of its own that only goes forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// Its name (`alert-leader`).
    pub name: String,
    /// Who holds it; null where it was never taken, or was released.
    pub owner: Option<String>,
    /// Rises by one with every change; 0 where it was never taken.
    pub version: u64,
    /// How long the same version must be seen before somebody else may take it, milliseconds.
    pub duration_ms: u64,
    /// Rises by one with every change of owner; 0 where it was never taken.
    pub fence: u64,
}

/// A change of a lease. Each names the version that it was computed from; another one stored meanwhile means 409.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum LeaseChange {
    /// Takes a lease that is free, or one whose version has not changed for its whole duration.
    Take {
        /// Name of the taker, one that no other process and no earlier run has.
        owner: String,
        /// How long others are to wait from now on, milliseconds.
        duration_ms: u64,
        /// The version that was seen; 0 where the lease was never taken.
        version: u64,
    },
    /// Says that the holder is still there.
    Renew {
        /// Who holds it.
        owner: String,
        /// The version that was seen.
        version: u64,
        /// The fencing token that came with the lease.
        fence: u64,
    },
    /// Gives it back, so that nobody has to wait.
    Release {
        /// Who holds it.
        owner: String,
        /// The version that was seen.
        version: u64,
        /// The fencing token that came with the lease.
        fence: u64,
    },
}

impl LeaseChange {
    /// The version that the change was computed from.
    pub fn version(&self) -> u64 {
        match self {
            Self::Take { version, .. } | Self::Renew { version, .. } | Self::Release { version, .. } => *version,
        }
    }

    /// Who wants it.
    pub fn owner(&self) -> &str {
        match self {
            Self::Take { owner, .. } | Self::Renew { owner, .. } | Self::Release { owner, .. } => owner,
        }
    }
}

/// Under which lease a write is made. As the header `Raincell-Fence`: `alert-leader=7`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Fence {
    /// Name of the lease.
    pub lease: String,
    /// Its fencing token, as it was when the writer took it.
    pub token: u64,
}

impl Display for Fence {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.lease, self.token)
    }
}

impl FromStr for Fence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no name of a lease, `=` and its fencing token");
        let (lease, token) = text.rsplit_once('=').ok_or_else(wrong)?;
        let token = token.parse().map_err(|_| wrong())?;
        if lease.is_empty() { Err(wrong()) } else { Ok(Self { lease: lease.to_owned(), token }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_reads_back_and_anything_else_is_refused() {
        let fence = Fence { lease: "a-b.c".into(), token: 7 };
        assert_eq!(fence.to_string().parse(), Ok(fence));
        for bad in ["", "=", "a", "a=", "a=-1", "=7", "a=7x"] {
            assert!(bad.parse::<Fence>().is_err(), "{bad}");
        }
    }
}
