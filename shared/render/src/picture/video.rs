//! MP4: the animation as H.264, for targets that play no GIF.
//!
//! Constrained Baseline at a constant quantiser, one key frame at the beginning: what every player decodes. The frames
//! keep the times that they have in the GIF. Sharp edges and text make it about as large as the GIF, and 4:2:0 colour a
//! little softer, so that it is no gain where a GIF plays, too.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;
use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{Encoder, EncoderConfig};

use super::mp4::{Track, write_mp4};
use super::theme::Rgb;
use crate::error::RenderError;

/// Quantiser: text of 11 pixels is still sharp.
const QUANTISER: u8 = 24;

/// One full picture of an animation.
pub(super) struct Shot {
    /// Colours, row by row.
    pub pixels: Vec<Rgb>,
    /// How long it stays, in hundredths of a second.
    pub delay_cs: u16,
}

/// An MP4 of shots of `width` × `height` pixels, both even.
pub(super) fn encode(shots: &[Shot], width: usize, height: usize) -> Result<Vec<u8>, RenderError> {
    let frames: Vec<YuvFrame> = shots.par_iter().map(|shot| planes(&shot.pixels, width, height)).collect();
    // The encoder is young: should it ever panic, the post still gets another picture.
    let coded = catch_unwind(AssertUnwindSafe(|| access_units(&frames, width, height)));
    let samples = coded.unwrap_or_else(|_| Err(RenderError::Video { reason: "the encoder panicked".into() }))?;
    let delays_cs: Vec<u32> = shots.iter().map(|shot| u32::from(shot.delay_cs)).collect();
    let track = Track { samples: &samples, delays_cs: &delays_cs, width: width as u16, height: height as u16 };
    write_mp4(&track)
}

/// The coded pictures, each as NAL units with start codes (H.264, annex B), the first one with its parameter sets.
fn access_units(frames: &[YuvFrame], width: usize, height: usize) -> Result<Vec<Vec<u8>>, RenderError> {
    let failed = |reason: String| RenderError::Video { reason };
    let mut config = EncoderConfig::baseline(width, height);
    config.qp = QUANTISER;
    config.gop_size = frames.len().max(1) as u32;
    config.min_keyint = config.gop_size;
    config.level_idc = level(width, height);
    let mut encoder = Encoder::new(config).map_err(|error| failed(error.to_string()))?;
    let samples = frames.iter().map(|frame| encoder.try_encode(frame).map_err(|error| failed(error.to_string())));
    samples.collect()
}

/// The level whose largest picture holds this one (H.264, table A-1).
fn level(width: usize, height: usize) -> u8 {
    match width.div_ceil(16) * height.div_ceil(16) {
        ..=1620 => 30,
        1621..=3600 => 31,
        3601..=8192 => 40,
        8193..=22_080 => 50,
        _ => 51,
    }
}

/// Luma and, of every 2 × 2 pixels, the two colour differences, by BT.709 in the range of video (16 to 235, 240).
fn planes(pixels: &[Rgb], width: usize, height: usize) -> YuvFrame {
    let mut frame = YuvFrame::black(width, height);
    for (luma, color) in frame.y.iter_mut().zip(pixels) {
        *luma = (16.5 + LUMA.of(color.map(f32::from))) as u8;
    }
    for row in 0..height / 2 {
        for column in 0..width / 2 {
            let corner = 2 * row * width + 2 * column;
            let four = [corner, corner + 1, corner + width, corner + width + 1].map(|at| pixels[at]);
            let mean = std::array::from_fn(|i| four.iter().map(|color| f32::from(color[i])).sum::<f32>() / 4.0);
            let at = row * (width / 2) + column;
            frame.u[at] = (128.5 + BLUE.of(mean)) as u8;
            frame.v[at] = (128.5 + RED.of(mean)) as u8;
        }
    }
    frame
}

/// Shares of red, green and blue.
struct Mix([f32; 3]);

/// Kr = 0.2126, Kb = 0.0722 (ITU-R BT.709), scaled from 0–255 to 219 and 224 steps.
const LUMA: Mix = Mix([0.2126 * 219.0 / 255.0, 0.7152 * 219.0 / 255.0, 0.0722 * 219.0 / 255.0]);
const BLUE: Mix =
    Mix([-0.2126 / 1.8556 * 224.0 / 255.0, -0.7152 / 1.8556 * 224.0 / 255.0, 0.9278 / 1.8556 * 224.0 / 255.0]);
const RED: Mix =
    Mix([0.7874 / 1.5748 * 224.0 / 255.0, -0.7152 / 1.5748 * 224.0 / 255.0, -0.0722 / 1.5748 * 224.0 / 255.0]);

impl Mix {
    fn of(&self, color: [f32; 3]) -> f32 {
        self.0.iter().zip(color).map(|(share, value)| share * value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_bt_709() {
        // White, black, and 100 % bars as ITU-R BT.709 has them.
        let bars: [(Rgb, [u8; 3]); 5] = [
            ([255; 3], [235, 128, 128]),
            ([0; 3], [16, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 255, 0], [173, 42, 26]),
            ([0, 0, 255], [32, 240, 118]),
        ];
        for (color, expected) in bars {
            let frame = planes(&[color; 4], 2, 2);
            assert_eq!([frame.y[3], frame.u[0], frame.v[0]], expected, "{color:?}");
        }
    }
}
