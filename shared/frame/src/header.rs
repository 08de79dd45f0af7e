//! The header of a frame: everything but the codes of its mixed blocks.

use std::sync::Arc;

use jiff::Timestamp;
use raincell_model::Grid;

use crate::blocks::{BLOCK_LOG2, BlockGrid, BlockState, GROUP_BLOCKS, SIDE, StateRuns};
use crate::bytes::{Reader, put_text, wrong};
use crate::palette::Palette;
use crate::rans::Frequencies;
use crate::weights::Weights;
use crate::{DecodeError, EncodeError, MAX_CELLS, MAX_SEGMENT_BYTES, Quantisation};

pub(crate) const MAGIC: [u8; 4] = *b"RCFR";
pub(crate) const VERSION: u8 = 3;
/// Where the length of the header stands.
const LENGTH_OFFSET: usize = 8;
/// Bytes of one row of the segment table.
const SEGMENT_ROW_BYTES: usize = 16;

/// What a frame says of itself before any of its cells is decoded.
#[derive(Clone, Debug)]
pub struct FrameHeader {
    /// Version of the format.
    pub version: u8,
    /// Who made it.
    pub source: String,
    /// What it shows.
    pub product: String,
    /// When it holds.
    pub valid_time: Timestamp,
    /// Its grid.
    pub grid: Arc<Grid>,
    /// How values became codes.
    pub quantisation: Quantisation,
    /// Cells that were observed (dry or not).
    pub observed_cells: usize,
    /// Cells with more than 0.
    pub wet_cells: usize,
    /// The highest value as it was encoded, before quantisation and cap; 0 where nothing is wet.
    pub max_value: f32,
    /// Blocks of the grid.
    pub blocks: usize,
    /// Blocks whose cells are stored: those with rain, and those on the edge of the coverage.
    pub stored_blocks: usize,
    /// The parts of the body; each can be kept and decoded by itself.
    pub segments: Vec<SegmentInfo>,
    /// Bytes of the header; the body begins here.
    pub header_bytes: usize,
    pub(crate) states: StateRuns,
    pub(crate) palette: Palette,
    pub(crate) weights: Weights,
    pub(crate) frequencies: Frequencies,
}

/// One part of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Number of its first block among the stored blocks.
    pub first_block: usize,
    /// Stored blocks in it.
    pub blocks: usize,
    /// Where it begins, counted from the first byte of the frame.
    pub offset: usize,
    /// Its bytes.
    pub length: usize,
    /// CRC-32 of its bytes.
    pub crc: u32,
}

impl SegmentInfo {
    /// Its bytes in those of its frame; none where these end before.
    pub fn bytes_in<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.offset..self.offset + self.length).unwrap_or_default()
    }
}

impl FrameHeader {
    /// Share of the grid that was observed, 0 to 1.
    pub fn coverage_share(&self) -> f64 {
        self.observed_cells as f64 / (self.grid.width * self.grid.height) as f64
    }

    /// Share of the observed cells that are wet, 0 to 1; 0 where nothing was observed.
    pub fn wet_share(&self) -> f64 {
        if self.observed_cells == 0 { 0.0 } else { self.wet_cells as f64 / self.observed_cells as f64 }
    }

    /// Number of the segment that holds a cell; `None` where the header alone says what is there, and off the grid.
    pub fn segment_of(&self, row: usize, column: usize) -> Option<usize> {
        if row >= self.grid.height || column >= self.grid.width {
            return None;
        }
        let (state, stored) = self.states.at(self.block_grid().index_of(row / SIDE, column / SIDE));
        let following = self.segments.partition_point(|segment| segment.first_block <= stored);
        if state == BlockState::Mixed { following.checked_sub(1) } else { None }
    }

    pub(crate) fn block_grid(&self) -> BlockGrid {
        BlockGrid::of(self.grid.height, self.grid.width)
    }

    /// The bytes of the header. The offsets of `segments` are not looked at: they follow from the lengths.
    pub(crate) fn write(&self) -> Result<Vec<u8>, EncodeError> {
        let (lowest, highest) = self.quantisation.bounds();
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(MAGIC);
        bytes.extend([VERSION, self.quantisation.kind(), BLOCK_LOG2, GROUP_BLOCKS as u8]);
        bytes.extend([0; 4]);
        bytes.extend(self.valid_time.as_millisecond().to_le_bytes());
        put_grid(&mut bytes, &self.grid);
        for value in [lowest, highest, self.max_value] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend((self.observed_cells as u32).to_le_bytes());
        bytes.extend((self.wet_cells as u32).to_le_bytes());
        bytes.extend((self.segments.len() as u32).to_le_bytes());
        put_text(&mut bytes, "source", &self.source)?;
        put_text(&mut bytes, "product", &self.product)?;
        put_text(&mut bytes, "projection", &self.grid.projection)?;
        self.states.write(&mut bytes);
        if self.stored_blocks > 0 {
            self.palette.write(&mut bytes);
            self.weights.write(&mut bytes);
            self.frequencies.write(&mut bytes);
        }
        for segment in &self.segments {
            for word in [segment.first_block, segment.blocks, segment.length] {
                bytes.extend((word as u32).to_le_bytes());
            }
            bytes.extend(segment.crc.to_le_bytes());
        }
        seal(&mut bytes);
        Ok(bytes)
    }

    /// Reads and checks the header at the beginning of a frame, and that a frame of so many bytes is as long as it says.
    pub(crate) fn read(opening: &[u8], frame_bytes: usize) -> Result<Self, DecodeError> {
        let header = read_envelope(opening, MAGIC, VERSION)?;
        let mut reader = Reader::new(header);
        reader.take("magic", 4)?;
        let version = reader.u8("version")?;
        let kind = reader.u8("quantisation kind")?;
        exactly(&mut reader, "block size", BLOCK_LOG2)?;
        exactly(&mut reader, "blocks a group", GROUP_BLOCKS as u8)?;
        reader.u32("header length")?;
        let valid_time = read_time(&mut reader, "valid time")?;
        let grid = read_grid(&mut reader)?;
        let cells = grid.width * grid.height;
        let bounds_at = reader.offset();
        let (lowest, highest) = (reader.f32("lowest value")?, reader.f32("highest value")?);
        let quantisation = Quantisation::from_header(kind, lowest, highest, bounds_at)?;
        let max_at = reader.offset();
        let max_value = reader.f32("maximum")?;
        if !max_value.is_finite() || max_value < 0.0 {
            return Err(wrong("maximum", max_at, "a finite number of at least 0", max_value));
        }
        let observed_cells = reader.u32_within("observed cells", 0..=cells)?;
        let wet_cells = reader.u32_within("wet cells", 0..=observed_cells)?;
        let blocks = BlockGrid::of(grid.height, grid.width).len();
        let segment_count = reader.u32_within("number of segments", 0..=blocks)?;
        let source = reader.text("source")?;
        let product = reader.text("product")?;
        let projection = reader.text("projection")?;
        let states = StateRuns::read(&mut reader, blocks)?;
        let stored_blocks = states.count(BlockState::Mixed);
        let (palette, weights, frequencies) = if stored_blocks > 0 {
            let palette = Palette::read(&mut reader)?;
            let weights = Weights::read(&mut reader)?;
            let frequencies = Frequencies::read(&mut reader, 256)?;
            (palette, weights, frequencies)
        } else {
            (Palette::default(), Weights::default(), Frequencies::none())
        };
        let segments = read_segments(&mut reader, segment_count, stored_blocks, header.len() + 4, frame_bytes)?;
        Ok(Self {
            version,
            source,
            product,
            valid_time,
            grid: Arc::new(Grid { projection, ..grid }),
            quantisation,
            observed_cells,
            wet_cells,
            max_value,
            blocks,
            stored_blocks,
            segments,
            header_bytes: header.len() + 4,
            states,
            palette,
            weights,
            frequencies,
        })
    }
}

/// Checks magic, version, header length and header checksum; what comes back ends before the checksum. Fields that a
/// later writer put at the end of the header are in it, and readers leave them alone.
pub(crate) fn read_envelope(bytes: &[u8], magic: [u8; 4], version: u8) -> Result<&[u8], DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut found = [0; 4];
    found.copy_from_slice(reader.take("magic", 4)?);
    if found != magic {
        return Err(DecodeError::Magic { expected: magic, found });
    }
    let found = reader.u8("version")?;
    if found != version {
        return Err(DecodeError::Version { expected: version, found });
    }
    reader.take("bytes 5 to 7", 3)?;
    let length = reader.u32_within("header length", LENGTH_OFFSET + 8..=bytes.len())?;
    let (header, crc) = bytes[..length].split_at(length - 4);
    let expected = Reader::new(crc).u32("header checksum")?;
    let found = crc32fast::hash(header);
    if expected != found {
        return Err(DecodeError::Checksum { field: "header", offset: 0, end: length - 4, expected, found });
    }
    Ok(header)
}

/// A time in milliseconds since 1970.
pub(crate) fn read_time(reader: &mut Reader<'_>, field: &'static str) -> Result<Timestamp, DecodeError> {
    let at = reader.offset();
    let milliseconds = reader.i64(field)?;
    Timestamp::from_millisecond(milliseconds)
        .map_err(|_| wrong(field, at, "milliseconds within the years -9999 to 9999", milliseconds))
}

/// Puts the length of a finished header into its place and its checksum at its end.
pub(crate) fn seal(header: &mut Vec<u8>) {
    let length = (header.len() + 4) as u32;
    header[LENGTH_OFFSET..LENGTH_OFFSET + 4].copy_from_slice(&length.to_le_bytes());
    let crc = crc32fast::hash(header);
    header.extend(crc.to_le_bytes());
}

/// Width, height, edges and cell sizes.
pub(crate) fn put_grid(header: &mut Vec<u8>, grid: &Grid) {
    header.extend((grid.width as u32).to_le_bytes());
    header.extend((grid.height as u32).to_le_bytes());
    for value in [grid.left, grid.top, grid.cell_width, grid.cell_height] {
        header.extend(value.to_le_bytes());
    }
}

/// What [`put_grid`] wrote; the projection stands among the texts.
pub(crate) fn read_grid(reader: &mut Reader<'_>) -> Result<Grid, DecodeError> {
    let width = reader.u32_within("width", 1..=MAX_CELLS)?;
    let height = reader.u32_within("height", 1..=MAX_CELLS / width)?;
    let mut numbers = [0.0; 4];
    for (number, field) in numbers.iter_mut().zip(["left", "top", "cell width", "cell height"]) {
        let at = reader.offset();
        *number = reader.f64(field)?;
        if !number.is_finite() {
            return Err(wrong(field, at, "a finite number", *number));
        }
    }
    let [left, top, cell_width, cell_height] = numbers;
    Ok(Grid { projection: String::new(), left, top, cell_width, cell_height, width, height })
}

fn exactly(reader: &mut Reader<'_>, field: &'static str, expected: u8) -> Result<(), DecodeError> {
    let at = reader.offset();
    let found = reader.u8(field)?;
    if found == expected { Ok(()) } else { Err(wrong(field, at, expected, found)) }
}

/// The segment table; its rows must cover the stored blocks and the body without gap.
fn read_segments(
    reader: &mut Reader<'_>,
    count: usize,
    stored_blocks: usize,
    body: usize,
    end: usize,
) -> Result<Vec<SegmentInfo>, DecodeError> {
    let table = reader.take("segment table", count * SEGMENT_ROW_BYTES)?;
    let table_at = reader.offset() - table.len();
    let mut segments = Vec::with_capacity(count);
    let (mut next_block, mut offset) = (0, body);
    for (number, row) in table.chunks_exact(SEGMENT_ROW_BYTES).enumerate() {
        let at = table_at + number * SEGMENT_ROW_BYTES;
        let mut row = Reader::at(row, at);
        let first_block = row.u32("first block")? as usize;
        let blocks = row.u32("blocks of the segment")? as usize;
        let length = row.u32("length of the segment")? as usize;
        let crc = row.u32("checksum of the segment")?;
        if first_block != next_block {
            return Err(wrong("first block of a segment", at, next_block, first_block));
        }
        if blocks == 0 || blocks > stored_blocks - next_block {
            let expected = format_args!("1 to {}", stored_blocks - next_block).to_string();
            return Err(wrong("blocks of a segment", at + 4, expected, blocks));
        }
        if length > (end - offset).min(MAX_SEGMENT_BYTES) {
            let expected = format_args!("at most {}", (end - offset).min(MAX_SEGMENT_BYTES)).to_string();
            return Err(wrong("length of a segment", at + 8, expected, length));
        }
        segments.push(SegmentInfo { first_block, blocks, offset, length, crc });
        next_block += blocks;
        offset += length;
    }
    if next_block != stored_blocks {
        return Err(wrong("segment table", table_at, format_args!("{stored_blocks} stored blocks"), next_block));
    }
    if offset != end {
        return Err(wrong(
            "end of the frame",
            offset,
            "nothing after the last segment",
            format_args!("{} bytes", end - offset),
        ));
    }
    Ok(segments)
}
