//! A store, a folder for posts, a clock that is set by hand, and the alert service in this process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use raincell_alert::Config;
use raincell_alert::machine::PlaceState;
use raincell_api_types::alerts::{self, AlertTransition, NewPost, OutboxPost, PostStatus, RainEvent, RainEventKind};
use raincell_service_runtime::{Clock, Runtime, config, http};
use raincell_store_client::{ClientError, StoreClient};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::weather::{LAT, LON, Weather};

pub const PLACE: &str = "harbour-town";
const TOKEN: &str = "a-token-for-tests";

/// Stands still until it is set; waits are short.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn wall(&self, duration: Duration) -> Duration {
        (duration / 100).clamp(Duration::from_millis(10), Duration::from_millis(200))
    }
}

pub struct World {
    pub client: StoreClient,
    pub clock: TestClock,
    pub folder: TempDir,
    store_url: String,
    store: JoinHandle<anyhow::Result<()>>,
}

/// A running alert service.
pub struct Service {
    pub url: String,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    /// Asks it to stop, and waits until it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.store.abort();
    }
}

impl World {
    pub async fn new(now: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let overrides =
            format!("[store]\ndatabase = '{}'\ntoken = {TOKEN:?}\n", folder.path().join("store.db").display());
        let store_config = config::load_with::<raincell_store::Config>(None, &overrides).unwrap();
        let listener = http::bind("127.0.0.1:0").await.unwrap();
        let store_url = format!("http://{}", listener.local_addr().unwrap());
        // The store keeps what is recent by its own clock.
        let clock = TestClock(Arc::new(Mutex::new(now)));
        let runtime = Runtime { clock: Arc::new(clock.clone()), shutdown: CancellationToken::new() };
        let store = tokio::spawn(raincell_store::run(store_config, listener, runtime));
        let client = StoreClient::new(&store_url, TOKEN).unwrap();
        Self { client, clock, folder, store_url, store }
    }

    pub fn posts_folder(&self) -> PathBuf {
        self.folder.path().join("posts")
    }

    /// The configuration of the service as a TOML file has it.
    pub fn toml(&self, more: &str) -> String {
        format!(
            "[alert]\nbind = '127.0.0.1:0'\nfeed = false\nstore_url = {:?}\nstore_token = {TOKEN:?}\n\
             posts_folder = '{}'\n{more}\n\
             [[alert.places]]\nname = 'Harbour Town'\nlat = {LAT}\nlon = {LON}\ntime_zone = 'Europe/Amsterdam'\n",
            self.store_url,
            self.posts_folder().display()
        )
    }

    pub async fn start(&self, more: &str) -> Service {
        let config: Config = config::load_with(None, &self.toml(more)).unwrap();
        let listener = http::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let runtime = Runtime { clock: Arc::new(self.clock.clone()), shutdown: stop.clone() };
        Service { url, stop, task: tokio::spawn(raincell_alert::run(config, listener, runtime)) }
    }

    /// Stores the frame and the nowcast of a minute, half a minute later.
    pub async fn store(&self, weather: &Weather, minute: i64) {
        self.clock.set(weather.time(minute) + SignedDuration::from_secs(30));
        self.client.put_frame(&weather.frame(minute)).await.unwrap();
        self.client.put_run(&weather.run(minute)).await.unwrap();
    }

    /// The same, until the service has seen both.
    pub async fn live(&self, weather: &Weather, minute: i64) {
        self.store(weather, minute).await;
        let time = Some(weather.time(minute));
        eventually("the minute is seen", async || {
            self.state().await.is_some_and(|state| state.observed_at == time && state.issued_at == time)
        })
        .await;
    }

    /// Puts an event into the outbox for some targets, as a service that died right after it has left it.
    pub async fn put_event(&self, targets: &[&str], event: RainEvent) -> String {
        let key = raincell_alert::post_key(event.time, PLACE, event.kind);
        let post = |(index, target): (usize, &&str)| NewPost {
            key: alerts::post_key(&key, target),
            event: event.clone(),
            announced: index == 0,
        };
        let posts: Vec<_> = targets.iter().enumerate().map(post).collect();
        loop {
            let stored = self.client.alert_state(PLACE).await.unwrap();
            let state = serde_json::json!({ "phase": { "phase": "quiet", "candidate": null } });
            let change = AlertTransition { expected_revision: stored.revision, state, posts: posts.clone() };
            match self.client.transition(PLACE, &change).await {
                Ok(_) => break,
                // A service was faster.
                Err(ClientError::StaleState(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        key
    }

    /// Waits until a service has taken the lease and looked at the outbox for so many targets.
    pub async fn is_sending(&self, service: &Service, targets: usize) {
        let client = StoreClient::new(&service.url, "").unwrap();
        eventually("it sends", async || {
            let ready = client.ready().await.unwrap();
            ready.dependencies.keys().filter(|name| name.starts_with("posts-")).count() == targets
        })
        .await;
    }

    /// Stores frames and a nowcast without rain around a time, so that there is something to draw.
    pub async fn store_dry_weather(&self, time: Timestamp) {
        let weather = Weather::band(time, 10_000, 10_001, 1.0);
        for minute in [-10, -5, 0] {
            self.client.put_frame(&weather.frame(minute)).await.unwrap();
        }
    }

    pub async fn state(&self) -> Option<PlaceState> {
        serde_json::from_value(self.client.alert_state(PLACE).await.unwrap().state).ok()
    }

    pub async fn outbox(&self) -> Vec<OutboxPost> {
        self.client.outbox(None).await.unwrap()
    }

    /// Waits until nothing is pending; gives all posts.
    pub async fn settled_outbox(&self) -> Vec<OutboxPost> {
        eventually("no post is pending", async || {
            self.outbox().await.iter().all(|post| post.status != PostStatus::Pending)
        })
        .await;
        self.outbox().await
    }

    /// Names of the posted files, sorted.
    pub fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.posts_folder()) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.posts_folder().join(name)).unwrap()
    }
}

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..9000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within three minutes: {what}");
}

/// News of the watched place.
pub fn event(kind: RainEventKind, time: Timestamp, text: &str) -> RainEvent {
    RainEvent {
        place: "Harbour Town".into(),
        place_id: PLACE.into(),
        kind,
        time,
        about: time,
        rate_mm_h: 2.0,
        text: text.into(),
        alt: format!("Map around Harbour Town: {text}"),
        ..RainEvent::default()
    }
}
