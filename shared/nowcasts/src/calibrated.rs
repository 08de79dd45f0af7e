//! Calibrated probabilities: log-odds that rain reaches a rate, from how strong it is around where the air comes from.

use ndarray::{Array2, Array3};
use raincell_extrapolation::{Inflow, Trajectories};
use raincell_model::RainField;
use raincell_simd::{exp, log2, widest};
use rayon::prelude::*;

use crate::calibrated_weights::{FEATURES, RATES, RATES_MM_H};
use crate::network::{self, INPUTS, Network, POWERS};
use crate::recalibration::{LOW, Recalibration};
use crate::scales::blurred;
use crate::{NowcastError, Predictive};

/// By rate and feature the three coefficients of a parabola in ln(lead / 30 min).
pub(crate) type Table = [[[f32; POWERS]; FEATURES]; RATES];
/// What the log-odds are made of: a weighed sum of the features, and a network beside it, a rate each.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub sum: Table,
    pub networks: [Network; RATES],
}
/// Dry and unknown stand here, dB.
const DRY_DB: f32 = -17.0;
/// Strength rises from 0 to 1 within so many dB below and above the rate: sharply, and widely.
const SHARP_DB: f32 = 5.0;
const WIDE_DB: f32 = 12.0;
/// Smoothing of the features: (state, half width of the strength in dB, standard deviation in km). The strength in the
/// cell itself comes first, a constant last.
const SMOOTHED: [(usize, f32, f32); INPUTS] = [
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

/// Log-odds by logistic regression with a small network beside it: the weight of each feature, and what the network says,
/// is a parabola in the logarithm of the lead time, so that three planes a rate hold all that the smoothed features say at
/// every lead.
pub(crate) struct Calibrated {
    /// Of the strength in the cell itself.
    own: [[f32; POWERS]; RATES],
    recalibration: Recalibration,
    last_mm_h: Array2<f32>,
    now_db: Array2<f32>,
    /// The coefficients of the parabola of the smoothed features' part, a lane per rate, and in the last lane the share
    /// of the wider surroundings that is known; cells of the halved grid, row by row.
    parabolas: Vec<[Lanes; 3]>,
    along: Vec<Trajectories>,
    inflow: Inflow,
}

/// Rates side by side, so that one instruction works on several.
type Lanes = [f32; RATES + 1];

impl Calibrated {
    /// From the newest field and the states (the newest first) carried to its time, in decibels; only for the `rates` asked
    /// for (numbers of them): the odds of the others mean nothing.
    pub fn new(
        last: &RainField,
        states: &[Array2<f32>],
        along: Vec<Trajectories>,
        inflow: Inflow,
        weights: &Weights,
        rates: &[usize],
    ) -> Self {
        let last_mm_h = last.rate_mm_h.as_standard_layout().into_owned();
        let sigma = |km: f32| km / last.grid.cell_km().max(1e-3) as f32 / 2.0;
        let known = halved(&last_mm_h, |r| if r.is_nan() { 0.0 } else { 1.0 });
        let mut scales: Vec<(f32, Array2<f32>)> = Vec::new();
        for (_, _, km) in SMOOTHED {
            if !scales.iter().any(|(k, _)| *k == km) {
                scales.push((km, blurred(&known, sigma(km))));
            }
        }
        // Dry is not of no strength at all beside the lowest rate, unknown is: it has no share in the sum either. What is
        // unknown now is so in the earlier states, too, whose air may have come from where more was observed.
        let of_observed = |state: &Array2<f32>| {
            let mut observed_db = state.clone();
            observed_db.zip_mut_with(&last_mm_h, |d, r| *d = if r.is_nan() { f32::NEG_INFINITY } else { *d });
            observed_db
        };
        let states: Vec<Array2<f32>> = states.iter().map(of_observed).collect();
        let planes: Vec<[Array2<f32>; 3]> = rates
            .par_iter()
            .map(|&k| {
                let rate_db = 10.0 * RATES_MM_H[k].log10();
                let mut sums = weights.sum[k][FEATURES - 1].map(|weight| Array2::from_elem(known.dim(), weight));
                let mut features = Vec::with_capacity(INPUTS);
                for (state, half_width, km) in SMOOTHED {
                    let Some(state) = states.get(state).or(states.last()) else { continue };
                    let strength = halved(state, |db| strength(db, rate_db, half_width));
                    let mut feature = blurred(&strength, sigma(km));
                    if let Some((_, known)) = scales.iter().find(|(k, _)| *k == km) {
                        feature.zip_mut_with(known, |f, n| *f = if *n > LEAST_KNOWN { *f / n } else { 0.0 });
                    }
                    features.push(feature);
                }
                for (feature, powers) in features.iter().zip(&weights.sum[k][1..]) {
                    for (sum, weight) in sums.iter_mut().zip(powers) {
                        sum.scaled_add(*weight, feature);
                    }
                }
                network::add(&weights.networks[k], &features, &mut sums);
                sums
            })
            .collect();
        let mut now_db = states.into_iter().next().unwrap_or_default();
        now_db.mapv_inplace(|db| db.max(DRY_DB));
        let widest = scales.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let surroundings_known = widest.map_or_else(|| known.clone(), |(_, share)| share);
        let mut parabolas: Vec<[Lanes; 3]> =
            surroundings_known.iter().map(|n| [[*n; RATES + 1], [0.0; RATES + 1], [0.0; RATES + 1]]).collect();
        for (&k, sums) in rates.iter().zip(&planes) {
            for (power, sum) in sums.iter().enumerate() {
                for (parabola, value) in parabolas.iter_mut().zip(sum) {
                    parabola[power][k] = *value;
                }
            }
        }
        let own = weights.sum.each_ref().map(|features| features[0]);
        Self { own, recalibration: Recalibration::default(), last_mm_h, now_db, parabolas, along, inflow }
    }

    /// The same with odds put right.
    pub fn recalibrated(self, recalibration: Recalibration) -> Self {
        Self { recalibration, ..self }
    }

    /// Log-odds by the surroundings at a lead time, cells of the halved grid row by row.
    fn summed(&self, lead_min: f32) -> Vec<Lanes> {
        let t = in_parabolas(lead_min);
        let (shift, slope) = self.recalibration.at(lead_min);
        let mut summed = vec![[0.0; RATES + 1]; self.parabolas.len()];
        summed.par_iter_mut().zip(&self.parabolas).with_min_len(1 << 12).for_each(|(sum, [a, b, c])| {
            *sum = std::array::from_fn(|k| shift[k] + slope[k] * (a[k] + t * (b[k] + t * c[k])));
        });
        summed
    }

    fn lead<'a>(&self, lead_min: f32, summed: &'a [Lanes]) -> Lead<'a> {
        let t = in_parabolas(lead_min);
        let (_, slope) = self.recalibration.at(lead_min);
        let own = |k: usize| {
            let [a, b, c] = self.own[k.min(RATES - 1)];
            slope[k] * (a + t * (b + t * c))
        };
        let (rows, columns) = self.last_mm_h.dim();
        Lead {
            own: std::array::from_fn(own),
            bend: self.recalibration.bend(lead_min),
            rates_db: std::array::from_fn(|k| 10.0 * RATES_MM_H[k.min(RATES - 1)].log10()),
            summed: Grid { rows: rows.div_ceil(2), columns: columns.div_ceil(2), cells: summed },
        }
    }

    /// Log-odds at a lead (counted from 0) in every `stride`-th cell of every `stride`-th row: row, column, odds by rate.
    pub fn sampled_odds(&self, lead: usize, stride: usize) -> Vec<([usize; 2], [f32; RATES])> {
        let (trajectories, (rows, columns)) = (&self.along[lead], self.last_mm_h.dim());
        let Some(now_db) = self.now_db.as_slice() else { return Vec::new() };
        let now_db = Grid { rows, columns, cells: now_db };
        let summed = self.summed(trajectories.minutes());
        let lead = self.lead(trajectories.minutes(), &summed);
        let (mut line, mut origins, mut sampled) = (Vec::new(), Vec::new(), Vec::new());
        for row in (stride / 2..rows).step_by(stride.max(1)) {
            trajectories.origins(row, &mut line, &mut origins);
            for (column, origin) in origins.iter().enumerate().skip(stride / 2).step_by(stride.max(1)) {
                if let Some((place, around)) = self.place([row as f32, column as f32], *origin, &lead) {
                    let odds = odds(&now_db, &lead, place, &around);
                    sampled.push(([row, column], std::array::from_fn(|k| odds[k])));
                }
            }
        }
        sampled
    }
}

/// What the weights' parabolas are of.
fn in_parabolas(lead_min: f32) -> f32 {
    (lead_min.clamp(FITTED_MIN.0, FITTED_MIN.1) / 30.0).ln()
}

impl Predictive for Calibrated {
    fn rates_mm_h(&self) -> &[f32] {
        &RATES_MM_H
    }

    fn exceedance(&self, lead: usize, exceedance: &mut Array3<f32>) -> Result<(), NowcastError> {
        let trajectories = &self.along[lead];
        let dry = self.now_db.iter().all(|d| *d <= DRY_DB);
        let (rows, columns) = self.last_mm_h.dim();
        let summed = self.summed(trajectories.minutes());
        let weights = self.lead(trajectories.minutes(), &summed);
        if exceedance.dim() != (rows, columns, RATES) {
            *exceedance = Array3::zeros((rows, columns, RATES));
        }
        let (Some(out), Some(now_db)) = (exceedance.as_slice_mut(), self.now_db.as_slice()) else { return Ok(()) };
        let now_db = Grid { rows, columns, cells: now_db };
        out.par_chunks_mut((columns * RATES).max(1)).enumerate().for_each_init(
            || (Vec::new(), Vec::new()),
            |(line, origins), (row, out)| {
                trajectories.origins(row, line, origins);
                let cells = out.as_chunks_mut::<RATES>().0.iter_mut();
                widest(
                    #[inline(always)]
                    || {
                        for (column, (out, origin)) in cells.zip(origins.iter()).enumerate() {
                            *out = match self.place([row as f32, column as f32], *origin, &weights) {
                                None => [f32::NAN; RATES],
                                Some(_) if dry => [0.0; RATES],
                                Some((place, odds)) => probabilities(&now_db, &weights, place, &odds),
                            };
                        }
                    },
                );
            },
        );
        Ok(())
    }
}

/// What all cells of a lead share.
struct Lead<'a> {
    /// Weight of the strength in the cell itself.
    own: Lanes,
    rates_db: Lanes,
    /// By how much low odds are raised.
    bend: Lanes,
    /// Log-odds by the surroundings.
    summed: Grid<'a, Lanes>,
}

impl Calibrated {
    /// The place whose features speak for a cell, and the log-odds by its surroundings: its air's origin; where a guess
    /// will do and hardly anything around the origin was observed, the cell itself. `None` where nothing is known.
    #[inline(always)]
    fn place(&self, cell: [f32; 2], origin: [f32; 2], lead: &Lead<'_>) -> Option<([f32; 2], Lanes)> {
        if self.inflow == Inflow::LastObservation {
            let around = |[y, x]: [f32; 2]| lead.summed.sample((y - 0.5) / 2.0, (x - 0.5) / 2.0);
            let there = around(origin);
            if there[RATES] >= WELL_KNOWN {
                return Some((origin, there));
            }
            let here = around(cell);
            let known = there[RATES].max(here[RATES]) > LEAST_KNOWN;
            return known.then_some(if here[RATES] > there[RATES] { (cell, here) } else { (origin, there) });
        }
        let (rows, columns) = self.last_mm_h.dim();
        let (r, c) = ((origin[0] + 0.5).floor(), (origin[1] + 0.5).floor());
        let inside = r >= 0.0 && c >= 0.0 && r < rows as f32 && c < columns as f32;
        let known = inside && !self.last_mm_h[(r as usize, c as usize)].is_nan();
        known.then(|| (origin, lead.summed.sample((origin[0] - 0.5) / 2.0, (origin[1] - 0.5) / 2.0)))
    }
}

/// The log-odds at a place with given ones by its surroundings.
#[inline(always)]
fn odds(now_db: &Grid<'_, f32>, lead: &Lead<'_>, [y, x]: [f32; 2], around: &Lanes) -> Lanes {
    let corners = now_db.corners(y, x);
    let mut strengths = [0.0; RATES + 1];
    for (db, weight) in corners {
        if *db > DRY_DB {
            for (sum, rate_db) in strengths.iter_mut().zip(lead.rates_db) {
                *sum += weight * strength(*db, rate_db, SHARP_DB);
            }
        }
    }
    std::array::from_fn(|k| {
        let odds = around[k] + lead.own[k] * strengths[k];
        odds + lead.bend[k] * (LOW - odds).max(0.0)
    })
}

/// The probabilities at a place with given log-odds by its surroundings, falling from rate to rate.
#[inline(always)]
fn probabilities(now_db: &Grid<'_, f32>, lead: &Lead<'_>, place: [f32; 2], around: &Lanes) -> [f32; RATES] {
    let odds = odds(now_db, lead, place, around);
    let mut p = [0.0; RATES];
    if odds[0] < NEVER {
        return p;
    }
    let single: Lanes = odds.map(|z| 1.0 / (1.0 + exp(-z)));
    let mut below = 1.0_f32;
    for k in 0..RATES {
        if odds[k] < NEVER {
            break;
        }
        below = below.min(single[k]);
        p[k] = below;
    }
    p
}

/// Cells row by row.
struct Grid<'a, T> {
    rows: usize,
    columns: usize,
    cells: &'a [T],
}

impl<T> Grid<'_, T> {
    /// The four cells around a point, clamped to the edges, and their weights.
    #[inline(always)]
    fn corners(&self, y: f32, x: f32) -> [(&T, f32); 4] {
        let (y, x) = (y.clamp(0.0, (self.rows - 1) as f32), x.clamp(0.0, (self.columns - 1) as f32));
        let (r0, c0) = (y as u32 as usize, x as u32 as usize);
        let (r1, c1) = ((r0 + 1).min(self.rows - 1), (c0 + 1).min(self.columns - 1));
        let (fy, fx) = (y - r0 as f32, x - c0 as f32);
        let (upper, lower) = (&self.cells[r0 * self.columns..], &self.cells[r1 * self.columns..]);
        [
            (&upper[c0], (1.0 - fy) * (1.0 - fx)),
            (&upper[c1], (1.0 - fy) * fx),
            (&lower[c0], fy * (1.0 - fx)),
            (&lower[c1], fy * fx),
        ]
    }
}

impl Grid<'_, Lanes> {
    /// The value at a point, clamped to the edges.
    #[inline(always)]
    fn sample(&self, y: f32, x: f32) -> Lanes {
        let [(a, wa), (b, wb), (c, wc), (d, wd)] = self.corners(y, x);
        std::array::from_fn(|k| a[k] * wa + b[k] * wb + c[k] * wc + d[k] * wd)
    }
}

/// How strong rain is relative to a rate: 0 well below, 1 well above.
#[inline(always)]
fn strength(rain_db: f32, rate_db: f32, half_width_db: f32) -> f32 {
    ((rain_db - rate_db + half_width_db) / (2.0 * half_width_db)).clamp(0.0, 1.0)
}

/// Rain decibels with [`DRY_DB`] for what is dry or unknown.
pub(crate) fn decibels(rate_mm_h: &Array2<f32>) -> Array2<f32> {
    let mut out = rate_mm_h.as_standard_layout().into_owned();
    out.par_mapv_inplace(|r| if r > 0.02 { (10.0 * std::f32::consts::LOG10_2) * log2(r) } else { DRY_DB });
    out
}

/// Means over 2 × 2 cells of what `of` makes of each; at odd edges over what there is.
pub(crate) fn halved(field: &Array2<f32>, of: impl Fn(f32) -> f32 + Sync) -> Array2<f32> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use raincell_model::{Grid, MotionField};

    use super::*;
    use crate::calibrated_weights::WEIGHTS;
    use crate::network_weights::NETWORKS;

    #[test]
    fn what_earlier_states_bring_to_where_nothing_is_known_now_counts_for_nothing() {
        let grid = Arc::new(Grid::around_radar(50.0, 8.0, 32.0, 1.0));
        let shape = grid.shape();
        // Dry in the left half, unknown in the right one.
        let rate_mm_h = Array2::from_shape_fn(shape, |(_, c)| if c < shape.1 / 2 { 0.0 } else { f32::NAN });
        let last = RainField { grid: grid.clone(), valid_time: "2026-06-01T12:00:00Z".parse().unwrap(), rate_mm_h };
        let weights = Weights { sum: WEIGHTS, networks: NETWORKS };
        let odds = |beyond_mm_h: f32| {
            let earlier = Array2::from_shape_fn(shape, |(_, c)| if c < shape.1 / 2 { 0.0 } else { beyond_mm_h });
            let states = [decibels(&last.rate_mm_h), decibels(&earlier), decibels(&earlier)];
            let mut along = Trajectories::new(&MotionField::at_rest(grid.clone())).unwrap();
            along.advance(15.0);
            let every: [usize; RATES] = std::array::from_fn(|k| k);
            Calibrated::new(&last, &states, vec![along], Inflow::LastObservation, &weights, &every).sampled_odds(0, 1)
        };
        let (dry, wet) = (odds(0.0), odds(30.0));
        assert!(!dry.is_empty() && dry == wet);
    }
}
