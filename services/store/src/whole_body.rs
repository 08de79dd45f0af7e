//! A body that is read into one buffer of its own size.

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use raincell_service_runtime::Problem;

use crate::App;

/// What a request may have room made for at once; it is believed in the rest as it comes.
const BELIEVED: usize = 8 << 20;

/// The bytes of a frame or a run. Each piece that comes over the network is let go of as soon as it is in its place, so
/// that a large body is in memory once.
#[derive(Debug)]
pub(crate) struct WholeBody(pub(crate) Bytes);

impl FromRequest<App> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let limit = app.body_limit_bytes;
        let too_large = || {
            let detail = format!("the body is larger than {} MiB (body_limit_mb)", limit >> 20);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        };
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.unwrap_or(0_usize).min(limit);
        let mut body = BytesMut::with_capacity(length.min(BELIEVED));
        let mut pieces = request.into_body().into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| {
                Problem::new(StatusCode::BAD_REQUEST, format!("the body ended after {} bytes: {error}", body.len()))
            })?;
            if body.len() + piece.len() > limit {
                return Err(too_large());
            }
            if body.len() >= BELIEVED && body.capacity() < length {
                body.reserve(length - body.len());
            }
            body.extend_from_slice(&piece);
        }
        Ok(Self(body.freeze()))
    }
}
