//! The cells of up to 16 blocks as few bytes: row by row, first which cells are wet, then how wet.

use crate::blocks::{BLOCK_CELLS, GROUP_BLOCKS, SIDE};
use crate::mask::{self, MaskRow, Which};
use crate::predict::{Above, LONG, Outlook, ROW};
use crate::rans::{Counts, Decoder, Encoder, Event, Source, Target, Words};
use crate::weights::Weights;

/// The codes of a block, and for each row which cells are wet and which are not observed.
#[derive(Clone)]
pub(crate) struct CodedBlock {
    pub codes: [u8; BLOCK_CELLS],
    pub wet: [u32; SIDE],
    pub missing: [u32; SIDE],
}

/// Up to 16 blocks side by side: the cell in column c of block b is number 16 c + b of its row.
#[derive(Clone)]
pub(crate) struct Group {
    pub count: usize,
    /// Ranks of wet cells, 0 elsewhere.
    pub ranks: Box<[[u8; ROW]; SIDE]>,
    pub wet: [MaskRow; SIDE],
    pub missing: [MaskRow; SIDE],
    /// A bit for each block that has cells that were not observed.
    pub partial: u16,
}

impl Group {
    pub fn new() -> Self {
        Self {
            count: 0,
            ranks: Box::new([[0; ROW]; SIDE]),
            wet: [[0; GROUP_BLOCKS]; SIDE],
            missing: [[0; GROUP_BLOCKS]; SIDE],
            partial: 0,
        }
    }

    /// Of the blocks, at most 16, that `order` names, whose codes have these ranks.
    #[inline(always)]
    pub fn of(blocks: &[CodedBlock], order: &[u32], ranks: &[u8; 256]) -> Self {
        let mut group = Self { count: order.len().min(GROUP_BLOCKS), ..Self::new() };
        for (place, number) in order.iter().enumerate().take(GROUP_BLOCKS) {
            let block = &blocks[*number as usize];
            let mut any_missing = 0;
            for (row, codes) in block.codes.as_chunks::<SIDE>().0.iter().enumerate() {
                group.wet[row][place] = block.wet[row];
                group.missing[row][place] = block.missing[row];
                any_missing |= block.missing[row];
                if block.wet[row] != 0 {
                    for (column, code) in codes.iter().enumerate() {
                        group.ranks[row][column * GROUP_BLOCKS + place] = ranks[usize::from(*code)];
                    }
                }
            }
            group.partial |= u16::from(any_missing != 0) << place;
        }
        group
    }

    fn present(count: usize) -> u16 {
        (0..count.min(GROUP_BLOCKS)).fold(0, |bits, block| bits | 1 << block)
    }

    #[inline(always)]
    fn is_dry(&self, row: usize) -> bool {
        self.wet[row].iter().fold(0, |any, mask| any | mask) == 0
    }
}

/// Where the wet cells of a byte of a mask are.
static PLACES: [[u16; 8]; 256] = places();

const fn places() -> [[u16; 8]; 256] {
    let mut places = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                places[byte][count] = (bit * GROUP_BLOCKS) as u16;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    places
}

/// The wet cells of a row, block by block; a few places more, as they are written eight at a time.
struct List([u16; ROW + 8]);

impl List {
    #[inline(always)]
    fn of<'a>(&'a mut self, row: &MaskRow) -> &'a [u16] {
        let mut count = 0_usize;
        for (block, mask) in row.iter().enumerate() {
            for (quarter, byte) in mask.to_le_bytes().into_iter().enumerate() {
                let begin = (quarter * 8 * GROUP_BLOCKS + block) as u16;
                if let Some(room) = self.0.get_mut(count..count + 8) {
                    for (cell, place) in room.iter_mut().zip(&PLACES[usize::from(byte)]) {
                        *cell = begin + place;
                    }
                }
                count += byte.count_ones() as usize;
            }
        }
        &self.0[..count.min(ROW)]
    }
}

/// The events of the wet cells of groups, row after row.
#[derive(Default)]
pub(crate) struct Events {
    events: Vec<Event>,
    /// How many of them each row has.
    rows: Vec<u16>,
}

impl Events {
    /// Appends those of a group and counts them.
    #[inline(always)]
    pub fn add(&mut self, group: &Group, weights: &Weights, counts: &mut Counts) {
        let (mut above, mut outlook) = (Above::nothing(), Outlook::new());
        let (mut row_events, mut misses) = ([Event::default(); ROW], [0; ROW]);
        let (mut ranks, mut wet) = ([0; LONG], [0; LONG]);
        let mut list = List([0; ROW + 8]);
        for row in 0..SIDE {
            if group.is_dry(row) {
                above.set(&[0; ROW], &[0; ROW]);
                self.rows.push(0);
                continue;
            }
            ranks[..GROUP_BLOCKS].copy_from_slice(&above.ranks[..GROUP_BLOCKS]);
            ranks[GROUP_BLOCKS..].copy_from_slice(&group.ranks[row]);
            for (wet, rank) in wet.iter_mut().zip(&ranks) {
                *wet = u8::from(*rank != 0).wrapping_neg();
            }
            outlook.look(&above, &wet, weights, row == 0);
            outlook.events(&ranks, &mut row_events, &mut misses);
            above.set(&group.ranks[row], &misses);
            let list = list.of(&group.wet[row]);
            let begin = self.events.len();
            self.events.extend(list.iter().map(|cell| row_events[usize::from(*cell) % ROW]));
            counts.add(&self.events[begin..]);
            self.rows.push(list.len() as u16);
        }
    }

    /// Takes the events of the first of `groups` away, those of each row by themselves.
    pub fn by_row(&self) -> impl Iterator<Item = &[Event]> {
        let mut begin = 0;
        self.rows.iter().map(move |count| {
            let end = begin + usize::from(*count);
            let row = self.events.get(begin..end).unwrap_or_default();
            begin = end;
            row
        })
    }
}

/// Appends the bytes of a group, whose events are given by row.
#[inline(always)]
pub(crate) fn encode_group(
    group: &Group,
    rows: &[&[Event]],
    encoder: &Encoder,
    target: &mut Target,
    bytes: &mut Vec<u8>,
) {
    let (present, partial) = (Which::of(Group::present(group.count)), Which::of(group.partial));
    for (row, events) in rows.iter().enumerate().rev() {
        let (first, above) = (row == 0, row.saturating_sub(1));
        encoder.write(target, events);
        mask::write_row(target, &present, &group.wet[row], &group.wet[above], &group.missing[row], first);
        mask::write_row(target, &partial, &group.missing[row], &group.missing[above], &[0; GROUP_BLOCKS], first);
    }
    bytes.extend(group.partial.to_le_bytes());
    target.finish(bytes);
}

/// A cell without data among ranks, of which there are at most 254.
pub(crate) const MISSING: u8 = 255;

/// The ranks of a group as it was decoded, by row and block: 0 where it is dry, [`MISSING`] where nothing was observed.
#[derive(Debug)]
pub(crate) struct Decoded(Box<[[[u8; SIDE]; GROUP_BLOCKS]; SIDE]>);

impl Decoded {
    pub fn new() -> Self {
        Self(Box::new([[[0; SIDE]; GROUP_BLOCKS]; SIDE]))
    }

    /// A row of a block.
    #[inline(always)]
    pub fn line(&self, row: usize, block: usize) -> &[u8; SIDE] {
        &self.0[row % SIDE][block % GROUP_BLOCKS]
    }

    #[inline(always)]
    fn set(&mut self, row: usize, ranks: Option<&[u8; ROW]>, missing: &MaskRow) {
        let lines = &mut self.0[row % SIDE];
        match ranks {
            Some(ranks) => by_block(ranks, lines),
            None => *lines = [[0; SIDE]; GROUP_BLOCKS],
        }
        for (line, mask) in lines.iter_mut().zip(missing) {
            if *mask != 0 {
                for (column, rank) in line.iter_mut().enumerate() {
                    *rank |= ((mask >> column & 1) as u8).wrapping_neg();
                }
            }
        }
    }
}

/// Deals a row, column by column of all blocks, out to its blocks: four times, those in even places first and those in
/// odd places after them, of which compilers make vectors.
#[inline(always)]
fn by_block(ranks: &[u8; ROW], lines: &mut [[u8; SIDE]; GROUP_BLOCKS]) {
    let mut dealt = *ranks;
    for _ in 0..GROUP_BLOCKS.trailing_zeros() {
        let row = dealt;
        let (evens, odds) = dealt.split_at_mut(ROW / 2);
        for ((even, odd), pair) in evens.iter_mut().zip(odds).zip(row.as_chunks::<2>().0) {
            (*even, *odd) = (pair[0], pair[1]);
        }
    }
    for (line, dealt) in lines.iter_mut().zip(dealt.as_chunks::<SIDE>().0) {
        *line = *dealt;
    }
}

/// Decodes the first rows of the `count` blocks of a group; `None` when the bytes are not those of such a group. What
/// comes after these rows is not looked at.
#[inline(always)]
pub(crate) fn decode_group(
    bytes: &[u8],
    count: usize,
    rows: usize,
    weights: &Weights,
    decoder: &Decoder,
    words: &mut Words,
    decoded: &mut Decoded,
) -> Option<()> {
    let (partial, rest) = bytes.split_first_chunk::<2>()?;
    let mut source = Source::new(rest, words)?;
    let (present, partial) = (Group::present(count), u16::from_le_bytes(*partial));
    if partial & !present != 0 {
        return None;
    }
    let has_missing = partial != 0;
    let (present, partial) = (Which::of(present), Which::of(partial));
    let (mut above, mut outlook) = (Above::nothing(), Outlook::new());
    let (mut contexts, mut symbols, mut misses, mut wet) = ([0; ROW], [0; ROW], [0; ROW], [0; LONG]);
    let (mut wet_above, mut missing_above) = ([0; GROUP_BLOCKS], [0; GROUP_BLOCKS]);
    let mut ranks = [0; ROW];
    let mut list = List([0; ROW + 8]);
    for row in 0..rows.min(SIDE) {
        let first = row == 0;
        if has_missing {
            missing_above = mask::read_row(&mut source, &partial, &missing_above, None, first);
        }
        let known = has_missing.then_some(&missing_above);
        wet_above = mask::read_row(&mut source, &present, &wet_above, known, first);
        if wet_above.iter().fold(0, |any, mask| any | mask) == 0 {
            above.set(&[0; ROW], &[0; ROW]);
            decoded.set(row, None, &missing_above);
            continue;
        }
        for (wet, rank) in wet[..GROUP_BLOCKS].iter_mut().zip(&above.ranks) {
            *wet = u8::from(*rank != 0).wrapping_neg();
        }
        for (column, wet) in wet[GROUP_BLOCKS..].as_chunks_mut::<GROUP_BLOCKS>().0.iter_mut().enumerate() {
            for (wet, mask) in wet.iter_mut().zip(&wet_above) {
                *wet = (mask >> column & 1) as u8 * 255;
            }
        }
        outlook.look(&above, &wet, weights, first);
        outlook.contexts(&mut contexts);
        decoder.read(&mut source, list.of(&wet_above), &contexts, &mut symbols);
        let mut first_lefts = [0; GROUP_BLOCKS];
        first_lefts.copy_from_slice(&above.ranks[..GROUP_BLOCKS]);
        outlook.ranks(&symbols, &wet, &first_lefts, &mut ranks, &mut misses);
        above.set(&ranks, &misses);
        decoded.set(row, Some(&ranks), &missing_above);
    }
    let whole = if rows < SIDE { source.is_within() } else { source.is_complete() };
    whole.then_some(())
}
