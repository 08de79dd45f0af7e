//! The queue that announces new objects: long polls, messages hidden from others while they are worked on, and deleted
//! when their objects are seen to. A message that is never finished comes back, to this reader or another; after as many
//! times as the queue's redrive policy allows it goes to the dead-letter queue.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use raincell_api_types::dead_letters::NewDeadLetter;
use raincell_api_types::health::Condition;
use raincell_aws::AwsSettings;
use raincell_aws::sqs::Client;
use raincell_aws::sqs::error::DisplayErrorContext;
use raincell_aws::sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use raincell_service_runtime::{Health, Runtime};
use raincell_store_client::StoreClient;
use reqwest::Url;
use tokio::sync::mpsc;

use super::notification;
use super::objects::Objects;
use crate::config::SourceConfig;
use crate::inbox::{Announcement, Outlet};
use crate::wanted::Receipt;

/// Seconds that the queue waits for a message before it says that there is none; the most that SQS allows.
const LONG_POLL_S: i32 = 20;
/// Messages of one answer and of one batch call; the most that SQS allows.
const BATCH: usize = 10;
/// Messages in hand; with more, nothing is asked for. (A volume of chunks is worth a hundred.)
const MOST_IN_HAND: usize = 1000;
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(5);

/// A queue of S3 notifications.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
    visibility: Duration,
    source: String,
    objects: Arc<Objects>,
    store: StoreClient,
    health: Health,
    runtime: Runtime,
    /// Messages that are worked on.
    in_hand: Arc<Mutex<BTreeSet<String>>>,
}

impl Queue {
    /// The queue of a source.
    pub async fn new(
        source: &SourceConfig,
        objects: Arc<Objects>,
        store: StoreClient,
        runtime: Runtime,
        health: Health,
    ) -> Self {
        let settings = settings(source).load().await;
        Self {
            client: Client::new(&settings),
            url: source.queue_url.clone(),
            visibility: source.visibility(),
            source: source.name.clone(),
            objects,
            store,
            health,
            runtime,
            in_hand: Arc::default(),
        }
    }

    /// Listens until shutdown.
    pub async fn run(self, outlet: Outlet) {
        let shutdown = self.runtime.shutdown.clone();
        let Outlet { announcements, done, answers } = outlet;
        let receiving = async {
            loop {
                let outcome = self.receive(&announcements).await;
                answers.store(outcome.is_ok(), Ordering::Relaxed);
                if !self.say(outcome) {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = receiving => {}
            () = self.delete(done) => {}
            () = self.keep_hidden() => {}
        }
    }

    /// Tells how the queue does; true when it does well.
    fn say(&self, outcome: Result<(), String>) -> bool {
        let dependency = format!("queue {}", self.source);
        match outcome {
            Ok(()) => {
                self.health.set(&dependency, Condition::Ok, "answers");
                true
            }
            Err(reason) => {
                tracing::warn!(
                    source = self.source,
                    reason,
                    "the queue does not answer: new objects are found by listing"
                );
                let detail = format!("new objects are found by listing: {reason}");
                self.health.set(&dependency, Condition::Degraded, detail);
                false
            }
        }
    }

    /// One long poll.
    async fn receive(&self, announcements: &mpsc::Sender<Announcement>) -> Result<(), String> {
        while self.in_hand().len() >= MOST_IN_HAND {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH as i32)
            .wait_time_seconds(LONG_POLL_S)
            .visibility_timeout(self.visibility.as_secs() as i32)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request.send().await;
        self.count("receive", answer.is_ok());
        for message in answer.map_err(|error| DisplayErrorContext(error).to_string())?.messages.unwrap_or_default() {
            self.take_up(message, announcements).await;
        }
        Ok(())
    }

    async fn take_up(&self, message: Message, announcements: &mpsc::Sender<Announcement>) {
        let (Some(handle), Some(body)) = (message.receipt_handle(), message.body()) else { return };
        let names = match notification::parse(body) {
            Ok(created) => {
                let (ours, others): (Vec<_>, Vec<_>) =
                    created.into_iter().partition(|created| self.objects.takes(&created.bucket, &created.key));
                for other in &others {
                    tracing::debug!(
                        source = self.source,
                        bucket = other.bucket,
                        key = other.key,
                        "not for this source"
                    );
                }
                self.count_message(&message, if ours.is_empty() { "nothing" } else { "objects" });
                ours.into_iter().map(|created| created.key).collect()
            }
            Err(error) => {
                self.count_message(&message, "unreadable");
                if !self.bury(&message, &error.to_string()).await {
                    return;
                }
                BTreeSet::new()
            }
        };
        self.in_hand().insert(handle.to_owned());
        // The watch gives it back at once where it names nothing.
        let _ = announcements.send(Announcement { receipt: Receipt(handle.to_owned()), names }).await;
    }

    /// Tells the store of a message that is no notification; false where it comes back instead.
    async fn bury(&self, message: &Message, reason: &str) -> bool {
        let id = message.message_id().unwrap_or("without-id");
        tracing::error!(source = self.source, message = id, reason, "message cannot be read");
        let letter = NewDeadLetter {
            key: format!("{}/message/{id}", self.source),
            source: self.source.clone(),
            reason: reason.to_owned(),
            attempts: 1,
            origin: serde_json::json!({ "queue": self.url, "body": message.body() }),
        };
        self.store.add_dead_letter(&letter).await.is_ok()
    }

    /// Deletes what is done.
    async fn delete(&self, mut done: mpsc::UnboundedReceiver<Vec<Receipt>>) {
        while let Some(receipts) = done.recv().await {
            for Receipt(handle) in receipts {
                let request = self.client.delete_message().queue_url(&self.url).receipt_handle(&handle);
                let outcome = request.send().await;
                self.count("delete", outcome.is_ok());
                if let Err(error) = outcome {
                    // It comes back, is known then, and is deleted again.
                    tracing::warn!(source = self.source, error = %DisplayErrorContext(error), "message not deleted");
                }
                self.in_hand().remove(&handle);
            }
        }
        std::future::pending::<()>().await;
    }

    /// Keeps messages hidden from other readers while they are worked on.
    async fn keep_hidden(&self) {
        loop {
            tokio::time::sleep(self.visibility / 3).await;
            let began = Instant::now();
            let handles: Vec<String> = self.in_hand().iter().cloned().collect();
            for batch in handles.chunks(BATCH) {
                let entries = batch.iter().enumerate().filter_map(|(index, handle)| {
                    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                    let entry = entry.receipt_handle(handle).visibility_timeout(self.visibility.as_secs() as i32);
                    entry.build().ok()
                });
                let request = self.client.change_message_visibility_batch().queue_url(&self.url);
                let outcome = request.set_entries(Some(entries.collect())).send().await;
                self.count("extend", outcome.is_ok());
                match outcome {
                    Ok(answer) => {
                        // What cannot be extended is not ours any more, or has been hidden for as long as SQS allows.
                        for lost in answer.failed().iter().filter_map(|failed| failed.id().parse::<usize>().ok()) {
                            batch.get(lost).map(|handle| self.in_hand().remove(handle));
                        }
                    }
                    Err(error) => {
                        tracing::warn!(source = self.source, error = %DisplayErrorContext(error), "messages not kept hidden");
                    }
                }
            }
            metrics::gauge!("raincell_prepare_messages_in_hand", "source" => self.source.clone())
                .set(handles.len() as f64);
            tracing::trace!(source = self.source, seconds = began.elapsed().as_secs_f64(), "kept hidden");
        }
    }

    fn in_hand(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, call: &'static str, well: bool) {
        let outcome = if well { "ok" } else { "failed" };
        metrics::counter!("raincell_prepare_queue_requests_total",
            "source" => self.source.clone(), "call" => call, "outcome" => outcome)
        .increment(1);
    }

    fn count_message(&self, message: &Message, holds: &'static str) {
        let received = message.attributes().and_then(|a| a.get(&MessageSystemAttributeName::ApproximateReceiveCount));
        let again = received.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count > 1);
        metrics::counter!("raincell_prepare_messages_total",
            "source" => self.source.clone(), "holds" => holds, "again" => if again { "yes" } else { "no" })
        .increment(1);
    }
}

/// Where the queue is, which need not be where the bucket is. Public buckets take unsigned requests; queues are
/// somebody's own.
fn settings(source: &SourceConfig) -> AwsSettings {
    let url = Url::parse(&source.queue_url).ok();
    let region = url.as_ref().and_then(Url::host_str).and_then(|host| {
        host.strip_prefix("sqs.")
            .and_then(|rest| rest.split_once(".amazonaws.com"))
            .map(|(region, _)| region.to_owned())
    });
    let endpoint = url.map(|url| url.origin().ascii_serialization());
    AwsSettings {
        region: region.unwrap_or_else(|| source.region.clone()),
        endpoint: endpoint.unwrap_or_default(),
        anonymous: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_queue_says_where_it_is() {
        for (queue_url, region, endpoint) in [
            ("https://sqs.eu-west-1.amazonaws.com/1234/scans", "eu-west-1", "https://sqs.eu-west-1.amazonaws.com"),
            ("http://127.0.0.1:4566/0000/scans", "us-east-1", "http://127.0.0.1:4566"),
        ] {
            let source = serde_json::json!({
                "name": "x", "kind": "s3-sqs", "bucket": "b", "endpoint": "https://elsewhere", "anonymous": true,
                "queue_url": queue_url
            });
            let expected = AwsSettings { region: region.into(), endpoint: endpoint.into(), anonymous: false };
            assert_eq!(settings(&serde_json::from_value(source).unwrap()), expected);
        }
    }
}
