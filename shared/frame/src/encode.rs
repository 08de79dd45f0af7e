//! Field to bytes.

use std::sync::Arc;

use fearless_simd::{Level, dispatch};
use ndarray::Array2;

use crate::blocks::{BLOCK_CELLS, BlockGrid, BlockState, GROUP_BLOCKS, SIDE, StateRuns};
use crate::group::{CodedBlock, Events, Group, encode_group};
use crate::header::{FrameHeader, SegmentInfo, VERSION};
use crate::palette::Palette;
use crate::quantise::{DRY, NODATA, Quantiser};
use crate::rans::{Counts, Event, Frequencies, Target};
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
    encode_at(Level::new(), frame, quantisation)
}

/// Encodes with the instructions of a level of processor. The bytes are the same on all of them.
pub(crate) fn encode_at(level: Level, frame: &Frame, quantisation: Quantisation) -> Result<Vec<u8>, EncodeError> {
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
    let survey = dispatch!(level, _ => survey(&field.rate_mm_h, quantisation))?;
    let palette = Palette::of(&survey.used);
    let coded = dispatch!(level, _ => Coded::of(&survey, &palette));
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
        stored_blocks: survey.order.len(),
        segments: coded.body.segments,
        header_bytes: 0,
        states: survey.states,
        palette,
        weights: coded.weights,
        frequencies: coded.frequencies,
    };
    let mut bytes = header.write()?;
    bytes.extend(coded.body.bytes);
    Ok(bytes)
}

/// What the first way through the field finds.
struct Survey {
    observed: usize,
    wet: usize,
    max: f32,
    states: StateRuns,
    /// The mixed blocks, row of blocks by row of blocks.
    blocks: Vec<CodedBlock>,
    /// Their order along the Morton curve.
    order: Vec<u32>,
    /// The codes that occur in them.
    used: [bool; 256],
}

/// Reads the field as it lies in memory, which is faster than block by block along the curve.
#[inline(always)]
fn survey(values: &Array2<f32>, quantisation: Quantisation) -> Result<Survey, EncodeError> {
    let quantiser = Quantiser::new(quantisation);
    let (height, width) = values.dim();
    let values = values.as_standard_layout();
    let values = values.as_slice().unwrap_or_default();
    let grid = BlockGrid::of(height, width);
    let mut band = Band { max: 0, used: [false; 256], blocks: vec![CodedBlock::new(); grid.columns] };
    let mut survey = Survey {
        observed: 0,
        wet: 0,
        max: 0.0,
        states: StateRuns::default(),
        blocks: Vec::new(),
        order: Vec::new(),
        used: [false; 256],
    };
    // Of each block its state, and its place among the mixed ones.
    let mut found = Vec::with_capacity(grid.len());
    for (band_row, rows) in values.chunks(SIDE * width).enumerate() {
        let count = rows.len() / width;
        for (row, line) in rows.chunks_exact(width).enumerate() {
            band.quantise(&quantiser, row, line).map_err(|column| {
                let row = band_row * SIDE + row;
                EncodeError::Value { row, column, found: line[column] }
            })?;
        }
        for (column, block) in band.blocks.iter_mut().enumerate() {
            let on_grid = u32::MAX >> (SIDE - SIDE.min(width - column * SIDE));
            let cells = count * on_grid.count_ones() as usize;
            block.repeat_below(count);
            let (wet, missing) = block.count(count, on_grid);
            survey.observed += cells - missing;
            survey.wet += wet;
            let state = match (wet, missing) {
                (0, 0) => BlockState::Dry,
                (0, missing) if missing == cells => BlockState::NoData,
                _ => BlockState::Mixed,
            };
            found.push((state, survey.blocks.len() as u32));
            if state == BlockState::Mixed {
                survey.blocks.push(block.clone());
            }
        }
    }
    for (row, column) in grid.in_order() {
        let (state, place) = found[row * grid.columns + column];
        survey.states.push(state);
        if state == BlockState::Mixed {
            survey.order.push(place);
        }
    }
    (survey.max, survey.used) = (f32::from_bits(band.max as u32), band.used);
    Ok(survey)
}

/// A row of blocks on its way from values to codes.
struct Band {
    /// The bits of the highest value of all bands.
    max: i32,
    /// The codes of wet cells of all bands.
    used: [bool; 256],
    blocks: Vec<CodedBlock>,
}

impl Band {
    /// Codes of a row of the field; the column of a value that cannot be.
    #[inline(always)]
    fn quantise(&mut self, quantiser: &Quantiser, row: usize, line: &[f32]) -> Result<(), usize> {
        let (whole, rest) = line.as_chunks::<STRETCH>();
        let mut blocks = self.blocks.chunks_mut(STRETCH / SIDE);
        for (stretch, (values, blocks)) in whole.iter().zip(&mut blocks).enumerate() {
            quantise(quantiser, row, values, blocks, &mut self.max, &mut self.used)
                .map_err(|at| stretch * STRETCH + at)?;
        }
        if let (Some(blocks), Some(last)) = (blocks.next(), rest.last()) {
            // Off the grid cells are not observed where the last one of the row is not, and dry where it is.
            let mut values = [if last.is_nan() { f32::NAN } else { 0.0 }; STRETCH];
            values[..rest.len()].copy_from_slice(rest);
            let begin = line.len() - rest.len();
            quantise(quantiser, row, &values, blocks, &mut self.max, &mut self.used).map_err(|at| begin + at)?;
        }
        Ok(())
    }
}

/// Cells of a row that are worked out together: enough for compilers to make vectors of.
const STRETCH: usize = 8 * SIDE;

/// Codes of a stretch of a row of blocks; the place of a value that cannot be.
#[inline(always)]
fn quantise(
    quantiser: &Quantiser,
    row: usize,
    values: &[f32; STRETCH],
    blocks: &mut [CodedBlock],
    max: &mut i32,
    used: &mut [bool; 256],
) -> Result<(), usize> {
    let row = row % SIDE;
    let mut any = 0;
    for value in values {
        any |= value.to_bits();
    }
    // Zero but for the sign.
    if any << 1 == 0 {
        for block in blocks {
            (block.wet[row], block.missing[row]) = (0, 0);
        }
        return Ok(());
    }
    let (mut wrong, mut highest) = (0, 0);
    for value in values {
        wrong |= u32::from(is_wrong(*value));
        // Numbers of at least 0 are in the order of their bits; −0 is below all as a signed number.
        highest = highest.max(if value.is_nan() { 0 } else { value.to_bits() as i32 });
    }
    if wrong != 0 {
        return Err(values.iter().position(|value| is_wrong(*value)).unwrap_or(0));
    }
    *max = highest.max(*max);
    let codes = quantiser.codes(values);
    let (mut wet, mut missing) = ([0_u8; STRETCH], [0_u8; STRETCH]);
    for (code, (wet, missing)) in codes.iter().zip(wet.iter_mut().zip(&mut missing)) {
        *missing = u8::from(*code == NODATA);
        *wet = u8::from(*code != DRY) & !*missing;
    }
    let (wet, missing) = (wet.as_chunks::<SIDE>().0, missing.as_chunks::<SIDE>().0);
    for ((block, codes), (wet, missing)) in
        blocks.iter_mut().zip(codes.as_chunks::<SIDE>().0).zip(wet.iter().zip(missing))
    {
        let wet = mask_of(wet);
        (block.wet[row], block.missing[row]) = (wet, mask_of(missing));
        if wet != 0 {
            block.codes[row * SIDE..(row + 1) * SIDE].copy_from_slice(codes);
            for code in codes {
                used[usize::from(*code)] = true;
            }
        }
    }
    Ok(())
}

/// A bit for each byte that is 1 and not 0.
#[inline(always)]
fn mask_of(row: &[u8; SIDE]) -> u32 {
    let mut mask = 0;
    for (eight, bytes) in row.as_chunks::<8>().0.iter().enumerate() {
        // The product gathers the lowest bits of all bytes in its highest byte.
        let bits = u64::from_le_bytes(*bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= (bits as u32) << (8 * eight);
    }
    mask
}

impl CodedBlock {
    fn new() -> Self {
        Self { codes: [0; BLOCK_CELLS], wet: [0; SIDE], missing: [0; SIDE] }
    }

    /// Below the grid cells are not observed where the last one of the column is not, and dry where it is.
    fn repeat_below(&mut self, rows: usize) {
        for row in rows.max(1)..SIDE {
            (self.wet[row], self.missing[row]) = (0, self.missing[row - 1]);
        }
    }

    /// Wet cells and those that were not observed, on the grid.
    #[inline(always)]
    fn count(&self, rows: usize, on_grid: u32) -> (usize, usize) {
        let (mut wet, mut missing) = (0, 0);
        for (wet_mask, missing_mask) in self.wet.iter().zip(&self.missing).take(rows) {
            wet += wet_mask.count_ones();
            missing += (missing_mask & on_grid).count_ones();
        }
        (wet as usize, missing as usize)
    }
}

/// Below zero, or infinite; by the bits, of which a processor compares many at once.
#[inline(always)]
fn is_wrong(value: f32) -> bool {
    let bits = value.to_bits();
    let (infinite, least_negative) = (f32::INFINITY.to_bits(), (-0.0_f32).to_bits() + 1);
    bits == infinite || bits.wrapping_sub(least_negative) <= f32::NEG_INFINITY.to_bits() - least_negative
}

/// What the mixed blocks come to.
struct Coded {
    weights: Weights,
    frequencies: Frequencies,
    body: Body,
}

impl Coded {
    #[inline(always)]
    fn of(survey: &Survey, palette: &Palette) -> Self {
        let ranks = palette.ranks();
        let mut groups = Vec::with_capacity(survey.order.len().div_ceil(GROUP_BLOCKS));
        for order in survey.order.chunks(GROUP_BLOCKS) {
            groups.push(Group::of(&survey.blocks, order, &ranks));
        }
        let weights = Weights::fitted(&groups);
        let (mut events, mut counts) = (Events::default(), Counts::new());
        for group in &groups {
            events.add(group, &weights, &mut counts);
        }
        let frequencies = counts.frequencies();
        let body = Body::of(&groups, &events, &frequencies);
        Self { weights, frequencies, body }
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
    #[inline(always)]
    fn of(groups: &[Group], events: &Events, frequencies: &Frequencies) -> Self {
        let mut body = Self::default();
        let mut segment = OpenSegment::default();
        let (encoder, mut target, mut packed) = (frequencies.encoder(), Target::new(), Vec::new());
        let mut all_rows = events.by_row();
        let mut rows: [&[Event]; SIDE] = [&[]; SIDE];
        for group in groups {
            for (row, next) in rows.iter_mut().zip(&mut all_rows) {
                *row = next;
            }
            packed.clear();
            encode_group(group, &rows, &encoder, &mut target, &mut packed);
            if segment.groups.len() + packed.len() + 4 * (segment.lengths.len() + 1) > MAX_SEGMENT_BYTES {
                let first_block = segment.first_block + segment.blocks;
                body.close(std::mem::replace(&mut segment, OpenSegment { first_block, ..OpenSegment::default() }));
            }
            segment.lengths.push(packed.len() as u32);
            segment.groups.extend(&packed);
            segment.blocks += group.count;
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
    use jiff::Timestamp;
    use raincell_model::{Grid, RainField};

    use super::*;
    use crate::decode::{decode_header, window_of};

    /// Patches of rain of all rates, dry gaps and cells without data; neither side a multiple of a block's.
    fn patches(height: usize, width: usize) -> Frame {
        let rate_mm_h = Array2::from_shape_fn((height, width), |(row, column)| {
            let noise = (row * width + column).wrapping_mul(2_654_435_761) >> 7 & 0xff;
            match (row / 17 + column / 23) % 7 {
                0 => 0.0,
                1 if column > width / 2 => f32::NAN,
                2 => noise as f32 * 1e-3,
                patch => (patch * patch) as f32 * (0.7 + noise as f32 / 500.0),
            }
        });
        let grid = Arc::new(Grid { height, width, ..Grid::around_radar(50.1, 5.2, 1.0, 1.0) });
        let field = RainField { grid, valid_time: Timestamp::UNIX_EPOCH, rate_mm_h };
        Frame { source: "KLOT".into(), product: "rate".into(), field }
    }

    #[test]
    fn all_levels_of_processor_give_the_same_bytes_and_the_same_field() {
        let frame = patches(331, 517);
        let plain = encode_at(Level::baseline(), &frame, Quantisation::RAIN_RATE).unwrap();
        let best = encode_at(Level::new(), &frame, Quantisation::RAIN_RATE).unwrap();
        assert!(plain == best);
        let header = decode_header(&plain).unwrap();
        let field = |level| window_of(level, &plain, &header, 0..331, 0..517).unwrap().mapv(f32::to_bits);
        assert!(field(Level::baseline()) == field(Level::new()));
    }
}
