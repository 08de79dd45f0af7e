//! From log-odds to one rain field: nested areas of exceedance, and within them rates dealt out by rank.

use ndarray::Array2;
use raincell_extrapolation::{Eight, SEGMENT};
use raincell_simd::{exp, widest};

use crate::dealing::Layer;
use crate::exceedance::RATES;
use crate::levels::Lanes;
use crate::odds::{Kind, Odds};
use crate::ranking::Scores;

/// Side of the tiles in which areas are balanced, cells.
pub(crate) const TILE: usize = 1 << TILE_HALVINGS;
pub(crate) const TILE_HALVINGS: usize = 4;
/// Bins of log-odds per tile and the range they span.
pub(crate) const BINS: usize = 96;
const COUNTED: usize = BINS.next_power_of_two();
pub(crate) const LEAST: f32 = -8.0;
pub(crate) const BINS_PER_UNIT: f32 = 8.0;
/// Weight, in the logarithm, of the area that extrapolation brings against the one that the odds expect.
const EXTRAPOLATED: [f32; RATES] = [0.0, 0.5, 1.0];
/// The area's share of the extrapolated one stays within this range.
const AREA: [f32; 2] = [0.7, 1.4];
/// By how much areas are larger than they should be on average, per rate, at long leads, and the minutes in which this
/// comes up but for 1/e, slowly first: the less is known of where rain will be, the more a miss costs against a false
/// alarm in CSI and FSS.
const LARGER: [f32; RATES] = [0.06, 0.2, 0.2];
const LARGER_MIN: f32 = 60.0;

/// What the areas go by, beside the odds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Lead time, minutes.
    pub lead_min: f32,
    /// By which factor the area of each rate will have grown.
    pub growth: [f32; RATES],
    /// How much the threshold of the neighbourhood counts against that of the whole field, 0 to 1, per rate.
    pub local: [f32; RATES],
}

impl Terms {
    /// The area of a rate (cells), of which the odds expect so much and extrapolation brings `brought`.
    fn area(&self, k: usize, expected: f64, brought: usize) -> f64 {
        let (brought, mix) = (brought as f64, f64::from(EXTRAPOLATED[k]));
        let area = (expected.max(1.0).ln() * (1.0 - mix) + brought.ln() * mix).exp();
        let larger = self.growth[k] * (1.0 + LARGER[k] * (1.0 - (-(self.lead_min / LARGER_MIN).powi(2)).exp()));
        area.clamp(f64::from(AREA[0]) * brought, f64::from(AREA[1]) * brought) * f64::from(larger)
    }
}

/// The rain field (mm/h) that the log-odds and what extrapolation brings make together. NaN where `extrapolated` is; there
/// the odds are to be NaN, too.
pub(crate) fn placed(odds: &Odds, mut extrapolated: Array2<f32>, terms: &Terms) -> Array2<f32> {
    let fits = extrapolated.dim() == (odds.rows, odds.columns);
    let Some(field) = extrapolated.as_slice_mut().filter(|_| fits) else { return extrapolated };
    let layers = Layer::taken_from(field, odds);
    if layers.iter().all(|layer| layer.cells == 0) {
        return extrapolated;
    }
    let tiles = Tiles::of(odds);
    let mut areas = [0.0; RATES];
    let mut thresholds = vec![[0.0; 4]; tiles.counts.len()];
    let mut count = 0;
    for k in (0..RATES).rev() {
        // As many cells reach a rate as are in its layer and in those above.
        count += layers[k].cells;
        if count > 0 {
            areas[k] = terms.area(k, odds.expected[k], count);
            tiles.balance(k, areas[k], terms.local[k], &mut thresholds);
        }
    }
    let members = Scores::of(odds, &tiles, &thresholds, areas).nested();
    for (k, (layer, members)) in layers.iter().zip(members).enumerate() {
        layer.deal(&members, k, terms.lead_min, odds, field);
    }
    extrapolated
}

/// How many cells of each tile have log-odds in each bin, by rate.
pub(crate) struct Tiles {
    pub rows: usize,
    pub columns: usize,
    /// Beyond the bins there is one for what is unknown.
    counts: Vec<[[u16; COUNTED]; RATES]>,
}

impl Tiles {
    fn of(odds: &Odds) -> Self {
        let (rows, columns) = (odds.rows.div_ceil(TILE), odds.columns.div_ceil(TILE));
        let mut counts = vec![[[0; COUNTED]; RATES]; rows * columns];
        let across = odds.across();
        for (row, kinds) in odds.kinds.chunks_exact(across.max(1)).enumerate() {
            let tiles = &mut counts[row / TILE * columns..][..columns];
            widest(
                #[inline(always)]
                || {
                    for (i, kind) in kinds.iter().enumerate() {
                        let (tile, at) = (&mut tiles[i * SEGMENT / TILE], row * across + i);
                        match kind {
                            Kind::Unknown => {}
                            Kind::Calm => {
                                for (counts, odds) in tile.iter_mut().zip(odds.calm[at]) {
                                    counts[bin_of(odds) as usize % COUNTED] += SEGMENT as u16;
                                }
                            }
                            Kind::Varied => {
                                for (counts, odds) in tile.iter_mut().zip(odds.varied(at)) {
                                    for bin in bins_of(odds) {
                                        counts[bin as usize % COUNTED] += 1;
                                    }
                                }
                            }
                        }
                    }
                },
            );
        }
        Self { rows, columns, counts }
    }

    /// Cells in each bin.
    pub fn total(&self, k: usize) -> [f64; BINS] {
        let mut total = [0_u32; BINS];
        for tile in &self.counts {
            for (sum, n) in total.iter_mut().zip(&tile[k]) {
                *sum += u32::from(*n);
            }
        }
        total.map(f64::from)
    }

    /// What is to be taken off the log-odds of one rate in each tile, so that they are balanced between neighbourhoods when
    /// the whole field has `area` cells: to lane `k` of `thresholds`.
    fn balance(&self, k: usize, area: f64, local: f32, thresholds: &mut [Lanes]) {
        let total = self.total(k);
        let share = |bin: usize, offset: f32| 1.0 / (1.0 + exp(-(LEAST + (bin as f32 + 0.5) / BINS_PER_UNIT + offset)));
        let expected =
            |offset: f32| total.iter().enumerate().map(|(b, n)| n * f64::from(share(b, offset))).sum::<f64>();
        let (mut low, mut high) = (-12.0_f32, 12.0_f32);
        for _ in 0..20 {
            let middle = 0.5 * (low + high);
            if expected(middle) < area { low = middle } else { high = middle }
        }
        let offset = 0.5 * (low + high);
        let shares: [f32; BINS] = std::array::from_fn(|b| share(b, offset));
        self.blurred(
            k,
            #[inline(always)]
            |tile, counts| thresholds[tile][k] = local * threshold(counts, &shares),
        );
    }

    /// Tells of each tile the counts of one rate smoothed by (1 4 6 4 1) along both axes, nothing beyond the edges.
    fn blurred(&self, k: usize, mut tell: impl FnMut(usize, &[f32; BINS])) {
        const KERNEL: [(isize, u16); 5] = [(-2, 1), (-1, 4), (0, 6), (1, 4), (2, 1)];
        let beside = |at: usize, step: isize, size: usize| at.checked_add_signed(step).filter(|at| *at < size);
        // No more than 16 times the cells of a tile.
        let mut across = vec![[0_u16; BINS]; self.counts.len()];
        widest(
            #[inline(always)]
            || {
                for (i, sum) in across.iter_mut().enumerate() {
                    let (row, column) = (i / self.columns, i % self.columns);
                    for (step, weight) in KERNEL {
                        let Some(c) = beside(column, step, self.columns) else { continue };
                        for (s, n) in sum.iter_mut().zip(&self.counts[row * self.columns + c][k]) {
                            *s = s.wrapping_add(n.wrapping_mul(weight));
                        }
                    }
                }
                for i in 0..across.len() {
                    let (row, column) = (i / self.columns, i % self.columns);
                    let mut sum = [0.0; BINS];
                    for (step, weight) in KERNEL {
                        let Some(r) = beside(row, step, self.rows) else { continue };
                        for (s, n) in sum.iter_mut().zip(&across[r * self.columns + column]) {
                            *s += f32::from(weight) * f32::from(*n);
                        }
                    }
                    tell(i, &sum);
                }
            },
        );
    }
}

/// The bins of the log-odds of eight cells.
#[inline(always)]
fn bins_of(odds: &Eight) -> [u32; SEGMENT] {
    let mut bins = [0; SEGMENT];
    for k in 0..SEGMENT {
        bins[k] = bin_of(odds[k]);
    }
    bins
}

/// The bin of the log-odds of a cell; one beyond them all for what is not a number.
#[inline(always)]
fn bin_of(odds: f32) -> u32 {
    // Adding this number rounds to a whole one, which then stands in the lowest bits: casts of vectors are slow.
    const ROUNDING: f32 = 12_582_912.0;
    const ALMOST_HALF: f32 = 0.4999;
    let at = (odds - LEAST) * BINS_PER_UNIT - ALMOST_HALF;
    let at = if at < 0.0 { 0.0 } else { at };
    let at = if at > (BINS - 1) as f32 { (BINS - 1) as f32 } else { at };
    let at = if at.is_nan() { BINS as f32 } else { at };
    (at + ROUNDING).to_bits().wrapping_sub(ROUNDING.to_bits())
}

/// The log-odds above which a tile has as many cells as are expected in it, by the share of each bin that is.
#[inline(always)]
fn threshold(counts: &[f32; BINS], shares: &[f32; BINS]) -> f32 {
    // Eight sums, so that no addition waits for the one before; and the cells of each eight bins.
    let (mut sums, mut eights) = ([0.0; 8], [0.0_f32; BINS / 8]);
    for ((n, s), eight) in counts.as_chunks::<8>().0.iter().zip(shares.as_chunks::<8>().0).zip(&mut eights) {
        for (sum, (n, s)) in sums.iter_mut().zip(n.iter().zip(s)) {
            *sum += n * s;
        }
        *eight = n.iter().sum();
    }
    let wanted: f32 = sums.iter().sum();
    let (mut above, mut bin) = (0.0, BINS);
    while bin > 0 && above + eights[bin / 8 - 1] < wanted {
        above += eights[bin / 8 - 1];
        bin -= 8;
    }
    while bin > 0 && above + counts[bin - 1] < wanted {
        above += counts[bin - 1];
        bin -= 1;
    }
    let within = if bin > 0 && counts[bin - 1] > 0.0 { (wanted - above) / counts[bin - 1] } else { 0.0 };
    LEAST + (bin as f32 - within) / BINS_PER_UNIT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceedance::RATES_MM_H;

    const TERMS: Terms = Terms { lead_min: 30.0, growth: [1.0; RATES], local: [0.4; RATES] };

    #[test]
    fn rain_goes_where_the_odds_are_and_keeps_its_rates() {
        // Extrapolation has it in the left half, the odds are all for the right one.
        let extrapolated =
            Array2::from_shape_fn((64, 64), |(r, c)| if c < 32 { 0.2 + 0.2 * (r + c) as f32 } else { 0.0 });
        let odds = Odds::of((64, 64), |i| if i % 64 >= 32 { [4.0 + (i / 64) as f32 * 0.02; 4] } else { [-7.0; 4] });
        let placed = placed(&odds, extrapolated.clone(), &Terms { lead_min: 5.0, ..TERMS });
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
            let placed = placed(&Odds::of((20, 30), |_| [3.0; 4]), extrapolated, &TERMS);
            assert!(placed.iter().all(|r| r.to_bits() == value.to_bits()));
        }
    }

    #[test]
    fn one_wet_cell_stays_about_one() {
        let mut extrapolated = Array2::zeros((20, 30));
        extrapolated[(7, 9)] = 3.0;
        let odds = Odds::of((20, 30), |i| if i == 7 * 30 + 9 { [1.0, 1.0, 1.0, -0.6] } else { [-6.0; 4] });
        let placed = placed(&odds, extrapolated, &TERMS);
        assert!((2.7..3.2).contains(&placed[(7, 9)]) && placed.iter().filter(|r| **r > 0.0).count() <= 2, "{placed}");
    }

    #[test]
    fn rates_are_drawn_to_the_median_and_areas_stay() {
        let extrapolated =
            Array2::from_shape_fn((64, 64), |(r, c)| if c < 32 { 0.2 + 0.06 * (r + c) as f32 } else { 0.0 });
        let odds = |plain: f32| {
            let near = |i: usize| 0.02 * (i / 64) as f32;
            let odds = |i: usize| [4.0 + near(i), near(i) + 0.1, near(i) - 3.0, plain];
            Odds::of((64, 64), |i| if i % 64 < 32 { odds(i) } else { [-7.0; 4] })
        };
        let [low, high] = [-20.0, 20.0].map(|plain| placed(&odds(plain), extrapolated.clone(), &TERMS));
        for threshold in RATES_MM_H {
            let area = |a: &Array2<f32>| a.iter().filter(|r| **r >= threshold).count();
            assert_eq!(area(&low), area(&high), "{threshold}");
        }
        assert!(low.sum() < high.sum(), "{} and {}", low.sum(), high.sum());
        let grown = placed(&odds(-20.0), extrapolated, &Terms { growth: [1.3; RATES], ..TERMS });
        let heavy = |a: &Array2<f32>| a.iter().filter(|r| **r >= 5.0).count();
        assert!(heavy(&grown) > heavy(&low), "{} of {}", heavy(&grown), heavy(&low));
    }
}
