//! Draws the weather of the demonstration: `picture <seed> <minutes from start> <file.png> [scan [elevation number]]`.
//! With `scan` it draws what the radar sees of it, without it the truth.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use raincell_simulator::{DEMO_PLACES, Radar, Weather};

const SIZE: usize = 720;
const KM_PER_PIXEL: f64 = 480.0 / SIZE as f64;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, seed, minutes, file, rest @ ..] = words.as_slice() else {
        return Err("usage: picture <seed> <minutes from start> <file.png> [scan [sweep]]".into());
    };
    let start: Timestamp = "2026-07-14T15:00:00Z".parse()?;
    let time = start + SignedDuration::from_mins(minutes.parse()?);
    let weather = Weather::demo(seed.parse()?, start);
    let sweep_number: usize = rest.get(1).map_or(Ok(0), |word| word.parse())?;
    let begun = Instant::now();
    let rate: Box<dyn Fn(f64, f64) -> f32> = if rest.is_empty() {
        let scene = weather.scene(time);
        Box::new(move |x, y| scene.rain(x, y).rate_mm_h)
    } else {
        let volume = Radar::demo().scan(&weather, time);
        println!("scan: {:.0} ms", begun.elapsed().as_secs_f64() * 1000.0);
        let sweep = volume.sweeps.get(sweep_number).cloned().ok_or("no such sweep")?;
        Box::new(move |x, y| {
            let (ray, gate) = ((x.atan2(y).to_degrees().rem_euclid(360.0)) as usize % 360, (x.hypot(y) * 2.0) as usize);
            let dbz = sweep.moments.first().and_then(|m| m.data.get((ray, gate))).and_then(|s| s.as_value());
            dbz.map_or(0.0, |dbz| (10.0_f32.powf(dbz / 10.0) / 200.0).powf(0.625))
        })
    };
    let place = weather.position_km(DEMO_PLACES[0].lat_deg, DEMO_PLACES[0].lon_deg).ok_or("no place")?;
    let mut pixels = Vec::with_capacity(SIZE * SIZE * 3);
    for row in 0..SIZE {
        for column in 0..SIZE {
            let x = (column as f64 + 0.5) * KM_PER_PIXEL - 240.0;
            let y = 240.0 - (row as f64 + 0.5) * KM_PER_PIXEL;
            let near_place = (x - place.0).hypot(y - place.1);
            let ring = (x.hypot(y) % 60.0) < KM_PER_PIXEL;
            pixels.extend(if (3.0..4.5).contains(&near_place) {
                [255, 0, 255]
            } else if x.hypot(y) > 240.0 {
                [30, 30, 34]
            } else {
                colour(rate(x, y)).unwrap_or(if ring { [90, 90, 96] } else { [60, 60, 66] })
            });
        }
    }
    println!("all: {:.0} ms", begun.elapsed().as_secs_f64() * 1000.0);
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(file)?), SIZE as u32, SIZE as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(())
}

fn colour(rate_mm_h: f32) -> Option<[u8; 3]> {
    const SCALE: [(f32, [u8; 3]); 11] = [
        (80.0, [255, 255, 255]),
        (50.0, [200, 80, 220]),
        (30.0, [170, 0, 60]),
        (20.0, [230, 20, 20]),
        (10.0, [255, 130, 0]),
        (5.0, [250, 220, 0]),
        (2.5, [60, 190, 60]),
        (1.0, [0, 130, 200]),
        (0.5, [60, 170, 230]),
        (0.2, [130, 200, 240]),
        (0.1, [170, 210, 235]),
    ];
    SCALE.iter().find(|(least, _)| rate_mm_h >= *least).map(|(_, colour)| *colour)
}
