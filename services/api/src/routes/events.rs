//! `GET /v1/events`: server-sent events of new frames, nowcasts and rain.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use futures::{Stream, StreamExt, future};
use raincell_api_types::events::{Event, SequencedEvent};
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// The path; its streams end with `shutdown`.
pub fn routes(shutdown: CancellationToken) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events)).layer(axum::Extension(shutdown))
}

/// New frames, nowcasts and rain events as they come; each is served here already when its event is sent.
///
/// What happened before is not replayed: ask `/v1/frames` after connecting.
#[utoipa::path(
    get, path = "/v1/events", tag = "frames",
    responses((status = 200, description = "`event:` is frame, nowcast or rain; `data:` is its JSON",
        body = Event, content_type = "text/event-stream"))
)]
pub async fn events(
    State(app): State<App>,
    axum::Extension(shutdown): axum::Extension<CancellationToken>,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let stream = BroadcastStream::new(app.listen())
        // A listener that lagged behind lost some; the next event makes it look at the list anyway.
        .filter_map(|item| future::ready(item.ok().and_then(|event| written(&event)).map(Ok)))
        .take_until(shutdown.cancelled_owned());
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn written(event: &SequencedEvent) -> Option<sse::Event> {
    let message = sse::Event::default().id(event.sequence.to_string()).event(event.event.name());
    message.json_data(&event.event).ok()
}
