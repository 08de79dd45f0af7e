//! The line around where rain is more likely than not.

use raincell_model::RainField;

use super::Layout;
use crate::colors::NODATA_CODE;
use crate::probability::{as_rain, code_of};
use crate::sampling::CellMap;
use crate::tiles::codes_of;

/// The probability that the line follows.
const LIKELY: f32 = 0.5;
/// Probabilities farther than this from the line's are drawn as this far: they move it by less than a pixel, and where
/// many cells are alike the line is found sooner.
const NEAR: f32 = 0.2;
/// Width of the line in pixels, at scale 1.
const WIDTH: f32 = 2.0;

/// The pixels of the map part of a frame through which the line of a field of probabilities runs, row by row. It runs
/// where both sides are known, so that the edge of what the nowcast knows does not look like the edge of the rain.
pub(super) fn line(layout: &Layout, probability: &RainField, cells: &CellMap) -> Vec<bool> {
    let mut near = probability.clone();
    near.rate_mm_h.mapv_inplace(|p| if p.is_nan() { p } else { p.clamp(LIKELY - NEAR, LIKELY + NEAR) });
    let codes = codes_of(&as_rain(&near), cells, &layout.window, true);
    let (width, height) = (layout.window.width, layout.window.height);
    let likely = code_of(LIKELY);
    let differ = |a: u8, b: u8| a != NODATA_CODE && b != NODATA_CODE && (a >= likely) != (b >= likely);
    let thick = (WIDTH * layout.scale).round().max(1.0) as usize;
    let (before, after) = ((thick - 1) / 2, thick / 2);
    let mut line = vec![false; codes.len()];
    for y in 0..height {
        let (row, below) = (&codes[y * width..(y + 1) * width], codes.get((y + 1) * width..(y + 2) * width));
        for x in 0..width {
            let beside = row.get(x + 1).is_some_and(|&code| differ(row[x], code));
            if beside || below.is_some_and(|below| differ(row[x], below[x])) {
                for y in y.saturating_sub(before)..=(y + after).min(height - 1) {
                    line[y * width + x.saturating_sub(before)..=y * width + (x + after).min(width - 1)].fill(true);
                }
            }
        }
    }
    line
}
