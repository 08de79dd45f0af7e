//! What all handlers share.

use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, header};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::alerts::OutboxPost;
use raincell_api_types::events::SequencedEvent;
use raincell_service_runtime::{Problem, SharedClock};
use raincell_store_client::StoreClient;
use tokio::sync::broadcast;

use crate::alert_skill::AlertScore;
use crate::config::Config;
use crate::http::parameters::Parameters;
use crate::memory::{Memory, SourceView};
use crate::skill::SkillBook;
use crate::tile_cache::TileCache;

/// Events that a slow listener may lag behind before it loses some.
const EVENT_BACKLOG: usize = 256;

/// Radars send a frame every five minutes, most of them.
const STALE_AFTER_CUT_OFF: SignedDuration = SignedDuration::from_mins(5);

/// The state of the service; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    config: Config,
    clock: SharedClock,
    zone: TimeZone,
    memory: Memory,
    tiles: TileCache,
    skill: SkillBook,
    posts: RwLock<Arc<Vec<OutboxPost>>>,
    events: broadcast::Sender<SequencedEvent>,
    store: StoreClient,
    alert_score: AlertScore,
}

impl App {
    /// With an empty memory, to be filled from `store`.
    ///
    /// # Errors
    /// When the time zone of the config is not known.
    pub fn new(config: Config, clock: SharedClock, store: &StoreClient) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Inner {
            zone: TimeZone::get(&config.time_zone)?,
            memory: Memory::new(SignedDuration::from_mins(config.history_minutes)),
            tiles: TileCache::new(config.tile_cache_mb),
            skill: SkillBook::new(store),
            posts: RwLock::default(),
            events: broadcast::Sender::new(EVENT_BACKLOG),
            store: store.clone(),
            alert_score: AlertScore::new(store),
            config,
            clock,
        })))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The age from which on data are old. Sooner while the store cannot be asked: a frame that is due by then, nobody
    /// here would know of.
    pub fn stale_after(&self) -> SignedDuration {
        let configured = self.config().stale_after();
        if self.0.store.is_cut_off() { configured.min(STALE_AFTER_CUT_OFF) } else { configured }
    }

    /// The time that the service lives by.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The configured time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.0.zone
    }

    /// Frames and runs.
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// How right the warnings were.
    pub fn alert_score(&self) -> &AlertScore {
        &self.0.alert_score
    }

    /// How the nowcasts verified.
    pub fn skill(&self) -> &SkillBook {
        &self.0.skill
    }

    /// Rendered tiles.
    pub fn tiles(&self) -> &TileCache {
        &self.0.tiles
    }

    /// The newest posts of the alert service.
    pub fn posts(&self) -> Arc<Vec<OutboxPost>> {
        Arc::clone(&self.0.posts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in their place.
    pub fn set_posts(&self, posts: Vec<OutboxPost>) {
        *self.0.posts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(posts);
    }

    /// Passes an event on to whoever listens.
    pub fn announce(&self, event: SequencedEvent) {
        // An error says that nobody listens.
        let _ = self.0.events.send(event);
    }

    /// What is announced from now on.
    pub fn listen(&self) -> broadcast::Receiver<SequencedEvent> {
        self.0.events.subscribe()
    }

    /// The sources in the order in which they are asked: the default one first, then by name; with `source` only that.
    ///
    /// # Errors
    /// 400 for a source that does not exist.
    pub fn candidates(&self, parameters: &Parameters) -> Result<Vec<Arc<SourceView>>, Problem> {
        let mut views = self.memory().sources();
        views.retain(|view| view.newest().is_some());
        let Some(name) = parameters.text("source") else {
            views.sort_by_key(|view| view.name != self.config().default_source);
            return Ok(views);
        };
        let known: Vec<String> = views.iter().map(|view| view.name.clone()).collect();
        let Some(view) = views.into_iter().find(|view| view.name == name) else {
            let accepted = if known.is_empty() { "none yet".into() } else { known.join(", ") };
            return Err(Problem::bad_parameter("source", format!("source is `{name}`"), accepted));
        };
        Ok(vec![view])
    }

    /// The source that a listing or a tile is of: the named one, else the default, else the first.
    ///
    /// # Errors
    /// 400 for a source that does not exist, 503 while there is none.
    pub fn one_source(&self, parameters: &Parameters) -> Result<Arc<SourceView>, Problem> {
        let first = self.candidates(parameters)?.into_iter().next();
        first.ok_or_else(|| Problem::unavailable("no radar frame has come yet"))
    }

    /// Age of the newest frame of a source in seconds, and whether that is too old.
    pub fn age(&self, view: &SourceView) -> (Option<i64>, bool) {
        let now = self.now();
        (view.age_s(now), view.is_stale(now, self.stale_after()))
    }

    /// What clients call this service, without a slash at its end.
    pub fn host(&self, headers: &HeaderMap) -> String {
        let public = self.config().public_host.trim_end_matches('/');
        if !public.is_empty() {
            return public.to_owned();
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let https = self.config().trust_forwarded_for && text("x-forwarded-proto") == Some("https");
        let host = text(header::HOST.as_str()).unwrap_or("localhost");
        format!("{}://{host}", if https { "https" } else { "http" })
    }
}
