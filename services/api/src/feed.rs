//! Keeps the hot memory filled: everything at the start, then what the store's events name, and a poll from time to
//! time in case that events do not come.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use jiff::SignedDuration;
use raincell_api_types::alerts::{FEED, PostStatus, event_and_target};
use raincell_api_types::events::{Event, SequencedEvent};
use raincell_api_types::frames::{FrameInfo, NowcastInfo};
use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, Runtime};
use raincell_store_client::{ClientError, FrameQuery, RetryPolicy, StoreClient, StreamItem};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::app::App;
use crate::products::Products;
use crate::routes::alerts_feed::LONGEST_FEED;

/// The product that is shown and forecast.
const PRODUCT: &str = "rate";
/// The product that says how much the other is worth.
const QUALITY: &str = "quality";
/// Pause before the next try while nothing could be loaded yet.
const FIRST_LOAD_PAUSE: Duration = Duration::from_secs(2);
/// How long one call to the store may take with its retries: the next event or poll tries again anyway.
const CALLS: RetryPolicy = RetryPolicy {
    attempt_timeout: Duration::from_secs(10),
    deadline: Duration::from_secs(15),
    first_pause: Duration::from_millis(100),
    longest_pause: Duration::from_secs(2),
};

/// How something new was heard of; each has its own count in the metrics.
#[derive(Clone, Copy, Debug)]
enum Path {
    Event,
    Poll,
}

impl Path {
    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Poll => "poll",
        }
    }
}

/// Fills the memory of one service.
pub struct Feed {
    app: App,
    store: StoreClient,
    health: Health,
    runtime: Runtime,
    poll_every: Duration,
    /// Sequence of the last event of the store that was passed on.
    sequence: u64,
    /// True once the store has been asked for everything and has answered.
    filled: watch::Sender<bool>,
}

impl Feed {
    /// For a store; nothing is loaded yet.
    pub fn new(app: App, store: &StoreClient, health: Health, runtime: Runtime) -> Self {
        let poll_every = Duration::from_secs(app.config().poll_seconds);
        health.set("store", Condition::Degraded, "not asked yet");
        health.set("data", Condition::Degraded, "nothing loaded yet");
        Self {
            app,
            store: store.with_policy(CALLS),
            health,
            runtime,
            poll_every,
            sequence: 0,
            filled: watch::Sender::new(false),
        }
    }

    /// Becomes true when the memory holds what the store had at the start.
    pub fn filled(&self) -> watch::Receiver<bool> {
        self.filled.subscribe()
    }

    /// Runs until the shutdown of its runtime.
    pub async fn run(mut self) {
        let shutdown = self.runtime.shutdown.clone();
        shutdown.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&mut self) {
        // The stream is opened before the first load, so that nothing can fall between the two.
        let events = self.store.events(None);
        pin_mut!(events);
        let clock = self.runtime.clock.clone();
        let mut next_poll = Instant::now();
        loop {
            tokio::select! {
                item = events.next() => match item {
                    Some(item) => {
                        // A connection made anew may have missed more than the store replays.
                        if matches!(item, StreamItem::Connected) {
                            next_poll = Instant::now();
                        }
                        self.take(item).await;
                    }
                    None => return,
                },
                () = sleep_until(next_poll) => {
                    let loaded = self.poll().await;
                    self.filled.send_if_modified(|filled| loaded && !std::mem::replace(filled, loaded));
                    next_poll = Instant::now() + if loaded { clock.wall(self.poll_every) } else { FIRST_LOAD_PAUSE };
                }
            }
            self.note_data_age();
        }
    }

    async fn take(&mut self, item: StreamItem) {
        match item {
            StreamItem::Connected => self.health.set("store", Condition::Ok, "event stream connected"),
            StreamItem::Disconnected { reason } => {
                let condition =
                    if self.app.memory().sources().is_empty() { Condition::Down } else { Condition::Degraded };
                self.health.set("store", condition, format!("event stream cut off: {reason}"));
            }
            StreamItem::Event(news) => {
                let SequencedEvent { sequence, event } = *news;
                self.sequence = self.sequence.max(sequence);
                let result = match &event {
                    Event::Frame(info) => self.fetch_frame(info, Path::Event).await,
                    Event::Nowcast(info) => self.fetch_run(info, Path::Event).await,
                    Event::Rain(_) => self.load_posts().await.map(|()| true),
                };
                match result {
                    // Passed on only now, so that whoever asks for what it names gets it.
                    Ok(true) => self.app.announce(SequencedEvent { sequence, event }),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, sequence, "what an event names could not be fetched"),
                }
            }
        }
    }

    /// Asks the store for everything that is new; true when all of it was answered.
    async fn poll(&mut self) -> bool {
        match self.load().await {
            Ok(()) => {
                self.health.set("store", Condition::Ok, "answers");
                true
            }
            Err(error) => {
                let condition =
                    if self.app.memory().sources().is_empty() { Condition::Down } else { Condition::Degraded };
                self.health.set("store", condition, format!("serving what is in memory: {error}"));
                metrics::counter!("raincell_api_poll_failures_total").increment(1);
                false
            }
        }
    }

    async fn load(&mut self) -> Result<(), ClientError> {
        let mut names: Vec<String> = self.store.sources().await?.into_iter().map(|source| source.source).collect();
        names.sort_unstable();
        names.dedup();
        for source in names {
            self.load_source(source).await?;
        }
        self.load_posts().await
    }

    /// The posts that are on the feed: those for it, but for what was given up.
    async fn load_posts(&self) -> Result<(), ClientError> {
        if !self.app.config().features.alerts_feed {
            return Ok(());
        }
        let mut posts = self.store.newest_posts().await?;
        posts.retain(|post| event_and_target(&post.key).1 == FEED && post.status != PostStatus::Failed);
        posts.truncate(LONGEST_FEED);
        self.app.set_posts(posts);
        Ok(())
    }

    async fn load_source(&mut self, source: String) -> Result<(), ClientError> {
        let Some(newest) = self.store.latest_frames(&source, PRODUCT, 1).await?.pop() else { return Ok(()) };
        let history = SignedDuration::from_mins(self.app.config().history_minutes);
        let from = newest.valid_time.checked_sub(history).ok();
        let product = Some(PRODUCT.to_owned());
        let mut query = FrameQuery { source: Some(source.clone()), product, from, ..FrameQuery::default() };
        let mut found = Vec::new();
        loop {
            let page = self.store.list_frames(&query).await?;
            found.extend(page.frames);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        // The newest first: a service that has just started answers with it while the past still loads.
        for info in found.iter().rev() {
            if self.fetch_frame(info, Path::Poll).await? {
                self.announce_polled(Event::Frame(info.clone()));
            }
        }
        if let Some(info) = self.store.latest_frames(&source, QUALITY, 1).await?.pop() {
            self.fetch_frame(&info, Path::Poll).await?;
        }
        if let Some(info) = self.store.list_runs(&source, 1).await?.pop()
            && self.fetch_run(&info, Path::Poll).await?
        {
            self.announce_polled(Event::Nowcast(info));
        }
        Ok(())
    }

    /// True when the frame was not there before.
    async fn fetch_frame(&self, info: &FrameInfo, path: Path) -> Result<bool, ClientError> {
        let memory = self.app.memory();
        let is_news = match info.product.as_str() {
            PRODUCT => !memory.has_frame(info),
            QUALITY => !memory.has_quality(info),
            _ => false,
        };
        if !is_news {
            return Ok(false);
        }
        let span = info_span!("load frame", trace_id = info.hash, source = info.source);
        self.load_frame(info, path).instrument(span).await
    }

    async fn load_frame(&self, info: &FrameInfo, path: Path) -> Result<bool, ClientError> {
        let body = match self.store.frame_bytes(info).await {
            // Expired between the listing and now.
            Err(ClientError::NotFound { .. }) => return Ok(false),
            other => other?,
        };
        let (app, mut info, what) =
            (self.app.clone(), info.clone(), format!("frame {} {}", info.source, info.valid_time));
        let added = tokio::task::spawn_blocking(move || {
            let frame = raincell_frame::decode(&body).map_err(|e| e.to_string())?;
            // It may have been replaced since it was listed.
            info.hash = raincell_frame::content_hash(&body);
            let memory = app.memory();
            let added = match info.product.as_str() {
                QUALITY => memory.add_quality(&info, body, frame.field),
                _ => memory.add_frame(&info, body, frame.field),
            };
            added.map_err(|e| e.to_string())
        });
        Ok(note_added(added.await, path, "frame", &what))
    }

    /// True when the run was not there before.
    async fn fetch_run(&self, info: &NowcastInfo, path: Path) -> Result<bool, ClientError> {
        if self.app.memory().has_run(info) {
            return Ok(false);
        }
        // Which frame it is made from is known once it is here.
        let span = info_span!("load nowcast", trace_id = Empty, source = info.source);
        self.load_run(info, path).instrument(span).await
    }

    async fn load_run(&self, info: &NowcastInfo, path: Path) -> Result<bool, ClientError> {
        let bytes = match self.store.run_bytes(info).await {
            Err(ClientError::NotFound { .. }) => return Ok(false),
            other => other?,
        };
        let (app, info, what) =
            (self.app.clone(), info.clone(), format!("nowcast {} {}", info.source, info.issue_time));
        let span = Span::current();
        let added = tokio::task::spawn_blocking(move || {
            let run = raincell_frame::decode_run(&bytes).map_err(|e| e.to_string())?;
            span.record("trace_id", &run.based_on);
            let header = raincell_frame::decode_run_header(&bytes).map_err(|e| e.to_string())?;
            let products = Products::decode(&header, &bytes).map_err(|e| e.to_string())?;
            app.memory().add_run(&info, run, products).map_err(|e| e.to_string())
        });
        Ok(note_added(added.await, path, "nowcast", &what))
    }

    /// A poll found what no event told; listeners hear of it under the last sequence that there was.
    fn announce_polled(&self, event: Event) {
        self.app.announce(SequencedEvent { sequence: self.sequence, event });
    }

    fn note_data_age(&self) {
        let now = self.runtime.clock.now();
        let stale_after = self.app.stale_after();
        let mut worst = Condition::Ok;
        let mut details = Vec::new();
        for view in self.app.memory().sources() {
            let age_s = view.age_s(now).unwrap_or(i64::MAX);
            metrics::gauge!("raincell_api_data_age_seconds", "source" => view.name.clone()).set(age_s as f64);
            if let Some(interval_s) = view.interval_s() {
                metrics::gauge!("raincell_api_frame_interval_seconds", "source" => view.name.clone())
                    .set(interval_s as f64);
            }
            if let Some(age_s) = view.nowcast_age_s(now) {
                metrics::gauge!("raincell_api_nowcast_age_seconds", "source" => view.name.clone()).set(age_s as f64);
            }
            if view.is_stale(now, stale_after) {
                worst = Condition::Degraded;
            }
            details.push(format!("{}: newest frame {age_s} s old, {} kept", view.name, view.frames.len()));
        }
        if details.is_empty() {
            self.health.set("data", Condition::Degraded, "no frames yet");
        } else {
            self.health.set("data", worst, details.join("; "));
        }
    }
}

/// What came of adding something; a damaged frame is left out and told of, as the next one may be good.
fn note_added<E: std::fmt::Display>(
    outcome: Result<Result<(), String>, E>,
    path: Path,
    kind: &'static str,
    what: &str,
) -> bool {
    let error = match outcome {
        Ok(Ok(())) => {
            metrics::counter!("raincell_api_received_total", "kind" => kind, "path" => path.name()).increment(1);
            match path {
                Path::Event => tracing::info!(what, "in memory"),
                // At the start that is all there is.
                Path::Poll => tracing::debug!(what, "in memory"),
            }
            return true;
        }
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    tracing::warn!(what, %error, "left out");
    metrics::counter!("raincell_api_left_out_total", "kind" => kind).increment(1);
    false
}
