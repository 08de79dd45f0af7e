//! Checkpoints: small JSON documents with a revision.

use raincell_api_types::frames::Checkpoint;

use super::DynamoStore;
use super::commit::{Change, Committed, When};
use super::item::Item;
use super::keys::Place;
use crate::StoreError;

impl DynamoStore {
    pub(super) async fn get_checkpoint(&self, name: &str) -> Result<Option<(Checkpoint, Item)>, StoreError> {
        let Some(item) = self.table.get("read a checkpoint", &Place::alone("checkpoint", name)).await? else {
            return Ok(None);
        };
        let (revision, value) = (item.get_number("revision")?, item.get_json("value")?);
        Ok(Some((Checkpoint { name: name.to_owned(), revision, value }, item)))
    }

    pub(super) async fn write_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Checkpoint, StoreError> {
        self.admit().await?;
        loop {
            let stored = self.get_checkpoint(&checkpoint.name).await?;
            let found = stored.as_ref().map_or(0, |(stored, _)| stored.revision);
            if found != checkpoint.revision {
                let what = what(&checkpoint.name);
                return Err(StoreError::Stale { what, expected: checkpoint.revision, found });
            }
            let changed = Checkpoint { revision: found + 1, ..checkpoint.clone() };
            let item = Item::at(Place::alone("checkpoint", &changed.name))
                .number("revision", changed.revision)
                .json("value", &changed.value)?;
            let put = Change::Put(item, When::still(stored.as_ref().map(|(_, item)| item))?);
            if self.change("store a checkpoint", &[put]).await? == Committed::Done {
                return Ok(changed);
            }
        }
    }
}

pub(super) fn what(name: &str) -> String {
    format!("checkpoint {name}")
}
