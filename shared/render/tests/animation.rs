//! The animation as whoever opens it sees it: decoded again, frame by frame.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use ndarray::Array2;
use raincell_model::{Grid, RainField};
use raincell_render::{
    AnimationRequest, Marker, PictureArea, RenderError, animate, animate_mp4, still_png, whole_domain,
};

const BERN: PictureArea = PictureArea { lat_deg: 46.95, lon_deg: 7.45, radius_km: 100.0 };
const YELLOW: [u8; 3] = [0xff, 0xee, 0x00];

fn time(minutes: i64) -> Timestamp {
    "2021-07-29T12:00:00Z".parse::<Timestamp>().unwrap() + minutes.minutes()
}

/// A square of 3 mm/h that moves east by 4 km in 5 minutes, on a grid around Bern with an unobserved western rim.
fn field(minutes: i64) -> RainField {
    let grid = Grid::around_radar(BERN.lat_deg, BERN.lon_deg, 120.0, 1.0);
    let west = 60 + minutes * 4 / 5;
    let rate_mm_h = Array2::from_shape_fn(grid.shape(), |(row, column)| match column as i64 - west {
        _ if column < 30 => f32::NAN,
        0..40 if (90..150).contains(&row) => 3.0,
        _ => 0.0,
    });
    RainField { grid: Arc::new(grid), valid_time: time(minutes), rate_mm_h }
}

fn hours() -> (Vec<RainField>, Vec<RainField>) {
    ((0..13).map(|i| field(i * 5)).collect(), (13..25).map(|i| field(i * 5)).collect())
}

type Shown = (Vec<[u8; 3]>, u16);

/// Every frame as it stands on the screen (width, height, RGB), and how long it stays in 1/100 s.
fn play(bytes: &[u8]) -> (usize, usize, Vec<Shown>) {
    let mut decoder = gif::DecodeOptions::new().read_info(bytes).unwrap();
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let palette: Vec<[u8; 3]> = decoder.global_palette().unwrap().chunks(3).map(|c| [c[0], c[1], c[2]]).collect();
    let mut screen = vec![[0; 3]; width * height];
    let mut frames = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        for (i, &number) in frame.buffer.iter().enumerate() {
            let (x, y) = (i % usize::from(frame.width), i / usize::from(frame.width));
            if frame.transparent != Some(number) {
                let at = (usize::from(frame.top) + y) * width + usize::from(frame.left) + x;
                screen[at] = palette[usize::from(number)];
            }
        }
        frames.push((screen.clone(), frame.delay));
    }
    (width, height, frames)
}

fn wet_pixels(frame: &[[u8; 3]], width: usize) -> (usize, f64) {
    // Below the header, above the legend.
    let wet: Vec<usize> =
        (0..frame.len()).filter(|&i| frame[i] == YELLOW && (80 * width..600 * width).contains(&i)).collect();
    (wet.len(), wet.iter().map(|i| (i % width) as f64).sum::<f64>() / wet.len().max(1) as f64)
}

#[test]
fn the_gif_plays_back_as_it_was_painted_and_the_rain_moves() {
    let (past, forecast) = hours();
    let marker = Some(Marker { lat_deg: BERN.lat_deg, lon_deg: BERN.lon_deg, label: "Bern".into() });
    let request = AnimationRequest {
        title: "Rain around Bern",
        time_zone: "Europe/Zurich",
        credit: "Radar: a test",
        marker,
        ..AnimationRequest::new(&past, &forecast, BERN)
    };
    let gif = animate(&request).unwrap();
    assert!(gif.len() < 3_000_000, "{} bytes", gif.len());
    let (width, height, frames) = play(&gif);
    assert_eq!((width, height, frames.len()), (720, 720, 25));
    assert!(frames[12].1 > frames[3].1 && frames[24].1 > frames[12].1, "now and the end stay longer");

    let (first, first_x) = wet_pixels(&frames[0].0, width);
    let (last, last_x) = wet_pixels(&frames[24].0, width);
    // 40 km x 60 km at 0.36 km a pixel is some 18,000 pixels, less what is written over them.
    assert!((14_000..20_000).contains(&first) && (14_000..20_000).contains(&last), "{first} {last}");
    // 96 km at 0.3636 km a pixel.
    assert!((last_x - first_x - 264.0).abs() < 6.0, "{first_x} {last_x}");

    // The forecast is framed in a colour that no observed frame has there.
    let rim = 300 * width + 1;
    assert!(frames[13..].iter().all(|f| f.0[rim] == [0xff, 0x9f, 0x1c]));
    assert!(frames[..13].iter().all(|f| f.0[rim] != [0xff, 0x9f, 0x1c]));
}

#[test]
fn a_still_is_the_frame_of_the_gif_at_its_time() {
    let (past, forecast) = hours();
    let request = AnimationRequest::new(&past, &forecast, BERN);
    let png = still_png(&request, time(61)).unwrap();
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (720, 720));
    let channels = info.line_size / 720;
    let still: Vec<[u8; 3]> = pixels.chunks(channels).map(|c| [c[0], c[1], c[2]]).collect();
    let (_, _, frames) = play(&animate(&request).unwrap());
    let off = still.iter().zip(&frames[12].0).filter(|(a, b)| (0..3).any(|i| a[i].abs_diff(b[i]) > 24)).count();
    assert!(off < 520, "{off} pixels differ");
}

/// What FFmpeg finds in a video, and its pictures (RGB); `None` where there is no FFmpeg.
fn decoded_by_ffmpeg(mp4: &[u8]) -> Option<(serde_json::Value, Vec<Vec<[u8; 3]>>)> {
    let python = std::env::var_os("RAINCELL_TEST_VIDEO")?;
    let folder = tempfile::tempdir().unwrap();
    let (file, pictures) = (folder.path().join("rain.mp4"), folder.path().join("rain.rgb"));
    std::fs::write(&file, mp4).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/decode_video.py");
    let output = std::process::Command::new(python).arg(script).arg(&file).arg(&pictures).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes = std::fs::read(&pictures).unwrap();
    let picture = (found["width"].as_u64().unwrap() * found["height"].as_u64().unwrap() * 3) as usize;
    let colors = |bytes: &[u8]| bytes.chunks(3).map(|c| [c[0], c[1], c[2]]).collect();
    Some((found, bytes.chunks(picture).map(colors).collect()))
}

#[test]
fn the_video_shows_what_the_gif_shows_for_as_long() {
    let (past, forecast) = hours();
    let request = AnimationRequest { title: "Rain around Bern", ..AnimationRequest::new(&past, &forecast, BERN) };
    let mp4 = animate_mp4(&request).unwrap();
    let (width, _, gif) = play(&animate(&request).unwrap());
    assert!(mp4.len() < 1_500_000, "{} bytes", mp4.len());
    let Some((found, video)) = decoded_by_ffmpeg(&mp4) else {
        println!("skipped: no FFmpeg");
        return;
    };
    println!("{} bytes: {found}", mp4.len());
    assert_eq!((found["codec"].as_str(), found["pixels"].as_str()), (Some("h264"), Some("yuv420p")));
    assert_eq!(found["colour"], serde_json::json!([1, 1, 1, 1]), "BT.709, video range");
    assert_eq!((video.len(), found["streams"].as_u64()), (gif.len(), Some(1)));
    let mut time_cs = 0.0;
    for (at, (shown, delay_cs)) in gif.iter().enumerate() {
        assert!((found["times"][at].as_f64().unwrap() * 100.0 - time_cs).abs() < 0.6, "frame {at}: {found}");
        time_cs += f64::from(*delay_cs);
        let off = |a: &[u8; 3], b: &[u8; 3]| (0..3).map(|i| f64::from(a[i].abs_diff(b[i]))).sum::<f64>() / 3.0;
        let mean = shown.iter().zip(&video[at]).map(|(a, b)| off(a, b)).sum::<f64>() / shown.len() as f64;
        let far = shown.iter().zip(&video[at]).filter(|(a, b)| off(a, b) > 60.0).count();
        // The GIF has 255 colours, the video half the resolution of colour: edges differ, areas do not.
        assert!(
            mean < 3.0 && far * 100 < shown.len(),
            "frame {at}: off by {mean:.2} in the mean, {far} pixels far off"
        );
        let inside = |frame: &[[u8; 3]]| frame[300 * width + 2];
        assert!(off(&inside(&video[at]), &inside(shown)) < 8.0, "the rim of forecast frames, frame {at}");
    }
    assert!((found["seconds"].as_f64().unwrap() * 100.0 - time_cs).abs() < 1.0, "{found}");
}

#[test]
fn videos_have_any_size() {
    let (past, forecast) = ([field(0), field(5)], [field(10)]);
    for (width, height) in [(16, 16), (333, 251), (640, 360), (1080, 1080)] {
        let request = AnimationRequest { width, height, ..AnimationRequest::new(&past, &forecast, BERN) };
        let mp4 = animate_mp4(&request).unwrap();
        let Some((found, video)) = decoded_by_ffmpeg(&mp4) else { continue };
        assert_eq!(
            (found["width"].as_u64(), found["height"].as_u64()),
            (Some(u64::from(width) & !1), Some(u64::from(height) & !1))
        );
        assert_eq!(video.len(), 3);
    }
}

#[test]
fn forecast_frames_have_a_line_where_rain_becomes_more_likely_than_not() {
    const LINE: [u8; 3] = [0x5e, 0x1a, 0x8c];
    let (past, forecast) = hours();
    // The northern half is likely; the western rim is unknown.
    let likely = |field: &RainField| RainField {
        rate_mm_h: Array2::from_shape_fn(field.rate_mm_h.dim(), |(row, column)| match column {
            ..30 => f32::NAN,
            _ if row < 120 => 0.9,
            _ => 0.1,
        }),
        ..field.clone()
    };
    let probability: Vec<RainField> = past.iter().chain(&forecast).map(likely).collect();
    let request = AnimationRequest { probability: &probability, ..AnimationRequest::new(&past, &forecast, BERN) };
    let (width, _, frames) = play(&animate(&request).unwrap());
    let drawn =
        |frame: usize| -> Vec<usize> { (80 * width..615 * width).filter(|&i| frames[frame].0[i] == LINE).collect() };
    assert!((0..13).all(|frame| drawn(frame).is_empty()), "what was observed has no line");
    for frame in 13..25 {
        let line = drawn(frame);
        // Two pixels wide, from the unknown rim to the eastern edge, less what is written over it.
        assert!((900..1400).contains(&line.len()), "{frame}: {}", line.len());
        let (top, bottom) = (line[0] / width, line[line.len() - 1] / width);
        assert!(bottom - top < 12 && (330..365).contains(&top), "{frame}: {top} {bottom}");
    }
}

#[test]
fn what_was_not_observed_looks_different_from_what_is_dry() {
    let past = [field(0)];
    let (width, _, frames) = play(&animate(&AnimationRequest::new(&past, &[], BERN)).unwrap());
    let middle = |x: usize| frames[0].0[500 * width + x];
    assert_eq!(middle(600), [0xf3, 0xf0, 0xe8]);
    assert_ne!(middle(8), middle(600));
}

#[test]
fn odd_requests_get_a_picture_or_a_named_error_but_never_a_panic() {
    let (past, forecast) = hours();
    let unknown = RainField { rate_mm_h: Array2::from_elem((240, 240), f32::NAN), ..field(0) };
    let endless = RainField { rate_mm_h: Array2::from_elem((240, 240), f32::INFINITY), ..field(0) };
    for frames in [[unknown], [endless]] {
        assert_eq!(play(&animate(&AnimationRequest::new(&frames, &[], BERN)).unwrap()).2.len(), 1);
        assert_eq!(play(&animate(&AnimationRequest::new(&[], &frames, BERN)).unwrap()).2.len(), 1);
    }
    for (width, height) in [(16, 16), (17, 400), (240, 240), (241, 1000), (1000, 260)] {
        let request = AnimationRequest { width, height, ..AnimationRequest::new(&past[..2], &forecast[..2], BERN) };
        let (w, h, frames) = play(&animate(&request).unwrap());
        assert_eq!((w as u32, h as u32, frames.len()), (width, height, 4));
    }
    let twice = [field(0), field(0)];
    assert_eq!(play(&animate(&AnimationRequest::new(&twice, &[], BERN)).unwrap()).2.len(), 2);
    for area in [
        PictureArea { lat_deg: 84.0, lon_deg: 179.9, radius_km: 20_000.0 },
        PictureArea { lat_deg: -84.0, lon_deg: -180.0, radius_km: 1.0 },
        PictureArea { lat_deg: 0.0, lon_deg: 180.0, radius_km: 900.0 },
    ] {
        animate(&AnimationRequest::new(&past[..1], &[], area)).unwrap();
    }

    let request = AnimationRequest::new(&past, &forecast, BERN);
    assert!(matches!(animate(&AnimationRequest::new(&[], &[], BERN)), Err(RenderError::NoFrames)));
    let nowhere = AnimationRequest { lat_deg: f64::NAN, ..request.clone() };
    assert!(matches!(animate(&nowhere), Err(RenderError::Place { .. })));
    let huge = AnimationRequest { width: 100_000, ..request.clone() };
    assert!(matches!(animate(&huge), Err(RenderError::Size { .. })));
    let zone = AnimationRequest { time_zone: "Middle/Earth", ..request.clone() };
    assert!(animate(&zone).unwrap_err().to_string().contains("Middle/Earth"));
    let wrong = [RainField { rate_mm_h: Array2::zeros((2, 2)), ..field(0) }];
    assert!(matches!(animate(&AnimationRequest::new(&wrong, &[], BERN)), Err(RenderError::FieldShape { .. })));
}

#[test]
fn the_whole_domain_fits_into_its_area() {
    let grid = Grid::around_radar(50.0, 5.0, 240.0, 1.0);
    let area = whole_domain(&grid).unwrap();
    assert!((area.lat_deg - 50.0).abs() < 0.2 && (area.lon_deg - 5.0).abs() < 0.1, "{area:?}");
    assert!((240.0..330.0).contains(&area.radius_km), "{area:?}");
}

/// Frames (RGB) and times (ms) as Pillow sees them: the frames on standard output, the times on standard error.
const PILLOW: &str = "
import io, sys
from PIL import Image, ImageSequence
for frame in ImageSequence.Iterator(Image.open(io.BytesIO(sys.stdin.buffer.read()))):
    sys.stdout.buffer.write(frame.convert('RGB').tobytes())
    print(frame.info['duration'], file=sys.stderr)
";

#[test]
fn another_decoder_sees_the_same_frames() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let Ok(python) = std::env::var("RAINCELL_TEST_PYTHON") else {
        println!("skipped: no Python (RAINCELL_TEST_PYTHON)");
        return;
    };
    let (past, forecast) = hours();
    let bytes = animate(&AnimationRequest::new(&past, &forecast, BERN)).unwrap();
    let (width, height, shown) = play(&bytes);
    let mut child = Command::new(python)
        .args(["-c", PILLOW])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let times: Vec<u16> = String::from_utf8(output.stderr).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(times, shown.iter().map(|(_, delay_cs)| delay_cs * 10).collect::<Vec<_>>());
    let frames: Vec<_> = output.stdout.chunks(width * height * 3).collect();
    assert_eq!(frames.len(), shown.len());
    for (index, (theirs, (ours, _))) in frames.iter().zip(&shown).enumerate() {
        assert!(*theirs == ours.as_flattened(), "frame {index}");
    }
}
