//! How right the warnings of the alert service were: it keeps the score in the store, and this reads it there.

use std::time::{Duration, Instant};

use raincell_api_types::alerts::AlertSkill;
use raincell_store_client::{ClientError, StoreClient};
use tokio::sync::Mutex;

/// Where the alert service keeps it.
const SCORE: &str = "_score";
/// An answer is kept so long.
const KEPT: Duration = Duration::from_secs(15);

/// The score, asked for when somebody wants it, and kept for a little while.
#[derive(Debug)]
pub struct AlertScore {
    store: StoreClient,
    kept: Mutex<Option<(Instant, AlertSkill)>>,
}

impl AlertScore {
    /// Not asked for yet.
    pub fn new(store: &StoreClient) -> Self {
        Self { store: store.clone(), kept: Mutex::default() }
    }

    /// The score; empty before the first warning. While the store does not answer, the last one.
    ///
    /// # Errors
    /// When the store does not answer and there is no earlier one.
    pub async fn get(&self) -> Result<AlertSkill, ClientError> {
        // Held while the store is asked: of many who want it, one asks.
        let mut kept = self.kept.lock().await;
        if let Some((_, skill)) = kept.as_ref().filter(|(at, _)| at.elapsed() < KEPT) {
            return Ok(skill.clone());
        }
        match self.store.alert_state(SCORE).await {
            Ok(stored) => {
                let skill = stored.state.get("skill").cloned().unwrap_or_default();
                let skill: AlertSkill = if skill.is_null() {
                    AlertSkill::default()
                } else {
                    serde_json::from_value(skill).map_err(|error| ClientError::Answer {
                        operation: "get the score of the warnings",
                        reason: error.to_string(),
                    })?
                };
                *kept = Some((Instant::now(), skill.clone()));
                Ok(skill)
            }
            Err(error) => kept.as_ref().map(|(_, skill)| skill.clone()).ok_or(error),
        }
    }
}
