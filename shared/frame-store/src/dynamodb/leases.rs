//! Leases: one item each.

use raincell_api_types::leases::{Lease, LeaseChange};

use super::DynamoStore;
use super::commit::{Change, Committed, When};
use super::item::Item;
use super::keys::Place;
use crate::{StoreError, lease};

impl DynamoStore {
    pub(super) async fn get_lease(&self, name: &str) -> Result<(Lease, Option<Item>), StoreError> {
        let item = self.table.get("read a lease", &Place::alone("lease", name)).await?;
        let lease = item.as_ref().map_or_else(|| Ok(lease::unused(name)), read)?;
        Ok((lease, item))
    }

    /// Not under a fence itself.
    pub(super) async fn move_lease(&self, name: &str, change: &LeaseChange) -> Result<Lease, StoreError> {
        let unfenced = Self { fence: None, ..self.clone() };
        loop {
            let (stored, item) = self.get_lease(name).await?;
            let changed = lease::changed(&stored, change)?;
            let put = Change::Put(write(&changed), When::still(item.as_ref())?);
            if unfenced.change("change a lease", &[put]).await? == Committed::Done {
                return Ok(changed);
            }
        }
    }

    /// A first look, so that nothing large is written in vain; each write looks again when it takes place.
    pub(super) async fn admit(&self) -> Result<(), StoreError> {
        match &self.fence {
            Some(fence) => lease::admit(&self.get_lease(&fence.lease).await?.0, fence.token),
            None => Ok(()),
        }
    }
}

fn write(lease: &Lease) -> Item {
    Item::at(Place::alone("lease", &lease.name))
        .text("name", &lease.name)
        .optional_text("owner", lease.owner.as_ref())
        .number("version", lease.version)
        .number("duration_ms", lease.duration_ms)
        .number("fence", lease.fence)
}

fn read(item: &Item) -> Result<Lease, StoreError> {
    Ok(Lease {
        name: item.get_text("name")?.to_owned(),
        owner: item.get_optional_text("owner").map(str::to_owned),
        version: item.get_number("version")?,
        duration_ms: item.get_number("duration_ms")?,
        fence: item.get_number("fence")?,
    })
}
