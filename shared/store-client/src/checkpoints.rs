//! Checkpoints: small JSON documents with a revision.

use raincell_api_types::frames::Checkpoint;
use reqwest::{Method, StatusCode};

use crate::transport::{JsonBody, StoreAnswer};
use crate::{ClientError, StoreClient};

impl StoreClient {
    /// The checkpoint of a name (`prepare/folder`), or `None` where none is stored yet.
    ///
    /// # Errors
    /// As any call.
    pub async fn checkpoint(&self, name: &str) -> Result<Option<Checkpoint>, ClientError> {
        let answer = self.send(self.call("get a checkpoint", Method::GET, &path_of(name))).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.success(String::new)?.read_json().map(Some)
    }

    /// Stores a checkpoint. `revision` is the one that it was read with (0 where none was stored); what comes back
    /// has the new one.
    ///
    /// # Errors
    /// [`ClientError::StaleCheckpoint`] with what is stored where it has changed since it was read; others as any call.
    pub async fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Checkpoint, ClientError> {
        let call = self.call("store a checkpoint", Method::PUT, &path_of(&checkpoint.name));
        let answer = self.send(call.json(checkpoint)?).await?;
        if answer.status != StatusCode::CONFLICT {
            return answer.success(|| format!("checkpoint {}", checkpoint.name))?.read_json();
        }
        let stored: Checkpoint = answer.read_json()?;
        let ours = stored.revision == checkpoint.revision.saturating_add(1) && stored.value == checkpoint.value;
        // The answer to an earlier try was lost, its effect was not.
        if answer.attempt > 1 && ours { Ok(stored) } else { Err(ClientError::StaleCheckpoint(Box::new(stored))) }
    }
}

fn path_of(name: &str) -> Vec<&str> {
    ["v1", "checkpoints"].into_iter().chain(name.split('/')).collect()
}
