//! What a cell most likely holds, from its neighbours, and how sure that is.
//!
//! Cells are *ranks*: 0 dry, 1 to `wet` the codes that occur in the frame in ascending order, 255 no data. Sources with
//! few distinct rates (most composites are made from 8-bit reflectivity) so get small numbers to predict. A cell becomes
//! a symbol: 0 dry, 1 no data, from 2 on the difference from the predicted rank, near differences first.

use crate::blocks::SIDE;
use crate::group::Ranks;
use crate::quantise::{DRY, NODATA};
use crate::rans::Event;
use crate::weights::Weights;

/// Contexts: all neighbours dry; two with no data; four on the edge of rain; the rest in rain by its texture.
pub(crate) const CONTEXTS: usize = FIRST_WET + 9;
const FIRST_WET: usize = 7;
/// Context of the first row of a block within rain, where the texture is not known.
const UNSURE: usize = FIRST_WET + 8;
/// Symbols before the differences.
pub(crate) const STATES: usize = 2;

/// Texture class by the sum of differences among neighbours.
const TEXTURE: [u8; 64] = texture_classes();

const fn texture_classes() -> [u8; 64] {
    let ends = [1, 3, 5, 8, 12, 18, 30, 64];
    let mut classes = [0; 64];
    let (mut sum, mut class) = (0, 0);
    while sum < 64 {
        if sum >= ends[class] {
            class += 1;
        }
        classes[sum] = class as u8;
        sum += 1;
    }
    classes
}

#[inline]
fn is_wet(rank: u8) -> bool {
    rank.wrapping_sub(1) < 254
}

/// Predicts the cells of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Predictor {
    /// Wet ranks.
    wet: u8,
    /// Shares of the neighbours to the left, above, above left and above right, and an offset of 1/64 rank.
    weights: Weights,
}

impl Predictor {
    pub fn new(wet: u8, weights: Weights) -> Self {
        Self { wet, weights }
    }

    /// Context and predicted rank of a cell with neighbours to the left, above, above left and above right.
    #[inline]
    fn look(&self, left: u8, up: u8, corner: u8, right: u8) -> (usize, u8) {
        if is_wet(left) & is_wet(up) & is_wet(corner) & is_wet(right) {
            let sum =
                usize::from(left.abs_diff(corner)) + usize::from(up.abs_diff(corner)) + usize::from(up.abs_diff(right));
            let predicted = self.weights.apply([left, up, corner, right]).clamp(1, i32::from(self.wet).max(1));
            return (FIRST_WET + usize::from(TEXTURE[sum.min(63)]), predicted as u8);
        }
        if left | up | corner | right == DRY {
            return (0, 1);
        }
        edge(left, up, corner, right)
    }

    /// [`Self::look`] for a cell of the first row of a block, which only has a left neighbour.
    #[inline]
    pub fn first_row(ranks: &Ranks, column: usize) -> (usize, u8) {
        match if column == 0 { DRY } else { ranks[column - 1] } {
            DRY => (0, 1),
            NODATA => (1, 1),
            left => (UNSURE, left),
        }
    }

    /// [`Self::look`] for a cell below the first row; at the sides of the block the cell above stands in for what is
    /// missing.
    #[inline]
    pub fn below(&self, ranks: &Ranks, row: usize, column: usize) -> (usize, u8) {
        let at = row * SIDE + column;
        let up = ranks[at - SIDE];
        let (left, corner) = if column == 0 { (up, up) } else { (ranks[at - 1], ranks[at - SIDE - 1]) };
        let right = if column == SIDE - 1 { up } else { ranks[at - SIDE + 1] };
        self.look(left, up, corner, right)
    }

    /// The events of a block in order.
    pub fn events(&self, ranks: &Ranks, mut event: impl FnMut(Event)) {
        for column in 0..SIDE {
            let (context, predicted) = Self::first_row(ranks, column);
            event(Event::new(context, self.symbol_of(ranks[column], predicted)));
        }
        for row in 1..SIDE {
            for column in 0..SIDE {
                let (context, predicted) = self.below(ranks, row, column);
                event(Event::new(context, self.symbol_of(ranks[row * SIDE + column], predicted)));
            }
        }
    }

    /// The symbol of a rank that was predicted.
    #[inline]
    fn symbol_of(&self, rank: u8, predicted: u8) -> u8 {
        match rank {
            DRY => 0,
            NODATA => 1,
            _ => {
                let wet = i32::from(self.wet);
                let ahead = i32::from(rank) - i32::from(predicted);
                let ahead = if ahead < 0 { ahead + wet } else { ahead };
                (if 2 * ahead < wet { 2 * ahead } else { 2 * (wet - ahead) - 1 }) as u8 + STATES as u8
            }
        }
    }

    /// The rank of a symbol: the inverse of [`Self::symbol_of`]. Symbols are at most `wet + 1`.
    #[inline]
    pub fn rank_of(&self, symbol: u8, predicted: u8) -> u8 {
        if symbol < STATES as u8 {
            return if symbol == 0 { DRY } else { NODATA };
        }
        let difference = i32::from(symbol) - STATES as i32;
        let wet = i32::from(self.wet);
        let half = (difference + 1) >> 1;
        let rank = i32::from(predicted) + if difference & 1 == 0 { half } else { -half };
        // Both stay within one turn of the ranks.
        let rank = if rank > wet { rank - wet } else { rank };
        (if rank < 1 { rank + wet } else { rank }) as u8
    }
}

/// [`Predictor::look`] where some neighbour is dry or unknown.
fn edge(left: u8, up: u8, corner: u8, right: u8) -> (usize, u8) {
    let predicted = match (is_wet(left), is_wet(up)) {
        (true, true) => left.midpoint(up),
        (true, false) => left,
        (false, true) => up,
        (false, false) if is_wet(corner) => corner,
        (false, false) if is_wet(right) => right,
        (false, false) => 1,
    };
    let context = if left == NODATA && up == NODATA {
        1
    } else if [left, up, corner, right].contains(&NODATA) {
        2
    } else {
        3 + usize::from(left == DRY) * 2 + usize::from(up == DRY)
    };
    (context, predicted)
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
        assert_eq!(TEXTURE.iter().max(), Some(&7));
        let predictor = Predictor::new(254, Weights::default());
        for [left, up, corner, right] in [[0, 0, 0, 0], [255; 4], [1, 0, 255, 3], [254, 1, 254, 1], [9, 0, 0, 0]] {
            assert!(predictor.look(left, up, corner, right).0 < CONTEXTS);
        }
    }
}
