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

/// What a row tells of the one below it, column by column: all that does not depend on the cell to the left, so that a
/// processor can work it out for many columns at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Above {
    line: [u8; SIDE],
    corners: [u8; SIDE],
    rights: [u8; SIDE],
    /// Their part of the weighted sum.
    sums: [i32; SIDE],
    /// Their part of the texture.
    spreads: [u16; SIDE],
    /// [`ALL_WET`], [`ALL_DRY`] or neither.
    kinds: [u8; SIDE],
}

const ALL_WET: u8 = 1;
const ALL_DRY: u8 = 2;

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

    /// [`Self::below`] for a cell of the first row of a block, which only has a left neighbour.
    #[inline]
    pub fn first_row(line: &[u8; SIDE], column: usize) -> (usize, u8) {
        match if column == 0 { DRY } else { line[column - 1] } {
            DRY => (0, 1),
            NODATA => (1, 1),
            left => (UNSURE, left),
        }
    }

    /// What a row tells of the one below it.
    #[inline]
    pub fn above(&self, line: &[u8; SIDE]) -> Above {
        let mut corners = *line;
        corners[1..].copy_from_slice(&line[..SIDE - 1]);
        let mut rights = *line;
        rights[..SIDE - 1].copy_from_slice(&line[1..]);
        let mut above = Above { line: *line, corners, rights, sums: [0; SIDE], spreads: [0; SIDE], kinds: [0; SIDE] };
        for column in 0..SIDE {
            let (up, corner, right) = (line[column], corners[column], rights[column]);
            above.sums[column] = self.weights.above([up, corner, right]);
            above.spreads[column] = u16::from(up.abs_diff(corner)) + u16::from(up.abs_diff(right));
            let wet = is_wet(up) & is_wet(corner) & is_wet(right);
            above.kinds[column] = u8::from(wet) * ALL_WET + u8::from((up | corner | right) == DRY) * ALL_DRY;
        }
        above
    }

    /// Context and predicted rank of a cell below the first row of a block, of whose own row only the cells to the left
    /// are looked at. At the sides of the block the cell above stands in for what is missing.
    #[inline]
    pub fn below(&self, above: &Above, line: &[u8; SIDE], column: usize) -> (usize, u8) {
        let left = if column == 0 { above.line[0] } else { line[column - 1] };
        let (corner, kind) = (above.corners[column], above.kinds[column]);
        if kind == ALL_WET && is_wet(left) {
            let spread = usize::from(above.spreads[column]) + usize::from(left.abs_diff(corner));
            let predicted = self.weights.with_left(above.sums[column], left).clamp(1, i32::from(self.wet).max(1));
            return (FIRST_WET + usize::from(TEXTURE[spread.min(63)]), predicted as u8);
        }
        if kind == ALL_DRY && left == DRY {
            return (0, 1);
        }
        edge(left, above.line[column], corner, above.rights[column])
    }

    /// Appends the events of a block in order.
    pub fn events(&self, ranks: &Ranks, events: &mut Vec<Event>) {
        let lines = ranks.as_chunks::<SIDE>().0;
        for column in 0..SIDE {
            let (context, predicted) = Self::first_row(&lines[0], column);
            events.push(Event::new(context, self.symbol_of(lines[0][column], predicted)));
        }
        for pair in lines.windows(2) {
            let above = self.above(&pair[0]);
            let row: [Event; SIDE] = std::array::from_fn(|column| {
                let (context, predicted) = self.below(&above, &pair[1], column);
                Event::new(context, self.symbol_of(pair[1][column], predicted))
            });
            events.extend_from_slice(&row);
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

/// [`Predictor::below`] where some neighbour is dry or unknown.
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
            let (mut row, mut line) = ([up; SIDE], [left; SIDE]);
            (row[0], row[2]) = (corner, right);
            assert!(predictor.below(&predictor.above(&row), &line, 1).0 < CONTEXTS);
            line[1] = up;
            assert!(Predictor::first_row(&line, 1).0 < CONTEXTS);
        }
    }
}
