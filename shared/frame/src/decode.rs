//! Bytes to field, whole or in part.

use std::ops::Range;

use fearless_simd::{Level, dispatch};
use ndarray::Array2;
use raincell_model::{Observation, RainField};

use crate::blocks::{BlockState, SIDE};
use crate::body::{BodyReader, CellPlace, GroupDecoder};
use crate::group::MISSING;
use crate::header::FrameHeader;
use crate::{DecodeError, Frame};

/// Decodes a whole frame.
///
/// # Errors
/// [`DecodeError`] says which field or segment is wrong and where it stands.
pub fn decode(bytes: &[u8]) -> Result<Frame, DecodeError> {
    let header = decode_header(bytes)?;
    let (height, width) = header.grid.shape();
    let rate_mm_h = window_of(Level::new(), bytes, &header, 0..height, 0..width)?;
    let field = RainField { grid: header.grid, valid_time: header.valid_time, rate_mm_h };
    Ok(Frame { source: header.source, product: header.product, field })
}

/// Decodes only what the frame says of itself, and checks that it is whole (not the checksums of its segments).
///
/// # Errors
/// [`DecodeError`] says which field is wrong and where it stands.
pub fn decode_header(bytes: &[u8]) -> Result<FrameHeader, DecodeError> {
    FrameHeader::read(bytes, bytes.len())
}

/// [`decode_header`] of a frame of `frame_bytes` bytes, of which only the beginning is there, header and all.
///
/// # Errors
/// [`DecodeError`] says which field is wrong and where it stands.
pub fn decode_header_in(opening: &[u8], frame_bytes: usize) -> Result<FrameHeader, DecodeError> {
    FrameHeader::read(opening, frame_bytes)
}

/// What the frame says of one cell; [`Observation::NoData`] off its grid. Decodes at most a group of 16 blocks of 32 × 32
/// cells, down to its row.
///
/// # Errors
/// [`DecodeError`] as [`decode`], for the parts that are looked at.
pub fn decode_point(bytes: &[u8], row: usize, column: usize) -> Result<Observation, DecodeError> {
    let header = decode_header(bytes)?;
    match header.place_of(row, column) {
        CellPlace::Header(observation) => Ok(observation),
        CellPlace::Group(number) => {
            let segment = header.segment_of(row, column).and_then(|number| header.segments.get(number));
            let segment = segment.map_or(&[][..], |segment| segment.bytes_in(bytes));
            let group = GroupDecoder::new().decode_rows(&header, segment, number, row % SIDE + 1)?;
            Ok(group.at(&header, row, column))
        }
    }
}

/// The cells of a window, cut off at the edge of the grid: shape (rows, columns), NaN = no data. Decodes only the
/// groups of blocks that it touches.
///
/// # Errors
/// [`DecodeError`] as [`decode`], for the parts that are looked at.
pub fn decode_window(bytes: &[u8], rows: Range<usize>, columns: Range<usize>) -> Result<Array2<f32>, DecodeError> {
    window_of(Level::new(), bytes, &decode_header(bytes)?, rows, columns)
}

pub(crate) fn window_of(
    level: Level,
    bytes: &[u8],
    header: &FrameHeader,
    rows: Range<usize>,
    columns: Range<usize>,
) -> Result<Array2<f32>, DecodeError> {
    let (height, width) = header.grid.shape();
    let (rows, columns) = (clamp(rows, height), clamp(columns, width));
    let shape = (rows.len(), columns.len());
    // Bytes first and numbers at the end, in one go: blocks scattered over four times as much memory take longer.
    let mut ranks = vec![0; rows.len() * columns.len()];
    if ranks.is_empty() {
        return Ok(Array2::zeros(shape));
    }
    let touched = blocks_of(header, &rows, &columns);
    // Its tables are not made for what is dry.
    let mut body = None;
    for block in touched {
        if block.state == BlockState::Dry {
            continue;
        }
        // The part of the block that is in the window, in cells of the grid.
        let (top, left) = (block.row * SIDE, block.column * SIDE);
        let in_rows = top.max(rows.start)..(top + SIDE).min(rows.end);
        let in_columns = left.max(columns.start)..(left + SIDE).min(columns.end);
        let decoded = if block.state == BlockState::Mixed {
            let body = body.get_or_insert_with(|| BodyReader::new(level, bytes, header));
            Some(body.block(block.stored)?)
        } else {
            None
        };
        for row in in_rows {
            let begin = (row - rows.start) * columns.len() + in_columns.start - columns.start;
            let line = &mut ranks[begin..begin + in_columns.len()];
            let Some((decoded, place)) = decoded else {
                line.fill(MISSING);
                continue;
            };
            let whole = decoded.line(row - top, place);
            if let Ok(line) = <&mut [u8; SIDE]>::try_from(&mut *line) {
                *line = *whole;
            } else {
                line.copy_from_slice(&whole[in_columns.start - left..in_columns.end - left]);
            }
        }
    }
    let mut values = header.palette.values(header.quantisation);
    values[usize::from(MISSING)] = f32::NAN;
    let out = dispatch!(level, _ => shown(&ranks, &values));
    Ok(Array2::from_shape_vec(shape, out).unwrap_or_else(|_| Array2::from_elem(shape, f32::NAN)))
}

/// The values of ranks.
#[inline(always)]
fn shown(ranks: &[u8], values: &[f32; 256]) -> Vec<f32> {
    let mut out = Vec::with_capacity(ranks.len());
    let (stretches, rest) = ranks.as_chunks::<SIDE>();
    for stretch in stretches {
        // Mostly it is dry or unobserved as a whole.
        if *stretch == [0; SIDE] || *stretch == [MISSING; SIDE] {
            out.extend_from_slice(&[values[usize::from(stretch[0])]; SIDE]);
        } else {
            out.extend(stretch.iter().map(|rank| values[usize::from(*rank)]));
        }
    }
    out.extend(rest.iter().map(|rank| values[usize::from(*rank)]));
    out
}

fn clamp(range: Range<usize>, most: usize) -> Range<usize> {
    let end = range.end.min(most);
    range.start.min(end)..end
}

/// A block that a window touches.
struct Touched {
    row: usize,
    column: usize,
    state: BlockState,
    /// Its number among the stored blocks, if it is mixed.
    stored: usize,
}

/// The blocks that a window touches, in the order in which they are stored.
fn blocks_of(header: &FrameHeader, rows: &Range<usize>, columns: &Range<usize>) -> Vec<Touched> {
    let grid = header.block_grid();
    let block_rows = rows.start / SIDE..rows.end.div_ceil(SIDE);
    let block_columns = columns.start / SIDE..columns.end.div_ceil(SIDE);
    if block_rows.len() * block_columns.len() == grid.len() {
        let mut stored = 0;
        let touched = grid.in_order().into_iter().zip(header.states.iter()).map(|((row, column), state)| {
            let block = Touched { row, column, state, stored };
            stored += usize::from(state == BlockState::Mixed);
            block
        });
        return touched.collect();
    }
    let mut touched = Vec::with_capacity(block_rows.len() * block_columns.len());
    for row in block_rows {
        for column in block_columns.clone() {
            let (state, stored) = header.states.at(grid.index_of(row, column));
            touched.push(Touched { row, column, state, stored });
        }
    }
    // By group, so that none is decoded twice.
    touched.sort_by_key(|block| block.stored);
    touched
}
