//! The cells of up to 16 blocks as few bytes, in four lanes that a processor can decode side by side.

use crate::blocks::{BLOCK_CELLS, SIDE};
use crate::predict::{Above, NOTHING_ABOVE, Predictor};
use crate::quantise::DRY;
use crate::rans::{Decoder, Encoder, Event, Lane, Row};

/// Lanes of a group; block `n` of a group goes into lane `n mod 4`.
pub(crate) const LANES: usize = 4;

/// One block of ranks.
pub(crate) type Ranks = [u8; BLOCK_CELLS];

/// Appends the bytes of a group of blocks, given as the events of all their cells. The rows are room to work in.
pub(crate) fn encode_group(events: &[Event], encoder: &Encoder, rows: &mut [Row; LANES], bytes: &mut Vec<u8>) {
    let (whole, rest) = events.as_chunks::<BLOCK_CELLS>().0.as_chunks::<LANES>();
    // From the last cell to the first; blocks that have no neighbours in all lanes are the last ones of theirs.
    for (block, row) in rest.iter().zip(rows.iter_mut()) {
        for event in block.iter().rev() {
            encoder.push(row, *event);
        }
    }
    for side_by_side in whole.iter().rev() {
        for cell in (0..BLOCK_CELLS).rev() {
            for (block, row) in side_by_side.iter().zip(rows.iter_mut()) {
                encoder.push(row, block[cell]);
            }
        }
    }
    // A lane without a block has no words at all.
    let used = (events.len() / BLOCK_CELLS).min(LANES);
    for (lane, row) in rows[..LANES - 1].iter().enumerate() {
        let words = if lane < used { row.len() } else { 0 };
        bytes.extend((words as u16).to_le_bytes());
    }
    for row in &mut rows[..used] {
        row.finish(bytes);
    }
}

/// The ranks of `count` blocks; `None` when the bytes are not those of such a group.
pub(crate) fn decode_group(
    bytes: &[u8],
    count: usize,
    predictor: &Predictor,
    decoder: &Decoder,
    blocks: &mut [Ranks],
) -> Option<()> {
    let parts = lanes_of(bytes)?;
    let mut lanes = parts.map(Lane::new);
    let (whole, rest) = blocks[..count].as_chunks_mut::<LANES>();
    for four in whole {
        decode_blocks(four, &mut lanes, predictor, decoder);
    }
    for (block, lane) in rest.iter_mut().zip(&mut lanes) {
        decode_blocks(std::array::from_mut(block), std::array::from_mut(lane), predictor, decoder);
    }
    let used = LANES.min(count);
    (lanes[..used].iter().all(Lane::is_complete) && parts[used..].iter().all(|part| part.is_empty())).then_some(())
}

/// The ranks of one of the `count` blocks, of whose lane only what comes before it is decoded; `None` where that is more
/// than the lane has. Whether the rest is what it should be is not looked at.
pub(crate) fn decode_block(
    bytes: &[u8],
    count: usize,
    which: usize,
    predictor: &Predictor,
    decoder: &Decoder,
) -> Option<Ranks> {
    let mut lane = Lane::new(lanes_of(bytes).filter(|_| which < count)?[which % LANES]);
    let mut block = [[DRY; BLOCK_CELLS]];
    for _ in 0..=which / LANES {
        decode_blocks(&mut block, std::array::from_mut(&mut lane), predictor, decoder);
    }
    lane.is_within().then_some(block[0])
}

/// The words of each lane.
fn lanes_of(bytes: &[u8]) -> Option<[&[u8]; LANES]> {
    let (lengths, mut words) = bytes.split_at_checked(2 * (LANES - 1))?;
    let mut parts: [&[u8]; LANES] = [&[]; LANES];
    for (part, length) in parts.iter_mut().zip(lengths.chunks_exact(2)) {
        (*part, words) = words.split_at_checked(usize::from(u16::from_le_bytes([length[0], length[1]])) * 2)?;
    }
    parts[LANES - 1] = words;
    Some(parts)
}

/// Several blocks cell by cell, so that the processor works on one lane while it waits for another.
fn decode_blocks<const N: usize>(
    blocks: &mut [Ranks; N],
    lanes: &mut [Lane<'_>; N],
    predictor: &Predictor,
    decoder: &Decoder,
) {
    let (mut lines, mut aboves) = ([[DRY; SIDE]; N], [NOTHING_ABOVE; N]);
    decode_row(&mut lines, &aboves, [DRY; N], lanes, predictor, decoder);
    keep(blocks, 0, &lines);
    for row in 1..SIDE {
        for (line, above) in lines.iter().zip(&mut aboves) {
            predictor.look_above(line, above);
        }
        let firsts = lines.map(|line| line[0]);
        decode_row(&mut lines, &aboves, firsts, lanes, predictor, decoder);
        keep(blocks, row, &lines);
    }
}

/// The next row of each block; `lefts` stand in for what is to the left of it.
#[inline]
#[allow(clippy::needless_range_loop, reason = "the same place in many arrays")]
fn decode_row<const N: usize>(
    lines: &mut [[u8; SIDE]; N],
    aboves: &[Above; N],
    mut lefts: [u8; N],
    lanes: &mut [Lane<'_>; N],
    predictor: &Predictor,
    decoder: &Decoder,
) {
    for column in 0..SIDE {
        for lane in 0..N {
            // A lane that is alone has nothing to do while it waits, and gains by the guess that all around is dry.
            let is_dry = N == 1 && (lefts[lane] | aboves[lane].contexts[0][column]) == DRY;
            let (context, predicted) =
                if is_dry { (0, 1) } else { predictor.beside(&aboves[lane], lefts[lane], column) };
            lefts[lane] = predictor.rank_of(decoder.next(&mut lanes[lane], context), predicted);
            lines[lane][column] = lefts[lane];
        }
    }
}

fn keep<const N: usize>(blocks: &mut [Ranks; N], row: usize, lines: &[[u8; SIDE]; N]) {
    for (block, line) in blocks.iter_mut().zip(lines) {
        block[row * SIDE..(row + 1) * SIDE].copy_from_slice(line);
    }
}
