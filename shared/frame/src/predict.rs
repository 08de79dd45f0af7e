//! What a wet cell most likely holds, from its neighbours, and how sure that is.
//!
//! Cells are *ranks*: 0 not wet, 1 and up the codes that occur in the frame in ascending order. Sources with few distinct
//! rates (most composites are made from 8-bit reflectivity) so get small numbers to predict. The context depends only on
//! what is known before any rank of a row is, so that whole rows of many blocks are worked out at once; only the
//! prediction itself waits for the cell to the left.
//!
//! Rows hold 16 blocks: the cell in column c of block b is number 16 c + b, so that a processor does 16 blocks side by
//! side. All of this is plain loops over fixed lengths, without branches, for compilers to make vectors of.

use crate::blocks::{GROUP_BLOCKS, SIDE};
use crate::rans::{CONTEXT_STEP, Event};
use crate::weights::{WHOLE, Weights};

/// Cells of a row of a group.
pub(crate) const ROW: usize = SIDE * GROUP_BLOCKS;
/// A row with a column more on both sides.
pub(crate) const WIDE: usize = ROW + 2 * GROUP_BLOCKS;
/// A row with a column more on its left.
pub(crate) const LONG: usize = ROW + GROUP_BLOCKS;

/// Contexts: eight in rain by its texture, four on the edge of rain, two in the first row of a block.
pub(crate) const CONTEXTS: usize = 14;
const EDGE: u8 = 8;
const FIRST: u8 = 12;

/// Sums of differences among neighbours from which on each texture class but the first begins.
const TEXTURES: [u8; 7] = [1, 3, 5, 8, 12, 18, 30];

/// Ranks are predicted in steps of 1/8.
const FINE_BITS: u32 = 3;
/// A weight, in 1/4096, times a rank so many bits further left, is the product in 1/8 and 16 bits more.
const RANK_SHIFT: u32 = 16 + FINE_BITS - WHOLE.trailing_zeros();

/// The row above, and by how many ranks its prediction was off; the outer columns stand in for what is beside them.
#[derive(Clone)]
pub(crate) struct Above {
    pub ranks: [u8; WIDE],
    pub misses: [u8; WIDE],
}

impl Above {
    /// Of the first row.
    pub fn nothing() -> Self {
        Self { ranks: [0; WIDE], misses: [0; WIDE] }
    }

    /// Puts a row there.
    #[inline(always)]
    pub fn set(&mut self, ranks: &[u8; ROW], misses: &[u8; ROW]) {
        widen(ranks, &mut self.ranks);
        widen(misses, &mut self.misses);
    }
}

#[inline(always)]
fn widen(row: &[u8; ROW], wide: &mut [u8; WIDE]) {
    wide[..GROUP_BLOCKS].copy_from_slice(&row[..GROUP_BLOCKS]);
    wide[GROUP_BLOCKS..LONG].copy_from_slice(row);
    wide[LONG..].copy_from_slice(&row[ROW - GROUP_BLOCKS..]);
}

/// What is known of the cells of a row before their ranks.
#[derive(Clone)]
pub(crate) struct Outlook {
    contexts: [u8; ROW],
    /// What the row above adds to the prediction, in 1/8, and the weight of the cell to the left, in 1/4096.
    sums: [i16; ROW],
    shares: [i16; ROW],
}

/// One of two by a condition, without a branch that a processor would have to guess.
#[inline(always)]
fn either(condition: bool, yes: u8, no: u8) -> u8 {
    no ^ ((yes ^ no) & u8::from(condition).wrapping_neg())
}

/// A weight times a rank, in 1/8, rounded down. A rank shifted so far is below 2¹⁵.
#[inline(always)]
fn weighted(weight: i16, rank: u8) -> i16 {
    product(weight, i16::from(rank))
}

#[inline(always)]
fn product(weight: i16, rank: i16) -> i16 {
    ((i32::from(weight) * i32::from(rank << RANK_SHIFT)) >> 16) as i16
}

/// The rank that sums and the cell to the left foretell; only its lower eight bits count.
#[inline(always)]
fn predicted(sum: i16, share: i16, left: u8) -> u8 {
    (sum.wrapping_add(weighted(share, left)) >> FINE_BITS) as u8
}

impl Outlook {
    pub fn new() -> Self {
        Self { contexts: [0; ROW], sums: [0; ROW], shares: [0; ROW] }
    }

    /// Looks at the row above; `wet` is 255 for each wet cell, one column later, after the column that stands in for
    /// what is to the left of the first.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, clippy::needless_bitwise_bool, reason = "plain loops without branches")]
    pub fn look(&mut self, above: &Above, wet: &[u8; LONG], weights: &Weights, first: bool) {
        let (edge, beside_dry, below_dry) = if first { (FIRST, 1, 0) } else { (EDGE, 2, 1) };
        let (ranks, misses) = (&above.ranks, &above.misses);
        for cell in 0..ROW {
            let (corner, up, right) = (ranks[cell], ranks[cell + GROUP_BLOCKS], ranks[cell + 2 * GROUP_BLOCKS]);
            let (left_wet, up_wet) = (wet[cell] != 0, up != 0);
            let all_wet = left_wet & up_wet & (corner != 0) & (right != 0);
            let missed = misses[cell + GROUP_BLOCKS]
                .saturating_add(misses[cell] / 2)
                .saturating_add(misses[cell + 2 * GROUP_BLOCKS] / 2);
            let texture = up.abs_diff(corner).saturating_add(up.abs_diff(right)).saturating_add(missed);
            let mut class = 0;
            for begin in TEXTURES {
                class += u8::from(texture >= begin);
            }
            let edge = edge + either(left_wet, 0, beside_dry) + either(up_wet, 0, below_dry);
            self.contexts[cell] = either(all_wet, class, edge);
        }
        let ([_, over, corner_share, right_share], offset) = weights.parts();
        for cell in 0..ROW {
            let (corner, up, right) = (ranks[cell], ranks[cell + GROUP_BLOCKS], ranks[cell + 2 * GROUP_BLOCKS]);
            let left_wet = wet[cell] != 0;
            let all_wet = left_wet & (up != 0) & (corner != 0) & (right != 0);
            let sum = weighted(over, up)
                .wrapping_add(weighted(corner_share, corner))
                .wrapping_add(weighted(right_share, right))
                .wrapping_add(offset);
            let next = if corner != 0 { corner } else { right.max(1) };
            let nearest = i16::from(if up != 0 { up } else { next }) << FINE_BITS;
            let half = i16::from(up) << (FINE_BITS - 1);
            let edge = if left_wet { half } else { nearest };
            self.sums[cell] = if all_wet { sum } else { edge };
        }
        let left = weights.parts().0[0];
        for cell in 0..ROW {
            let (corner, up, right) = (ranks[cell], ranks[cell + GROUP_BLOCKS], ranks[cell + 2 * GROUP_BLOCKS]);
            let left_wet = wet[cell] != 0;
            let all_wet = left_wet & (up != 0) & (corner != 0) & (right != 0);
            let edge = if up != 0 { WHOLE as i16 / 2 } else { WHOLE as i16 };
            let beside = if all_wet { left } else { edge };
            self.shares[cell] = if left_wet { beside } else { 0 };
        }
    }

    /// The events of a row, of which those of wet cells count, and by how much its prediction was off; `ranks` begin with
    /// the column that stands in for what is to the left of the first.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "plain loops without branches")]
    pub fn events(&self, ranks: &[u8; LONG], events: &mut [Event; ROW], misses: &mut [u8; ROW]) {
        let mut ahead = [0_u8; ROW];
        for cell in 0..ROW {
            let (left, rank) = (ranks[cell], ranks[cell + GROUP_BLOCKS]);
            ahead[cell] = rank.wrapping_sub(predicted(self.sums[cell], self.shares[cell], left));
        }
        for cell in 0..ROW {
            let miss = (ahead[cell] as i8).unsigned_abs();
            misses[cell] = if ranks[cell + GROUP_BLOCKS] != 0 { miss } else { 0 };
        }
        for cell in 0..ROW {
            let signed = ahead[cell] as i8;
            let symbol = (signed << 1 ^ signed >> 7) as u8;
            events[cell] = Event(u16::from(self.contexts[cell]) << 8 | u16::from(symbol));
        }
    }

    /// The contexts as a decoder wants them.
    #[inline(always)]
    pub fn contexts(&self, contexts: &mut [u16; ROW]) {
        for (wide, context) in contexts.iter_mut().zip(&self.contexts) {
            *wide = u16::from(*context) * CONTEXT_STEP;
        }
    }

    /// The ranks of a row from its symbols, and by how much its prediction was off: the inverse of [`Self::events`].
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "plain loops without branches")]
    pub fn ranks(
        &self,
        symbols: &[u8; ROW],
        wet: &[u8; LONG],
        first_lefts: &[u8; GROUP_BLOCKS],
        ranks: &mut [u8; ROW],
        misses: &mut [u8; ROW],
    ) {
        // In 16 bits throughout: each cell waits for the one to its left, and changes of width for longer than sums do.
        let (mut ahead, mut wide_wet) = ([0_i16; ROW], [0_i16; ROW]);
        for cell in 0..ROW {
            let signed = symbols[cell] >> 1 ^ (symbols[cell] & 1).wrapping_neg();
            (ahead[cell], wide_wet[cell]) = (i16::from(signed), i16::from(wet[cell + GROUP_BLOCKS]));
            misses[cell] = (signed as i8).unsigned_abs() & wet[cell + GROUP_BLOCKS];
        }
        let mut lefts = first_lefts.map(i16::from);
        for column in 0..SIDE {
            let begin = column * GROUP_BLOCKS;
            for block in 0..GROUP_BLOCKS {
                let cell = begin + block;
                let sum = self.sums[cell].wrapping_add(product(self.shares[cell], lefts[block]));
                lefts[block] = (sum >> FINE_BITS).wrapping_add(ahead[cell]) & wide_wet[cell];
            }
            ranks[begin..begin + GROUP_BLOCKS].copy_from_slice(&lefts.map(|left| left as u8));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Group;

    /// Context and prediction of a cell with these neighbours, as the README has them.
    fn documented([l, u, c, r]: [u8; 4], misses: [u8; 3], weights: &Weights) -> (u8, u8) {
        let share = |weight: i16, rank: u8| (i32::from(weight) * i32::from(rank) * 128).div_euclid(65_536);
        let wide = i32::from;
        if [l, u, c, r].iter().all(|rank| *rank > 0) {
            let missed = u16::from(misses[1]) + u16::from(misses[0] / 2) + u16::from(misses[2] / 2);
            let sum = (u16::from(u.abs_diff(c)) + u16::from(u.abs_diff(r)) + missed).min(255);
            let class = TEXTURES.iter().filter(|begin| sum >= u16::from(**begin)).count();
            let ([left, above, corner, right], offset) = weights.parts();
            let predicted = share(left, l) + share(above, u) + share(corner, c) + share(right, r) + wide(offset);
            return (class as u8, (predicted >> 3) as u8);
        }
        let context = 8 + 2 * u8::from(l == 0) + u8::from(u == 0);
        let nearest = [u, c, r].into_iter().find(|rank| *rank > 0).unwrap_or(1);
        let predicted = match (l, u) {
            (0, _) => nearest,
            (_, 0) => l,
            _ => l.midpoint(u),
        };
        (context, predicted)
    }

    #[test]
    fn context_and_prediction_are_the_documented_ones_and_ranks_come_back() {
        let mut group = Group::new();
        for (row, line) in group.ranks.iter_mut().enumerate() {
            for (cell, rank) in line.iter_mut().enumerate() {
                *rank = (20 + row * row / 12 + (cell / GROUP_BLOCKS).pow(2) / 9) as u8;
            }
        }
        let weights = Weights::fitted(&[group]);
        let choices = [0, 0, 1, 2, 3, 40, 41, 254];
        let pick = |number: usize| choices[number.wrapping_mul(2_654_435_761) >> 11 & 7];
        for round in 0..40 {
            let row: [u8; ROW] = std::array::from_fn(|cell| pick(round * ROW + cell));
            let upper: [u8; ROW] = std::array::from_fn(|cell| pick((round + 99) * ROW + cell));
            let missed = upper.map(|rank| rank / 7);
            let mut above = Above::nothing();
            above.set(&upper, &missed);
            let mut ranks = [0; LONG];
            ranks[..GROUP_BLOCKS].copy_from_slice(&upper[..GROUP_BLOCKS]);
            ranks[GROUP_BLOCKS..].copy_from_slice(&row);
            let wet = ranks.map(|rank| if rank > 0 { 255 } else { 0 });
            let (mut outlook, mut events, mut misses) = (Outlook::new(), [Event::default(); ROW], [0; ROW]);
            outlook.look(&above, &wet, &weights, false);
            outlook.events(&ranks, &mut events, &mut misses);
            for cell in GROUP_BLOCKS..ROW - GROUP_BLOCKS {
                let (before, after) = (cell - GROUP_BLOCKS, cell + GROUP_BLOCKS);
                let (context, predicted) = documented(
                    [row[before], upper[cell], upper[before], upper[after]],
                    [missed[before], missed[cell], missed[after]],
                    &weights,
                );
                let ahead = i32::from(row[cell].wrapping_sub(predicted) as i8);
                let symbol = if ahead < 0 { -2 * ahead - 1 } else { 2 * ahead };
                assert_eq!(events[cell], Event(u16::from(context) << 8 | symbol as u16), "cell {cell}");
            }
            let symbols = events.map(|event| event.0 as u8);
            let mut lefts = [0; GROUP_BLOCKS];
            lefts.copy_from_slice(&upper[..GROUP_BLOCKS]);
            let (mut back, mut missed_back) = ([0; ROW], [0; ROW]);
            outlook.ranks(&symbols, &wet, &lefts, &mut back, &mut missed_back);
            assert_eq!((back, missed_back), (row, misses));
        }
    }
}
