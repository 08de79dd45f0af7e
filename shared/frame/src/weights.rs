//! How much each neighbour says about a cell: fitted to the frame by least squares, as fields differ in grain.

use crate::DecodeError;
use crate::blocks::SIDE;
use crate::bytes::Reader;
use crate::group::Ranks;
use crate::quantise::NODATA;

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
    /// The part of the weighted sum that the cells above, above left and above right have.
    #[inline]
    pub fn above(&self, neighbours: [u8; 3]) -> i32 {
        let mut sum = i32::from(self.0[4]) * (WHOLE / OFFSET_SHARE) + WHOLE / 2;
        for (weight, neighbour) in self.0[1..].iter().zip(neighbours) {
            sum += i32::from(*weight) * i32::from(neighbour);
        }
        sum
    }

    /// The weight of the cell to the left.
    #[inline]
    pub fn left(&self) -> i32 {
        i32::from(self.0[0])
    }

    /// The weights that predict the wet cells of these blocks best.
    pub fn fitted(blocks: &[Ranks]) -> Self {
        // Whole numbers, so that the sums do not depend on their order.
        let mut sums = [[0_i64; TERMS + 1]; TERMS];
        for block in blocks {
            for row in (1..SIDE).step_by(ROW_STEP) {
                add_row(block, row, &mut sums);
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

/// Adds the normal equations of the cells of a row that are wet among wet neighbours.
fn add_row(block: &Ranks, row: usize, sums: &mut [[i64; TERMS + 1]; TERMS]) {
    let above = &block[(row - 1) * SIDE..row * SIDE];
    let line = &block[row * SIDE..(row + 1) * SIDE];
    for (above, line) in above.windows(3).zip(line.windows(2)) {
        let terms = [line[0], above[1], above[0], above[2], line[1]];
        if terms.iter().any(|rank| *rank == 0 || *rank == NODATA) {
            continue;
        }
        let terms = [terms[0], terms[1], terms[2], terms[3], 1, terms[4]].map(i64::from);
        for (first, (sums, factor)) in sums.iter_mut().zip(terms).enumerate() {
            for (sum, term) in sums[first..].iter_mut().zip(&terms[first..]) {
                *sum += factor * term;
            }
        }
    }
}

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
    use crate::blocks::BLOCK_CELLS;

    #[test]
    fn a_field_that_follows_a_rule_gives_the_rule() {
        // Each cell is left + above − above left, as on a tilted plane with steps in rows and columns.
        let mut block = [0; BLOCK_CELLS];
        for (cell, rank) in block.iter_mut().enumerate() {
            let (row, column) = (cell / SIDE, cell % SIDE);
            *rank = (20 + row * row / 12 + column * column / 9) as u8;
        }
        let weights = Weights::fitted(&[block; 4]);
        let off = |row: usize, column: usize| {
            let at = row * SIDE + column;
            let above = weights.above([block[at - SIDE], block[at - SIDE - 1], block[at - SIDE + 1]]);
            (((above + weights.left() * i32::from(block[at - 1])) / WHOLE) - i32::from(block[at])).abs()
        };
        assert!((1..SIDE).all(|row| (1..SIDE - 1).all(|column| off(row, column) <= 1)), "{weights:?}");
    }

    #[test]
    fn an_even_field_does_not_settle_the_weights_and_gets_the_usual_ones() {
        assert_eq!(Weights::fitted(&[[7; BLOCK_CELLS]; 4]), Weights::default());
        assert_eq!(Weights::fitted(&[]), Weights::default());
    }
}
