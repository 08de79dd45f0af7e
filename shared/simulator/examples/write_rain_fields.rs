//! Writes the true rain of the demonstration, 710 × 640 cells of 1 km, every 5 minutes as flat files (`meta.txt` with
//! `rows columns cell_km`; `YYYYMMDDHHMM.f32`, little-endian mm/h, row-major): `write_rain_fields <seed> <count> <folder>`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use raincell_model::Grid;
use raincell_simulator::{DEMO_SITE, Weather};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, seed, count, folder] = words.as_slice() else {
        return Err("usage: write_rain_fields <seed> <count> <folder>".into());
    };
    let start: Timestamp = "2026-07-14T15:00:00Z".parse()?;
    let weather = Weather::demo(seed.parse()?, start);
    let around = Grid::around_radar(DEMO_SITE.lat_deg, DEMO_SITE.lon_deg, 320.0, 1.0);
    let grid = Arc::new(Grid { width: 710, left: -355_000.0, ..around });
    std::fs::write(Path::new(folder).join("meta.txt"), format!("{} {} 1.0\n", grid.height, grid.width))?;
    for step in 0..count.parse()? {
        let time = start + SignedDuration::from_mins(5 * step);
        let field = weather.truth_field(&grid, time)?;
        let bytes: Vec<u8> = field.rate_mm_h.iter().flat_map(|rate| rate.to_le_bytes()).collect();
        let name = time.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M.f32").to_string();
        std::fs::write(Path::new(folder).join(name), bytes)?;
    }
    Ok(())
}
