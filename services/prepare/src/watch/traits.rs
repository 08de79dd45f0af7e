//! How the rates of a source are made, told to the store when it changes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use raincell_api_types::frames::{Checkpoint, SourceTraits};
use raincell_store_client::{ClientError, StoreClient};

/// What was last told of each source.
#[derive(Debug, Default)]
pub(super) struct ToldTraits(Mutex<BTreeMap<String, SourceTraits>>);

impl ToldTraits {
    /// Tells the store how the rates of a source are made, where it does not know it yet.
    ///
    /// # Errors
    /// When the store does not answer, or another process has told it something else meanwhile.
    pub async fn tell(&self, store: &StoreClient, source: &str, traits: SourceTraits) -> Result<(), ClientError> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).get(source) == Some(&traits) {
            return Ok(());
        }
        let name = SourceTraits::checkpoint(source);
        let known = store.checkpoint(&name).await?;
        let value = traits.to_json();
        if known.as_ref().is_none_or(|known| known.value != value) {
            let revision = known.map_or(0, |known| known.revision);
            store.put_checkpoint(&Checkpoint { name, revision, value }).await?;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned(), traits);
        Ok(())
    }
}
