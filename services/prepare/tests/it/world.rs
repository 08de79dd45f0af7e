//! A store, a folder that files arrive in, and the prepare service in this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use raincell_api_types::frames::FrameInfo;
use raincell_prepare::Config;
use raincell_service_runtime::{Runtime, config, http};
use raincell_store_client::{FrameQuery, StoreClient};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const TOKEN: &str = "a-token-for-tests";
pub const SOURCE: &str = "incoming";

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

    /// Ends it without a word.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

pub struct World {
    pub client: StoreClient,
    root: TempDir,
    store: Option<Running>,
    address: String,
}

impl World {
    pub async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("incoming")).unwrap();
        let (store, address) = start_store(root.path(), "127.0.0.1:0").await;
        let client = StoreClient::new(&format!("http://{address}"), TOKEN).unwrap();
        Self { client, root, store: Some(store), address }
    }

    /// The store goes away.
    pub async fn stop_store(&mut self) {
        self.store.take().unwrap().stop().await;
    }

    /// It comes back under the same address, with the same database.
    pub async fn restart_store(&mut self) {
        self.store = Some(start_store(self.root.path(), &self.address).await.0);
    }

    pub fn folder(&self) -> PathBuf {
        self.root.path().join("incoming")
    }

    pub fn dead_letters(&self) -> PathBuf {
        self.folder().join("dead-letters")
    }

    /// Starts the service with one source; `more` are further lines of its block.
    pub async fn prepare(&self, more: &str) -> Running {
        let config: Config = config::load_with(None, &self.config_of(more)).unwrap();
        let listener = http::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let runtime = Runtime::system();
        let stop = runtime.shutdown.clone();
        Running { url, stop, task: tokio::spawn(raincell_prepare::run(config, listener, runtime)) }
    }

    /// The config of a service with one source.
    pub fn config_of(&self, more: &str) -> String {
        let mut toml = format!("[prepare]\nstore_url = 'http://{}'\nstore_token = {TOKEN:?}\n", self.address);
        writeln!(toml, "[[prepare.sources]]\nname = {SOURCE:?}").unwrap();
        if !more.contains("poll_seconds") {
            writeln!(toml, "poll_seconds = 0.05").unwrap();
        }
        if !more.contains("settle_seconds") {
            writeln!(toml, "settle_seconds = 0.5").unwrap();
        }
        if !more.contains("path =") && !more.contains("url =") && !more.contains("bucket =") {
            writeln!(toml, "path = '{}'", self.folder().display()).unwrap();
        }
        writeln!(toml, "{more}").unwrap();
        if !more.contains("recipe") {
            writeln!(toml, "recipe = {{ radius_km = 40.0 }}").unwrap();
        }
        toml
    }

    /// A file that only this test knows of.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A file appears at once.
    pub fn drop_file(&self, name: &str, bytes: &[u8]) {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let unfinished = path.with_file_name(".arriving");
        std::fs::write(&unfinished, bytes).unwrap();
        std::fs::rename(unfinished, path).unwrap();
    }

    /// Of rain; what the rain is worth stands beside it.
    pub async fn frames(&self) -> Vec<FrameInfo> {
        let query = FrameQuery { product: Some("rate".into()), ..FrameQuery::default() };
        self.client.list_frames(&query).await.unwrap().frames
    }

    /// Content hash of each frame, by (source, valid time).
    pub async fn hashes(&self) -> BTreeMap<(String, String), String> {
        self.frames().await.into_iter().map(|f| ((f.source, f.valid_time.to_string()), f.hash)).collect()
    }

    /// Waits for exactly these frames.
    pub async fn until_frames(&self, expected: &BTreeMap<(String, String), String>) {
        eventually("the frames are stored", async || &self.hashes().await == expected).await;
    }

    /// What the checkpoint of the source notes of each file.
    pub async fn ledger(&self, kind: &str) -> BTreeMap<String, Value> {
        let kept = self.client.checkpoint(&format!("prepare-{kind}-{SOURCE}")).await.unwrap();
        kept.map(|kept| serde_json::from_value(kept.value["files"].clone()).unwrap()).unwrap_or_default()
    }

    /// Waits until a file is noted.
    pub async fn until_taken(&self, name: &str) {
        eventually(&format!("{name} is noted"), async || self.ledger("folder").await.contains_key(name)).await;
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

/// What the service says of its source: (condition, detail).
pub async fn source_health(service: &Running) -> (String, String) {
    health_of(&service.url, "source").await
}

/// What a service says of its source or queue: (condition, detail).
pub async fn health_of(url: &str, what: &str) -> (String, String) {
    let client = raincell_http_client::builder().build().unwrap();
    let ready: Value = client.get(format!("{url}/ready")).send().await.unwrap().json().await.unwrap();
    let source = &ready["dependencies"][format!("{what} {SOURCE}")];
    (source["condition"].as_str().unwrap_or("").to_owned(), source["detail"].as_str().unwrap_or("").to_owned())
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

/// Time for a good number of looks.
pub async fn many_looks() {
    tokio::time::sleep(Duration::from_millis(600)).await;
}
