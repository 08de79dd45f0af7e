//! The stream of events, which never ends by itself.

use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventsource_stream::{EventStream, EventStreamError};
use futures::{Stream, StreamExt, TryStreamExt};
use raincell_api_types::events::{Event, SequencedEvent};
use raincell_http_client::{Pauses, RetryPolicy, chain};
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderName};

use crate::StoreClient;

/// Three heartbeats of the store: after so long without a byte the connection is as good as dead.
const SILENCE: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: the pauses begin anew after it.
const LASTING: Duration = Duration::from_secs(5);
/// The sequence that a stream begins after.
const SEQUENCE_HEADER: &str = "raincell-sequence";

/// What the stream of events yields.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamItem {
    /// Connected, for the first time or again. What happened while there was no connection follows (as far as the
    /// store's log reaches); what happened before the first connection is to be asked for.
    Connected,
    /// Something happened.
    Event(Box<SequencedEvent>),
    /// Cut off, or not let in. The next try comes by itself; poll until then.
    Disconnected {
        /// Why.
        reason: String,
    },
}

type Events = EventStream<Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>>;

/// Between two items of the stream.
struct Listener {
    client: StoreClient,
    /// Sequence of the last event that was seen.
    after: Option<u64>,
    connection: Option<Events>,
    pauses: Pauses,
    /// To be waited before the next try to connect.
    pause: Option<Duration>,
    connected_at: Instant,
}

impl StoreClient {
    /// What happens in the store after the event with the sequence `after`; with `None`, from the first connection
    /// on. Reconnects for ever with growing, jittered pauses of at most 5 s, and goes on where it was; an event may
    /// come twice, none is left out that the store's log still has.
    pub fn events(&self, after: Option<u64>) -> impl Stream<Item = StreamItem> + Send + use<> {
        let listener = Listener {
            client: self.clone(),
            after,
            connection: None,
            pauses: pauses(),
            pause: None,
            connected_at: Instant::now(),
        };
        futures::stream::unfold(listener, |mut listener| async move {
            let item = listener.next().await;
            Some((item, listener))
        })
    }
}

impl Listener {
    async fn next(&mut self) -> StreamItem {
        if let Some(pause) = self.pause.take() {
            tokio::time::sleep(pause).await;
        }
        let outcome = match self.connection.as_mut() {
            None => self.connect().await.map(|()| StreamItem::Connected),
            Some(connection) => read(connection).await.map(|event| StreamItem::Event(Box::new(event))),
        };
        match outcome {
            Ok(item) => {
                if let StreamItem::Event(event) = &item {
                    self.after = Some(event.sequence);
                }
                item
            }
            Err(reason) => {
                // A store that lets in and cuts off at once is not to be hammered.
                if self.connection.take().is_some() && self.connected_at.elapsed() > LASTING {
                    self.pauses = pauses();
                }
                self.pause = self.pauses.next();
                metrics::counter!("raincell_store_client_stream_disconnects_total").increment(1);
                tracing::debug!(%reason, pause = ?self.pause, "event stream of the store cut off");
                StreamItem::Disconnected { reason }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), String> {
        let mut call = self.client.call("listen to events", Method::GET, &["v1", "events"]);
        call = call.header(ACCEPT, "text/event-stream");
        if let Some(after) = self.after {
            call = call.header(HeaderName::from_static("last-event-id"), &after.to_string());
        }
        let response = self.client.open(&call).await?;
        // Without an event before the next cut, this is where to go on.
        let begins_after = response.headers().get(SEQUENCE_HEADER).and_then(|v| v.to_str().ok()?.parse().ok());
        self.after = begins_after.or(self.after);
        let bytes = response.bytes_stream().map_err(|e| chain(&e));
        let bytes = fail_when_silent(Box::pin(bytes));
        self.connected_at = Instant::now();
        self.connection = Some(EventStream::new(Box::pin(bytes)));
        Ok(())
    }
}

/// The next event; kinds that this version does not know are left out.
async fn read(connection: &mut Events) -> Result<SequencedEvent, String> {
    loop {
        let message = match connection.next().await {
            None => return Err("the store closed the stream".into()),
            Some(Err(EventStreamError::Transport(reason))) => return Err(reason),
            Some(Err(error)) => return Err(error.to_string()),
            Some(Ok(message)) => message,
        };
        let Ok(sequence) = message.id.parse() else {
            return Err(format!("event with the id {:?}, expected a number", message.id));
        };
        match serde_json::from_str::<Event>(&message.data) {
            Ok(event) => return Ok(SequencedEvent { sequence, event }),
            Err(error) => tracing::warn!(sequence, name = message.event, %error, "event left out"),
        }
    }
}

/// Ends with an error after [`SILENCE`].
fn fail_when_silent<S>(bytes: S) -> impl Stream<Item = Result<Bytes, String>> + Send
where
    S: Stream<Item = Result<Bytes, String>> + Send + Unpin,
{
    futures::stream::unfold(Some(bytes), |bytes| async {
        let mut bytes = bytes?;
        match tokio::time::timeout(SILENCE, bytes.next()).await {
            Ok(item) => Some((item?, Some(bytes))),
            Err(_) => Some((Err(format!("no byte from the store in {} s", SILENCE.as_secs())), None)),
        }
    })
}

fn pauses() -> Pauses {
    let (first_pause, longest_pause) = (Duration::from_millis(100), Duration::from_secs(4));
    RetryPolicy { first_pause, longest_pause, ..RetryPolicy::default() }.pauses()
}
