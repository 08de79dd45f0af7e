//! How long the animation of a post takes: 25 frames of 720 × 720 pixels around Bern, showers over half of the map.
//!
//! ```sh
//! cargo run --release -p raincell-render --example animation -- [ROUNDS] [FILE.gif] [FILE.mp4]
//! ```
//!
//! Prints, of the GIF and of the same as a video, the shortest wall time of a picture and, on Linux, the mean processor
//! time (all threads together), which says more on a machine that others use too.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use ndarray::Array2;
use raincell_model::{Grid, RainField};
use raincell_render::{AnimationRequest, Marker, PictureArea, RenderError, animate, animate_mp4};

const BERN: PictureArea = PictureArea { lat_deg: 46.95, lon_deg: 7.45, radius_km: 77.0 };
const NOW_MIN: i64 = 60;

/// Showers that move east by a cell a minute; one corner is not observed.
fn field(grid: &Arc<Grid>, minute: i64) -> RainField {
    let rate = |(row, column): (usize, usize)| {
        if row + column < 120 {
            return f32::NAN;
        }
        let (x, y) = ((column as f32 - minute as f32) / 17.0, row as f32 / 23.0);
        let ripple = ((x * 5.1 + y).sin() * (y * 4.3 - x).cos()).mul_add(2.5, 0.0);
        let rate = 14.0 * (x.sin() * y.cos() + 0.5 * (2.3 * x + y).cos()) + ripple;
        if rate < 0.5 { 0.0 } else { rate }
    };
    RainField {
        grid: Arc::clone(grid),
        valid_time: Timestamp::UNIX_EPOCH + (minute * 60).seconds(),
        rate_mm_h: Array2::from_shape_fn(grid.shape(), rate),
    }
}

/// Processor time of this process so far; zero where `/proc` does not tell.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in brackets: user and system time are the 12th and 13th fields, in ticks of 10 ms.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u32 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let grid = Arc::new(Grid::around_radar(BERN.lat_deg, BERN.lon_deg, 150.0, 1.0));
    let fields = |minutes: std::ops::RangeInclusive<i64>| -> Vec<RainField> {
        minutes.step_by(5).map(|minute| field(&grid, minute)).collect()
    };
    let (past, forecast) = (fields(0..=NOW_MIN), fields(NOW_MIN + 5..=2 * NOW_MIN));
    // Sure where it rains hard soon, less and less so later.
    let likely = |field: &RainField| {
        let lead = (field.valid_time.as_second() / 60 - NOW_MIN) as f32;
        let of_rate = |rate: f32| if rate.is_nan() { rate } else { rate / (rate + 1.0 + lead / 12.0) };
        RainField { rate_mm_h: field.rate_mm_h.mapv(of_rate), ..field.clone() }
    };
    let probability: Vec<RainField> = forecast.iter().map(likely).collect();
    let marker = Marker { lat_deg: BERN.lat_deg, lon_deg: BERN.lon_deg, label: "Bern".into() };
    let request = AnimationRequest {
        title: "Rain around Bern",
        time_zone: "Europe/Zurich",
        credit: "Radar: an example",
        marker: Some(marker),
        probability: &probability,
        ..AnimationRequest::new(&past, &forecast, BERN)
    };
    println!("{} frames of {} x {}", past.len() + forecast.len(), request.width, request.height);
    for draw in [animate, animate_mp4] {
        let bytes = measure(rounds, || draw(&request))?;
        if let Some(path) = arguments.next() {
            std::fs::write(path, bytes)?;
        }
    }
    Ok(())
}

fn measure(rounds: u32, draw: impl Fn() -> Result<Vec<u8>, RenderError>) -> Result<Vec<u8>, RenderError> {
    // The first one reads the map.
    let bytes = draw()?;
    let (began_cpu, mut shortest) = (processor_time(), Duration::MAX);
    for _ in 0..rounds {
        let began = Instant::now();
        draw()?;
        shortest = shortest.min(began.elapsed());
    }
    let cpu = processor_time().saturating_sub(began_cpu) / rounds.max(1);
    let size = bytes.len();
    println!("{size} bytes: wall {shortest:.0?} at best, processor {cpu:.0?} in the mean of {rounds}");
    Ok(bytes)
}
