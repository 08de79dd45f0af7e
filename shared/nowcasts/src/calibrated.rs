//! Calibrated probabilities: log-odds that rain reaches a rate, from how strong it is around where the air comes from.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::RainField;
use raincell_motion::{MotionEstimator, PyramidFlow};
use rayon::prelude::*;

use crate::calibrated_weights::{FEATURES, RATES, RATES_MM_H, WEIGHTS};
use crate::ensemble::Scene;
use crate::method::newest;
use crate::scales::blurred;
use crate::states::along;
use crate::{EnsembleNowcast, EnsembleSettings, LeadTimes, NowcastError, Predictive};

/// How far back fields are of use, minutes.
const HISTORY_MIN: i64 = 31;
/// Ages of the two earlier states, minutes.
const AGES_MIN: [f32; 2] = [5.0, 15.0];
/// Dry and unknown stand here, dB.
const DRY_DB: f32 = -17.0;
/// Strength rises from 0 to 1 within so many dB below and above the rate: sharply, and widely.
const SHARP_DB: f32 = 5.0;
const WIDE_DB: f32 = 12.0;
/// Smoothing of the features: (state, half width of the strength in dB, standard deviation in km). The strength in the
/// cell itself comes first, a constant last.
const SMOOTHED: [(usize, f32, f32); FEATURES - 2] = [
    (0, SHARP_DB, 1.5),
    (0, SHARP_DB, 3.0),
    (0, SHARP_DB, 6.0),
    (0, SHARP_DB, 12.0),
    (0, SHARP_DB, 24.0),
    (1, SHARP_DB, 1.5),
    (1, SHARP_DB, 3.0),
    (1, SHARP_DB, 6.0),
    (1, SHARP_DB, 12.0),
    (2, SHARP_DB, 3.0),
    (2, SHARP_DB, 6.0),
    (2, SHARP_DB, 12.0),
    (0, WIDE_DB, 1.5),
    (0, WIDE_DB, 6.0),
    (0, WIDE_DB, 24.0),
];
/// Least share of known surroundings that a smoothed value is taken from.
const LEAST_KNOWN: f32 = 0.02;
/// Share of known surroundings from which on a place's features are worth more than those of another place.
const WELL_KNOWN: f32 = 0.3;
/// Lead times that the weights were fitted on, minutes; beyond, those of the end hold.
const FITTED_MIN: (f32, f32) = (5.0, 120.0);
/// Log-odds below which a probability is nought.
const NEVER: f32 = -9.0;

/// The ensemble nowcast of the newest of `past` fields (in any order), for each of `leads`: members drawn from calibrated
/// probabilities. With [`Inflow::LastObservation`] what comes from
/// beyond what was observed is guessed from the observed surroundings. Also the seconds that the motion took.
///
/// # Errors
/// As [`NowcastMethod::run`](crate::NowcastMethod::run).
pub fn ensemble(
    past: &[RainField],
    leads: &LeadTimes,
    inflow: Inflow,
    settings: EnsembleSettings,
) -> Result<(EnsembleNowcast, f64), NowcastError> {
    let started = Instant::now();
    let last = newest(past)?;
    let valid_times = leads.valid_times(last.valid_time)?;
    let motion = PyramidFlow::default().estimate(past)?;
    let motion_s = started.elapsed().as_secs_f64();
    let along = along(&motion, leads.step_min as f32, leads.count)?;

    let age_min = |f: &RainField| last.valid_time.duration_since(f.valid_time).as_secs_f32() / 60.0;
    let mut states = vec![decibels(&last.rate_mm_h)];
    let mut trajectories = Trajectories::new(&motion)?;
    for wanted in AGES_MIN {
        let distance = |f: &RainField| (age_min(f) - wanted).abs();
        let usable = past.iter().rev().filter(|f| age_min(f) <= HISTORY_MIN as f32);
        let Some(field) = usable.min_by(|a, b| distance(a).total_cmp(&distance(b))) else { break };
        let mut trajectories_back = trajectories.clone();
        trajectories_back.advance(age_min(field) - trajectories.minutes());
        let carried = trajectories_back.carry(&field.rate_mm_h, Interpolation::Bilinear, Inflow::LastObservation)?;
        states.push(decibels(&carried));
        if age_min(field) > trajectories.minutes() {
            trajectories = trajectories_back;
        }
    }
    let pattern = [halved(&states[0], |d| d), halved(states.get(1).unwrap_or(&states[0]), |d| d)];
    let predictive = Calibrated::new(last, &states, along.clone(), inflow);
    let scene = Scene { grid: last.grid.clone(), motion, along, valid_times, pattern };
    Ok((EnsembleNowcast::new(scene, Box::new(predictive), settings)?, motion_s))
}

/// How far back [`ensemble`] makes use of fields.
pub fn ensemble_history() -> SignedDuration {
    SignedDuration::from_mins(HISTORY_MIN)
}

/// Log-odds by logistic regression: the weight of each feature is a parabola in the logarithm of the lead time, so that
/// three planes a rate hold all that the smoothed features say at every lead.
struct Calibrated {
    last_mm_h: Array2<f32>,
    now_db: Array2<f32>,
    /// By rate: the coefficients of the parabola of the smoothed features' part, on the halved grid.
    planes: Vec<[Array2<f32>; 3]>,
    along: Vec<Trajectories>,
    inflow: Inflow,
    /// Share of the wider surroundings that is known, on the halved grid.
    surroundings_known: Array2<f32>,
}

impl Calibrated {
    fn new(last: &RainField, states: &[Array2<f32>], along: Vec<Trajectories>, inflow: Inflow) -> Self {
        let last_mm_h = last.rate_mm_h.as_standard_layout().into_owned();
        let sigma = |km: f32| km / last.grid.cell_km().max(1e-3) as f32 / 2.0;
        let known = halved(&last_mm_h, |r| if r.is_nan() { 0.0 } else { 1.0 });
        let mut scales: Vec<(f32, Array2<f32>)> = Vec::new();
        for (_, _, km) in SMOOTHED {
            if !scales.iter().any(|(k, _)| *k == km) {
                scales.push((km, blurred(&known, sigma(km))));
            }
        }
        let planes = (0..RATES)
            .into_par_iter()
            .map(|k| {
                let rate_db = 10.0 * RATES_MM_H[k].log10();
                let mut sums = [(); 3].map(|()| Array2::from_elem(known.dim(), 0.0_f32));
                for (sum, weight) in sums.iter_mut().zip(WEIGHTS[k][FEATURES - 1]) {
                    sum.fill(weight);
                }
                for (i, (state, half_width, km)) in SMOOTHED.into_iter().enumerate() {
                    let state = states.get(state).or(states.last());
                    let Some(state) = state else { continue };
                    let strength = halved(state, |db| strength(db, rate_db, half_width));
                    let mut feature = blurred(&strength, sigma(km));
                    if let Some((_, known)) = scales.iter().find(|(k, _)| *k == km) {
                        feature.zip_mut_with(known, |f, n| *f = if *n > LEAST_KNOWN { *f / n } else { 0.0 });
                    }
                    for (sum, weight) in sums.iter_mut().zip(WEIGHTS[k][1 + i]) {
                        sum.scaled_add(weight, &feature);
                    }
                }
                sums
            })
            .collect();
        let mut now_db = states.first().cloned().unwrap_or_default();
        now_db.zip_mut_with(&last_mm_h, |d, r| *d = if r.is_nan() { DRY_DB } else { *d });
        let widest = scales.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let surroundings_known = widest.map_or_else(|| known.clone(), |(_, share)| share);
        Self { last_mm_h, now_db, planes, along, inflow, surroundings_known }
    }
}

impl Predictive for Calibrated {
    fn rates_mm_h(&self) -> &[f32] {
        &RATES_MM_H
    }

    fn exceedance(&self, lead: usize) -> Result<Vec<Array2<f32>>, NowcastError> {
        let trajectories = &self.along[lead];
        let t = (trajectories.minutes().clamp(FITTED_MIN.0, FITTED_MIN.1) / 30.0).ln();
        let dry = self.now_db.iter().all(|d| *d <= DRY_DB);
        let summed: Vec<Array2<f32>> = self
            .planes
            .par_iter()
            .map(|[a, b, c]| ndarray::Zip::from(a).and(b).and(c).map_collect(|a, b, c| a + t * (b + t * c)))
            .collect();
        let own: [f32; RATES] = std::array::from_fn(|k| {
            let [a, b, c] = WEIGHTS[k][0];
            a + t * (b + t * c)
        });
        let (rows, columns) = self.last_mm_h.dim();
        let mut interleaved = vec![[0.0_f32; RATES]; rows * columns];
        interleaved.par_chunks_mut(columns.max(1)).enumerate().for_each_init(
            || (Vec::new(), Vec::new()),
            |(line, origins), (row, out)| {
                trajectories.origins(row, line, origins);
                for (column, (out, origin)) in out.iter_mut().zip(origins.iter()).enumerate() {
                    *out = match self.place([row as f32, column as f32], *origin) {
                        None => [f32::NAN; RATES],
                        Some(_) if dry => [0.0; RATES],
                        Some(place) => self.cell(&summed, &own, place),
                    };
                }
            },
        );
        Ok((0..RATES)
            .into_par_iter()
            .map(|k| Array2::from_shape_fn((rows, columns), |(r, c)| interleaved[r * columns + c][k]))
            .collect())
    }
}

impl Calibrated {
    /// The place whose features speak for a cell: its air's origin; where a guess will do and hardly anything around the
    /// origin was observed, the cell itself. `None` where nothing is known.
    fn place(&self, cell: [f32; 2], origin: [f32; 2]) -> Option<[f32; 2]> {
        if self.inflow == Inflow::LastObservation {
            let known = |[y, x]: [f32; 2]| {
                let around = Corners::new(self.surroundings_known.dim(), (y - 0.5) / 2.0, (x - 0.5) / 2.0);
                around.mean(around.values(&self.surroundings_known))
            };
            let (there, here) = (known(origin), known(cell));
            let place = if there < WELL_KNOWN && here > there { cell } else { origin };
            return (there.max(here) > LEAST_KNOWN).then_some(place);
        }
        let (rows, columns) = self.last_mm_h.dim();
        let (r, c) = ((origin[0] + 0.5).floor(), (origin[1] + 0.5).floor());
        let inside = r >= 0.0 && c >= 0.0 && r < rows as f32 && c < columns as f32;
        (inside && !self.last_mm_h[(r as usize, c as usize)].is_nan()).then_some(origin)
    }

    fn cell(&self, summed: &[Array2<f32>], own: &[f32; RATES], [y, x]: [f32; 2]) -> [f32; RATES] {
        let (fine, coarse) =
            (Corners::new(self.now_db.dim(), y, x), Corners::new(summed[0].dim(), (y - 0.5) / 2.0, (x - 0.5) / 2.0));
        let db = fine.values(&self.now_db);
        let mut p = [0.0; RATES];
        let mut below = 1.0_f32;
        for k in 0..RATES {
            let rate_db = 10.0 * RATES_MM_H[k].log10();
            let log_odds =
                coarse.mean(coarse.values(&summed[k])) + own[k] * fine.mean(db.map(|d| strength(d, rate_db, SHARP_DB)));
            if log_odds < NEVER {
                break;
            }
            below = below.min(1.0 / (1.0 + (-log_odds).exp()));
            p[k] = below;
        }
        p
    }
}

/// The four cells around a point, clamped to the edges, and their weights.
struct Corners {
    at: [(usize, usize); 4],
    weights: [f32; 4],
}

impl Corners {
    #[inline]
    fn new((rows, columns): (usize, usize), y: f32, x: f32) -> Self {
        let (y, x) = (y.clamp(0.0, (rows - 1) as f32), x.clamp(0.0, (columns - 1) as f32));
        let (r0, c0) = (y as usize, x as usize);
        let (r1, c1) = ((r0 + 1).min(rows - 1), (c0 + 1).min(columns - 1));
        let (fy, fx) = (y - r0 as f32, x - c0 as f32);
        let weights = [(1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx];
        Self { at: [(r0, c0), (r0, c1), (r1, c0), (r1, c1)], weights }
    }

    #[inline]
    fn values(&self, field: &Array2<f32>) -> [f32; 4] {
        self.at.map(|at| field[at])
    }

    #[inline]
    fn mean(&self, values: [f32; 4]) -> f32 {
        values.iter().zip(self.weights).map(|(v, w)| v * w).sum()
    }
}

/// How strong rain is relative to a rate: 0 well below, 1 well above.
#[inline]
fn strength(rain_db: f32, rate_db: f32, half_width_db: f32) -> f32 {
    ((rain_db - rate_db + half_width_db) / (2.0 * half_width_db)).clamp(0.0, 1.0)
}

/// Rain decibels with [`DRY_DB`] for what is dry or unknown.
fn decibels(rate_mm_h: &Array2<f32>) -> Array2<f32> {
    let mut out = rate_mm_h.as_standard_layout().into_owned();
    out.par_mapv_inplace(|r| if r > 0.02 { 10.0 * r.log10() } else { DRY_DB });
    out
}

/// Means over 2 × 2 cells of what `of` makes of each; at odd edges over what there is.
fn halved(field: &Array2<f32>, of: impl Fn(f32) -> f32 + Sync) -> Array2<f32> {
    let (rows, columns) = field.dim();
    let mut out = Array2::zeros((rows.div_ceil(2), columns.div_ceil(2)));
    ndarray::Zip::indexed(&mut out).par_for_each(|(r, c), value| {
        let (mut sum, mut count) = (0.0, 0.0);
        for row in 2 * r..(2 * r + 2).min(rows) {
            for column in 2 * c..(2 * c + 2).min(columns) {
                sum += of(field[(row, column)]);
                count += 1.0;
            }
        }
        *value = sum / f32::max(count, 1.0);
    });
    out
}
