//! Whether this process may still send.

use raincell_api_types::leases::Fence;
use raincell_store_client::LeaseView;

/// Good as long as the lease of the sender is held as it was when the permit was made.
#[derive(Clone, Debug, Default)]
pub struct Permit(Option<(LeaseView, Fence)>);

impl Permit {
    /// For who sends by hand: always good.
    pub fn always() -> Self {
        Self(None)
    }

    /// For work under a lease.
    pub fn under(lease: LeaseView, fence: Fence) -> Self {
        Self(Some((lease, fence)))
    }

    /// Asked before each request: a process that was stopped for a while may not be the sender any more.
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(|(lease, fence)| lease.fence().as_ref() == Some(fence))
    }
}
