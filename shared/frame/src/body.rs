//! The groups of blocks in the body of a frame: found, checked, decoded, and kept by those who ask again.

use fearless_simd::{Level, dispatch};
use raincell_model::Observation;

use crate::DecodeError;
use crate::blocks::{BLOCK_CELLS, BlockState, GROUP_BLOCKS, SIDE};
use crate::bytes::{Reader, wrong};
use crate::group::{Decoded, MISSING, decode_group};
use crate::header::{FrameHeader, SegmentInfo};
use crate::rans::{Decoder, Words};

/// Where a frame says what is in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CellPlace {
    /// Its header says it.
    Header(Observation),
    /// It is in a group of blocks, of this number: a [`GroupDecoder`] decodes it.
    Group(usize),
}

impl FrameHeader {
    /// Where the frame says what is in a cell; [`Observation::NoData`] off its grid.
    pub fn place_of(&self, row: usize, column: usize) -> CellPlace {
        if row >= self.grid.height || column >= self.grid.width {
            return CellPlace::Header(Observation::NoData);
        }
        match self.states.at(self.block_grid().index_of(row / SIDE, column / SIDE)) {
            (BlockState::NoData, _) => CellPlace::Header(Observation::NoData),
            (BlockState::Dry, _) => CellPlace::Header(Observation::Dry),
            (BlockState::Mixed, stored) => CellPlace::Group(stored - self.group_of(stored).2),
        }
    }

    /// Of a stored block the number of its segment, its group there, and its place in this. A group is numbered after
    /// the first of its blocks.
    fn group_of(&self, stored: usize) -> (usize, usize, usize) {
        // The segment table covers all stored blocks from 0 on, so that one segment begins at or before each.
        let number = self.segments.partition_point(|segment| segment.first_block <= stored).saturating_sub(1);
        let in_segment = stored - self.segments.get(number).map_or(0, |segment| segment.first_block);
        (number, in_segment / GROUP_BLOCKS, in_segment % GROUP_BLOCKS)
    }
}

/// Up to 16 blocks of 32 × 32 cells that lie together in a frame, decoded.
#[derive(Debug)]
pub struct BlockGroup(Decoded);

impl BlockGroup {
    /// Bytes of memory that one takes.
    pub const BYTES: usize = GROUP_BLOCKS * BLOCK_CELLS;

    /// What is in a cell of the group, under the header of its frame. Of cells that are not in the group it says
    /// something wrong.
    pub fn at(&self, header: &FrameHeader, row: usize, column: usize) -> Observation {
        let (_, stored) = header.states.at(header.block_grid().index_of(row / SIDE, column / SIDE));
        let (_, _, place) = header.group_of(stored);
        match self.0.line(row % SIDE, place)[column % SIDE] {
            0 => Observation::Dry,
            MISSING => Observation::NoData,
            rank => header.palette.value(rank, header.quantisation).map_or(Observation::Dry, Observation::Rain),
        }
    }
}

/// Decodes groups, of one frame after the other; keeps its memory, which takes some time to get.
pub struct GroupDecoder {
    decoder: Decoder,
    words: Words,
}

impl Default for GroupDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl GroupDecoder {
    /// One that has decoded nothing yet.
    pub fn new() -> Self {
        Self { decoder: Decoder::new(), words: Words::new() }
    }

    /// The group of a number that [`FrameHeader::place_of`] gave for a cell, out of the bytes of the segment that
    /// [`FrameHeader::segment_of`] gives for it.
    ///
    /// # Errors
    /// [`DecodeError`] as [`decode`](crate::decode()), for the parts that are looked at.
    pub fn decode(&mut self, header: &FrameHeader, segment: &[u8], number: usize) -> Result<BlockGroup, DecodeError> {
        self.decode_rows(header, segment, number, SIDE)
    }

    /// Only the first rows of its blocks.
    pub(crate) fn decode_rows(
        &mut self,
        header: &FrameHeader,
        bytes: &[u8],
        number: usize,
        rows: usize,
    ) -> Result<BlockGroup, DecodeError> {
        let mut decoded = Decoded::new();
        let (segment, group, _) = header.group_of(number);
        let Some(segment) = header.segments.get(segment) else { return Ok(BlockGroup(decoded)) };
        header.frequencies.fill(&mut self.decoder);
        check(bytes, segment)?;
        self.load(Level::new(), header, bytes, (segment, group), rows, &mut decoded)?;
        Ok(BlockGroup(decoded))
    }

    /// Decodes a group out of the bytes of its segment, whose checksum was looked at; the tables are those of the frame.
    fn load(
        &mut self,
        level: Level,
        header: &FrameHeader,
        bytes: &[u8],
        (segment, group): (&SegmentInfo, usize),
        rows: usize,
        decoded: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let groups = segment.blocks.div_ceil(GROUP_BLOCKS);
        let mut reader = Reader::at(bytes, segment.offset);
        let mut begin = groups * 4;
        for _ in 0..group {
            begin = begin.saturating_add(reader.u32("length of a group")? as usize);
        }
        let length_at = reader.offset();
        let length = reader.u32("length of a group")? as usize;
        let blocks = GROUP_BLOCKS.min(segment.blocks.saturating_sub(group * GROUP_BLOCKS));
        let Some(packed) = bytes.get(begin..).and_then(|rest| rest.get(..length)) else {
            let expected = format_args!("at most {}", bytes.len().saturating_sub(begin)).to_string();
            return Err(wrong("length of a group", length_at, expected, length));
        };
        let (weights, decoder, words) = (&header.weights, &self.decoder, &mut self.words);
        let whole = dispatch!(level, _ => decode_group(packed, blocks, rows, weights, decoder, words, decoded));
        if whole.is_none() {
            let found = format_args!("{length} bytes that are not that").to_string();
            let expected = format_args!("{blocks} blocks of {BLOCK_CELLS} cells").to_string();
            return Err(wrong("group of blocks", segment.offset + begin, expected, found));
        }
        Ok(())
    }
}

/// Whether the bytes of a segment are those that the header tells of.
fn check(bytes: &[u8], segment: &SegmentInfo) -> Result<(), DecodeError> {
    let found = crc32fast::hash(bytes);
    if found == segment.crc {
        return Ok(());
    }
    let (offset, end) = (segment.offset, segment.offset + segment.length);
    Err(DecodeError::Checksum { field: "segment", offset, end, expected: segment.crc, found })
}

/// Finds the blocks of one frame in its body; remembers the segment it checked and the group it decoded last.
pub(crate) struct BodyReader<'a> {
    level: Level,
    bytes: &'a [u8],
    header: &'a FrameHeader,
    checked: Option<usize>,
    loaded: Option<(usize, usize)>,
    group: Decoded,
    decoder: GroupDecoder,
}

impl<'a> BodyReader<'a> {
    pub fn new(level: Level, bytes: &'a [u8], header: &'a FrameHeader) -> Self {
        let mut decoder = GroupDecoder::new();
        header.frequencies.fill(&mut decoder.decoder);
        Self { level, bytes, header, checked: None, loaded: None, group: Decoded::new(), decoder }
    }

    /// The group that a stored block is in, and its place there.
    pub fn block(&mut self, stored: usize) -> Result<(&Decoded, usize), DecodeError> {
        let (number, group, place) = self.header.group_of(stored);
        if self.loaded != Some((number, group)) {
            let segment = &self.header.segments[number];
            let bytes = segment.bytes_in(self.bytes);
            if self.checked != Some(number) {
                check(bytes, segment)?;
                self.checked = Some(number);
            }
            self.loaded = None;
            self.decoder.load(self.level, self.header, bytes, (segment, group), SIDE, &mut self.group)?;
            self.loaded = Some((number, group));
        }
        Ok((&self.group, place))
    }
}
