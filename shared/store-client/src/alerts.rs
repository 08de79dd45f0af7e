//! States of watched places, and the outbox of posts.

use raincell_api_types::alerts::{AlertState, AlertTransition, OutboxPost, PostOutcome, PostStatus};
use reqwest::{Method, StatusCode};

use crate::transport::{JsonBody, StoreAnswer};
use crate::{ClientError, StoreClient};

impl StoreClient {
    /// The state of a place; revision 0 with a null state where none is stored yet.
    ///
    /// # Errors
    /// As any call.
    pub async fn alert_state(&self, place: &str) -> Result<AlertState, ClientError> {
        self.get_json(self.call("get an alert state", Method::GET, &["v1", "alerts", "states", place])).await
    }

    /// Stores a new state, puts its posts into the outbox and announces its rain events, all or nothing. Gives the
    /// state as it is stored, with its new revision.
    ///
    /// # Errors
    /// [`ClientError::StaleState`] with the stored state where it has changed since it was read; others as any call.
    pub async fn transition(&self, place: &str, transition: &AlertTransition) -> Result<AlertState, ClientError> {
        let call = self.call("change an alert state", Method::PUT, &["v1", "alerts", "states", place]);
        let answer = self.send(call.json(transition)?).await?;
        if answer.status != StatusCode::CONFLICT {
            return answer.success(|| format!("place {place}"))?.read_json();
        }
        let stored: AlertState = answer.read_json()?;
        let ours =
            stored.revision == transition.expected_revision.saturating_add(1) && stored.state == transition.state;
        // The answer to an earlier try was lost, its effect was not.
        if answer.attempt > 1 && ours { Ok(stored) } else { Err(ClientError::StaleState(Box::new(stored))) }
    }

    /// The posts of the outbox, oldest first; all of them, or those of one status.
    ///
    /// # Errors
    /// As any call.
    pub async fn outbox(&self, status: Option<PostStatus>) -> Result<Vec<OutboxPost>, ClientError> {
        let status = status.map(|status| match status {
            PostStatus::Pending => "pending",
            PostStatus::Sent => "sent",
            PostStatus::Failed => "failed",
        });
        let call = self.call("list the outbox", Method::GET, &["v1", "alerts", "outbox"]);
        self.get_json(call.query_if("status", status)).await
    }

    /// The posts of the outbox, newest first; as many as the store lists at once.
    ///
    /// # Errors
    /// As any call.
    pub async fn newest_posts(&self) -> Result<Vec<OutboxPost>, ClientError> {
        let call = self.call("list the newest posts", Method::GET, &["v1", "alerts", "outbox"]);
        self.get_json(call.query_if("order", Some("newest"))).await
    }

    /// A post by its key.
    ///
    /// # Errors
    /// [`ClientError::NotFound`]; others as any call.
    pub async fn outbox_post(&self, key: &str) -> Result<OutboxPost, ClientError> {
        let call = self.call("read a post", Method::GET, &["v1", "alerts", "outbox", key]);
        self.send(call).await?.success(|| format!("post {key}"))?.read_json()
    }

    /// Records the outcome of a try to send a post, which counts as one attempt. A post that was sent stays sent.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] for a key that is not in the outbox; others as any call.
    pub async fn record_outcome(&self, key: &str, outcome: &PostOutcome) -> Result<OutboxPost, ClientError> {
        let call = self.call("record a post", Method::PUT, &["v1", "alerts", "outbox", key]);
        self.send(call.json(outcome)?).await?.success(|| format!("post {key}"))?.read_json()
    }
}
