//! A store and an api in this process, and a band of rain that moves east by one cell a minute.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_frame::Frame;
use raincell_model::{Grid, MotionField, NowcastRun, RainField};
use raincell_service_runtime::{Clock, Runtime, ServiceConfig, config::load_with, http};
use raincell_store_client::StoreClient;
use reqwest::{Client, Response};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub const SOURCE: &str = "test";
pub const TOKEN: &str = "a-token-for-tests";
/// Rate within the band, mm/h.
pub const BAND_MM_H: f32 = 4.0;
/// Columns of the band at the newest observation.
const BAND: std::ops::Range<i64> = 20..40;
/// Where points are asked for: the band's front is at column 39 at the start and arrives here 21 minutes later.
pub const ROW: usize = 64;
pub const COLUMN: usize = 60;
pub const ARRIVES_MIN: i64 = 21;
pub const ENDS_MIN: i64 = 41;

/// A clock that stands where it is put.
#[derive(Debug)]
pub struct StandingClock(Mutex<Timestamp>);

impl StandingClock {
    pub fn set(&self, time: Timestamp) {
        *self.0.lock().unwrap() = time;
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn wall(&self, duration: Duration) -> Duration {
        duration
    }
}

pub fn newest() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub fn minutes_after(time: Timestamp, minutes: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

pub fn grid() -> Arc<Grid> {
    Arc::new(Grid::around_radar(52.0, 5.0, 64.0, 1.0))
}

/// The band `minutes` after the newest observation. Row 0 is never observed, and a nowcast does not know what comes in
/// over the western edge.
pub fn field(grid: &Arc<Grid>, minutes: i64) -> RainField {
    let rate_mm_h = Array2::from_shape_fn(grid.shape(), |(row, column)| {
        let origin = column as i64 - minutes;
        if row == 0 || (minutes > 0 && origin < 0) {
            f32::NAN
        } else if BAND.contains(&origin) {
            BAND_MM_H
        } else {
            0.0
        }
    });
    RainField { grid: Arc::clone(grid), valid_time: minutes_after(newest(), minutes), rate_mm_h }
}

pub fn frame(minutes: i64) -> Frame {
    Frame { source: SOURCE.into(), product: "rate".into(), field: field(&grid(), minutes) }
}

pub fn run_of(grid: &Arc<Grid>) -> NowcastRun {
    let mut motion = MotionField::at_rest(Arc::clone(grid));
    motion.u.fill(1.0);
    NowcastRun {
        source: SOURCE.into(),
        issue_time: newest(),
        method: "extrapolation".into(),
        model_version: "test-1".into(),
        based_on: "0".repeat(32),
        motion,
        fields: (1..=24).map(|step| field(grid, step * 5)).collect(),
    }
}

/// Latitude and longitude of a cell's middle, with four decimals.
pub fn place(row: usize, column: usize) -> (f64, f64) {
    let (lat, lon) = grid().georeference().unwrap().lat_lon_of(row as f64 + 0.5, column as f64 + 0.5).unwrap();
    let rounded = |degrees: f64| (degrees * 1e4).round() / 1e4;
    (rounded(lat), rounded(lon))
}

/// A running service; dropping it stops it.
pub struct Service {
    pub url: String,
    shutdown: CancellationToken,
}

impl Service {
    pub fn stop(&self) {
        self.shutdown.cancel();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn start<C, F, R>(overrides: &str, clock: Arc<StandingClock>, run: F) -> Service
where
    C: ServiceConfig,
    F: FnOnce(C, tokio::net::TcpListener, Runtime) -> R,
    R: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let config: C = load_with(None, overrides).unwrap();
    let listener = http::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let runtime = Runtime { clock, shutdown: shutdown.clone() };
    tokio::spawn(run(config, listener, runtime));
    Service { url, shutdown }
}

/// Store, api, and a client of each.
pub struct Scene {
    pub api: Service,
    pub store: Service,
    pub client: StoreClient,
    pub clock: Arc<StandingClock>,
    http: Client,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Nothing is stored yet; `overrides` are lines of the `[api]` section.
    pub async fn empty(overrides: &str) -> Self {
        let clock = Arc::new(StandingClock(Mutex::new(minutes_after(newest(), 2))));
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.sqlite");
        let store_config = format!("[store]\ndatabase = '{}'\ntoken = '{TOKEN}'", database.display());
        let store = start(&store_config, Arc::clone(&clock), raincell_store::run).await;
        let api_config = format!("[api]\nstore_url = '{}'\nstore_token = '{TOKEN}'\n{overrides}", store.url);
        let api = start(&api_config, Arc::clone(&clock), raincell_api::run).await;
        let client = StoreClient::new(&store.url, TOKEN).unwrap();
        Self { api, store, client, clock, http: raincell_http_client::builder().build().unwrap(), _folder: folder }
    }

    /// An hour of observations and a run, all of it in the memory of the api.
    pub async fn with_overrides(overrides: &str) -> Self {
        let scene = Self::empty(overrides).await;
        for step in (0..=12).rev() {
            scene.client.put_frame(&frame(-step * 5)).await.unwrap();
        }
        scene.client.put_run(&run_of(&grid())).await.unwrap();
        scene.wait_for(37).await;
        scene
    }

    pub async fn new() -> Self {
        Self::with_overrides("").await
    }

    /// Waits until the list has so many frames, and gives it.
    pub async fn wait_for(&self, frames: usize) -> Value {
        for _ in 0..1000 {
            let list = self.get("/v1/frames").await;
            if list.status() == 200 {
                let list: Value = list.json().await.unwrap();
                if list["frames"].as_array().unwrap().len() == frames {
                    return list;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the api never had {frames} frames");
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.api.url)).send().await.unwrap()
    }

    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Response {
        self.http.get(format!("{}{path}", self.api.url)).header(name, value).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.http.post(format!("{}{path}", self.api.url)).json(body).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// Asks for something that cannot be had, and gives the problem.
    pub async fn problem(&self, path: &str, status: u16) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        response.json().await.unwrap()
    }

    /// The place that the band reaches, as a query.
    pub fn query() -> String {
        let (lat, lon) = place(ROW, COLUMN);
        format!("lat={lat}&lon={lon}")
    }
}

pub fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}
