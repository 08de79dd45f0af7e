//! Frames, sources and point series.

use bytes::Bytes;
use jiff::Timestamp;
use raincell_api_types::frames::{FrameInfo, FramePage, RainSeries, SourceInfo};
use raincell_frame::{Frame, MEDIA_TYPE};
use raincell_http_client::Request;
use reqwest::header::IF_MATCH;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::transport::StoreAnswer;
use crate::{ClientError, StoreClient};

/// What became of something that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome<T> {
    /// It is stored now.
    New(T),
    /// The same content was there already.
    Same(T),
}

impl<T> PutOutcome<T> {
    /// What is stored.
    pub fn info(&self) -> &T {
        match self {
            Self::New(info) | Self::Same(info) => info,
        }
    }

    /// True when it was not there before.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New(_))
    }
}

/// Which frames to list; what is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameQuery {
    /// Only this source.
    pub source: Option<String>,
    /// Only this product.
    pub product: Option<String>,
    /// Not before this valid time.
    pub from: Option<Timestamp>,
    /// Not after this valid time.
    pub to: Option<Timestamp>,
    /// At most so many in one page (the store has its own maximum).
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl StoreClient {
    /// Encodes a frame and stores it; when this returns, the frame is durable. Storing the same frame again changes
    /// nothing.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] where another frame is stored for the same source, product and time;
    /// [`ClientError::Encode`] for a field that the codec does not take; others as any call.
    pub async fn put_frame(&self, frame: &Frame) -> Result<PutOutcome<FrameInfo>, ClientError> {
        self.store_frame(frame, None).await
    }

    /// Stores a frame in place of the one with the content hash `stored_hash`.
    ///
    /// # Errors
    /// [`ClientError::Precondition`] where another one is stored meanwhile; others as [`Self::put_frame`].
    pub async fn replace_frame(&self, frame: &Frame, stored_hash: &str) -> Result<PutOutcome<FrameInfo>, ClientError> {
        self.store_frame(frame, Some(stored_hash)).await
    }

    async fn store_frame(&self, frame: &Frame, replaces: Option<&str>) -> Result<PutOutcome<FrameInfo>, ClientError> {
        let body = encode_frame(frame)?;
        self.put_frame_bytes(&frame.source, &frame.product, frame.field.valid_time, body, replaces).await
    }

    /// Stores a frame that is encoded already. `replaces` names the content hash of a frame to replace.
    ///
    /// # Errors
    /// As [`Self::put_frame`] and [`Self::replace_frame`]; [`ClientError::Rejected`] where the bytes are no frame, or
    /// not the one that the path names.
    pub async fn put_frame_bytes(
        &self,
        source: &str,
        product: &str,
        valid_time: Timestamp,
        body: Bytes,
        replaces: Option<&str>,
    ) -> Result<PutOutcome<FrameInfo>, ClientError> {
        let path = ["v1", "frames", source, product, &valid_time.to_string()];
        let call = self.call("store a frame", Method::PUT, &path).body(MEDIA_TYPE, body);
        self.put(call, replaces, || frame_name(source, product, valid_time)).await
    }

    /// The encoded body of a frame.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where it has expired; others as any call.
    pub async fn frame_bytes(&self, info: &FrameInfo) -> Result<Bytes, ClientError> {
        let path = ["v1", "frames", &info.source, &info.product, &info.valid_time.to_string()];
        let answer = self.send(self.call("get a frame", Method::GET, &path)).await?;
        Ok(answer.success(|| frame_name(&info.source, &info.product, info.valid_time))?.body)
    }

    /// A frame, decoded.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where it has expired, [`ClientError::Decode`] where it is damaged; others as any call.
    pub async fn frame(&self, info: &FrameInfo) -> Result<Frame, ClientError> {
        let body = self.frame_bytes(info).await?;
        off_the_reactor(|| raincell_frame::decode(&body)).map_err(|source| ClientError::Decode {
            what: frame_name(&info.source, &info.product, info.valid_time),
            source,
        })
    }

    /// A page of the list of frames, in ascending order of valid time.
    ///
    /// # Errors
    /// As any call.
    pub async fn list_frames(&self, query: &FrameQuery) -> Result<FramePage, ClientError> {
        let call = self
            .call("list frames", Method::GET, &["v1", "frames"])
            .query_if("source", query.source.as_ref())
            .query_if("product", query.product.as_ref())
            .query_if("from", query.from)
            .query_if("to", query.to)
            .query_if("limit", query.limit)
            .query_if("cursor", query.cursor.as_ref());
        self.get_json(call).await
    }

    /// The newest `n` frames of a source in ascending order of valid time; empty where there is none.
    ///
    /// # Errors
    /// As any call.
    pub async fn latest_frames(&self, source: &str, product: &str, n: usize) -> Result<Vec<FrameInfo>, ClientError> {
        let call = self.call("list the newest frames", Method::GET, &["v1", "frames", "latest"]);
        let call = call.query("source", source).query("product", product).query("n", &n);
        Ok(self.get_json::<FramePage>(call).await?.frames)
    }

    /// What is stored of each source and product.
    ///
    /// # Errors
    /// As any call.
    pub async fn sources(&self) -> Result<Vec<SourceInfo>, ClientError> {
        self.get_json(self.call("list sources", Method::GET, &["v1", "sources"])).await
    }

    /// Rain at a place over the `past_minutes` before the newest frame, straight from the store. `source` may be left
    /// out where the store has only one.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where there is no frame; others as any call.
    pub async fn rain(
        &self,
        lat_deg: f64,
        lon_deg: f64,
        past_minutes: u32,
        source: Option<&str>,
    ) -> Result<RainSeries, ClientError> {
        let call = self.call("get a rain series", Method::GET, &["v1", "rain"]);
        let call = call.query("lat", &lat_deg).query("lon", &lon_deg).query("past", &past_minutes);
        self.get_json(call.query_if("source", source)).await
    }

    pub(crate) async fn get_json<T: DeserializeOwned>(&self, call: Request) -> Result<T, ClientError> {
        self.send(call).await?.success(|| "such thing".into())?.read_json()
    }

    /// Sends a body under its key; how the store answers is the same for frames and nowcast runs.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        call: Request,
        replaces: Option<&str>,
        what: impl Fn() -> String,
    ) -> Result<PutOutcome<T>, ClientError> {
        let call = match replaces {
            Some(hash) => call.header(IF_MATCH, &format!("\"{hash}\"")),
            None => call,
        };
        let answer = self.send(call).await?;
        match answer.status {
            StatusCode::CREATED => Ok(PutOutcome::New(answer.read_json()?)),
            StatusCode::CONFLICT => {
                Err(ClientError::Conflict { what: what(), stored_hash: answer.etag().unwrap_or_default() })
            }
            StatusCode::PRECONDITION_FAILED => Err(ClientError::Precondition {
                what: what(),
                expected: replaces.unwrap_or_default().to_owned(),
                found: answer.etag(),
            }),
            _ => Ok(PutOutcome::Same(answer.success(what)?.read_json()?)),
        }
    }
}

/// The body of a frame as the store takes it, for [`StoreClient::put_frame_bytes`].
///
/// # Errors
/// [`ClientError::Encode`] for a field that the codec does not take.
pub fn encode_frame(frame: &Frame) -> Result<Bytes, ClientError> {
    let encoded = off_the_reactor(|| raincell_frame::encode(frame));
    let what = || frame_name(&frame.source, &frame.product, frame.field.valid_time);
    Ok(encoded.map_err(|source| ClientError::Encode { what: what(), source })?.into())
}

pub(crate) fn frame_name(source: &str, product: &str, valid_time: Timestamp) -> String {
    format!("frame {source}/{product} of {valid_time}")
}

/// Runs the codec where it does not hold up other tasks: on a runtime of several threads this one hands over its
/// tasks first. (Moving the fields to a blocking task instead would copy them.)
pub(crate) fn off_the_reactor<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
