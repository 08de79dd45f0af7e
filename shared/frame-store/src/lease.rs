//! The rules of a lease, the same for every backend: what a change makes of what is stored. No clock is asked here;
//! time passes only on the clocks of those who hold the lease or want it.

use raincell_api_types::leases::{Fence, Lease, LeaseChange};

use crate::StoreError;

/// A lease that nobody has taken yet.
pub(crate) fn unused(name: &str) -> Lease {
    Lease { name: name.to_owned(), owner: None, version: 0, duration_ms: 0, fence: 0 }
}

/// The lease after the change. A backend reads `stored` and writes the outcome in one step.
///
/// # Errors
/// [`StoreError::Stale`] where the change was computed from another version; [`StoreError::Fenced`] for a renewal or
/// release by somebody who does not hold it.
pub(crate) fn changed(stored: &Lease, change: &LeaseChange) -> Result<Lease, StoreError> {
    if change.version() != stored.version {
        let (expected, found) = (change.version(), stored.version);
        return Err(StoreError::Stale { what: format!("lease {}", stored.name), expected, found });
    }
    let version = stored.version + 1;
    match change {
        LeaseChange::Take { owner, duration_ms, .. } => Ok(Lease {
            name: stored.name.clone(),
            owner: Some(owner.clone()),
            version,
            duration_ms: *duration_ms,
            fence: stored.fence + 1,
        }),
        LeaseChange::Renew { owner, fence, .. } | LeaseChange::Release { owner, fence, .. } => {
            if stored.owner.as_ref() != Some(owner) {
                return Err(fenced(stored, *fence));
            }
            admit(stored, *fence)?;
            let owner = matches!(change, LeaseChange::Renew { .. }).then(|| owner.clone());
            Ok(Lease { owner, version, ..stored.clone() })
        }
    }
}

/// Lets those pass who hold the lease with this token now.
///
/// # Errors
/// [`StoreError::Fenced`] for all others, and where nobody holds it.
pub(crate) fn admit(stored: &Lease, token: u64) -> Result<(), StoreError> {
    if stored.owner.is_some() && stored.fence == token { Ok(()) } else { Err(fenced(stored, token)) }
}

fn fenced(stored: &Lease, token: u64) -> StoreError {
    let fence = Fence { lease: stored.name.clone(), token };
    StoreError::Fenced { fence, found: stored.fence, owner: stored.owner.clone() }
}
