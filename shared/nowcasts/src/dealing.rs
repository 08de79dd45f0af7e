//! Which rates the cells of an area get.

use raincell_extrapolation::SEGMENT;
use raincell_simd::{exp, log2, widest};

use crate::exceedance::{RATES, RATES_MM_H};
use crate::odds::{Kind, Odds};
use crate::ranking::{RANK_BINS, Ranked};

/// How much the median of the odds counts, in the logarithm, against the rate dealt out by rank.
const MEDIAN_COUNTS: f32 = 0.8;
/// The minutes in which rates of the heaviest layer are drawn to its lower end, in the logarithm, but for 1/e: peaks are
/// the first that cannot be foretold.
const PEAKS_MIN: f32 = 600.0;
/// Natural logarithms of the rates.
const LOG_RATES: [f32; RATES] = [-std::f32::consts::LN_10, 0.0, 1.609_438];
/// Rates stay off the ends of their layers by this factor, so that rounding does not move them over.
const WITHIN: f32 = 1.001;
/// Bins of rates within a layer: each octave holds so many, equally wide.
const RATE_BINS: usize = 256;
const OCTAVE_BINS: u32 = 32;

/// Natural logarithm of the rate (mm/h) that is as likely reached as not, by the log-odds of the rates; where that is
/// below the least or above the highest of them, this one.
#[inline(always)]
fn log_median([onset, moderate, heavy]: [f32; RATES]) -> f32 {
    let between = |k: usize, below: f32, above: f32| {
        LOG_RATES[k] + below / (below - above).max(1e-6) * (LOG_RATES[k + 1] - LOG_RATES[k])
    };
    let (low, high) = (between(0, onset, moderate), between(1, moderate, heavy));
    let of_heavy = if heavy <= 0.0 { high } else { LOG_RATES[2] };
    let of_moderate = if moderate <= 0.0 { low } else { of_heavy };
    if onset <= 0.0 { LOG_RATES[0] } else { of_moderate }
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
pub(crate) struct Layer {
    low_mm_h: f32,
    pub cells: usize,
    bins: Vec<u32>,
}

/// Natural logarithms of rates (mm/h) by rank of the log-odds.
struct Deal {
    least: f32,
    per_bin: f32,
    log_rates: Vec<f32>,
}

impl Layer {
    /// The layers of a field, in which nothing of them is left.
    pub fn taken_from(field: &mut [f32], odds: &Odds) -> [Self; RATES] {
        let mut layers = RATES_MM_H.map(|low_mm_h| Self { low_mm_h, cells: 0, bins: vec![0; RATE_BINS] });
        let across = odds.across();
        for (i, _) in odds.kinds.iter().enumerate().filter(|(_, kind)| **kind == Kind::Varied) {
            let (cells, first) = odds.cells(i / across, i % across);
            for rate in field[first..][..cells].iter_mut().filter(|r| **r >= RATES_MM_H[0]) {
                let layer = &mut layers[usize::from(*rate >= RATES_MM_H[1]) + usize::from(*rate >= RATES_MM_H[2])];
                layer.bins[((bin_of(*rate) - bin_of(layer.low_mm_h)) as usize).min(RATE_BINS - 1)] += 1;
                layer.cells += 1;
                *rate = 0.0;
            }
        }
        for layer in layers.iter_mut().filter(|layer| layer.cells == 0) {
            layer.bins[0] = 1;
        }
        layers
    }

    /// Puts the rates of this layer, the `k`th, into the field, `lead_min` ahead.
    pub fn deal(&self, members: &[Ranked], k: usize, lead_min: f32, odds: &Odds, field: &mut [f32]) {
        let deal = self.dealt(members);
        let fades = (-lead_min / PEAKS_MIN).exp();
        let (low, high) = (LOG_RATES[k], LOG_RATES.get(k + 1).copied());
        let least = RATES_MM_H[k] * WITHIN;
        let most = RATES_MM_H.get(k + 1).map_or(f32::INFINITY, |high| high / WITHIN);
        widest(
            #[inline(always)]
            || {
                for members in members.chunks(SEGMENT) {
                    let mut rates = [0.0; SEGMENT];
                    for (rate, member) in rates.iter_mut().zip(members) {
                        *rate = deal.log_rate(member.score);
                    }
                    if let Some(high) = high {
                        let mut plain = [[0.0; SEGMENT]; RATES];
                        for (i, member) in members.iter().enumerate() {
                            let z = odds.plain(member.place as usize);
                            [plain[0][i], plain[1][i], plain[2][i]] = z;
                        }
                        for (i, rate) in rates.iter_mut().enumerate() {
                            let median = log_median([plain[0][i], plain[1][i], plain[2][i]]).clamp(low, high);
                            *rate += MEDIAN_COUNTS * (median - *rate);
                        }
                    } else {
                        for rate in &mut rates {
                            *rate = low + fades * (*rate - low);
                        }
                    }
                    for rate in &mut rates {
                        *rate = exp(*rate).clamp(least, most);
                    }
                    for (rate, member) in rates.into_iter().zip(members) {
                        field[member.cell as usize] = rate;
                    }
                }
            },
        );
    }

    /// The same share of the cells gets the same rates, the likeliest cell the highest.
    fn dealt(&self, members: &[Ranked]) -> Deal {
        let scores = members.iter().map(|member| member.score);
        let (least, most) = scores.clone().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), z| (a.min(z), b.max(z)));
        let per_bin = RANK_BINS as f32 / (most - least).max(1e-6);
        let mut ranks = vec![0_u32; RANK_BINS];
        scores.for_each(|z| ranks[(((z - least) * per_bin) as usize).min(RANK_BINS - 1)] += 1);
        let (cells, values) = (members.len().max(1) as f32, self.bins.iter().sum::<u32>() as f32);
        let (mut below, mut bin, mut under) = (0.0, 0, 0.0);
        let first = bin_of(self.low_mm_h);
        let log_rates = ranks
            .iter()
            .map(|n| {
                let n = *n as f32;
                let wanted = (below + 0.5 * n) / cells * values;
                below += n;
                while bin + 1 < RATE_BINS && under + self.bins[bin] as f32 <= wanted {
                    under += self.bins[bin] as f32;
                    bin += 1;
                }
                let within = ((wanted - under) / (self.bins[bin] as f32).max(1e-6)).clamp(0.0, 1.0);
                let [a, b] = [bin, bin + 1].map(|bin| start_of(first + bin as u32));
                std::f32::consts::LN_2 * log2((a + within * (b - a)).max(self.low_mm_h))
            })
            .collect();
        Deal { least, per_bin, log_rates }
    }
}

impl Deal {
    #[inline(always)]
    fn log_rate(&self, score: f32) -> f32 {
        self.log_rates[(((score - self.least) * self.per_bin) as usize).min(RANK_BINS - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_where_the_odds_are_even() {
        let mm_h = |odds: [f32; RATES]| log_median(odds).exp();
        assert!((mm_h([-1.0, -3.0, -6.0]) - 0.1).abs() < 1e-5 && (mm_h([4.0, 2.0, 0.5]) - 5.0).abs() < 1e-4);
        assert!((mm_h([2.0, -2.0, -4.0]) - 0.1_f32.sqrt()).abs() < 1e-4);
        assert!((mm_h([2.0, 1.0, -1.0]) - 5.0_f32.sqrt()).abs() < 1e-4);
        assert!(mm_h([2.0, 1e-9, -1e-9]).is_finite() && mm_h([1.0, 2.0, -1.0]).is_finite());
    }
}
