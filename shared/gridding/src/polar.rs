//! A sweep onto a grid, nearest gate.

use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array2;
use raincell_model::{Grid, GridError, Moment, RadarSite, RainField, SampleKind, Sweep};
use rayon::prelude::*;

use crate::{Gridded, ZR, beam};

/// Radius of the grid around a radar, km.
pub const DEFAULT_RADIUS_KM: f64 = 240.0;
/// Cells of the grid around a radar, km.
pub const DEFAULT_CELL_KM: f64 = 1.0;

/// How far a ray may be from a cell, in ray spacings: half a spacing by geometry, the rest for uneven rays. Where none
/// is that near, the ray is missing.
const RAY_TOLERANCE: f32 = 0.75;
/// Steps of the azimuth table in a degree.
const STEPS_PER_DEG: f32 = 40.0;
const STEPS: usize = 14_400;
const NO_RAY: u32 = u32::MAX;

/// A grid as one radar sees it: direction and distance of each cell. Depends on the place of the radar only, so that
/// one view serves all its sweeps; made for a 480 × 480 grid in some 10 ms.
#[derive(Clone, Debug)]
pub struct RadarView {
    grid: Arc<Grid>,
    pub(crate) antenna_m: f64,
    /// Step of the azimuth table, and distance along the ground in metres, cell by cell.
    pub(crate) cells: Vec<(u16, f32)>,
}

impl RadarView {
    /// The view from a radar onto a grid.
    ///
    /// # Errors
    /// [`GridError`] when the projection of the grid cannot be used.
    pub fn new(site: &RadarSite, grid: Arc<Grid>) -> Result<Self, GridError> {
        // A grid in the radar's own azimuthal-equidistant projection holds azimuth and distance as they are.
        let own = Grid::around_radar(site.lat_deg, site.lon_deg, 1.0, 1.0);
        let foreign =
            if grid.projection == own.projection { None } else { Some((grid.georeference()?, own.georeference()?)) };
        let width = grid.width;
        let cells = (0..grid.height * width)
            .into_par_iter()
            .map(|cell| {
                let (row, column) = ((cell / width) as f64 + 0.5, (cell % width) as f64 + 0.5);
                let east_north = match &foreign {
                    None => Some((grid.left + column * grid.cell_width, grid.top - row * grid.cell_height)),
                    // `own` has cells of 1 km and the radar one cell from its upper left corner.
                    Some((here, own)) => here
                        .lat_lon_of(row, column)
                        .and_then(|(lat, lon)| own.cell_of(lat, lon))
                        .map(|(row, column)| ((column - 1.0) * 1000.0, (1.0 - row) * 1000.0)),
                };
                east_north.map_or((0, f32::INFINITY), |(east, north)| {
                    let azimuth = (east.atan2(north).to_degrees() as f32).rem_euclid(360.0);
                    (step_of(azimuth) as u16, east.hypot(north) as f32)
                })
            })
            .collect();
        Ok(Self { grid, antenna_m: site.height_m, cells })
    }

    /// The grid that is looked at.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// Rain rate on the grid from one reflectivity moment of a sweep: of each cell the nearest gate. Undetect becomes 0;
    /// NaN where the gate holds nodata, its ray is missing, or the beam does not reach (nor begin so near).
    pub fn grid_sweep(&self, sweep: &Sweep, moment: &Moment, zr: &ZR, valid_time: Timestamp) -> Gridded {
        let rays = nearest_rays(&sweep.azimuths_deg[..sweep.azimuths_deg.len().min(moment.data.nrows())]);
        let gates = GateOfDistance::new(sweep, moment, self.antenna_m);
        let data = moment.data.as_standard_layout();
        let samples = data.as_slice().unwrap_or_default();
        let gate_count = moment.data.ncols();
        let mut rate_mm_h = Array2::from_elem(self.grid.shape(), f32::NAN);
        let cells = rate_mm_h.as_slice_mut().unwrap_or_default();
        let capped_cells = cells
            .par_iter_mut()
            .zip(&self.cells)
            .with_min_len(8192)
            .map(|(rate, &(step, distance_m))| {
                let ray = rays[usize::from(step)];
                let Some(gate) = gates.at(distance_m).filter(|_| ray != NO_RAY) else {
                    return 0;
                };
                match samples[ray as usize * gate_count + gate].kind() {
                    SampleKind::NoData => {}
                    SampleKind::Undetect => *rate = 0.0,
                    SampleKind::Value(dbz) => {
                        *rate = zr.rate_mm_h(dbz);
                        return usize::from(zr.caps(dbz));
                    }
                }
                0
            })
            .sum();
        let field = RainField { grid: Arc::clone(&self.grid), valid_time, rate_mm_h };
        Gridded { field, capped_cells }
    }
}

/// Lays one moment of a sweep onto a grid; see [`RadarView`], which is worth keeping where many sweeps of one radar
/// come.
///
/// # Errors
/// [`GridError`] when the projection of the grid cannot be used.
pub fn grid_sweep(
    site: &RadarSite,
    sweep: &Sweep,
    moment: &Moment,
    zr: &ZR,
    grid: Arc<Grid>,
    valid_time: Timestamp,
) -> Result<Gridded, GridError> {
    Ok(RadarView::new(site, grid)?.grid_sweep(sweep, moment, zr, valid_time))
}

/// Step of the azimuth table that an azimuth in [0, 360] falls into.
fn step_of(azimuth_deg: f32) -> usize {
    (azimuth_deg * STEPS_PER_DEG) as usize % STEPS
}

/// The nearest ray of each step of azimuth, [`NO_RAY`] where none is near enough; `azimuths_deg` ascend.
fn nearest_rays(azimuths_deg: &[f32]) -> Vec<u32> {
    let count = azimuths_deg.len();
    if count == 0 {
        return vec![NO_RAY; STEPS];
    }
    let reach = RAY_TOLERANCE * ray_spacing_deg(azimuths_deg) + 0.5 / STEPS_PER_DEG;
    (0..STEPS)
        .map(|step| {
            let azimuth = (step as f32 + 0.5) / STEPS_PER_DEG;
            let after = azimuths_deg.partition_point(|ray| *ray < azimuth);
            let off = |ray: usize| {
                let apart = (azimuths_deg[ray] - azimuth).abs();
                apart.min(360.0 - apart)
            };
            let (before, after) = ((after + count - 1) % count, after % count);
            let nearest = if off(before) <= off(after) { before } else { after };
            if off(nearest) <= reach { nearest as u32 } else { NO_RAY }
        })
        .collect()
}

/// The usual distance between neighbouring rays, degrees: the median, which missing rays do not change.
fn ray_spacing_deg(azimuths_deg: &[f32]) -> f32 {
    let mut steps: Vec<f32> = azimuths_deg.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if steps.is_empty() {
        return 1.0;
    }
    let middle = steps.len() / 2;
    *steps.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Finds the gate above a place by its distance from the radar.
pub(crate) struct GateOfDistance {
    elevation_deg: f64,
    antenna_m: f64,
    first_gate_m: f64,
    gate_spacing_m: f64,
    gates: usize,
}

impl GateOfDistance {
    pub fn new(sweep: &Sweep, moment: &Moment, antenna_m: f64) -> Self {
        Self {
            elevation_deg: f64::from(sweep.elevation_deg),
            antenna_m,
            first_gate_m: f64::from(moment.first_gate_m),
            gate_spacing_m: f64::from(moment.gate_spacing_m),
            gates: moment.data.ncols(),
        }
    }

    /// `None` nearer than the first gate and beyond the last.
    pub fn at(&self, distance_m: f32) -> Option<usize> {
        let range_m = beam::slant_range_m(f64::from(distance_m), self.elevation_deg, self.antenna_m);
        let gate = ((range_m - self.first_gate_m) / self.gate_spacing_m).round();
        (gate >= 0.0 && gate < self.gates as f64).then_some(gate as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raincell_model::{Quantity, Sample};

    fn site() -> RadarSite {
        RadarSite { id: "KLOT".into(), name: None, lat_deg: 41.6044, lon_deg: -88.0843, height_m: 230.0 }
    }

    fn sweep(azimuths_deg: Vec<f32>, gates: usize) -> Sweep {
        let data = Array2::from_elem((azimuths_deg.len(), gates), Sample::UNDETECT);
        Sweep {
            elevation_deg: 0.5,
            start_time: Timestamp::UNIX_EPOCH,
            end_time: Timestamp::UNIX_EPOCH,
            azimuths_deg,
            moments: vec![Moment { quantity: Quantity::Dbzh, first_gate_m: 500.0, gate_spacing_m: 1000.0, data }],
        }
    }

    fn every_degree() -> Vec<f32> {
        (0..360).map(|a| a as f32 + 0.5).collect()
    }

    fn laid(sweep: &Sweep, grid: Grid) -> Gridded {
        let zr = ZR::MARSHALL_PALMER;
        grid_sweep(&site(), sweep, &sweep.moments[0], &zr, Arc::new(grid), Timestamp::UNIX_EPOCH).unwrap()
    }

    fn around() -> Grid {
        Grid::around_radar(site().lat_deg, site().lon_deg, 120.0, 1.0)
    }

    #[test]
    fn a_gate_lands_where_its_beam_is() {
        let mut sweep = sweep(every_degree(), 100);
        // 30 dBZ 70.5 km out towards 90.5 and 200.5 degrees.
        sweep.moments[0].data[(90, 70)] = Sample::value(30.0);
        sweep.moments[0].data[(200, 70)] = Sample::value(30.0);
        let field = laid(&sweep, around()).field;
        let wet: Vec<_> = field.rate_mm_h.indexed_iter().filter(|(_, v)| **v > 0.0).map(|(at, _)| at).collect();
        assert!((2..8).contains(&wet.len()), "{wet:?}");
        for (row, column) in wet {
            let (east, north) = (column as f64 + 0.5 - 120.0, 120.0 - row as f64 - 0.5);
            assert!((east.hypot(north) - 70.5).abs() < 0.7);
            let azimuth = east.atan2(north).to_degrees().rem_euclid(360.0);
            assert!((azimuth - 90.5).abs() < 0.6 || (azimuth - 200.5).abs() < 0.6, "{azimuth}");
        }
    }

    #[test]
    fn unreached_missing_and_undetected_are_told_apart() {
        let mut azimuths = every_degree();
        azimuths.drain(40..60);
        let mut sweep = sweep(azimuths, 100);
        sweep.moments[0].data.row_mut(170).fill(Sample::NODATA);
        let field = laid(&sweep, around()).field;
        let at = |azimuth: f64, km: f64| {
            let (sine, cosine) = azimuth.to_radians().sin_cos();
            field.rate_mm_h[((120.0 - km * cosine) as usize, (120.0 + km * sine) as usize)]
        };
        assert_eq!(at(10.0, 60.0), 0.0);
        assert!(at(50.0, 60.0).is_nan(), "missing rays");
        assert!(at(10.0, 105.0).is_nan(), "beyond the reach");
        // With 20 rays gone, ray 170 looks towards 190.5 degrees.
        assert!(at(190.5, 60.0).is_nan(), "nodata");
    }

    #[test]
    fn rays_on_both_sides_of_north_meet() {
        let mut sweep = sweep((0..360).map(|a| a as f32).collect(), 100);
        sweep.moments[0].data.row_mut(0).fill(Sample::value(40.0));
        let field = laid(&sweep, around()).field;
        assert!(field.rate_mm_h[(60, 119)] > 10.0 && field.rate_mm_h[(60, 120)] > 10.0);
    }

    #[test]
    fn another_projection_sees_the_same_rain_at_the_same_place() {
        let mut sweep = sweep(every_degree(), 100);
        for ray in 20..40 {
            for gate in 30..50 {
                sweep.moments[0].data[(ray, gate)] = Sample::value(35.0);
            }
        }
        let own = laid(&sweep, around()).field;
        let lcc = Grid {
            projection: "+proj=lcc +lat_0=41.6 +lon_0=-88.5 +lat_1=40 +lat_2=43 +ellps=WGS84 +units=m".into(),
            ..around()
        };
        let other = laid(&sweep, lcc).field;
        let (from, to) = (own.grid.georeference().unwrap(), other.grid.georeference().unwrap());
        let (mut same, mut all) = (0, 0);
        for ((row, column), rate) in own.rate_mm_h.indexed_iter() {
            let (lat, lon) = from.lat_lon_of(row as f64 + 0.5, column as f64 + 0.5).unwrap();
            let Some((r, c)) = to.cell_of(lat, lon) else { continue };
            let Some(there) = other.rate_mm_h.get((r.max(0.0) as usize, c.max(0.0) as usize)) else { continue };
            if !rate.is_nan() && !there.is_nan() {
                all += 1;
                same += usize::from(rate == there);
            }
        }
        assert!(all > 20_000 && same * 100 > all * 99, "{same} of {all}");
    }

    #[test]
    fn hail_is_capped_and_counted() {
        let mut sweep = sweep(every_degree(), 100);
        sweep.moments[0].data[(90, 70)] = Sample::value(70.0);
        let gridded = laid(&sweep, around());
        assert!(gridded.capped_cells > 0);
        let most = gridded.field.rate_mm_h.iter().fold(0.0_f32, |m, v| m.max(*v));
        assert_eq!(most, ZR::MARSHALL_PALMER.rate_mm_h(53.0));
    }

    #[test]
    fn an_empty_sweep_observes_nothing() {
        for sweep in [sweep(Vec::new(), 10), sweep(every_degree(), 0)] {
            assert!(laid(&sweep, around()).field.rate_mm_h.iter().all(|v| v.is_nan()));
        }
    }
}
