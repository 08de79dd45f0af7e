//! ANVIL: each scale goes on as it does around each place, growth and decay included.

use std::time::Instant;

use jiff::SignedDuration;
use ndarray::{Array2, Zip};
use raincell_cascade::ar::{LocalAri, add_steps};
use raincell_cascade::{BandPass, Fft2, Spectrum};
use raincell_extrapolation::{Inflow, Interpolation};
use raincell_model::RainField;
use raincell_simd::widest;
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
/// A level lies on a coarser mesh where its waves are so many points long there.
const LEAST_POINTS: f32 = 11.0;
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
        let evolved = if states.len() < 4 || !rain {
            Vec::new()
        } else {
            evolved(&states, [1, leads.count], LEVELS, WINDOW_CELLS)?
        };
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

/// The rain rate after `every` steps, twice as many, and so on, `count` times, at the place of the newest of four states (newest
/// first), mm/h; NaN where it is unknown.
pub(crate) fn evolved(
    states: &[Array2<f32>],
    [every, count]: [usize; 2],
    levels: usize,
    window_cells: f32,
) -> Result<Vec<Array2<f32>>, NowcastError> {
    let shape = states[0].dim();
    let filters = BandPass::new(shape, levels)?;
    // Not-a-number does not pass the comparison of max.
    let spectra: Vec<Spectrum> =
        states.par_iter().map(|state| filters.fft().forward(&state.mapv(|r| r.max(0.0)))).collect();
    let meshes = Mesh::all(&filters);
    let wavelengths = filters.wavelengths();
    // The finest levels, which take longest, first.
    let levels: Vec<Level> = (0..levels)
        .into_par_iter()
        .rev()
        .map(|level| {
            let fits = |mesh: &&Mesh| mesh.apart == 1 || wavelengths[level] >= LEAST_POINTS * mesh.apart as f32;
            let mesh = meshes.iter().find(fits).unwrap_or(&meshes[meshes.len() - 1]);
            Level::of(&filters, &spectra, level, mesh, window_cells)
        })
        .collect();
    let of_mesh = |apart: usize| levels.iter().filter(|level| level.apart == apart).collect::<Vec<_>>();
    let coarse: Vec<(usize, Vec<Array2<f32>>)> = meshes
        .iter()
        .filter(|mesh| mesh.apart > 1)
        .map(|mesh| {
            let (mut sums, levels) = (vec![Array2::zeros(mesh.fft.shape()); count], of_mesh(mesh.apart));
            let rows = by_rows(&mut sums).into_par_iter().enumerate();
            rows.for_each_init(Going::default, |going, (row, sums)| going.add(&levels, row, every, sums));
            (mesh.apart, sums)
        })
        .collect();
    let (mut sums, levels) = (vec![Array2::zeros(shape); count], of_mesh(1));
    let rows = by_rows(&mut sums).into_par_iter().zip(states[0].outer_iter()).enumerate();
    rows.for_each_init(Going::default, |going, (row, (mut sums, observed))| {
        for (apart, coarse) in &coarse {
            for (sum, coarse) in sums.iter_mut().zip(coarse) {
                add_between(coarse, row, *apart, &mut going.line, sum);
            }
        }
        going.add(&levels, row, every, sums.iter_mut().map(|sum| &mut **sum));
        for sum in sums {
            for (rate, observed) in sum.iter_mut().zip(observed) {
                let wet = if *observed < DRY_BELOW_MM_H { 0.0 } else { rate.max(0.0) };
                *rate = if observed.is_nan() { f32::NAN } else { wet };
            }
        }
    });
    Ok(sums)
}

/// Every so-manieth row and column of a field.
struct Mesh {
    apart: usize,
    fft: Fft2,
}

impl Mesh {
    /// Those whose points lie evenly on the field, the coarsest first, the field itself last.
    fn all(filters: &BandPass) -> Vec<Self> {
        let (rows, columns) = filters.fft().shape();
        let even = |apart: &usize| rows.is_multiple_of(*apart) && columns.is_multiple_of(*apart);
        let coarse = [4, 2].into_iter().filter(even);
        let mut meshes: Vec<Self> =
            coarse.map(|apart| Self { apart, fft: Fft2::new((rows / apart, columns / apart)) }).collect();
        meshes.push(Self { apart: 1, fft: filters.fft().clone() });
        meshes
    }
}

/// A level on its mesh: the last three states, and the processes that they follow.
struct Level {
    apart: usize,
    states: [Array2<f32>; 3],
    /// Points of the mesh along a block, on which the weights are held. The window is so much wider than a block that
    /// nothing of it is lost.
    block: usize,
    process: LocalAri,
}

impl Level {
    fn of(filters: &BandPass, spectra: &[Spectrum], level: usize, mesh: &Mesh, window_cells: f32) -> Self {
        let on_mesh = |state: usize| {
            spectra.get(state).map_or_else(
                || Array2::zeros(mesh.fft.shape()),
                |spectrum| filters.level_on(spectrum, level, &mesh.fft),
            )
        };
        let ((now, before), (earlier, oldest)) =
            rayon::join(|| rayon::join(|| on_mesh(0), || on_mesh(1)), || rayon::join(|| on_mesh(2), || on_mesh(3)));
        let block = (BLOCK / mesh.apart).max(1);
        let window = window_cells / (block * mesh.apart) as f32;
        let process = local_process([&now, &before, &earlier, &oldest], block, window);
        Self { apart: mesh.apart, states: [now, before, earlier], block, process }
    }
}

/// Parameters around each block of cells, from four states and the window's standard deviation in blocks.
fn local_process(states: [&Array2<f32>; 4], block: usize, window: f32) -> LocalAri {
    let [now_now, before_before, earlier_earlier, now_before, now_earlier] = {
        let mut products = products_of_changes(states, block);
        products.par_iter_mut().for_each(|product| *product = blurred(product, window));
        products
    };
    let correlation = |mut gamma: Array2<f32>, other: &Array2<f32>| {
        Zip::from(&mut gamma).and(&now_now).and(other).for_each(|g, &a, &b| {
            let spread = a.max(0.0).sqrt() * b.max(0.0).sqrt();
            *g = if spread > LEAST_CHANGE { (*g / spread).clamp(-1.0, 1.0) } else { 0.0 };
        });
        gamma
    };
    LocalAri::from_correlations(&correlation(now_before, &before_before), &correlation(now_earlier, &earlier_earlier))
}

/// Means over blocks of cells, smaller ones along the far edges, of the squares of the last change from state to state, of
/// the one before and of the one before that, and of the last one times each of the others.
fn products_of_changes(states: [&Array2<f32>; 4], block: usize) -> [Array2<f32>; 5] {
    let (rows, columns) = states[0].dim();
    let mut means = [(); 5].map(|()| Array2::zeros((rows.div_ceil(block), columns.div_ceil(block))));
    let Some([now, before, earlier, oldest]) = slices(states) else { return means };
    let mut sums: [Vec<f32>; 5] = [(); 5].map(|()| vec![0.0; columns]);
    for first in (0..rows).step_by(block) {
        let height = block.min(rows - first);
        for sum in &mut sums {
            sum.fill(0.0);
        }
        for row in first..first + height {
            let of_row = row * columns..(row + 1) * columns;
            let states = [now, before, earlier, oldest].map(|state| &state[of_row.clone()]);
            widest(
                #[inline(always)]
                || add_products(&mut sums, states),
            );
        }
        for (mean, sum) in means.iter_mut().zip(&sums) {
            for (mean, of_block) in mean.row_mut(first / block).iter_mut().zip(sum.chunks(block)) {
                *mean = of_block.iter().sum::<f32>() / (height * of_block.len()) as f32;
            }
        }
    }
    means
}

fn slices<const N: usize>(fields: [&Array2<f32>; N]) -> Option<[&[f32]; N]> {
    let slices = fields.map(|field| field.as_slice());
    slices.iter().all(Option::is_some).then(|| slices.map(Option::unwrap_or_default))
}

#[inline(always)]
fn add_products([aa, bb, cc, ab, ac]: &mut [Vec<f32>; 5], [now, before, earlier, oldest]: [&[f32]; 4]) {
    let sums = aa.iter_mut().zip(bb).zip(cc).zip(ab).zip(ac);
    let states = now.iter().zip(before).zip(earlier).zip(oldest);
    for (((((aa, bb), cc), ab), ac), (((now, before), earlier), oldest)) in sums.zip(states) {
        let (a, b, c) = (now - before, before - earlier, earlier - oldest);
        *aa += a * a;
        *bb += b * b;
        *cc += c * c;
        *ab += a * b;
        *ac += a * c;
    }
}

/// What one row of cells needs room for.
#[derive(Default)]
struct Going {
    line: Vec<f32>,
    weights: [Vec<f32>; 3],
    states: [Vec<f32>; 3],
}

impl Going {
    /// Adds what all levels of a mesh are at a row after `every` steps, twice as many, and so on.
    fn add<'a>(&mut self, levels: &[&Level], row: usize, every: usize, sums: impl IntoIterator<Item = &'a mut [f32]>) {
        let mut sums: Vec<&mut [f32]> = sums.into_iter().collect();
        for level in levels {
            let columns = level.states[0].ncols();
            for (weights, blocks) in self.weights.iter_mut().zip(&level.process.weights) {
                between_blocks(blocks, level.block, row, columns, &mut self.line, weights);
            }
            for (line, state) in self.states.iter_mut().zip(&level.states) {
                line.clear();
                line.extend(state.row(row));
            }
            widest(
                #[inline(always)]
                || {
                    let sums = sums.iter_mut().map(|sum| &mut **sum);
                    add_steps(self.weights.each_ref().map(Vec::as_slice), &mut self.states, every, sums);
                },
            );
        }
    }
}

/// The rows of all fields, row by row.
fn by_rows(fields: &mut [Array2<f32>]) -> Vec<Vec<&mut [f32]>> {
    let mut rows: Vec<Vec<&mut [f32]>> = Vec::new();
    for field in fields {
        let columns = field.ncols().max(1);
        for (row, line) in field.as_slice_mut().unwrap_or_default().chunks_mut(columns).enumerate() {
            if row == rows.len() {
                rows.push(Vec::new());
            }
            rows[row].push(line);
        }
    }
    rows
}

/// Values at the middles of blocks, interpolated to the cells of a row.
fn between_blocks(
    blocks: &Array2<f32>,
    block: usize,
    row: usize,
    columns: usize,
    line: &mut Vec<f32>,
    out: &mut Vec<f32>,
) {
    let last = blocks.nrows().saturating_sub(1);
    let at = ((row as f32 + 0.5) / block as f32 - 0.5).clamp(0.0, last as f32);
    let (above, below, f) = (blocks.row(at as usize), blocks.row((at as usize + 1).min(last)), at.fract());
    line.clear();
    line.extend(above.iter().zip(below).map(|(a, b)| a + f * (b - a)));
    // Up to the first middle and from the last one on it stays as it is there.
    let (first, last) = (line.first().copied().unwrap_or_default(), line.last().copied().unwrap_or_default());
    out.clear();
    out.resize(columns, last);
    let (before, rest) = out.split_at_mut((block / 2).min(columns));
    before.fill(first);
    for (pair, cells) in line.windows(2).zip(rest.chunks_mut(block)) {
        let step = (pair[1] - pair[0]) / block as f32;
        let start = pair[0] + if block.is_multiple_of(2) { 0.5 * step } else { 0.0 };
        for (i, cell) in cells.iter_mut().enumerate() {
            *cell = start + i as f32 * step;
        }
    }
}

/// Adds to a row what lies between the points of a mesh so far apart: cubic (Catmull & Rom 1974), and round the edges, as
/// is all that was made of spectra.
fn add_between(mesh: &Array2<f32>, row: usize, apart: usize, line: &mut Vec<f32>, out: &mut [f32]) {
    let (rows, columns) = mesh.dim();
    let Some(points) = mesh.as_slice().filter(|points| !points.is_empty()) else { return };
    let weights = cubic((row % apart) as f32 / apart as f32);
    let [a, b, c, d] = [rows - 1, 0, 1, 2].map(|step| &points[(row / apart + step) % rows * columns..][..columns]);
    line.clear();
    line.push(0.0);
    let near = a.iter().zip(b).zip(c).zip(d);
    line.extend(near.map(|(((a, b), c), d)| weights[0] * a + weights[1] * b + weights[2] * c + weights[3] * d));
    line[0] = line[columns];
    line.extend_from_within(1..=2.min(columns));
    widest(
        #[inline(always)]
        || match apart {
            2 => add_stretched::<2>(line, out),
            4 => add_stretched::<4>(line, out),
            _ => {}
        },
    );
}

#[inline(always)]
fn add_stretched<const APART: usize>(line: &[f32], out: &mut [f32]) {
    let mut weights = [[0.0; APART]; 4];
    for k in 0..APART {
        for (weights, weight) in weights.iter_mut().zip(cubic(k as f32 / APART as f32)) {
            weights[k] = weight;
        }
    }
    for (out, near) in out.as_chunks_mut::<APART>().0.iter_mut().zip(line.windows(4)) {
        for (weights, value) in weights.iter().zip(near) {
            for k in 0..APART {
                out[k] += weights[k] * value;
            }
        }
    }
}

/// Weights of the points before, at, after and beyond a place so far from one point to the next.
#[inline(always)]
fn cubic(t: f32) -> [f32; 4] {
    [
        t * (-0.5 + t * (1.0 - 0.5 * t)),
        1.0 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2.0 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wave(shift: f32) -> Array2<f32> {
        Array2::from_shape_fn((131, 90), |(r, c)| {
            ((r as f32 + shift) * 0.31).sin() * (c as f32 * 0.23).cos() + 0.2 * shift * ((r * 7 + c) % 5) as f32
        })
    }

    #[test]
    fn what_is_taken_on_blocks_is_what_every_cell_would_give() {
        let states = [0.0, 1.5, 2.0, 4.0].map(wave);
        let products = |block: usize| {
            let means = products_of_changes(states.each_ref(), block);
            let means = means.map(|m| blurred(&m, 9.0 / block as f32));
            let row = |mean: &Array2<f32>, row: usize| {
                let (mut line, mut out) = (Vec::new(), Vec::new());
                between_blocks(mean, block, row, 90, &mut line, &mut out);
                out
            };
            means.map(|mean| (0..131).map(|r| row(&mean, r)).collect::<Vec<_>>())
        };
        for (direct, blocks) in products(1).iter().zip(&products(BLOCK)) {
            let (mut off, mut most) = (0.0_f32, 0.0_f32);
            // Near the edges the two go on beyond them with other values.
            for (direct, blocks) in direct.iter().zip(blocks).take(101).skip(30) {
                assert_eq!((direct.len(), blocks.len()), (90, 90));
                for (d, g) in direct.iter().zip(blocks).take(60).skip(30) {
                    (off, most) = (off.max((d - g).abs()), most.max(d.abs()));
                }
            }
            assert!(off < 0.05 * most, "{off} of {most}");
        }
    }

    #[test]
    fn between_the_points_of_a_mesh_a_wave_goes_on() {
        let wave = |at: f32, size: f32| (std::f32::consts::TAU * at / size).sin();
        for apart in [2, 4] {
            let (rows, columns) = (40, 48);
            let value = |r: usize, c: usize| wave(r as f32, rows as f32) + wave(c as f32, columns as f32);
            let mesh = Array2::from_shape_fn((rows / apart, columns / apart), |(r, c)| value(apart * r, apart * c));
            for row in 0..rows {
                let (mut line, mut out) = (Vec::new(), vec![0.0; columns]);
                add_between(&mesh, row, apart, &mut line, &mut out);
                for (column, found) in out.iter().enumerate() {
                    assert!((found - value(row, column)).abs() < 0.02, "{row}, {column}: {found}");
                }
            }
        }
    }

    #[test]
    fn rain_that_stays_as_it_is_goes_on_so_whatever_the_mesh() {
        for shape in [(40, 48), (41, 30), (12, 3)] {
            let state = Array2::from_shape_fn(shape, |(r, c)| {
                let near = (r as f32 - 9.0).powi(2) + (c as f32 - 12.0).powi(2);
                if r == 0 { f32::NAN } else { 6.0 * (-near / 30.0).exp() }
            });
            let made = evolved(&vec![state.clone(); 4], [2, 3], 5, 10.0).unwrap();
            for (found, expected) in made.iter().flat_map(|field| field.iter().zip(&state)) {
                let expected = if *expected < DRY_BELOW_MM_H { 0.0 } else { *expected };
                let known = !expected.is_nan();
                assert!(found.is_nan() != known && (!known || (found - expected).abs() < 0.1), "{shape:?}: {found}");
            }
        }
    }
}
