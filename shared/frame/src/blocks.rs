//! How a grid is cut into blocks, in which order they go, and what each one is.

use crate::DecodeError;
use crate::bytes::{Reader, put_varint, wrong};

/// Logarithm of the cells along the side of a block.
pub(crate) const BLOCK_LOG2: u8 = 5;
/// Cells along the side of a block.
pub(crate) const SIDE: usize = 1 << BLOCK_LOG2;
/// Cells of a block.
pub(crate) const BLOCK_CELLS: usize = SIDE * SIDE;
/// Mixed blocks that are compressed together: enough for the compressor to see, few to undo for one point.
pub(crate) const GROUP_BLOCKS: usize = 16;

/// What is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockState {
    /// No cell observed.
    NoData = 0,
    /// All observed, no rain.
    Dry = 1,
    /// Anything else; the only state whose codes are stored.
    Mixed = 2,
}

/// The blocks of a grid, numbered along the Morton (Z-order) curve: neighbours on the ground lie close in the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockGrid {
    pub rows: usize,
    pub columns: usize,
}

impl BlockGrid {
    pub fn of(height: usize, width: usize) -> Self {
        Self { rows: height.div_ceil(SIDE), columns: width.div_ceil(SIDE) }
    }

    pub fn len(self) -> usize {
        self.rows * self.columns
    }

    /// (row, column) of each block in Morton order.
    pub fn in_order(self) -> Vec<(usize, usize)> {
        let side = self.rows.max(self.columns).next_power_of_two();
        let mut blocks = Vec::with_capacity(self.len());
        self.visit((0, 0), side, &mut blocks);
        blocks
    }

    /// Walks the quadrants north-west, north-east, south-west, south-east, leaving out what is off the grid.
    fn visit(self, (row, column): (usize, usize), side: usize, blocks: &mut Vec<(usize, usize)>) {
        if row >= self.rows || column >= self.columns {
            return;
        }
        if side == 1 {
            blocks.push((row, column));
            return;
        }
        let half = side / 2;
        for corner in [(row, column), (row, column + half), (row + half, column), (row + half, column + half)] {
            self.visit(corner, half, blocks);
        }
    }

    /// The number of the block at (row, column), without listing the others.
    pub fn index_of(self, row: usize, column: usize) -> usize {
        let mut side = self.rows.max(self.columns).next_power_of_two();
        let (mut top, mut left, mut before) = (0, 0, 0);
        while side > 1 {
            let half = side / 2;
            let cells = |top: usize, left: usize| {
                self.rows.saturating_sub(top).min(half) * self.columns.saturating_sub(left).min(half)
            };
            let (south, east) = (row >= top + half, column >= left + half);
            if south {
                before += cells(top, left) + cells(top, left + half);
                top += half;
            }
            if east {
                before += cells(top, left);
                left += half;
            }
            side = half;
        }
        before
    }
}

/// The states of all blocks in order, as runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateRuns(Vec<(BlockState, usize)>);

impl StateRuns {
    pub fn push(&mut self, state: BlockState) {
        match self.0.last_mut() {
            Some((last, length)) if *last == state => *length += 1,
            _ => self.0.push((state, 1)),
        }
    }

    pub fn write(&self, bytes: &mut Vec<u8>) {
        for &(state, length) in &self.0 {
            put_varint(bytes, (length as u64) << 2 | state as u64);
        }
    }

    /// Reads runs until they cover `blocks` blocks.
    pub fn read(reader: &mut Reader<'_>, blocks: usize) -> Result<Self, DecodeError> {
        let field = "block states";
        let mut runs = Vec::new();
        let mut covered = 0_usize;
        while covered < blocks {
            let begin = reader.offset();
            let word = reader.varint(field)?;
            let length = usize::try_from(word >> 2).unwrap_or(usize::MAX);
            if length == 0 || length > blocks - covered {
                return Err(wrong(field, begin, format_args!("a run of 1 to {} blocks", blocks - covered), length));
            }
            let state = match word & 3 {
                0 => BlockState::NoData,
                1 => BlockState::Dry,
                2 => BlockState::Mixed,
                _ => return Err(wrong(field, begin, "state 0, 1 or 2", 3)),
            };
            covered += length;
            runs.push((state, length));
        }
        Ok(Self(runs))
    }

    /// How many blocks are in a state.
    pub fn count(&self, wanted: BlockState) -> usize {
        self.0.iter().filter(|(state, _)| *state == wanted).map(|(_, length)| length).sum()
    }

    /// The state of one block and how many mixed ones come before it.
    pub fn at(&self, index: usize) -> (BlockState, usize) {
        let (mut passed, mut mixed) = (0, 0);
        for &(state, length) in &self.0 {
            if index < passed + length {
                return (state, if state == BlockState::Mixed { mixed + index - passed } else { mixed });
            }
            passed += length;
            mixed += if state == BlockState::Mixed { length } else { 0 };
        }
        (BlockState::NoData, mixed)
    }

    /// The states one by one.
    pub fn iter(&self) -> impl Iterator<Item = BlockState> + '_ {
        self.0.iter().flat_map(|&(state, length)| std::iter::repeat_n(state, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_block_is_its_place_in_the_order() {
        for (rows, columns) in [(1, 1), (1, 9), (9, 1), (3, 5), (15, 15), (24, 39)] {
            let grid = BlockGrid { rows, columns };
            let order = grid.in_order();
            assert_eq!(order.len(), rows * columns);
            for (index, &(row, column)) in order.iter().enumerate() {
                assert_eq!(grid.index_of(row, column), index, "{rows} x {columns}");
            }
        }
    }

    #[test]
    fn runs_come_back_and_know_each_block() {
        let states = [0, 0, 2, 2, 2, 1, 2, 0].map(|s| match s {
            0 => BlockState::NoData,
            1 => BlockState::Dry,
            _ => BlockState::Mixed,
        });
        let mut runs = StateRuns::default();
        for state in states {
            runs.push(state);
        }
        let mut bytes = Vec::new();
        runs.write(&mut bytes);
        assert_eq!(bytes.len(), 5);
        let back = StateRuns::read(&mut Reader::new(&bytes), 8).unwrap();
        assert_eq!(back.iter().collect::<Vec<_>>(), states);
        assert_eq!(back.at(4), (BlockState::Mixed, 2));
        assert_eq!(back.at(6), (BlockState::Mixed, 3));
        assert_eq!(back.count(BlockState::Mixed), 4);
        assert!(StateRuns::read(&mut Reader::new(&bytes), 9).is_err());
    }
}
