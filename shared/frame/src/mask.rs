//! Which cells of a block are wet, and which are not observed: four cells at a time, as they come in patches.
//!
//! A *quad* is four cells side by side, a bit each. Its context is what stands above it and to its left: patches of rain
//! and the edge of a radar's reach have the same few shapes everywhere, so that one table of frequencies, counted over
//! composites of four countries, does for all frames.

use std::sync::LazyLock;

use crate::blocks::{GROUP_BLOCKS, SIDE};
use crate::rans::{LANES, Slots, Source, Target};

/// Quads of a row of a block.
pub(crate) const QUADS: usize = SIDE / 4;
/// Above: the four cells and the next one to the right, 5 bits; the cell to the left; then the first row of a block, by
/// the cell to the left.
const CONTEXTS: usize = 66;
/// A quad of which all is known beforehand.
const KNOWN: usize = CONTEXTS;
/// Frequencies of a context add up to 2 to this.
const SCALE_BITS: u32 = 10;
const SCALE: usize = 1 << SCALE_BITS;

/// The masks of a row of blocks that are coded side by side: bit c is column c.
pub(crate) type MaskRow = [u32; GROUP_BLOCKS];

/// Frequencies of the 16 quads by context.
#[rustfmt::skip]
static FREQUENCIES: [[u16; 16]; CONTEXTS] = [
    [1006, 2, 1, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1],
    [799, 95, 27, 29, 13, 3, 6, 8, 17, 4, 1, 1, 7, 1, 6, 7],
    [494, 95, 158, 48, 32, 11, 29, 29, 37, 5, 9, 5, 20, 6, 23, 23],
    [645, 63, 34, 113, 14, 4, 21, 35, 16, 4, 2, 11, 16, 1, 11, 34],
    [491, 24, 58, 16, 150, 7, 40, 21, 61, 4, 13, 3, 66, 7, 31, 32],
    [234, 88, 130, 49, 83, 132, 32, 47, 21, 17, 6, 24, 28, 21, 49, 63],
    [309, 31, 66, 44, 61, 8, 168, 62, 26, 5, 10, 7, 54, 3, 88, 82],
    [492, 22, 33, 72, 14, 3, 58, 171, 16, 3, 3, 10, 12, 6, 42, 67],
    [503, 24, 19, 10, 59, 3, 19, 8, 224, 5, 6, 10, 76, 5, 35, 18],
    [376, 38, 63, 40, 63, 16, 16, 16, 107, 62, 16, 22, 52, 10, 38, 89],
    [203, 42, 37, 32, 104, 75, 47, 37, 61, 18, 131, 18, 47, 28, 88, 56],
    [223, 20, 47, 134, 47, 42, 74, 58, 56, 15, 113, 74, 25, 9, 29, 58],
    [320, 12, 26, 13, 76, 9, 56, 15, 110, 3, 9, 4, 218, 8, 101, 44],
    [102, 81, 86, 19, 39, 15, 43, 37, 43, 30, 15, 32, 81, 103, 123, 175],
    [218, 12, 25, 23, 60, 5, 54, 49, 21, 10, 10, 7, 73, 10, 275, 172],
    [307, 26, 21, 40, 19, 5, 37, 99, 12, 5, 6, 9, 26, 9, 80, 323],
    [685, 6, 4, 3, 8, 1, 3, 1, 215, 1, 2, 1, 61, 1, 21, 11],
    [511, 83, 35, 23, 80, 2, 41, 11, 91, 17, 16, 5, 36, 5, 37, 31],
    [343, 36, 106, 20, 73, 13, 28, 8, 132, 53, 16, 27, 46, 18, 50, 55],
    [290, 58, 112, 92, 10, 4, 59, 50, 38, 49, 30, 23, 51, 10, 39, 109],
    [257, 18, 32, 20, 164, 2, 25, 11, 152, 14, 61, 14, 134, 7, 81, 32],
    [284, 8, 82, 8, 19, 82, 19, 57, 29, 40, 103, 40, 92, 50, 40, 71],
    [163, 21, 33, 19, 49, 11, 112, 38, 58, 39, 29, 61, 112, 44, 132, 103],
    [211, 26, 15, 99, 15, 6, 26, 171, 60, 13, 15, 43, 22, 38, 76, 188],
    [304, 3, 2, 2, 8, 1, 2, 1, 394, 3, 3, 1, 206, 3, 63, 28],
    [234, 32, 53, 17, 18, 2, 16, 29, 156, 131, 16, 20, 111, 35, 51, 103],
    [126, 11, 29, 18, 35, 21, 29, 15, 157, 36, 98, 29, 163, 58, 108, 91],
    [160, 16, 11, 45, 31, 11, 8, 23, 188, 59, 22, 114, 79, 50, 100, 107],
    [124, 1, 2, 1, 7, 1, 4, 1, 178, 2, 5, 1, 407, 5, 216, 69],
    [153, 10, 16, 20, 28, 3, 14, 13, 96, 24, 21, 9, 207, 79, 156, 175],
    [64, 1, 4, 2, 5, 1, 5, 3, 54, 1, 2, 2, 185, 7, 440, 248],
    [96, 3, 2, 5, 2, 1, 5, 10, 36, 3, 2, 3, 89, 7, 226, 534],
    [527, 230, 6, 93, 3, 3, 3, 41, 7, 5, 1, 3, 5, 5, 3, 89],
    [256, 441, 7, 182, 2, 4, 2, 57, 3, 6, 1, 3, 1, 4, 1, 54],
    [152, 190, 107, 163, 22, 31, 50, 105, 9, 18, 8, 17, 6, 10, 6, 130],
    [71, 219, 5, 403, 1, 4, 2, 178, 2, 4, 1, 7, 2, 2, 1, 122],
    [225, 91, 45, 57, 122, 51, 20, 95, 34, 45, 14, 25, 28, 34, 19, 119],
    [88, 86, 79, 150, 26, 110, 29, 184, 17, 17, 10, 17, 9, 19, 23, 160],
    [90, 54, 30, 105, 65, 25, 87, 222, 25, 14, 4, 32, 10, 24, 28, 209],
    [27, 57, 3, 212, 2, 2, 4, 408, 1, 2, 1, 7, 1, 2, 2, 293],
    [197, 70, 24, 62, 34, 24, 12, 51, 189, 27, 21, 48, 74, 85, 22, 84],
    [76, 143, 13, 34, 58, 17, 17, 74, 109, 165, 15, 73, 20, 48, 59, 103],
    [34, 59, 84, 59, 47, 121, 34, 109, 47, 22, 84, 34, 22, 34, 84, 150],
    [60, 70, 11, 116, 14, 57, 9, 229, 9, 24, 12, 139, 11, 36, 12, 215],
    [117, 54, 9, 54, 38, 4, 19, 61, 88, 14, 4, 9, 133, 90, 29, 301],
    [37, 87, 32, 42, 40, 32, 54, 118, 25, 26, 12, 34, 22, 104, 30, 329],
    [32, 31, 10, 51, 10, 16, 10, 92, 2, 24, 10, 28, 101, 18, 106, 483],
    [13, 22, 1, 54, 1, 1, 2, 218, 1, 2, 2, 9, 4, 4, 4, 686],
    [295, 137, 9, 47, 6, 14, 2, 20, 84, 43, 7, 29, 36, 23, 10, 262],
    [145, 227, 11, 129, 7, 5, 7, 25, 63, 99, 9, 58, 16, 20, 7, 196],
    [95, 136, 88, 95, 21, 21, 13, 28, 53, 28, 21, 50, 43, 43, 36, 253],
    [41, 97, 16, 233, 3, 5, 4, 120, 16, 53, 4, 52, 20, 13, 14, 333],
    [144, 45, 29, 21, 91, 21, 21, 83, 68, 94, 45, 29, 52, 37, 114, 130],
    [55, 50, 98, 45, 27, 110, 8, 68, 13, 50, 55, 87, 50, 36, 50, 222],
    [22, 44, 10, 44, 33, 16, 78, 87, 10, 33, 27, 87, 39, 33, 154, 307],
    [17, 31, 3, 84, 4, 7, 7, 219, 6, 17, 5, 72, 6, 26, 15, 505],
    [106, 60, 2, 22, 4, 6, 1, 17, 142, 81, 4, 24, 75, 39, 33, 408],
    [76, 96, 3, 55, 8, 3, 4, 39, 69, 154, 7, 63, 47, 76, 21, 303],
    [102, 45, 20, 52, 33, 20, 20, 20, 40, 43, 47, 40, 77, 132, 106, 227],
    [27, 46, 3, 81, 3, 14, 6, 58, 26, 40, 6, 169, 18, 71, 40, 416],
    [40, 18, 2, 12, 4, 2, 2, 11, 48, 28, 3, 10, 137, 58, 70, 579],
    [28, 20, 3, 18, 4, 13, 9, 23, 27, 51, 9, 27, 58, 152, 102, 480],
    [11, 6, 2, 6, 6, 2, 3, 16, 9, 12, 4, 9, 32, 20, 101, 785],
    [1, 1, 1, 2, 1, 1, 1, 4, 1, 1, 1, 1, 1, 1, 2, 1004],
    [867, 3, 2, 3, 1, 1, 2, 3, 16, 1, 1, 1, 13, 1, 16, 93],
    [20, 21, 1, 18, 1, 1, 1, 23, 1, 2, 1, 2, 2, 2, 2, 926],
];

/// Decoding: the quad of each slot of each context, and for each quad its frequency and, times 65536, its first slot.
/// Two small tables stay in a processor's nearest cache, where one with both would not.
struct Decoding {
    quads: Box<[u8; DECODING_SLOTS]>,
    ranges: Box<[u32; DECODING_SLOTS >> SCALE_BITS << 4]>,
}

/// A power of two, so that no index needs a check.
const DECODING_SLOTS: usize = 128 << SCALE_BITS;

static DECODING: LazyLock<Decoding> = LazyLock::new(|| {
    let mut tables = Decoding { quads: Box::new([0; DECODING_SLOTS]), ranges: Box::new([0; 2048]) };
    for (context, frequencies) in FREQUENCIES.iter().enumerate() {
        let mut start = 0;
        for (quad, &frequency) in frequencies.iter().enumerate() {
            let first = (context << SCALE_BITS) + start;
            tables.quads[first..first + usize::from(frequency)].fill(quad as u8);
            tables.ranges[context << 4 | quad] = (start as u32) << 16 | u32::from(frequency);
            start += usize::from(frequency);
        }
    }
    // Only one quad can come: the state stays what it is.
    tables.ranges[KNOWN << 4] = SCALE as u32;
    tables
});

static ENCODING: LazyLock<Vec<[Slots; 16]>> = LazyLock::new(|| {
    let slots = |frequencies: &[u16; 16]| {
        let mut next = 0;
        frequencies.map(|frequency| {
            let start = next;
            next += u32::from(frequency);
            Slots::new(start, u32::from(frequency), SCALE_BITS)
        })
    };
    FREQUENCIES.iter().map(slots).collect()
});

/// The part of the context of a quad that stands above it; `above` is `None` in the first row.
#[inline(always)]
fn row_above(above: u32, first: bool) -> u64 {
    // The cell above the last one stands in for the one to the right of it.
    if first { 0 } else { u64::from(above) | u64::from(above >> 31) << 32 }
}

/// The context of a quad; bit 0 of `row` is the cell to the left of the row.
#[inline(always)]
fn context(above: u64, row: u64, quad: usize, known: u32, first: bool) -> usize {
    let left = (row >> (4 * quad) & 1) as usize;
    let seen = if first { 64 + left } else { (above >> (4 * quad) & 31) as usize | left << 5 };
    if known >> (4 * quad) & 15 == 15 { KNOWN } else { seen }
}

/// Blocks of a group whose masks are coded, ascending.
#[derive(Clone, Copy, Default)]
pub(crate) struct Which {
    blocks: [u8; GROUP_BLOCKS],
    count: usize,
}

impl Which {
    /// The blocks whose bit is set.
    pub fn of(bits: u16) -> Self {
        let mut which = Self::default();
        for block in (0..GROUP_BLOCKS as u8).filter(|block| bits >> block & 1 == 1) {
            which.blocks[which.count] = block;
            which.count += 1;
        }
        which
    }

    /// Does something for the place and the number of each block.
    #[inline(always)]
    fn each(&self, mut work: impl FnMut(usize, usize)) {
        if self.count == GROUP_BLOCKS {
            // Most groups are full; of what is the same for all of them a compiler makes vectors.
            for block in 0..GROUP_BLOCKS {
                work(block, block);
            }
        } else {
            for (place, block) in self.blocks[..self.count].iter().enumerate() {
                work(place, usize::from(*block) % GROUP_BLOCKS);
            }
        }
    }

    /// The same from the last one to the first.
    #[inline(always)]
    fn each_back(&self, mut work: impl FnMut(usize, usize)) {
        if self.count == GROUP_BLOCKS {
            for block in (0..GROUP_BLOCKS).rev() {
                work(block, block);
            }
        } else {
            for (place, block) in self.blocks[..self.count].iter().enumerate().rev() {
                work(place, usize::from(*block) % GROUP_BLOCKS);
            }
        }
    }
}

/// A row of masks, `first` if it is the first one of the blocks. Quads of which all cells are `known` to have no bit are
/// not in the words.
#[inline(always)]
pub(crate) fn read_row(
    source: &mut Source<'_>,
    which: &Which,
    above: &MaskRow,
    known: &MaskRow,
    first: bool,
) -> MaskRow {
    let tables: &Decoding = &DECODING;
    // Bit 0 is what stands for the cell to the left of the row: the one above its first.
    let mut rows = above.map(|above| if first { 0 } else { u64::from(above & 1) });
    let above = above.map(|above| row_above(above, first));
    for quad in 0..QUADS {
        which.each(|place, block| {
            let context = context(above[block], rows[block], quad, known[block], first);
            let slot = source.slot(place % LANES, SCALE_BITS);
            let quad_here = tables.quads[(context << SCALE_BITS | slot) % DECODING_SLOTS];
            let range = tables.ranges[(context << 4 | usize::from(quad_here)) % (DECODING_SLOTS >> SCALE_BITS << 4)];
            source.pass::<SCALE_BITS>(place % LANES, slot, range);
            rows[block] |= u64::from(quad_here) << (4 * quad + 1);
        });
    }
    rows.map(|row| (row >> 1) as u32)
}

/// Writes what [`read_row`] reads, the last quad first, as the words grow from their end.
#[inline(always)]
pub(crate) fn write_row(
    target: &mut Target,
    which: &Which,
    rows: &MaskRow,
    above: &MaskRow,
    known: &MaskRow,
    first: bool,
) {
    let table = &*ENCODING;
    for quad in (0..QUADS).rev() {
        which.each_back(|place, block| {
            let row = u64::from(rows[block]) << 1 | if first { 0 } else { u64::from(above[block] & 1) };
            let context = context(row_above(above[block], first), row, quad, known[block], first);
            if context < KNOWN {
                target.push::<SCALE_BITS>(place % LANES, &table[context][(row >> (4 * quad + 1) & 15) as usize]);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rans::Words;

    #[test]
    fn each_quad_has_a_place_in_each_context() {
        for frequencies in &FREQUENCIES {
            assert!(frequencies.iter().all(|frequency| *frequency > 0));
            assert_eq!(frequencies.iter().map(|frequency| usize::from(*frequency)).sum::<usize>(), SCALE);
        }
    }

    #[test]
    fn masks_come_back_row_by_row_and_known_quads_take_nothing() {
        for bits in [u16::MAX, 0b0110_0000_0000_0101] {
            let which = Which::of(bits);
            let rows: Vec<MaskRow> = (0..3_u32)
                .map(|row| {
                    std::array::from_fn(|block| {
                        let mask = (row * 977 + block as u32 * 31).wrapping_mul(2_654_435_761) & 0xffff_ff00;
                        if bits >> block & 1 == 1 { mask } else { 0 }
                    })
                })
                .collect();
            let known = [0xff; GROUP_BLOCKS];
            let nothing = [0; GROUP_BLOCKS];
            let (mut target, mut bytes) = (Target::new(), Vec::new());
            for row in (0..rows.len()).rev() {
                write_row(&mut target, &which, &rows[row], &rows[row.saturating_sub(1)], &known, row == 0);
            }
            target.finish(&mut bytes);
            let mut words = Words::new();
            let mut source = Source::new(&bytes, &mut words).unwrap();
            let mut above = nothing;
            for (row, expected) in rows.iter().enumerate() {
                above = read_row(&mut source, &which, &above, &known, row == 0);
                assert_eq!(above, *expected, "row {row}");
            }
            assert!(source.is_complete());
        }
    }
}
