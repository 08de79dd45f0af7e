//! Where a field holds nothing but zeros, or nothing but unknown cells: what comes from there is known in advance.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for wider vector instructions")]

use raincell_simd::widest;

/// Side of the blocks whose content is known, cells.
const BLOCK: usize = 8;
/// What occurs in a block.
const DRY: u8 = 1;
const UNKNOWN: u8 = 2;
const RAIN: u8 = 4;

/// What a part of a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zeros only.
    Dry,
    /// Unknown only.
    Unknown,
    /// Anything else.
    Mixed,
}

impl Content {
    /// What two parts hold together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Mixed }
    }
}

/// The contents of all blocks of a field, 8 × 8 cells each.
#[derive(Clone, Debug)]
pub struct Contents {
    across: usize,
    blocks: Vec<u8>,
}

impl Contents {
    /// Of a row-major field of `rows` × `columns` values.
    pub fn of(values: &[f32], rows: usize, columns: usize) -> Self {
        let across = columns.div_ceil(BLOCK);
        let mut blocks = vec![0; rows.div_ceil(BLOCK) * across];
        widest(
            #[inline(always)]
            || {
                for (row, line) in values.chunks_exact(columns.max(1)).enumerate() {
                    let blocks = &mut blocks[row / BLOCK * across..][..across];
                    let (whole, rest) = line.as_chunks::<BLOCK>();
                    for (block, cells) in blocks.iter_mut().zip(whole) {
                        *block |= seen(cells);
                    }
                    if let (false, Some(last)) = (rest.is_empty(), blocks.last_mut()) {
                        *last |= seen(rest);
                    }
                }
            },
        );
        Self { across, blocks }
    }

    /// Of the rows and columns from the first to the last one given, both of which lie in the field.
    #[inline(always)]
    pub fn of_part(&self, rows: [usize; 2], columns: [usize; 2]) -> Content {
        let mut seen = 0;
        for row in rows[0] / BLOCK..=rows[1] / BLOCK {
            for block in &self.blocks[row * self.across..][columns[0] / BLOCK..=columns[1] / BLOCK] {
                seen |= block;
            }
        }
        match seen {
            DRY => Content::Dry,
            UNKNOWN => Content::Unknown,
            _ => Content::Mixed,
        }
    }
}

#[inline(always)]
fn seen(cells: &[f32]) -> u8 {
    let (mut dry, mut unknown) = (0_u32, 0_u32);
    for v in cells {
        dry += u32::from(*v == 0.0);
        unknown += u32::from(v.is_nan());
    }
    let other = dry + unknown < cells.len() as u32;
    (u8::from(dry > 0) * DRY) | (u8::from(unknown > 0) * UNKNOWN) | (u8::from(other) * RAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_dry_or_unknown_only_where_all_of_its_blocks_are() {
        let (rows, columns) = (40, 53);
        let value = |i: usize| match (i / columns, i % columns) {
            (20..24, 20..24) => 3.0,
            (_, 48..) => f32::NAN,
            _ => 0.0,
        };
        let contents = Contents::of(&(0..rows * columns).map(value).collect::<Vec<_>>(), rows, columns);
        assert_eq!(contents.of_part([0, 7], [0, 15]), Content::Dry);
        assert_eq!(contents.of_part([8, 17], [0, 30]), Content::Mixed);
        assert_eq!(contents.of_part([30, 39], [48, 52]), Content::Unknown);
        assert_eq!(contents.of_part([30, 39], [47, 52]), Content::Mixed);
    }
}
