//! `/v1/events`: what happens here, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{Stream, StreamExt};
use raincell_api_types::events::SequencedEvent;
use raincell_frame_store::StoreError;
use raincell_service_runtime::Problem;
use tokio::sync::watch;

use crate::App;
use crate::answers::Refusal;
use crate::parameters::Parameters;

/// How often a comment keeps a silent connection alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Events read from the log at once.
const BATCH: usize = 100;
/// The sequence that the stream begins after, so that a listener can go on even before its first event.
const SEQUENCE_HEADER: &str = "raincell-sequence";

pub(crate) async fn stream(
    State(app): State<App>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let asked = asked_for(&parameters, &headers)?;
    let head = app.store.subscribe();
    let newest = app.store.last_sequence().await?;
    let after = match asked {
        None => newest,
        // A number from another database: all that is here is news.
        Some(after) if after > newest => 0,
        Some(after) => after,
    };
    let shutdown = app.runtime.shutdown.clone();
    let tail = Tail { app, head, after, waiting: VecDeque::new() };
    // Streams would never end by themselves, and hold up the drain.
    let events = tail.messages().take_until(shutdown.cancelled_owned());
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive"));
    Ok(([(SEQUENCE_HEADER, after.to_string())], sse).into_response())
}

/// The sequence to go on after: the header that a browser sends when it reconnects, or `after`.
fn asked_for(parameters: &Parameters, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    match headers.get("last-event-id") {
        Some(value) => value.to_str().ok().and_then(|v| v.trim().parse().ok()).map(Some).ok_or_else(|| {
            Problem::bad_parameter("Last-Event-ID", format!("Last-Event-ID is {value:?}"), "the id of an event")
        }),
        None => parameters.number("after", &(0..=u64::MAX)),
    }
}

/// Follows the log.
struct Tail {
    app: App,
    head: watch::Receiver<u64>,
    /// Sequence of the last event that was read.
    after: u64,
    /// Read, not yet sent.
    waiting: VecDeque<SequencedEvent>,
}

impl Tail {
    /// Ends where the log cannot be read: the listener comes again, and goes on where it was.
    fn messages(self) -> impl Stream<Item = Result<Message, Infallible>> + Send {
        futures::stream::unfold(self, |mut tail| async move {
            let event = tail
                .next()
                .await
                .inspect_err(|error| tracing::error!(%error, "an event stream ends: the log cannot be read"))
                .ok()??;
            let message = message_of(&event)?;
            Some((Ok(message), tail))
        })
    }

    async fn next(&mut self) -> Result<Option<SequencedEvent>, StoreError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            // Seen before the log is read, so that what comes meanwhile wakes the wait below.
            self.head.borrow_and_update();
            self.waiting = self.app.store.events_after(self.after, BATCH).await?.into();
            match self.waiting.back() {
                Some(last) => self.after = last.sequence,
                None if self.head.changed().await.is_err() => return Ok(None),
                None => {}
            }
        }
    }
}

fn message_of(event: &SequencedEvent) -> Option<Message> {
    let message = Message::default().id(event.sequence.to_string()).event(event.event.name());
    message
        .json_data(&event.event)
        .inspect_err(|error| tracing::error!(%error, sequence = event.sequence, "event is no JSON"))
        .ok()
}
