//! `raincell demo`: simulated storms → real raw files → everything that real scans go through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp, TimestampRound, Unit};
use raincell_service_runtime::{FastClock, Runtime, SharedClock, TraceSettings, clock, service, telemetry};
use raincell_simulator::{DEMO_PLACES, Radar, Weather, odim_file};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use toml::{Table, Value};

use crate::cli::DemoArguments;
use crate::house::{House, set};
use crate::{Outcome, output};

/// Between two volumes.
const STEP: SignedDuration = SignedDuration::from_mins(5);
/// Each frame is told of once: the store and the api would say it again.
const LOG: &str = "warn,raincell=info,raincell_store=warn,raincell_api=warn,raincell_prepare=info,raincell_nowcast=info,raincell_alert=info";
/// Volumes of the two hours before the start, and the one at the start.
const HISTORY: i32 = 24;

/// Runs until SIGTERM or Ctrl-C.
pub fn run(arguments: &DemoArguments) -> anyhow::Result<Outcome> {
    let _exporter = telemetry::init_tracing(LOG, &TraceSettings::load(None)?)?;
    let folder = folder(arguments.data.as_deref())?;
    let raw = folder.join("raw");
    std::fs::create_dir_all(&raw).with_context(|| raw.display().to_string())?;
    let story = Story::resume(&folder, arguments.seed)?;
    let now = story.now(&raw)?;
    let clock: SharedClock = Arc::new(FastClock::new(now, arguments.speed));
    service::block_on(async {
        let house = House::open(None, overrides(arguments, &folder, &raw)).await?;
        output::notice(&format!("Raincell demo: {}", house.url()?));
        output::notice(&format!("Raw scans, database and posts: {}", folder.display()));
        let runtime = Runtime { clock: Arc::clone(&clock), shutdown: CancellationToken::new() };
        service::cancel_on_signal(runtime.shutdown.clone());
        let weather = Arc::new(Weather::demo(story.seed, story.start));
        let radar = tokio::spawn(keep_scanning(weather, raw, now, runtime.clone()));
        let shutdown = runtime.shutdown.clone();
        service::drain_within(service::DRAIN, shutdown, house.run(runtime)).await?;
        radar.await?
    })?;
    Ok(Outcome::AllDone)
}

/// What the demo needs to go on with the same weather when it is started again on the same folder.
#[derive(Serialize, Deserialize)]
struct Story {
    seed: u64,
    start: Timestamp,
}

impl Story {
    fn resume(folder: &Path, seed: u64) -> anyhow::Result<Self> {
        let file = folder.join("story.json");
        if let Ok(text) = std::fs::read_to_string(&file) {
            return serde_json::from_str(&text).with_context(|| file.display().to_string());
        }
        let story = Self { seed, start: Timestamp::now().round(five_minutes())? };
        std::fs::write(&file, serde_json::to_string(&story)?).with_context(|| file.display().to_string())?;
        Ok(story)
    }

    /// Where the clock of this run begins: never before what is there already (an earlier run may have been fast).
    fn now(&self, raw: &Path) -> anyhow::Result<Timestamp> {
        let newest = std::fs::read_dir(raw)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| volume_time(&name))
            .max();
        let now = Timestamp::now().round(five_minutes())?;
        Ok(newest.map_or(self.start, |newest| newest.max(now)))
    }
}

fn five_minutes() -> TimestampRound {
    TimestampRound::new().smallest(Unit::Minute).increment(5).mode(jiff::RoundMode::Trunc)
}

/// The time in `<site>_YYYYMMDDTHHMMSS_PVOL.h5`.
fn volume_time(name: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", name.split('_').nth(1)?).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn folder(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    match asked {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            Ok(folder.to_owned())
        }
        None => Ok(tempfile::Builder::new().prefix("raincell-demo-").tempdir()?.keep()),
    }
}

/// The configuration of the demo: its folders, its port, its places.
fn overrides(arguments: &DemoArguments, folder: &Path, raw: &Path) -> Table {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut overrides = Table::new();
    set(&mut overrides, "store", "database", text(folder.join("raincell.sqlite")));
    let mut source = Table::new();
    source.insert("name".into(), "demo".into());
    source.insert("path".into(), text(raw.to_owned()).into());
    source.insert("poll_seconds".into(), 0.5.into());
    set(&mut overrides, "prepare", "sources", vec![Value::Table(source)]);
    set(&mut overrides, "api", "bind", format!("127.0.0.1:{}", arguments.port));
    set(&mut overrides, "alert", "posts_folder", text(folder.join("posts")));
    set(&mut overrides, "alert", "credit", "simulated radar");
    // The first nowcast is enough: the storm of the demo is known to come.
    set(&mut overrides, "alert", "agreeing_nowcasts", 1);
    let places: Vec<Value> = DEMO_PLACES.iter().map(|place| Value::Table(watched(place))).collect();
    set(&mut overrides, "alert", "places", places);
    overrides
}

fn watched(place: &raincell_simulator::Place) -> Table {
    let mut table = Table::new();
    table.insert("name".into(), place.name.into());
    table.insert("lat".into(), place.lat_deg.into());
    table.insert("lon".into(), place.lon_deg.into());
    table.insert("time_zone".into(), "Europe/Amsterdam".into());
    table
}

/// Writes the volumes of the past two hours, then each new one when its time has come.
async fn keep_scanning(weather: Arc<Weather>, raw: PathBuf, now: Timestamp, runtime: Runtime) -> anyhow::Result<()> {
    let history: Vec<Timestamp> = (0..=HISTORY).rev().map(|back| now - STEP * back).collect();
    scan(Arc::clone(&weather), raw.clone(), history).await?;
    let mut next = now + STEP;
    loop {
        let wait = Duration::try_from(next.duration_since(runtime.clock.now())).unwrap_or_default();
        tokio::select! {
            () = runtime.shutdown.cancelled() => return Ok(()),
            () = clock::sleep(runtime.clock.as_ref(), wait) => {}
        }
        scan(Arc::clone(&weather), raw.clone(), vec![next]).await?;
        next += STEP;
    }
}

/// Scans at each time and writes the files; a volume that is there already stays as it is.
async fn scan(weather: Arc<Weather>, raw: PathBuf, times: Vec<Timestamp>) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        let radar = Radar::demo();
        times.par_iter().try_for_each(|&time| {
            let (name, bytes) = odim_file(&radar.scan(&weather, time))?;
            let file = raw.join(&name);
            if file.exists() {
                return Ok(());
            }
            // Under another name first: the folder is watched.
            let unfinished = raw.join(format!("{name}.tmp"));
            std::fs::write(&unfinished, bytes).with_context(|| unfinished.display().to_string())?;
            std::fs::rename(&unfinished, &file).with_context(|| file.display().to_string())
        })
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_names_its_time() {
        let time: Timestamp = "2026-03-01T12:05:00Z".parse().unwrap();
        assert_eq!(volume_time("nlsim_20260301T120500_PVOL.h5"), Some(time));
        assert_eq!(volume_time("nlsim.h5"), None);
    }
}
