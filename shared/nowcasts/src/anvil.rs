//! ANVIL: each scale goes on as it does around each place, growth and decay included.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::{Array2, Zip};
use raincell_cascade::BandPass;
use raincell_cascade::ar::LocalAri;
use raincell_extrapolation::{Inflow, Interpolation};
use raincell_model::RainField;
use rayon::prelude::*;

use crate::drift::Drift;
use crate::method::newest;
use crate::scales::blurred;
use crate::states::{DRY_BELOW_MM_H, last_states};
use crate::{LeadTimes, Nowcast, NowcastError, NowcastMethod, Timings};

/// Levels of the cascade.
const LEVELS: usize = 8;
/// Standard deviation of the window in which correlations are taken, cells.
const WINDOW_CELLS: f32 = 50.0;
/// Cells along a block on which correlations are summed up.
const BLOCK: usize = 4;
/// Differences smaller than this have no say, mm/h.
const LEAST_CHANGE: f32 = 1e-8;

/// Autoregressive nowcasting with localised parameters (Pulkkinen et al. 2020; as in pysteps with rain rates for input):
/// each level of the cascade of rain rates follows an ARI(2,1) process whose parameters come from the correlations
/// around each cell, so that what grows goes on growing for a while. No rain where there was none.
///
/// With fewer than four fields a step apart it is extrapolation.
pub struct Anvil;

impl NowcastMethod for Anvil {
    fn name(&self) -> &'static str {
        "anvil"
    }

    fn history(&self) -> SignedDuration {
        SignedDuration::from_mins(31)
    }

    fn run(&self, past: &[RainField], leads: &LeadTimes, inflow: Inflow) -> Result<Nowcast, NowcastError> {
        let started = Instant::now();
        let last = newest(past)?;
        let valid_times = leads.valid_times(last.valid_time)?;
        let drift = Drift::estimate(past)?;
        let motion_s = started.elapsed().as_secs_f64();

        let step_min = leads.step_min as f32;
        let states = last_states(past, last, &drift.fresh, step_min, 4)?;
        let rain = states[0].iter().any(|r| *r >= DRY_BELOW_MM_H);
        let evolved =
            if states.len() < 4 || !rain { Vec::new() } else { evolved(&states, leads.count, LEVELS, WINDOW_CELLS)? };
        let fields = drift
            .along(step_min, leads.count)?
            .par_iter()
            .zip(valid_times)
            .enumerate()
            .map(|(lead, (trajectories, valid_time))| {
                let source = evolved.get(lead).unwrap_or(&states[0]);
                let rate_mm_h = trajectories.carry(source, Interpolation::Bilinear, inflow)?;
                Ok(RainField { grid: last.grid.clone(), valid_time, rate_mm_h })
            })
            .collect::<Result<Vec<_>, NowcastError>>()?;
        let timings = Timings { motion_s, nowcast_s: started.elapsed().as_secs_f64() - motion_s };
        Ok(Nowcast { motion: drift.lasting, fields, timings })
    }
}

/// The rain rate at each lead at the place of the newest of four states (newest first), mm/h; NaN where it is unknown.
pub(crate) fn evolved(
    states: &[Array2<f32>],
    leads: usize,
    levels: usize,
    window_cells: f32,
) -> Result<Vec<Array2<f32>>, NowcastError> {
    let shape = states[0].dim();
    let filters = BandPass::new(shape, levels)?;
    let mut parts: Vec<std::vec::IntoIter<Array2<f32>>> = Vec::with_capacity(states.len());
    for state in states {
        // Not-a-number does not pass the comparison of max.
        parts.push(filters.split(&state.mapv(|r| r.max(0.0)))?.into_iter());
    }
    let mut sums = vec![Array2::<f32>::zeros(shape); leads];
    while let [Some(now), Some(before), Some(earlier), Some(oldest)] = {
        let mut next = parts.iter_mut().map(Iterator::next);
        [(); 4].map(|()| next.next().flatten())
    } {
        let ari = local_process(&now, &before, &earlier, &oldest, window_cells);
        ari.add_steps(&[now, before, earlier], &mut sums);
    }
    sums.par_iter_mut().for_each(|sum| {
        sum.zip_mut_with(&states[0], |rate, observed| {
            *rate = match *observed {
                unknown if unknown.is_nan() => f32::NAN,
                dry if dry < DRY_BELOW_MM_H => 0.0,
                _ => rate.max(0.0),
            };
        });
    });
    Ok(sums)
}

/// Parameters around each cell. The window is so much wider than a block of cells that they are taken on blocks.
fn local_process(
    now: &Array2<f32>,
    before: &Array2<f32>,
    earlier: &Array2<f32>,
    oldest: &Array2<f32>,
    window_cells: f32,
) -> LocalAri {
    let changes = [now - before, before - earlier, earlier - oldest];
    let around = |a: &Array2<f32>, b: &Array2<f32>| blurred(&mean_products(a, b), window_cells / BLOCK as f32);
    let power: Vec<Array2<f32>> = changes.par_iter().map(|c| around(c, c)).collect();
    let correlation = |lag: usize| {
        let mut gamma = around(&changes[0], &changes[lag]);
        Zip::from(&mut gamma).and(&power[0]).and(&power[lag]).for_each(|g, &a, &b| {
            let spread = a.max(0.0).sqrt() * b.max(0.0).sqrt();
            *g = if spread > LEAST_CHANGE { (*g / spread).clamp(-1.0, 1.0) } else { 0.0 };
        });
        gamma
    };
    let coarse = LocalAri::from_correlations(&correlation(1), &correlation(2));
    LocalAri { weights: coarse.weights.map(|weights| between_blocks(&weights, now.dim())) }
}

/// Means of the product of two fields over blocks of cells, smaller ones along the far edges.
fn mean_products(a: &Array2<f32>, b: &Array2<f32>) -> Array2<f32> {
    let (rows, columns) = a.dim();
    let mut means = Array2::zeros((rows.div_ceil(BLOCK), columns.div_ceil(BLOCK)));
    for (row, (a, b)) in a.outer_iter().zip(b.outer_iter()).enumerate() {
        let (Some(a), Some(b)) = (a.to_slice(), b.to_slice()) else { continue };
        let height = BLOCK.min(rows - row / BLOCK * BLOCK);
        let blocks = a.chunks(BLOCK).zip(b.chunks(BLOCK));
        for (mean, (a, b)) in means.row_mut(row / BLOCK).iter_mut().zip(blocks) {
            *mean += a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / (height * a.len()) as f32;
        }
    }
    means
}

/// Values at the middles of blocks, interpolated to each cell of (rows, columns).
fn between_blocks(blocks: &Array2<f32>, (rows, columns): (usize, usize)) -> Array2<f32> {
    let place = |cell: usize, blocks: usize| {
        let at = ((cell as f32 + 0.5) / BLOCK as f32 - 0.5).clamp(0.0, (blocks - 1) as f32);
        (at as usize, (at as usize + 1).min(blocks - 1), at.fract())
    };
    let across: Vec<_> = (0..columns).map(|c| place(c, blocks.ncols())).collect();
    let mut cells = Array2::zeros((rows, columns));
    for (row, mut line) in cells.outer_iter_mut().enumerate() {
        let (r0, r1, f) = place(row, blocks.nrows());
        let mixed: Vec<f32> = blocks.row(r0).iter().zip(blocks.row(r1)).map(|(a, b)| a + f * (b - a)).collect();
        for (cell, (c0, c1, f)) in line.iter_mut().zip(&across) {
            *cell = mixed[*c0] + f * (mixed[*c1] - mixed[*c0]);
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_on_blocks_is_what_every_cell_would_give() {
        let wave = |shift: f32| {
            Array2::from_shape_fn((131, 90), |(r, c)| {
                ((r as f32 + shift) * 0.31).sin() * (c as f32 * 0.23).cos() + 0.2 * shift * ((r * 7 + c) % 5) as f32
            })
        };
        let (a, b) = (wave(0.0), wave(1.5));
        let (direct, blocks) = (blurred(&(&a * &b), 9.0), blurred(&mean_products(&a, &b), 9.0 / BLOCK as f32));
        let again = between_blocks(&blocks, a.dim());
        let (mut off, mut most) = (0.0_f32, 0.0_f32);
        // Near the edges the two go on beyond them with other values.
        let inner = |(r, c): (usize, usize)| (30..101).contains(&r) && (30..60).contains(&c);
        for ((_, d), g) in direct.indexed_iter().zip(&again).filter(|((at, _), _)| inner(*at)) {
            (off, most) = (off.max((d - g).abs()), most.max(d.abs()));
        }
        assert!(off < 0.05 * most, "{off} of {most}");
    }
}
