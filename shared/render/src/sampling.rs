//! Which cell of a grid each pixel of a window shows.
//!
//! Projecting every pixel would cost more than drawing it. Projections are smooth, so that (row, column) is computed
//! exactly on a lattice of every 16th pixel and interpolated between; where that would be wrong by more than a tenth of
//! a pixel (small zooms, the rim of a projection) the pixels of a block are computed one by one.

use raincell_model::{GeoReference, Grid};

use crate::colors::NODATA_CODE;
use crate::mercator::Window;
use crate::plane::{CellRange, Plane};

/// Pixels between two nodes of the lattice.
const STEP: usize = 16;
/// Largest error of an interpolated position, in pixels.
const TOLERANCE_PIXELS: f32 = 0.1;
/// Nodes on a side when the reach of a grid is explored.
const EXPLORED: usize = 17;

/// Fractional (row, column); NaN off the grid's projection.
type Cell = (f32, f32);
const NOWHERE: Cell = (f32::NAN, f32::NAN);

/// Latitudes and longitudes that a grid can reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub south: f64,
    pub north: f64,
    pub west: f64,
    pub east: f64,
}

impl Reach {
    /// Explores a grid at 17 × 17 points, its edges among them, and adds a margin of one step.
    pub fn of(geo: &GeoReference) -> Self {
        let grid = geo.grid();
        let mut reach = Self { south: 90.0, north: -90.0, west: 180.0, east: -180.0 };
        for i in 0..EXPLORED {
            for j in 0..EXPLORED {
                let share = |k: usize, cells: usize| cells as f64 * k as f64 / (EXPLORED - 1) as f64;
                if let Some((lat, lon)) = geo.lat_lon_of(share(i, grid.height), share(j, grid.width)) {
                    reach.south = reach.south.min(lat);
                    reach.north = reach.north.max(lat);
                    reach.west = reach.west.min(lon);
                    reach.east = reach.east.max(lon);
                }
            }
        }
        let margin = 0.02 + (reach.north - reach.south).abs() / EXPLORED as f64;
        reach.south -= margin;
        reach.north += margin;
        let pole = [90.0, -90.0].into_iter().any(|lat| geo.index_of(lat, 0.0).is_some());
        let margin = 0.02 + (reach.east - reach.west).abs() / EXPLORED as f64;
        if pole || reach.east - reach.west > 180.0 {
            (reach.west, reach.east) = (-180.0, 180.0);
        } else {
            reach.west -= margin;
            reach.east += margin;
        }
        reach
    }

    /// Pixels (left, top, right, bottom) of a window within which the grid can lie; `None` if it lies outside.
    fn in_window(&self, window: &Window) -> Option<(f64, f64, f64, f64)> {
        let (width, height) = (window.width as f64, window.height as f64);
        let (_, top) = window.pixel_of(self.north, self.west);
        let (_, bottom) = window.pixel_of(self.south, self.west);
        let turn = 1.0 / window.pixel;
        let (mut left, mut right) = (0.0, width);
        if self.east - self.west < 180.0 {
            let middle = f64::midpoint(self.west, self.east);
            let (x, _) = window.pixel_of(0.0, middle);
            let half = (self.east - self.west) / 720.0 * turn;
            (left, right) = (x - half, x + half);
        }
        (top < height && bottom > 0.0 && left < width && right > 0.0)
            .then(|| (left.max(0.0), top.max(0.0), right.min(width), bottom.min(height)))
    }
}

/// The cells that the pixels of a window show.
pub(crate) struct CellMap {
    width: usize,
    height: usize,
    /// Blocks in a row.
    across: usize,
    blocks: Vec<Block>,
    /// The cells that the window needs, with a cell of margin for interpolation.
    pub needed: Option<CellRange>,
    /// Cells on the way of one pixel, about the middle of the grid's part.
    pub cells_per_pixel: f32,
}

/// One block of up to 16 × 16 pixels.
enum Block {
    /// Nothing of the grid is in it.
    Outside,
    /// Corners: upper left, upper right, lower left, lower right.
    Interpolated([Cell; 4]),
    /// Every pixel, row by row.
    Exact(Vec<Cell>),
}

impl CellMap {
    /// Looks up where the pixel centres of a window lie on a grid.
    pub fn new(geo: &GeoReference, reach: &Reach, window: &Window) -> Self {
        let (across, down) = (window.width.div_ceil(STEP), window.height.div_ceil(STEP));
        let mut map = Self {
            width: window.width,
            height: window.height,
            across,
            blocks: Vec::with_capacity(across * down),
            needed: None,
            cells_per_pixel: 0.0,
        };
        let Some((left, top, right, bottom)) = reach.in_window(window) else {
            map.blocks.resize_with(across * down, || Block::Outside);
            return map;
        };
        let locate = |x: f64, y: f64| {
            let (lat, lon) = window.lat_lon(x, y);
            geo.cell_of(lat, lon).map_or(NOWHERE, |(row, column)| (row as f32, column as f32))
        };
        // Node (i, j) lies at pixel centre (16 i + ½, 16 j + ½).
        let node = |i: usize, j: usize| locate((i * STEP) as f64 + 0.5, (j * STEP) as f64 + 0.5);
        let mut upper: Vec<Cell> = (0..=across).map(|i| node(i, 0)).collect();
        for j in 0..down {
            let lower: Vec<Cell> = (0..=across).map(|i| node(i, j + 1)).collect();
            for i in 0..across {
                let (x0, y0) = ((i * STEP) as f64, (j * STEP) as f64);
                let side = STEP as f64;
                let outside = x0 > right || y0 > bottom || x0 + side < left || y0 + side < top;
                map.blocks.push(if outside {
                    Block::Outside
                } else {
                    let corners = [upper[i], upper[i + 1], lower[i], lower[i + 1]];
                    if is_straight(&corners, locate(x0 + 0.5 + side / 2.0, y0 + 0.5 + side / 2.0)) {
                        Block::Interpolated(corners)
                    } else {
                        Block::Exact(
                            (0..STEP * STEP)
                                .map(|k| locate(x0 + 0.5 + (k % STEP) as f64, y0 + 0.5 + (k / STEP) as f64))
                                .collect(),
                        )
                    }
                });
            }
            upper = lower;
        }
        map.survey(geo.grid());
        map
    }

    /// Finds which cells are needed and how many of them a pixel spans.
    fn survey(&mut self, grid: &Grid) {
        let (mut rows, mut columns) = ((f32::MAX, f32::MIN), (f32::MAX, f32::MIN));
        let mut spans: Vec<f32> = Vec::new();
        let (height, width) = (grid.height as f32, grid.width as f32);
        let mut note = |&(row, column): &Cell| {
            if !row.is_nan() {
                rows = (rows.0.min(row), rows.1.max(row));
                columns = (columns.0.min(column), columns.1.max(column));
            }
        };
        let on_grid = |&(row, column): &Cell| row >= 0.0 && column >= 0.0 && row < height && column < width;
        for block in &self.blocks {
            match block {
                Block::Outside => {}
                Block::Interpolated(corners) => {
                    corners.iter().for_each(&mut note);
                    if corners.iter().any(on_grid) {
                        spans.push(distance(corners[0], corners[1]) / STEP as f32);
                    }
                }
                Block::Exact(cells) => {
                    cells.iter().for_each(&mut note);
                    spans.extend(
                        cells.windows(2).filter(|pair| on_grid(&pair[0])).map(|pair| distance(pair[0], pair[1])),
                    );
                }
            }
        }
        spans.retain(|span| span.is_finite());
        spans.sort_by(f32::total_cmp);
        self.cells_per_pixel = spans.get(spans.len() / 2).copied().unwrap_or(1.0);
        let range = |(low, high): (f32, f32), cells: usize| {
            let low = (low.floor() - 1.0).clamp(0.0, cells as f32) as usize;
            let high = (high.ceil() + 2.0).clamp(0.0, cells as f32) as usize;
            (low < high).then_some((low, high))
        };
        self.needed =
            range(rows, grid.height).zip(range(columns, grid.width)).map(|(rows, columns)| CellRange { rows, columns });
    }

    /// Colour code of each pixel, row by row.
    pub fn codes(&self, plane: &Plane, smooth: bool) -> Vec<u8> {
        let mut codes = vec![NODATA_CODE; self.width * self.height];
        for (number, block) in self.blocks.iter().enumerate() {
            let (x0, y0) = (number % self.across * STEP, number / self.across * STEP);
            let (columns, rows) = (STEP.min(self.width - x0), STEP.min(self.height - y0));
            let uniform = block.uniform(plane);
            for y in 0..rows {
                let start = (y0 + y) * self.width + x0;
                let out = &mut codes[start..start + columns];
                match (block, uniform) {
                    (Block::Outside, _) => {}
                    (_, Some(code)) => out.fill(code),
                    (Block::Interpolated(_), None) => {
                        let (first, step) = block.line(y);
                        plane.line(first, step, smooth, out);
                    }
                    (Block::Exact(cells), None) => {
                        for (code, &(row, column)) in out.iter_mut().zip(&cells[y * STEP..]) {
                            *code = plane.code(row, column, smooth);
                        }
                    }
                }
            }
        }
        codes
    }
}

impl Block {
    /// Position at the left end of a line of an interpolated block, and the step from pixel to pixel.
    fn line(&self, y: usize) -> (Cell, Cell) {
        let Self::Interpolated([a, b, c, d]) = *self else { return (NOWHERE, NOWHERE) };
        let down = y as f32 / STEP as f32;
        let (left, right) = (between(a, c, down), between(b, d, down));
        (left, ((right.0 - left.0) / STEP as f32, (right.1 - left.1) / STEP as f32))
    }

    /// The code that all its pixels have, where that is known without looking at each.
    fn uniform(&self, plane: &Plane) -> Option<u8> {
        let Self::Interpolated(corners) = self else { return None };
        let fold = |f: fn(f32, f32) -> f32| {
            corners.iter().copied().reduce(|a, b| (f(a.0, b.0), f(a.1, b.1))).unwrap_or(NOWHERE)
        };
        plane.uniform(fold(f32::min), fold(f32::max))
    }
}

fn between(a: Cell, b: Cell, share: f32) -> Cell {
    (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
}

fn distance(a: Cell, b: Cell) -> f32 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// Whether interpolating between the corners of a block hits its middle. The middle is where a smooth function bends
/// away farthest from its bilinear interpolation.
fn is_straight(corners: &[Cell; 4], middle: Cell) -> bool {
    let guess = between(between(corners[0], corners[1], 0.5), between(corners[2], corners[3], 0.5), 0.5);
    let cells_per_pixel = distance(corners[0], corners[3]) / (STEP as f32 * std::f32::consts::SQRT_2);
    // False for NaN as well.
    distance(guess, middle) <= TOLERANCE_PIXELS * cells_per_pixel
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    impl CellMap {
        /// Calls `visit` with the index (row by row) and the fractional (row, column) of each pixel that may lie on the
        /// grid.
        fn for_each(&self, mut visit: impl FnMut(usize, f32, f32)) {
            for (number, block) in self.blocks.iter().enumerate() {
                let (x0, y0) = (number % self.across * STEP, number / self.across * STEP);
                for y in 0..STEP.min(self.height - y0) {
                    for x in 0..STEP.min(self.width - x0) {
                        let (row, column) = match block {
                            Block::Outside => continue,
                            Block::Interpolated(_) => {
                                let (first, step) = block.line(y);
                                (first.0 + step.0 * x as f32, first.1 + step.1 * x as f32)
                            }
                            Block::Exact(cells) => cells[y * STEP + x],
                        };
                        visit((y0 + y) * self.width + x0 + x, row, column);
                    }
                }
            }
        }
    }

    fn swiss() -> Grid {
        Grid {
            projection: "+proj=somerc +lon_0=7.43958333333333 +lat_0=46.9524055555556 +k_0=1 +x_0=600000 +y_0=200000 \
                         +ellps=bessel +units=m"
                .into(),
            left: 255_000.0,
            top: 480_000.0,
            cell_width: 1000.0,
            cell_height: 1000.0,
            width: 710,
            height: 640,
        }
    }

    #[test]
    fn interpolated_positions_are_within_a_tenth_of_a_pixel() {
        let grid = swiss();
        let geo = grid.georeference().unwrap();
        let reach = Reach::of(&geo);
        for (z, x, y) in [(5, 16, 11), (7, 66, 45), (9, 266, 180), (12, 2138, 1443)] {
            let window = Window::tile(z, x, y, 256);
            let map = CellMap::new(&geo, &reach, &window);
            let mut seen = 0;
            map.for_each(|index, row, column| {
                let (lat, lon) = window.lat_lon((index % 256) as f64 + 0.5, (index / 256) as f64 + 0.5);
                let (true_row, true_column) = geo.cell_of(lat, lon).unwrap();
                let off = distance((row, column), (true_row as f32, true_column as f32));
                assert!(off <= 0.1 * map.cells_per_pixel + 1e-3, "{z}/{x}/{y}: {off} cells at pixel {index}");
                seen += 1;
            });
            assert!(seen > 256, "{z}/{x}/{y}: {seen}");
        }
    }

    #[test]
    fn blocks_that_are_all_alike_get_the_same_codes_as_pixel_by_pixel() {
        let grid = swiss();
        let geo = grid.georeference().unwrap();
        let mut field = ndarray::Array2::from_elem(grid.shape(), 0.0_f32);
        for ((row, column), rate) in field.indexed_iter_mut() {
            *rate = match (row / 50 + column / 70) % 5 {
                0 => f32::NAN,
                1 => 3.0,
                _ => 0.0,
            };
        }
        let reach = Reach::of(&geo);
        for (z, x, y) in [(5, 16, 11), (7, 66, 45), (9, 266, 180)] {
            let map = CellMap::new(&geo, &reach, &Window::tile(z, x, y, 256));
            let plane = Plane::new(&field.view(), map.needed.unwrap(), 1);
            for smooth in [false, true] {
                let mut expected = vec![NODATA_CODE; 65536];
                map.for_each(|index, row, column| expected[index] = plane.code(row, column, smooth));
                assert!(map.codes(&plane, smooth) == expected, "{z}/{x}/{y}, smooth {smooth}");
            }
        }
    }

    #[test]
    fn a_window_elsewhere_needs_no_cells() {
        let geo = swiss().georeference().unwrap();
        let map = CellMap::new(&geo, &Reach::of(&geo), &Window::tile(6, 10, 20, 256));
        assert_eq!(map.needed, None);
        map.for_each(|_, _, _| unreachable!("no pixel lies on the grid"));
    }

    #[test]
    fn a_grid_over_the_pole_or_the_date_line_is_found_on_both_sides() {
        for (lat, lon) in [(89.5, 10.0), (-17.8, 179.5)] {
            let geo = Grid::around_radar(lat, lon, 240.0, 2.0).georeference().unwrap();
            let reach = Reach::of(&geo);
            for side in [-179.0, 179.0] {
                let window = Window::centred(lat.min(84.9), side, Window::pixel_for(4.0, lat.min(84.9)), 64, 64);
                let map = CellMap::new(&geo, &reach, &window);
                let mut on_grid = 0;
                map.for_each(|_, row, column| {
                    on_grid += usize::from((0.0..240.0).contains(&row) && (0.0..240.0).contains(&column));
                });
                assert!(lat > 80.0 || on_grid > 1000, "{lat} {side}: {on_grid}");
            }
        }
    }
}
