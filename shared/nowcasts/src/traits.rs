//! What is known of a place before its rain comes: how strong and how sure rain at and above a rate was, at which scale.

use ndarray::Array2;
use raincell_extrapolation::SEGMENT;
use raincell_simd::{log2, widest};
use rayon::prelude::*;

use crate::levels::{Known, Lanes, Levels, Plane};

/// Number of scales.
pub(crate) const SCALES: usize = 5;
/// Width of the finest scale, km.
const FINEST_KM: f32 = 2.0;
/// Scales that also speak for the place itself rather than for the air that comes: the coarsest ones.
pub(crate) const STANDING: usize = 3;
/// Traits of a place: four for each scale, those of the standing scales, strength and presence in the cell itself, whether
/// its air came from where nothing was observed, and 1.
pub(crate) const TRAITS: usize = 4 * SCALES + STANDING + 4;
/// Strength begins this far below a rate and ends 6 dB above it, dB.
const BELOW_DB: f32 = 10.0;
/// Presence rises from 0 to 1 over this range around a rate, dB.
const EDGE_DB: f32 = 4.0;

/// A rain rate of interest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// In decibels, `10·log10(mm/h)`.
    pub db: f32,
    /// True for the rate at which rain begins: below it there is nothing.
    pub onset: bool,
}

impl Rate {
    /// The rate at which rain begins, mm/h.
    pub const ONSET_MM_H: f32 = 0.1;

    pub fn of(mm_h: f32) -> Self {
        Self { db: decibels(mm_h), onset: mm_h <= Self::ONSET_MM_H }
    }

    /// Range of strengths, dB.
    pub const RANGE_DB: f32 = 16.0;

    /// How far below this rate strength begins, dB.
    #[inline(always)]
    pub fn below_db(self) -> f32 {
        if self.onset { 0.0 } else { BELOW_DB }
    }

    /// Presence as what rises with the dB above this rate: slope and value there, to be cut at 0 and 1.
    pub fn presence_slope(self) -> [f32; 2] {
        // Onset is a step: no two numbers near a rate are closer than a millionth dB.
        if self.onset { [1e9, 1.0] } else { [1.0 / EDGE_DB, 0.5] }
    }

    /// How much rain there is relative to this rate, 0–1.
    #[inline(always)]
    pub fn strength(self, rain_db: f32) -> f32 {
        ((rain_db - self.db + self.below_db()) / Self::RANGE_DB).clamp(0.0, 1.0)
    }

    /// Whether it rains at least so much, 0–1.
    #[inline(always)]
    pub fn presence(self, rain_db: f32) -> f32 {
        if self.onset {
            f32::from(u8::from(rain_db >= self.db))
        } else {
            ((rain_db - self.db) / EDGE_DB + 0.5).clamp(0.0, 1.0)
        }
    }
}

/// Rain decibels of mm/h; NaN stays, dry is −∞.
#[inline(always)]
pub(crate) fn decibels(rate_mm_h: f32) -> f32 {
    let db = (10.0 * std::f32::consts::LOG10_2) * log2(rate_mm_h);
    let db = if rate_mm_h <= 0.0 { f32::NEG_INFINITY } else { db };
    if rate_mm_h.is_nan() { rate_mm_h } else { db }
}

/// The newest field and two earlier ones brought to its time, all in rain decibels.
pub(crate) struct State<'a> {
    pub now: &'a Array2<f32>,
    pub earlier: [&'a Array2<f32>; 2],
    pub cell_km: f32,
}

/// How often cells of the finest scale are halved grid cells.
pub(crate) fn halvings(cell_km: f32) -> usize {
    (FINEST_KM / cell_km.max(1e-3)).log2().round().clamp(0.0, 8.0) as usize
}

impl State<'_> {
    /// How often the finest scale's cells are halved grid cells.
    pub fn halvings(&self) -> usize {
        halvings(self.cell_km)
    }

    /// Knowledge of the three fields by scale, channels as in [`State::levels`].
    pub fn known(&self) -> Known {
        let weights = self.gathered(|now, a, b| {
            let one = |x: f32| f32::from(u8::from(!x.is_nan()));
            [one(now), one(now), one(a), one(b)]
        });
        Known::new(weights, self.halvings().saturating_sub(1), SCALES)
    }

    /// Traits by scale: strength and presence now, strength in the two earlier fields.
    pub fn levels(&self, rate: Rate, known: &Known) -> Levels {
        let strength = |x: f32| if x.is_nan() { 0.0 } else { rate.strength(x) };
        let presence = |x: f32| if x.is_nan() { 0.0 } else { rate.presence(x) };
        let weighted = self.gathered(|now, a, b| [strength(now), presence(now), strength(a), strength(b)]);
        Levels::new(weighted, known, self.halvings().saturating_sub(1))
    }

    /// Means over 2 × 2 cells (nothing beyond the edge) of four channels made of the three fields; of single cells where these
    /// are as wide as the finest scale.
    fn gathered(&self, channels: impl Fn(f32, f32, f32) -> Lanes + Sync) -> Plane {
        if self.halvings() == 0 { self.gathered_by::<1>(channels) } else { self.gathered_by::<2>(channels) }
    }

    fn gathered_by<const SIDE: usize>(&self, channels: impl Fn(f32, f32, f32) -> Lanes + Sync) -> Plane {
        let (rows, columns) = self.now.dim();
        let share = 1.0 / (SIDE * SIDE) as f32;
        let mut out = Plane::zeros(rows.div_ceil(SIDE), columns.div_ceil(SIDE));
        let (Some(now), Some(a), Some(b)) =
            (self.now.as_slice(), self.earlier[0].as_slice(), self.earlier[1].as_slice())
        else {
            return out;
        };
        let width = out.columns;
        let dry = channels(f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY);
        out.cells.par_chunks_mut(width.max(1)).enumerate().for_each(|(row, line)| {
            for r in SIDE * row..(SIDE * row + SIDE).min(rows) {
                let (now, a, b) =
                    (&now[r * columns..][..columns], &a[r * columns..][..columns], &b[r * columns..][..columns]);
                widest(
                    #[inline(always)]
                    || {
                        let several = now.chunks(SEGMENT).zip(a.chunks(SEGMENT)).zip(b.chunks(SEGMENT));
                        for (((now, a), b), sums) in several.zip(line.chunks_mut(SEGMENT / SIDE)) {
                            // Most cells are dry in all three, and make nothing of most channels.
                            if all_dry(now) && all_dry(a) && all_dry(b) {
                                let cells = if dry == [0.0; 4] { 0 } else { now.len() };
                                for c in 0..cells {
                                    add_share(&mut sums[c / SIDE], &dry, share);
                                }
                                continue;
                            }
                            for (c, ((now, a), b)) in now.iter().zip(a).zip(b).enumerate() {
                                let none = now.max(*a).max(*b) == f32::NEG_INFINITY && !now.is_nan();
                                let none = none && !a.is_nan() && !b.is_nan();
                                add_share(&mut sums[c / SIDE], &if none { dry } else { channels(*now, *a, *b) }, share);
                            }
                        }
                    },
                );
            }
        });
        out
    }
}

#[inline(always)]
fn add_share(sum: &mut Lanes, lanes: &Lanes, share: f32) {
    for (sum, lane) in sum.iter_mut().zip(lanes) {
        *sum += share * lane;
    }
}

/// Whether cells in decibels hold no rain, and are all known.
#[inline(always)]
fn all_dry(rain_db: &[f32]) -> bool {
    let mut other = 0;
    for db in rain_db {
        other |= db.to_bits() ^ f32::NEG_INFINITY.to_bits();
    }
    other == 0
}

/// Fractional cell of a level whose cells are `2^halvings` grid cells wide.
#[inline(always)]
pub(crate) fn on_level(cell: f32, halvings: usize) -> f32 {
    let width = (1_usize << halvings) as f32;
    (cell + 0.5) / width - 0.5
}

/// All traits of the cell (row, column) whose air comes from `origin` and brings `own_db` there: what weights are fitted
/// on. The engine itself adds them up level by level.
pub(crate) fn traits_at(
    levels: &Levels,
    halvings: usize,
    rate: Rate,
    cell: [f32; 2],
    origin: [f32; 2],
    own_db: f32,
    unknown: bool,
) -> [f32; TRAITS] {
    let mut out = [0.0; TRAITS];
    for (scale, plane) in levels.planes.iter().enumerate() {
        let lanes = plane.sample(on_level(origin[0], halvings + scale), on_level(origin[1], halvings + scale));
        out[4 * scale..4 * scale + 4].copy_from_slice(&lanes);
    }
    for i in 0..STANDING {
        let scale = SCALES - STANDING + i;
        out[4 * SCALES + i] =
            levels.planes[scale].sample(on_level(cell[0], halvings + scale), on_level(cell[1], halvings + scale))[0];
    }
    out[4 * SCALES + STANDING..].copy_from_slice(&[
        rate.strength(own_db),
        rate.presence(own_db),
        f32::from(u8::from(unknown)),
        1.0,
    ]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_and_presence_rise_with_the_rain() {
        for rate in [Rate::of(0.1), Rate::of(1.0), Rate::of(5.0)] {
            let mut before = (0.0, 0.0);
            for mm_h in [0.0, 0.05, 0.1, 0.5, 1.0, 3.0, 5.0, 50.0] {
                let now = (rate.strength(decibels(mm_h)), rate.presence(decibels(mm_h)));
                assert!(now.0 >= before.0 && now.1 >= before.1 && now.0 <= 1.0 && now.1 <= 1.0);
                let [slope, there] = rate.presence_slope();
                assert_eq!(((decibels(mm_h) - rate.db) * slope + there).clamp(0.0, 1.0), now.1);
                before = now;
            }
            assert_eq!((rate.strength(decibels(0.0)), rate.presence(decibels(0.0))), (0.0, 0.0));
        }
    }

    #[test]
    fn the_finest_scale_is_about_two_kilometres_whatever_the_grid() {
        let field = Array2::zeros((1, 1));
        for (cell_km, halvings) in [(0.5, 2), (1.0, 1), (2.0, 0), (4.0, 0), (0.25, 3)] {
            let state = State { now: &field, earlier: [&field, &field], cell_km };
            assert_eq!(state.halvings(), halvings, "{cell_km} km");
        }
    }
}
