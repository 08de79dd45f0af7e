//! `raincell demo`: simulated storms through the front door, a forecast that the truth confirms, posts, and the map.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use raincell_simulator::{DEMO_PLACES, Weather};
use raincell_tests::{Running, eventually, json};
use serde_json::Value;

struct Story {
    seed: u64,
    start: Timestamp,
}

fn story(folder: &Path) -> Option<Story> {
    let value: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("story.json")).ok()?).ok()?;
    Some(Story { seed: value["seed"].as_u64()?, start: value["start"].as_str()?.parse().ok()? })
}

/// Posts in `folder` with this ending.
fn posts(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("posts")) else { return Vec::new() };
    entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == ending)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_warns_of_rain_that_comes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut demo = Running::start("raincell", &["demo", "--port", "0", "--data", data], folder.path()).unwrap();
    let place = &DEMO_PLACES[0];
    let url = format!("{}/v1/forecast?lat={}&lon={}", demo.url, place.lat_deg, place.lon_deg);
    let story = eventually("the story of the demo", async || story(folder.path())).await.unwrap();
    let forecast = eventually("a forecast with an arrival", async || {
        let forecast = json(&url).await?;
        let issued: Timestamp = forecast["issue_time"].as_str()?.parse().ok()?;
        (issued >= story.start && forecast["arrival"].is_object()).then_some(forecast)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}; the log:\n{}", demo.log_text()));
    let starts_at: Timestamp = forecast["arrival"]["starts_at"].as_str().unwrap().parse().unwrap();
    let truth = Weather::demo(story.seed, story.start)
        .onset_at(place.lat_deg, place.lon_deg, story.start, SignedDuration::from_hours(2), 0.1)
        .expect("the storm of the demo reaches its place");
    let off = starts_at.duration_since(truth).abs();
    println!("{}: forecast {starts_at}, truth {truth}", place.name);
    assert!(off <= SignedDuration::from_mins(5), "forecast {starts_at}, truth {truth}");
    how_sure_it_is(&forecast);

    let warning = format!("Rain coming to {}", place.name);
    let text = eventually(&warning, async || {
        posts(folder.path(), "txt")
            .into_iter()
            .find(|p| std::fs::read_to_string(p).is_ok_and(|t| t.starts_with(&warning)))
    })
    .await
    .unwrap();
    let gif = text.with_extension("gif");
    let bytes = std::fs::read(&gif).unwrap();
    assert!(bytes.len() < 3_000_000, "{} bytes", bytes.len());
    let mut frames = gif::DecodeOptions::new().read_info(bytes.as_slice()).unwrap();
    let mut count = 0;
    while frames.read_next_frame().unwrap().is_some() {
        count += 1;
    }
    assert!(count >= 12, "{count} frames");
    page_moves(&demo.url, folder.path());
    demo.terminate().unwrap();
}

/// Percentiles rise and probabilities fall with the rate, wherever a rate is known; a run that had no time for them, as
/// on a busy machine, says so in its model version.
fn how_sure_it_is(forecast: &serde_json::Value) {
    let without = forecast["model_version"].as_str().unwrap().contains(',');
    for step in forecast["series"].as_array().unwrap() {
        let values = |names: [&str; 3]| names.map(|name| step[name].as_f64());
        match values(["p10", "p50", "p90"]) {
            [Some(low), Some(middle), Some(high)] => assert!(low <= middle && middle <= high, "{step}"),
            none => assert!(
                none == [None; 3] && (without || step["rate_mm_h"].is_null() || step["observed"] == true),
                "{step}"
            ),
        }
        if let [Some(any), Some(moderate), Some(heavy)] = values(["probability_0_1", "probability_1", "probability_5"])
        {
            assert!((0.0..=1.0).contains(&any) && any >= moderate && moderate >= heavy && heavy >= 0.0, "{step}");
        }
    }
}

/// Has a real browser look at the map, if the test script has set one up.
fn page_moves(url: &str, folder: &Path) {
    let Ok(script_folder) = std::env::var("RAINCELL_TEST_BROWSER") else {
        println!("skipped: no browser");
        return;
    };
    let output = Command::new("node")
        .arg("page.mjs")
        .arg(url)
        .arg(folder)
        .current_dir(script_folder)
        .output()
        .expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    println!("{}", text.trim());
}
