//! Ensembles: members drawn from predictive distributions, and the products made of them, lead by lead.

use std::sync::Arc;

use jiff::Timestamp;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use raincell_cascade::BandPass;
use raincell_cascade::ar::correlation;
use raincell_extrapolation::Trajectories;
use raincell_model::{Grid, MotionField};
use raincell_noise::{MemberNoise, MotionError, MotionSpread, Texture};
use rayon::prelude::*;

use crate::predictive::Quantiles;
use crate::{NowcastError, Predictive};

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

/// What the members need to know of the rain as it is.
pub(crate) struct Scene {
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
    lead: usize,
}

/// All products of one lead.
pub struct EnsembleStep {
    /// When it holds.
    pub valid_time: Timestamp,
    /// (rows, channels, columns): products, then members.
    channels: Array3<f32>,
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
        Ok(Self { scene, predictive, quantiles, noise, errors, lead: 0 })
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
        let exceedance = self.predictive.exceedance(lead)?;
        let noise: Vec<Array2<f32>> = self.noise.par_iter_mut().map(MemberNoise::next_step).collect();
        let trajectories = &self.scene.along[lead];
        let draw = Draw {
            quantiles: &self.quantiles,
            rates_mm_h: self.predictive.rates_mm_h(),
            levels: equally_likely(noise.len().max(LEAST_LEVELS)),
            members: equally_likely(noise.len()),
            offsets: self.offsets(trajectories.minutes()),
            noise: &noise,
        };
        let (rows, columns) = self.scene.grid.shape();
        let channels_each = PRODUCTS + noise.len();
        let mut channels = Array3::zeros((rows, channels_each, columns));
        if let Some(cells) = channels.as_slice_mut() {
            let rows = cells.par_chunks_mut((channels_each * columns).max(1)).enumerate();
            rows.for_each_init(Buffers::default, |buffers, (row, out)| {
                trajectories.origins(row, &mut buffers.line, &mut buffers.origins);
                for column in 0..columns {
                    buffers.p.clear();
                    buffers.p.extend(exceedance.iter().map(|e| e[(row, column)]));
                    draw.cell(buffers, column, |channel, rate| out[channel * columns + column] = rate);
                }
            });
        }
        Ok(EnsembleStep { valid_time: self.scene.valid_times[lead], channels })
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
    p: Vec<f32>,
    ranked: Vec<(f32, usize)>,
}

/// Draws products and members of single cells.
struct Draw<'a> {
    quantiles: &'a Quantiles,
    rates_mm_h: &'a [f32],
    levels: Vec<f32>,
    members: Vec<f32>,
    offsets: Vec<[f32; 2]>,
    noise: &'a [Array2<f32>],
}

impl Draw<'_> {
    /// All channels of a cell whose probabilities and origin are in the buffers; channels that are not put stay 0.
    fn cell(&self, buffers: &mut Buffers, column: usize, mut put: impl FnMut(usize, f32)) {
        let p = &buffers.p;
        if p.iter().any(|p| p.is_nan()) {
            (0..PRODUCTS + self.noise.len()).for_each(|channel| put(channel, f32::NAN));
            return;
        }
        for (k, rate) in PROBABILITY_RATES_MM_H.into_iter().enumerate() {
            put(k, self.reaching(p, rate));
        }
        let least = self.levels[0].min(PERCENTILES_REACHED[2]);
        if p.first().is_none_or(|p| *p < least) {
            return;
        }
        for (k, reached) in PERCENTILES_REACHED.into_iter().enumerate() {
            put(PROBABILITY_RATES_MM_H.len() + k, self.quantiles.rate_reached(p, reached));
        }
        let rates = self.levels.iter().map(|e| self.quantiles.rate_reached(p, *e)).take_while(|r| *r > 0.0);
        put(PRODUCTS - 1, rates.sum::<f32>() / self.levels.len() as f32);
        let Some([down, right]) = buffers.origins.get(column).copied() else { return };
        buffers.ranked.clear();
        for (member, (noise, offset)) in self.noise.iter().zip(&self.offsets).enumerate() {
            buffers.ranked.push((sampled(noise, down - offset[1], right - offset[0]), member));
        }
        buffers.ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        for ((_, member), reached) in buffers.ranked.iter().zip(&self.members) {
            let rate = self.quantiles.rate_reached(p, *reached);
            if rate <= 0.0 {
                break;
            }
            put(PRODUCTS + member, rate);
        }
    }

    /// The probability of reaching a rate, linear in the logarithm of the rate between those that are given.
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

/// Noise at a cell of the full grid; it repeats beyond its edges.
#[inline]
fn sampled(noise: &Array2<f32>, row: f32, column: f32) -> f32 {
    let (rows, columns) = noise.dim();
    let (Some(cells), true) = (noise.as_slice(), rows * columns > 0) else { return 0.0 };
    let coarse = |at: f32| (at + 0.5) / COARSENING as f32 - 0.5;
    let (y, x) = (coarse(row), coarse(column));
    let (y0, x0) = (y.floor(), x.floor());
    let (fy, fx) = (y - y0, x - x0);
    let (r0, c0) = ((y0 as i64).rem_euclid(rows as i64) as usize, (x0 as i64).rem_euclid(columns as i64) as usize);
    let (r1, c1) = (if r0 + 1 == rows { 0 } else { r0 + 1 }, if c0 + 1 == columns { 0 } else { c0 + 1 });
    let (upper, lower) = (&cells[r0 * columns..][..columns], &cells[r1 * columns..][..columns]);
    let (top, bottom) = (upper[c0] + fx * (upper[c1] - upper[c0]), lower[c0] + fx * (lower[c1] - lower[c0]));
    top + fy * (bottom - top)
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
