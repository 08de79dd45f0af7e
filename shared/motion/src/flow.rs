//! The estimator: pyramid Lucas–Kanade over several past fields, solved smoothly as a whole.

use std::ops::Range;

use ndarray::Array2;
use raincell_model::{MotionField, RainField};
use raincell_simd::widest;
use rayon::prelude::*;

use crate::gather::{Band, Pair};
use crate::lattice::{NodeField, Normal, along, solve};
use crate::pyramid::Pyramid;
use crate::sequence::{Past, in_order, telling};
use crate::translation::best_shift;
use crate::{MotionError, MotionEstimator};

/// Grid cells between nodes of the motion lattice.
pub(crate) const NODE_CELLS: usize = 16;
/// Halvings of the grid to the coarsest level: pixels of 16 cells.
const COARSEST: usize = 4;
/// To the level of the first guess: pixels of 8 cells.
const GUESS: usize = 3;
/// To the finest level at most: pixels of 4 cells.
const FINEST: usize = 2;
/// Pixels of the finest level, about, km: smaller ones tell more of noise than of motion.
const FINEST_KM: f64 = 2.0;

/// Damping of the divergence of a [`Kind::Fresh`] motion, squares of the distance of nodes (see
/// [`NodeField::less_divergent`]): in so short a time it is mostly growth.
const DIVERGENCE_DAMPING: f32 = 1.0;
/// How much further back than the history fields count, where a gap lies between, minutes: what moved before tells nothing of
/// now.
const BEFORE_A_GAP_MIN: f32 = 62.0;

/// What a motion is to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// How rain moves at each place: both fields of a pair are brought half-way, so that neither is favoured.
    Lasting,
    /// How the rain moves that is at each place now: every field is brought to the newest one's time, and divergence is
    /// damped.
    Fresh,
}

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
/// Both fields of a pair are warped half-way to the middle by the motion so far (for motion from a few minutes: to now);
/// pairs further apart in time weigh more, as they show the motion that lasts. Coarse pixels first, down to some 2 km.
#[derive(Clone, Debug, Default)]
pub struct PyramidFlow {
    settings: FlowSettings,
}

impl PyramidFlow {
    /// An estimator with settings of one's own.
    pub fn new(settings: FlowSettings) -> Self {
        Self { settings }
    }

    /// Every earlier field with the newest one, whose motion is wanted, and neighbours with each other.
    fn pairs<'a>(past: &[Past<'_>], pyramids: &'a [Pyramid], kind: Kind) -> Vec<Pair<'a>> {
        let newest = past.len() - 1;
        let with_newest = (0..newest).map(|earlier| (earlier, newest));
        let neighbours = (1..newest).map(|later| (later - 1, later));
        with_newest
            .chain(neighbours)
            .map(|(earlier, later)| {
                let minutes = past[later].minutes - past[earlier].minutes;
                let from_later_min = match kind {
                    Kind::Lasting => -0.5 * minutes,
                    Kind::Fresh => -past[later].minutes,
                };
                Pair { earlier: &pyramids[earlier], later: &pyramids[later], minutes, from_later_min }
            })
            .collect()
    }

    /// The median over neighbouring fields of the best single displacement, cells per minute.
    fn first_guess(&self, past: &[Past<'_>], pyramids: &[Pyramid], cell_km: f32) -> [f32; 2] {
        let cell = (1 << GUESS) as f32;
        let shifts: Vec<[f32; 2]> = (1..past.len())
            .into_par_iter()
            .filter_map(|i| {
                let minutes = past[i].minutes - past[i - 1].minutes;
                let reach = (self.settings.fastest_km_min * minutes / (cell_km * cell)).ceil() as usize;
                let [earlier, later] = [&pyramids[i - 1], &pyramids[i]].map(|pyramid| pyramid.halved_so_often(GUESS));
                let shift = best_shift(earlier?, later?, reach.min(12))?;
                Some([shift.0 as f32 * cell / minutes, shift.1 as f32 * cell / minutes])
            })
            .collect();
        [0, 1].map(|k| median(shifts.iter().map(|s| s[k]).collect()))
    }

    fn refine(&self, pairs: &[Pair<'_>], level: usize, nodes: &NodeField, fastest: f32) -> NodeField {
        let rows: Vec<Vec<Normal>> = (0..nodes.rows)
            .into_par_iter()
            .map_init(Band::default, |band, row| band.gather(pairs, level, nodes, row, self.settings.outlier_db))
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

impl PyramidFlow {
    /// The motion as [`MotionEstimator::estimate`] has it, and that of the fields of the last `fresh_min` minutes alone, in
    /// which a shower that grows is not taken for one that moves apart, and each vector stands where its rain is now.
    ///
    /// # Errors
    /// As [`MotionEstimator::estimate`].
    pub fn estimate_with_fresh(
        &self,
        fields: &[RainField],
        fresh_min: f32,
    ) -> Result<(MotionField, MotionField), MotionError> {
        let windows = [self.settings.history_min, fresh_min];
        let (past, pyramids) = self.prepared(fields, &windows)?;
        let [lasting, fresh] = windows.map(|minutes| telling(&past, minutes));
        let (lasting, fresh) = rayon::join(
            || self.motion(&past, &pyramids, lasting, Kind::Lasting),
            || self.motion(&past, &pyramids, fresh, Kind::Fresh),
        );
        Ok((lasting?, fresh?))
    }

    /// The fields that tell of the last minutes in any of the `windows`, and their pyramids; none of these where no field can
    /// be matched.
    fn prepared<'a>(
        &self,
        fields: &'a [RainField],
        windows: &[f32],
    ) -> Result<(Vec<Past<'a>>, Vec<Pyramid>), MotionError> {
        let mut past = in_order(fields, self.settings.history_min.max(0.0) + BEFORE_A_GAP_MIN)?;
        let first = windows.iter().map(|minutes| telling(&past, *minutes).start).min().unwrap_or(0);
        past.drain(..first);
        let (height, width) = past.last().ok_or(MotionError::NoFields)?.field.grid.shape();
        let pyramids = if past.len() < 2 || height < 2 || width < 2 {
            Vec::new()
        } else {
            let halvings = finest(past[0].field.grid.cell_km())..=COARSEST;
            past.par_iter().map(|p| Pyramid::new(&p.field.rate_mm_h, halvings.clone())).collect()
        };
        Ok((past, pyramids))
    }

    /// The motion of a kind that some of the fields tell.
    fn motion(
        &self,
        past: &[Past<'_>],
        pyramids: &[Pyramid],
        telling: Range<usize>,
        kind: Kind,
    ) -> Result<MotionField, MotionError> {
        let grid = past.last().map(|p| p.field.grid.clone()).ok_or(MotionError::NoFields)?;
        if pyramids.is_empty() || telling.len() < 2 {
            return Ok(MotionField::at_rest(grid));
        }
        let (past, pyramids) = (&past[telling.clone()], &pyramids[telling]);
        let pairs = Self::pairs(past, pyramids, kind);
        let ((height, width), cell_km) = (grid.shape(), grid.cell_km() as f32);
        let fastest = self.settings.fastest_km_min / cell_km;
        let guess = self.first_guess(past, pyramids, cell_km);
        let mut nodes = NodeField::uniform(height.div_ceil(NODE_CELLS), width.div_ceil(NODE_CELLS), guess);
        for level in (0..pyramids[0].levels.len()).rev() {
            for _ in 0..self.settings.iterations {
                nodes = self.refine(&pairs, level, &nodes, fastest);
            }
        }
        if kind == Kind::Fresh {
            nodes = nodes.less_divergent(DIVERGENCE_DAMPING);
        }
        let (u, v) = dense(&nodes, height, width);
        Ok(MotionField { grid, u, v })
    }
}

impl MotionEstimator for PyramidFlow {
    fn name(&self) -> &'static str {
        "pyramid-flow"
    }

    fn estimate(&self, fields: &[RainField]) -> Result<MotionField, MotionError> {
        let (past, pyramids) = self.prepared(fields, &[self.settings.history_min])?;
        self.motion(&past, &pyramids, telling(&past, self.settings.history_min), Kind::Lasting)
    }
}

/// The lattice interpolated to every grid cell.
fn dense(nodes: &NodeField, height: usize, width: usize) -> (Array2<f32>, Array2<f32>) {
    let (mut u, mut v) = (Array2::zeros((height, width)), Array2::zeros((height, width)));
    if let (Some(u), Some(v)) = (u.as_slice_mut(), v.as_slice_mut()) {
        let rows = u.par_chunks_mut(width).zip(v.par_chunks_mut(width)).enumerate();
        rows.for_each_init(Vec::new, |line, (row, (u, v))| {
            nodes.line((row as f32 + 0.5) / NODE_CELLS as f32 - 0.5, line);
            widest(
                #[inline(always)]
                || along(line, NODE_CELLS, u, v),
            );
        });
    }
    (u, v)
}

/// Halvings of the grid to the finest level.
fn finest(cell_km: f64) -> usize {
    (FINEST_KM / cell_km).log2().round().clamp(0.0, FINEST as f64) as usize
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finest_pixels_are_of_some_two_kilometres_where_the_grid_allows() {
        for (cell_km, halvings) in [(0.25, 2), (0.5, 2), (1.0, 1), (1.2, 1), (2.0, 0), (5.0, 0)] {
            assert_eq!(finest(cell_km), halvings, "{cell_km} km");
        }
    }
}
