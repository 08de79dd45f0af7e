//! Many radars of one time on one grid, each weighted with its quality.

use std::sync::Arc;

use ndarray::Array2;
use raincell_model::{Grid, RadarSite, RainField};
use rayon::prelude::*;
use thiserror::Error;

/// Why there is no composite.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CompositeError {
    /// Nothing to put together.
    #[error("a composite wants at least one radar, got none")]
    NoRadars,
    /// A radar's rain is not on the grid of the others.
    #[error("radar {number} is on another grid than the first ({found:?} rows and columns, expected {expected:?})")]
    Grid {
        /// Which one, counted from 0.
        number: usize,
        /// (rows, columns) of the first.
        expected: (usize, usize),
        /// (rows, columns) of this one.
        found: (usize, usize),
    },
}

/// Rain of one radar or of many, with how much it is worth.
#[derive(Clone, Debug)]
pub struct Weighted {
    /// Rain rate, mm/h; NaN unknown.
    pub field: RainField,
    /// Quality 0–1, of the same shape; NaN where nothing is known of it.
    pub quality: Array2<f32>,
}

/// The radars' rain as one field: of each cell the mean of those that observed it, weighted with their quality (as
/// wradlib's `compose_weighted`); its quality is that of the best of them. A cell that no radar observed stays unknown, and
/// one that a single radar observed takes its value whatever its quality. The valid time is the latest of theirs.
///
/// # Errors
/// [`CompositeError`]: no radar, or radars on several grids.
pub fn composite(radars: &[Weighted]) -> Result<Weighted, CompositeError> {
    let first = radars.first().ok_or(CompositeError::NoRadars)?;
    let expected = first.field.grid.shape();
    for (number, radar) in radars.iter().enumerate() {
        let shapes = [radar.field.grid.shape(), radar.field.rate_mm_h.dim(), radar.quality.dim()];
        if let Some(found) = shapes.into_iter().find(|found| *found != expected) {
            return Err(CompositeError::Grid { number, expected, found });
        }
        if *radar.field.grid != *first.field.grid {
            return Err(CompositeError::Grid { number, expected, found: expected });
        }
    }
    let (_, columns) = expected;
    let mut rate_mm_h = Array2::from_elem(expected, f32::NAN);
    let mut quality = Array2::from_elem(expected, f32::NAN);
    if let (Some(rates), Some(qualities)) = (rate_mm_h.as_slice_mut(), quality.as_slice_mut()) {
        let lines = rates.par_chunks_mut(columns.max(1)).zip(qualities.par_chunks_mut(columns.max(1)));
        lines.enumerate().for_each(|(row, (rates, qualities))| {
            for (column, (rate, quality)) in rates.iter_mut().zip(qualities).enumerate() {
                (*rate, *quality) = cell(radars, (row, column));
            }
        });
    }
    let valid_time = radars.iter().map(|r| r.field.valid_time).max().unwrap_or(first.field.valid_time);
    Ok(Weighted { field: RainField { grid: Arc::clone(&first.field.grid), valid_time, rate_mm_h }, quality })
}

/// Rate and quality of a cell.
fn cell(radars: &[Weighted], at: (usize, usize)) -> (f32, f32) {
    let (mut sum, mut weights, mut best) = (0.0, 0.0, 0.0_f32);
    for radar in radars {
        let (rate, quality) = (radar.field.rate_mm_h[at], radar.quality[at]);
        if rate.is_finite() && quality.is_finite() {
            // Of no quality is not the same as not observed.
            let weight = quality.clamp(1e-3, 1.0);
            sum += weight * rate;
            weights += weight;
            best = best.max(quality.clamp(0.0, 1.0));
        }
    }
    if weights > 0.0 { (sum / weights, best) } else { (f32::NAN, f32::NAN) }
}

/// The grid that holds all that radars at these sites see within `radius_km`: azimuthal-equidistant around the middle of
/// the sites, cells of `cell_km`. `None` without a site, or where the sites are too far apart for one such grid.
pub fn common_grid(sites: &[&RadarSite], radius_km: f64, cell_km: f64) -> Option<Grid> {
    let mean = |of: fn(&RadarSite) -> f64| sites.iter().map(|s| of(s)).sum::<f64>() / sites.len().max(1) as f64;
    let first = sites.first()?;
    // On a sphere cut at the first site's antimeridian.
    let off = |site: &RadarSite| (site.lon_deg - first.lon_deg + 540.0).rem_euclid(360.0) - 180.0;
    let lon = first.lon_deg + sites.iter().map(|s| off(s)).sum::<f64>() / sites.len() as f64;
    let around = Grid::around_radar(mean(|s| s.lat_deg), (lon + 540.0).rem_euclid(360.0) - 180.0, radius_km, cell_km);
    let geo = around.georeference().ok()?;
    let (mut left, mut right, mut top, mut bottom) = (f64::MAX, f64::MIN, f64::MIN, f64::MAX);
    for site in sites {
        let (x, y) = geo.project(site.lat_deg, site.lon_deg)?;
        (left, right) = (left.min(x), right.max(x));
        (bottom, top) = (bottom.min(y), top.max(y));
    }
    let (reach, cell) = (radius_km * 1000.0, cell_km * 1000.0);
    let cells = |extent: f64| ((extent + 2.0 * reach) / cell).ceil();
    let (width, height) = (cells(right - left), cells(top - bottom));
    if !(width * height).is_finite() || width * height > MOST_CELLS {
        return None;
    }
    let (width, height) = (width as usize, height as usize);
    Some(Grid { left: left - reach, top: top + reach, width, height, ..around })
}

/// The largest common grid, cells.
const MOST_CELLS: f64 = 50e6;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::Timestamp;
    use ndarray::array;

    fn radar(rate_mm_h: Array2<f32>, quality: Array2<f32>) -> Weighted {
        let (height, width) = rate_mm_h.dim();
        let grid = Arc::new(Grid { width, height, ..Grid::around_radar(50.0, 5.0, 1.0, 1.0) });
        Weighted { field: RainField { grid, valid_time: Timestamp::UNIX_EPOCH, rate_mm_h }, quality }
    }

    #[test]
    fn the_better_radar_has_more_say_and_unknown_stays_unknown() {
        let nan = f32::NAN;
        let a = radar(array![[4.0, nan, nan, 0.0]], array![[0.9, nan, nan, 0.0]]);
        let b = radar(array![[0.0, 3.0, nan, nan]], array![[0.3, 0.05, nan, nan]]);
        let both = composite(&[a, b]).unwrap();
        assert!((both.field.rate_mm_h[(0, 0)] - 3.0).abs() < 1e-6, "4 · 0.9 / 1.2");
        assert_eq!((both.field.rate_mm_h[(0, 1)], both.quality[(0, 1)]), (3.0, 0.05));
        assert!(both.field.rate_mm_h[(0, 2)].is_nan() && both.quality[(0, 2)].is_nan());
        assert_eq!((both.field.rate_mm_h[(0, 3)], both.quality[(0, 3)]), (0.0, 0.0));
        assert_eq!(both.quality[(0, 0)], 0.9);
    }

    #[test]
    fn nothing_and_several_grids_are_refused_by_name() {
        assert_eq!(composite(&[]).unwrap_err(), CompositeError::NoRadars);
        let (a, b) = (radar(array![[0.0]], array![[1.0]]), radar(array![[0.0, 0.0]], array![[1.0, 1.0]]));
        assert!(matches!(composite(&[a, b]), Err(CompositeError::Grid { number: 1, .. })));
    }

    #[test]
    fn a_common_grid_holds_what_every_radar_sees() {
        let site =
            |lat_deg: f64, lon_deg: f64| RadarSite { id: "x".into(), name: None, lat_deg, lon_deg, height_m: 0.0 };
        let sites = [site(-17.0, 179.0), site(-18.0, -179.0)];
        let grid = common_grid(&[&sites[0], &sites[1]], 100.0, 1.0).unwrap();
        let geo = grid.georeference().unwrap();
        for site in &sites {
            for (lat, lon) in [(0.89, 0.0), (-0.89, 0.0), (0.0, 0.93), (0.0, -0.93)] {
                let cell = geo.index_of(site.lat_deg + lat, site.lon_deg + lon);
                assert!(cell.is_some(), "{} {}", site.lat_deg + lat, site.lon_deg + lon);
            }
        }
        assert!(grid.width < 450 && grid.height < 340, "{} × {}", grid.width, grid.height);
        assert!(common_grid(&[], 100.0, 1.0).is_none());
    }
}
