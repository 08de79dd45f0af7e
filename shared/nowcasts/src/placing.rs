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
const LOCAL: [f32; RATES] = [0.5, 0.5, 0.4];
/// Weight, in the logarithm, of the area that extrapolation brings against the one that the odds expect.
const EXTRAPOLATED: [f32; RATES] = [0.0, 0.5, 1.0];
/// The area's share of the extrapolated one stays within this range.
const AREA: [f32; 2] = [0.7, 1.4];
/// By how much areas are larger than they should be on average, per rate, at long leads, and the minutes in which this
/// comes up but for 1/e, slowly first: the less is known of where rain will be, the more a miss costs against a false
/// alarm in CSI and FSS.
const LARGER: [f32; RATES] = [0.06, 0.2, 0.2];
const LARGER_MIN: f32 = 60.0;
/// How much the median of the odds counts, in the logarithm, against the rate dealt out by rank.
const MEDIAN_COUNTS: f32 = 0.8;
/// The minutes in which rates of the heaviest layer are drawn to its lower end, in the logarithm, but for 1/e: peaks are
/// the first that cannot be foretold.
const PEAKS_MIN: f32 = 600.0;
/// The lane beside the odds that holds the logarithm of the median.
pub(crate) const MEDIAN: usize = RATES;
/// Natural logarithms of the rates.
const LOG_RATES: [f32; RATES] = [-std::f32::consts::LN_10, 0.0, 1.609_438];
/// Rates stay off the ends of their layers by this factor, so that rounding does not move them over.
const WITHIN: f32 = 1.001;
/// Bins of rates within a layer, and their width, dB.
const RATE_BINS: usize = 256;
const RATE_BIN_DB: f32 = 0.125;

/// Natural logarithm of the rate (mm/h) that is as likely reached as not, by the log-odds of the rates; where that is
/// below the least or above the highest of them, this one.
#[inline]
pub(crate) fn log_median(odds: &Lanes) -> f32 {
    let Some(above) = (0..RATES).find(|k| odds[*k] <= 0.0) else { return LOG_RATES[RATES - 1] };
    let Some(below) = above.checked_sub(1) else { return LOG_RATES[0] };
    let share = odds[below] / (odds[below] - odds[above]).max(1e-6);
    LOG_RATES[below] + share * (LOG_RATES[above] - LOG_RATES[below])
}

/// The rain field (mm/h) that the log-odds (their median in the lane [`MEDIAN`]) and what extrapolation brings make
/// together, `lead_min` ahead, its areas grown by the given factors. NaN where `extrapolated` is.
pub(crate) fn placed(odds: &[Lanes], extrapolated: &Array2<f32>, lead_min: f32, growth: [f32; RATES]) -> Array2<f32> {
    let shape = extrapolated.dim();
    let brought = match extrapolated.as_slice() {
        Some(brought) if brought.len() == odds.len() => brought,
        _ => return extrapolated.clone(),
    };
    let layers = Layer::of(brought);
    let mut out = extrapolated.mapv(|r| if r >= RATES_MM_H[0] { 0.0 } else { r });
    let Some(cells) = out.as_slice_mut() else { return out };
    // A plane per rate, NaN where nothing is known: what each pass reads lies together.
    let mut planes: [Vec<f32>; RATES] = std::array::from_fn(|k| {
        odds.iter().zip(brought).map(|(z, e)| if e.is_nan() { f32::NAN } else { z[k] }).collect()
    });
    let mut cuts = [None; RATES];
    let mut count = 0;
    for k in (0..RATES).rev() {
        // As many cells reach a rate as are in its layer and in those above.
        count += layers[k].cells;
        let larger = growth[k] * (1.0 + LARGER[k] * (1.0 - (-(lead_min / LARGER_MIN).powi(2)).exp()));
        cuts[k] = balanced(&mut planes[k], k, count, shape, larger);
    }
    let fades = (-lead_min / PEAKS_MIN).exp();
    for (k, (layer, members)) in layers.iter().zip(nested(&planes, cuts)).enumerate() {
        let deal = layer.dealt(&members);
        let (low, high) = (LOG_RATES[k], LOG_RATES.get(k + 1).copied());
        for (cell, score) in members {
            let dealt = deal.rate(score).ln();
            cells[cell as usize] = match high {
                Some(high) => {
                    let median = odds[cell as usize][MEDIAN].clamp(low, high);
                    let rate = (dealt + MEDIAN_COUNTS * (median - dealt)).exp();
                    rate.clamp(RATES_MM_H[k] * WITHIN, RATES_MM_H[k + 1] / WITHIN)
                }
                None => (low + fades * (dealt - low)).exp().max(RATES_MM_H[k] * WITHIN),
            };
        }
    }
    out
}

/// The cells of each layer and their log-odds there: a cell belongs to the last layer up to which it passes every cut.
fn nested(planes: &[Vec<f32>; RATES], cuts: [Option<f32>; RATES]) -> [Vec<(u32, f32)>; RATES] {
    let cuts = cuts.map(|cut| cut.unwrap_or(f32::INFINITY));
    let mut members: [Vec<(u32, f32)>; RATES] = std::array::from_fn(|_| Vec::new());
    for (cell, lowest) in planes[0].iter().enumerate() {
        // Not a number passes none.
        if *lowest >= cuts[0] {
            let last = (1..RATES).take_while(|k| planes[*k][cell] >= cuts[*k]).last().unwrap_or(0);
            members[last].push((cell as u32, planes[last][cell]));
        }
    }
    members
}

/// Takes the local threshold off the log-odds of one rate (NaN unknown) and gives the value above which the area is
/// right; `None` for no area at all.
fn balanced(odds: &mut [f32], k: usize, count: usize, (rows, columns): (usize, usize), larger: f32) -> Option<f32> {
    if count == 0 {
        return None;
    }
    let (tile_rows, tile_columns) = (rows.div_ceil(TILE), columns.div_ceil(TILE));
    let mut tiles = vec![[0.0_f32; BINS]; tile_rows * tile_columns];
    for (row, line) in odds.chunks_exact(columns).enumerate() {
        for (tile, cells) in tiles[row / TILE * tile_columns..].iter_mut().zip(line.chunks(TILE)) {
            for z in cells.iter().filter(|z| !z.is_nan()) {
                let bin = (((z - LEAST) * BINS_PER_UNIT) as usize).min(BINS - 1);
                tile[bin] += 1.0;
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
    let area = area.clamp(f64::from(AREA[0]) * brought_area, f64::from(AREA[1]) * brought_area) * f64::from(larger);
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
    Some(highest(odds, area))
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

fn subtract(odds: &mut [f32], k: usize, thresholds: &[f32], rows: usize, columns: usize, width: usize) {
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
            *z -= mixed[*c0] + f * (mixed[*c1] - mixed[*c0]);
        }
    }
}

/// The value that the `area` highest cells reach.
fn highest(odds: &[f32], area: f64) -> f32 {
    let (least, most) = range(odds);
    let width = ((most - least) / RANK_BINS as f32).max(1e-6);
    let mut bins = vec![0_u32; RANK_BINS];
    for z in odds.iter().filter(|z| !z.is_nan()) {
        bins[(((z - least) / width) as usize).min(RANK_BINS - 1)] += 1;
    }
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

/// Least and greatest of the values that are numbers.
fn range(values: &[f32]) -> (f32, f32) {
    // Eight of each, so that no comparison waits for the one before.
    let (mut least, mut most) = ([f32::INFINITY; 8], [f32::NEG_INFINITY; 8]);
    for eight in values.chunks(8) {
        for ((least, most), z) in least.iter_mut().zip(&mut most).zip(eight) {
            *least = if *z < *least { *z } else { *least };
            *most = if *z > *most { *z } else { *most };
        }
    }
    (least.into_iter().fold(f32::INFINITY, f32::min), most.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

/// The rates that extrapolation brings between two thresholds.
struct Layer {
    low_mm_h: f32,
    cells: usize,
    bins: Vec<f32>,
}

/// Rates by rank of the log-odds.
struct Deal {
    least: f32,
    per_bin: f32,
    rates: Vec<f32>,
}

impl Layer {
    /// The layers of a field.
    fn of(brought: &[f32]) -> [Self; RATES] {
        let mut layers = RATES_MM_H.map(|low_mm_h| Self { low_mm_h, cells: 0, bins: vec![0.0; RATE_BINS] });
        for rate in brought.iter().filter(|r| **r >= RATES_MM_H[0]) {
            let layer = &mut layers[RATES_MM_H.partition_point(|low| low <= rate) - 1];
            let db = 10.0 * (rate / layer.low_mm_h).log10();
            layer.bins[((db / RATE_BIN_DB) as usize).min(RATE_BINS - 1)] += 1.0;
            layer.cells += 1;
        }
        for layer in layers.iter_mut().filter(|layer| layer.cells == 0) {
            layer.bins[0] = 1.0;
        }
        layers
    }

    /// The same share of the cells gets the same rates, the likeliest cell the highest.
    fn dealt(&self, members: &[(u32, f32)]) -> Deal {
        let scores = members.iter().map(|(_, score)| *score);
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
        let odds: Vec<Lanes> =
            (0..64 * 64).map(|i| if i % 64 >= 32 { [4.0 + (i / 64) as f32 * 0.02; 4] } else { [-7.0; 4] }).collect();
        let placed = placed(&odds, &extrapolated, 5.0, [1.0; RATES]);
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
            let placed = placed(&[[3.0; 4]; 600], &extrapolated, 30.0, [1.0; RATES]);
            assert!(placed.iter().all(|r| r.to_bits() == value.to_bits()));
        }
    }

    #[test]
    fn one_wet_cell_stays_about_one() {
        let mut extrapolated = Array2::zeros((20, 30));
        extrapolated[(7, 9)] = 3.0;
        let mut odds = vec![[-6.0; 4]; 600];
        odds[7 * 30 + 9] = [1.0; 4];
        let placed = placed(&odds, &extrapolated, 30.0, [1.0; RATES]);
        assert!((2.7..3.2).contains(&placed[(7, 9)]) && placed.iter().filter(|r| **r > 0.0).count() <= 2, "{placed}");
    }

    #[test]
    fn the_median_lies_where_the_odds_are_even() {
        let mm_h = |odds: Lanes| log_median(&odds).exp();
        assert!((mm_h([-1.0, -3.0, -6.0, 0.0]) - 0.1).abs() < 1e-5 && (mm_h([4.0, 2.0, 0.5, 0.0]) - 5.0).abs() < 1e-4);
        assert!((mm_h([2.0, -2.0, -4.0, 0.0]) - 0.1_f32.sqrt()).abs() < 1e-4);
        assert!((mm_h([2.0, 1.0, -1.0, 0.0]) - 5.0_f32.sqrt()).abs() < 1e-4);
        assert!(mm_h([2.0, 1e-9, -1e-9, 0.0]).is_finite() && mm_h([1.0, 2.0, -1.0, 0.0]).is_finite());
    }

    #[test]
    fn rates_are_drawn_to_the_median_and_areas_stay() {
        let extrapolated =
            Array2::from_shape_fn((64, 64), |(r, c)| if c < 32 { 0.2 + 0.2 * (r + c) as f32 } else { 0.0 });
        let odds = |median: f32| -> Vec<Lanes> {
            let near = |i: usize| 0.02 * (i / 64) as f32;
            (0..64 * 64)
                .map(|i| if i % 64 < 32 { [4.0 + near(i), near(i), near(i) - 3.0, median] } else { [-7.0; 4] })
                .collect()
        };
        let [low, high] = [0.3_f32, 4.0].map(|median| placed(&odds(median.ln()), &extrapolated, 30.0, [1.0; RATES]));
        for threshold in RATES_MM_H {
            let area = |a: &Array2<f32>| a.iter().filter(|r| **r >= threshold).count();
            assert_eq!(area(&low), area(&high), "{threshold}");
        }
        assert!(low.sum() < high.sum(), "{} and {}", low.sum(), high.sum());
        let grown = placed(&odds(0.0), &extrapolated, 30.0, [1.3; RATES]);
        let heavy = |a: &Array2<f32>| a.iter().filter(|r| **r >= 5.0).count();
        assert!(heavy(&grown) > heavy(&low), "{} of {}", heavy(&grown), heavy(&low));
    }
}
