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
    [986, 5, 2, 2, 2, 1, 1, 1, 10, 1, 1, 1, 5, 1, 3, 2],
    [813, 86, 26, 27, 15, 3, 4, 8, 14, 2, 1, 1, 7, 1, 8, 8],
    [527, 84, 147, 50, 33, 9, 33, 28, 33, 4, 6, 3, 18, 3, 27, 19],
    [631, 63, 34, 112, 11, 3, 22, 44, 15, 3, 1, 13, 20, 1, 9, 42],
    [484, 20, 63, 13, 151, 4, 41, 21, 65, 3, 8, 4, 72, 6, 33, 36],
    [284, 74, 111, 40, 96, 101, 28, 39, 35, 22, 17, 13, 39, 8, 44, 73],
    [348, 31, 59, 34, 67, 7, 150, 53, 24, 4, 11, 7, 58, 3, 98, 70],
    [455, 37, 37, 78, 13, 4, 65, 169, 18, 1, 3, 7, 13, 6, 44, 74],
    [505, 22, 21, 12, 48, 4, 18, 7, 219, 4, 5, 9, 92, 4, 33, 21],
    [393, 49, 30, 46, 67, 19, 15, 19, 74, 112, 17, 24, 21, 10, 24, 104],
    [184, 45, 66, 45, 106, 32, 55, 55, 70, 16, 105, 16, 74, 18, 58, 79],
    [187, 60, 41, 140, 18, 28, 75, 50, 26, 7, 128, 112, 18, 24, 39, 71],
    [329, 9, 32, 11, 70, 7, 49, 15, 114, 3, 9, 4, 216, 5, 99, 52],
    [130, 108, 86, 33, 52, 13, 77, 38, 50, 17, 31, 8, 61, 80, 45, 195],
    [256, 7, 15, 16, 67, 4, 42, 66, 16, 8, 7, 5, 81, 8, 262, 164],
    [349, 19, 25, 38, 16, 4, 42, 96, 8, 3, 4, 9, 27, 9, 97, 278],
    [695, 5, 4, 2, 7, 1, 3, 1, 204, 2, 2, 1, 62, 1, 22, 12],
    [547, 87, 35, 19, 88, 3, 48, 5, 97, 6, 8, 7, 24, 7, 23, 20],
    [378, 46, 139, 25, 63, 9, 16, 6, 122, 48, 22, 15, 33, 16, 60, 26],
    [280, 50, 124, 123, 13, 2, 50, 46, 38, 52, 31, 16, 46, 7, 38, 108],
    [239, 25, 47, 25, 181, 8, 19, 8, 152, 6, 35, 10, 152, 12, 72, 33],
    [210, 39, 44, 28, 49, 101, 13, 49, 91, 23, 59, 49, 70, 28, 70, 101],
    [202, 13, 40, 15, 42, 6, 103, 23, 57, 46, 22, 44, 123, 46, 128, 114],
    [216, 30, 22, 89, 23, 9, 36, 159, 53, 13, 24, 28, 32, 17, 70, 203],
    [308, 3, 2, 1, 7, 1, 2, 1, 397, 4, 3, 1, 203, 3, 62, 26],
    [235, 31, 62, 13, 17, 3, 15, 34, 169, 117, 12, 25, 91, 35, 67, 98],
    [145, 14, 27, 10, 41, 11, 22, 13, 185, 33, 94, 34, 153, 57, 96, 89],
    [175, 23, 11, 60, 28, 13, 14, 20, 182, 59, 22, 92, 62, 33, 112, 118],
    [125, 1, 2, 1, 6, 1, 4, 1, 181, 1, 4, 1, 414, 5, 210, 67],
    [166, 5, 12, 24, 20, 3, 10, 10, 83, 25, 19, 18, 231, 89, 135, 174],
    [67, 1, 4, 2, 6, 1, 6, 2, 53, 1, 3, 2, 186, 7, 442, 241],
    [92, 3, 2, 5, 2, 1, 5, 11, 37, 3, 2, 3, 89, 5, 227, 537],
    [521, 234, 5, 92, 3, 4, 2, 44, 8, 5, 1, 3, 4, 4, 3, 91],
    [248, 436, 7, 191, 2, 3, 2, 55, 3, 6, 1, 3, 1, 2, 1, 63],
    [131, 172, 106, 181, 14, 30, 63, 134, 11, 24, 8, 11, 12, 7, 11, 109],
    [76, 213, 4, 406, 1, 3, 2, 182, 1, 3, 1, 6, 1, 2, 1, 122],
    [233, 85, 26, 53, 120, 50, 15, 111, 44, 47, 9, 22, 25, 29, 17, 138],
    [81, 107, 56, 138, 25, 100, 27, 168, 7, 17, 11, 29, 6, 21, 20, 211],
    [80, 49, 19, 79, 71, 12, 95, 238, 36, 13, 5, 17, 11, 26, 15, 258],
    [27, 59, 3, 211, 2, 3, 4, 402, 1, 2, 1, 6, 1, 2, 2, 298],
    [221, 60, 17, 26, 37, 20, 17, 32, 196, 31, 5, 19, 64, 64, 28, 187],
    [84, 157, 16, 55, 32, 11, 18, 80, 104, 122, 9, 82, 16, 27, 75, 136],
    [115, 53, 28, 59, 34, 77, 40, 69, 40, 34, 127, 90, 28, 46, 40, 144],
    [73, 91, 13, 111, 8, 41, 15, 184, 5, 22, 13, 126, 14, 40, 19, 249],
    [103, 47, 12, 24, 44, 9, 22, 55, 90, 13, 3, 11, 128, 94, 43, 326],
    [44, 106, 14, 54, 57, 43, 43, 126, 14, 18, 10, 35, 29, 99, 38, 294],
    [32, 30, 7, 62, 13, 10, 17, 95, 11, 16, 3, 26, 94, 20, 102, 486],
    [13, 21, 1, 52, 1, 2, 2, 216, 1, 2, 1, 8, 4, 3, 5, 692],
    [310, 135, 10, 43, 4, 14, 3, 16, 93, 39, 6, 24, 33, 22, 10, 262],
    [165, 244, 6, 148, 4, 6, 4, 26, 39, 88, 6, 42, 12, 18, 8, 208],
    [103, 122, 71, 111, 13, 27, 27, 78, 60, 56, 16, 34, 31, 38, 45, 192],
    [38, 103, 18, 230, 2, 6, 3, 122, 9, 53, 4, 66, 24, 15, 8, 323],
    [113, 55, 44, 17, 75, 36, 29, 40, 44, 69, 25, 52, 67, 29, 164, 165],
    [31, 62, 123, 55, 12, 103, 35, 65, 27, 31, 44, 73, 18, 56, 46, 243],
    [37, 24, 19, 34, 21, 16, 80, 78, 24, 21, 16, 67, 32, 34, 148, 373],
    [17, 37, 2, 99, 4, 8, 9, 204, 5, 12, 6, 66, 8, 22, 12, 513],
    [91, 66, 2, 26, 4, 3, 2, 14, 151, 76, 3, 27, 82, 34, 31, 412],
    [80, 92, 2, 41, 6, 5, 2, 31, 76, 165, 5, 56, 53, 81, 18, 311],
    [99, 33, 15, 30, 13, 9, 13, 44, 53, 32, 63, 40, 53, 130, 139, 258],
    [29, 56, 3, 95, 4, 8, 4, 57, 23, 45, 8, 155, 13, 67, 28, 429],
    [32, 18, 1, 9, 4, 2, 2, 11, 44, 31, 3, 14, 140, 52, 74, 587],
    [32, 28, 4, 12, 3, 16, 5, 20, 25, 61, 8, 29, 61, 154, 93, 473],
    [10, 6, 2, 7, 5, 2, 3, 13, 9, 10, 3, 7, 36, 17, 99, 795],
    [2, 2, 1, 5, 1, 1, 1, 10, 1, 1, 1, 2, 2, 2, 5, 987],
    [846, 4, 2, 3, 2, 1, 2, 3, 19, 1, 1, 1, 15, 1, 19, 104],
    [19, 22, 1, 20, 1, 1, 1, 24, 2, 2, 1, 2, 2, 1, 2, 923],
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

/// Encoding: the slots of each quad of each context, and of a row that stays dry or wet or does not.
struct Encoding {
    quads: Vec<[Slots; 16]>,
    stays: [[Slots; 2]; 2],
}

static ENCODING: LazyLock<Encoding> = LazyLock::new(|| {
    let slots = |frequencies: &[u16; 16]| {
        let mut next = 0;
        frequencies.map(|frequency| {
            let start = next;
            next += u32::from(frequency);
            Slots::new(start, u32::from(frequency), SCALE_BITS)
        })
    };
    let stays =
        STAYS.map(|share| [Slots::new(0, share, SCALE_BITS), Slots::new(share, SCALE as u32 - share, SCALE_BITS)]);
    Encoding { quads: FREQUENCIES.iter().map(slots).collect(), stays }
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

/// How often, out of 1024, a row of a block stays all dry, or all wet, if the one above it is.
const STAYS: [u32; 2] = [986, 982];

/// Blocks of a group, ascending.
#[derive(Clone, Copy, Default)]
pub(crate) struct Which {
    blocks: [u8; GROUP_BLOCKS],
    count: usize,
}

impl Which {
    /// The blocks whose bit is set.
    pub fn of(bits: u16) -> Self {
        let mut which = Self::default();
        for block in 0..GROUP_BLOCKS as u8 {
            which.add(block, bits >> block & 1 == 1);
        }
        which
    }

    /// Appends a block on a condition, without a branch that a processor would have to guess.
    #[inline(always)]
    fn add(&mut self, block: u8, condition: bool) {
        self.blocks[self.count % GROUP_BLOCKS] = block;
        self.count += usize::from(condition);
    }

    #[inline(always)]
    fn list(&self) -> &[u8] {
        &self.blocks[..self.count.min(GROUP_BLOCKS)]
    }

    /// Those of which the row above is all dry or all wet, so that the next one may well be the same, and the others.
    #[inline(always)]
    fn parted(&self, above: &MaskRow, first: bool) -> (Self, Self) {
        let (mut even, mut mixed) = (Self::default(), Self::default());
        for &block in self.list() {
            let above = above[usize::from(block) % GROUP_BLOCKS];
            let is_even = (above == 0 || above == u32::MAX) && !first;
            even.add(block, is_even);
            mixed.add(block, !is_even);
        }
        (even, mixed)
    }
}

/// A row of masks, `first` if it is the first one of the blocks. Quads of which all cells are `known` to have no bit are
/// not in the words.
#[inline(always)]
pub(crate) fn read_row(
    source: &mut Source<'_>,
    which: &Which,
    above: &MaskRow,
    known: Option<&MaskRow>,
    first: bool,
) -> MaskRow {
    // Mostly nothing is known; what is not asked for takes no time.
    match known {
        Some(known) => read(source, which, above, |block| known[block], first),
        None => read(source, which, above, |_| 0, first),
    }
}

#[inline(always)]
fn read(source: &mut Source<'_>, which: &Which, above: &MaskRow, known: impl Fn(usize) -> u32, first: bool) -> MaskRow {
    let tables: &Decoding = &DECODING;
    let (states, mut tape) = source.apart();
    let (even, mut open) = which.parted(above, first);
    for (state, &block) in states.iter_mut().zip(even.list()) {
        let slot = *state % SCALE as u32;
        let share = STAYS[usize::from(above[usize::from(block) % GROUP_BLOCKS] != 0)];
        let stays = slot < share;
        let (frequency, within) = if stays { (share, slot) } else { (SCALE as u32 - share, slot.wrapping_sub(share)) };
        *state = tape.passed::<SCALE_BITS>(*state, frequency, within);
        open.add(block, !stays);
    }
    let mut rows = *above;
    // Bit 0 is what stands for the cell to the left of the row: the one above its first.
    let mut wide = above.map(|above| if first { 0 } else { u64::from(above & 1) });
    let above = above.map(|above| row_above(above, first));
    let mut lane = 0;
    for quad in 0..QUADS {
        for &block in open.list() {
            let block = usize::from(block) % GROUP_BLOCKS;
            let context = context(above[block], wide[block], quad, known(block), first);
            let state = states[lane];
            let slot = state % SCALE as u32;
            let quad_here = tables.quads[(context << SCALE_BITS | slot as usize) % DECODING_SLOTS];
            let range = tables.ranges[(context << 4 | usize::from(quad_here)) % (DECODING_SLOTS >> SCALE_BITS << 4)];
            states[lane] = tape.passed::<SCALE_BITS>(state, range & 0xffff, slot.wrapping_sub(range >> 16));
            wide[block] |= u64::from(quad_here) << (4 * quad + 1);
            lane = (lane + 1) % LANES;
        }
    }
    source.goes_on(&tape);
    for &block in open.list() {
        let block = usize::from(block) % GROUP_BLOCKS;
        rows[block] = (wide[block] >> 1) as u32;
    }
    rows
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
    let tables = &*ENCODING;
    let (even, mut open) = which.parted(above, first);
    for &block in even.list() {
        let block_here = usize::from(block) % GROUP_BLOCKS;
        open.add(block, rows[block_here] != above[block_here]);
    }
    let mut lane = QUADS * open.list().len() % LANES;
    for quad in (0..QUADS).rev() {
        for &block in open.list().iter().rev() {
            let block = usize::from(block) % GROUP_BLOCKS;
            lane = lane.wrapping_sub(1) % LANES;
            let row = u64::from(rows[block]) << 1 | if first { 0 } else { u64::from(above[block] & 1) };
            let context = context(row_above(above[block], first), row, quad, known[block], first);
            if context < KNOWN {
                let quad_here = (row >> (4 * quad + 1) & 15) as usize;
                target.push::<SCALE_BITS>(lane, &tables.quads[context][quad_here]);
            }
        }
    }
    for (place, &block) in even.list().iter().enumerate().rev() {
        let block = usize::from(block) % GROUP_BLOCKS;
        let stays = rows[block] == above[block];
        target.push::<SCALE_BITS>(place % LANES, &tables.stays[usize::from(above[block] != 0)][usize::from(!stays)]);
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
                above = read_row(&mut source, &which, &above, Some(&known), row == 0);
                assert_eq!(above, *expected, "row {row}");
            }
            assert!(source.is_complete());
        }
    }
}
