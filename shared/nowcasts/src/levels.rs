//! Fields at ever wider scales: cells of 2, 4, 8… grid cells (or 1, 2, 4…), each smoothed, unknown cells without a say.

use raincell_extrapolation::{Eight, SEGMENT};
use raincell_simd::widest;
use rayon::prelude::*;

/// Channels side by side, so that one instruction works on all of them.
pub(crate) type Lanes = [f32; 4];
/// What a coarser level weighs against fully known cells: it fills what is unknown and hardly changes the rest.
const FILL: f32 = 0.03;

/// A row-major field of so many channels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plane<const N: usize = 4> {
    pub rows: usize,
    pub columns: usize,
    pub cells: Vec<[f32; N]>,
}

/// Between which cells of a plane eight places lie: the upper left ones, and how far it is to the next ones, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    cells: [u32; SEGMENT],
    down: Eight,
    right: Eight,
}

/// The cells of a plane, and how far it is to those beside and below.
#[derive(Clone, Copy)]
pub(crate) struct Corners<'a, const N: usize> {
    cells: &'a [[f32; N]],
    beside: usize,
    below: usize,
}

impl<const N: usize> Corners<'_, N> {
    /// The value at the `k`th of some places.
    #[inline(always)]
    pub fn at(self, places: &Places, k: usize) -> [f32; N] {
        let at = places.cells[k] as usize;
        let near = &self.cells[at..][..=self.below + self.beside];
        let (upper, lower) = (mix(&near[0], &near[self.beside], places.right[k]), &near[self.below..]);
        mix(&upper, &mix(&lower[0], &lower[self.beside], places.right[k]), places.down[k])
    }
}

/// Between two cells, number by number.
#[inline(always)]
pub(crate) fn mix<const N: usize>(a: &[f32; N], b: &[f32; N], share: f32) -> [f32; N] {
    let mut mixed = [0.0; N];
    for k in 0..N {
        mixed[k] = a[k] + share * (b[k] - a[k]);
    }
    mixed
}

/// The whole number before a fractional cell of a line, and how far it is beyond; given its last cell and the last but one,
/// as the last is the far end of the last but one.
#[inline(always)]
fn place(at: f32, [last, before]: [f32; 2]) -> (u32, f32) {
    // Adding this number rounds to a whole one, which then stands in the lowest bits: casts of vectors are slow.
    const ROUNDING: f32 = 12_582_912.0;
    // So that whole numbers are not halfway between two.
    const ALMOST_HALF: f32 = 0.4999;
    let at = if at > 0.0 { at } else { 0.0 };
    let at = if at < last { at } else { last };
    let within = if at < before { at } else { before };
    let sum = within - ALMOST_HALF + ROUNDING;
    (sum.to_bits().wrapping_sub(ROUNDING.to_bits()), at - (sum - ROUNDING))
}

impl<const N: usize> Plane<N> {
    /// The value at fractional cell (row, column), the nearest edge value beyond the edges.
    #[inline(always)]
    pub fn sample(&self, row: f32, column: f32) -> [f32; N] {
        let row = row.clamp(0.0, (self.rows - 1) as f32);
        let column = column.clamp(0.0, (self.columns - 1) as f32);
        let (r0, c0) = (row as usize, column as usize);
        let (r1, c1) = ((r0 + 1).min(self.rows - 1), (c0 + 1).min(self.columns - 1));
        let (fr, fc) = (row - r0 as f32, column - c0 as f32);
        let (upper, lower) =
            (&self.cells[r0 * self.columns..][..self.columns], &self.cells[r1 * self.columns..][..self.columns]);
        mix(&mix(&upper[c0], &upper[c1], fc), &mix(&lower[c0], &lower[c1], fc), fr)
    }

    /// Where eight fractional grid cells lie, of which `2^halvings` lie along a cell of this plane; the nearest edge beyond
    /// the edges.
    #[inline(always)]
    pub fn places(&self, [rows, columns]: [Eight; 2], halvings: usize) -> Places {
        let mut places = Places { cells: [0; SEGMENT], down: [0.0; SEGMENT], right: [0.0; SEGMENT] };
        let (width, per_cell) = (self.columns as u32, 1.0 / (1_usize << halvings) as f32);
        let ends = [self.rows, self.columns].map(|size| [1, 2].map(|last| size.saturating_sub(last) as f32));
        for k in 0..SEGMENT {
            let (row, column) = ((rows[k] + 0.5) * per_cell - 0.5, (columns[k] + 0.5) * per_cell - 0.5);
            let ((row, down), (column, right)) = (place(row, ends[0]), place(column, ends[1]));
            places.cells[k] = row * width + column;
            places.down[k] = down;
            places.right[k] = right;
        }
        places
    }

    /// For values at places.
    #[inline(always)]
    pub fn corners(&self) -> Corners<'_, N> {
        let below = if self.rows > 1 { self.columns } else { 0 };
        Corners { cells: &self.cells, beside: usize::from(self.columns > 1), below }
    }
}

impl Plane {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, cells: vec![[0.0; 4]; rows * columns] }
    }

    /// Sums over 2 × 2 cells, divided by four; beyond the edge there is nothing.
    fn halved(&self) -> Self {
        let mut out = Self::zeros(self.rows.div_ceil(2), self.columns.div_ceil(2));
        let (rows, columns, width) = (self.rows, self.columns, out.columns);
        out.cells.par_chunks_mut(width.max(1)).enumerate().for_each(|(row, line)| {
            for r in 2 * row..(2 * row + 2).min(rows) {
                for (pair, sum) in self.cells[r * columns..][..columns].chunks(2).zip(line.iter_mut()) {
                    for cell in pair {
                        add(sum, cell, 0.25);
                    }
                }
            }
        });
        out
    }

    /// Binomial smoothing (1 4 6 4 1)/16 along both axes: a standard deviation of one cell. Nothing beyond the edges.
    fn smoothed(&self) -> Self {
        const NOTHING: Lanes = [0.0; 4];
        let (rows, columns) = (self.rows, self.columns);
        let mut across = Self::zeros(rows, columns);
        across.cells.par_chunks_mut(columns.max(1)).enumerate().for_each_init(Vec::new, |padded, (row, line)| {
            padded.clear();
            padded.extend_from_slice(&[NOTHING; 2]);
            padded.extend_from_slice(&self.cells[row * columns..][..columns]);
            padded.extend_from_slice(&[NOTHING; 2]);
            widest(
                #[inline(always)]
                || {
                    let cells = padded.as_flattened();
                    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|step| &cells[step * NOTHING.len()..]);
                    binomial(line.as_flattened_mut(), [a, b, c, d, e]);
                },
            );
        });
        let mut out = Self::zeros(rows, columns);
        let nothing = vec![NOTHING; columns];
        out.cells.par_chunks_mut(columns.max(1)).enumerate().for_each(|(row, line)| {
            let lines: [&[Lanes]; 5] = std::array::from_fn(|i| match (row + i).checked_sub(2).filter(|r| *r < rows) {
                Some(r) => &across.cells[r * columns..][..columns],
                None => &nothing,
            });
            let [a, b, c, d, e] = lines.map(<[Lanes]>::as_flattened);
            widest(
                #[inline(always)]
                || {
                    binomial(line.as_flattened_mut(), [a, b, c, d, e]);
                },
            );
        });
        out
    }

    /// What lies at a row of grid cells of which `2^halvings` lie along a cell of this level, at the columns of the level:
    /// for [`stretched`].
    pub fn row(&self, row: usize, halvings: usize, out: &mut Vec<Lanes>) {
        let at = ((row as f32 + 0.5) / (1_usize << halvings) as f32 - 0.5).clamp(0.0, (self.rows - 1) as f32);
        let (r0, r1, f) = (at as usize, (at as usize + 1).min(self.rows - 1), at.fract());
        let (upper, lower) = (&self.cells[r0 * self.columns..][..self.columns], &self.cells[r1 * self.columns..]);
        out.clear();
        out.extend(upper.iter().zip(lower).map(|(a, b)| mix(a, b, f)));
    }

    /// Adds what `coarse`, a level of cells twice as wide, has at each cell.
    pub fn add_upsampled(&mut self, coarse: &Self) {
        if coarse.cells.is_empty() {
            return;
        }
        let columns = self.columns;
        self.cells.par_chunks_mut(columns.max(1)).enumerate().for_each_init(
            Vec::new,
            |blend: &mut Vec<Lanes>, (row, line)| {
                // Of the two nearest coarse cells the one that holds this cell has three quarters.
                let near = (row / 2).min(coarse.rows - 1);
                let far = if row % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(coarse.rows - 1) };
                let (near, far) = (
                    &coarse.cells[near * coarse.columns..][..coarse.columns],
                    &coarse.cells[far * coarse.columns..][..coarse.columns],
                );
                blend.clear();
                blend.extend(near.iter().zip(far).map(|(near, far)| mix(near, far, 0.25)));
                widest(
                    #[inline(always)]
                    || add_doubled(line, blend),
                );
            },
        );
    }
}

/// Grid cells from `first` on of which `2^halvings`, four or more, lie along a cell of a level, by its [`Plane::row`]: the
/// value of the first, and how much more each next one has; four cells, or as many as half a cell of the level, if `first` is
/// a multiple of so many. Where these are but two, a straight line from the first to the last of four.
#[inline(always)]
pub(crate) fn stretched(line: &[Lanes], first: usize, halvings: usize) -> [Lanes; 2] {
    // Between two columns of the level, from middle to middle, all goes in a straight line.
    let (last, half) = (line.len() - 1, 1 << (halvings - 1));
    if half < 4 {
        let at = |cell: usize| ((cell as f32 + 0.5) / (2 * half) as f32 - 0.5).clamp(0.0, last as f32);
        let [start, end] = [first, first + 3].map(|cell| {
            let at = at(cell);
            mix(&line[at as usize], &line[(at as usize + 1).min(last)], at.fract())
        });
        return [start, std::array::from_fn(|k| (end[k] - start[k]) * (1.0 / 3.0))];
    }
    let beyond = first < half;
    let at = if beyond { 0 } else { (first - half) >> halvings };
    let (a, b) = (&line[at.min(last)], &line[if beyond { 0 } else { at + 1 }.min(last)]);
    let per_cell = 1.0 / (1_usize << halvings) as f32;
    let way = if beyond { 0.0 } else { ((first - half) - (at << halvings)) as f32 + 0.5 };
    let (mut start, mut step) = ([0.0; 4], [0.0; 4]);
    for k in 0..4 {
        step[k] = (b[k] - a[k]) * per_cell;
        start[k] = a[k] + way * step[k];
    }
    [start, step]
}

/// The first lanes of eight grid cells by what [`stretched`] has of either half of them.
#[inline(always)]
pub(crate) fn eight_of<const N: usize>(halves: &[[Lanes; 2]; 2]) -> [Eight; N] {
    const HALF: usize = SEGMENT / 2;
    const STEPS: Eight = [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0];
    let mut out = [[0.0; SEGMENT]; N];
    for (k, out) in out.iter_mut().enumerate() {
        for i in 0..SEGMENT {
            let [start, step] = &halves[i / HALF];
            out[i] = start[k] + STEPS[i] * step[k];
        }
    }
    out
}

/// Adds to a row what lies at each of its cells between those of a row of cells twice as wide.
#[inline(always)]
fn add_doubled(line: &mut [Lanes], wide: &[Lanes]) {
    let last = wide.len() - 1;
    for (pair, (i, here)) in line.chunks_mut(2).zip(wide.iter().enumerate()) {
        let neighbours = [&wide[i.saturating_sub(1)], &wide[(i + 1).min(last)]];
        for (cell, neighbour) in pair.iter_mut().zip(neighbours) {
            add(cell, here, 0.75);
            add(cell, neighbour, 0.25);
        }
    }
}

/// Each number from five beside or above each other: (1 4 6 4 1)/16.
#[inline(always)]
fn binomial(out: &mut [f32], [a, b, c, d, e]: [&[f32]; 5]) {
    const KERNEL: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];
    let numbers = a.iter().zip(b).zip(c).zip(d).zip(e);
    for (out, ((((a, b), c), d), e)) in out.iter_mut().zip(numbers) {
        *out = KERNEL[0] * a + KERNEL[1] * b + KERNEL[2] * c + KERNEL[3] * d + KERNEL[4] * e;
    }
}

#[inline(always)]
fn add(sum: &mut Lanes, cell: &Lanes, weight: f32) {
    for k in 0..4 {
        sum[k] += weight * cell[k];
    }
}

/// Weights of knowledge at each level: what the channels' sums are divided by.
pub(crate) struct Known {
    /// Halved, not smoothed, per level: to build the sums with.
    smoothed: Vec<Plane>,
}

/// One level's cells are `2^(first + i)` grid cells wide, `i` counting from the finest.
pub(crate) struct Levels {
    pub planes: Vec<Plane>,
}

/// `field` halved `first` times, then smoothed there and at each of the `count − 1` coarser levels.
fn pyramid(field: Plane, first: usize, count: usize) -> Vec<Plane> {
    let mut level = field;
    for _ in 0..first {
        level = level.halved();
    }
    let mut out = Vec::with_capacity(count);
    for i in 0..count {
        out.push(level.smoothed());
        if i + 1 < count {
            level = level.halved();
        }
    }
    out
}

impl Known {
    /// From weights of knowledge (1 known, 0 not) on a grid halved once already.
    pub fn new(weights: Plane, first: usize, count: usize) -> Self {
        Self { smoothed: pyramid(weights, first, count) }
    }
}

impl Levels {
    /// Normalised convolution (Knutsson & Westin 1993): channels given as value × knowledge, divided by the smoothed
    /// knowledge; where little is known the next coarser level speaks.
    pub fn new(weighted: Plane, known: &Known, first: usize) -> Self {
        let mut planes = pyramid(weighted, first, known.smoothed.len());
        for i in (0..planes.len()).rev() {
            let (finer, coarser) = planes.split_at_mut(i + 1);
            let plane = &mut finer[i];
            let mut fill = Plane::zeros(plane.rows, plane.columns);
            let beyond = coarser.first();
            if let Some(coarse) = beyond {
                fill.add_upsampled(coarse);
            }
            let least = if beyond.is_some() { FILL } else { 1e-3 };
            plane.cells.par_iter_mut().zip(&fill.cells).zip(&known.smoothed[i].cells).for_each(
                |((cell, fill), known)| {
                    for k in 0..4 {
                        cell[k] = (cell[k] + FILL * fill[k]) / (known[k] + least);
                    }
                },
            );
        }
        Self { planes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Plane {
        let cells = (0..rows * columns).map(|i| [value(i / columns, i % columns); 4]).collect();
        Plane { rows, columns, cells }
    }

    #[test]
    fn a_constant_stays_constant_at_every_scale_however_little_of_it_is_known() {
        let seen = |r: usize, c: usize| f32::from(u8::from(r * 7 + c * 3 < 300 && (r + c).is_multiple_of(3)));
        let known = Known::new(plane(53, 37, seen), 1, 4);
        let levels = Levels::new(plane(53, 37, |r, c| 0.7 * seen(r, c)), &known, 1);
        for plane in &levels.planes {
            assert!(plane.cells.iter().flatten().all(|v| *v <= 0.7 + 1e-4));
            let near_what_is_known = plane.sample(0.0, 0.0);
            assert!((near_what_is_known[0] - 0.7).abs() < 0.05, "{near_what_is_known:?}");
        }
    }

    #[test]
    fn a_slope_is_a_slope_on_the_finer_level() {
        let coarse = plane(8, 8, |r, c| (4 * r + 2 * c) as f32);
        let mut fine = Plane::zeros(16, 15);
        fine.add_upsampled(&coarse);
        let at = |r: usize, c: usize| fine.cells[r * 15 + c][0];
        assert!((at(7, 7) - at(6, 7) - 2.0).abs() < 1e-5 && (at(7, 7) - at(7, 6) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn a_stretched_row_is_what_single_samples_are() {
        let level = plane(5, 7, |r, c| ((r * 13 + c * 7) % 11) as f32);
        for (halvings, columns) in [(2, 28), (3, 56), (3, 4), (3, 64), (4, 120)] {
            let (mut line, at) = (Vec::new(), |cell: usize| (cell as f32 + 0.5) / (1 << halvings) as f32 - 0.5);
            level.row(9, halvings, &mut line);
            for first in (0..columns).step_by(4) {
                let [start, step] = stretched(&line, first, halvings);
                let exact = if halvings < 3 { vec![0, 3] } else { vec![0, 1, 2, 3] };
                for i in exact {
                    let expected = level.sample(at(9), at(first + i))[0];
                    assert!((start[0] + i as f32 * step[0] - expected).abs() < 1e-4, "{halvings} {}", first + i);
                }
            }
        }
    }

    #[test]
    fn the_values_at_places_are_what_single_samples_are() {
        for (rows, columns) in [(5, 7), (1, 4), (3, 1), (1, 1)] {
            let level = plane(rows, columns, |r, c| ((r * 13 + c * 7) % 11) as f32);
            for eighth in 0..5 {
                let at = |d: f32| std::array::from_fn(|i| (8 * eighth + i) as f32 * d - 5.0 * d);
                let [r, c] = [at(0.21), at(0.34)];
                let places = level.places([r, c], 0);
                for k in 0..SEGMENT {
                    assert!(
                        (level.corners().at(&places, k)[0] - level.sample(r[k], c[k])[0]).abs() < 1e-4,
                        "{} {}",
                        r[k],
                        c[k]
                    );
                }
            }
        }
    }

    #[test]
    fn a_single_cell_and_no_cell_are_planes_too() {
        for (rows, columns) in [(1, 1), (0, 0), (1, 5)] {
            let known = Known::new(plane(rows, columns, |_, _| 1.0), 2, 5);
            let levels = Levels::new(plane(rows, columns, |_, _| 1.0), &known, 2);
            assert_eq!(levels.planes.len(), 5);
        }
    }
}
