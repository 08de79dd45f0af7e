//! What hangs together in one frame.

use std::collections::BTreeSet;

use jiff::Timestamp;
use raincell_model::{GeoReference, MotionField, RainField};

use super::Track;

/// A cell's strength is the rate that so much of it reaches, km²: one bright pixel is none.
const STRENGTH_KM2: f64 = 4.0;

/// A rain field in blocks of cells.
pub(super) struct Raster<'a> {
    field: &'a RainField,
    reference: GeoReference,
    pub fingerprint: u64,
    /// Grid cells on a side of a block.
    block: usize,
    cell_km2: f64,
}

/// A cell of heavy rain in one frame.
pub(super) struct Found {
    /// (row, column) of its blocks.
    pub blocks: BTreeSet<(u32, u32)>,
    pub lat_deg: f64,
    pub lon_deg: f64,
    pub rate_mm_h: f32,
}

impl<'a> Raster<'a> {
    /// `None` where the grid cannot be used.
    pub fn new(field: &'a RainField, block_km: f64) -> Option<Self> {
        let reference = field.grid.georeference().ok()?;
        let cell_km = field.grid.cell_km().max(1e-3);
        let block = (block_km / cell_km).round().max(1.0) as usize;
        Some(Self { field, reference, fingerprint: field.grid.fingerprint(), block, cell_km2: cell_km * cell_km })
    }

    /// The cells of at least `rate_mm_h` over at least `area_km2`.
    pub fn cells(&self, rate_mm_h: f32, area_km2: f64) -> Vec<Found> {
        let mut open = BTreeSet::new();
        for ((row, column), &rate) in self.field.rate_mm_h.indexed_iter() {
            if rate >= rate_mm_h {
                open.insert(((row / self.block) as u32, (column / self.block) as u32));
            }
        }
        let mut cells = Vec::new();
        while let Some(seed) = open.pop_first() {
            let (mut blocks, mut edge) = (BTreeSet::from([seed]), vec![seed]);
            while let Some((row, column)) = edge.pop() {
                for r in row.saturating_sub(1)..=row + 1 {
                    for c in column.saturating_sub(1)..=column + 1 {
                        if open.remove(&(r, c)) {
                            blocks.insert((r, c));
                            edge.push((r, c));
                        }
                    }
                }
            }
            cells.extend(self.cell(blocks, rate_mm_h, area_km2));
        }
        cells
    }

    fn cell(&self, blocks: BTreeSet<(u32, u32)>, rate_mm_h: f32, area_km2: f64) -> Option<Found> {
        let (mut rates, mut rows, mut columns) = (Vec::new(), 0.0, 0.0);
        for (row, column, rate) in blocks.iter().flat_map(|&block| self.inside(block)) {
            if rate >= rate_mm_h {
                rates.push(rate);
                rows += row as f64 + 0.5;
                columns += column as f64 + 0.5;
            }
        }
        let count = rates.len() as f64;
        if count * self.cell_km2 < area_km2 {
            return None;
        }
        rates.sort_unstable_by(|a, b| b.total_cmp(a));
        let strength = (STRENGTH_KM2 / self.cell_km2).ceil() as usize;
        let rate_mm_h = *rates.get(strength.min(rates.len()).saturating_sub(1))?;
        let (lat_deg, lon_deg) = self.reference.lat_lon_of(rows / count, columns / count)?;
        Some(Found { blocks, lat_deg, lon_deg, rate_mm_h })
    }

    /// (row, column, rate) of the grid cells of a block.
    fn inside(&self, (row, column): (u32, u32)) -> impl Iterator<Item = (usize, usize, f32)> + '_ {
        let (top, left) = (row as usize * self.block, column as usize * self.block);
        let cells = (top..top + self.block).flat_map(move |r| (left..left + self.block).map(move |c| (r, c)));
        cells.filter_map(|(r, c)| Some((r, c, *self.field.rate_mm_h.get((r, c))?)))
    }

    /// The blocks of a track, moved on to `time` with the motion at its middle.
    pub fn moved(&self, track: &Track, motion: Option<&MotionField>, time: Timestamp) -> BTreeSet<(u32, u32)> {
        let minutes = time.duration_since(track.seen_at).as_secs_f64() / 60.0;
        let velocity = motion.and_then(|motion| {
            let here = self.index_of(track.lat_deg, track.lon_deg)?;
            Some((f64::from(*motion.u.get(here)?), f64::from(*motion.v.get(here)?)))
        });
        let (u, v) = velocity.filter(|(u, v)| u.is_finite() && v.is_finite()).unwrap_or_default();
        let shift = |cells_per_min: f64| (cells_per_min * minutes / self.block as f64).round() as i64;
        let (down, right) = (shift(v), shift(u));
        let moved = track.blocks.iter().map(|&(row, column)| (i64::from(row) + down, i64::from(column) + right));
        moved.filter_map(|(row, column)| Some((u32::try_from(row).ok()?, u32::try_from(column).ok()?))).collect()
    }

    /// True when the radar saw most of these blocks.
    pub fn observed(&self, blocks: &BTreeSet<(u32, u32)>) -> bool {
        let (mut seen, mut all) = (0_usize, 0_usize);
        for &block in blocks {
            seen += self.inside(block).filter(|(_, _, rate)| !rate.is_nan()).count();
            all += self.block * self.block;
        }
        2 * seen > all
    }

    pub fn index_of(&self, lat_deg: f64, lon_deg: f64) -> Option<(usize, usize)> {
        self.reference.index_of(lat_deg, lon_deg)
    }
}
