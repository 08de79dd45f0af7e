//! The default method: every intensity and scale lasts as long as it did in the last half hour.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::{MotionField, RainField};
use raincell_motion::{MotionEstimator, PyramidFlow};
use rayon::prelude::*;

use crate::layers::{EDGES_MM_H, Earlier, Layer, Range, decibels};
use crate::matching::Ranks;
use crate::method::newest;
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// How far back fields are of use, minutes.
const HISTORY_MIN: i64 = 31;
/// The newest field is compared with those this many steps before it.
const COMPARED_STEPS: [f32; 3] = [1.0, 3.0, 6.0];

/// A cascade nowcast by layers of intensity: each scale of each layer is guessed from its two newest states with the
/// weights that its correlation along the motion, measured over the last half hour, makes best (the idea of S-PROG,
/// Seed 2003, with lagged correlations measured instead of recursed). Each layer's rain, as much as extrapolation brings
/// of it, is then dealt out by the rank of its pattern, so that light rain is placed by light rain and heavy by heavy.
///
/// Patterns live on a grid of 2 × 2 cells; what is finer than that is carried along on the full one. Where the air comes
/// from beyond what was observed, the cell's last observation stands in for it, or nothing, as the caller chooses.
#[derive(Default)]
pub struct Best {
    motion: PyramidFlow,
}

impl NowcastMethod for Best {
    fn name(&self) -> &'static str {
        "best"
    }

    fn history(&self) -> SignedDuration {
        SignedDuration::from_mins(HISTORY_MIN)
    }

    fn run(&self, past: &[RainField], leads: &LeadTimes, inflow: Inflow) -> Result<Nowcast, NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let valid_times = leads.valid_times(last.valid_time)?;
        let motion = self.motion.estimate(past)?;
        let motion_s = started.elapsed().as_secs_f64();

        let earlier = earlier(past, last, &motion, leads.step_min as f32)?;
        let last_db = in_decibels(&last.rate_mm_h);
        let ranges = (0..EDGES_MM_H.len()).map(Range::of).collect::<Vec<_>>();
        let layers: Vec<(Range, Layer)> = if earlier.is_empty() {
            Vec::new()
        } else {
            ranges.into_par_iter().map(|range| (range, Layer::of(range, &last_db, &earlier))).collect()
        };
        let mut trajectories = Trajectories::new(&motion)?;
        let along: Vec<Trajectories> = valid_times
            .iter()
            .map(|_| {
                trajectories.advance(leads.step_min as f32);
                trajectories.clone()
            })
            .collect();
        let fields = along
            .par_iter()
            .zip(valid_times)
            .map(|(trajectories, valid_time)| {
                let rate_mm_h = arrived(&last.rate_mm_h, &layers, trajectories, inflow)?;
                Ok(RainField { grid: last.grid.clone(), valid_time, rate_mm_h })
            })
            .collect::<Result<Vec<_>, NowcastError>>()?;
        let timings = Timings { motion_s, nowcast_s: started.elapsed().as_secs_f64() - motion_s };
        Ok(Nowcast { motion, fields, timings })
    }
}

/// The fields nearest to the steps compared, carried to the newest one's time, the youngest first.
fn earlier(
    past: &[RainField],
    last: &RainField,
    motion: &MotionField,
    step_min: f32,
) -> Result<Vec<Earlier>, NowcastError> {
    let age_min = |f: &RainField| last.valid_time.duration_since(f.valid_time).as_secs_f32() / 60.0;
    let mut chosen: Vec<&RainField> = Vec::new();
    for steps in COMPARED_STEPS {
        let distance = |f: &RainField| (age_min(f) - steps * step_min).abs();
        let nearest = past
            .iter()
            .filter(|f| age_min(f) > chosen.last().map_or(0.0, |c| age_min(c)) && age_min(f) <= HISTORY_MIN as f32)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        chosen.extend(nearest);
    }
    let mut trajectories = Trajectories::new(motion)?;
    let mut earlier = Vec::with_capacity(chosen.len());
    for field in chosen {
        let minutes = age_min(field);
        trajectories.advance(minutes - trajectories.minutes());
        let rate_mm_h = trajectories.carry(&field.rate_mm_h, Interpolation::Bilinear, Inflow::LastObservation)?;
        earlier.push(Earlier { minutes, rate_db: in_decibels(&rate_mm_h) });
    }
    Ok(earlier)
}

fn in_decibels(rate_mm_h: &Array2<f32>) -> Array2<f32> {
    let mut rate_db = rate_mm_h.as_standard_layout().into_owned();
    rate_db.par_mapv_inplace(decibels);
    rate_db
}

/// The rain at the end of `trajectories`: each layer where its pattern puts it, as much of it as extrapolation brings.
fn arrived(
    last: &Array2<f32>,
    layers: &[(Range, Layer)],
    trajectories: &Trajectories,
    inflow: Inflow,
) -> Result<Array2<f32>, NowcastError> {
    let known = trajectories.carry(last, Interpolation::Bilinear, Inflow::Unknown)?;
    let mut extrapolated = known.clone();
    extrapolated.zip_mut_with(last, |e, l| {
        if e.is_nan() {
            *e = *l;
        }
    });
    if layers.is_empty() {
        return Ok(if inflow == Inflow::Unknown { known } else { extrapolated });
    }
    let rate_db = in_decibels(&extrapolated);
    let mut out = extrapolated.mapv(|r| if r.is_nan() || r < EDGES_MM_H[0] { r } else { 0.0 });
    for (range, layer) in layers {
        let (pattern, own_weight) = layer.pattern(trajectories.minutes());
        let mut placed = placed(&pattern, &known, trajectories);
        placed.zip_mut_with(&rate_db, |place, &db| {
            *place = if db.is_nan() { f32::NAN } else { *place + own_weight * range.height_db(db) };
        });
        Ranks::of(&placed, &rate_db, (range.low, range.high)).deal(&placed, &mut out);
    }
    if inflow == Inflow::Unknown {
        out.zip_mut_with(&known, |o, k| *o = if k.is_nan() { f32::NAN } else { *o });
    }
    Ok(out)
}

/// A pattern on the halved grid, carried to the cells of the full one; a cell's own place where inflow is unknown.
fn placed(pattern: &Array2<f32>, known: &Array2<f32>, trajectories: &Trajectories) -> Array2<f32> {
    let (rows, columns) = known.dim();
    let mut out = Array2::zeros((rows, columns));
    let (height, width) = pattern.dim();
    let (Some(cells), Some(source), Some(known)) = (out.as_slice_mut(), pattern.as_slice(), known.as_slice()) else {
        return out;
    };
    let sample = |row: f32, column: f32| {
        let row = (0.5 * row - 0.25).clamp(0.0, (height - 1) as f32);
        let column = (0.5 * column - 0.25).clamp(0.0, (width - 1) as f32);
        let (r0, c0) = (row as usize, column as usize);
        let (r1, c1) = ((r0 + 1).min(height - 1), (c0 + 1).min(width - 1));
        let (fr, fc) = (row - r0 as f32, column - c0 as f32);
        let upper = source[r0 * width + c0] + fc * (source[r0 * width + c1] - source[r0 * width + c0]);
        let lower = source[r1 * width + c0] + fc * (source[r1 * width + c1] - source[r1 * width + c0]);
        upper + fr * (lower - upper)
    };
    cells.par_chunks_mut(columns.max(1)).enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(line, origins), (row, out)| {
            trajectories.origins(row, line, origins);
            for (column, value) in out.iter_mut().enumerate() {
                let [r, c] = origins[column];
                *value = if known[row * columns + column].is_nan() {
                    sample(row as f32, column as f32)
                } else {
                    sample(r, c)
                };
            }
        },
    );
    out
}
