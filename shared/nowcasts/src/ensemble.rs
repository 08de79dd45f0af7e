//! Ensembles: members drawn from predictive distributions, and the products made of them, lead by lead.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use raincell_cascade::BandPass;
use raincell_cascade::ar::correlation;
use raincell_extrapolation::Trajectories;
use raincell_model::{Grid, MotionField};
use raincell_noise::{MemberNoise, MotionError, MotionSpread, Texture};
use raincell_simd::widest;
use rayon::prelude::*;

use crate::arrivals::{Spells, SpellsOfRow};
use crate::predictive::Quantiles;
use crate::{Arrivals, NowcastError, Predictive};

/// Rates whose exceedance is a product, mm/h.
pub const PROBABILITY_RATES_MM_H: [f32; 3] = [0.1, 1.0, 5.0];
/// Percentiles that are products: the chance that a rate is reached is 0.9, 0.5, 0.1.
const PERCENTILES_REACHED: [f32; 3] = [0.9, 0.5, 0.1];
/// Products before the members: probabilities, percentiles, mean.
const PRODUCTS: usize = PROBABILITY_RATES_MM_H.len() + PERCENTILES_REACHED.len() + 1;
/// Least number of equally likely rates that a mean is taken over.
const LEAST_LEVELS: usize = 16;
/// Levels of the cascade in which the memory of the noise is measured.
const LEVELS: usize = 6;
/// Cells of the grid along each edge of one cell of the noise.
const COARSENING: usize = 2;

/// How many members, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnsembleSettings {
    /// Members to draw; with 0 there are products only.
    pub members: usize,
    /// The same seed gives the same members.
    pub seed: u64,
}

/// Puts the probability of rain at all right, given the lead time in minutes: a rising map of 0–1.
pub type Correction = dyn Fn(f32, f32) -> f32 + Send + Sync;

/// What the members need to know of the rain as it is.
pub(crate) struct Scene {
    /// Rates of the newest field, mm/h.
    pub newest_mm_h: Array2<f32>,
    pub grid: Arc<Grid>,
    pub motion: MotionField,
    /// Trajectories to each lead.
    pub along: Vec<Trajectories>,
    pub valid_times: Vec<Timestamp>,
    /// Rain decibels of the two newest states on the noise's coarser grid, no NaN.
    pub pattern: [Array2<f32>; 2],
}

/// An ensemble nowcast: an iterator over its leads that keeps one at a time.
///
/// Each cell's members are equally likely rates of its predictive distribution, dealt out by the rank of the members'
/// noise there (ensemble copula coupling, Schefzik et al. 2013). The noise has the spectrum of the observed rain, moves
/// with it and changes as fast as it does, scale by scale (as in STEPS, Bowler et al. 2006), so that each member holds
/// together in space and time, while probabilities are free of sampling error.
pub struct EnsembleNowcast {
    scene: Scene,
    predictive: Box<dyn Predictive>,
    quantiles: Quantiles,
    noise: Vec<MemberNoise>,
    errors: Vec<MotionError>,
    gives_members: bool,
    spells: Option<Spells>,
    correction: Option<Box<Correction>>,
    room: Arc<Room>,
    exceedance: Array3<f32>,
    lead: usize,
}

/// The room of a step that is done with, for the next one: fresh pages of memory take as long as what is written on them.
#[derive(Default)]
struct Room(Mutex<Option<Vec<f32>>>);

impl Room {
    /// So many numbers of any value.
    fn take(&self, count: usize) -> Vec<f32> {
        let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        room.resize(count, 0.0);
        room
    }

    fn give_back(&self, room: Vec<f32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(room);
    }
}

/// All products of one lead.
pub struct EnsembleStep {
    /// When it holds.
    pub valid_time: Timestamp,
    /// (rows, channels, columns): products, then members.
    channels: Array3<f32>,
    room: Weak<Room>,
}

impl Drop for EnsembleStep {
    fn drop(&mut self) {
        if let Some(room) = self.room.upgrade() {
            room.give_back(std::mem::take(&mut self.channels).into_raw_vec_and_offset().0);
        }
    }
}

impl EnsembleStep {
    /// Probability (0–1) that rain reaches each of [`PROBABILITY_RATES_MM_H`], (rows, columns); NaN unknown.
    pub fn probabilities(&self) -> [ArrayView2<'_, f32>; 3] {
        [0, 1, 2].map(|k| self.channel(k))
    }

    /// The 10th, 50th and 90th percentile of the rain rate, mm/h, (rows, columns); NaN unknown.
    pub fn percentiles_mm_h(&self) -> [ArrayView2<'_, f32>; 3] {
        [3, 4, 5].map(|k| self.channel(k))
    }

    /// The mean rain rate, mm/h, (rows, columns); NaN unknown.
    pub fn mean_mm_h(&self) -> ArrayView2<'_, f32> {
        self.channel(PRODUCTS - 1)
    }

    /// Members drawn.
    pub fn members(&self) -> usize {
        self.channels.len_of(Axis(1)).saturating_sub(PRODUCTS)
    }

    /// The rain rate of a member (counted from 0, below [`EnsembleStep::members`]), mm/h, (rows, columns); NaN unknown.
    pub fn member_mm_h(&self, member: usize) -> Option<ArrayView2<'_, f32>> {
        (member < self.members()).then(|| self.channel(PRODUCTS + member))
    }

    fn channel(&self, k: usize) -> ArrayView2<'_, f32> {
        self.channels.index_axis(Axis(1), k)
    }
}

impl EnsembleNowcast {
    pub(crate) fn new(
        scene: Scene,
        predictive: Box<dyn Predictive>,
        settings: EnsembleSettings,
    ) -> Result<Self, NowcastError> {
        let EnsembleSettings { members, seed } = settings;
        let noise = if members > 0 {
            let texture = Arc::new(Texture::of(&scene.pattern[0], memory(&scene.pattern)?));
            (0..members).map(|m| MemberNoise::new(texture.clone(), seed, m)).collect()
        } else {
            Vec::new()
        };
        let errors = (0..members).map(|m| MotionError::new(MotionSpread::default(), seed, m)).collect();
        let quantiles = Quantiles::new(predictive.rates_mm_h());
        Ok(Self {
            scene,
            predictive,
            quantiles,
            noise,
            errors,
            gives_members: true,
            spells: None,
            correction: None,
            room: Arc::default(),
            exceedance: Array3::default((0, 0, 0)),
            lead: 0,
        })
    }

    /// The same, which also follows when rain begins and ends in each member, for [`EnsembleNowcast::arrivals`]; to be
    /// asked for before the first lead.
    #[must_use]
    pub fn following_arrivals(mut self) -> Self {
        let onset_mm_h = self.predictive.rates_mm_h().first().copied().unwrap_or_default();
        let members = self.noise.len();
        self.spells = (members > 0).then(|| Spells::new(&self.scene.newest_mm_h, onset_mm_h, members));
        self
    }

    /// The same, but arrivals are those of probabilities that are put right beforehand; the steps stay as they are.
    #[must_use]
    pub fn correcting_arrivals(mut self, correction: Box<Correction>) -> Self {
        self.correction = Some(correction);
        self
    }

    /// The same, but its steps have no members: those are drawn only for the arrivals.
    #[must_use]
    pub fn giving_no_members(mut self) -> Self {
        self.gives_members = false;
        self
    }

    /// From now on nothing is drawn any more; steps have products only, and there are no arrivals.
    pub fn drop_members(&mut self) {
        self.noise.clear();
        self.errors.clear();
        self.spells = None;
    }

    /// When rain begins and ends, as the members say over the leads so far; `None` where they are not followed.
    pub fn arrivals(&self) -> Option<Arrivals> {
        self.spells.as_ref().map(Spells::arrivals)
    }

    /// The motion it was made with.
    pub fn motion(&self) -> &MotionField {
        &self.scene.motion
    }

    /// The grid of all products.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.scene.grid
    }

    /// Cells by which each member's noise is off its place (right, down) after `minutes`.
    fn offsets(&self, minutes: f32) -> Vec<[f32; 2]> {
        let km_h_per_cell_min = 60.0 * self.scene.grid.cell_km() as f32;
        let mean = |a: &Array2<f32>| a.mean().unwrap_or(0.0) * km_h_per_cell_min;
        let motion = [mean(&self.scene.motion.u), mean(&self.scene.motion.v)];
        let to_cells = minutes / km_h_per_cell_min;
        self.errors.iter().map(|e| e.after(minutes, motion).map(|v| v * to_cells)).collect()
    }

    fn step(&mut self, lead: usize) -> Result<EnsembleStep, NowcastError> {
        self.predictive.exceedance(lead, &mut self.exceedance)?;
        let minutes = self.scene.along[lead].minutes();
        let noise = self.moved_noise(minutes);
        let trajectories = &self.scene.along[lead];
        let members = self.noise.len();
        let given = if self.gives_members { members } else { 0 };
        let draw = Draw {
            quantiles: &self.quantiles,
            rates_mm_h: self.predictive.rates_mm_h(),
            levels: equally_likely(members.max(LEAST_LEVELS)),
            members: equally_likely(members),
            given,
            noise: &noise,
            minutes,
            correction: self.correction.as_deref(),
        };
        let rates = draw.rates_mm_h.len();
        let (rows, columns) = self.scene.grid.shape();
        let channels_each = PRODUCTS + given;
        let mut cells = self.room.take(rows * channels_each * columns);
        if let Some(exceedance) = self.exceedance.as_slice() {
            let one_row = |buffers: &mut Buffers, row: usize, out: &mut [f32], mut spells: Option<SpellsOfRow<'_>>| {
                out.fill(0.0);
                trajectories.origins(row, &mut buffers.line, &mut buffers.origins);
                let line = exceedance[row * columns * rates..].chunks_exact(rates.max(1));
                widest(
                    #[inline(always)]
                    || {
                        for (column, p) in line.take(columns).enumerate() {
                            let put = |channel: usize, rate: f32| out[channel * columns + column] = rate;
                            draw.cell(p, buffers, column, put, spells.as_mut());
                        }
                    },
                );
            };
            let out = cells.par_chunks_mut((channels_each * columns).max(1)).enumerate();
            match self.spells.as_mut().and_then(|spells| spells.next_lead(minutes)) {
                Some(spells) => out.zip(spells).for_each_init(Buffers::default, |buffers, ((row, out), spells)| {
                    one_row(buffers, row, out, Some(spells));
                }),
                None => out.for_each_init(Buffers::default, |buffers, (row, out)| one_row(buffers, row, out, None)),
            }
        }
        // As many as there are cells, by the line that made them.
        let channels = Array3::from_shape_vec((rows, channels_each, columns), cells).unwrap_or_default();
        Ok(EnsembleStep { valid_time: self.scene.valid_times[lead], channels, room: Arc::downgrade(&self.room) })
    }

    /// The noise of all members, each as far off its place as its motion is wrong after `minutes`.
    fn moved_noise(&mut self, minutes: f32) -> Noise {
        let offsets = self.offsets(minutes).into_iter().map(|offset| offset.map(|cells| cells / COARSENING as f32));
        let offsets: Vec<[f32; 2]> = offsets.collect();
        let fields: Vec<Array2<f32>> =
            self.noise.par_iter_mut().zip(offsets).map(|(noise, offset)| noise.next_step(offset)).collect();
        Noise::of(&fields)
    }
}

/// Noise of all members, periodic, on the coarser grid.
struct Noise {
    rows: usize,
    columns: usize,
    members: usize,
    /// Row by row, cell by cell, member by member: all that one place wants lies together.
    cells: Vec<f32>,
}

impl Noise {
    fn of(fields: &[Array2<f32>]) -> Self {
        let (rows, columns) = fields.first().map_or((0, 0), Array2::dim);
        let members = fields.len();
        let mut cells = vec![0.0; rows * columns * members];
        cells.par_chunks_mut((columns * members).max(1)).enumerate().for_each(|(row, out)| {
            for (member, field) in fields.iter().enumerate() {
                for (cell, value) in out.chunks_exact_mut(members).zip(field.row(row)) {
                    cell[member] = *value;
                }
            }
        });
        Self { rows, columns, members, cells }
    }

    /// All members at a fractional cell (row, column) of the full grid; the noise repeats beyond its edges.
    #[inline(always)]
    fn at(&self, [row, column]: [f32; 2], out: &mut Vec<f32>) {
        out.clear();
        if self.cells.is_empty() {
            return;
        }
        let coarse = |at: f32| (at + 0.5) / COARSENING as f32 - 0.5;
        let place = |at: f32, size: usize| {
            let whole = at.floor();
            let first = whole as i32;
            // Most are within, and a division costs.
            let first = if (0..size as i32).contains(&first) { first } else { first.rem_euclid(size as i32) } as usize;
            (first, if first + 1 == size { 0 } else { first + 1 }, at - whole)
        };
        let (r0, r1, fr) = place(coarse(row), self.rows);
        let (c0, c1, fc) = place(coarse(column), self.columns);
        let of = |r: usize, c: usize| &self.cells[(r * self.columns + c) * self.members..][..self.members];
        let (upper, lower) = (of(r0, c0).iter().zip(of(r0, c1)), of(r1, c0).iter().zip(of(r1, c1)));
        out.extend(upper.zip(lower).map(|((a, b), (c, d))| {
            let (top, bottom) = (a + fc * (b - a), c + fc * (d - c));
            top + fr * (bottom - top)
        }));
    }
}

/// Probabilities of being reached that part a distribution into `count` equally likely rates, the highest rate first.
fn equally_likely(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 + 0.5) / count as f32).collect()
}

/// What is reused from cell to cell.
#[derive(Default)]
struct Buffers {
    line: Vec<[f32; 2]>,
    origins: Vec<[f32; 2]>,
    rates: Vec<f32>,
    noise: Vec<f32>,
    ranks: Ranks,
}

/// Draws products and members of single cells.
struct Draw<'a> {
    quantiles: &'a Quantiles,
    rates_mm_h: &'a [f32],
    levels: Vec<f32>,
    members: Vec<f32>,
    /// Members whose rates are put: all or none.
    given: usize,
    noise: &'a Noise,
    minutes: f32,
    correction: Option<&'a Correction>,
}

impl Draw<'_> {
    /// All channels of a cell with probabilities `p`, whose origin is in the buffers; channels that are not put stay 0.
    #[inline(always)]
    fn cell(
        &self,
        p: &[f32],
        buffers: &mut Buffers,
        column: usize,
        mut put: impl FnMut(usize, f32),
        spells: Option<&mut SpellsOfRow<'_>>,
    ) {
        if p.iter().any(|p| p.is_nan()) {
            (0..PRODUCTS + self.given).for_each(|channel| put(channel, f32::NAN));
            if let Some(spells) = spells {
                spells.told(column, f32::NAN, 0, &[]);
            }
            return;
        }
        for (k, rate) in PROBABILITY_RATES_MM_H.into_iter().enumerate() {
            put(k, self.reaching(p, rate));
        }
        let onset = p.first().copied().unwrap_or(0.0);
        let least = self.levels[0].min(PERCENTILES_REACHED[PERCENTILES_REACHED.len() - 1]);
        let rains = onset >= least;
        if rains {
            for (k, reached) in PERCENTILES_REACHED.into_iter().enumerate() {
                self.quantiles.rates_reached(p, &[reached], &mut buffers.rates);
                put(PROBABILITY_RATES_MM_H.len() + k, buffers.rates.first().copied().unwrap_or(0.0));
            }
            self.quantiles.rates_reached(p, &self.levels, &mut buffers.rates);
            put(PRODUCTS - 1, buffers.rates.iter().sum::<f32>() / self.levels.len() as f32);
        }
        let followed = match (&spells, self.correction) {
            (Some(_), Some(correction)) => correction(self.minutes, onset),
            _ => onset,
        };
        let wet = self.wet(followed);
        let given = if rains && self.given > 0 { self.wet(onset) } else { 0 };
        if wet.max(given) > 0 {
            let Some(origin) = buffers.origins.get(column) else { return };
            self.noise.at(*origin, &mut buffers.noise);
            let ranks = buffers.ranks.of(&buffers.noise);
            if given > 0 {
                if self.members.len() != self.levels.len() {
                    self.quantiles.rates_reached(p, &self.members, &mut buffers.rates);
                }
                for (member, rank) in ranks.iter().enumerate() {
                    // What is ranked after the last rate is dry.
                    if let Some(rate) = buffers.rates.get(*rank as usize) {
                        put(PRODUCTS + member, *rate);
                    }
                }
            }
            if let Some(spells) = spells {
                spells.told(column, followed, wet, ranks);
            }
        } else if let Some(spells) = spells {
            spells.told(column, followed, 0, &[]);
        }
    }

    /// The members that are wet where rain has this probability.
    #[inline(always)]
    fn wet(&self, probability: f32) -> usize {
        // `members` are the probabilities that it takes.
        (probability * self.members.len() as f32 + 0.5).max(0.0) as usize
    }

    /// The probability of reaching a rate, linear in the logarithm of the rate between those that are given.
    #[inline(always)]
    fn reaching(&self, p: &[f32], rate_mm_h: f32) -> f32 {
        let above = self.rates_mm_h.partition_point(|r| *r < rate_mm_h * (1.0 - 1e-6));
        match (above.checked_sub(1), self.rates_mm_h.get(above)) {
            (_, Some(r)) if (r / rate_mm_h - 1.0).abs() < 1e-6 => p[above],
            (Some(k), Some(r)) => {
                let share = (rate_mm_h / self.rates_mm_h[k]).ln() / (r / self.rates_mm_h[k]).ln();
                p[k] + share * (p[above] - p[k])
            }
            (None, Some(_)) => p[0],
            (_, None) => p.last().copied().unwrap_or(0.0),
        }
    }
}

/// Numbers compared at once.
const LANES: usize = 8;

/// The ranks of some values.
#[derive(Default)]
struct Ranks {
    keys: Vec<i32>,
    ranks: Vec<i32>,
}

impl Ranks {
    /// The rank of each value, 0 the highest; of equal ones the first is the higher.
    ///
    /// For each the others above are counted: with as many members as ensembles have this is far quicker than sorting,
    /// because no comparison waits for another. Values that differ by less than some millionths count as equal.
    #[inline(always)]
    fn of(&mut self, values: &[f32]) -> &[i32] {
        let members = values.len();
        let padded = members.next_multiple_of(LANES);
        // The lowest bits hold the member, so that no key is there twice.
        let member = members.next_power_of_two() as i32 - 1;
        self.keys.clear();
        self.keys.extend((0..).zip(values).map(|(i, value): (i32, &f32)| (ascending(*value) & !member) | (member - i)));
        self.keys.resize(padded, i32::MIN);
        self.ranks.resize(padded, 0);
        let (all, _) = self.keys.split_at(members);
        for (ranks, keys) in self.ranks.as_chunks_mut::<LANES>().0.iter_mut().zip(self.keys.as_chunks::<LANES>().0) {
            let mut above = [0; LANES];
            for other in all {
                for (above, key) in above.iter_mut().zip(keys) {
                    *above += i32::from(other > key);
                }
            }
            *ranks = above;
        }
        &self.ranks[..members]
    }
}

/// A whole number that ascends with the value.
#[inline(always)]
fn ascending(value: f32) -> i32 {
    let bits = value.to_bits() as i32;
    // Those of negative numbers descend.
    if bits < 0 { bits ^ i32::MAX } else { bits }
}

/// The correlation of each wavelength (cells of the noise) over a step, as the two states show it.
fn memory(pattern: &[Array2<f32>; 2]) -> Result<impl Fn(f32) -> f32 + use<>, NowcastError> {
    let filters = BandPass::new(pattern[0].dim(), LEVELS)?;
    let [now, before] = [filters.split(&pattern[0])?, filters.split(&pattern[1])?];
    let mut lasting: Vec<(f32, f32)> = filters
        .wavelengths()
        .into_iter()
        .zip(now.iter().zip(&before))
        .map(|(wavelength, (a, b))| (wavelength.ln(), (correlation(a, b) as f32).clamp(0.0, 0.995)))
        .collect();
    lasting.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(move |wavelength: f32| {
        let at = wavelength.max(1e-3).ln();
        let above = lasting.partition_point(|l| l.0 < at);
        match (above.checked_sub(1).map(|k| lasting[k]), lasting.get(above)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (at - x0) / (x1 - x0).max(1e-6),
            (Some((_, y)), None) => y,
            (None, Some((_, y))) => *y,
            (None, None) => 0.0,
        }
    })
}

impl Iterator for EnsembleNowcast {
    type Item = Result<EnsembleStep, NowcastError>;

    fn next(&mut self) -> Option<Self::Item> {
        let lead = self.lead;
        if lead >= self.scene.along.len().min(self.scene.valid_times.len()) {
            return None;
        }
        self.lead += 1;
        Some(self.step(lead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_sorting() {
        let mut ranks = Ranks::default();
        for members in [0, 1, 5, 8, 24, 33] {
            let values: Vec<f32> = (0..members).map(|i| ((i * 37 + 11) % 29) as f32 * 0.1 - 1.2).collect();
            let mut order: Vec<usize> = (0..members).collect();
            order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
            let mut expected = vec![0; members];
            order.iter().zip(0..).for_each(|(member, rank)| expected[*member] = rank);
            assert_eq!(ranks.of(&values), expected, "{members}");
        }
    }
}
