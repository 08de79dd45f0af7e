//! Sends what waits in the outbox.
//!
//! A post is in the outbox from the moment that its event is stored, and leaves it only when its outcome is stored; a
//! process that dies in between leaves a pending post, and the next one first asks the target whether it was sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{OutboxPost, PostOutcome, PostStatus, RainEventKind};
use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, Runtime, clock};
use raincell_store_client::{ClientError, StoreClient};
use tokio::sync::Notify;

use crate::Config;
use crate::picture::picture;
use crate::places::Place;
use crate::poster::{PostError, Poster, ReadyPost};
use crate::words;

/// Pause before the second try of a post; it doubles with each try up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// The key of a post, which is also the name of its files: an event of one kind is known at one place and time once.
/// (The time that it is about may come back: rain is called off and then announced again for the same minute.)
pub fn post_key(time: Timestamp, place_id: &str, kind: RainEventKind) -> String {
    format!("{}-{place_id}-{}", time.strftime("%Y%m%dT%H%M%SZ"), words::kind_name(kind))
}

/// The worker that empties the outbox.
pub(crate) struct Outbox {
    pub client: StoreClient,
    pub runtime: Runtime,
    pub health: Health,
    pub config: Arc<Config>,
    pub places: Arc<Vec<Place>>,
    pub poster: Arc<dyn Poster>,
    /// Told when there is something new.
    pub wake: Arc<Notify>,
    /// When a post that failed is to be tried again.
    pub next_try: HashMap<String, Timestamp>,
}

impl Outbox {
    /// Sends until shutdown.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let runtime = self.runtime.clone();
        loop {
            let pause = match self.send_pending().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "cannot read the outbox");
                    self.idle()
                }
            };
            tokio::select! {
                () = runtime.shutdown.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                () = clock::sleep(&*runtime.clock, pause) => {}
            }
        }
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.config.poll_s))
    }

    /// Tries every post that is due; gives the time until the next one is.
    async fn send_pending(&mut self) -> Result<Duration, ClientError> {
        let pending = self.client.outbox(Some(PostStatus::Pending)).await?;
        metrics::gauge!("raincell_alert_pending_posts").set(pending.len() as f64);
        self.next_try.retain(|key, _| pending.iter().any(|post| post.key == *key));
        for post in &pending {
            if self.runtime.shutdown.is_cancelled() {
                break;
            }
            if self.next_try.get(&post.key).is_none_or(|&due| due <= self.runtime.clock.now()) {
                self.try_one(post).await?;
            }
        }
        let now = self.runtime.clock.now();
        let next = self.next_try.values().min().map(|due| due.duration_since(now));
        let next = next.and_then(|wait| Duration::try_from(wait.max(SignedDuration::from_secs(1))).ok());
        Ok(next.unwrap_or(Duration::MAX).min(self.idle()))
    }

    async fn try_one(&mut self, post: &OutboxPost) -> Result<(), ClientError> {
        let now = self.runtime.clock.now();
        let age_min = now.duration_since(post.event.time).as_secs() / 60;
        let (status, label, detail) = if age_min > i64::from(self.config.give_up_after_min) {
            let last = post.detail.as_deref().map(|detail| format!("; last try: {detail}")).unwrap_or_default();
            (PostStatus::Failed, "given_up", format!("given up: the news are {age_min} min old{last}"))
        } else {
            match self.deliver(post).await {
                Ok(place) => (PostStatus::Sent, "sent", place),
                Err(error) => (PostStatus::Pending, "retried", error.to_string()),
            }
        };
        self.note(post, status, label, &detail, now);
        let outcome = PostOutcome { status, detail: Some(detail) };
        self.client.record_outcome(&post.key, &outcome).await?;
        Ok(())
    }

    fn note(&mut self, post: &OutboxPost, status: PostStatus, label: &'static str, detail: &str, now: Timestamp) {
        metrics::counter!("raincell_alert_posts_total", "status" => label, "poster" => self.poster.name()).increment(1);
        match status {
            PostStatus::Sent => {
                self.health.set("posts", Condition::Ok, format!("sent {}", post.key));
                tracing::info!(key = post.key, to = detail, "post sent");
            }
            PostStatus::Pending => {
                let pause = FIRST_PAUSE.saturating_mul(1 << post.attempts.min(10)).min(LONGEST_PAUSE);
                self.next_try.insert(post.key.clone(), now.saturating_add(pause).unwrap_or(Timestamp::MAX));
                self.health.set("posts", Condition::Degraded, detail);
                tracing::warn!(key = post.key, detail, ?pause, "post not sent, to be tried again");
            }
            PostStatus::Failed => tracing::warn!(key = post.key, detail, "post given up"),
        }
    }

    /// Sends a post unless it was sent already; says where it is.
    async fn deliver(&self, post: &OutboxPost) -> Result<String, PostError> {
        if let Some(place) = self.poster.find(&post.key).await? {
            return Ok(place);
        }
        let event = &post.event;
        let place = self.places.iter().find(|place| post_key(event.time, &place.id, event.kind) == post.key);
        let gif = match place {
            Some(place) => self.picture(post, place).await,
            None => None,
        };
        let text = match event.kind {
            RainEventKind::Coming => words::with_countdown(event, self.runtime.clock.now()),
            _ => event.text.clone(),
        };
        self.poster.send(&ReadyPost { key: post.key.clone(), text, gif }).await
    }

    /// The picture, or `None` where it cannot be made: a text in time is better than a picture too late.
    async fn picture(&self, post: &OutboxPost, place: &Place) -> Option<Vec<u8>> {
        let some = |text: &'_ String| (!text.is_empty()).then(|| text.clone());
        let (source, credit) = (some(&self.config.source), some(&self.config.credit));
        let made = picture(&self.client, source.as_deref(), place, post.event.time, credit.as_deref()).await;
        let outcome = if made.is_ok() { "made" } else { "failed" };
        metrics::counter!("raincell_alert_pictures_total", "outcome" => outcome).increment(1);
        made.inspect_err(|error| {
            tracing::warn!(key = post.key, error = format!("{error:#}"), "no picture, the text goes alone");
        })
        .ok()
    }
}
