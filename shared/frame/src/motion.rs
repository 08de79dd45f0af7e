//! A motion field as nodes every 16 cells: motion is smooth, so that nodes and bilinear interpolation are enough.

use std::sync::Arc;

use ndarray::Array2;
use raincell_model::{Grid, MotionField};

use crate::bytes::{Reader, wrong};
use crate::{DecodeError, EncodeError};

/// Cells between nodes.
const SPACING: usize = 16;
/// The largest number of a node.
const FULL_SCALE: f32 = 32_767.0;

/// Nodes along a side: one on every 16th cell from 0 on, and the last one on the last cell.
fn nodes(cells: usize) -> usize {
    (cells - 1).div_ceil(SPACING) + 1
}

/// The cell that a node stands on.
fn cell_of(node: usize, cells: usize) -> usize {
    (node * SPACING).min(cells - 1)
}

/// Spacing, scale, nodes of u, nodes of v, checksum.
pub(crate) fn encode_motion(motion: &MotionField) -> Result<Vec<u8>, EncodeError> {
    let shape = motion.grid.shape();
    let mut scale = 0.0_f32;
    for component in [&motion.u, &motion.v] {
        if component.dim() != shape {
            return Err(EncodeError::Shape { expected: shape, found: component.dim() });
        }
        for ((row, column), &found) in component.indexed_iter() {
            if !found.is_finite() {
                return Err(EncodeError::Motion { row, column, found });
            }
            scale = scale.max(found.abs());
        }
    }
    let mut bytes = Vec::new();
    bytes.extend((SPACING as u16).to_le_bytes());
    bytes.extend(scale.to_le_bytes());
    for component in [&motion.u, &motion.v] {
        for row in 0..nodes(shape.0) {
            for column in 0..nodes(shape.1) {
                let value = component[(cell_of(row, shape.0), cell_of(column, shape.1))];
                let share = if scale > 0.0 { value / scale } else { 0.0 };
                bytes.extend(((share * FULL_SCALE).round() as i16).to_le_bytes());
            }
        }
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    Ok(bytes)
}

/// The motion on the whole grid; `offset` is where its bytes begin in the run.
pub(crate) fn decode_motion(bytes: &[u8], offset: usize, grid: &Arc<Grid>) -> Result<MotionField, DecodeError> {
    let (height, width) = grid.shape();
    let (rows, columns) = (nodes(height), nodes(width));
    let mut reader = Reader::at(bytes, offset);
    let spacing = reader.u16("spacing of the motion")?;
    if usize::from(spacing) != SPACING {
        return Err(wrong("spacing of the motion", offset, SPACING, spacing));
    }
    let scale = reader.f32("scale of the motion")?;
    if !scale.is_finite() || scale < 0.0 {
        return Err(wrong("scale of the motion", offset + 2, "a finite number of at least 0", scale));
    }
    let u = read_nodes(&mut reader, (rows, columns), scale)?;
    let v = read_nodes(&mut reader, (rows, columns), scale)?;
    let end = reader.offset() - offset;
    let expected = reader.u32("checksum of the motion")?;
    let found = crc32fast::hash(&bytes[..end]);
    if expected != found {
        return Err(DecodeError::Checksum { field: "motion", offset, end: offset + end, expected, found });
    }
    if end + 4 != bytes.len() {
        let found = format_args!("{} bytes", bytes.len()).to_string();
        return Err(wrong("length of the motion", offset, format_args!("{} bytes", end + 4), found));
    }
    let shape = (height, width);
    Ok(MotionField { grid: Arc::clone(grid), u: expand(&u, shape), v: expand(&v, shape) })
}

fn read_nodes(reader: &mut Reader<'_>, shape: (usize, usize), scale: f32) -> Result<Array2<f32>, DecodeError> {
    let bytes = reader.take("nodes of the motion", shape.0 * shape.1 * 2)?;
    let mut nodes = Array2::zeros(shape);
    for (node, pair) in nodes.iter_mut().zip(bytes.chunks_exact(2)) {
        *node = f32::from(i16::from_le_bytes([pair[0], pair[1]])) / FULL_SCALE * scale;
    }
    Ok(nodes)
}

/// Bilinear interpolation from the nodes to all cells.
fn expand(nodes: &Array2<f32>, (height, width): (usize, usize)) -> Array2<f32> {
    let across: Vec<_> = (0..width).map(|column| between(column, width)).collect();
    let mut full = Array2::zeros((height, width));
    let mut line = vec![0.0_f32; nodes.ncols()];
    for (row, mut cells) in full.rows_mut().into_iter().enumerate() {
        let (above, below, weight) = between(row, height);
        for (node, value) in line.iter_mut().enumerate() {
            *value = nodes[(above, node)] * (1.0 - weight) + nodes[(below, node)] * weight;
        }
        for (cell, &(left, right, weight)) in cells.iter_mut().zip(&across) {
            *cell = line[left] * (1.0 - weight) + line[right] * weight;
        }
    }
    full
}

/// The nodes on both sides of a cell, and the weight of the second.
fn between(cell: usize, cells: usize) -> (usize, usize, f32) {
    let first = cell / SPACING;
    let second = (first + 1).min(nodes(cells) - 1);
    let (from, to) = (cell_of(first, cells), cell_of(second, cells));
    let weight = if to > from { (cell - from) as f32 / (to - from) as f32 } else { 0.0 };
    (first, second, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_motion_comes_back_everywhere() {
        for (height, width) in [(1, 1), (5, 3), (17, 16), (33, 50), (480, 479)] {
            let grid = Arc::new(Grid { height, width, ..Grid::around_radar(50.0, 5.0, 1.0, 1.0) });
            let motion = MotionField {
                u: Array2::from_shape_fn((height, width), |(r, c)| 0.5 - 0.002 * r as f32 + 0.001 * c as f32),
                v: Array2::from_shape_fn((height, width), |(r, c)| -0.3 + 0.001 * r as f32 - 0.003 * c as f32),
                grid: Arc::clone(&grid),
            };
            let bytes = encode_motion(&motion).unwrap();
            let back = decode_motion(&bytes, 0, &grid).unwrap();
            for (a, b) in motion.u.iter().zip(&back.u).chain(motion.v.iter().zip(&back.v)) {
                assert!((a - b).abs() < 1e-4, "{height} x {width}: {a} {b}");
            }
        }
    }

    #[test]
    fn damaged_motion_is_refused() {
        let grid = Arc::new(Grid::around_radar(50.0, 5.0, 20.0, 1.0));
        let bytes = encode_motion(&MotionField::at_rest(Arc::clone(&grid))).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(decode_motion(&damaged, 0, &grid).is_err(), "byte {at}");
            assert!(decode_motion(&bytes[..at], 0, &grid).is_err(), "cut at {at}");
        }
    }
}
