//! `raincell up` with a config that watches a folder, on real volumes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use raincell_tests::{Running, eventually, free_port, json, test_data};
use serde_json::Value;

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// (x, y) of the tile at zoom 8 that holds a place.
fn tile_of(lat: f64, lon: f64) -> (u32, u32) {
    let n = 256.0;
    let y = (1.0 - lat.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0 * n;
    (((lon + 180.0) / 360.0 * n) as u32, y as u32)
}

#[tokio::test(flavor = "multi_thread")]
async fn real_volumes_become_frames_nowcasts_and_tiles() {
    let Some(data) = test_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let incoming = folder.path().join("incoming");
    std::fs::create_dir_all(&incoming).unwrap();
    let port = free_port().unwrap();
    let config = format!(
        "[store]\ndatabase = 'raincell.sqlite'\n[api]\nbind = '127.0.0.1:{port}'\n\
         [prepare]\nsources = [{{ name = 'radars', path = 'incoming', poll_seconds = 0.3 }}]\n"
    );
    std::fs::write(folder.path().join("raincell.toml"), config).unwrap();
    let mut up = Running::start("raincell", &["up", "--config", "raincell.toml"], folder.path()).unwrap();
    let api = format!("http://127.0.0.1:{port}");
    assert_eq!(up.url, api);

    copy_folder(&data.join("raw/nexrad-legacy"), &incoming);
    copy_folder(&data.join("raw/nexrad-chunks/KLOT-20210729-123848"), &incoming.join("KLOT-20210729-123848"));
    std::fs::write(incoming.join("noise.bin"), b"no radar file at all").unwrap();

    for (radar, frames) in [("kbgm", 5), ("klot", 1)] {
        eventually(&format!("{frames} frames of {radar}"), async || {
            let page = json(&format!("{api}/v1/frames?source={radar}")).await?;
            let observed = page["frames"].as_array()?.iter().filter(|f| f["kind"] == "observed").count();
            (observed == frames).then_some(())
        })
        .await
        .unwrap();
    }
    // Chicago is within reach of KLOT, whose storms are over Peoria; Binghamton is the radar of the other five volumes.
    let chicago = eventually("a forecast for Chicago", async || {
        let forecast = json(&format!("{api}/v1/forecast?lat=41.88&lon=-87.63")).await?;
        forecast["model_version"].is_string().then_some(forecast)
    })
    .await
    .unwrap();
    assert_eq!(chicago["status"], "ok");
    assert_eq!(chicago["stale"], true, "data of 2021 are never served as fresh");
    assert_eq!(chicago["source"], "klot");
    let binghamton = eventually("a forecast for Binghamton", async || {
        let forecast = json(&format!("{api}/v1/forecast?lat=42.2&lon=-75.98")).await?;
        forecast["model_version"].is_string().then_some(forecast)
    })
    .await
    .unwrap();
    assert_eq!(binghamton["source"], "kbgm");

    let (x, y) = tile_of(41.1, -89.6);
    let tile = raincell_http_client::builder()
        .build()
        .unwrap()
        .get(format!("{api}/tiles/rate/8/{x}/{y}.png?source=klot"))
        .send()
        .await
        .unwrap();
    assert_eq!(tile.status().as_u16(), 200);
    let tile = tile.bytes().await.unwrap();
    assert!(tile.starts_with(b"\x89PNG") && tile.len() > 1000, "{} bytes: storms are no empty tile", tile.len());

    let reason = eventually("a dead letter", async || {
        std::fs::read_to_string(incoming.join("dead-letters/noise.bin.reason.txt")).ok()
    })
    .await
    .unwrap();
    assert!(reason.contains("noise.bin") && reason.contains("unknown format"), "{reason}");
    let ready: Value = json(&format!("{api}/ready")).await.unwrap();
    assert_ne!(ready["condition"], "down");
    up.terminate().unwrap();
}
