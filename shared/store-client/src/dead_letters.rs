//! Dead letters: what a service gives up, and what it is asked to try once more.

use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState, NewDeadLetter, Replay};
use reqwest::Method;

use crate::transport::{JsonBody, StoreAnswer};
use crate::{ClientError, StoreClient};

impl StoreClient {
    /// Gives an object up; under the same key it stays one dead letter, with its last reason.
    ///
    /// # Errors
    /// As any call.
    pub async fn add_dead_letter(&self, letter: &NewDeadLetter) -> Result<DeadLetter, ClientError> {
        self.get_json(self.call("store a dead letter", Method::POST, &["v1", "dead-letters"]).json(letter)?).await
    }

    /// The dead letters, oldest first; all of them, or those in one state.
    ///
    /// # Errors
    /// As any call.
    pub async fn dead_letters(&self, state: Option<DeadLetterState>) -> Result<Vec<DeadLetter>, ClientError> {
        let call = self.call("list dead letters", Method::GET, &["v1", "dead-letters"]);
        self.get_json(call.query_if("state", state.map(DeadLetterState::name))).await
    }

    /// A dead letter by its number.
    ///
    /// # Errors
    /// [`ClientError::NotFound`]; others as any call.
    pub async fn dead_letter(&self, id: u64) -> Result<DeadLetter, ClientError> {
        let call = self.call("get a dead letter", Method::GET, &["v1", "dead-letters", &id.to_string()]);
        self.send(call).await?.success(|| format!("dead letter {id}"))?.read_json()
    }

    /// Asks for another try of a dead letter, or says that it went well.
    ///
    /// # Errors
    /// [`ClientError::NotFound`]; others as any call.
    pub async fn set_dead_letter_state(&self, id: u64, state: DeadLetterState) -> Result<DeadLetter, ClientError> {
        let path = ["v1", "dead-letters", &id.to_string(), "replay"];
        let call = self.call("replay a dead letter", Method::POST, &path).json(&Replay { state })?;
        self.send(call).await?.success(|| format!("dead letter {id}"))?.read_json()
    }
}
