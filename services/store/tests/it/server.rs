//! A store for one test, and frames to put into it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_frame::Frame;
use raincell_model::{Grid, RainField};
use raincell_service_runtime::{Runtime, config, http};
use raincell_store::Config;
use raincell_store_client::StoreClient;
use tokio::task::JoinHandle;

pub const TOKEN: &str = "token-of-the-tests";
/// The radar at Hilversum or thereabouts; its cell is row 20, column 20.
pub const CENTRE: (f64, f64) = (52.2, 5.2);

pub struct Server {
    pub url: String,
    pub client: StoreClient,
    pub runtime: Runtime,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    pub async fn start(folder: &Path) -> Self {
        Self::start_at(folder, "127.0.0.1:0").await
    }

    pub async fn start_at(folder: &Path, address: &str) -> Self {
        Self::start_on(&format!("database = '{}'", folder.join("store.db").display()), address).await
    }

    /// With the lines of its configuration that say what it keeps things in.
    pub async fn start_on(database: &str, address: &str) -> Self {
        // As the binary does first of all: what is counted before is lost.
        raincell_service_runtime::telemetry::prometheus();
        let overrides = format!("[store]\ntoken = '{TOKEN}'\n{database}\nbody_limit_mb = 1");
        let config: Config = config::load_with(None, &overrides).unwrap();
        let listener = http::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let runtime = Runtime::system();
        let task = tokio::spawn(raincell_store::run(config, listener, runtime.clone()));
        let client = StoreClient::new(&url, TOKEN).unwrap();
        Self { url, client, runtime, task }
    }

    /// Drains; gives the address for one that comes after it.
    pub async fn stop(self) -> String {
        self.runtime.shutdown.cancel();
        self.task.await.unwrap().unwrap();
        self.url.trim_start_matches("http://").to_owned()
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let http = raincell_http_client::builder().no_proxy().build().unwrap();
        http.request(method, format!("{}{path}", self.url)).bearer_auth(TOKEN)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.request(reqwest::Method::GET, path).send().await.unwrap()
    }
}

/// A DynamoDB-compatible server that `./test` has started, and a table that no other test has.
pub fn endpoint_and_table() -> Option<(String, String)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let Ok(endpoint) = std::env::var("RAINCELL_TEST_DYNOXIDE") else {
        if count == 0 {
            println!("skipped: no RAINCELL_TEST_DYNOXIDE");
        }
        return None;
    };
    Some((endpoint, format!("store-{}-{count}", std::process::id())))
}

/// Lines of a configuration for it.
pub fn table() -> Option<String> {
    let (endpoint, table) = endpoint_and_table()?;
    Some(format!("backend = 'dynamodb'\ntable = '{table}'\nendpoint = '{endpoint}'"))
}

pub fn minute(minutes: i64) -> Timestamp {
    let noon: Timestamp = "2021-07-29T12:00:00Z".parse().unwrap();
    noon + SignedDuration::from_mins(minutes)
}

/// `rate_mm_h` at the centre, dry around it, nothing observed in the first row.
pub fn frame(source: &str, minutes: i64, rate_mm_h: f32) -> Frame {
    let grid = Arc::new(Grid::around_radar(CENTRE.0, CENTRE.1, 20.0, 1.0));
    let mut rates = Array2::zeros(grid.shape());
    rates.row_mut(0).fill(f32::NAN);
    let (row, column) = grid.georeference().unwrap().index_of(CENTRE.0, CENTRE.1).unwrap();
    rates[(row, column)] = rate_mm_h;
    let field = RainField { grid, valid_time: minute(minutes), rate_mm_h: rates };
    Frame { source: source.into(), product: "rate".into(), field }
}
