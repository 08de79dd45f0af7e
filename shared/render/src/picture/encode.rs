//! Animated GIF: each frame holds only what changed since the one before.

use gif::{DisposalMethod, Encoder, Frame, Repeat};
use rayon::prelude::*;

use super::palette::SEE_THROUGH;
use crate::error::RenderError;

/// One full picture of an animation.
pub(super) struct Still {
    /// Colour numbers, row by row.
    pub pixels: Vec<u8>,
    /// How long it stays, in hundredths of a second.
    pub delay_cs: u16,
}

/// A GIF that runs for ever; `palette` is 256 times red, green, blue.
pub(super) fn encode(stills: &[Still], width: u16, height: u16, palette: &[u8]) -> Result<Vec<u8>, RenderError> {
    let frames: Vec<Frame<'static>> = stills
        .par_iter()
        .enumerate()
        .map(|(i, still)| {
            let before = (i > 0).then(|| stills[i - 1].pixels.as_slice());
            let mut frame = difference(before, still, width, height);
            // Compresses here, frames side by side.
            frame.make_lzw_pre_encoded();
            frame
        })
        .collect();
    let mut out = Vec::with_capacity(frames.iter().map(|f| f.buffer.len() + 32).sum::<usize>() + 1024);
    let mut encoder = Encoder::new(&mut out, width, height, palette)?;
    encoder.set_repeat(Repeat::Infinite)?;
    for frame in &frames {
        encoder.write_lzw_pre_encoded_frame(frame)?;
    }
    drop(encoder);
    Ok(out)
}

/// The smallest rectangle with everything that differs from the frame before.
fn difference(before: Option<&[u8]>, still: &Still, width: u16, height: u16) -> Frame<'static> {
    let (w, h) = (usize::from(width), usize::from(height));
    let frame = Frame { delay: still.delay_cs, dispose: DisposalMethod::Keep, ..Frame::default() };
    let Some(before) = before else {
        return Frame { width, height, buffer: still.pixels.clone().into(), ..frame };
    };
    let row = |y: usize| (&before[y * w..(y + 1) * w], &still.pixels[y * w..(y + 1) * w]);
    let differs = |&y: &usize| {
        let (old, new) = row(y);
        old != new
    };
    // Nothing changed: one see-through pixel, so that the frame still takes its time.
    let (top, bottom) = ((0..h).find(differs).unwrap_or(0), (0..h).rev().find(differs).unwrap_or(0));
    let (mut left, mut right) = (w - 1, 0);
    for y in top..=bottom {
        let (old, new) = row(y);
        left = left.min(old.iter().zip(new).position(|(a, b)| a != b).unwrap_or(left));
        right = right.max(old.iter().zip(new).rposition(|(a, b)| a != b).unwrap_or(right));
    }
    let right = right.max(left);
    let mut buffer = Vec::with_capacity((right - left + 1) * (bottom - top + 1));
    let mut last = SEE_THROUGH;
    for y in top..=bottom {
        let (old, new) = row(y);
        for (&old, &new) in old[left..=right].iter().zip(&new[left..=right]) {
            // An unchanged pixel may be written either way; going on with what is there makes longer runs.
            last = if old == new && last != new { SEE_THROUGH } else { new };
            buffer.push(last);
        }
    }
    Frame {
        left: left as u16,
        top: top as u16,
        width: (right - left + 1) as u16,
        height: (bottom - top + 1) as u16,
        transparent: Some(SEE_THROUGH),
        buffer: buffer.into(),
        ..frame
    }
}
