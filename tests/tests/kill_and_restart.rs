//! Killing any process at any moment and starting it again loses no accepted frame.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use raincell_frame::{Frame, MEDIA_TYPE, content_hash, encode};
use raincell_model::{Grid, RainField};
use raincell_simulator::{Radar, Weather, nexrad_file, odim_file};
use raincell_tests::{Running, eventually, free_port, json};

const ROUNDS: u64 = 20;
const TOKEN: &str = "end-to-end";
const SERVICES: [&str; 5] = ["store", "prepare", "nowcast", "api", "alert"];

struct Town {
    folder: PathBuf,
    running: BTreeMap<&'static str, Running>,
    ports: BTreeMap<&'static str, u16>,
}

impl Town {
    fn new(folder: &Path) -> Self {
        let ports: BTreeMap<&str, u16> = SERVICES.iter().map(|s| (*s, free_port().unwrap())).collect();
        let store = ports["store"];
        let mut config =
            format!("[store]\nbind = '127.0.0.1:{store}'\ntoken = '{TOKEN}'\ndatabase = 'raincell.sqlite'\n");
        for service in &SERVICES[1..] {
            let section = format!(
                "[{service}]\nbind = '127.0.0.1:{}'\nstore_url = 'http://127.0.0.1:{store}'\nstore_token = '{TOKEN}'\n",
                ports[service]
            );
            config += &section;
            config += match *service {
                "prepare" => "sources = [{ name = 'sim', path = 'incoming', poll_seconds = 0.2 }]\n",
                "alert" => "posts_folder = 'posts'\nplaces = [{ name = 'Amsterdam', lat = 52.374, lon = 4.8897 }]\n",
                _ => "",
            };
        }
        std::fs::create_dir_all(folder.join("incoming")).unwrap();
        std::fs::write(folder.join("raincell.toml"), config).unwrap();
        let mut town = Self { folder: folder.to_owned(), running: BTreeMap::new(), ports };
        for service in SERVICES {
            town.start(service);
        }
        town
    }

    fn start(&mut self, service: &'static str) {
        let name = format!("raincell-{service}");
        let running = Running::start(&name, &["--config", "raincell.toml"], &self.folder).unwrap();
        self.running.insert(service, running);
    }

    fn kill_and_start(&mut self, service: &'static str) {
        self.running.get_mut(service).unwrap().kill().unwrap();
        self.start(service);
    }

    fn url(&self, service: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[service])
    }
}

/// Puts frames of its own as fast as the store takes them; gives those that it accepted.
async fn keep_putting(store: String, stop: Arc<AtomicBool>) -> Vec<(String, String)> {
    let client = raincell_http_client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let grid = Arc::new(Grid::around_radar(50.0, 5.0, 40.0, 1.0));
    let mut accepted = Vec::new();
    let mut minute = 0;
    while !stop.load(Ordering::Relaxed) {
        let valid_time: Timestamp =
            "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute);
        let mut rate_mm_h = ndarray_of(&grid);
        rate_mm_h[(minute as usize % 80, 3)] = 2.0;
        let field = RainField { grid: Arc::clone(&grid), valid_time, rate_mm_h };
        let body = encode(&Frame { source: "direct".into(), product: "rate".into(), field }).unwrap();
        let url = format!("{store}/v1/frames/direct/rate/{valid_time}");
        let hash = content_hash(&body);
        if let Ok(response) =
            client.put(&url).bearer_auth(TOKEN).header("content-type", MEDIA_TYPE).body(body).send().await
            && response.status().is_success()
        {
            accepted.push((url, hash));
        }
        minute += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    accepted
}

fn ndarray_of(grid: &Grid) -> ndarray::Array2<f32> {
    ndarray::Array2::zeros(grid.shape())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_frame_is_lost_over_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(folder.path());
    let incoming = folder.path().join("incoming");
    let start: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let (weather, radar) = (Weather::demo(3, start), Radar::demo());
    let stop = Arc::new(AtomicBool::new(false));
    let putting = tokio::spawn(keep_putting(town.url("store"), Arc::clone(&stop)));

    let mut chance = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..ROUNDS {
        let time = start + SignedDuration::from_mins(5 * round as i64);
        let volume = radar.scan(&weather, time);
        // Both kinds of raw file come in by the same door.
        let (name, bytes) = if round % 4 == 3 { nexrad_file(&volume).unwrap() } else { odim_file(&volume).unwrap() };
        std::fs::write(incoming.join(&name), bytes).unwrap();
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Each service has its turn; when in its work it is hit is up to chance.
        tokio::time::sleep(Duration::from_millis(chance >> 55)).await;
        town.kill_and_start(SERVICES[(round % 5) as usize]);
    }
    stop.store(true, Ordering::Relaxed);
    let accepted = putting.await.unwrap();
    println!("{} frames were accepted over {ROUNDS} kills", accepted.len());
    assert!(accepted.len() > 20, "only {} frames were accepted", accepted.len());

    let client = raincell_http_client::builder().build().unwrap();
    for (url, hash) in &accepted {
        let response = client.get(url).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{url}");
        assert_eq!(content_hash(&response.bytes().await.unwrap()), *hash, "{url}");
    }
    let by_odim = ROUNDS - ROUNDS / 4;
    for (source, expected) in [("nlsim", by_odim), ("xsim", ROUNDS / 4)] {
        let listing = format!("{}/v1/frames?source={source}&product=rate&limit=100", town.url("store"));
        eventually(&format!("{expected} frames of {source}"), async || {
            let page: serde_json::Value =
                client.get(&listing).bearer_auth(TOKEN).send().await.ok()?.json().await.ok()?;
            (page["frames"].as_array()?.len() as u64 == expected).then_some(())
        })
        .await
        .unwrap();
    }
    assert!(!incoming.join("dead-letters").exists(), "a good file was set aside");
    let newest = start + SignedDuration::from_mins(5 * (ROUNDS as i64 - 2));
    let weather_maps = format!("{}/v1/forecast?lat=52.374&lon=4.8897", town.url("api"));
    eventually("a nowcast of the newest frame over HTTP", async || {
        let forecast = json(&weather_maps).await?;
        let issued: Timestamp = forecast["issue_time"].as_str()?.parse().ok()?;
        (issued >= newest).then_some(())
    })
    .await
    .unwrap();
    for service in SERVICES.iter().rev() {
        town.running.get_mut(service).unwrap().terminate().unwrap();
    }
}
