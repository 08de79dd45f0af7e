//! Nowcast runs.

use bytes::Bytes;
use jiff::Timestamp;
use raincell_api_types::frames::NowcastInfo;
use raincell_frame::RUN_MEDIA_TYPE;
use raincell_model::NowcastRun;
use reqwest::{Method, StatusCode};

use crate::frames::off_the_reactor;
use crate::transport::StoreAnswer;
use crate::{ClientError, PutOutcome, StoreClient};

impl StoreClient {
    /// Encodes a run and stores it, all or nothing; when this returns, it is durable.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] where another run is stored for the same source and issue time;
    /// [`ClientError::Encode`] for fields that the codec does not take; others as any call.
    pub async fn put_run(&self, run: &NowcastRun) -> Result<PutOutcome<NowcastInfo>, ClientError> {
        self.store_run(run, None).await
    }

    /// Stores a run in place of the one with the content hash `stored_hash`: a frame was replaced, and the run made
    /// again.
    ///
    /// # Errors
    /// [`ClientError::Precondition`] where another one is stored meanwhile; others as [`Self::put_run`].
    pub async fn replace_run(
        &self,
        run: &NowcastRun,
        stored_hash: &str,
    ) -> Result<PutOutcome<NowcastInfo>, ClientError> {
        self.store_run(run, Some(stored_hash)).await
    }

    async fn store_run(
        &self,
        run: &NowcastRun,
        replaces: Option<&str>,
    ) -> Result<PutOutcome<NowcastInfo>, ClientError> {
        let what = || run_name(&run.source, run.issue_time);
        let body = off_the_reactor(|| raincell_frame::encode_run(run))
            .map_err(|source| ClientError::Encode { what: what(), source })?;
        self.put_run_bytes(&run.source, run.issue_time, body.into(), replaces).await
    }

    /// Stores a run that is encoded already. `replaces` names the content hash of a run to replace.
    ///
    /// # Errors
    /// As [`Self::put_run`] and [`Self::replace_run`]; [`ClientError::Rejected`] where the bytes are no run, or not
    /// the one that the path names.
    pub async fn put_run_bytes(
        &self,
        source: &str,
        issue_time: Timestamp,
        body: Bytes,
        replaces: Option<&str>,
    ) -> Result<PutOutcome<NowcastInfo>, ClientError> {
        let path = ["v1", "nowcasts", source, &issue_time.to_string()];
        let call = self.call("store a nowcast", Method::PUT, &path).body(RUN_MEDIA_TYPE, body);
        self.put(call, replaces, || run_name(source, issue_time)).await
    }

    /// The newest run of a source with its content hash, or `None` where there is none yet.
    ///
    /// # Errors
    /// [`ClientError::Decode`] where it is damaged; others as any call.
    pub async fn latest_run(&self, source: &str) -> Result<Option<(NowcastRun, String)>, ClientError> {
        let call = self.call("get the newest nowcast", Method::GET, &["v1", "nowcasts", "latest"]);
        let answer = self.send(call.query("source", source)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.success(String::new)?;
        let hash = answer.etag().unwrap_or_default();
        let run = decode_run(&answer.body, || format!("the newest nowcast of {source}"))?;
        Ok(Some((run, hash)))
    }

    /// The encoded body of a run.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where it has expired; others as any call.
    pub async fn run_bytes(&self, info: &NowcastInfo) -> Result<Bytes, ClientError> {
        let path = ["v1", "nowcasts", &info.source, &info.issue_time.to_string()];
        let answer = self.send(self.call("get a nowcast", Method::GET, &path)).await?;
        Ok(answer.success(|| run_name(&info.source, info.issue_time))?.body)
    }

    /// A run, decoded.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where it has expired, [`ClientError::Decode`] where it is damaged; others as any call.
    pub async fn run(&self, info: &NowcastInfo) -> Result<NowcastRun, ClientError> {
        decode_run(&self.run_bytes(info).await?, || run_name(&info.source, info.issue_time))
    }

    /// The newest `limit` runs of a source, without their products, in ascending order of issue time.
    ///
    /// # Errors
    /// As any call.
    pub async fn list_runs(&self, source: &str, limit: usize) -> Result<Vec<NowcastInfo>, ClientError> {
        let call = self.call("list nowcasts", Method::GET, &["v1", "nowcasts"]);
        self.get_json(call.query("source", source).query("limit", &limit)).await
    }
}

fn decode_run(body: &Bytes, what: impl Fn() -> String) -> Result<NowcastRun, ClientError> {
    off_the_reactor(|| raincell_frame::decode_run(body)).map_err(|source| ClientError::Decode { what: what(), source })
}

fn run_name(source: &str, issue_time: Timestamp) -> String {
    format!("nowcast {source} of {issue_time}")
}
