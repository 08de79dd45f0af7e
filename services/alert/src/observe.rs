//! What a rain field says of a watched place.

use raincell_model::{Grid, GridError, NowcastRun, RainField, distance_km};

use crate::area::Area;
use crate::machine::{Outlook, PlaceRain};

/// The share of the area that must reach a rate for the place to count as having it: a single noisy cell is no rain.
const REACHED_SHARE: f64 = 0.1;

/// The least share of the area that must be observed; below, the place counts as unknown.
const OBSERVED_SHARE: f64 = 0.5;

/// The cells of one grid within the area of one place.
#[derive(Clone, Debug)]
pub struct PlaceCells {
    fingerprint: u64,
    /// (row, column) of the cells on the grid.
    cells: Vec<(usize, usize)>,
    /// Cells within the area, on the grid or off it.
    total: usize,
}

/// The rain within the area of a place in one field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The rate that a tenth of the area reaches, mm/h; `None` where less than half of the area was observed.
    pub rate_mm_h: Option<f32>,
    /// Strongest rate in the area, mm/h; `None` where nothing was observed.
    pub max_mm_h: Option<f32>,
    /// Mean rate of the observed area, mm/h; `None` where nothing was observed.
    pub mean_mm_h: Option<f32>,
    /// Share of the area that was observed, 0–1.
    pub observed_share: f64,
}

impl PlaceCells {
    /// The cells of a circle.
    ///
    /// # Errors
    /// As [`PlaceCells::of`].
    pub fn new(grid: &Grid, lat_deg: f64, lon_deg: f64, radius_km: f64) -> Result<Option<Self>, GridError> {
        Self::of(grid, &Area::circle(lat_deg, lon_deg, radius_km))
    }

    /// The cells whose centre lies in an area, and the one that holds its middle where that is in the area. `None` off
    /// the grid.
    ///
    /// # Errors
    /// [`GridError`] when the projection of the grid cannot be used.
    pub fn of(grid: &Grid, area: &Area) -> Result<Option<Self>, GridError> {
        let reference = grid.georeference()?;
        let here = (area.lat_deg, area.lon_deg);
        let Some((row, column)) = reference.cell_of(here.0, here.1) else { return Ok(None) };
        let home = Some((row.floor() as i64, column.floor() as i64)).filter(|_| area.contains(here.0, here.1));
        // How large a cell is where the place lies; projections stretch, so that the middle of the grid may differ.
        let size_km = |rows: f64, columns: f64| {
            let there = reference.lat_lon_of(row + rows, column + columns);
            there.map_or(grid.cell_km(), |there| distance_km(here, there)).max(1e-3)
        };
        let reach = |cell_km: f64| (area.radius_km / cell_km * 1.1).ceil().min(2000.0) as i64 + 1;
        let (rows, columns) = (reach(size_km(1.0, 0.0)), reach(size_km(0.0, 1.0)));
        let (mut cells, mut total) = (Vec::new(), 0);
        for r in row.floor() as i64 - rows..=row.floor() as i64 + rows {
            for c in column.floor() as i64 - columns..=column.floor() as i64 + columns {
                let centre = reference.lat_lon_of(r as f64 + 0.5, c as f64 + 0.5);
                if home != Some((r, c)) && !centre.is_some_and(|(lat, lon)| area.contains(lat, lon)) {
                    continue;
                }
                total += 1;
                let index = usize::try_from(r).ok().zip(usize::try_from(c).ok());
                cells.extend(index.filter(|&(r, c)| r < grid.height && c < grid.width));
            }
        }
        Ok((!cells.is_empty()).then(|| Self { fingerprint: grid.fingerprint(), cells, total }))
    }

    /// True when these are cells of `grid`.
    pub fn belong_to(&self, grid: &Grid) -> bool {
        self.fingerprint == grid.fingerprint()
    }

    /// The rain here in a field on the same grid.
    pub fn read(&self, field: &RainField) -> Reading {
        let rates = self.cells.iter().filter_map(|&cell| field.rate_mm_h.get(cell).copied());
        let mut observed: Vec<f32> = rates.filter(|rate| !rate.is_nan()).collect();
        observed.sort_unstable_by(|a, b| b.total_cmp(a));
        let observed_share = observed.len() as f64 / self.total as f64;
        let needed = (self.total as f64 * REACHED_SHARE).ceil().max(1.0) as usize;
        let known = observed_share >= OBSERVED_SHARE;
        Reading {
            rate_mm_h: observed.get(needed - 1).copied().filter(|_| known),
            max_mm_h: observed.first().copied(),
            mean_mm_h: (!observed.is_empty()).then(|| observed.iter().sum::<f32>() / observed.len() as f32),
            observed_share,
        }
    }

    /// What a nowcast run expects here; `probabilities` are fields of the probability of rain (0–1) at the times of the
    /// run, where it has them.
    pub fn outlook(&self, run: &NowcastRun, probabilities: &[RainField]) -> Outlook {
        let step = |field: &RainField| {
            let same_time = probabilities.iter().find(|p| p.valid_time == field.valid_time && p.grid == field.grid);
            // As with rates: what a tenth of the area reaches.
            let probability = same_time.and_then(|field| self.read(field).rate_mm_h);
            PlaceRain { probability, ..self.rain(field) }
        };
        Outlook { issued: run.issue_time, steps: run.fields.iter().map(step).collect() }
    }

    /// The rain here at the time of a field.
    pub fn rain(&self, field: &RainField) -> PlaceRain {
        PlaceRain { time: field.valid_time, rate_mm_h: self.read(field).rate_mm_h, probability: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use ndarray::Array2;

    use super::*;

    fn field(grid: &Grid, rate: impl Fn(usize, usize) -> f32) -> RainField {
        RainField {
            grid: Arc::new(grid.clone()),
            valid_time: Timestamp::UNIX_EPOCH,
            rate_mm_h: Array2::from_shape_fn(grid.shape(), |(r, c)| rate(r, c)),
        }
    }

    #[test]
    fn the_area_of_the_cells_is_that_of_the_circle_on_every_kind_of_grid() {
        let around = Grid::around_radar(52.0, 4.0, 50.0, 1.0);
        let degrees = Grid {
            projection: "+proj=longlat +datum=WGS84".into(),
            left: 0.0,
            top: 65.0,
            cell_width: 0.01,
            cell_height: 0.01,
            width: 1000,
            height: 2000,
        };
        for (grid, lat, lon) in [(around, 52.05, 4.1), (degrees, 64.5, 5.0)] {
            let cells = PlaceCells::new(&grid, lat, lon, 10.0).unwrap().unwrap();
            let reference = grid.georeference().unwrap();
            let (row, column) = reference.cell_of(lat, lon).unwrap();
            let corner = |r: f64, c: f64| reference.lat_lon_of(row + r, column + c).unwrap();
            let cell_km2 =
                distance_km(corner(0.0, 0.0), corner(0.0, 1.0)) * distance_km(corner(0.0, 0.0), corner(1.0, 0.0));
            let area = cells.total as f64 * cell_km2;
            assert!((area / 314.16 - 1.0).abs() < 0.03, "{area} km²");
        }
    }

    #[test]
    fn one_noisy_cell_is_no_rain_but_a_tenth_of_the_area_is() {
        let grid = Grid::around_radar(52.0, 4.0, 20.0, 1.0);
        let cells = PlaceCells::new(&grid, 52.0, 4.0, 3.0).unwrap().unwrap();
        let noisy = field(&grid, |r, c| if (r, c) == (20, 20) { 50.0 } else { 0.0 });
        let reading = cells.read(&noisy);
        assert_eq!((reading.rate_mm_h, reading.max_mm_h), (Some(0.0), Some(50.0)));
        let shower = field(&grid, |r, _| if r == 20 { 4.0 } else { 0.0 });
        assert_eq!(cells.read(&shower).rate_mm_h, Some(4.0));
    }

    #[test]
    fn a_place_that_is_mostly_unobserved_is_unknown_and_one_off_the_grid_is_none() {
        let grid = Grid::around_radar(52.0, 4.0, 20.0, 1.0);
        let cells = PlaceCells::new(&grid, 52.0, 4.0, 3.0).unwrap().unwrap();
        let half_seen = field(&grid, |r, _| if r < 19 { 9.0 } else { f32::NAN });
        let reading = cells.read(&half_seen);
        assert_eq!(reading.rate_mm_h, None);
        assert_eq!((reading.max_mm_h, reading.mean_mm_h), (Some(9.0), Some(9.0)));
        assert!(PlaceCells::new(&grid, 60.0, 4.0, 3.0).unwrap().is_none());
    }

    #[test]
    fn the_cells_of_a_polygon_are_those_inside_it() {
        let grid = Grid::around_radar(52.0, 4.0, 50.0, 1.0);
        let text = r#"{"type":"Polygon","coordinates":[[[3.9,51.9],[4.1,51.9],[4.1,52.1],[3.9,51.9]]]}"#;
        let cells = PlaceCells::of(&grid, &Area::from_geojson(text).unwrap()).unwrap().unwrap();
        // Half of 13.7 km × 22.2 km.
        assert!((145..160).contains(&cells.total), "{}", cells.total);
        let south_east = field(&grid, |r, c| if r > 50 && c > 50 { 3.0 } else { 0.0 });
        assert_eq!(cells.read(&south_east).rate_mm_h, Some(3.0));
        let north_west = field(&grid, |r, c| if r < 49 && c < 49 { 3.0 } else { 0.0 });
        assert_eq!(cells.read(&north_west).rate_mm_h, Some(0.0));
        let tiny = r#"{"type":"Polygon","coordinates":[[[4.0001,52.0001],[4.0002,52.0001],[4.0002,52.0002],[4.0001,52.0001]]]}"#;
        let cells = PlaceCells::of(&grid, &Area::from_geojson(tiny).unwrap()).unwrap().unwrap();
        assert_eq!(cells.total, 1, "never smaller than a cell");
    }

    #[test]
    fn cells_beyond_the_edge_of_the_grid_count_as_unobserved() {
        let grid = Grid::around_radar(52.0, 4.0, 20.0, 1.0);
        let (lat, lon) = grid.georeference().unwrap().lat_lon_of(0.5, 0.5).unwrap();
        let cells = PlaceCells::new(&grid, lat, lon, 5.0).unwrap().unwrap();
        let reading = cells.read(&field(&grid, |_, _| 1.0));
        assert!(reading.observed_share < 0.5 && reading.rate_mm_h.is_none(), "{reading:?}");
    }
}
