//! A store and the nowcast service in this process, and a square of rain that moves east by two cells a minute.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_api_types::frames::NowcastInfo;
use raincell_frame::Frame;
use raincell_model::{Grid, NowcastRun, RainField};
use raincell_nowcast::Config;
use raincell_service_runtime::{Runtime, config, http};
use raincell_store_client::StoreClient;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "a-token-for-tests";
/// A schedule that never comes: what happens, happens by events.
pub const NEVER: &str = "fallback_cron = '0 0 0 1 1 *'";

pub fn time(minute: i64) -> Timestamp {
    "2026-06-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

/// The rain of a minute; `strength` is its rate, mm/h. Row 0 is never observed.
pub fn frame(source: &str, minute: i64, strength: f32) -> Frame {
    let grid = Arc::new(Grid::around_radar(52.0, 5.0, 64.0, 1.0));
    let left = 20 + 2 * minute;
    let rate_mm_h = Array2::from_shape_fn(grid.shape(), |(row, column)| {
        let (dy, dx) = (row as f64 - 64.0, column as f64 - left as f64);
        match row {
            0 => f32::NAN,
            _ if dx.hypot(dy) < 16.0 => strength * (1.2 + (dx * 0.5).sin() * (dy * 0.4).cos()) as f32,
            _ => 0.0,
        }
    });
    Frame {
        source: source.into(),
        product: "rate".into(),
        field: RainField { grid, valid_time: time(minute), rate_mm_h },
    }
}

/// A service that runs in this process.
pub struct Running {
    pub url: String,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Asks it to stop, and waits until it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// What it answers to a path.
    pub async fn get(&self, path: &str) -> reqwest::Response {
        raincell_http_client::builder().build().unwrap().get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// (condition, detail) of something that it depends on.
    pub async fn health_of(&self, dependency: &str) -> (String, String) {
        let ready: Value = self.get("/ready").await.json().await.unwrap();
        let part = |key: &str| ready["dependencies"][dependency][key].as_str().unwrap_or("").to_owned();
        (part("condition"), part("detail"))
    }
}

pub struct World {
    pub client: StoreClient,
    folder: TempDir,
    store: Option<Running>,
    address: String,
}

impl World {
    pub async fn new() -> Self {
        // As the binary does first of all: what is measured before is lost.
        raincell_service_runtime::telemetry::prometheus();
        let folder = tempfile::tempdir().unwrap();
        let (store, address) = start_store(folder.path(), "127.0.0.1:0").await;
        let client = StoreClient::new(&format!("http://{address}"), TOKEN).unwrap();
        Self { client, folder, store: Some(store), address }
    }

    /// The store goes away.
    pub async fn stop_store(&mut self) {
        self.store.take().unwrap().stop().await;
    }

    /// It comes back under the same address, with the same database.
    pub async fn restart_store(&mut self) {
        self.store = Some(start_store(self.folder.path(), &self.address).await.0);
    }

    /// Starts the service; `more` are lines of its section.
    pub async fn nowcast(&self, more: &str) -> Running {
        self.nowcast_at(&self.address, more).await
    }

    /// The same with another address of the store.
    pub async fn nowcast_at(&self, store: &str, more: &str) -> Running {
        let toml = format!("[nowcast]\nstore_url = 'http://{store}'\nstore_token = {TOKEN:?}\nsteps = 6\n{more}\n");
        let config: Config = config::load_with(None, &toml).unwrap();
        let listener = http::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let runtime = Runtime::system();
        let stop = runtime.shutdown.clone();
        Running { url, stop, task: tokio::spawn(raincell_nowcast::run(config, listener, runtime)) }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stores the frame of a minute; gives its content hash.
    pub async fn put(&self, source: &str, minute: i64) -> String {
        self.client.put_frame(&frame(source, minute, 4.0)).await.unwrap().info().hash.clone()
    }

    /// The newest run of a source.
    pub async fn newest(&self, source: &str) -> Option<(NowcastRun, String)> {
        self.client.latest_run(source).await.unwrap()
    }

    /// Waits for a run that was made from a frame, and gives it.
    pub async fn until_run_of(&self, source: &str, frame_hash: &str) -> (NowcastRun, String) {
        let based_on = async || self.newest(source).await.is_some_and(|(run, _)| run.based_on == frame_hash);
        eventually("the run is stored", based_on).await;
        self.newest(source).await.unwrap()
    }

    /// All runs of a source.
    pub async fn runs(&self, source: &str) -> Vec<NowcastInfo> {
        self.client.list_runs(source, 100).await.unwrap()
    }
}

async fn start_store(folder: &Path, address: &str) -> (Running, String) {
    let database = folder.join("store.db");
    let overrides = format!("[store]\ndatabase = '{}'\ntoken = {TOKEN:?}\n", database.display());
    let config: raincell_store::Config = config::load_with(None, &overrides).unwrap();
    let listener = http::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let runtime = Runtime::system();
    let stop = runtime.shutdown.clone();
    let task = tokio::spawn(raincell_store::run(config, listener, runtime));
    (Running { url: format!("http://{address}"), stop, task }, address)
}

pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within a minute: {what}");
}
