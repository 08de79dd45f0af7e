//! Where the air over each cell came from.

use std::sync::Arc;

use ndarray::Array2;
use raincell_model::MotionField;
use raincell_simd::widest;
use rayon::prelude::*;
use thiserror::Error;

/// Cells between the points of the lattice on which motion and displacements are held; motion fields are far smoother.
pub(crate) const SPACING: usize = 4;
/// Cells that are looked at together.
pub const SEGMENT: usize = 8;
/// A number for each of [`SEGMENT`] cells.
pub type Eight = [f32; SEGMENT];
/// Points that are followed in turn.
const AT_ONCE: usize = 8;
/// Mid-point iterations a step, which begins with the motion of the one before.
const ITERATIONS: usize = 2;
/// The minutes within which the share of straight ways falls to 1/e, see [`Trajectories::straighten`].
const STRAIGHT_MIN: f32 = 60.0;
/// Looks for where a straight way began, and how much each corrects: where motions meet all of it would go to and fro.
const STRAIGHT_ITERATIONS: usize = 6;
const STRAIGHT_CORRECTED: f32 = 0.6;

/// Why a field cannot be carried along.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ExtrapolationError {
    /// The field's shape differs from that of the motion.
    #[error("a field of shape {found:?} cannot move with a motion field of shape {expected:?} (rows, columns)")]
    ShapeMismatch {
        /// (rows, columns) of the motion field.
        expected: (usize, usize),
        /// (rows, columns) of the field.
        found: (usize, usize),
    },
}

/// Backward trajectories of every cell through a stationary motion field, growing as [`Trajectories::advance`] is
/// called (Germann & Zawadzki 2002: backward semi-Lagrangian, each step solved for its mid-point by iteration).
///
/// They are followed on a lattice of every fourth cell and interpolated between, as motion is smooth on that scale. A
/// clone shares the motion.
#[derive(Clone, Debug)]
pub struct Trajectories {
    rows: usize,
    columns: usize,
    lattice_columns: usize,
    /// Motion (right, down) at the lattice points, cells per minute, row-major.
    motion: Arc<[[f32; 2]]>,
    /// Displacement (right, down) from origin to cell, in cells.
    travelled: Vec<[f32; 2]>,
    /// Mean motion of the last step, with which the next one begins; empty before the first.
    velocity: Vec<[f32; 2]>,
    minutes: f32,
}

impl Trajectories {
    /// Trajectories of no length yet along `motion`; motion that is not a number counts as rest.
    ///
    /// # Errors
    /// [`ExtrapolationError::ShapeMismatch`] when the two components differ in shape.
    pub fn new(motion: &MotionField) -> Result<Self, ExtrapolationError> {
        let (rows, columns) = motion.u.dim();
        if motion.v.dim() != (rows, columns) {
            return Err(ExtrapolationError::ShapeMismatch { expected: (rows, columns), found: motion.v.dim() });
        }
        // At least two, so that each cell lies between points.
        let points = |size: usize| size.saturating_sub(1).div_ceil(SPACING).max(1) + 1;
        let (lattice_rows, lattice_columns) =
            if rows * columns == 0 { (0, 0) } else { (points(rows), points(columns)) };
        let number = |x: f32| if x.is_finite() { x } else { 0.0 };
        let at = |i: usize| {
            // Points beyond the last row or column take its motion.
            let row = (i / lattice_columns * SPACING).min(rows - 1);
            let column = (i % lattice_columns * SPACING).min(columns - 1);
            [number(motion.u[(row, column)]), number(motion.v[(row, column)])]
        };
        let motion: Arc<[[f32; 2]]> = (0..lattice_rows * lattice_columns).map(at).collect();
        let travelled = vec![[0.0; 2]; motion.len()];
        Ok(Self { rows, columns, lattice_columns, motion, travelled, velocity: Vec::new(), minutes: 0.0 })
    }

    /// Trajectories of no length yet along the mean of this motion and of another, whose share is 0 to 1.
    ///
    /// # Errors
    /// [`ExtrapolationError::ShapeMismatch`] when the two do not lie on one grid.
    pub fn blended(&self, other: &Self, share: f32) -> Result<Self, ExtrapolationError> {
        if self.shape() != other.shape() {
            return Err(ExtrapolationError::ShapeMismatch { expected: self.shape(), found: other.shape() });
        }
        let motion: Arc<[[f32; 2]]> =
            self.motion.iter().zip(other.motion.iter()).map(|(a, b)| mix(*a, *b, share)).collect();
        let travelled = vec![[0.0; 2]; motion.len()];
        Ok(Self { motion, travelled, velocity: Vec::new(), minutes: 0.0, ..*self })
    }

    /// The trajectories to each of some leads (minutes, ascending) along the mean of this motion and of another, whose `share`
    /// hangs on the lead. Beyond their lead they go on along this motion.
    ///
    /// Each lead goes on from the one before: to its trajectories is added what the change of the share makes of the way so
    /// far, and then the way of the minutes between. They come out straightened (see [`Trajectories::straighten`]).
    ///
    /// # Errors
    /// [`ExtrapolationError::ShapeMismatch`] when the two do not lie on one grid.
    pub fn blended_to(
        &self,
        other: &Self,
        leads: &[f32],
        share: impl Fn(f32) -> f32,
    ) -> Result<Vec<Self>, ExtrapolationError> {
        if self.shape() != other.shape() {
            return Err(ExtrapolationError::ShapeMismatch { expected: self.shape(), found: other.shape() });
        }
        let both: Vec<[f32; 4]> =
            self.motion.iter().zip(other.motion.iter()).map(|(a, b)| [a[0], a[1], b[0] - a[0], b[1] - a[1]]).collect();
        let fastest = [&self.motion, &other.motion]
            .iter()
            .flat_map(|motion| motion.iter())
            .fold(0.0_f32, |fastest, m| fastest.max(m[0].hypot(m[1])));
        let mut travelled: Vec<Vec<[f32; 2]>> = leads.iter().map(|_| vec![[0.0; 2]; both.len()]).collect();
        let columns = self.lattice_columns.max(1);
        let mut rows: Vec<Vec<&mut [[f32; 2]]>> = (0..self.lattice_rows()).map(|_| Vec::new()).collect();
        for lead in &mut travelled {
            for (row, line) in rows.iter_mut().zip(lead.chunks_mut(columns)) {
                row.push(line);
            }
        }
        let stages = stages(leads, share);
        let pair = Pair { both: &both, rows: self.lattice_rows(), columns };
        rows.into_par_iter().enumerate().for_each(|(row, mut lines)| {
            widest(
                #[inline(always)]
                || pair.follow(row, &stages, fastest, &mut lines),
            );
        });
        let made = travelled.into_iter().zip(leads).map(|(travelled, minutes)| Self {
            motion: self.motion.clone(),
            travelled,
            velocity: Vec::new(),
            minutes: *minutes,
            ..*self
        });
        Ok(made.collect())
    }

    /// (rows, columns) of the grid.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Minutes that the trajectories reach back.
    pub fn minutes(&self) -> f32 {
        self.minutes
    }

    /// Follows every trajectory back by another `minutes`. Steps that would cross many cells at once are divided.
    pub fn advance(&mut self, minutes: f32) {
        if self.velocity.is_empty() {
            self.velocity = self.motion.to_vec();
        }
        let fastest = self.motion.iter().fold(0.0_f32, |f, m| f.max(m[0].hypot(m[1])));
        let substeps = (fastest * minutes.abs() / CELLS_A_STEP).ceil().max(1.0);
        for _ in 0..substeps as usize {
            self.step(minutes / substeps);
        }
        self.minutes += minutes;
    }

    /// Moves each origin towards where the air would have come from had it kept its motion all the way: all of the way for
    /// short leads, ever less for longer ones.
    ///
    /// Trajectories through a stationary field take on the motion of each place they come by; but rain takes its motion
    /// along, for a while at least. The mean of the two errs less than either.
    pub fn straighten(&mut self) {
        let (rows, columns, minutes) = (self.lattice_rows(), self.lattice_columns, self.minutes);
        let share = straight_share(minutes);
        let lattice = Lattice { values: &self.motion, rows, columns };
        for (i, travelled) in self.travelled.iter_mut().enumerate() {
            let (y, x) = ((i / columns * SPACING) as f32, (i % columns * SPACING) as f32);
            let [right, down] = *travelled;
            let mut kept = lattice.at(y - down, x - right);
            for _ in 0..STRAIGHT_ITERATIONS {
                let there = lattice.at(y - minutes * kept[1], x - minutes * kept[0]);
                kept = mix(kept, there, STRAIGHT_CORRECTED);
            }
            *travelled = mix(*travelled, [minutes * kept[0], minutes * kept[1]], share);
        }
    }

    fn step(&mut self, minutes: f32) {
        let (rows, columns) = (self.motion.len() / self.lattice_columns.max(1), self.lattice_columns);
        let lattice = Lattice { values: &self.motion, rows, columns };
        let lines = self.travelled.par_chunks_mut(columns.max(1)).zip(self.velocity.par_chunks_mut(columns.max(1)));
        lines.enumerate().for_each(|(row, (travelled, velocity))| {
            widest(
                #[inline(always)]
                || {
                    lattice.step(row, travelled, velocity, minutes);
                },
            );
        });
    }

    /// The displacement (right, down) in cells from where the air came from to each cell, shape (rows, columns) each.
    pub fn displacement(&self) -> (Array2<f32>, Array2<f32>) {
        let component = |k: usize| {
            Array2::from_shape_fn((self.rows, self.columns), |(r, c)| {
                let (rows, columns) = (self.lattice_rows(), self.lattice_columns);
                let lattice = Lattice { values: &self.travelled, rows, columns };
                lattice.at(r as f32, c as f32)[k]
            })
        };
        (component(0), component(1))
    }

    /// Where the air over each cell of a row came from, as fractional (row, column); beyond the grid where it came from
    /// there. `line` is a buffer to be reused from row to row.
    pub fn origins(&self, row: usize, line: &mut Vec<[f32; 2]>, out: &mut Vec<[f32; 2]>) {
        out.clear();
        if row < self.rows {
            self.row(row, line);
            out.resize(self.columns, [0.0; 2]);
            widest(
                #[inline(always)]
                || {
                    for (segment, out) in out.chunks_mut(SEGMENT).enumerate() {
                        let first = segment * SEGMENT;
                        let [right, down] = eight(line, first);
                        let origins: [[f32; 2]; SEGMENT] =
                            std::array::from_fn(|k| [row as f32 - down[k], (first + k) as f32 - right[k]]);
                        out.copy_from_slice(&origins[..out.len()]);
                    }
                },
            );
        }
    }

    /// Displacements at the nine lattice points in and around the block of [`SEGMENT`] × [`SEGMENT`] cells from a (row,
    /// column) on, row by row.
    #[inline(always)]
    pub(crate) fn around_block(&self, [row, column]: [usize; 2]) -> [[f32; 2]; 9] {
        let (last_row, last_column) = (self.lattice_rows().saturating_sub(1), self.lattice_columns.saturating_sub(1));
        let mut around = [[0.0; 2]; 9];
        for (i, around) in around.iter_mut().enumerate() {
            let (r, c) = ((row / SPACING + i / 3).min(last_row), (column / SPACING + i % 3).min(last_column));
            *around = self.travelled.get(r * self.lattice_columns + c).copied().unwrap_or_default();
        }
        around
    }

    fn lattice_rows(&self) -> usize {
        self.travelled.len() / self.lattice_columns.max(1)
    }

    /// Displacements of one row of cells, at the lattice columns only: what [`eight`] interpolates.
    pub(crate) fn row(&self, row: usize, out: &mut Vec<[f32; 2]>) {
        let (first, f) = (row / SPACING, (row % SPACING) as f32 / SPACING as f32);
        let second = (first + 1).min(self.lattice_rows() - 1);
        let (upper, lower) =
            (&self.travelled[first * self.lattice_columns..], &self.travelled[second * self.lattice_columns..]);
        out.clear();
        out.extend(upper[..self.lattice_columns].iter().zip(lower).map(|(a, b)| mix(*a, *b, f)));
    }
}

/// Longest time between two [`Stage`]s, minutes.
const LONGEST_STAGE_MIN: f32 = 5.0;
/// Longest way within one step, in cells: a quarter of the scale on which motion changes.
const CELLS_A_STEP: f32 = 12.0;

#[inline(always)]
fn mix(a: [f32; 2], b: [f32; 2], f: f32) -> [f32; 2] {
    [a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1])]
}

/// Motion or displacements (right, down) at every [`SPACING`]th cell, row-major.
#[derive(Clone, Copy)]
struct Lattice<'a> {
    values: &'a [[f32; 2]],
    rows: usize,
    columns: usize,
}

impl Lattice<'_> {
    /// Follows the trajectories of a row of points back by another `minutes`.
    #[inline(always)]
    fn step(self, row: usize, travelled: &mut [[f32; 2]], velocity: &mut [[f32; 2]], minutes: f32) {
        // Several points in turn, so that none waits for its own last iteration.
        let several = travelled.chunks_mut(AT_ONCE).zip(velocity.chunks_mut(AT_ONCE));
        for (i, (travelled, velocity)) in several.enumerate() {
            for _ in 0..ITERATIONS {
                for (k, (travelled, velocity)) in travelled.iter().zip(velocity.iter_mut()).enumerate() {
                    let x = ((i * AT_ONCE + k) * SPACING) as f32 - travelled[0];
                    let y = (row * SPACING) as f32 - travelled[1];
                    *velocity = self.at(y - 0.5 * minutes * velocity[1], x - 0.5 * minutes * velocity[0]);
                }
            }
            for (travelled, velocity) in travelled.iter_mut().zip(velocity) {
                *travelled = [travelled[0] + minutes * velocity[0], travelled[1] + minutes * velocity[1]];
            }
        }
    }

    /// The value at a fractional cell (row, column), the nearest edge value beyond the grid.
    #[inline(always)]
    fn at(self, row: f32, column: f32) -> [f32; 2] {
        let ((row, down), (column, right)) = (place(row, self.rows), place(column, self.columns));
        let at = row * self.columns + column;
        let pair = |at: usize| self.values.get(at..at + 2).unwrap_or(&[[0.0; 2]; 2]);
        // Two neighbours with both of their components at once.
        let (upper, lower) = (pair(at).as_flattened(), pair(at + self.columns).as_flattened());
        let mut mixed = [0.0; 4];
        for k in 0..4 {
            mixed[k] = upper[k] + down * (lower[k] - upper[k]);
        }
        mix([mixed[0], mixed[1]], [mixed[2], mixed[3]], right)
    }
}

/// A time on the way to a lead.
#[derive(Clone, Copy)]
struct Stage {
    minutes: f32,
    /// The share of the other motion in what leads there.
    share: f32,
    /// The lead that ends here.
    lead: Option<usize>,
}

/// The leads, and times between them, so that the share changes little from one to the next.
fn stages(leads: &[f32], share: impl Fn(f32) -> f32) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut before = 0.0;
    for (lead, minutes) in leads.iter().enumerate() {
        let pieces = ((minutes - before) / LONGEST_STAGE_MIN).ceil().max(1.0) as usize;
        stages.extend((1..=pieces).map(|piece| {
            let minutes = before + (minutes - before) * piece as f32 / pieces as f32;
            Stage { minutes, share: share(minutes), lead: (piece == pieces).then_some(lead) }
        }));
        before = *minutes;
    }
    stages
}

/// A motion, and how another one differs from it, (right, down) each, at every [`SPACING`]th cell.
#[derive(Clone, Copy)]
struct Pair<'a> {
    both: &'a [[f32; 4]],
    rows: usize,
    columns: usize,
}

impl Pair<'_> {
    /// Follows the points of a row to each lead.
    #[inline(always)]
    fn follow(self, row: usize, stages: &[Stage], fastest: f32, travelled: &mut [&mut [[f32; 2]]]) {
        let y = (row * SPACING) as f32;
        for first in (0..self.columns).step_by(AT_ONCE) {
            let points = AT_ONCE.min(self.columns - first);
            let (mut way, mut velocity, mut here) = ([[0.0; 2]; AT_ONCE], [[0.0; 2]; AT_ONCE], [[0.0; 2]; AT_ONCE]);
            let (mut before_min, mut before_share) = (0.0, stages.first().map_or(0.0, |stage| stage.share));
            let mut kept = [[0.0; 4]; AT_ONCE];
            for k in 0..points {
                let [u, v, du, dv] = self.at(y, ((first + k) * SPACING) as f32);
                (velocity[k], here[k]) = ([u + before_share * du, v + before_share * dv], [du, dv]);
                kept[k] = [u, v, du, dv];
            }
            for Stage { minutes, share, lead } in stages {
                // Simpson's mean of the difference between the motions along the way so far.
                let more = (share - before_share) * before_min / 6.0;
                if more != 0.0 {
                    for k in 0..points {
                        let (x, [right, down]) = (((first + k) * SPACING) as f32, way[k]);
                        let middle = self.at(y - 0.5 * down, x - 0.5 * right);
                        let end = self.at(y - down, x - right);
                        for i in 0..2 {
                            way[k][i] += more * (here[k][i] + 4.0 * middle[2 + i] + end[2 + i]);
                        }
                    }
                }
                let substeps = (fastest * (minutes - before_min).abs() / CELLS_A_STEP).ceil().max(1.0);
                let step = (minutes - before_min) / substeps;
                for _ in 0..substeps as usize {
                    for _ in 0..ITERATIONS {
                        for k in 0..points {
                            let (x, [right, down]) = (((first + k) * SPACING) as f32, way[k]);
                            let at = self
                                .at(y - down - 0.5 * step * velocity[k][1], x - right - 0.5 * step * velocity[k][0]);
                            velocity[k] = [at[0] + share * at[2], at[1] + share * at[3]];
                        }
                    }
                    for k in 0..points {
                        way[k] = [way[k][0] + step * velocity[k][0], way[k][1] + step * velocity[k][1]];
                    }
                }
                let straight = |[u, v, du, dv]: [f32; 4]| [minutes * (u + share * du), minutes * (v + share * dv)];
                for (k, kept) in kept.iter_mut().enumerate().take(points) {
                    let [right, down] = straight(*kept);
                    let there = self.at(y - down, ((first + k) * SPACING) as f32 - right);
                    for (kept, there) in kept.iter_mut().zip(there) {
                        *kept += STRAIGHT_CORRECTED * (there - *kept);
                    }
                }
                if let Some(out) = lead.and_then(|lead| travelled.get_mut(lead)) {
                    for (k, out) in out[first..first + points].iter_mut().enumerate() {
                        *out = mix(way[k], straight(kept[k]), straight_share(*minutes));
                    }
                }
                (before_min, before_share) = (*minutes, *share);
            }
        }
    }

    /// The values at a fractional cell (row, column), the nearest edge value beyond the grid.
    #[inline(always)]
    fn at(self, row: f32, column: f32) -> [f32; 4] {
        let ((row, down), (column, right)) = (place(row, self.rows), place(column, self.columns));
        let at = row * self.columns + column;
        let pair = |at: usize| self.both.get(at..at + 2).map_or([[0.0; 4]; 2], |both| [both[0], both[1]]);
        let ([a, b], [c, d]) = (pair(at), pair(at + self.columns));
        let mut out = [0.0; 4];
        for k in 0..4 {
            let (left, other) = (a[k] + down * (c[k] - a[k]), b[k] + down * (d[k] - b[k]));
            out[k] = left + right * (other - left);
        }
        out
    }
}

/// The share of straight ways in those of so many minutes.
fn straight_share(minutes: f32) -> f32 {
    (-minutes / STRAIGHT_MIN).exp()
}

/// The lattice point before a fractional cell, and how far it is towards the next one; given how many points there are.
#[inline(always)]
fn place(at: f32, points: usize) -> (usize, f32) {
    let at = (at / SPACING as f32).max(0.0).min(points.saturating_sub(1) as f32);
    // Of what is not negative the cast is the floor; the last point is the far end of the last but one.
    let first = at.min(points.saturating_sub(2) as f32) as i32;
    (first as usize, at - first as f32)
}

/// Displacements (right, down) of the cells from `first` on, a multiple of [`SEGMENT`], of a line made by
/// [`Trajectories::row`].
#[inline(always)]
pub(crate) fn eight(line: &[[f32; 2]], first: usize) -> [Eight; 2] {
    let at = |i: usize| line[(first / SPACING + i).min(line.len() - 1)];
    let points: [[f32; 2]; SEGMENT / SPACING + 1] = [at(0), at(1), at(2)];
    let mut out = [[0.0; SEGMENT]; 2];
    for (i, out) in out.iter_mut().enumerate() {
        for k in 0..SEGMENT {
            let (a, b) = (points[k / SPACING][i], points[k / SPACING + 1][i]);
            out[k] = a + ((k % SPACING) as f32 / SPACING as f32) * (b - a);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use raincell_model::Grid;
    use std::sync::Arc;

    #[test]
    fn rotation_brings_every_point_back_along_its_circle() {
        let grid = Arc::new(Grid::around_radar(50.0, 5.0, 100.0, 1.0));
        let mut motion = MotionField::at_rest(grid);
        let turn_per_min = 0.01_f32;
        for ((r, c), u) in motion.u.indexed_iter_mut() {
            *u = -turn_per_min * (r as f32 - 100.0);
            motion.v[(r, c)] = turn_per_min * (c as f32 - 100.0);
        }
        let mut trajectories = Trajectories::new(&motion).unwrap();
        for _ in 0..12 {
            trajectories.advance(5.0);
        }
        let (dx, dy) = trajectories.displacement();
        let (sin, cos) = (-turn_per_min * 60.0).sin_cos();
        for (r, c) in [(100_usize, 150_usize), (70, 120), (130, 60)] {
            let (x, y) = (c as f32 - 100.0, r as f32 - 100.0);
            let (ox, oy) = (cos * x - sin * y, sin * x + cos * y);
            let error = (x - dx[(r, c)] - ox).hypot(y - dy[(r, c)] - oy);
            assert!(error < 0.05, "({r}, {c}) is off by {error} cells");
        }
    }

    /// Motion to the right that changes along the row.
    fn changing(mean: f32, change: f32) -> MotionField {
        let mut motion = MotionField::at_rest(Arc::new(Grid::around_radar(50.0, 5.0, 100.0, 1.0)));
        for ((_, c), u) in motion.u.indexed_iter_mut() {
            *u = mean + change * (c as f32 / 15.0).sin();
        }
        motion
    }

    #[test]
    fn rain_keeps_its_motion_first_and_takes_on_that_of_the_places_it_comes_by_later() {
        let motion = changing(0.8, 0.2);
        let mut trajectories = Trajectories::new(&motion).unwrap();
        trajectories.advance(30.0);
        let of_places = trajectories.displacement().0[(100, 100)];
        trajectories.straighten();
        let mean = trajectories.displacement().0[(100, 100)];
        // 30·u(x) travelled from x to 100, found by bisection.
        let (mut low, mut high) = (50.0_f32, 100.0_f32);
        for _ in 0..40 {
            let x = 0.5 * (low + high);
            if x + 30.0 * (0.8 + 0.2 * (x / 15.0).sin()) < 100.0 { low = x } else { high = x }
        }
        let kept = 100.0 - low;
        assert!((kept - of_places).abs() > 0.5, "{kept} and {of_places} tell nothing");
        let between = of_places + (-0.5_f32).exp() * (kept - of_places);
        assert!((mean - between).abs() < 0.1, "{mean} of {kept} and {of_places}");
    }

    #[test]
    fn leads_one_after_the_other_are_those_from_the_start_but_for_a_cell() {
        let (lasting, fresh) = (changing(0.8, 0.05), changing(0.6, 0.1));
        let [lasting, fresh] = [lasting, fresh].map(|motion| Trajectories::new(&motion).unwrap());
        let share = |minutes: f32| 1.0 / (1.0 + minutes / 30.0);
        let leads = [5.0, 20.0, 45.0, 60.0];
        for (lead, one) in leads.iter().zip(lasting.blended_to(&fresh, &leads, share).unwrap()) {
            let mut direct = lasting.blended(&fresh, share(*lead)).unwrap();
            direct.advance(*lead);
            direct.straighten();
            let ([a, _], [b, _]): ([_; 2], [_; 2]) = (one.displacement().into(), direct.displacement().into());
            let off = a.iter().zip(&b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(off < 1.0, "{off} cells at {lead} min");
        }
    }

    #[test]
    fn an_empty_grid_is_carried_without_fuss() {
        let grid = Arc::new(Grid { width: 0, height: 0, ..Grid::around_radar(50.0, 5.0, 1.0, 1.0) });
        let mut trajectories = Trajectories::new(&MotionField::at_rest(grid)).unwrap();
        trajectories.advance(5.0);
        assert_eq!(trajectories.shape(), (0, 0));
    }
}
