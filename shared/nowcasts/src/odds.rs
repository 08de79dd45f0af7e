//! Log-odds of every cell at one lead.

use ndarray::Array2;
use raincell_extrapolation::{Carried, Eight, ExtrapolationError, Interpolation, SEGMENT, Segment, Trajectories};
use raincell_model::Content;
use raincell_simd::{exp, widest};

use crate::exceedance::{ARRIVING, Around, EVOLVED, RATES, RATES_MM_H, Weights};
use crate::levels::{Corners, Lanes, Places, eight_of, stretched};
use crate::traits::{Rate, SCALES, STANDING, decibels};

/// The minutes in which the cell's own rain comes to count more for heavy rain than the odds alone would have it, but for
/// 1/e.
const OWN_MIN: f32 = 60.0;
/// So little rain, mm/h, has neither strength nor presence at any of the rates.
const NOTHING_MM_H: f32 = 0.09;
/// Dry cells side by side whose log-odds of any rain are all below share those of their middle.
const CALM: f32 = -2.0;
const HALF: usize = SEGMENT / 2;
/// The highest of the rates.
const HEAVY: usize = RATES - 1;
/// From this lane on the log-odds are those of the traits alone, without what others have to say on where rain is placed.
const PLAIN: usize = RATES;
pub(crate) const LANES: usize = PLAIN + RATES;

/// What is known of eight cells side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing of any of them.
    #[default]
    Unknown,
    /// Dry air comes to all of them, rain is unlikely and nobody else speaks of any: they all have the same odds.
    Calm,
    /// Each has odds of its own, NaN where nothing is known.
    Varied,
}

/// Log-odds of every cell in segments of eight cells of a row, rate by rate: with what others have to say, and [`PLAIN`].
#[derive(Default)]
pub(crate) struct Odds {
    pub rows: usize,
    pub columns: usize,
    /// Row by row.
    pub kinds: Vec<Kind>,
    /// Of the calm segments, a number per rate.
    pub calm: Vec<Lanes>,
    /// Of the varied ones, one after the other; at the end of a row some of the eight may lie beyond the grid, where they are
    /// NaN.
    varied: Vec<[Eight; LANES]>,
    /// Which of the varied ones a segment is.
    places: Vec<u32>,
    /// The area of each rate that the plain odds expect, cells; 0 for the highest, of which nobody asks.
    pub expected: [f64; RATES],
    /// For each segment a bit per cell whose air comes from where nothing was observed, the first one's the lowest.
    unknown: Vec<u8>,
    line: Vec<[f32; 2]>,
    standing: [Vec<Lanes>; 2],
    /// Segments of the eight rows at hand whose odds are made.
    settled: Vec<bool>,
}

/// What all rows of a lead share.
pub(crate) struct Lead<'a> {
    pub around: &'a Around,
    pub halvings: usize,
    pub weights: &'a [Weights; RATES],
    /// What the cell's own heavy rain counts for at long leads, in log-odds over the range of strengths.
    pub own: f32,
    pub trajectories: &'a Trajectories,
}

impl Lead<'_> {
    /// Where eight cells from a (row, column) on lie themselves.
    #[inline(always)]
    fn places(&self, [row, first]: [usize; 2]) -> Places {
        let mut columns = [0.0; SEGMENT];
        for (k, column) in columns.iter_mut().enumerate() {
            *column = (first + k) as f32;
        }
        self.around.arriving.places([[row as f32; SEGMENT], columns], self.halvings)
    }
}

impl Odds {
    /// Segments in a row.
    pub fn across(&self) -> usize {
        self.columns.div_ceil(SEGMENT)
    }

    /// How many cells of a segment lie on the grid, and the first one's place in the field.
    pub fn cells(&self, row: usize, segment: usize) -> (usize, usize) {
        let first = segment * SEGMENT;
        (SEGMENT.min(self.columns - first), row * self.columns + first)
    }

    /// The odds of a varied segment.
    #[inline(always)]
    pub fn varied(&self, segment: usize) -> &[Eight; LANES] {
        &self.varied[self.places[segment] as usize]
    }

    /// The plain ones of a cell of a segment: the `8 · segment + cell`th.
    #[inline(always)]
    pub fn plain(&self, place: usize) -> [f32; RATES] {
        let (segment, k) = (place / SEGMENT, place % SEGMENT);
        if self.kinds[segment] == Kind::Calm {
            let [a, b, c, _] = self.calm[segment];
            return [a, b, c];
        }
        let odds = self.varied(segment);
        [odds[PLAIN][k], odds[PLAIN + 1][k], odds[PLAIN + 2][k]]
    }

    /// Makes the odds of all cells of `last` carried to the lead; what it brings, and where nothing was observed what was
    /// there last, is left in `filled`.
    pub fn fill(
        &mut self,
        lead: &Lead<'_>,
        last: &Array2<f32>,
        carried: &Carried<'_>,
        filled: &mut Array2<f32>,
    ) -> Result<(), ExtrapolationError> {
        (self.rows, self.columns) = last.dim();
        let across = self.across();
        self.varied.clear();
        self.calm.resize(self.rows * across, [0.0; 4]);
        self.places.resize(self.rows * across, 0);
        self.expected = [0.0; RATES];
        self.kinds.resize(self.rows * across, Kind::Unknown);
        self.unknown.resize(self.rows * across, 0);
        let (Some(last), Some(filled)) = (last.as_slice(), filled.as_slice_mut()) else { return Ok(()) };
        let own = Own::at(lead.weights, lead.own, lead.trajectories.minutes());
        let heard = lead.around.heard;
        let (coarse, arriving) = (lead.halvings + SCALES - STANDING, &lead.around.arriving);
        for row in 0..self.rows {
            if row % SEGMENT == 0 {
                self.settle_blocks(row, lead, &own, carried, filled);
            }
            let of_row = row * across..(row + 1) * across;
            let (calm_ones, kinds) = (&mut self.calm[of_row.clone()], &mut self.kinds[of_row.clone()]);
            let (varied, varied_places) = (&mut self.varied, &mut self.places[of_row.clone()]);
            let (unknown, standing, settled) = (&mut self.unknown[of_row], &mut self.standing[0], &self.settled);
            let expected = &mut self.expected;
            let of_row = row * self.columns..(row + 1) * self.columns;
            let (last, filled) = (&last[of_row.clone()], &mut filled[of_row]);
            lead.around.standing.row(row, coarse, standing);
            lead.trajectories.carry_row(
                carried,
                row,
                Interpolation::Bilinear,
                &mut self.line,
                |i| !settled[i],
                #[inline(always)]
                |segment: Segment| {
                    let Segment { first, cells, values, .. } = segment;
                    let (i, mut rates) = (first / SEGMENT, eight(&last[first..][..cells]));
                    let (mut nowhere, mut everywhere, mut nothing, mut dry) = (true, true, true, true);
                    for k in 0..SEGMENT {
                        // Beyond the grid there is nothing, whatever comes there.
                        rates[k] = if values[k].is_nan() || k >= cells { rates[k] } else { values[k] };
                        nowhere &= values[k].is_nan();
                        everywhere &= !values[k].is_nan();
                        nothing &= rates[k].is_nan();
                        dry &= rates[k] <= NOTHING_MM_H;
                    }
                    match filled[first..].first_chunk_mut::<SEGMENT>() {
                        Some(out) if cells == SEGMENT => *out = rates,
                        _ => filled[first..].copy_from_slice(&rates[..cells]),
                    }
                    unknown[i] = if everywhere { 0 } else { unknown_of(&values) };
                    if nothing {
                        kinds[i] = Kind::Unknown;
                        return;
                    }
                    let places = arriving.places([segment.origin_rows, segment.origin_columns], lead.halvings);
                    let corners = arriving.corners();
                    let beyond = heard && !everywhere;
                    let around = [stretched(standing, first, coarse), stretched(standing, first + HALF, coarse)];
                    if dry && (everywhere || nowhere) {
                        let own = &own.of_dry[usize::from(nowhere)];
                        let (mut left, mut right) = (corners.at(&places, 0), corners.at(&places, SEGMENT - 1));
                        if beyond {
                            let here = lead.places([row, first]);
                            (left, right) =
                                (asked(corners, &places, &here, 0), asked(corners, &places, &here, SEGMENT - 1));
                        }
                        let (mut ends, mut calm) = ([[0.0; 4]; 2], [0.0; 4]);
                        for k in 0..4 {
                            ends[0][k] = left[k] + around[0][0][k] + own[k];
                            ends[1][k] = right[k] + (around[1][0][k] + (HALF - 1) as f32 * around[1][1][k]) + own[k];
                            calm[k] = 0.5 * (ends[0][k] + ends[1][k]);
                        }
                        let silent = left[EVOLVED] <= 0.0 && right[EVOLVED] <= 0.0;
                        if silent && ends[0][0] < CALM && ends[1][0] < CALM {
                            add_expected(expected, [calm[0], calm[1]], cells as f32);
                            calm_ones[i] = calm;
                            kinds[i] = Kind::Calm;
                            return;
                        }
                    }
                    kinds[i] = Kind::Varied;
                    let mut arrived = [[0.0; ARRIVING]; SEGMENT];
                    for (k, arrived) in arrived.iter_mut().enumerate() {
                        *arrived = corners.at(&places, k);
                    }
                    if beyond {
                        let here = lead.places([row, first]);
                        for k in (0..SEGMENT).filter(|k| values[*k].is_nan()) {
                            arrived[k] = asked(corners, &places, &here, k);
                        }
                    }
                    let arrived = by_lane(&arrived);
                    let mut plain: [Eight; RATES] = eight_of(&around);
                    for (odds, arrived) in plain.iter_mut().zip(&arrived) {
                        for k in 0..SEGMENT {
                            odds[k] += arrived[k];
                        }
                    }
                    let mut rates_db = rates;
                    for k in 0..SEGMENT {
                        rates_db[k] = decibels(rates[k]);
                    }
                    own.add_to(&mut plain, &rates_db, &values);
                    for (expected, odds) in expected[..HEAVY].iter_mut().zip(&plain) {
                        *expected += f64::from(shares(odds));
                    }
                    let mut odds = plain;
                    own.add_heavy(&mut odds[HEAVY], &rates_db);
                    for (odds, said) in odds.iter_mut().zip(&arrived[EVOLVED..]) {
                        for k in 0..SEGMENT {
                            odds[k] += said[k];
                        }
                    }
                    varied_places[i] = varied.len() as u32;
                    varied.push([odds[0], odds[1], odds[2], plain[0], plain[1], plain[2]]);
                },
            )?;
        }
        Ok(())
    }

    /// Makes the odds of all blocks of eight rows from a row on to which nothing but dry air comes, and where rain is
    /// unlikely, or of which nothing is known.
    fn settle_blocks(&mut self, row: usize, lead: &Lead<'_>, own: &Own, carried: &Carried<'_>, filled: &mut [f32]) {
        let (across, coarse) = (self.across(), lead.halvings + SCALES - STANDING);
        self.settled.clear();
        self.settled.resize(across, false);
        if row + SEGMENT > self.rows {
            return;
        }
        let Self { columns: width, calm, kinds, unknown, expected, settled, standing: [upper, lower], .. } = self;
        lead.around.standing.row(row, coarse, upper);
        lead.around.standing.row(row + SEGMENT, coarse, lower);
        let corners = lead.around.arriving.corners();
        let whole = *width / SEGMENT;
        widest(
            #[inline(always)]
            || {
                for (i, settled) in settled.iter_mut().enumerate().take(whole) {
                    let first = i * SEGMENT;
                    let (content, origins) = lead.trajectories.carry_block(carried, [row, first]);
                    if content == Content::Unknown {
                        let here = [[row, row + SEGMENT - 1], [first, first + SEGMENT - 1]];
                        if carried.content(here[0], here[1]) == Content::Unknown {
                            for r in row..row + SEGMENT {
                                filled[r * *width + first..][..SEGMENT].fill(f32::NAN);
                                (kinds[r * across + i], unknown[r * across + i]) = (Kind::Unknown, u8::MAX);
                            }
                            *settled = true;
                        }
                    }
                    if content != Content::Dry {
                        continue;
                    }
                    let (mut rows, mut columns) = ([0.0; SEGMENT], [0.0; SEGMENT]);
                    for (k, origin) in origins.iter().enumerate() {
                        [rows[k], columns[k]] = *origin;
                    }
                    let places = lead.around.arriving.places([rows, columns], lead.halvings);
                    let (mut odds, mut silent) = ([[0.0; 4]; 4], true);
                    for (corner, odds) in odds.iter_mut().enumerate() {
                        let line = if corner < 2 { &*upper } else { &*lower };
                        let right = corner % 2;
                        let [start, step] = stretched(line, first + right * HALF, coarse);
                        let arriving = corners.at(&places, corner);
                        silent &= arriving[EVOLVED] <= 0.0;
                        for k in 0..4 {
                            odds[k] = arriving[k] + start[k] + (right * HALF) as f32 * step[k] + own.of_dry[0][k];
                        }
                    }
                    *settled = silent && odds.iter().all(|odds| odds[0] < CALM);
                    if *settled {
                        for r in 0..SEGMENT {
                            let (at, f) = ((row + r) * across + i, r as f32 / SEGMENT as f32);
                            for (k, out) in calm[at].iter_mut().enumerate() {
                                let (top, bottom) = (odds[0][k] + odds[1][k], odds[2][k] + odds[3][k]);
                                *out = 0.5 * (top + f * (bottom - top));
                            }
                            add_expected(expected, [calm[at][0], calm[at][1]], SEGMENT as f32);
                            (kinds[at], unknown[at]) = (Kind::Calm, 0);
                            filled[(row + r) * *width + first..][..SEGMENT].fill(0.0);
                        }
                    }
                }
            },
        );
    }

    /// Makes unknown again what `filled` holds where the air comes from what is unknown.
    pub fn clear_unknown(&self, filled: &mut Array2<f32>) {
        let Some(filled) = filled.as_slice_mut() else { return };
        for (i, bits) in self.unknown.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let (cells, at) = self.cells(i / self.across(), i % self.across());
            for (k, cell) in filled[at..][..cells].iter_mut().enumerate() {
                if bits >> k & 1 == 1 {
                    *cell = f32::NAN;
                }
            }
        }
    }

    /// With odds of their own for each cell, row by row; the last one is the plain one of the highest rate.
    #[cfg(test)]
    pub fn of((rows, columns): (usize, usize), odds: impl Fn(usize) -> Lanes) -> Self {
        let mut made = Self { rows, columns, ..Self::default() };
        for i in 0..rows * made.across() {
            let (cells, at) = made.cells(i / made.across(), i % made.across());
            let of = |k: usize| if k < cells { odds(at + k) } else { [f32::NAN; 4] };
            made.varied.push([0, 1, 2, 0, 1, 3].map(|rate| std::array::from_fn(|k| of(k)[rate])));
            made.calm.push([0.0; 4]);
            made.places.push(i as u32);
            made.kinds.push(Kind::Varied);
            (0..cells).for_each(|k| add_expected(&mut made.expected, [of(k)[0], of(k)[1]], 1.0));
        }
        made
    }
}

/// What arrives at the `k`th of some places from beyond the edge: there S-PROG and ANVIL say of heavy rain what they say at
/// the edge, of any other what they say of the cell itself.
#[inline(always)]
fn asked(corners: Corners<'_, ARRIVING>, places: &Places, here: &Places, k: usize) -> [f32; ARRIVING] {
    let (mut arrived, now) = (corners.at(places, k), corners.at(here, k));
    arrived[EVOLVED..][..HEAVY].copy_from_slice(&now[EVOLVED..][..HEAVY]);
    arrived
}

/// What lies side by side for each of eight cells, number by number.
#[inline(always)]
fn by_lane(cells: &[[f32; ARRIVING]; SEGMENT]) -> [Eight; ARRIVING] {
    let mut lanes = [[0.0; SEGMENT]; ARRIVING];
    for (lane, values) in lanes.iter_mut().enumerate() {
        for k in 0..SEGMENT {
            values[k] = cells[k][lane];
        }
    }
    lanes
}

/// The sum of the probabilities of log-odds, of which those that are no number count for nothing.
#[inline(always)]
fn shares(odds: &Eight) -> f32 {
    const NEVER: f32 = -80.0;
    let mut shares = [0.0; SEGMENT];
    for k in 0..SEGMENT {
        // What is asked after the exponential would be done number by number.
        let odds = if odds[k].is_nan() { NEVER } else { odds[k] };
        shares[k] = 1.0 / (1.0 + exp(-odds));
    }
    let [a, b, c, d, e, f, g, h] = shares;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Adds so many cells of such log-odds of all rates but the highest.
#[inline(always)]
fn add_expected(expected: &mut [f64; RATES], odds: [f32; HEAVY], cells: f32) {
    for (expected, odds) in expected.iter_mut().zip(odds) {
        *expected += f64::from(cells / (1.0 + exp(-odds)));
    }
}

/// Up to eight numbers, NaN for those that there are not.
#[inline(always)]
fn eight(values: &[f32]) -> Eight {
    values.first_chunk::<SEGMENT>().copied().unwrap_or_else(|| {
        let mut out = [f32::NAN; SEGMENT];
        out[..values.len()].copy_from_slice(values);
        out
    })
}

/// A bit for each value that is none, the first one's the lowest.
fn unknown_of(values: &Eight) -> u8 {
    (0..SEGMENT).fold(0, |bits, k| bits | u8::from(values[k].is_nan()) << k)
}

/// What the cell's own air adds to the log-odds.
struct Own {
    rates: [OwnRate; RATES],
    /// What the strength of heavy rain adds once more.
    heavy: f32,
    /// What a dry cell gets whose air comes from what is known, or not.
    of_dry: [Lanes; 2],
}

struct OwnRate {
    db: f32,
    below_db: f32,
    presence: [f32; 2],
    of_strength: f32,
    of_presence: f32,
    of_unknown: f32,
    constant: f32,
}

impl Own {
    fn at(weights: &[Weights; RATES], own: f32, minutes: f32) -> Self {
        let rates = std::array::from_fn(|k| {
            let rate = Rate::of(RATES_MM_H[k]);
            let own = &weights[k][4 * SCALES + STANDING..];
            let (below_db, presence) = (rate.below_db(), rate.presence_slope());
            let [of_strength, of_presence, of_unknown, constant] = [own[0], own[1], own[2], own[3]];
            OwnRate { db: rate.db, below_db, presence, of_strength, of_presence, of_unknown, constant }
        });
        let mut made = Self { rates, heavy: own * (1.0 - (-minutes / OWN_MIN).exp()), of_dry: [[0.0; 4]; 2] };
        made.of_dry = [0.0, f32::NAN].map(|value| {
            let mut odds = [[0.0; SEGMENT]; RATES];
            made.add_to(&mut odds, &[f32::NEG_INFINITY; SEGMENT], &[value; SEGMENT]);
            [odds[0][0], odds[1][0], odds[2][0], 0.0]
        });
        made
    }

    /// Adds it for eight cells by the rates there, and what came there: NaN if from where nothing was observed.
    #[inline(always)]
    fn add_to(&self, odds: &mut [Eight; RATES], rates_db: &Eight, came: &Eight) {
        let mut unknown = [0.0; SEGMENT];
        for k in 0..SEGMENT {
            unknown[k] = if came[k].is_nan() { 1.0 } else { 0.0 };
        }
        for (odds, rate) in odds.iter_mut().zip(&self.rates) {
            for k in 0..SEGMENT {
                let presence = ((rates_db[k] - rate.db) * rate.presence[0] + rate.presence[1]).clamp(0.0, 1.0);
                odds[k] += rate.of_strength * rate.strength(rates_db[k])
                    + rate.of_presence * presence
                    + rate.of_unknown * unknown[k]
                    + rate.constant;
            }
        }
    }

    /// Adds to the odds of heavy rain what the cell's own counts for at long leads.
    #[inline(always)]
    fn add_heavy(&self, odds: &mut Eight, rates_db: &Eight) {
        for k in 0..SEGMENT {
            odds[k] += self.heavy * self.rates[HEAVY].strength(rates_db[k]);
        }
    }
}

impl OwnRate {
    #[inline(always)]
    fn strength(&self, rate_db: f32) -> f32 {
        ((rate_db - self.db + self.below_db) * (1.0 / Rate::RANGE_DB)).clamp(0.0, 1.0)
    }
}
