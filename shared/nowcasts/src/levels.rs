//! Fields at ever wider scales: cells of 2, 4, 8… grid cells, each smoothed, unknown cells without a say.

use raincell_simd::widest;
use rayon::prelude::*;

/// Channels side by side, so that one instruction works on all of them.
pub(crate) type Lanes = [f32; 4];
/// What a coarser level weighs against fully known cells: it fills what is unknown and hardly changes the rest.
const FILL: f32 = 0.03;

/// A row-major field of four channels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plane {
    pub rows: usize,
    pub columns: usize,
    pub cells: Vec<Lanes>,
}

/// Between which cells of a plane a place lies: the upper left one, and how far it is to the next ones, 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    cell: u32,
    down: f32,
    right: f32,
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
        const KERNEL: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];
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
                    for (sum, cells) in line.iter_mut().zip(padded.windows(KERNEL.len())) {
                        for (cell, weight) in cells.iter().zip(KERNEL) {
                            add(sum, cell, weight);
                        }
                    }
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
                    let cells = a.iter().zip(b).zip(c).zip(d).zip(e);
                    for (sum, ((((a, b), c), d), e)) in line.as_flattened_mut().iter_mut().zip(cells) {
                        *sum = KERNEL[0] * a + KERNEL[1] * b + KERNEL[2] * c + KERNEL[3] * d + KERNEL[4] * e;
                    }
                },
            );
        });
        out
    }

    /// A row of grid cells of which `2^halvings` lie along a cell of this level: what [`Plane::sample`] gives for each.
    pub fn stretched_row(&self, row: usize, halvings: usize, columns: usize, out: &mut Vec<Lanes>) {
        let width = 1_usize << halvings;
        let place = |cell: usize, size: usize| {
            let at = ((cell as f32 + 0.5) / width as f32 - 0.5).clamp(0.0, (size - 1) as f32);
            (at as usize, (at as usize + 1).min(size - 1), at.fract())
        };
        out.clear();
        let (r0, r1, f) = place(row, self.rows);
        let of = |c: usize| -> Lanes {
            let (a, b) = (&self.cells[r0 * self.columns + c], &self.cells[r1 * self.columns + c]);
            std::array::from_fn(|k| a[k] + f * (b[k] - a[k]))
        };
        // Between two columns of the level, from middle to middle, all goes in a straight line.
        let mut first = 0;
        while first < columns {
            let (c0, c1, _) = place(first, self.columns);
            let end = if first < width / 2 { width / 2 } else { first + width }.min(columns);
            let (a, b) = (of(c0), of(c1));
            out.extend((first..end).map(|cell| {
                let f = place(cell, self.columns).2;
                std::array::from_fn::<f32, 4, _>(|k| a[k] + f * (b[k] - a[k]))
            }));
            first = end;
        }
    }

    /// The value at fractional cell (row, column), the nearest edge value beyond the edges.
    #[inline(always)]
    pub fn sample(&self, row: f32, column: f32) -> Lanes {
        let row = row.clamp(0.0, (self.rows - 1) as f32);
        let column = column.clamp(0.0, (self.columns - 1) as f32);
        let (r0, c0) = (row as usize, column as usize);
        let (r1, c1) = ((r0 + 1).min(self.rows - 1), (c0 + 1).min(self.columns - 1));
        let (fr, fc) = (row - r0 as f32, column - c0 as f32);
        let (upper, lower) =
            (&self.cells[r0 * self.columns..][..self.columns], &self.cells[r1 * self.columns..][..self.columns]);
        let (a, b, c, d) = (upper[c0], upper[c1], lower[c0], lower[c1]);
        std::array::from_fn(|k| {
            let top = a[k] + fc * (b[k] - a[k]);
            let bottom = c[k] + fc * (d[k] - c[k]);
            top + fr * (bottom - top)
        })
    }

    /// Where the fractional cells (row, column) of this plane lie that `at` gives; the nearest edge beyond the edges.
    #[inline(always)]
    pub fn places(&self, at: impl Iterator<Item = [f32; 2]>, out: &mut [Place]) {
        let place = |at: f32, size: usize| {
            let at = at.max(0.0).min(size.saturating_sub(1) as f32);
            // Of what is not negative the cast is the floor; the last cell is the far end of the last but one.
            let first = at.min(size.saturating_sub(2) as f32) as i32;
            (first, at - first as f32)
        };
        let columns = self.columns as i32;
        for (out, [row, column]) in out.iter_mut().zip(at) {
            let ((r, down), (c, right)) = (place(row, self.rows), place(column, self.columns));
            *out = Place { cell: (r * columns + c) as u32, down, right };
        }
    }

    /// The value at a place.
    #[inline(always)]
    pub fn at(&self, place: Place) -> Lanes {
        let cell = place.cell as usize;
        let right = cell + usize::from(self.columns > 1);
        let below = if self.rows > 1 { self.columns } else { 0 };
        let [a, b, c, d] = [cell, right, cell + below, right + below].map(|i| self.cells[i]);
        std::array::from_fn(|k| {
            let top = a[k] + place.right * (b[k] - a[k]);
            let bottom = c[k] + place.right * (d[k] - c[k]);
            top + place.down * (bottom - top)
        })
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
                blend.extend(
                    near.iter().zip(far).map(|(n, f)| std::array::from_fn::<f32, 4, _>(|k| 0.75 * n[k] + 0.25 * f[k])),
                );
                let last = blend.len() - 1;
                for (pair, (i, here)) in line.chunks_mut(2).zip(blend.iter().enumerate()) {
                    let neighbours = [&blend[i.saturating_sub(1)], &blend[(i + 1).min(last)]];
                    for (cell, neighbour) in pair.iter_mut().zip(neighbours) {
                        add(cell, here, 0.75);
                        add(cell, neighbour, 0.25);
                    }
                }
            },
        );
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
        for (halvings, columns) in [(1, 13), (3, 55), (3, 3), (4, 120)] {
            let (mut row, at) = (Vec::new(), |cell: usize| (cell as f32 + 0.5) / (1 << halvings) as f32 - 0.5);
            level.stretched_row(9, halvings, columns, &mut row);
            assert_eq!(row.len(), columns);
            for (column, lanes) in row.iter().enumerate() {
                assert!((lanes[0] - level.sample(at(9), at(column))[0]).abs() < 1e-4, "{halvings} {column}");
            }
        }
    }

    #[test]
    fn the_values_at_places_are_what_single_samples_are() {
        for (rows, columns) in [(5, 7), (1, 4), (3, 1), (1, 1)] {
            let level = plane(rows, columns, |r, c| ((r * 13 + c * 7) % 11) as f32);
            let at: Vec<[f32; 2]> = (0..40).map(|i| [i as f32 * 0.21 - 1.0, i as f32 * 0.34 - 2.0]).collect();
            let mut places = vec![Place::default(); at.len()];
            level.places(at.iter().copied(), &mut places);
            for (place, [row, column]) in places.into_iter().zip(at) {
                assert!((level.at(place)[0] - level.sample(row, column)[0]).abs() < 1e-4, "{row} {column}");
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
