//! Writes one scan of the demonstration in both formats: `write_volumes <seed> <minutes from start> <folder>`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use raincell_simulator::{Radar, Weather, nexrad_file, odim_file};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, seed, minutes, folder] = words.as_slice() else {
        return Err("usage: write_volumes <seed> <minutes from start> <folder>".into());
    };
    let start: Timestamp = "2026-07-14T15:00:00Z".parse()?;
    let weather = Weather::demo(seed.parse()?, start);
    let volume = Radar::demo().scan(&weather, start + SignedDuration::from_mins(minutes.parse()?));
    for write in [odim_file, nexrad_file] {
        let begun = Instant::now();
        let (name, content) = write(&volume)?;
        println!("{name}: {} bytes, {:.0} ms", content.len(), begun.elapsed().as_secs_f64() * 1000.0);
        std::fs::write(Path::new(folder).join(name), content)?;
    }
    Ok(())
}
