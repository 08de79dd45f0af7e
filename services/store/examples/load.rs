//! Load on a running store: what one box bears. `bench/store.sh` starts one and runs this against it; any other is
//! measured by `load --url http://… --token …`. With `--large yes` only frames as large as a continent are put and read.
//!
//! Prints a line for each number, as `name=value`. Frames are a real composite where `RAINCELL_TEST_DATA` has one,
//! else made up; each PUT is another valid time, so that each is a new frame.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_frame::Frame;
use raincell_io::{RawScan, ReadOptions};
use raincell_model::{Grid, RainField};
use raincell_store_client::StoreClient;

/// Side of the frames, cells.
const SIDE: usize = 700;
/// Composites of this event are 765 × 700 cells.
const EVENT: &str = "composites/knmi_20100826";
const PUTS: usize = 500;
const READS: usize = 200;
/// Rows and columns of a large frame; composites of this event, which a quarter of the cells is wet of, are laid out side
/// by side in it.
const LARGE: (usize, usize) = (3500, 7000);
const LARGE_EVENT: &str = "composites/fmi_20160928";
const LARGE_PUTS: usize = 10;
/// Writers at once, and for how long.
const WRITERS: usize = 8;
const SUSTAINED: Duration = Duration::from_secs(10);
/// Frames kept ready for the sustained load, which ends with them where they are stored sooner.
const READY: usize = 6000;

struct Arguments {
    url: String,
    token: String,
    large: bool,
}

fn arguments() -> anyhow::Result<Arguments> {
    let (mut url, mut token, mut large) = (None, None, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--url" => url = Some(value),
            "--token" => token = Some(value),
            "--large" => large = value == "yes",
            _ => anyhow::bail!("{word}: expected --url, --token and --large"),
        }
    }
    Ok(Arguments { url: url.context("--url is missing")?, token: token.unwrap_or_default(), large })
}

/// The composite in the middle of an event.
fn composite(event: &str) -> anyhow::Result<Option<RainField>> {
    let Some(folder) = std::env::var_os("RAINCELL_TEST_DATA").map(|data| PathBuf::from(data).join(event)) else {
        return Ok(None);
    };
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut paths = std::fs::read_dir(&folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let path = paths.get(paths.len() / 2).context("the event has no files")?;
    let RawScan::Grid(scan) =
        raincell_io::read(&std::fs::read(path)?, &path.to_string_lossy(), &ReadOptions::default())?
    else {
        return Ok(None);
    };
    let zr = raincell_gridding::ZR::default();
    Ok(Some(raincell_gridding::grid_scan_to_rain(&scan, &zr, raincell_gridding::DEFAULT_CAP_MM_H)?.field))
}

/// A field of so many rows and columns, filled with another from the north-west on as often as it takes.
fn laid_out(field: &RainField, (rows, columns): (usize, usize)) -> RainField {
    let (height, width) = field.grid.shape();
    let grid = Grid { width: columns, height: rows, ..Grid::clone(&field.grid) };
    let rate_mm_h =
        Array2::from_shape_fn((rows, columns), |(row, column)| field.rate_mm_h[(row % height, column % width)]);
    RainField { grid: Arc::new(grid), rate_mm_h, ..field.clone() }
}

/// A quarter of it wet, without any noise.
fn made_up_field() -> RainField {
    let grid = Grid {
        projection: "+proj=aeqd +lat_0=52 +lon_0=5 +R=6371000".into(),
        left: -350_000.0,
        top: 350_000.0,
        cell_width: 1000.0,
        cell_height: 1000.0,
        width: SIDE,
        height: SIDE,
    };
    let rate_mm_h = Array2::from_shape_fn((SIDE, SIDE), |(row, column)| {
        let (x, y) = (column as f32 / 70.0, row as f32 / 90.0);
        (20.0 * (x.sin() * y.cos()) - 8.0).max(0.0)
    });
    RainField { grid: Arc::new(grid), valid_time: Timestamp::UNIX_EPOCH, rate_mm_h }
}

/// The frame at each of many times, every five minutes.
fn frames(field: &RainField, source: &str, count: usize) -> anyhow::Result<Vec<(Timestamp, Bytes)>> {
    let begin: Timestamp = "2020-01-01T00:00:00Z".parse()?;
    let mut frame = Frame { source: source.into(), product: "rate".into(), field: field.clone() };
    (0..count)
        .map(|index| {
            frame.field.valid_time = begin.checked_add(SignedDuration::from_mins(5 * index as i64))?;
            Ok((frame.field.valid_time, raincell_frame::encode(&frame)?.into()))
        })
        .collect()
}

fn tell(name: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)].as_secs_f64() * 1e3;
    println!("{name}_p50_ms={:.2} {name}_p99_ms={:.2}", at(50), at(99));
}

async fn timed<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<Duration, E> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed())
}

/// The list of the newest twelve frames and their bodies.
async fn latest_twelve(client: &StoreClient, source: &str) -> anyhow::Result<()> {
    let frames = client.latest_frames(source, "rate", 12).await?;
    ensure!(frames.len() == 12, "{} frames", frames.len());
    let mut bodies: FuturesUnordered<_> = frames.iter().map(|info| client.frame_bytes(info)).collect();
    while let Some(body) = bodies.next().await {
        body?;
    }
    Ok(())
}

/// Frames stored by writers side by side until the time is up.
async fn sustained(client: &StoreClient, source: &'static str, frames: Vec<(Timestamp, Bytes)>) -> anyhow::Result<f64> {
    let (frames, next, began) = (Arc::new(frames), Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (client, frames, next) = (client.clone(), Arc::clone(&frames), Arc::clone(&next));
        writers.spawn(async move {
            while began.elapsed() < SUSTAINED {
                let Some((time, body)) = frames.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                client.put_frame_bytes(source, "rate", *time, body.clone(), None).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(next.load(Ordering::Relaxed).min(frames.len()) as f64 / began.elapsed().as_secs_f64())
}

/// Point series of two hours at places that are spread over so much of the grid.
async fn point_series(
    client: &StoreClient,
    source: &str,
    grid: &Grid,
    (name, spread): (&str, f64),
) -> anyhow::Result<()> {
    let georeference = grid.georeference()?;
    let mut latencies = Vec::new();
    for number in 0..READS {
        // Multiples of irrational numbers (the plastic number's) fall everywhere, each far from the one before.
        let [x, y] = [(0.754_877_666, grid.width), (0.569_840_291, grid.height)]
            .map(|(step, side): (f64, usize)| side as f64 * (0.5 + spread * ((step * number as f64).fract() - 0.5)));
        let (lat_deg, lon_deg) = georeference.lat_lon_of(x, y).context("the grid has no such place")?;
        latencies.push(timed(client.rain(lat_deg, lon_deg, 120, Some(source))).await?);
    }
    tell(name, latencies);
    Ok(())
}

/// Frames of a continent, put and read one after the other.
async fn large_frames(client: &StoreClient) -> anyhow::Result<()> {
    let real = composite(LARGE_EVENT)?;
    println!("large_frame={}", if real.is_some() { "real" } else { "made up" });
    let small = real.unwrap_or_else(made_up_field);
    let field = laid_out(&small, LARGE);
    let ready = frames(&field, "bench-large", LARGE_PUTS)?;
    println!("large_frame_bytes={}", ready[0].1.len());
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    for (time, body) in ready {
        puts.push(timed(client.put_frame_bytes("bench-large", "rate", time, body, None)).await?);
    }
    for info in client.latest_frames("bench-large", "rate", LARGE_PUTS).await? {
        gets.push(timed(client.frame_bytes(&info)).await?);
    }
    tell("large_put", puts);
    tell("large_get", gets);
    // The places must be on the earth: so far as the composite goes.
    let (rows, columns) = small.grid.shape();
    let part = Grid { width: columns, height: rows, ..Grid::clone(&field.grid) };
    point_series(client, "bench-large", &part, ("large_point_series_2h", 0.9)).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { url, token, large } = arguments()?;
    let client = StoreClient::new(&url, &token)?;
    if large {
        return large_frames(&client).await;
    }
    let real = composite(EVENT)?;
    println!("frame={}", if real.is_some() { "real" } else { "made up" });
    let field = laid_out(&real.unwrap_or_else(made_up_field), (SIDE, SIDE));
    let source = "bench-one";
    let ready = frames(&field, source, PUTS)?;
    println!("frame_bytes={}", ready[0].1.len());

    let mut latencies = Vec::new();
    for (time, body) in ready {
        latencies.push(timed(client.put_frame_bytes(source, "rate", time, body, None)).await?);
    }
    tell("put", latencies);

    let mut latencies = Vec::new();
    for _ in 0..READS {
        latencies.push(timed(latest_twelve(&client, source)).await?);
    }
    tell("latest_12", latencies);

    for series in [("point_series_2h", 0.0), ("point_series_2h_all_over", 0.9)] {
        point_series(&client, source, &field.grid, series).await?;
    }

    let frames = frames(&field, "bench-many", READY)?;
    println!("sustained_puts_per_s={:.0}", sustained(&client, "bench-many", frames).await?);
    Ok(())
}
