//! The posts of one target, one after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::{OutboxPost, PostOutcome, PostStatus, RainEventKind, event_and_target, post_key};
use raincell_api_types::dead_letters::NewDeadLetter;
use raincell_api_types::health::Condition;
use raincell_api_types::leases::Fence;
use raincell_store_client::{ClientError, StoreClient};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

use super::Desk;
use super::budget::Spending;
use crate::poster::{Permit, PostError, PostText, Poster};
use crate::{sending, words};

/// Pause before the second try of a post; it doubles with each try up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A post that waits longer does not tell the minutes until the rain any more: they were counted when it was written.
const COUNTDOWN_GOOD: Duration = Duration::from_secs(90);

/// What is known of a pending post beside what the store knows.
#[derive(Debug, Default)]
struct Attempt {
    /// Tries in this process that failed.
    failures: u32,
    /// Not before.
    due: Option<Instant>,
    /// It is out, and the store has not been told yet: what the target calls it.
    sent: Option<String>,
}

/// How a try to post went.
enum Verdict {
    /// It is out.
    Sent(String),
    /// It is given up.
    Failed { label: &'static str, reason: String },
    /// It is tried again.
    Again { pause: Duration, reason: String },
    /// Nothing was tried: the target wants a pause, or the post that this one answers is not out yet.
    Waits(Duration),
}

/// Sends to one target.
pub(super) struct Lane {
    pub(super) desk: Arc<Desk>,
    pub(super) poster: Arc<dyn Poster>,
    bell: watch::Receiver<()>,
    /// The term of office that `suspects` and `settled_at` are of.
    term: Option<Fence>,
    /// Posts that another process, or an earlier try, may have sent.
    suspects: HashSet<String>,
    /// When requests of a vanished sender can have no effect any more.
    settled_at: Instant,
    attempts: HashMap<String, Attempt>,
    /// The target wants a pause.
    paused_until: Option<Instant>,
    spending: Option<Spending>,
}

impl Lane {
    pub fn new(desk: Arc<Desk>, poster: Arc<dyn Poster>, bell: watch::Receiver<()>) -> Self {
        Self {
            desk,
            poster,
            bell,
            term: None,
            suspects: HashSet::new(),
            settled_at: Instant::now(),
            attempts: HashMap::new(),
            paused_until: None,
            spending: None,
        }
    }

    /// Sends until shutdown.
    pub async fn run(mut self) {
        let runtime = self.desk.runtime.clone();
        let mut lease = self.desk.lease.clone();
        loop {
            let fence = tokio::select! {
                () = runtime.shutdown.cancelled() => return,
                fence = lease.acquired() => fence,
            };
            self.bell.mark_unchanged();
            let pause = match self.send_pending(&fence).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, target = self.poster.name(), "the outbox cannot be worked on");
                    self.wall(FIRST_PAUSE)
                }
            };
            tokio::select! {
                () = runtime.shutdown.cancelled() => return,
                // An error says that nobody can ring any more; shutdown is near.
                _ = self.bell.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tries every post that is due; gives the time on the wall until the next one is.
    async fn send_pending(&mut self, fence: &Fence) -> Result<Duration, ClientError> {
        let name = self.poster.name();
        let mut pending = self.desk.client.outbox(Some(PostStatus::Pending)).await?;
        pending.retain(|post| event_and_target(&post.key).1 == name);
        metrics::gauge!("raincell_alert_pending_posts", "poster" => name).set(pending.len() as f64);
        self.begin_term(fence, &pending);
        self.attempts.retain(|key, _| pending.iter().any(|post| post.key == *key));
        for post in &pending {
            if self.desk.runtime.shutdown.is_cancelled() || self.desk.lease.fence().as_ref() != Some(fence) {
                break;
            }
            if self.is_due(post) {
                let (trace_id, poster) = (&post.event.trace_id, self.poster.name());
                let span = tracing::info_span!("post", trace_id, key = post.key, poster);
                self.work_on(post, fence).instrument(span).await?;
            }
        }
        if self.pause_left().is_none() {
            self.replay(fence).await?;
        }
        let due = self.attempts.values().filter_map(|attempt| attempt.due).min();
        let next = due.map(|due| due.max(self.paused_until.unwrap_or(due)).duration_since(Instant::now()));
        let idle = self.wall(Duration::from_secs(u64::from(self.desk.config.poll_s)));
        Ok(next.map_or(idle, |next| next.max(Duration::from_millis(1)).min(idle)))
    }

    /// Whatever is pending when the lease was taken may be in another sender's hand, or have been.
    fn begin_term(&mut self, fence: &Fence, pending: &[OutboxPost]) {
        if self.term.as_ref() == Some(fence) {
            return;
        }
        self.term = Some(fence.clone());
        self.suspects = pending.iter().map(|post| post.key.clone()).collect();
        let settling = Duration::from_secs_f64(self.desk.config.send_timeout_s);
        let inherited = self.desk.lease.is_inherited();
        self.settled_at = Instant::now() + if inherited { settling } else { Duration::ZERO };
        self.spending = None;
        self.note(Condition::Ok, "sends from here");
    }

    fn is_due(&mut self, post: &OutboxPost) -> bool {
        let now = Instant::now();
        let settled = !self.suspects.contains(&post.key) || self.settled_at <= now;
        let settled_at = self.settled_at;
        let attempt = self.attempts.entry(post.key.clone()).or_default();
        if !settled {
            attempt.due = Some(settled_at);
        }
        settled && attempt.due.is_none_or(|due| due <= now)
    }

    fn pause_left(&self) -> Option<Duration> {
        self.paused_until.map(|until| until.duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    async fn work_on(&mut self, post: &OutboxPost, fence: &Fence) -> Result<(), ClientError> {
        let known = self.attempts.get(&post.key).and_then(|attempt| attempt.sent.clone());
        let verdict = match known {
            Some(reference) => Verdict::Sent(reference),
            None => self.try_once(post, fence).await?,
        };
        let client = self.desk.client.with_fence(fence.clone());
        let (status, detail) = match verdict {
            Verdict::Waits(pause) => {
                self.attempt(post).due = Some(Instant::now() + pause);
                return Ok(());
            }
            Verdict::Sent(reference) => {
                self.attempt(post).sent = Some(reference.clone());
                (PostStatus::Sent, reference)
            }
            Verdict::Failed { label, reason } => {
                self.count(label);
                tracing::warn!(key = post.key, reason, "post given up");
                self.bury(&client, post, &reason).await?;
                (PostStatus::Failed, reason)
            }
            Verdict::Again { pause, reason } => {
                self.count("retried");
                self.note(Condition::Degraded, &reason);
                tracing::warn!(key = post.key, reason, ?pause, "post not sent, to be tried again");
                let attempt = self.attempt(post);
                attempt.failures += 1;
                attempt.due = Some(Instant::now() + pause);
                (PostStatus::Pending, reason)
            }
        };
        client.record_outcome(&post.key, &PostOutcome { status, detail: Some(detail.clone()) }).await?;
        if status == PostStatus::Sent {
            self.count("sent");
            self.note(Condition::Ok, &format!("sent {}", post.key));
            tracing::info!(key = post.key, to = detail, "post sent");
        }
        if status != PostStatus::Pending {
            self.attempts.remove(&post.key);
            self.suspects.remove(&post.key);
        }
        Ok(())
    }

    async fn try_once(&mut self, post: &OutboxPost, fence: &Fence) -> Result<Verdict, ClientError> {
        let permit = Permit::under(self.desk.lease.clone(), fence.clone());
        let now = self.desk.runtime.clock.now();
        let age_min = now.duration_since(post.event.time).as_secs() / 60;
        let old = age_min > i64::from(self.desk.config.give_up_after_min);
        let mut text = self.text(post, now);
        // What answers a post that is not out is not out either.
        match self.parent(post).await? {
            Parent::Pending => return Ok(Verdict::Waits(self.wall(FIRST_PAUSE))),
            Parent::None => {}
            Parent::Is(reference) => text.reply_to = Some(reference),
        }
        if self.suspects.contains(&post.key) {
            if let Some(pause) = self.pause_left() {
                return Ok(Verdict::Waits(pause));
            }
            match self.poster.find(&text, &permit).await {
                Ok(Some(reference)) => return Ok(Verdict::Sent(reference)),
                Ok(None) => drop(self.suspects.remove(&post.key)),
                Err(error) if !old => return Ok(self.again(post, &error)),
                Err(error) => {
                    let reason = format!("given up: the news are {age_min} min old; it may have been posted: {error}");
                    return Ok(Verdict::Failed { label: "given_up", reason });
                }
            }
        }
        if old {
            let last = post.detail.as_deref().map(|detail| format!("; last try: {detail}")).unwrap_or_default();
            let reason = format!("given up: the news are {age_min} min old{last}");
            return Ok(Verdict::Failed { label: "given_up", reason });
        }
        if let Some(pause) = self.pause_left() {
            return Ok(Verdict::Waits(pause));
        }
        if let Some(reason) = self.too_expensive(post, now).await? {
            return Ok(Verdict::Again { pause: self.wall(LONGEST_PAUSE), reason });
        }
        Ok(match self.send(post, &text, &permit).await {
            Ok(reference) => Verdict::Sent(reference),
            Err(error) if error.is_final() => Verdict::Failed { label: "refused", reason: error.to_string() },
            Err(error) => self.again(post, &error),
        })
    }

    /// Sends, and counts what it costs.
    pub(super) async fn send(
        &mut self,
        post: &OutboxPost,
        text: &PostText,
        permit: &Permit,
    ) -> Result<String, PostError> {
        let (poster, key) = (&*self.poster, event_and_target(&post.key).0);
        let (outcome, _) = sending::send(poster, &self.desk.pictures, text, key, permit).await;
        let unknown = outcome.as_ref().is_err_and(PostError::is_unknown);
        if outcome.is_ok() || unknown {
            let now = self.desk.runtime.clock.now();
            if let Some(spending) = &mut self.spending {
                spending.add(self.poster.price_usd(&post.event), now);
            }
            self.tell_spending(now);
        }
        if unknown {
            self.suspects.insert(post.key.clone());
        }
        outcome
    }

    fn again(&mut self, post: &OutboxPost, error: &PostError) -> Verdict {
        if let PostError::Limited { wait, .. } = error {
            self.paused_until = Some(Instant::now() + *wait);
            return Verdict::Again { pause: *wait, reason: error.to_string() };
        }
        let failures = self.attempt(post).failures;
        let pause = self.wall(FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE));
        Verdict::Again { pause, reason: error.to_string() }
    }

    fn attempt(&mut self, post: &OutboxPost) -> &mut Attempt {
        self.attempts.entry(post.key.clone()).or_default()
    }

    /// The text with the minutes until the start if it goes out at once, and the same without them.
    pub(super) fn text(&self, post: &OutboxPost, now: Timestamp) -> PostText {
        let event = post.event.clone();
        let waited = Duration::try_from(now.duration_since(post.created_at).max(SignedDuration::ZERO));
        let waited = waited.unwrap_or_default();
        let counted = match event.kind {
            RainEventKind::Coming => words::with_countdown(&event, post.created_at),
            _ => event.text.clone(),
        };
        let (text, other_text) =
            if waited <= COUNTDOWN_GOOD { (counted, event.text.clone()) } else { (event.text.clone(), counted) };
        let waiting = self.wall(waited);
        PostText { key: post.key.clone(), text, other_text, event, reply_to: None, waiting }
    }

    /// The post at this target that this one answers.
    async fn parent(&self, post: &OutboxPost) -> Result<Parent, ClientError> {
        let Some(thread) = &post.event.thread else { return Ok(Parent::None) };
        match self.desk.client.outbox_post(&post_key(thread, self.poster.name())).await {
            Ok(parent) => Ok(match (parent.status, parent.detail) {
                (PostStatus::Sent, Some(reference)) => Parent::Is(reference),
                (PostStatus::Pending, _) => Parent::Pending,
                _ => Parent::None,
            }),
            Err(ClientError::NotFound { .. }) => Ok(Parent::None),
            Err(error) => Err(error),
        }
    }

    /// Why there is no money for a post, where there is none.
    async fn too_expensive(&mut self, post: &OutboxPost, now: Timestamp) -> Result<Option<String>, ClientError> {
        let Some(budget) = self.poster.daily_budget_usd() else { return Ok(None) };
        if self.spending.is_none() {
            let posts = self.desk.client.newest_posts().await?;
            self.spending = Some(Spending::of(&posts, &*self.poster, now));
        }
        self.tell_spending(now);
        let price = self.poster.price_usd(&post.event);
        let Some(spending) = &mut self.spending else { return Ok(None) };
        if spending.allows(price, budget, now) {
            return Ok(None);
        }
        let spent = spending.today(now);
        Ok(Some(format!("it costs ${price:.3}; ${spent:.3} of ${budget:.2} are spent today")))
    }

    fn tell_spending(&mut self, now: Timestamp) {
        let name = self.poster.name();
        let Some((budget, spending)) = self.poster.daily_budget_usd().zip(self.spending.as_mut()) else { return };
        let spent = spending.today(now);
        metrics::gauge!("raincell_alert_spent_today_usd", "poster" => name).set(spent);
        metrics::gauge!("raincell_alert_left_today_usd", "poster" => name).set((budget - spent).max(0.0));
    }

    /// Keeps what is given up, with the reason.
    pub(super) async fn bury(&self, client: &StoreClient, post: &OutboxPost, reason: &str) -> Result<(), ClientError> {
        let letter = NewDeadLetter {
            key: format!("alert/{}", post.key),
            source: "alert".into(),
            reason: reason.to_owned(),
            attempts: post.attempts + 1,
            origin: json!({ "post": post.key }),
        };
        client.add_dead_letter(&letter).await.map(drop)
    }

    pub(super) fn note(&self, condition: Condition, detail: &str) {
        self.desk.health.set(&format!("posts-{}", self.poster.name()), condition, detail);
    }

    pub(super) fn count(&self, label: &'static str) {
        let name = self.poster.name();
        metrics::counter!("raincell_alert_posts_total", "status" => label, "poster" => name).increment(1);
    }

    fn wall(&self, duration: Duration) -> Duration {
        self.desk.runtime.clock.wall(duration)
    }
}

/// The post that another one answers.
enum Parent {
    None,
    Pending,
    Is(String),
}
