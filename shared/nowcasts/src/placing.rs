//! From log-odds to one rain field: nested areas of exceedance, and within them rates dealt out by rank.

use ndarray::Array2;
use raincell_simd::{exp, log2, widest};

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
const RANK_BINS_PER_UNIT: f32 = 128.0;
/// No log-odds worth ranking are below.
const LEAST_SCORE: f32 = -24.0;
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
/// Bins of rates within a layer: each octave holds so many, equally wide.
const RATE_BINS: usize = 256;
const OCTAVE_BINS: u32 = 32;

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
/// together, `lead_min` ahead, its areas grown by the given factors. NaN where `extrapolated` is; there the odds are to be
/// NaN, too.
pub(crate) fn placed(odds: &[Lanes], extrapolated: &Array2<f32>, lead_min: f32, growth: [f32; RATES]) -> Array2<f32> {
    let shape = extrapolated.dim();
    let brought = match extrapolated.as_slice() {
        Some(brought) if brought.len() == odds.len() => brought,
        _ => return extrapolated.clone(),
    };
    let layers = Layer::of(brought);
    let mut out = extrapolated.mapv(|r| if r >= RATES_MM_H[0] { 0.0 } else { r });
    let Some(cells) = out.as_slice_mut() else { return out };
    if layers.iter().all(|layer| layer.cells == 0) {
        return out;
    }
    let tiles = Tiles::of(odds, shape);
    let mut areas = [0.0; RATES];
    let mut thresholds = vec![[0.0; 4]; tiles.counts.len()];
    let mut count = 0;
    for k in (0..RATES).rev() {
        // As many cells reach a rate as are in its layer and in those above.
        count += layers[k].cells;
        let larger = growth[k] * (1.0 + LARGER[k] * (1.0 - (-(lead_min / LARGER_MIN).powi(2)).exp()));
        if count > 0 {
            areas[k] = tiles.balance(k, count, larger, &mut thresholds);
        }
    }
    let members = Scores::of(odds, &tiles, &thresholds, areas).nested();
    let fades = (-lead_min / PEAKS_MIN).exp();
    for (k, (layer, members)) in layers.iter().zip(members).enumerate() {
        let deal = layer.dealt(&members);
        let (low, high) = (LOG_RATES[k], LOG_RATES.get(k + 1).copied());
        for (cell, score) in members {
            let dealt = deal.log_rate(score);
            cells[cell as usize] = match high {
                Some(high) => {
                    let median = odds[cell as usize][MEDIAN].clamp(low, high);
                    let rate = exp(dealt + MEDIAN_COUNTS * (median - dealt));
                    rate.clamp(RATES_MM_H[k] * WITHIN, RATES_MM_H[k + 1] / WITHIN)
                }
                None => exp(low + fades * (dealt - low)).max(RATES_MM_H[k] * WITHIN),
            };
        }
    }
    out
}

/// How many cells of each tile have log-odds in each bin, by rate.
struct Tiles {
    rows: usize,
    columns: usize,
    /// Columns of cells.
    width: usize,
    counts: Vec<[[u16; BINS]; RATES]>,
}

impl Tiles {
    fn of(odds: &[Lanes], (rows, width): (usize, usize)) -> Self {
        let (tile_rows, columns) = (rows.div_ceil(TILE), width.div_ceil(TILE));
        let mut counts = vec![[[0; BINS]; RATES]; tile_rows * columns];
        for (row, line) in odds.chunks_exact(width.max(1)).enumerate() {
            let tiles = &mut counts[row / TILE * columns..][..columns];
            widest(
                #[inline(always)]
                || {
                    for (tile, cells) in tiles.iter_mut().zip(line.chunks(TILE)) {
                        for z in cells.iter().filter(|z| !z[0].is_nan()) {
                            let bins = z.map(|z| ((z - LEAST) * BINS_PER_UNIT).max(0.0) as i32);
                            for (counts, bin) in tile.iter_mut().zip(bins) {
                                counts[(bin as usize).min(BINS - 1)] += 1;
                            }
                        }
                    }
                },
            );
        }
        Self { rows: tile_rows, columns, width, counts }
    }

    /// Cells in each bin.
    fn total(&self, k: usize) -> [f64; BINS] {
        let mut total = [0_u32; BINS];
        for tile in &self.counts {
            for (sum, n) in total.iter_mut().zip(&tile[k]) {
                *sum += u32::from(*n);
            }
        }
        total.map(f64::from)
    }

    /// The area (cells) of one rate, of which extrapolation brings `count`; what is to be taken off the log-odds in each
    /// tile goes to lane `k` of `thresholds`.
    fn balance(&self, k: usize, count: usize, larger: f32, thresholds: &mut [Lanes]) -> f64 {
        let total = self.total(k);
        let share = |bin: usize, offset: f32| 1.0 / (1.0 + exp(-(LEAST + (bin as f32 + 0.5) / BINS_PER_UNIT + offset)));
        let expected =
            |offset: f32| total.iter().enumerate().map(|(b, n)| n * f64::from(share(b, offset))).sum::<f64>();
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
        for (tile, counts) in thresholds.iter_mut().zip(self.blurred(k)) {
            tile[k] = LOCAL[k] * threshold(&counts, &shares);
        }
        area
    }

    /// The counts of one rate smoothed by (1 4 6 4 1)/16 along both axes, nothing beyond the edges.
    fn blurred(&self, k: usize) -> Vec<[f32; BINS]> {
        const KERNEL: [(isize, f32); 5] = [(-2, 0.0625), (-1, 0.25), (0, 0.375), (1, 0.25), (2, 0.0625)];
        let beside = |at: usize, step: isize, size: usize| at.checked_add_signed(step).filter(|at| *at < size);
        let mut across = vec![[0.0; BINS]; self.counts.len()];
        let mut out = vec![[0.0; BINS]; self.counts.len()];
        widest(
            #[inline(always)]
            || {
                for (i, sum) in across.iter_mut().enumerate() {
                    let (row, column) = (i / self.columns, i % self.columns);
                    for (step, weight) in KERNEL {
                        let Some(c) = beside(column, step, self.columns) else { continue };
                        for (s, n) in sum.iter_mut().zip(&self.counts[row * self.columns + c][k]) {
                            *s += weight * f32::from(*n);
                        }
                    }
                }
                for (i, sum) in out.iter_mut().enumerate() {
                    let (row, column) = (i / self.columns, i % self.columns);
                    for (step, weight) in KERNEL {
                        let Some(r) = beside(row, step, self.rows) else { continue };
                        for (s, n) in sum.iter_mut().zip(&across[r * self.columns + column]) {
                            *s += weight * n;
                        }
                    }
                }
            },
        );
        out
    }
}

/// The log-odds above which a tile has as many cells as are expected in it, by the share of each bin that is.
fn threshold(counts: &[f32; BINS], shares: &[f32; BINS]) -> f32 {
    // Eight sums, so that no addition waits for the one before.
    let mut sums = [0.0; 8];
    for (n, s) in counts.as_chunks::<8>().0.iter().zip(shares.as_chunks::<8>().0) {
        for (sum, (n, s)) in sums.iter_mut().zip(n.iter().zip(s)) {
            *sum += n * s;
        }
    }
    let wanted: f32 = sums.iter().sum();
    let (mut above, mut bin) = (0.0, BINS);
    while bin > 0 && above + counts[bin - 1] < wanted {
        above += counts[bin - 1];
        bin -= 1;
    }
    let within = if bin > 0 && counts[bin - 1] > 0.0 { (wanted - above) / counts[bin - 1] } else { 0.0 };
    LEAST + (bin as f32 - within) / BINS_PER_UNIT
}

/// Log-odds less the local threshold, of the cells that may be within an area.
struct Scores {
    cells: Vec<(u32, Lanes)>,
    /// The score from which on the area of each rate is right; infinite for no area at all.
    cuts: [f32; RATES],
}

impl Scores {
    fn of(odds: &[Lanes], tiles: &Tiles, thresholds: &[Lanes], areas: [f64; RATES]) -> Self {
        let floors = Self::floors(tiles, thresholds, areas);
        let across: Vec<_> = (0..tiles.width).map(|c| place(c, tiles.columns)).collect();
        let mut ranks = vec![[0_u32; RANK_BINS]; RATES];
        let mut cells = Vec::with_capacity(odds.len() / 2);
        let mut mixed = vec![[0.0; 4]; tiles.columns];
        for (row, line) in odds.chunks_exact(tiles.width.max(1)).enumerate() {
            let (r0, r1, f) = place(row, tiles.rows);
            let (upper, lower) = (&thresholds[r0 * tiles.columns..], &thresholds[r1 * tiles.columns..]);
            for (mixed, (a, b)) in mixed.iter_mut().zip(upper.iter().zip(lower)) {
                *mixed = std::array::from_fn(|k| a[k] + f * (b[k] - a[k]));
            }
            let first = (row * tiles.width) as u32;
            widest(
                #[inline(always)]
                || {
                    for ((cell, z), (c0, c1, f)) in (first..).zip(line).zip(&across) {
                        let (a, b) = (&mixed[*c0], &mixed[*c1]);
                        let scores: Lanes = std::array::from_fn(|k| z[k] - (a[k] + f * (b[k] - a[k])));
                        // Not a number passes none.
                        let passed: [bool; 4] = std::array::from_fn(|k| scores[k] >= floors[k]);
                        if passed[0] | passed[1] | passed[2] | passed[3] {
                            cells.push((cell, scores));
                            for k in 0..RATES {
                                if passed[k] {
                                    let bin = ((scores[k] - floors[k]) * RANK_BINS_PER_UNIT) as i32;
                                    ranks[k][(bin as usize).min(RANK_BINS - 1)] += 1;
                                }
                            }
                        }
                    }
                },
            );
        }
        Self { cells, cuts: std::array::from_fn(|k| highest(&ranks[k], areas[k], floors[k])) }
    }

    /// Scores below these lie beneath the cut for certain: as many cells as the area wants have log-odds of at least the
    /// floor and the greatest threshold together.
    fn floors(tiles: &Tiles, thresholds: &[Lanes], areas: [f64; RATES]) -> Lanes {
        std::array::from_fn(|k| {
            if k >= RATES || areas[k] <= 0.0 {
                return f32::INFINITY;
            }
            let total = tiles.total(k);
            let (mut above, mut bin) = (0.0, BINS);
            while bin > 0 && above < areas[k] {
                bin -= 1;
                above += total[bin];
            }
            // The lowest bin holds all that is below, too.
            let least = if bin > 0 { LEAST + bin as f32 / BINS_PER_UNIT } else { LEAST_SCORE };
            least - thresholds.iter().fold(f32::NEG_INFINITY, |most, t| most.max(t[k]))
        })
    }

    /// The cells of each layer and their scores there: a cell belongs to the last layer up to which it passes every cut.
    fn nested(&self) -> [Vec<(u32, f32)>; RATES] {
        let mut members: [Vec<(u32, f32)>; RATES] = std::array::from_fn(|_| Vec::new());
        for (cell, scores) in self.cells.iter().filter(|(_, scores)| scores[0] >= self.cuts[0]) {
            let last = (1..RATES).take_while(|k| scores[*k] >= self.cuts[*k]).last().unwrap_or(0);
            members[last].push((*cell, scores[last]));
        }
        members
    }
}

/// The tiles whose middles lie around a row or column of cells, and how far it is to the second.
fn place(cell: usize, tiles: usize) -> (usize, usize, f32) {
    let at = ((cell as f32 + 0.5) / TILE as f32 - 0.5).clamp(0.0, (tiles - 1) as f32);
    (at as usize, (at as usize + 1).min(tiles - 1), at.fract())
}

/// The score that the `area` highest cells reach, of which so many are in each bin from `floor` on.
fn highest(bins: &[u32; RANK_BINS], area: f64, floor: f32) -> f32 {
    let mut above = 0.0;
    for (bin, n) in bins.iter().enumerate().rev() {
        let n = f64::from(*n);
        if above + n >= area && n > 0.0 {
            return floor + (bin as f32 + 1.0 - ((area - above) / n) as f32) / RANK_BINS_PER_UNIT;
        }
        above += n;
    }
    floor
}

/// Bits of the mantissa that tell no bins of rates apart.
const WITHIN_BIN: u32 = f32::MANTISSA_DIGITS - 1 - OCTAVE_BINS.ilog2();

/// The bin of a positive rate: the exponent and the first bits of the mantissa, which ascend with it.
#[inline(always)]
fn bin_of(rate_mm_h: f32) -> u32 {
    rate_mm_h.to_bits() >> WITHIN_BIN
}

/// The least rate of a bin.
#[inline(always)]
fn start_of(bin: u32) -> f32 {
    f32::from_bits(bin << WITHIN_BIN)
}

/// The rates that extrapolation brings between two thresholds.
struct Layer {
    low_mm_h: f32,
    cells: usize,
    bins: Vec<f32>,
}

/// Natural logarithms of rates (mm/h) by rank of the log-odds.
struct Deal {
    least: f32,
    per_bin: f32,
    log_rates: Vec<f32>,
}

impl Layer {
    /// The layers of a field.
    fn of(brought: &[f32]) -> [Self; RATES] {
        let mut layers = RATES_MM_H.map(|low_mm_h| Self { low_mm_h, cells: 0, bins: vec![0.0; RATE_BINS] });
        for rate in brought.iter().filter(|r| **r >= RATES_MM_H[0]) {
            let layer = &mut layers[RATES_MM_H.partition_point(|low| low <= rate) - 1];
            layer.bins[((bin_of(*rate) - bin_of(layer.low_mm_h)) as usize).min(RATE_BINS - 1)] += 1.0;
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
        let first = bin_of(self.low_mm_h);
        let log_rates = ranks
            .iter()
            .map(|n| {
                let wanted = (below + 0.5 * n) / cells * values;
                below += n;
                while bin + 1 < RATE_BINS && under + self.bins[bin] <= wanted {
                    under += self.bins[bin];
                    bin += 1;
                }
                let within = ((wanted - under) / self.bins[bin].max(1e-6)).clamp(0.0, 1.0);
                let [a, b] = [bin, bin + 1].map(|bin| start_of(first + bin as u32));
                std::f32::consts::LN_2 * log2((a + within * (b - a)).max(self.low_mm_h))
            })
            .collect();
        Deal { least, per_bin, log_rates }
    }
}

impl Deal {
    #[inline]
    fn log_rate(&self, score: f32) -> f32 {
        self.log_rates[(((score - self.least) * self.per_bin) as usize).min(RANK_BINS - 1)]
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
