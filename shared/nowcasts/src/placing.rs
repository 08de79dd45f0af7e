//! From log-odds to one rain field: nested areas of exceedance, and within them rates dealt out by rank.

use ndarray::Array2;

use crate::exceedance::{RATES, RATES_MM_H};
use crate::levels::Lanes;

/// Side of the tiles in which areas are balanced, cells.
const TILE: usize = 16;
/// Bins of log-odds per tile and the range they span.
const BINS: usize = 96;
const LEAST: f32 = -8.0;
const BINS_PER_UNIT: f32 = 8.0;
/// Bins of the final ranking.
const RANK_BINS: usize = 4096;
/// How much of the local threshold counts against the global one.
const LOCAL: [f32; RATES] = [0.4, 0.4, 0.4];
/// Weight, in the logarithm, of the area that extrapolation brings against the one that the odds expect.
const EXTRAPOLATED: [f32; RATES] = [0.0, 0.5, 1.0];
/// The area's share of the extrapolated one stays within this range.
const AREA: [f32; 2] = [0.7, 1.4];
/// Bins of rates within a layer, and their width, dB.
const RATE_BINS: usize = 256;
const RATE_BIN_DB: f32 = 0.125;

/// The rain field (mm/h) that the log-odds and what extrapolation brings make together. NaN where `extrapolated` is.
pub(crate) fn placed(odds: &mut [Lanes], extrapolated: &Array2<f32>) -> Array2<f32> {
    let shape = extrapolated.dim();
    let brought = match extrapolated.as_slice() {
        Some(brought) if brought.len() == odds.len() => brought,
        _ => return extrapolated.clone(),
    };
    let mut counts = [0_usize; RATES];
    for rate in brought {
        for (count, threshold) in counts.iter_mut().zip(RATES_MM_H) {
            *count += usize::from(*rate >= threshold);
        }
    }
    let mut out = extrapolated.mapv(|r| if r >= RATES_MM_H[0] { 0.0 } else { r });
    let Some(cells) = out.as_slice_mut() else { return out };
    let cuts: Vec<Option<f32>> = (0..RATES).map(|k| balanced(odds, brought, k, counts[k], shape)).collect();
    for k in 0..RATES {
        let Some(cut) = cuts[k] else { break };
        let layer = Layer::of(k, brought);
        let above = cuts.get(k + 1).copied().flatten();
        let lower = &cuts[..k];
        let belongs = |z: &Lanes, e: f32| {
            !e.is_nan()
                && z[k] >= cut
                && above.is_none_or(|c| z[k + 1] < c)
                && lower.iter().enumerate().all(|(j, c)| c.is_some_and(|c| z[j] >= c))
        };
        let deal = layer.dealt(odds.iter().zip(brought).filter(|(z, e)| belongs(z, **e)).map(|(z, _)| z[k]));
        for ((out, z), e) in cells.iter_mut().zip(odds.iter()).zip(brought) {
            if belongs(z, *e) {
                *out = deal.rate(z[k]);
            }
        }
    }
    out
}

/// Takes the local threshold off the log-odds of one rate and gives the value above which the area is right; `None` for
/// no area at all.
fn balanced(
    odds: &mut [Lanes],
    brought: &[f32],
    k: usize,
    count: usize,
    (rows, columns): (usize, usize),
) -> Option<f32> {
    if count == 0 {
        return None;
    }
    let (tile_rows, tile_columns) = (rows.div_ceil(TILE), columns.div_ceil(TILE));
    let mut tiles = vec![[0.0_f32; BINS]; tile_rows * tile_columns];
    for row in 0..rows {
        let line = row * columns..(row + 1) * columns;
        for (column, (z, e)) in odds[line.clone()].iter().zip(&brought[line]).enumerate() {
            if !e.is_nan() {
                let bin = (((z[k] - LEAST) * BINS_PER_UNIT) as usize).min(BINS - 1);
                tiles[row / TILE * tile_columns + column / TILE][bin] += 1.0;
            }
        }
    }
    let mut total = [0.0_f64; BINS];
    for tile in &tiles {
        for (sum, n) in total.iter_mut().zip(tile) {
            *sum += f64::from(*n);
        }
    }
    let share = |bin: usize, offset: f32| 1.0 / (1.0 + (-(LEAST + (bin as f32 + 0.5) / BINS_PER_UNIT + offset)).exp());
    let expected = |offset: f32| total.iter().enumerate().map(|(b, n)| n * f64::from(share(b, offset))).sum::<f64>();
    let brought_area = count as f64;
    let mix = f64::from(EXTRAPOLATED[k]);
    let area = (expected(0.0).max(1.0).ln() * (1.0 - mix) + brought_area.ln() * mix).exp();
    let area = area.clamp(f64::from(AREA[0]) * brought_area, f64::from(AREA[1]) * brought_area);
    let (mut low, mut high) = (-12.0_f32, 12.0_f32);
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if expected(middle) < area { low = middle } else { high = middle }
    }
    let offset = 0.5 * (low + high);
    let shares: [f32; BINS] = std::array::from_fn(|b| share(b, offset));
    let mut tiles = blurred(&tiles, tile_rows, tile_columns);
    let thresholds: Vec<f32> = tiles
        .iter_mut()
        .map(|tile| {
            let wanted: f32 = tile.iter().zip(shares).map(|(n, s)| n * s).sum();
            let (mut above, mut bin) = (0.0, BINS);
            while bin > 0 && above + tile[bin - 1] < wanted {
                above += tile[bin - 1];
                bin -= 1;
            }
            let within = if bin > 0 && tile[bin - 1] > 0.0 { (wanted - above) / tile[bin - 1] } else { 0.0 };
            LEAST + (bin as f32 - within) / BINS_PER_UNIT
        })
        .collect();
    subtract(odds, k, &thresholds, tile_rows, tile_columns, columns);
    Some(highest(odds, brought, k, area))
}

/// Tiles smoothed by (1 4 6 4 1)/16 along both axes, nothing beyond the edges.
fn blurred(tiles: &[[f32; BINS]], rows: usize, columns: usize) -> Vec<[f32; BINS]> {
    const KERNEL: [(isize, f32); 5] = [(-2, 0.0625), (-1, 0.25), (0, 0.375), (1, 0.25), (2, 0.0625)];
    let pass = |source: &[[f32; BINS]], down: isize, right: isize| -> Vec<[f32; BINS]> {
        (0..rows * columns)
            .map(|i| {
                let mut sum = [0.0; BINS];
                for (step, weight) in KERNEL {
                    let (r, c) = ((i / columns) as isize + down * step, (i % columns) as isize + right * step);
                    if (0..rows as isize).contains(&r) && (0..columns as isize).contains(&c) {
                        for (s, n) in sum.iter_mut().zip(&source[r as usize * columns + c as usize]) {
                            *s += weight * n;
                        }
                    }
                }
                sum
            })
            .collect()
    };
    pass(&pass(tiles, 0, 1), 1, 0)
}

fn subtract(odds: &mut [Lanes], k: usize, thresholds: &[f32], rows: usize, columns: usize, width: usize) {
    let place = |cell: usize, tiles: usize| {
        let at = ((cell as f32 + 0.5) / TILE as f32 - 0.5).clamp(0.0, (tiles - 1) as f32);
        (at as usize, (at as usize + 1).min(tiles - 1), at.fract())
    };
    let across: Vec<_> = (0..width).map(|c| place(c, columns)).collect();
    for (row, line) in odds.chunks_mut(width).enumerate() {
        let (r0, r1, f) = place(row, rows);
        let mixed: Vec<f32> = (0..columns)
            .map(|c| {
                let (a, b) = (thresholds[r0 * columns + c], thresholds[r1 * columns + c]);
                LOCAL[k] * (a + f * (b - a))
            })
            .collect();
        for (z, (c0, c1, f)) in line.iter_mut().zip(&across) {
            z[k] -= mixed[*c0] + f * (mixed[*c1] - mixed[*c0]);
        }
    }
}

/// The value that the `area` highest cells reach.
fn highest(odds: &[Lanes], brought: &[f32], k: usize, area: f64) -> f32 {
    let known = || odds.iter().zip(brought).filter(|(_, e)| !e.is_nan()).map(|(z, _)| z[k]);
    let (least, most) = known().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), z| (a.min(z), b.max(z)));
    let width = ((most - least) / RANK_BINS as f32).max(1e-6);
    let mut bins = vec![0_u32; RANK_BINS];
    known().for_each(|z| bins[(((z - least) / width) as usize).min(RANK_BINS - 1)] += 1);
    let mut above = 0.0;
    for (bin, n) in bins.iter().enumerate().rev() {
        let n = f64::from(*n);
        if above + n >= area {
            return least + width * (bin as f32 + 1.0 - ((area - above) / n) as f32);
        }
        above += n;
    }
    least
}

/// The rates that extrapolation brings between two thresholds.
struct Layer {
    low_mm_h: f32,
    bins: Vec<f32>,
}

/// Rates by rank of the log-odds.
struct Deal {
    least: f32,
    per_bin: f32,
    rates: Vec<f32>,
}

impl Layer {
    fn of(k: usize, brought: &[f32]) -> Self {
        let low_mm_h = RATES_MM_H[k];
        let high = RATES_MM_H.get(k + 1).copied().unwrap_or(f32::INFINITY);
        let mut bins = vec![0.0; RATE_BINS];
        for rate in brought.iter().filter(|r| **r >= low_mm_h && **r < high) {
            let db = 10.0 * (rate / low_mm_h).log10();
            bins[((db / RATE_BIN_DB) as usize).min(RATE_BINS - 1)] += 1.0;
        }
        if bins.iter().all(|n| *n == 0.0) {
            bins[0] = 1.0;
        }
        Self { low_mm_h, bins }
    }

    /// The same share of the cells gets the same rates, the likeliest cell the highest.
    fn dealt(&self, scores: impl Iterator<Item = f32> + Clone) -> Deal {
        let (least, most) = scores.clone().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), z| (a.min(z), b.max(z)));
        let per_bin = RANK_BINS as f32 / (most - least).max(1e-6);
        let mut ranks = vec![0.0_f32; RANK_BINS];
        scores.for_each(|z| ranks[(((z - least) * per_bin) as usize).min(RANK_BINS - 1)] += 1.0);
        let (cells, values) = (ranks.iter().sum::<f32>().max(1.0), self.bins.iter().sum::<f32>());
        let (mut below, mut bin, mut under) = (0.0, 0, 0.0);
        let rates = ranks
            .iter()
            .map(|n| {
                let wanted = (below + 0.5 * n) / cells * values;
                below += n;
                while bin + 1 < RATE_BINS && under + self.bins[bin] <= wanted {
                    under += self.bins[bin];
                    bin += 1;
                }
                let within = ((wanted - under) / self.bins[bin].max(1e-6)).clamp(0.0, 1.0);
                self.low_mm_h * 10_f32.powf(0.1 * RATE_BIN_DB * (bin as f32 + within))
            })
            .collect();
        Deal { least, per_bin, rates }
    }
}

impl Deal {
    #[inline]
    fn rate(&self, score: f32) -> f32 {
        self.rates[(((score - self.least) * self.per_bin) as usize).min(RANK_BINS - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rain_goes_where_the_odds_are_and_keeps_its_rates() {
        // Extrapolation has it in the left half, the odds are all for the right one.
        let extrapolated =
            Array2::from_shape_fn((64, 64), |(r, c)| if c < 32 { 0.2 + 0.2 * (r + c) as f32 } else { 0.0 });
        let mut odds: Vec<Lanes> =
            (0..64 * 64).map(|i| if i % 64 >= 32 { [4.0 + (i / 64) as f32 * 0.02; 4] } else { [-7.0; 4] }).collect();
        let placed = placed(&mut odds, &extrapolated);
        let wet = |columns: std::ops::Range<usize>| {
            placed.indexed_iter().filter(|((_, c), r)| columns.contains(c) && **r >= 0.1).count()
        };
        assert!(wet(32..64) > 1800 && wet(0..32) < 100, "{} and {}", wet(32..64), wet(0..32));
        let most = |a: &Array2<f32>| a.iter().copied().fold(0.0, f32::max);
        assert!(most(&placed) <= 1.05 * most(&extrapolated) && most(&placed) > 0.7 * most(&extrapolated));
    }

    #[test]
    fn dry_stays_dry_and_unknown_unknown() {
        for value in [0.0, 0.04, f32::NAN] {
            let extrapolated = Array2::from_elem((20, 30), value);
            let placed = placed(&mut vec![[3.0; 4]; 600], &extrapolated);
            assert!(placed.iter().all(|r| r.to_bits() == value.to_bits()));
        }
    }

    #[test]
    fn one_wet_cell_stays_about_one() {
        let mut extrapolated = Array2::zeros((20, 30));
        extrapolated[(7, 9)] = 3.0;
        let mut odds = vec![[-6.0; 4]; 600];
        odds[7 * 30 + 9] = [1.0; 4];
        let placed = placed(&mut odds, &extrapolated);
        assert!((2.9..3.2).contains(&placed[(7, 9)]) && placed.iter().filter(|r| **r > 0.0).count() <= 2, "{placed}");
    }
}
