//! Rolling verification: the sums that scores are made of.

use jiff::Timestamp;
use raincell_api_types::verification::{Added, PooledSums, ScoredNowcast};
use reqwest::Method;

use crate::transport::JsonBody;
use crate::{ClientError, StoreClient};

impl StoreClient {
    /// Adds the sums of scored nowcasts of a source; those that were added before under the same method, issue time and
    /// lead time are left out. Gives how many were not.
    ///
    /// # Errors
    /// As any call.
    pub async fn add_verification(&self, source: &str, scored: &[ScoredNowcast]) -> Result<u64, ClientError> {
        let call = self.call("add to the verification", Method::POST, &["v1", "verification", source]);
        // Sent again after a lost answer, they are left out: the count is then of this try.
        Ok(self.get_json::<Added>(call.json(&scored)?).await?.added)
    }

    /// The sums of a source by method and lead time, of the nowcasts issued in the hours that begin at `from` or later
    /// and before `to`.
    ///
    /// # Errors
    /// As any call.
    pub async fn verification(
        &self,
        source: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<PooledSums>, ClientError> {
        let call = self.call("get the verification", Method::GET, &["v1", "verification", source]);
        self.get_json(call.query("from", &from).query("to", &to)).await
    }
}
