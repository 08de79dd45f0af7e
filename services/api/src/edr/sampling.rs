//! Values of a source at places and in areas.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use raincell_model::{LonLat, near_longitude};

use super::coverage::{Axes, Axis, Coverage};
use super::extent::{BoundingBox, Extent};
use super::parameter::Parameter;
use super::query::Period;
use crate::memory::{HeldFrame, SourceView};
use crate::products::Products;

/// How far from an instant a frame may be that stands for it.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(10);
/// Most values of one answer: some 5 MB of JSON.
pub const MOST_VALUES: usize = 1_000_000;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSample {
    /// Nothing holds at these instants.
    Time,
    /// The source has no cell there.
    Place,
    /// It would have so many values.
    TooMuch(usize),
}

/// The frames of a source in a period, and what is asked of them.
pub struct Sampler {
    frames: Vec<Arc<HeldFrame>>,
    products: Arc<Products>,
    parameters: Vec<Parameter>,
}

impl Sampler {
    /// Of a source that has frames.
    ///
    /// # Errors
    /// [`NoSample::Time`].
    pub fn new(view: &SourceView, parameters: Vec<Parameter>, period: Period) -> Result<Self, NoSample> {
        let mut frames = instants(view);
        match period {
            Period::At(time) => {
                let distance = |frame: &Arc<HeldFrame>| frame.valid_time().duration_since(time).abs();
                frames.sort_by_key(distance);
                frames.truncate(1);
                frames.retain(|frame| distance(frame) <= TOLERANCE);
            }
            Period::Between(from, to) => frames.retain(|frame| {
                from.is_none_or(|from| frame.valid_time() >= from) && to.is_none_or(|to| frame.valid_time() <= to)
            }),
        }
        if frames.is_empty() {
            return Err(NoSample::Time);
        }
        Ok(Self { frames, products: view.run().map(|run| run.products()).unwrap_or_default(), parameters })
    }

    fn times(&self) -> Vec<Timestamp> {
        self.frames.iter().map(|frame| frame.valid_time()).collect()
    }

    /// Each place over time; unknown where the source has no cell.
    ///
    /// # Errors
    /// [`NoSample::Place`] when it has none at any of them.
    pub fn series(&self, places: &[LonLat]) -> Result<Vec<Coverage>, NoSample> {
        self.check_size(places.len())?;
        let (times, geo) = (self.times(), &self.frames[0].placement.geo);
        let cells: Vec<_> = places.iter().map(|&(lon, lat)| geo.index_of(lat, lon)).collect();
        if cells.iter().all(Option::is_none) {
            return Err(NoSample::Place);
        }
        let coverage = |(place, cell): (&LonLat, &Option<(usize, usize)>)| {
            let series = |parameter: Parameter| {
                let value = |frame: &Arc<HeldFrame>| cell.and_then(|cell| parameter.value(frame, &self.products, cell));
                (parameter, self.frames.iter().map(value).collect())
            };
            Coverage::series(*place, &times, self.parameters.iter().copied().map(series).collect())
        };
        Ok(places.iter().zip(&cells).map(coverage).collect())
    }

    /// The cells of an area over time, on a lattice of meridians and parallels as fine as the source's grid, each with
    /// the value of the cell that it lies in; unknown outside the area.
    ///
    /// # Errors
    /// [`NoSample::Place`] or [`NoSample::TooMuch`].
    pub fn area(&self, extent: &Extent) -> Result<Coverage, NoSample> {
        let placement = &self.frames[0].placement;
        let lattice = Lattice::over(extent, &self.frames[0]).ok_or(NoSample::Place)?;
        self.check_size(lattice.longitudes.count * lattice.latitudes.count)?;
        let longitudes: Vec<f64> = lattice.longitudes.values().collect();
        let places = lattice.latitudes.values().flat_map(|lat| longitudes.iter().map(move |&lon| (lat, lon)));
        let cell = |(lat, lon): (f64, f64)| {
            let asked = extent.contains(lat, lon);
            if asked { placement.geo.index_of(lat, near_longitude(lon, 0.0)) } else { None }
        };
        let cells: Vec<_> = places.map(cell).collect();
        if cells.iter().all(Option::is_none) {
            return Err(NoSample::Place);
        }
        let values = |parameter: Parameter| {
            let field = |frame: &Arc<HeldFrame>| -> Vec<_> {
                cells.iter().map(|cell| cell.and_then(|cell| parameter.value(frame, &self.products, cell))).collect()
            };
            (parameter, self.frames.iter().flat_map(field).collect())
        };
        let values = self.parameters.iter().copied().map(values).collect();
        let shape = [self.frames.len(), lattice.latitudes.count, lattice.longitudes.count];
        let axes =
            Axes { x: lattice.longitudes.axis(), y: lattice.latitudes.axis(), t: Axis::Times { values: self.times() } };
        Ok(Coverage::grid(axes, shape, values))
    }

    fn check_size(&self, places: usize) -> Result<(), NoSample> {
        let values = places.saturating_mul(self.frames.len()).saturating_mul(self.parameters.len());
        if values > MOST_VALUES { Err(NoSample::TooMuch(values)) } else { Ok(()) }
    }
}

/// The observed frames of a source, then the steps of its newest run that are later; all on one grid.
pub fn instants(view: &SourceView) -> Vec<Arc<HeldFrame>> {
    let Some(newest) = view.newest() else { return Vec::new() };
    let steps = view.run().into_iter().flat_map(|run| &run.steps);
    let ahead = steps.filter(|step| step.valid_time() > newest.valid_time());
    let frames = view.frames.iter().chain(ahead);
    frames.filter(|frame| frame.field.grid == newest.field.grid).cloned().collect()
}

/// The box that holds a source's grid.
pub fn bounds_of(frame: &HeldFrame) -> BoundingBox {
    let [west, south, east, north] = frame.placement.renderer.bounds();
    BoundingBox { west, south, east, north }
}

/// Evenly spaced degrees.
#[derive(Clone, Copy, Debug)]
struct Spaced {
    first: f64,
    step: f64,
    count: usize,
}

impl Spaced {
    /// The middles of cells that count from `origin` by `step`, of those within a range; at least the one in its middle.
    fn within(origin: f64, step: f64, (from, to): (f64, f64)) -> Self {
        let (a, b) = ((from - origin) / step, (to - origin) / step);
        let (a, b) = (a.min(b), a.max(b));
        let middle = f64::midpoint(a, b).floor();
        let (first, last) = ((a - 0.5).ceil(), (b - 0.5).floor());
        let (first, last) = if first <= last { (first, last) } else { (middle, middle) };
        Self { first: origin + (first + 0.5) * step, step, count: (last - first) as usize + 1 }
    }

    fn values(self) -> impl Iterator<Item = f64> {
        (0..self.count).map(move |index| self.first + index as f64 * self.step)
    }

    fn axis(self) -> Axis {
        let round = |degrees: f64| (degrees * 1e7).round() / 1e7;
        let stop = self.first + (self.count - 1) as f64 * self.step;
        Axis::Regular { start: round(self.first), stop: round(stop), num: self.count }
    }
}

/// Meridians and parallels as far apart as the cells of a grid in its middle. They are the same for every area, so that
/// answers fit together.
struct Lattice {
    longitudes: Spaced,
    latitudes: Spaced,
}

impl Lattice {
    /// Those in an area; `None` where the grid has nothing of it.
    fn over(extent: &Extent, frame: &HeldFrame) -> Option<Self> {
        let (geo, all) = (&frame.placement.geo, bounds_of(frame));
        let asked = extent.bounds().common(&all)?;
        let (row, column) = (geo.grid().height as f64 / 2.0, geo.grid().width as f64 / 2.0);
        let (here, right, below) =
            (geo.lat_lon_of(row, column)?, geo.lat_lon_of(row, column + 1.0)?, geo.lat_lon_of(row + 1.0, column)?);
        // On a grid that is turned against the meridians both go into both.
        let across = |a: (f64, f64)| near_longitude(a.1 - here.1, 0.0).abs();
        let up = |a: (f64, f64)| (a.0 - here.0).abs();
        let (step_lon, step_lat) = (across(right).max(across(below)), up(right).max(up(below)));
        // Counted from the grid's own box, however often the globe was gone round to get to the area.
        let west = all.west + ((asked.west - all.west) / 360.0).floor() * 360.0;
        Some(Self {
            longitudes: Spaced::within(west, step_lon, (asked.west, asked.east)),
            latitudes: Spaced::within(all.north, -step_lat, (asked.south, asked.north)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lattice_is_the_same_whatever_is_asked() {
        let wide = Spaced::within(4.0, 0.5, (4.0, 6.0));
        assert_eq!(wide.values().collect::<Vec<_>>(), [4.25, 4.75, 5.25, 5.75]);
        let narrow = Spaced::within(4.0, 0.5, (4.6, 5.3));
        assert_eq!(narrow.values().collect::<Vec<_>>(), [4.75, 5.25]);
        let less_than_a_cell = Spaced::within(4.0, 0.5, (4.6, 4.7));
        assert_eq!(less_than_a_cell.values().collect::<Vec<_>>(), [4.75]);
        let southward = Spaced::within(53.0, -0.5, (52.0, 53.0));
        assert_eq!(southward.values().collect::<Vec<_>>(), [52.75, 52.25]);
    }
}
