//! Field to bytes.

use std::sync::Arc;

use ndarray::Array2;

use crate::blocks::{BLOCK_CELLS, BlockGrid, BlockState, GROUP_BLOCKS, SIDE, StateRuns};
use crate::group::{Ranks, encode_group};
use crate::header::{FrameHeader, SegmentInfo, VERSION};
use crate::palette::Palette;
use crate::predict::Predictor;
use crate::quantise::{DRY, NODATA, Quantiser};
use crate::rans::{Counts, Encoder, Event, Row};
use crate::weights::Weights;
use crate::{EncodeError, Frame, MAX_CELLS, MAX_SEGMENT_BYTES, Quantisation};

/// Encodes a frame, quantised as suits its product ([`Quantisation::of_product`]). Equal frames give equal bytes.
///
/// # Errors
/// [`EncodeError`] when the field does not have the shape of its grid, is empty or too large, or holds anything but
/// NaN and finite numbers ≥ 0.
pub fn encode(frame: &Frame) -> Result<Vec<u8>, EncodeError> {
    encode_quantised(frame, Quantisation::of_product(&frame.product))
}

/// Encodes a frame with a quantisation of one's own.
///
/// # Errors
/// As [`encode`], and when the bounds of the quantisation are not those of a scale.
pub fn encode_quantised(frame: &Frame, quantisation: Quantisation) -> Result<Vec<u8>, EncodeError> {
    let field = &frame.field;
    let (height, width) = field.grid.shape();
    if field.rate_mm_h.dim() != (height, width) {
        return Err(EncodeError::Shape { expected: (height, width), found: field.rate_mm_h.dim() });
    }
    if height == 0 || width == 0 || height.saturating_mul(width) > MAX_CELLS {
        return Err(EncodeError::GridSize { height, width, most: MAX_CELLS });
    }
    if !quantisation.is_sound() {
        return Err(EncodeError::Quantisation { found: quantisation });
    }
    let mut survey = survey(&field.rate_mm_h, quantisation)?;
    let palette = Palette::of(&survey.stored);
    palette.rank(&mut survey.stored);
    let weights = Weights::fitted(&survey.stored);
    let predictor = Predictor::new(palette.wet(), weights);
    let mut events = Vec::with_capacity(survey.stored.len() * BLOCK_CELLS);
    for block in &survey.stored {
        predictor.events(block, &mut events);
    }
    let frequencies = Counts::of(&events).frequencies();
    let body = Body::of(&events, &frequencies.encoder());
    let header = FrameHeader {
        version: VERSION,
        source: frame.source.clone(),
        product: frame.product.clone(),
        valid_time: field.valid_time,
        grid: Arc::clone(&field.grid),
        quantisation,
        observed_cells: survey.observed,
        wet_cells: survey.wet,
        max_value: survey.max,
        blocks: BlockGrid::of(height, width).len(),
        stored_blocks: survey.stored.len(),
        segments: body.segments,
        header_bytes: 0,
        states: survey.states,
        palette,
        weights,
        frequencies,
    };
    let mut bytes = header.write()?;
    bytes.extend(body.bytes);
    Ok(bytes)
}

/// What the first way through the field finds.
#[derive(Default)]
struct Survey {
    observed: usize,
    wet: usize,
    max: f32,
    states: StateRuns,
    /// The codes of the mixed blocks, in order.
    stored: Vec<Ranks>,
}

fn survey(values: &Array2<f32>, quantisation: Quantisation) -> Result<Survey, EncodeError> {
    let quantiser = Quantiser::new(quantisation);
    let (height, width) = values.dim();
    let values = values.as_standard_layout();
    let values = values.as_slice().unwrap_or_default();
    let mut survey = Survey::default();
    let mut codes = [0_u8; BLOCK_CELLS];
    for (block_row, block_column) in BlockGrid::of(height, width).in_order() {
        let (top, left) = (block_row * SIDE, block_column * SIDE);
        let (rows, columns) = (SIDE.min(height - top), SIDE.min(width - left));
        let block = Block { values, width, top, left, rows, columns };
        let state = block.quantise(&quantiser, &mut codes, &mut survey)?;
        survey.states.push(state);
        if state == BlockState::Mixed {
            survey.stored.push(codes);
        }
    }
    Ok(survey)
}

/// A block of the field, cut off at the edge of the grid.
struct Block<'a> {
    values: &'a [f32],
    width: usize,
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
}

impl Block<'_> {
    fn row(&self, row: usize) -> &[f32] {
        let begin = (self.top + row) * self.width + self.left;
        &self.values[begin..begin + self.columns]
    }

    /// Fills `codes` when the block is mixed; cells off the grid repeat their neighbour, which costs least.
    fn quantise(
        &self,
        quantiser: &Quantiser,
        codes: &mut [u8; BLOCK_CELLS],
        survey: &mut Survey,
    ) -> Result<BlockState, EncodeError> {
        let cells = self.rows * self.columns;
        let (mut zeros, mut missing) = ([0; SIDE], [0; SIDE]);
        for (row, (zeros, missing)) in zeros.iter_mut().zip(&mut missing).enumerate().take(self.rows) {
            (*zeros, *missing) = zeros_and_missing(self.row(row));
        }
        if zeros.iter().sum::<usize>() == cells {
            survey.observed += cells;
            return Ok(BlockState::Dry);
        }
        let all_missing: usize = missing.iter().sum();
        if all_missing == cells {
            return Ok(BlockState::NoData);
        }
        let mut dry = 0;
        for row in 0..self.rows {
            let line = &mut codes[row * SIDE..(row + 1) * SIDE];
            if zeros[row] == self.columns || missing[row] == self.columns {
                line.fill(if missing[row] > 0 { NODATA } else { DRY });
                dry += zeros[row];
                continue;
            }
            let values = self.row(row);
            let is_wrong = |value: &f32| *value < 0.0 || *value == f32::INFINITY;
            // All of them are looked at, many at once; where it is only matters once there is one.
            if values.iter().fold(false, |wrong, value| wrong | is_wrong(value)) {
                let column = values.iter().position(is_wrong).unwrap_or(0);
                let (row, found) = (self.top + row, values[column]);
                return Err(EncodeError::Value { row, column: self.left + column, found });
            }
            for (&value, code) in values.iter().zip(line.iter_mut()) {
                *code = quantiser.code(value);
            }
            dry += line[..self.columns].iter().map(|code| u8::from(*code == DRY)).sum::<u8>() as usize;
            let last = line[self.columns - 1];
            line[self.columns..].fill(last);
            survey.max = values.iter().fold(survey.max, |max, v| if *v > max { *v } else { max });
        }
        codes.copy_within_rows(self.rows);
        survey.observed += cells - all_missing;
        survey.wet += cells - all_missing - dry;
        Ok(if dry == cells { BlockState::Dry } else { BlockState::Mixed })
    }
}

/// How many values of a row are 0, and how many are missing.
fn zeros_and_missing(row: &[f32]) -> (usize, usize) {
    let count = |values: &[f32]| {
        values.iter().fold((0_u32, 0_u32), |(zeros, missing), value| {
            (zeros + u32::from(*value == 0.0), missing + u32::from(value.is_nan()))
        })
    };
    // Rows of a known length are counted many values at once.
    let (zeros, missing) = <&[f32; SIDE]>::try_from(row).map_or_else(|_| count(row), |whole| count(whole));
    (zeros as usize, missing as usize)
}

trait RepeatLastRow {
    fn copy_within_rows(&mut self, rows: usize);
}

impl RepeatLastRow for [u8; BLOCK_CELLS] {
    /// Copies the last of `rows` rows into all below it.
    fn copy_within_rows(&mut self, rows: usize) {
        for row in rows..SIDE {
            self.copy_within((rows - 1) * SIDE..rows * SIDE, row * SIDE);
        }
    }
}

/// The segments as they grow.
#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    segments: Vec<SegmentInfo>,
}

/// A segment before it is closed.
#[derive(Default)]
struct OpenSegment {
    first_block: usize,
    blocks: usize,
    lengths: Vec<u32>,
    groups: Vec<u8>,
}

impl Body {
    fn of(events: &[Event], encoder: &Encoder) -> Self {
        let mut body = Self::default();
        let mut segment = OpenSegment::default();
        let mut packed = Vec::new();
        let mut rows = std::array::from_fn(|_| Row::new());
        for group in events.chunks(GROUP_BLOCKS * BLOCK_CELLS) {
            packed.clear();
            encode_group(group, encoder, &mut rows, &mut packed);
            if segment.groups.len() + packed.len() + 4 * (segment.lengths.len() + 1) > MAX_SEGMENT_BYTES {
                let first_block = segment.first_block + segment.blocks;
                body.close(std::mem::replace(&mut segment, OpenSegment { first_block, ..OpenSegment::default() }));
            }
            segment.lengths.push(packed.len() as u32);
            segment.groups.extend(&packed);
            segment.blocks += group.len() / BLOCK_CELLS;
        }
        body.close(segment);
        body
    }

    fn close(&mut self, segment: OpenSegment) {
        if segment.blocks == 0 {
            return;
        }
        let offset = self.bytes.len();
        self.bytes.extend(segment.lengths.iter().flat_map(|length| length.to_le_bytes()));
        self.bytes.extend(segment.groups);
        self.segments.push(SegmentInfo {
            first_block: segment.first_block,
            blocks: segment.blocks,
            offset,
            length: self.bytes.len() - offset,
            crc: crc32fast::hash(&self.bytes[offset..]),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_below_the_grid_repeat_the_last_one() {
        let mut codes = [0_u8; BLOCK_CELLS];
        codes[SIDE..2 * SIDE].fill(7);
        codes.copy_within_rows(2);
        assert!(codes[SIDE..].iter().all(|c| *c == 7) && codes[0] == 0);
    }
}
