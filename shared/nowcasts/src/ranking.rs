//! Which cells make up the area of each rate: those whose log-odds exceed the local thresholds most.

use raincell_extrapolation::{Eight, SEGMENT};
use raincell_simd::widest;

use crate::exceedance::RATES;
use crate::levels::{Lanes, mix, stretched};
use crate::odds::{Kind, Odds};
use crate::placing::{BINS, BINS_PER_UNIT, LEAST, TILE, TILE_HALVINGS, Tiles};

/// Bins of the final ranking.
pub(crate) const RANK_BINS: usize = 4096;
const RANK_BINS_PER_UNIT: f32 = 128.0;
/// No log-odds worth ranking are below.
const LEAST_SCORE: f32 = -24.0;
/// Of so many segments one cell is looked at to guess where the cut of each rate will be, from as many more cells than its
/// area wants.
const GUESSED_OF: usize = 4;
const GUESSED_FROM: f64 = 1.15;
const GUESSED_MORE: f64 = 24.0;
/// A cell that may be within an area: its place in the field and in the odds, and its log-odds less the local thresholds.
#[derive(Clone, Copy)]
struct Member {
    cell: u32,
    place: u32,
    scores: [f32; RATES],
}

/// The cells that may be within an area.
pub(crate) struct Scores {
    members: Vec<Member>,
    /// The score from which on the area of each rate is right; infinite for no area at all.
    cuts: [f32; RATES],
}

impl Scores {
    pub fn of(odds: &Odds, tiles: &Tiles, thresholds: &[Lanes], areas: [f64; RATES]) -> Self {
        let local = Thresholds { tiles, of_tiles: thresholds };
        let guess = local.guess(odds, areas);
        Self::above(guess, odds, &local, areas)
            .or_else(|| Self::above(Self::floors(tiles, thresholds, areas), odds, &local, areas))
            .unwrap_or(Self { members: Vec::new(), cuts: [f32::INFINITY; RATES] })
    }

    /// From the scores above some floors; `None` where fewer cells than an area wants are above a guessed one.
    fn above(
        (floors, guessed): ([f32; RATES], bool),
        odds: &Odds,
        local: &Thresholds<'_>,
        areas: [f64; RATES],
    ) -> Option<Self> {
        let mut ranks = vec![[0_u32; RANK_BINS]; RATES];
        let mut members = Vec::with_capacity(2 * areas[0] as usize);
        let (across, mut line) = (odds.across(), Vec::new());
        for row in 0..odds.rows {
            local.row(row, &mut line);
            let (line, least) = (&line, least(&line, &floors));
            let kinds = &odds.kinds[row * across..][..across];
            widest(
                #[inline(always)]
                || {
                    for (i, kind) in kinds.iter().enumerate() {
                        let scores = match kind {
                            Kind::Unknown => continue,
                            Kind::Calm if beneath(&odds.calm[row * across + i], &least) => continue,
                            Kind::Calm => scores(line, i, &odds.calm[row * across + i].map(|odds| [odds; SEGMENT])),
                            Kind::Varied => scores(line, i, odds.varied(row * across + i)),
                        };
                        // Not a number passes none.
                        let mut passed = [0_u32; RATES];
                        for ((passed, scores), floor) in passed.iter_mut().zip(&scores).zip(floors) {
                            for (k, score) in scores.iter().enumerate() {
                                *passed |= u32::from(*score >= floor) << k;
                            }
                        }
                        let (_, first) = odds.cells(row, i);
                        for k in 0..RATES {
                            let mut left = passed[k];
                            while left != 0 {
                                let score = scores[k][left.trailing_zeros() as usize % SEGMENT];
                                let bin = ((score - floors[k]) * RANK_BINS_PER_UNIT) as i32;
                                ranks[k][(bin as usize).min(RANK_BINS - 1)] += 1;
                                left &= left - 1;
                            }
                        }
                        let (mut left, at) = (passed[0], (row * across + i) * SEGMENT);
                        while left != 0 {
                            let k = left.trailing_zeros() as usize % SEGMENT;
                            let scores = [scores[0][k], scores[1][k], scores[2][k]];
                            members.push(Member { cell: (first + k) as u32, place: (at + k) as u32, scores });
                            left &= left - 1;
                        }
                    }
                },
            );
        }
        let enough = |k: usize| ranks[k].iter().map(|n| f64::from(*n)).sum::<f64>() >= areas[k];
        if guessed && !(0..RATES).all(enough) {
            return None;
        }
        Some(Self { members, cuts: std::array::from_fn(|k| highest(&ranks[k], areas[k], floors[k])) })
    }

    /// Scores below these lie beneath the cut for certain: as many cells as the area wants have log-odds of at least the
    /// floor and the greatest threshold together.
    fn floors(tiles: &Tiles, thresholds: &[Lanes], areas: [f64; RATES]) -> ([f32; RATES], bool) {
        let floors = std::array::from_fn(|k| {
            if areas[k] <= 0.0 {
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
        });
        (floors, false)
    }

    /// The cells of each layer: a cell belongs to the last layer up to which it passes every cut.
    pub fn nested(&self) -> [Vec<Ranked>; RATES] {
        let mut layers: [Vec<Ranked>; RATES] = std::array::from_fn(|_| Vec::with_capacity(self.members.len() / 2));
        for member in self.members.iter().filter(|member| member.scores[0] >= self.cuts[0]) {
            let moderate = member.scores[1] >= self.cuts[1];
            let last = usize::from(moderate) + usize::from(moderate && member.scores[2] >= self.cuts[2]);
            layers[last].push(Ranked { cell: member.cell, place: member.place, score: member.scores[last] });
        }
        layers
    }
}

/// A cell of a layer: its place in the field and in the odds, and its score there.
#[derive(Clone, Copy)]
pub(crate) struct Ranked {
    pub cell: u32,
    pub place: u32,
    pub score: f32,
}

/// What is taken off the log-odds: between the middles of the tiles all goes in straight lines.
struct Thresholds<'a> {
    tiles: &'a Tiles,
    of_tiles: &'a [Lanes],
}

impl Thresholds<'_> {
    /// At a row of cells, at the columns of the tiles.
    fn row(&self, row: usize, out: &mut Vec<Lanes>) {
        let Tiles { rows, columns, .. } = self.tiles;
        let at = ((row as f32 + 0.5) / TILE as f32 - 0.5).clamp(0.0, (rows - 1) as f32);
        let (r0, r1, f) = (at as usize, (at as usize + 1).min(rows - 1), at.fract());
        let (upper, lower) = (&self.of_tiles[r0 * columns..][..*columns], &self.of_tiles[r1 * columns..]);
        out.clear();
        out.extend(upper.iter().zip(lower).map(|(a, b)| mix(a, b, f)));
    }

    /// Scores beneath which the cut of each rate is not likely to be, from a few cells.
    fn guess(&self, odds: &Odds, areas: [f64; RATES]) -> ([f32; RATES], bool) {
        let mut seen: [Vec<f32>; RATES] = std::array::from_fn(|_| Vec::new());
        let (across, mut line) = (odds.across(), Vec::new());
        for row in 0..odds.rows {
            self.row(row, &mut line);
            for i in (row % GUESSED_OF..across).step_by(GUESSED_OF) {
                let at = row * across + i;
                if odds.kinds[at] == Kind::Varied {
                    let scores = scores(&line, i, odds.varied(at));
                    for (seen, scores) in seen.iter_mut().zip(scores) {
                        let score = scores[row % SEGMENT];
                        if !score.is_nan() {
                            seen.push(score);
                        }
                    }
                }
            }
        }
        let floors = std::array::from_fn(|k| match seen.get_mut(k) {
            Some(seen) if areas[k] > 0.0 => {
                let wanted = areas[k] / (GUESSED_OF * SEGMENT) as f64 * GUESSED_FROM + GUESSED_MORE;
                let wanted = wanted as usize;
                if wanted >= seen.len() {
                    return LEAST_SCORE;
                }
                *seen.select_nth_unstable_by(wanted, |a, b| b.total_cmp(a)).1
            }
            _ => f32::INFINITY,
        });
        (floors, true)
    }
}

/// Log-odds beneath which no score of a row reaches the floors for certain.
fn least(line: &[Lanes], floors: &[f32; RATES]) -> [f32; RATES] {
    const ROUNDING: f32 = 1e-3;
    let mut least = [f32::INFINITY; RATES];
    for thresholds in line {
        for (least, threshold) in least.iter_mut().zip(thresholds) {
            *least = least.min(*threshold);
        }
    }
    for (least, floor) in least.iter_mut().zip(floors) {
        *least += floor - ROUNDING;
    }
    least
}

#[inline(always)]
fn beneath(odds: &Lanes, least: &[f32; RATES]) -> bool {
    let mut beneath = true;
    for k in 0..RATES {
        beneath &= odds[k] < least[k];
    }
    beneath
}

/// Log-odds of a segment less its thresholds, by their [`Thresholds::row`].
#[inline(always)]
fn scores(line: &[Lanes], segment: usize, odds: &[Eight]) -> [Eight; RATES] {
    const STEPS: Eight = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    // A segment is half of a tile, so that it lies between two middles as a whole.
    let [start, step] = stretched(line, segment * SEGMENT, TILE_HALVINGS);
    let mut scores = [[0.0; SEGMENT]; RATES];
    for (k, (scores, odds)) in scores.iter_mut().zip(odds).enumerate() {
        let (start, step) = (start[k], step[k]);
        for ((score, odds), i) in scores.iter_mut().zip(odds).zip(STEPS) {
            *score = odds - (start + i * step);
        }
    }
    scores
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
