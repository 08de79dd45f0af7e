//! Web-Mercator tiles of rain fields.

use raincell_model::{GeoReference, Grid, RainField};

use crate::colors::{ColorScheme, NODATA_CODE, Rgba};
use crate::error::RenderError;
use crate::image::IndexedImage;
use crate::mercator::{MAX_LATITUDE, Window};
use crate::plane::{CellRange, Plane};
use crate::sampling::{CellMap, Reach};

/// Deepest zoom of a tile.
const MAX_ZOOM: u8 = 22;
/// Largest side of a tile, pixels.
const MAX_SIDE: u32 = 2048;
/// Colour of the coverage layer where no radar looks.
const UNOBSERVED: Rgba = [0, 0, 0, 110];

/// Which tile, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileRequest {
    /// Zoom.
    pub z: u8,
    /// Column, from the west.
    pub x: u32,
    /// Row, from the north.
    pub y: u32,
    /// Pixels on a side; a larger tile shows the same area in more detail.
    pub size: u32,
    /// Its colours.
    pub scheme: ColorScheme,
    /// Interpolate between cells instead of showing each as it is.
    pub smooth: bool,
    /// Snow in colours of its own. Rain fields carry no phase, so that all precipitation is drawn as rain with either.
    pub snow: bool,
}

/// Which picture around a place, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CentredRequest {
    /// Latitude of its middle, degrees north.
    pub lat_deg: f64,
    /// Longitude of its middle, degrees east.
    pub lon_deg: f64,
    /// Zoom: the picture shows an area as large as a tile of this zoom.
    pub z: u8,
    /// Pixels on a side.
    pub size: u32,
    /// Its colours.
    pub scheme: ColorScheme,
    /// Interpolate between cells instead of showing each as it is.
    pub smooth: bool,
    /// As in [`TileRequest::snow`].
    pub snow: bool,
}

/// Draws tiles of the rain fields that lie on one grid.
#[derive(Debug)]
pub struct RainTileRenderer {
    geo: GeoReference,
    reach: Reach,
}

impl RainTileRenderer {
    /// A renderer for one grid; it can be kept and shared for as long as fields come on that grid.
    ///
    /// # Errors
    /// [`RenderError::Grid`] when the projection of the grid is not understood.
    pub fn new(grid: &Grid) -> Result<Self, RenderError> {
        let geo = grid.georeference()?;
        let reach = Reach::of(&geo);
        Ok(Self { geo, reach })
    }

    /// (west, south, east, north) in degrees of a box that holds the grid, as TileJSON's `bounds`.
    pub fn bounds(&self) -> [f64; 4] {
        let limit = |lat: f64| lat.clamp(-MAX_LATITUDE, MAX_LATITUDE);
        [self.reach.west.max(-180.0), limit(self.reach.south), self.reach.east.min(180.0), limit(self.reach.north)]
    }

    /// The rain rate on a tile. Dry and not observed are transparent (told apart only by [`ColorScheme::Raw`] and by
    /// [`Self::coverage_tile`]).
    ///
    /// # Errors
    /// [`RenderError::NoSuchTile`], [`RenderError::Size`] or [`RenderError::FieldShape`].
    pub fn tile(&self, field: &RainField, request: &TileRequest) -> Result<IndexedImage, RenderError> {
        let window = tile_window(request.z, request.x, request.y, request.size)?;
        let codes = self.codes(field, &window, request.smooth)?;
        Ok(colored(codes, request.size, request.scheme))
    }

    /// The rain rate around a place.
    ///
    /// # Errors
    /// [`RenderError::NoSuchTile`] for a zoom that does not exist, [`RenderError::Place`] for a latitude off the map,
    /// [`RenderError::Size`] or [`RenderError::FieldShape`].
    pub fn centred(&self, field: &RainField, request: &CentredRequest) -> Result<IndexedImage, RenderError> {
        check_size(request.size)?;
        if request.z > MAX_ZOOM {
            return Err(RenderError::NoSuchTile { z: request.z, x: 0, y: 0, max_z: MAX_ZOOM });
        }
        if !(-MAX_LATITUDE..=MAX_LATITUDE).contains(&request.lat_deg) || !request.lon_deg.is_finite() {
            let (lat_deg, lon_deg) = (request.lat_deg, request.lon_deg);
            return Err(RenderError::Place { lat_deg, lon_deg, radius_km: 0.0 });
        }
        let size = request.size as usize;
        let pixel = 0.5_f64.powi(i32::from(request.z)) / size as f64;
        let window = Window::centred(request.lat_deg, request.lon_deg, pixel, size, size);
        let codes = self.codes(field, &window, request.smooth)?;
        Ok(colored(codes, request.size, request.scheme))
    }

    /// Where the field was observed: transparent there, dark elsewhere.
    ///
    /// # Errors
    /// As [`Self::tile`].
    pub fn coverage_tile(
        &self,
        field: &RainField,
        z: u8,
        x: u32,
        y: u32,
        size: u32,
    ) -> Result<IndexedImage, RenderError> {
        let window = tile_window(z, x, y, size)?;
        let mut pixels = self.codes(field, &window, false)?;
        for code in &mut pixels {
            *code = u8::from(*code == NODATA_CODE);
        }
        Ok(IndexedImage { width: size, height: size, palette: vec![[0; 4], UNOBSERVED], pixels })
    }

    fn codes(&self, field: &RainField, window: &Window, smooth: bool) -> Result<Vec<u8>, RenderError> {
        check_shape(field, self.geo.grid())?;
        let map = CellMap::new(&self.geo, &self.reach, window);
        Ok(codes_of(field, &map, window, smooth))
    }
}

/// Colour code of each pixel of a window.
pub(crate) fn codes_of(field: &RainField, map: &CellMap, window: &Window, smooth: bool) -> Vec<u8> {
    let Some(needed) = map.needed else { return vec![NODATA_CODE; window.width * window.height] };
    let thinning = map.cells_per_pixel.round().max(1.0) as usize;
    let range = aligned(needed, thinning, field.rate_mm_h.dim());
    let plane = Plane::new(&field.rate_mm_h.view(), range, thinning);
    map.codes(&plane, smooth)
}

/// A range that begins at a multiple of `step` in both directions, so that neighbouring tiles thin out the same blocks.
fn aligned(range: CellRange, step: usize, (rows, columns): (usize, usize)) -> CellRange {
    let widen =
        |(low, high): (usize, usize), cells: usize| (low / step * step, (high.div_ceil(step) * step).min(cells));
    CellRange { rows: widen(range.rows, rows), columns: widen(range.columns, columns) }
}

/// Checks that a field has the cells that a grid says.
pub(crate) fn check_shape(field: &RainField, grid: &Grid) -> Result<(), RenderError> {
    let (found, expected) = (field.rate_mm_h.dim(), grid.shape());
    if found == expected {
        return Ok(());
    }
    Err(RenderError::FieldShape {
        expected_rows: expected.0,
        expected_columns: expected.1,
        found_rows: found.0,
        found_columns: found.1,
    })
}

fn colored(pixels: Vec<u8>, size: u32, scheme: ColorScheme) -> IndexedImage {
    IndexedImage { width: size, height: size, palette: scheme.palette().to_vec(), pixels }
}

fn check_size(size: u32) -> Result<(), RenderError> {
    if (1..=MAX_SIDE).contains(&size) {
        return Ok(());
    }
    Err(RenderError::Size { width: size, height: size, min: 1, max: MAX_SIDE })
}

fn tile_window(z: u8, x: u32, y: u32, size: u32) -> Result<Window, RenderError> {
    check_size(size)?;
    if z > MAX_ZOOM || x >> z > 0 || y >> z > 0 {
        return Err(RenderError::NoSuchTile { z, x, y, max_z: MAX_ZOOM });
    }
    Ok(Window::tile(z, x, y, size as usize))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use jiff::Timestamp;
    use ndarray::Array2;

    use super::*;

    fn dry(grid: Grid) -> RainField {
        let shape = grid.shape();
        RainField { grid: Arc::new(grid), valid_time: Timestamp::UNIX_EPOCH, rate_mm_h: Array2::zeros(shape) }
    }

    fn request(z: u8, x: u32, y: u32) -> TileRequest {
        TileRequest { z, x, y, size: 256, scheme: ColorScheme::UniversalBlue, smooth: false, snow: false }
    }

    /// The tile of a zoom that holds a place.
    fn tile_of(lat: f64, lon: f64, z: u8) -> (u32, u32) {
        let (x, y) = crate::mercator::to_unit(lat, lon);
        let side = f64::from(1_u32 << z);
        ((x * side) as u32, (y * side) as u32)
    }

    #[test]
    fn a_single_wet_cell_lights_exactly_the_pixels_that_lie_in_it() {
        let mut field = dry(Grid::around_radar(41.6, -88.08, 240.0, 1.0));
        field.rate_mm_h[(100, 330)] = 8.0;
        let geo = field.grid.georeference().unwrap();
        let (lat, lon) = geo.lat_lon_of(100.5, 330.5).unwrap();
        let (x, y) = tile_of(lat, lon, 11);
        let tile = RainTileRenderer::new(&field.grid).unwrap().tile(&field, &request(11, x, y)).unwrap();
        let window = Window::tile(11, x, y, 256);
        let (mut lit, mut wrong) = (0, 0);
        for py in 0..256 {
            for px in 0..256 {
                let (lat, lon) = window.lat_lon(f64::from(px) + 0.5, f64::from(py) + 0.5);
                let inside = geo.index_of(lat, lon) == Some((100, 330));
                let colored = tile.color_at(px, py)[3] > 0;
                lit += u32::from(colored);
                wrong += u32::from(inside != colored);
            }
        }
        // A cell of 1 km is 17.5 pixels wide at zoom 11 there; only pixels on its very rim may differ.
        assert!((200..420).contains(&lit), "{lit}");
        assert!(wrong <= 8, "{wrong} of {lit}");
        let expected = ColorScheme::UniversalBlue.color(crate::dbz_from_rate(8.0), false);
        assert!((0..65536).any(|i| tile.color_at(i % 256, i / 256) == expected));
    }

    #[test]
    fn a_renderer_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<RainTileRenderer>();
    }

    #[test]
    fn coverage_and_raw_tell_dry_from_unobserved_and_the_others_do_not() {
        let mut field = dry(Grid::around_radar(50.0, 5.0, 100.0, 1.0));
        field.rate_mm_h.columns_mut().into_iter().take(100).for_each(|mut column| column.fill(f32::NAN));
        let renderer = RainTileRenderer::new(&field.grid).unwrap();
        let (x, y) = tile_of(50.0, 5.0, 7);
        let window = Window::tile(7, x, y, 256);
        let at = |lon: f64| {
            let (px, py) = window.pixel_of(50.0, lon);
            (px as u32, py as u32)
        };
        let (unknown, observed) = (at(4.6), at(5.2));
        let coverage = renderer.coverage_tile(&field, 7, x, y, 256).unwrap();
        assert_eq!(coverage.color_at(unknown.0, unknown.1), UNOBSERVED);
        assert_eq!(coverage.color_at(observed.0, observed.1)[3], 0);
        let raw = renderer.tile(&field, &TileRequest { scheme: ColorScheme::Raw, ..request(7, x, y) }).unwrap();
        assert_eq!(raw.color_at(unknown.0, unknown.1)[3], 0);
        assert_eq!(raw.color_at(observed.0, observed.1), [0, 0, 0, 255]);
        assert!(renderer.tile(&field, &request(7, x, y)).unwrap().is_empty());
    }

    #[test]
    fn scheme_zero_carries_the_reflectivity_through_the_png() {
        let mut field = dry(Grid::around_radar(50.0, 5.0, 50.0, 1.0));
        field.rate_mm_h.fill(5.0);
        let (x, y) = tile_of(50.0, 5.0, 9);
        let wanted = TileRequest { scheme: ColorScheme::BlackAndWhite, smooth: true, ..request(9, x, y) };
        let tile = RainTileRenderer::new(&field.grid).unwrap().tile(&field, &wanted).unwrap();
        let [red, _, _, opacity] = tile.color_at(128, 128);
        assert_eq!(((i32::from(red) & 127) - 32, opacity), (34, 255));
    }

    #[test]
    fn neighbouring_tiles_meet_without_a_seam_at_any_zoom() {
        let mut field = dry(Grid::around_radar(47.0, 8.0, 240.0, 1.0));
        for ((row, column), rate) in field.rate_mm_h.indexed_iter_mut() {
            *rate = if (row / 40 + column / 40) % 2 == 0 { 10.0 } else { 0.0 };
        }
        let renderer = RainTileRenderer::new(&field.grid).unwrap();
        for z in [4, 6, 8] {
            let (x, y) = tile_of(47.0, 8.0, z);
            let wide = renderer.tile(&field, &TileRequest { size: 512, ..request(z, x, y) }).unwrap();
            // The four tiles of the next zoom show the same pixels as this one at twice the size.
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let part = renderer.tile(&field, &request(z + 1, 2 * x + dx, 2 * y + dy)).unwrap();
                let differing = (0..65536_u32)
                    .filter(|i| {
                        let (px, py) = (i % 256, i / 256);
                        part.color_at(px, py) != wide.color_at(px + 256 * dx, py + 256 * dy)
                    })
                    .count();
                assert!(differing < 400, "z {z}: {differing} pixels differ");
            }
        }
    }

    #[test]
    fn requests_out_of_range_get_an_error_and_tiles_elsewhere_are_empty() {
        let field = dry(Grid::around_radar(50.0, 5.0, 50.0, 1.0));
        let renderer = RainTileRenderer::new(&field.grid).unwrap();
        for (z, x, y) in [(3, 8, 0), (3, 0, 8), (23, 0, 0), (0, 1, 0)] {
            assert!(matches!(renderer.tile(&field, &request(z, x, y)), Err(RenderError::NoSuchTile { .. })));
        }
        let zero = TileRequest { size: 0, ..request(1, 0, 0) };
        assert!(matches!(renderer.tile(&field, &zero), Err(RenderError::Size { .. })));
        assert!(renderer.tile(&field, &request(6, 3, 50)).unwrap().is_empty());
        let other = RainField { rate_mm_h: Array2::zeros((3, 4)), ..field };
        assert!(matches!(renderer.tile(&other, &request(6, 3, 50)), Err(RenderError::FieldShape { .. })));
    }

    #[test]
    fn a_picture_around_a_place_has_the_place_in_its_middle() {
        let mut field = dry(Grid::around_radar(50.0, 5.0, 50.0, 1.0));
        field.rate_mm_h[(30, 30)] = 20.0;
        let (lat_deg, lon_deg) = field.grid.georeference().unwrap().lat_lon_of(30.5, 30.5).unwrap();
        let scheme = ColorScheme::UniversalBlue;
        let wanted = CentredRequest { lat_deg, lon_deg, z: 8, size: 512, scheme, smooth: false, snow: false };
        let renderer = RainTileRenderer::new(&field.grid).unwrap();
        let image = renderer.centred(&field, &wanted).unwrap();
        assert!(image.color_at(256, 256)[3] > 0 && image.color_at(240, 256)[3] == 0);
        let off = CentredRequest { lat_deg: 91.0, ..wanted };
        assert!(matches!(renderer.centred(&field, &off), Err(RenderError::Place { .. })));
    }
}
