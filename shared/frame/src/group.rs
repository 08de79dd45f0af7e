//! The cells of up to 16 blocks as few bytes, in four lanes that a processor can decode side by side.

use crate::blocks::{BLOCK_CELLS, SIDE};
use crate::predict::Predictor;
use crate::rans::{Decoder, Encoder, Event, Lane};

/// Lanes of a group; block `n` of a group goes into lane `n mod 4`.
pub(crate) const LANES: usize = 4;

/// One block of ranks.
pub(crate) type Ranks = [u8; BLOCK_CELLS];

/// Appends the bytes of a group of blocks, given as the events of all their cells.
pub(crate) fn encode_group(events: &[Event], encoder: &Encoder, bytes: &mut Vec<u8>) {
    let mut lanes: [Vec<u16>; LANES] = Default::default();
    let blocks = events.len() / BLOCK_CELLS;
    for (lane, words) in lanes.iter_mut().enumerate().take(blocks) {
        let in_lane = (0..blocks).skip(lane).step_by(LANES);
        encoder
            .encode(in_lane.rev().flat_map(|block| events[block * BLOCK_CELLS..][..BLOCK_CELLS].iter().rev()), words);
    }
    for words in &lanes[..LANES - 1] {
        bytes.extend((words.len() as u16).to_le_bytes());
    }
    bytes.extend(lanes.iter().flatten().flat_map(|word| word.to_le_bytes()));
}

/// The ranks of `count` blocks; `None` when the bytes are not those of such a group.
pub(crate) fn decode_group(
    bytes: &[u8],
    count: usize,
    predictor: &Predictor,
    decoder: &Decoder,
    blocks: &mut [Ranks],
) -> Option<()> {
    let (lengths, mut words) = bytes.split_at_checked(2 * (LANES - 1))?;
    let mut parts: [&[u8]; LANES] = [&[]; LANES];
    for (part, length) in parts.iter_mut().zip(lengths.chunks_exact(2)) {
        (*part, words) = words.split_at_checked(usize::from(u16::from_le_bytes([length[0], length[1]])) * 2)?;
    }
    parts[LANES - 1] = words;
    let mut lanes = parts.map(Lane::new);
    for side_by_side in blocks[..count].chunks_mut(LANES) {
        if let Ok(four) = <&mut [Ranks; LANES]>::try_from(&mut *side_by_side) {
            decode_four(four, &mut lanes, predictor, decoder);
        } else {
            for (block, lane) in side_by_side.iter_mut().zip(&mut lanes) {
                decode_one(block, lane, predictor, decoder);
            }
        }
    }
    let used = LANES.min(count);
    (lanes[..used].iter().all(Lane::is_complete) && parts[used..].iter().all(|part| part.is_empty())).then_some(())
}

/// Four blocks cell by cell, so that the processor works on one lane while it waits for another.
fn decode_four(blocks: &mut [Ranks; LANES], lanes: &mut [Lane<'_>; LANES], predictor: &Predictor, decoder: &Decoder) {
    for column in 0..SIDE {
        for (block, lane) in blocks.iter_mut().zip(lanes.iter_mut()) {
            let (context, predicted) = Predictor::first_row(block, column);
            block[column] = predictor.rank_of(decoder.next(lane, context), predicted);
        }
    }
    for row in 1..SIDE {
        for column in 0..SIDE {
            for (block, lane) in blocks.iter_mut().zip(lanes.iter_mut()) {
                let (context, predicted) = predictor.below(block, row, column);
                block[row * SIDE + column] = predictor.rank_of(decoder.next(lane, context), predicted);
            }
        }
    }
}

fn decode_one(block: &mut Ranks, lane: &mut Lane<'_>, predictor: &Predictor, decoder: &Decoder) {
    for column in 0..SIDE {
        let (context, predicted) = Predictor::first_row(block, column);
        block[column] = predictor.rank_of(decoder.next(lane, context), predicted);
    }
    for row in 1..SIDE {
        for column in 0..SIDE {
            let (context, predicted) = predictor.below(block, row, column);
            block[row * SIDE + column] = predictor.rank_of(decoder.next(lane, context), predicted);
        }
    }
}
