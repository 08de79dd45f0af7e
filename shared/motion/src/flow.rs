//! The estimator: pyramid Lucas–Kanade over several past fields, solved smoothly as a whole.

use ndarray::Array2;
use raincell_model::{MotionField, RainField};
use rayon::prelude::*;

use crate::lattice::{NodeField, Normal, along, solve};
use crate::pyramid::{Image, Pyramid};
use crate::sequence::{Past, in_order};
use crate::translation::best_shift;
use crate::{MotionError, MotionEstimator};

/// Grid cells between nodes of the motion lattice.
const NODE_CELLS: usize = 16;
/// Coarsest pyramid level used, as an index: cells of 2^(index + 1) grid cells.
const COARSEST: usize = 3;
/// Level of the first guess: cells of 8 grid cells.
const GUESS_LEVEL: usize = 2;

/// How [`PyramidFlow`] works; the defaults are what measured best (see the nowcasts' `EXPERIMENTS.md`).
#[derive(Clone, Debug)]
pub struct FlowSettings {
    /// Fields older than this many minutes before the newest are not looked at.
    pub history_min: f32,
    /// Weight of smoothness against the data of an average node with rain.
    pub smoothness: f32,
    /// Difference at which a pixel's vote is halved, dB.
    pub outlier_db: f32,
    /// Refinements on each level.
    pub iterations: usize,
    /// No rain moves faster, km per minute.
    pub fastest_km_min: f32,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self { history_min: 31.0, smoothness: 0.1, outlier_db: 12.0, iterations: 2, fastest_km_min: 2.5 }
    }
}

/// Dense motion by Lucas–Kanade normal equations (Lucas & Kanade 1981) gathered over many pairs of past fields and
/// solved together with a smoothness term (Horn & Schunck 1981; the combination: Bruhn, Weickert & Schnörr 2005).
///
/// Both fields of a pair are warped half-way to the middle by the motion so far, so that no field is favoured; pairs
/// further apart in time weigh more, as they show the motion that lasts. Coarse cells first (16, 8, 4, 2 grid cells).
#[derive(Clone, Debug, Default)]
pub struct PyramidFlow {
    settings: FlowSettings,
}

/// Two pyramids and the minutes between them.
struct Pair<'a> {
    earlier: &'a Pyramid,
    later: &'a Pyramid,
    minutes: f32,
}

impl PyramidFlow {
    /// An estimator with settings of one's own.
    pub fn new(settings: FlowSettings) -> Self {
        Self { settings }
    }

    /// Every earlier field with the newest one, whose motion is wanted, and neighbours with each other.
    fn pairs<'a>(past: &[Past<'_>], pyramids: &'a [Pyramid]) -> Vec<Pair<'a>> {
        let newest = past.len() - 1;
        let with_newest = (0..newest).map(|earlier| (earlier, newest));
        let neighbours = (1..newest).map(|later| (later - 1, later));
        with_newest
            .chain(neighbours)
            .map(|(earlier, later)| Pair {
                earlier: &pyramids[earlier],
                later: &pyramids[later],
                minutes: past[later].minutes - past[earlier].minutes,
            })
            .collect()
    }

    /// The median over neighbouring fields of the best single displacement, cells per minute.
    fn first_guess(&self, past: &[Past<'_>], pyramids: &[Pyramid], cell_km: f32) -> [f32; 2] {
        let cell = (2 << GUESS_LEVEL) as f32;
        let shifts: Vec<[f32; 2]> = (1..past.len())
            .into_par_iter()
            .filter_map(|i| {
                let minutes = past[i].minutes - past[i - 1].minutes;
                let reach = (self.settings.fastest_km_min * minutes / (cell_km * cell)).ceil() as usize;
                let shift =
                    best_shift(&pyramids[i - 1].levels[GUESS_LEVEL], &pyramids[i].levels[GUESS_LEVEL], reach.min(12))?;
                Some([shift.0 as f32 * cell / minutes, shift.1 as f32 * cell / minutes])
            })
            .collect();
        [0, 1].map(|k| median(shifts.iter().map(|s| s[k]).collect()))
    }

    fn refine(&self, pairs: &[Pair<'_>], level: usize, nodes: &NodeField, fastest: f32) -> NodeField {
        let rows: Vec<Vec<Normal>> = (0..nodes.rows)
            .into_par_iter()
            .map(|row| {
                let mut band = Band::default();
                let mut normals = vec![Normal::default(); nodes.columns];
                for pair in pairs {
                    band.gather(pair, level, nodes, row, self.settings.outlier_db, &mut normals);
                }
                normals
            })
            .collect();
        let mut normals: Vec<Normal> = rows.into_iter().flatten().collect();
        let (mut total, mut with_rain) = (0.0_f32, 0.0_f32);
        for n in &normals {
            if n.trace() > 0.0 {
                total += n.trace();
                with_rain += 1.0;
            }
        }
        if total <= 0.0 {
            return nodes.clone();
        }
        let unit = with_rain / total;
        for n in &mut normals {
            *n = n.scaled(unit);
        }
        let mut solved = solve(&normals, nodes, self.settings.smoothness);
        for m in &mut solved.motion {
            let speed = m[0].hypot(m[1]);
            if speed > fastest {
                *m = [m[0] * fastest / speed, m[1] * fastest / speed];
            }
        }
        solved
    }
}

impl MotionEstimator for PyramidFlow {
    fn name(&self) -> &'static str {
        "pyramid-flow"
    }

    fn estimate(&self, fields: &[RainField]) -> Result<MotionField, MotionError> {
        let past = in_order(fields, self.settings.history_min.max(0.0))?;
        let grid = past.last().map(|p| p.field.grid.clone()).ok_or(MotionError::NoFields)?;
        let (height, width) = grid.shape();
        if past.len() < 2 || height < 2 || width < 2 {
            return Ok(MotionField::at_rest(grid));
        }
        let pyramids: Vec<Pyramid> = past.par_iter().map(|p| Pyramid::new(&p.field.rate_mm_h, COARSEST + 1)).collect();
        let pairs = Self::pairs(&past, &pyramids);
        let cell_km = grid.cell_km() as f32;
        let fastest = self.settings.fastest_km_min / cell_km;
        let guess = self.first_guess(&past, &pyramids, cell_km);
        let mut nodes = NodeField::uniform(height.div_ceil(NODE_CELLS), width.div_ceil(NODE_CELLS), guess);
        for level in (0..=COARSEST).rev() {
            for _ in 0..self.settings.iterations {
                nodes = self.refine(&pairs, level, &nodes, fastest);
            }
        }
        let (u, v) = dense(&nodes, height, width);
        Ok(MotionField { grid, u, v })
    }
}

/// Buffers for one row of nodes, reused over the pairs: means and differences of the two warped fields.
#[derive(Default)]
struct Band {
    line: Vec<[f32; 2]>,
    mean: Vec<f32>,
    difference: Vec<f32>,
}

impl Band {
    /// Adds the normal equations of one pair to the nodes of one row.
    fn gather(
        &mut self,
        pair: &Pair<'_>,
        level: usize,
        nodes: &NodeField,
        node_row: usize,
        outlier_db: f32,
        out: &mut [Normal],
    ) {
        let (earlier, later) = (&pair.earlier.levels[level], &pair.later.levels[level]);
        let cell = 2_usize << level;
        let side = NODE_CELLS / cell;
        let (rows, columns) = (earlier.rows, earlier.columns);
        let first = node_row * side;
        let last = (first + side).min(rows);
        // One row of pixels more on both sides, for the vertical gradient.
        let (from, to) = (first.saturating_sub(1), (last + 1).min(rows));
        self.warp(earlier, later, nodes, from..to, cell, pair.minutes);
        let per_pixel = pair.minutes / cell as f32;
        let tolerance = 1.0 / (outlier_db * outlier_db);
        for row in first.max(1)..last.min(rows - 1) {
            let here = (row - from) * columns;
            let node_row_at = (row as f32 + 0.5) / side as f32 - 0.5;
            nodes.line(node_row_at, &mut self.line);
            let (above, below) = (&self.mean[here - columns..here], &self.mean[here + columns..here + 2 * columns]);
            let (centre, difference) = (&self.mean[here..here + columns], &self.difference[here..here + columns]);
            for column in 1..columns - 1 {
                let gx = 0.5 * (centre[column + 1] - centre[column - 1]) * per_pixel;
                let gy = 0.5 * (below[column] - above[column]) * per_pixel;
                let square = gx * gx + gy * gy;
                let d = difference[column];
                // NaN anywhere fails this, so that unknown pixels and their neighbours do not vote.
                if !(square > 1e-8 && d.is_finite()) {
                    continue;
                }
                let weight = 1.0 / (1.0 + d * d * tolerance);
                let at = along(&self.line, (column as f32 + 0.5) / side as f32 - 0.5);
                // d + g·(w − w₀) = 0  ⇒  g·w = g·w₀ − d
                let target = gx * at[0] + gy * at[1] - d;
                let n = &mut out[column / side];
                n.uu += weight * gx * gx;
                n.uv += weight * gx * gy;
                n.vv += weight * gy * gy;
                n.bu += weight * gx * target;
                n.bv += weight * gy * target;
            }
        }
    }

    /// Brings both fields to the middle of their time along `nodes`, for the given rows of the level.
    fn warp(
        &mut self,
        earlier: &Image,
        later: &Image,
        nodes: &NodeField,
        rows: std::ops::Range<usize>,
        cell: usize,
        minutes: f32,
    ) {
        let columns = earlier.columns;
        self.mean.resize(rows.len() * columns, 0.0);
        self.difference.resize(rows.len() * columns, 0.0);
        let half = 0.5 * minutes / cell as f32;
        let to_node = cell as f32 / NODE_CELLS as f32;
        for (i, row) in rows.enumerate() {
            nodes.line((row as f32 + 0.5) * to_node - 0.5, &mut self.line);
            let (mean, difference) =
                (&mut self.mean[i * columns..][..columns], &mut self.difference[i * columns..][..columns]);
            for column in 0..columns {
                let [u, v] = along(&self.line, (column as f32 + 0.5) * to_node - 0.5);
                let a = earlier.sample(row as f32 - half * v, column as f32 - half * u);
                let b = later.sample(row as f32 + half * v, column as f32 + half * u);
                mean[column] = 0.5 * (a + b);
                difference[column] = b - a;
            }
        }
    }
}

/// The lattice interpolated to every grid cell.
fn dense(nodes: &NodeField, height: usize, width: usize) -> (Array2<f32>, Array2<f32>) {
    let (mut u, mut v) = (Array2::zeros((height, width)), Array2::zeros((height, width)));
    let spread = |out: &mut Array2<f32>, k: usize| {
        if let Some(cells) = out.as_slice_mut() {
            cells.par_chunks_mut(width).enumerate().for_each_init(Vec::new, |line, (row, out)| {
                nodes.line((row as f32 + 0.5) / NODE_CELLS as f32 - 0.5, line);
                for (column, value) in out.iter_mut().enumerate() {
                    *value = along(line, (column as f32 + 0.5) / NODE_CELLS as f32 - 0.5)[k];
                }
            });
        }
    };
    spread(&mut u, 0);
    spread(&mut v, 1);
    (u, v)
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}
