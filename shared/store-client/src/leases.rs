//! Leases, one change at a time; [`crate::LeaseKeeper`] makes a tenure of them.

use raincell_api_types::leases::{Lease, LeaseChange};
use reqwest::{Method, StatusCode};

use crate::transport::{JsonBody, StoreAnswer};
use crate::{ClientError, StoreClient};

impl StoreClient {
    /// A lease as it is stored; version 0 and no owner where it was never taken.
    ///
    /// # Errors
    /// As any call.
    pub async fn lease(&self, name: &str) -> Result<Lease, ClientError> {
        self.get_json(self.call("look at a lease", Method::GET, &["v1", "leases", name])).await
    }

    /// Takes, renews or releases a lease; gives it as it is then.
    ///
    /// # Errors
    /// [`ClientError::StaleLease`] with the lease as it is stored where it has changed since it was read, or is not
    /// the caller's; others as any call.
    pub async fn change_lease(&self, name: &str, change: &LeaseChange) -> Result<Lease, ClientError> {
        let call = self.call("change a lease", Method::PUT, &["v1", "leases", name]);
        let answer = self.send(call.json(change)?).await?;
        if answer.status != StatusCode::CONFLICT {
            return answer.success(|| format!("lease {name}"))?.read_json();
        }
        let stored: Lease = answer.read_json()?;
        let next = stored.version == change.version().saturating_add(1);
        let ours = match change {
            LeaseChange::Take { owner, .. } => stored.owner.as_ref() == Some(owner),
            LeaseChange::Renew { owner, fence, .. } => stored.owner.as_ref() == Some(owner) && stored.fence == *fence,
            LeaseChange::Release { fence, .. } => stored.owner.is_none() && stored.fence == *fence,
        };
        // The answer to an earlier try was lost, its effect was not.
        if answer.attempt > 1 && next && ours { Ok(stored) } else { Err(ClientError::StaleLease(Box::new(stored))) }
    }
}
