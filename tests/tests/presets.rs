//! `raincell up --radar` and `--composite` against a local S3 with the buckets and keys of the public ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use raincell_tests::cloud::Cloud;
use raincell_tests::{Running, eventually, json, raincell, test_data};
use serde_json::Value;

/// `raincell up` with a preset, its S3 being the local one.
fn up(cloud: &Cloud, flags: &[&str], folder: &Path) -> Running {
    let environment =
        [("RAINCELL_PREPARE__S3_ENDPOINT", cloud.endpoint.as_str()), ("RAINCELL_API__BIND", "127.0.0.1:0")];
    Running::start_with("raincell", &[&["up"], flags].concat(), &environment, folder).unwrap()
}

/// Waits for the newest observed frame of a source.
async fn until_frame(up: &Running, source: &str) -> Value {
    eventually(&format!("a frame of {source}"), async || {
        let page = json(&format!("{}/v1/frames?source={source}", up.url)).await?;
        page["frames"].as_array()?.iter().find(|frame| frame["kind"] == "observed").cloned()
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", up.log_text()))
}

fn at(format: &str) -> String {
    Timestamp::now().strftime(format).to_string()
}

fn chunks(data: &Path) -> Vec<(String, Vec<u8>)> {
    let mut chunks: Vec<_> = std::fs::read_dir(data.join("raw/nexrad-chunks/KLOT-20210729-123848"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    chunks.sort();
    chunks
}

#[test]
fn a_preset_shows_what_it_is() {
    for (flags, part) in [
        (&["--radar", "klot"][..], "bucket = \"unidata-nexrad-level2\""),
        (&["--radar", "KLOT", "--realtime"], "layout = \"nexrad-chunks\""),
        (&["--composite", "mrms"], "prefix = \"CONUS/PrecipRate_00.00/%Y%m%d/\""),
        (&["--composite", "uk"], "region = \"eu-west-2\""),
        (&["--composite", "opera"], "endpoint = \"https://s3.waw3-1.cloudferro.com\""),
    ] {
        let (code, out, _) = raincell(&[&["up", "--print-config"], flags].concat()).unwrap();
        assert!(code == 0 && out.contains(part), "{flags:?}: {out}");
    }
    let (code, _, error) = raincell(&["up", "--radar", "K/../x"]).unwrap();
    assert!(code == 2 && error.contains("K/../x"), "{error}");
    assert_eq!(raincell(&["up", "--print-config"]).unwrap().0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_radar_from_the_archive() {
    let Some(data) = test_data() else { return };
    let Some(cloud) = Cloud::named("unidata-nexrad-level2").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let volume: Vec<u8> = chunks(&data).into_iter().flat_map(|(_, bytes)| bytes).collect();
    let name = at("%Y/%m/%d/KLOT/KLOT%Y%m%d_%H%M%S_V06");
    cloud.put(&name, &volume).await;
    cloud.put(&format!("{name}_MDM"), b"this tells of a volume and is none").await;
    let mut up = up(&cloud, &["--radar", "KLOT"], folder.path());
    assert_eq!(until_frame(&up, "klot").await["valid_time"], "2021-07-29T12:38:48.773Z");
    up.terminate().unwrap();
    assert!(!up.log_text().contains("_MDM"), "{}", up.log_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_radar_as_its_chunks_come() {
    let Some(data) = test_data() else { return };
    let Some(cloud) = Cloud::named("unidata-nexrad-level2-chunks").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let began = at("%Y%m%d-%H%M%S");
    let chunks = chunks(&data);
    // The first dozen, as they are a minute into the volume.
    for (name, bytes) in &chunks[..12] {
        cloud.put(&format!("KLOT/417/{began}{}", &name[15..]), bytes).await;
    }
    let mut up = up(&cloud, &["--radar", "klot", "--realtime"], folder.path());
    let early = until_frame(&up, "klot").await;
    assert_eq!(early["valid_time"], "2021-07-29T12:38:48.773Z");
    up.terminate().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_composite_of_europe() {
    let Some(data) = test_data() else { return };
    let Some(cloud) = Cloud::named("openradar-24h").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = data.join("raw/odim-comp/2024-10-08T120000Z-rainfall_rate-composite-opera.h5");
    let key = at("%Y/%m/%d/OPERA/COMP/OPERA@%Y%m%dT%H%M@0@");
    cloud.put(&format!("{key}RATE.h5"), &std::fs::read(file).unwrap()).await;
    cloud.put(&format!("{key}DBZH.h5"), b"not asked for").await;
    let mut up = up(&cloud, &["--composite", "opera"], folder.path());
    assert_eq!(until_frame(&up, "opera").await["valid_time"], "2024-10-08T12:00:00Z");
    println!("OPERA: {:?} MB at most", up.most_memory_mb());
    up.terminate().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_composite_of_the_united_kingdom() {
    let Some(data) = test_data() else { return };
    let Some(cloud) = Cloud::named("met-office-radar-obs-data").await else { return };
    let folder = tempfile::tempdir().unwrap();
    // A rain rate in ODIM_H5 as well; the British file is not at hand.
    let file = data.join("composites/knmi_20100826/201008260135.h5");
    let key = at("radar/%Y/%m/%d/%Y%m%d%H%M_ODIM_ng_radar_rainrate_composite_1km_UK.h5");
    cloud.put(&key, &std::fs::read(file).unwrap()).await;
    let mut up = up(&cloud, &["--composite", "uk"], folder.path());
    assert_eq!(until_frame(&up, "uk").await["valid_time"], "2010-08-26T01:35:00Z");
    up.terminate().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mosaic_of_the_united_states() {
    let Some(data) = test_data() else { return };
    let Some(cloud) = Cloud::named("noaa-mrms-pds").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = data.join("raw/mrms/PrecipRate_00.00_20190610-000000.grib2");
    let gzip = Command::new("gzip").arg("-c").arg(file).stderr(Stdio::inherit()).output().unwrap();
    let key = at("CONUS/PrecipRate_00.00/%Y%m%d/MRMS_PrecipRate_00.00_%Y%m%d-%H%M%S.grib2.gz");
    cloud.put(&key, &gzip.stdout).await;
    let mut up = up(&cloud, &["--composite", "mrms"], folder.path());
    assert_eq!(until_frame(&up, "mrms").await["valid_time"], "2019-06-10T00:00:00Z");
    // The heaviest cell of the file, row 2191 and column 4371.
    let rain = eventually("the rain there", async || {
        let rain = json(&format!("{}/v1/rain?lat=33.085&lon=-86.285", up.url)).await?;
        rain["rate_mm_h"].is_number().then_some(rain)
    })
    .await
    .unwrap();
    let rate = rain["rate_mm_h"].as_f64().unwrap();
    assert!((rate - 148.8).abs() < 148.8 * 0.025, "{rate}");
    println!("MRMS, 24.5 million cells: {:?} MB at most", up.most_memory_mb());
    up.terminate().unwrap();
}
