//! Field to bytes.

use std::sync::Arc;

use ndarray::Array2;

use crate::blocks::{BLOCK_CELLS, BlockGrid, BlockState, GROUP_BLOCKS, SIDE, StateRuns};
use crate::group::GroupEncoder;
use crate::header::{FrameHeader, SegmentInfo, VERSION};
use crate::quantise::{DRY, Quantiser};
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
/// As [`encode`].
pub fn encode_quantised(frame: &Frame, quantisation: Quantisation) -> Result<Vec<u8>, EncodeError> {
    let field = &frame.field;
    let (height, width) = field.grid.shape();
    if field.rate_mm_h.dim() != (height, width) {
        return Err(EncodeError::Shape { expected: (height, width), found: field.rate_mm_h.dim() });
    }
    if height == 0 || width == 0 || height.saturating_mul(width) > MAX_CELLS {
        return Err(EncodeError::GridSize { height, width, most: MAX_CELLS });
    }
    let mut body = Body::default();
    let tally = encode_blocks(&field.rate_mm_h, quantisation, &mut body)?;
    body.finish();
    let header = FrameHeader {
        version: VERSION,
        source: frame.source.clone(),
        product: frame.product.clone(),
        valid_time: field.valid_time,
        grid: Arc::clone(&field.grid),
        quantisation,
        observed_cells: tally.observed,
        wet_cells: tally.wet,
        max_value: tally.max,
        blocks: BlockGrid::of(height, width).len(),
        stored_blocks: body.stored_blocks,
        segments: body.segments,
        header_bytes: 0,
        states: tally.states,
    };
    let mut bytes = header.write()?;
    bytes.extend(body.bytes);
    Ok(bytes)
}

/// What is counted on the way through the blocks.
#[derive(Default)]
struct Tally {
    observed: usize,
    wet: usize,
    max: f32,
    states: StateRuns,
}

fn encode_blocks(values: &Array2<f32>, quantisation: Quantisation, body: &mut Body) -> Result<Tally, EncodeError> {
    let quantiser = Quantiser::new(quantisation);
    let (height, width) = values.dim();
    let values = values.as_standard_layout();
    let values = values.as_slice().unwrap_or_default();
    let mut encoder = GroupEncoder::new();
    let mut tally = Tally::default();
    let mut codes = [0_u8; BLOCK_CELLS];
    for (block_row, block_column) in BlockGrid::of(height, width).in_order() {
        let (top, left) = (block_row * SIDE, block_column * SIDE);
        let (rows, columns) = (SIDE.min(height - top), SIDE.min(width - left));
        let block = Block { values, width, top, left, rows, columns };
        let state = block.quantise(&quantiser, &mut codes, &mut tally)?;
        tally.states.push(state);
        if state == BlockState::Mixed {
            body.push_block(&codes, &mut encoder);
        }
    }
    body.flush(&mut encoder);
    Ok(tally)
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
        tally: &mut Tally,
    ) -> Result<BlockState, EncodeError> {
        let cells = self.rows * self.columns;
        let zeros: usize = (0..self.rows).map(|r| self.row(r).iter().filter(|v| **v == 0.0).count()).sum();
        if zeros == cells {
            tally.observed += cells;
            return Ok(BlockState::Dry);
        }
        let missing: usize = (0..self.rows).map(|r| self.row(r).iter().filter(|v| v.is_nan()).count()).sum();
        if missing == cells {
            return Ok(BlockState::NoData);
        }
        let mut dry = 0;
        for row in 0..self.rows {
            let values = self.row(row);
            let line = &mut codes[row * SIDE..(row + 1) * SIDE];
            for (column, (&value, code)) in values.iter().zip(line.iter_mut()).enumerate() {
                if value < 0.0 || value == f32::INFINITY {
                    return Err(EncodeError::Value { row: self.top + row, column: self.left + column, found: value });
                }
                *code = quantiser.code(value);
                dry += usize::from(*code == DRY);
            }
            let last = line[self.columns - 1];
            line[self.columns..].fill(last);
            tally.max = values.iter().fold(tally.max, |max, v| max.max(*v));
        }
        codes.copy_within_rows(self.rows);
        tally.observed += cells - missing;
        tally.wet += cells - missing - dry;
        Ok(if dry == cells { BlockState::Dry } else { BlockState::Mixed })
    }
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
    stored_blocks: usize,
    group: Vec<u8>,
    segment: OpenSegment,
}

#[derive(Default)]
struct OpenSegment {
    lengths: Vec<u32>,
    data: Vec<u8>,
    blocks: usize,
}

impl Body {
    fn push_block(&mut self, codes: &[u8; BLOCK_CELLS], encoder: &mut GroupEncoder) {
        self.group.extend(codes);
        if self.group.len() == GROUP_BLOCKS * BLOCK_CELLS {
            self.flush(encoder);
        }
    }

    /// Compresses the blocks that wait.
    fn flush(&mut self, encoder: &mut GroupEncoder) {
        if self.group.is_empty() {
            return;
        }
        let mut packed = Vec::new();
        encoder.encode(&self.group, &mut packed);
        let grown = self.segment.data.len() + packed.len() + 4 * (self.segment.lengths.len() + 1);
        if grown > MAX_SEGMENT_BYTES {
            self.finish();
        }
        self.segment.lengths.push(packed.len() as u32);
        self.segment.data.extend(packed);
        self.segment.blocks += self.group.len() / BLOCK_CELLS;
        self.group.clear();
    }

    /// Closes the segment that is open.
    fn finish(&mut self) {
        let segment = std::mem::take(&mut self.segment);
        if segment.blocks == 0 {
            return;
        }
        let offset = self.bytes.len();
        self.bytes.extend(segment.lengths.iter().flat_map(|length| length.to_le_bytes()));
        self.bytes.extend(segment.data);
        self.segments.push(SegmentInfo {
            first_block: self.stored_blocks,
            blocks: segment.blocks,
            offset,
            length: self.bytes.len() - offset,
            crc: crc32fast::hash(&self.bytes[offset..]),
        });
        self.stored_blocks += segment.blocks;
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
