//! What a cell most likely holds, from its neighbours, and how sure that is.
//!
//! Cells are *ranks*: 0 dry, 1 to `wet` the codes that occur in the frame in ascending order, 255 no data. Sources with
//! few distinct rates (most composites are made from 8-bit reflectivity) so get small numbers to predict. A cell becomes
//! a symbol: 0 dry, 1 no data, from 2 on the difference from the predicted rank, near differences first.

use crate::blocks::SIDE;
use crate::group::Ranks;
use crate::quantise::{DRY, NODATA};
use crate::rans::Event;
use crate::weights::{WHOLE, Weights};

/// Contexts: all neighbours dry; two with no data; four on the edge of rain; the rest in rain by its texture.
pub(crate) const CONTEXTS: usize = FIRST_WET + 9;
const FIRST_WET: usize = 7;
/// Context of the first row of a block within rain, where the texture is not known.
const UNSURE: usize = FIRST_WET + 8;
/// Symbols before the differences.
pub(crate) const STATES: usize = 2;

/// Sums of differences among neighbours from which on each texture class but the first begins.
const TEXTURES: [u16; 7] = [1, 3, 5, 8, 12, 18, 30];

/// Where in [`BESIDE_WET`] the contexts begin that do not depend on the texture.
const EDGES: u16 = 768;
/// The contexts of a cell beside a wet one, from [`EDGES`] on, each 256 times.
const EDGE_CONTEXTS: [u8; 4] = [2, 3, 4, UNSURE as u8];

/// Context of a cell to the right of a wet one, by the sum of differences that its row above gives and its own: at most
/// 3 · 255 where all neighbours are wet; [`EDGES`] and beyond where not.
static BESIDE_WET: [u8; 2048] = beside_wet();

const fn beside_wet() -> [u8; 2048] {
    let mut contexts = [0; 2048];
    let (mut sum, mut class) = (0, 0);
    while sum < EDGES as usize {
        if class < TEXTURES.len() && sum >= TEXTURES[class] as usize {
            class += 1;
        }
        contexts[sum] = (FIRST_WET + class) as u8;
        sum += 1;
    }
    while sum < EDGES as usize + EDGE_CONTEXTS.len() * 256 {
        contexts[sum] = EDGE_CONTEXTS[(sum - EDGES as usize) / 256];
        sum += 1;
    }
    contexts
}

/// What a row tells of the one below it, column by column: all that does not depend on the cell to the left, so that a
/// processor can work it out for many columns at once and has nothing to guess afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Above {
    corners: [u8; SIDE],
    /// Beside a wet cell: what the row above adds to the prediction, in 1/4096, and the weight of the cell to the left.
    sums: [i32; SIDE],
    shares: [i32; SIDE],
    /// Beside a wet cell: the row's part of the place in [`BESIDE_WET`].
    spreads: [u16; SIDE],
    /// Beside a dry cell and one without data: the predicted rank, and the contexts.
    ranks: [u8; SIDE],
    pub contexts: [[u8; SIDE]; 2],
}

/// What stands in for the row above the first one of a block, which only has left neighbours.
pub(crate) static NOTHING_ABOVE: Above = Above {
    corners: [DRY; SIDE],
    sums: [0; SIDE],
    shares: [WHOLE; SIDE],
    spreads: [EDGES + 3 * 256; SIDE],
    ranks: [1; SIDE],
    contexts: [[0; SIDE], [1; SIDE]],
};

#[inline]
fn is_wet(rank: u8) -> bool {
    rank.wrapping_sub(1) < 254
}

/// One of two by a condition, without a branch that a processor would have to guess.
#[inline]
fn either(condition: bool, yes: u8, no: u8) -> u8 {
    no ^ ((yes ^ no) & u8::from(condition).wrapping_neg())
}

/// Predicts the cells of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Predictor {
    /// Wet ranks.
    wet: u8,
    /// Shares of the neighbours to the left, above, above left and above right, and an offset of 1/64 rank.
    weights: Weights,
    /// By how many ranks, counted upwards and around, each symbol is ahead of the predicted rank.
    ahead: [u8; 256],
}

impl Predictor {
    pub fn new(wet: u8, weights: Weights) -> Self {
        let mut ahead = [0; 256];
        for (difference, ahead) in (0..wet).zip(&mut ahead[STATES..]) {
            *ahead = if difference & 1 == 0 { difference / 2 } else { wet - difference.div_ceil(2) };
        }
        Self { wet, weights, ahead }
    }

    /// What a row tells of the one below it.
    #[inline]
    #[allow(clippy::needless_bitwise_bool, reason = "without branches, for many columns at once")]
    pub fn look_above(&self, line: &[u8; SIDE], above: &mut Above) {
        let mut corners = *line;
        corners[1..].copy_from_slice(&line[..SIDE - 1]);
        let mut rights = *line;
        rights[..SIDE - 1].copy_from_slice(&line[1..]);
        above.corners = corners;
        for column in 0..SIDE {
            let (up, corner, right) = (line[column], corners[column], rights[column]);
            let unknown = (up == NODATA) | (corner == NODATA) | (right == NODATA);
            let (up_dry, all_dry) = (u8::from(up == DRY), (up | corner | right) == DRY);
            above.contexts[0][column] = either(all_dry, 0, either(unknown, 2, 5 + up_dry));
            above.contexts[1][column] = 2 - u8::from(up == NODATA);
            let wet_right = either(is_wet(right), right, 1);
            above.ranks[column] = either(is_wet(up), up, either(is_wet(corner), corner, wet_right));
        }
        for column in 0..SIDE {
            let (up, corner, right) = (line[column], corners[column], rights[column]);
            let (up_wet, all_wet) = (is_wet(up), is_wet(up) & is_wet(corner) & is_wet(right));
            let edge_sum = if up_wet { i32::from(up) * (WHOLE / 2) } else { 0 };
            let edge_share = if up_wet { WHOLE / 2 } else { WHOLE };
            above.sums[column] = if all_wet { self.weights.above([up, corner, right]) } else { edge_sum };
            above.shares[column] = if all_wet { self.weights.left() } else { edge_share };
        }
        for column in 0..SIDE {
            let (up, corner, right) = (line[column], corners[column], rights[column]);
            let unknown = (up == NODATA) | (corner == NODATA) | (right == NODATA);
            let all_wet = is_wet(up) & is_wet(corner) & is_wet(right);
            let texture = u16::from(up.abs_diff(corner)) + u16::from(up.abs_diff(right));
            let edge = if unknown { EDGES } else { EDGES + 256 + 256 * u16::from(up == DRY) };
            above.spreads[column] = if all_wet { texture } else { edge };
        }
    }

    /// Context and predicted rank of a cell to the right of `left`. At the sides of the block the cell above stands in
    /// for what is missing; in the first row, dry for what is left of it.
    #[inline]
    pub fn beside(&self, above: &Above, left: u8, column: usize) -> (usize, u8) {
        let wet = is_wet(left);
        let place = usize::from(above.spreads[column]) + usize::from(left.abs_diff(above.corners[column]));
        let sum = above.sums[column].wrapping_add(above.shares[column].wrapping_mul(i32::from(left)));
        let weighted = (sum >> WHOLE.trailing_zeros()).min(i32::from(self.wet)).max(1) as u8;
        let context = either(wet, BESIDE_WET[place % 2048], above.contexts[usize::from(left >> 7)][column]);
        (usize::from(context), either(wet, weighted, above.ranks[column]))
    }

    /// Appends the events of a block in order.
    pub fn events(&self, ranks: &Ranks, events: &mut Vec<Event>) {
        let lines = ranks.as_chunks::<SIDE>().0;
        let mut above = NOTHING_ABOVE;
        events.extend_from_slice(&self.row_events(&above, DRY, &lines[0]));
        for pair in lines.windows(2) {
            self.look_above(&pair[0], &mut above);
            events.extend_from_slice(&self.row_events(&above, pair[0][0], &pair[1]));
        }
    }

    /// The events of a row; `first` stands in for the cell to the left of it.
    #[inline]
    fn row_events(&self, above: &Above, first: u8, line: &[u8; SIDE]) -> [Event; SIDE] {
        // Most rows of the edge of rain are dry among dry cells.
        if first == DRY && line == &[DRY; SIDE] && above.contexts[0] == [0; SIDE] {
            return [Event::new(0, 0); SIDE];
        }
        let mut lefts = [first; SIDE];
        lefts[1..].copy_from_slice(&line[..SIDE - 1]);
        std::array::from_fn(|column| {
            // Dry among dry cells needs no more thought, and comes in long stretches.
            if (lefts[column] | line[column] | above.contexts[0][column]) == DRY {
                return Event::new(0, 0);
            }
            let (context, predicted) = self.beside(above, lefts[column], column);
            Event::new(context, self.symbol_of(line[column], predicted))
        })
    }

    /// The symbol of a rank that was predicted.
    #[inline]
    fn symbol_of(&self, rank: u8, predicted: u8) -> u8 {
        let wet = i32::from(self.wet);
        let ahead = i32::from(rank) - i32::from(predicted);
        let ahead = ahead + (wet & (ahead >> 31));
        let near = (2 * ahead).min(2 * (wet - ahead) - 1).max(0) as u8;
        either(is_wet(rank), near.wrapping_add(STATES as u8), rank & 1)
    }

    /// The rank of a symbol: the inverse of [`Self::symbol_of`]. Symbols are at most `wet + 1`.
    #[inline]
    pub fn rank_of(&self, symbol: u8, predicted: u8) -> u8 {
        let ahead = u32::from(self.ahead[usize::from(symbol)]);
        // One turn of the ranks less where that leaves something: below zero it is a huge number.
        let from_one = u32::from(predicted).wrapping_sub(1).wrapping_add(ahead);
        let rank = from_one.min(from_one.wrapping_sub(u32::from(self.wet))) as u8;
        either(symbol < STATES as u8, symbol.wrapping_neg(), rank.wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rank_has_a_symbol_of_its_own_under_any_prediction() {
        for wet in [1, 2, 3, 7, 100, 253, 254] {
            let predictor = Predictor::new(wet, Weights::default());
            for predicted in [1, 2, 50, 253, 254].into_iter().filter(|predicted| *predicted <= wet) {
                let mut seen = [false; 256];
                for rank in (0..=wet).chain([NODATA]) {
                    let symbol = predictor.symbol_of(rank, predicted);
                    assert!(symbol <= wet + 1 && !seen[usize::from(symbol)], "{wet} {predicted} {rank}");
                    seen[usize::from(symbol)] = true;
                    assert_eq!(predictor.rank_of(symbol, predicted), rank, "{wet} {predicted}");
                }
            }
        }
    }

    #[test]
    fn there_are_as_many_contexts_as_are_used() {
        assert_eq!(usize::from(BESIDE_WET[767]), FIRST_WET + 7);
        let predictor = Predictor::new(254, Weights::default());
        for [left, up, corner, right] in [[0, 0, 0, 0], [255; 4], [1, 0, 255, 3], [254, 1, 254, 1], [9, 0, 0, 0]] {
            let mut row = [up; SIDE];
            (row[0], row[2]) = (corner, right);
            let mut above = NOTHING_ABOVE;
            assert!(predictor.beside(&above, up, 1).0 < CONTEXTS);
            predictor.look_above(&row, &mut above);
            assert!(predictor.beside(&above, left, 1).0 < CONTEXTS);
        }
    }

    #[test]
    fn context_and_prediction_are_those_of_the_documented_table() {
        let weights = Weights::fitted(&[std::array::from_fn(|cell| (20 + cell / 96 + cell % 32 / 3) as u8); 4]);
        let predictor = Predictor::new(254, weights);
        let ranks = [DRY, NODATA, 1, 2, 3, 40, 254];
        let mut above = NOTHING_ABOVE;
        for (l, u, c, r) in
            (0..7 * 7 * 7 * 7).map(|n| (ranks[n % 7], ranks[n / 7 % 7], ranks[n / 49 % 7], ranks[n / 343]))
        {
            let wet = |rank: u8| rank != DRY && rank != NODATA;
            let expected = if [l, u, c, r].into_iter().all(wet) {
                let sum = u16::from(l.abs_diff(c)) + u16::from(u.abs_diff(c)) + u16::from(u.abs_diff(r));
                let weighted = (weights.above([u, c, r]) + weights.left() * i32::from(l)) >> 12;
                (7 + TEXTURES.iter().filter(|begin| sum >= **begin).count(), weighted.clamp(1, 254) as u8)
            } else {
                let context = match (l, u) {
                    _ if [l, u, c, r] == [DRY; 4] => 0,
                    (NODATA, NODATA) => 1,
                    _ if [l, u, c, r].contains(&NODATA) => 2,
                    _ => 3 + 2 * usize::from(l == DRY) + usize::from(u == DRY),
                };
                let first = [u, l, c, r].into_iter().find(|rank| wet(*rank)).unwrap_or(1);
                (context, if wet(l) && wet(u) { l.midpoint(u) } else { first })
            };
            let mut row = [u; SIDE];
            (row[0], row[2]) = (c, r);
            predictor.look_above(&row, &mut above);
            assert_eq!(
                predictor.beside(&above, l, 1),
                expected,
                "left {l}, above {u}, above left {c}, above right {r}"
            );
        }
        for (left, expected) in [(DRY, (0, 1)), (NODATA, (1, 1)), (9, (15, 9))] {
            assert_eq!(predictor.beside(&NOTHING_ABOVE, left, 3), expected);
        }
    }
}
