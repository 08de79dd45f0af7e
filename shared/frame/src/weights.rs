//! How much each neighbour says about a cell: fitted to the frame by least squares, as fields differ in grain.

use crate::DecodeError;
use crate::blocks::{GROUP_BLOCKS, SIDE};
use crate::bytes::Reader;
use crate::group::Group;
use crate::predict::ROW;

/// Weights are kept in steps of 1/4096.
pub(crate) const WHOLE: i32 = 4096;
/// The offset is kept in steps of 1/64.
const OFFSET_SHARE: i32 = 64;
/// Every so many rows of a block are looked at.
const ROW_STEP: usize = 5;
/// Unknowns: four neighbours and the offset.
const TERMS: usize = 5;
/// With fewer cells than this a fit says little.
const LEAST_CELLS: i64 = 64;

/// Weights of the neighbours to the left, above, above left and above right, and an offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights([i16; TERMS]);

impl Default for Weights {
    /// The mean of left and above.
    fn default() -> Self {
        Self([WHOLE as i16 / 2, WHOLE as i16 / 2, 0, 0, 0])
    }
}

impl Weights {
    /// The weights of the neighbours to the left, above, above left and above right in 1/4096, and the offset in 1/8: half
    /// a rank more, to round, and what four products that are rounded down lack on average.
    #[inline(always)]
    pub fn parts(&self) -> ([i16; 4], i16) {
        let [left, above, corner, right, offset] = self.0;
        ([left, above, corner, right], (offset >> 3).wrapping_add(6))
    }

    /// The weights that predict the wet cells of these groups best.
    #[inline(always)]
    pub fn fitted(groups: &[Group]) -> Self {
        // Whole numbers, so that the sums do not depend on their order.
        let mut sums = [[0_i64; TERMS + 1]; TERMS];
        for group in groups {
            for row in (1..SIDE).step_by(ROW_STEP) {
                add_row(&group.ranks[row - 1], &group.ranks[row], &mut sums);
            }
        }
        if sums[TERMS - 1][TERMS - 1] < LEAST_CELLS {
            return Self::default();
        }
        // The equations are symmetric: only their upper half was added up.
        let sum = |row: usize, column: usize| sums[row.min(column)][row.max(column)] as f64;
        let equations = std::array::from_fn(|row| std::array::from_fn(|column| sum(row, column)));
        let Some(solution) = solve(equations) else {
            return Self::default();
        };
        let mut weights = [0; TERMS];
        for (term, (weight, solution)) in weights.iter_mut().zip(solution).enumerate() {
            let unit = if term < 4 { WHOLE } else { OFFSET_SHARE };
            *weight = (solution * f64::from(unit)).round() as i16;
        }
        Self(weights)
    }

    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.0.iter().flat_map(|weight| weight.to_le_bytes()));
    }

    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = reader.take("weights of the neighbours", 2 * TERMS)?;
        let mut weights = [0; TERMS];
        for (weight, pair) in weights.iter_mut().zip(bytes.chunks_exact(2)) {
            *weight = i16::from_le_bytes([pair[0], pair[1]]);
        }
        Ok(Self(weights))
    }
}

/// Adds the normal equations of the cells of a row that are wet among wet neighbours; those in the outer columns lack some.
#[inline(always)]
fn add_row(above: &[u8; ROW], line: &[u8; ROW], sums: &mut [[i64; TERMS + 1]; TERMS]) {
    // The terms of cells that do not count are 0.
    let mut terms = [[0_u16; INNER]; TERMS + 1];
    for cell in 0..INNER {
        let here = [
            line[cell],
            above[cell + GROUP_BLOCKS],
            above[cell],
            above[cell + 2 * GROUP_BLOCKS],
            line[cell + GROUP_BLOCKS],
        ];
        let wet = here.iter().fold(1, |all, rank| all & u16::from(*rank != 0));
        for (term, rank) in [0, 1, 2, 3, 5].into_iter().zip(here) {
            terms[term][cell] = u16::from(rank) * wet;
        }
        terms[4][cell] = wet;
    }
    for first in 0..TERMS {
        for second in first..=TERMS {
            // Each product fits 16 bits, and their sum over a row 32.
            let mut sum = 0_u32;
            for (a, b) in terms[first].iter().zip(&terms[second]) {
                sum += u32::from(*a) * u32::from(*b);
            }
            sums[first][second] += i64::from(sum);
        }
    }
}

/// Cells of a row but those of the outer columns.
const INNER: usize = ROW - 2 * GROUP_BLOCKS;

/// Gauss–Jordan elimination with row exchange; `None` where the equations do not settle all unknowns.
fn solve(mut rows: [[f64; TERMS + 1]; TERMS]) -> Option<[f64; TERMS]> {
    for column in 0..TERMS {
        let pivot = (column..TERMS).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column];
        if lead[column].abs() < 1e-6 {
            return None;
        }
        for (index, row) in rows.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / lead[column];
                for (value, lead) in row.iter_mut().zip(lead) {
                    *value -= factor * lead;
                }
            }
        }
    }
    let mut solution = [0.0; TERMS];
    for (index, (value, row)) in solution.iter_mut().zip(rows).enumerate() {
        *value = row[TERMS] / row[index];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group_of(rank: impl Fn(usize, usize) -> u8) -> Group {
        let mut group = Group::new();
        for (row, line) in group.ranks.iter_mut().enumerate() {
            for (cell, value) in line.iter_mut().enumerate() {
                *value = rank(row, cell / GROUP_BLOCKS);
            }
        }
        group
    }

    #[test]
    fn a_field_that_follows_a_rule_gives_the_rule() {
        // Each cell is left + above − above left, as on a tilted plane with steps in rows and columns.
        let rank = |row: usize, column: usize| (20 + row * row / 12 + column * column / 9) as u8;
        let weights = Weights::fitted(&[group_of(rank), group_of(rank)]);
        let ([left, above, corner, right], offset) = weights.parts();
        let off = |row: usize, column: usize| {
            let terms = [
                (left, rank(row, column - 1)),
                (above, rank(row - 1, column)),
                (corner, rank(row - 1, column - 1)),
                (right, rank(row - 1, column + 1)),
            ];
            let sum: i32 = terms.iter().map(|(weight, rank)| i32::from(*weight) * i32::from(*rank)).sum();
            ((sum / 512 + i32::from(offset)) / 8 - i32::from(rank(row, column))).abs()
        };
        assert!((1..SIDE).all(|row| (1..SIDE - 1).all(|column| off(row, column) <= 1)), "{weights:?}");
    }

    #[test]
    fn an_even_field_does_not_settle_the_weights_and_gets_the_usual_ones() {
        assert_eq!(Weights::fitted(&[group_of(|_, _| 7)]), Weights::default());
        assert_eq!(Weights::fitted(&[]), Weights::default());
    }
}
