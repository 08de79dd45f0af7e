//! Spans go to a collector: OTLP over HTTP with JSON bodies (OpenTelemetry Protocol 1.x), a batch at a time.
//!
//! Written by hand, as `opentelemetry-otlp` brings prost and tonic with its messages even for JSON, starts no span whose
//! trace is known only once a frame is encoded, and does not count what it drops. Nothing here holds up a service: a span
//! that finds the queue full is dropped and counted, and so is a batch that the collector does not take in time.

use std::collections::BTreeMap;
use std::sync::mpsc as done;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use raincell_http_client::reqwest::Method;
use raincell_http_client::{Client, Request, RetryPolicy};
use raincell_traces::{Attribute, FinishedSpan, TraceLayer};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::trace_settings::Collector;

/// Spans that wait; some minutes of a busy service.
const QUEUE: usize = 4096;
/// Spans of one request.
const BATCH: usize = 512;
/// From the first span of a batch to its request.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last spans may take when the service ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long one request may take, with all its tries.
const CALLS: RetryPolicy = RetryPolicy {
    attempt_timeout: Duration::from_secs(5),
    deadline: Duration::from_secs(10),
    first_pause: Duration::from_millis(200),
    longest_pause: Duration::from_secs(2),
};

/// Sends spans from a thread of its own until it is dropped.
#[derive(Debug)]
pub struct Exporter {
    stop: CancellationToken,
    done: done::Receiver<()>,
}

impl Exporter {
    /// Starts to send to a collector what ends in the layer that comes with it.
    ///
    /// # Errors
    /// When no HTTP client or no thread can be made.
    pub(crate) fn start(collector: Collector) -> anyhow::Result<(Self, TraceLayer)> {
        let http = raincell_http_client::builder().default_headers(collector.headers).build()?;
        let request = Request::to_path_of("send spans", Method::POST, &collector.url);
        let mut base = collector.url;
        base.set_path("");
        base.set_query(None);
        let client = Client::new("otlp", vec![base], http).with_policy(CALLS);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (stop, (ended, done)) = (CancellationToken::new(), done::channel());
        let mut worker = Worker { client, request, waiting, stop: stop.clone(), well: true };
        std::thread::Builder::new()
            .name("spans".into())
            .spawn(move || {
                runtime.block_on(worker.work());
                // Nobody may wait any more.
                let _ = ended.send(());
            })
            .context("no thread for spans")?;
        let layer = TraceLayer::with_sink(move |span| {
            if span.trace.is_sampled(collector.share) && queue.try_send(span).is_err() {
                dropped("queue", 1);
            }
        });
        Ok((Self { stop, done }, layer))
    }
}

impl Drop for Exporter {
    /// Sends what waits, but does not wait for it for long.
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.done.recv_timeout(FAREWELL);
    }
}

struct Worker {
    client: Client,
    request: Request,
    waiting: mpsc::Receiver<FinishedSpan>,
    stop: CancellationToken,
    /// The last batch was taken.
    well: bool,
}

impl Worker {
    async fn work(&mut self) {
        loop {
            // What waits then is sent all the same.
            let last = self.stop.is_cancelled();
            let first = self.stop.run_until_cancelled(self.waiting.recv()).await.flatten();
            if first.is_some() {
                self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
            let mut batch: Vec<FinishedSpan> = first.into_iter().collect();
            while let Ok(span) = self.waiting.try_recv() {
                batch.push(span);
                if batch.len() == BATCH {
                    self.send(std::mem::take(&mut batch)).await;
                }
            }
            if !batch.is_empty() {
                self.send(batch).await;
            }
            if last {
                return;
            }
        }
    }

    async fn send(&mut self, batch: Vec<FinishedSpan>) {
        let number = batch.len() as u64;
        let request = self.request.clone().body("application/json", message(batch).to_string().into());
        let failure = match self.client.send(&request).await {
            Ok(answer) if answer.status.is_success() => {
                metrics::counter!("raincell_trace_spans_exported_total").increment(number);
                self.well = true;
                return;
            }
            Ok(answer) => format!("it answers {}", answer.status),
            Err(error) => error.to_string(),
        };
        dropped("collector", number);
        if std::mem::replace(&mut self.well, false) {
            tracing::warn!(reason = failure, spans = number, "the collector takes no spans; they are dropped");
        }
    }
}

fn dropped(reason: &'static str, number: u64) {
    metrics::counter!("raincell_trace_spans_dropped_total", "reason" => reason).increment(number);
}

/// An `ExportTraceServiceRequest`: one resource for each service of the process.
fn message(batch: Vec<FinishedSpan>) -> Value {
    let mut services: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for span in batch {
        let service = format!("raincell-{}", span.service.trim_start_matches("raincell_").replace('_', "-"));
        services.entry(service).or_default().push(span_of(&span));
    }
    let resource = |(service, spans): (String, Vec<Value>)| {
        let attributes =
            [attribute("service.name", &Attribute::Text(service)), attribute("service.version", &version())];
        json!({
            "resource": { "attributes": attributes },
            "scopeSpans": [{ "scope": { "name": "raincell" }, "spans": spans }],
        })
    };
    json!({ "resourceSpans": services.into_iter().map(resource).collect::<Vec<_>>() })
}

fn version() -> Attribute {
    Attribute::Text(env!("CARGO_PKG_VERSION").to_owned())
}

fn span_of(span: &FinishedSpan) -> Value {
    let attributes: Vec<Value> = span.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    let mut message = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.span.to_string(),
        "name": span.name,
        // SPAN_KIND_INTERNAL.
        "kind": 1,
        "startTimeUnixNano": unix_nanoseconds(span.began),
        "endTimeUnixNano": unix_nanoseconds(span.began + span.took),
        "attributes": attributes,
    });
    if let Some(parent) = span.parent {
        message["parentSpanId"] = parent.to_string().into();
    }
    message
}

fn attribute(key: &str, value: &Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({ "stringValue": text }),
        // As JSON of protocol buffers has it: 64 bits as text, and what is no number by its name.
        Attribute::Whole(number) => json!({ "intValue": number.to_string() }),
        Attribute::Real(number) if number.is_finite() => json!({ "doubleValue": number }),
        Attribute::Real(number) => json!({ "stringValue": number.to_string() }),
        Attribute::Truth(truth) => json!({ "boolValue": truth }),
    };
    json!({ "key": key, "value": value })
}

fn unix_nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use raincell_http_client::reqwest::Url;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223";

    type Taken = Arc<Mutex<Vec<(String, Value)>>>;

    async fn take(State((taken, status)): State<(Taken, StatusCode)>, headers: HeaderMap, body: String) -> StatusCode {
        let key = headers.get("x-key").map_or(String::new(), |value| value.to_str().unwrap().to_owned());
        taken.lock().unwrap().push((key, serde_json::from_str(&body).unwrap()));
        status
    }

    async fn collector(status: StatusCode, share: f64) -> (Collector, Taken) {
        let taken = Taken::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state((Arc::clone(&taken), status));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/v1/traces", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let headers = HeaderMap::from_iter([("x-key".parse().unwrap(), "secret".parse().unwrap())]);
        (Collector { url, headers, share }, taken)
    }

    /// Sends so many spans and ends.
    fn send(collector: Collector, number: usize) {
        let (exporter, layer) = Exporter::start(collector).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for index in 0..number {
                drop(tracing::info_span!(
                    "nowcast",
                    trace_id = HASH,
                    index,
                    share = 0.5,
                    late = f64::NAN,
                    whole = true
                ));
            }
        });
        tokio::task::block_in_place(|| drop(exporter));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_arrive_as_the_protocol_has_them_before_the_service_ends() {
        let (to, taken) = collector(StatusCode::OK, 1.0).await;
        send(to, BATCH + 1);
        let taken = taken.lock().unwrap();
        assert_eq!(taken.len(), 2, "two batches");
        let (key, message) = &taken[0];
        assert_eq!(key, "secret");
        let resource = &message["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "raincell-service-runtime");
        let span = &resource["scopeSpans"][0]["spans"][0];
        assert_eq!((&span["traceId"], &span["name"]), (&json!(HASH), &json!("nowcast")));
        assert_eq!(span["parentSpanId"], HASH[..16]);
        let time = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time("endTimeUnixNano") >= time("startTimeUnixNano") && time("startTimeUnixNano") > 1 << 60);
        let expected = json!([
            { "key": "index", "value": { "intValue": "0" } },
            { "key": "share", "value": { "doubleValue": 0.5 } },
            { "key": "late", "value": { "stringValue": "NaN" } },
            { "key": "whole", "value": { "boolValue": true } },
        ]);
        assert_eq!(span["attributes"], expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn traces_that_are_not_sampled_stay_here() {
        let (to, taken) = collector(StatusCode::OK, 0.0).await;
        send(to, 3);
        assert!(taken.lock().unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_fails_or_is_not_there_costs_spans_and_nothing_else() {
        let (refusing, taken) = collector(StatusCode::BAD_REQUEST, 1.0).await;
        send(refusing, 3);
        assert_eq!(taken.lock().unwrap().len(), 1, "what it does not want is not sent again");
        let (mut nowhere, _) = collector(StatusCode::OK, 1.0).await;
        let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        // It takes connections and never answers.
        nowhere.url.set_port(Some(bound.local_addr().unwrap().port())).unwrap();
        let metrics = crate::telemetry::prometheus();
        send(nowhere, 3 * QUEUE);
        assert!(
            metrics.render().contains("raincell_trace_spans_dropped_total{reason=\"queue\"}"),
            "{}",
            metrics.render()
        );
    }
}
