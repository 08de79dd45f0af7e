//! States in the store that more than one process may change: read, changed, and written together with the posts that the
//! change leads to, only if nobody else was faster.

use std::collections::HashMap;

use raincell_api_types::alerts::{AlertState, AlertTransition, NewPost};
use raincell_store_client::{ClientError, StoreClient};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How often a change is computed anew when another process was faster.
const CONFLICT_TRIES: u32 = 5;

/// The states as last read or written.
pub(crate) struct Ledger {
    client: StoreClient,
    known: HashMap<String, AlertState>,
}

impl Ledger {
    pub fn new(client: StoreClient) -> Self {
        Self { client, known: HashMap::new() }
    }

    /// Has a state read again at its next change.
    pub fn forget(&mut self, id: &str) {
        self.known.remove(id);
    }

    /// Changes the state of an id. A step that gives `None` changes nothing; a state that this version cannot read counts
    /// as none. True when something was written.
    pub async fn change<S: Serialize + DeserializeOwned + Default>(
        &mut self,
        id: &str,
        mut step: impl FnMut(&S) -> Option<(S, Vec<NewPost>)>,
    ) -> Result<bool, ClientError> {
        for _ in 0..CONFLICT_TRIES {
            let stored = match self.known.remove(id) {
                Some(known) => known,
                None => self.client.alert_state(id).await?,
            };
            let state = read(id, &stored);
            let Some((next, posts)) = step(&state) else {
                self.known.insert(id.to_owned(), stored);
                return Ok(false);
            };
            let state = serde_json::to_value(&next).map_err(|error| ClientError::Answer {
                operation: "change an alert state",
                reason: format!("the state is no JSON: {error}"),
            })?;
            let change = AlertTransition { expected_revision: stored.revision, state, posts };
            match self.client.transition(id, &change).await {
                Ok(stored) => {
                    self.known.insert(id.to_owned(), stored);
                    return Ok(true);
                }
                Err(ClientError::StaleState(stored)) => {
                    metrics::counter!("raincell_alert_conflicts_total").increment(1);
                    self.known.insert(id.to_owned(), *stored);
                }
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(id, "the state changes faster than it can be written; left for the next look");
        Ok(false)
    }
}

fn read<S: DeserializeOwned + Default>(id: &str, stored: &AlertState) -> S {
    if stored.state.is_null() {
        return S::default();
    }
    serde_json::from_value(stored.state.clone()).unwrap_or_else(|error| {
        tracing::warn!(id, %error, "stored state cannot be read, beginning anew");
        S::default()
    })
}
