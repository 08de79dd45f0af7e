//! Cartesian grids and where their cells lie on the earth.

use std::hash::{DefaultHasher, Hash, Hasher};

use proj4rs::Proj;
use thiserror::Error;

/// A regular grid in a map projection. Row 0 is the northernmost, column 0 the westernmost.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// PROJ definition (`+proj=aeqd +lat_0=… +lon_0=… +units=m`), its unit metres; for `+proj=longlat` degrees.
    pub projection: String,
    /// Projected x of the left edge of column 0, in the unit of the projection.
    pub left: f64,
    /// Projected y of the upper edge of row 0, in the unit of the projection.
    pub top: f64,
    /// Width of a cell, in the unit of the projection.
    pub cell_width: f64,
    /// Height of a cell, in the unit of the projection.
    pub cell_height: f64,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Why a grid cannot be placed on the earth.
#[derive(Debug, Error)]
pub enum GridError {
    /// The projection is not one that can be used.
    #[error("projection `{definition}` cannot be used: {reason}")]
    Projection {
        /// The PROJ definition.
        definition: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Grid {
    /// The azimuthal-equidistant grid around a radar: `2·radius_km / cell_km` cells square, the radar in the middle.
    pub fn around_radar(lat_deg: f64, lon_deg: f64, radius_km: f64, cell_km: f64) -> Self {
        let cells = (2.0 * radius_km / cell_km).round() as usize;
        Self {
            projection: format!(
                "+proj=aeqd +lat_0={lat_deg} +lon_0={lon_deg} +x_0=0 +y_0=0 +ellps=WGS84 +units=m +no_defs"
            ),
            left: -radius_km * 1000.0,
            top: radius_km * 1000.0,
            cell_width: cell_km * 1000.0,
            cell_height: cell_km * 1000.0,
            width: cells,
            height: cells,
        }
    }

    /// (rows, columns), as arrays on this grid are shaped.
    pub fn shape(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// True when the unit of the projection is the degree.
    pub fn is_geographic(&self) -> bool {
        ["+proj=longlat", "+proj=latlong", "+proj=lonlat", "+proj=latlon"].iter().any(|p| self.projection.contains(p))
    }

    /// Width of a cell in km (on a longlat grid: at its middle latitude).
    pub fn cell_km(&self) -> f64 {
        if self.is_geographic() {
            let middle = self.top - self.cell_height * self.height as f64 / 2.0;
            self.cell_width * 111.195 * middle.to_radians().cos()
        } else {
            self.cell_width / 1000.0
        }
    }

    /// A number that is equal for equal grids, for caches.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.projection.hash(&mut hasher);
        for value in [self.left, self.top, self.cell_width, self.cell_height] {
            value.to_bits().hash(&mut hasher);
        }
        (self.width, self.height).hash(&mut hasher);
        hasher.finish()
    }

    /// The transform between cells of this grid and latitude/longitude (WGS 84).
    ///
    /// # Errors
    /// [`GridError::Projection`] when the definition is not understood.
    pub fn georeference(&self) -> Result<GeoReference, GridError> {
        GeoReference::new(self)
    }
}

/// Turns latitude/longitude into fractional cells of one [`Grid`] and back.
#[derive(Debug)]
pub struct GeoReference {
    grid: Grid,
    projected: Proj,
    geographic: Proj,
}

impl GeoReference {
    fn new(grid: &Grid) -> Result<Self, GridError> {
        let parse = |definition: &str| {
            Proj::from_proj_string(definition)
                .map_err(|e| GridError::Projection { definition: definition.to_owned(), reason: e.to_string() })
        };
        Ok(Self {
            grid: grid.clone(),
            projected: parse(&grid.projection)?,
            geographic: parse("+proj=longlat +datum=WGS84 +no_defs")?,
        })
    }

    /// The grid this belongs to.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Fractional (row, column) of a place: cell (r, c) spans r..r+1 and c..c+1, so its centre is (r+0.5, c+0.5).
    /// `None` where the projection does not reach; a result outside 0..height, 0..width is off the grid.
    pub fn cell_of(&self, lat_deg: f64, lon_deg: f64) -> Option<(f64, f64)> {
        let (x, y) = self.project(lat_deg, lon_deg)?;
        Some(((self.grid.top - y) / self.grid.cell_height, (x - self.grid.left) / self.grid.cell_width))
    }

    /// The indices of the cell that holds a place, `None` off the grid.
    pub fn index_of(&self, lat_deg: f64, lon_deg: f64) -> Option<(usize, usize)> {
        let (row, column) = self.cell_of(lat_deg, lon_deg)?;
        let inside = row >= 0.0 && column >= 0.0 && row < self.grid.height as f64 && column < self.grid.width as f64;
        inside.then_some((row as usize, column as usize))
    }

    /// (latitude, longitude) in degrees of a fractional (row, column).
    pub fn lat_lon_of(&self, row: f64, column: f64) -> Option<(f64, f64)> {
        let x = self.grid.left + column * self.grid.cell_width;
        let y = self.grid.top - row * self.grid.cell_height;
        let mut point = if self.grid.is_geographic() { (x.to_radians(), y.to_radians(), 0.0) } else { (x, y, 0.0) };
        proj4rs::transform::transform(&self.projected, &self.geographic, &mut point).ok()?;
        let (lon, lat) = (point.0.to_degrees(), point.1.to_degrees());
        (lat.is_finite() && lon.is_finite()).then_some((lat, lon))
    }

    /// Projected (x, y) of a place in the unit of the grid's projection.
    pub fn project(&self, lat_deg: f64, lon_deg: f64) -> Option<(f64, f64)> {
        if !(-90.0..=90.0).contains(&lat_deg) || !lon_deg.is_finite() {
            return None;
        }
        let mut point = (lon_deg.to_radians(), lat_deg.to_radians(), 0.0);
        proj4rs::transform::transform(&self.geographic, &self.projected, &mut point).ok()?;
        let (x, y) =
            if self.grid.is_geographic() { (point.0.to_degrees(), point.1.to_degrees()) } else { (point.0, point.1) };
        (x.is_finite() && y.is_finite()).then_some((x, y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_radar_stands_in_the_middle_of_its_grid() {
        let grid = Grid::around_radar(41.6, -88.08, 240.0, 1.0);
        let geo = grid.georeference().unwrap();
        let (row, column) = geo.cell_of(41.6, -88.08).unwrap();
        assert!((row - 240.0).abs() < 1e-6 && (column - 240.0).abs() < 1e-6, "{row} {column}");
        // One degree of latitude north is 111.07 km at this latitude (WGS 84).
        let (row, _) = geo.cell_of(42.6, -88.08).unwrap();
        assert!((240.0 - row - 111.07).abs() < 0.02, "{row}");
    }

    #[test]
    fn cells_come_back_to_where_they_were() {
        for projection in [
            "+proj=stere +lat_0=90 +lon_0=25 +lat_ts=60 +a=6371288 +b=6371288 +x_0=380886 +y_0=3395677 +units=m",
            "+proj=somerc +lon_0=7.43958333333333 +lat_0=46.9524055555556 +k_0=1 +x_0=600000 +y_0=200000 +ellps=bessel +units=m",
            "+proj=aea +lat_0=-37.85 +lon_0=144.75 +lat_1=-18 +lat_2=-36 +x_0=0 +y_0=0 +ellps=GRS80 +units=m",
            "+proj=laea +lat_0=55 +lon_0=10 +x_0=1950000 +y_0=-2100000 +units=m +ellps=WGS84",
            "+proj=longlat +datum=WGS84",
        ] {
            let geographic = projection.contains("longlat");
            let cell = if geographic { 0.01 } else { 1000.0 };
            let (left, top) = if geographic { (5.0, 55.0) } else { (0.0, 0.0) };
            let grid = Grid {
                projection: projection.into(),
                left,
                top,
                cell_width: cell,
                cell_height: cell,
                width: 700,
                height: 600,
            };
            let geo = grid.georeference().unwrap();
            let (lat, lon) = geo.lat_lon_of(123.25, 456.75).unwrap();
            let (row, column) = geo.cell_of(lat, lon).unwrap();
            assert!((row - 123.25).abs() < 1e-3 && (column - 456.75).abs() < 1e-3, "{projection}: {row} {column}");
        }
    }

    #[test]
    fn a_projection_that_is_none_gets_a_named_error() {
        let grid = Grid { projection: "+proj=banana".into(), ..Grid::around_radar(0.0, 0.0, 1.0, 1.0) };
        assert!(grid.georeference().unwrap_err().to_string().contains("+proj=banana"));
    }
}
