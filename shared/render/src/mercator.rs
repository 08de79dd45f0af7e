//! Web Mercator: a window of pixels on the map of the world.

use std::f64::consts::PI;

/// Length of the equator in km, by the radius of Web Mercator's sphere.
const EQUATOR_KM: f64 = 40_075.016_686;

/// Northern and southern end of the square map of the world, degrees.
pub(crate) const MAX_LATITUDE: f64 = 85.051_128_78;

/// Position on the square map of the world: (0, 0) is its north-western corner, (1, 1) its south-eastern one.
pub(crate) fn to_unit(lat_deg: f64, lon_deg: f64) -> (f64, f64) {
    let phi = lat_deg.clamp(-MAX_LATITUDE, MAX_LATITUDE).to_radians();
    let y = 0.5 - (PI / 4.0 + phi / 2.0).tan().ln() / (2.0 * PI);
    (lon_deg / 360.0 + 0.5, y)
}

/// (latitude, longitude) in degrees of a position on the map of the world.
pub(crate) fn from_unit(x: f64, y: f64) -> (f64, f64) {
    let lat = ((1.0 - 2.0 * y) * PI).sinh().atan().to_degrees();
    (lat, (x - 0.5) * 360.0)
}

/// A rectangle of square pixels on the map of the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// Position of the left edge of pixel column 0.
    pub west: f64,
    /// Position of the upper edge of pixel row 0.
    pub north: f64,
    /// Side of a pixel, as a share of the map of the world.
    pub pixel: f64,
    /// Pixel columns.
    pub width: usize,
    /// Pixel rows.
    pub height: usize,
}

impl Window {
    /// An XYZ tile.
    pub fn tile(z: u8, x: u32, y: u32, size: usize) -> Self {
        let side = 0.5_f64.powi(i32::from(z));
        Self {
            west: f64::from(x) * side,
            north: f64::from(y) * side,
            pixel: side / size as f64,
            width: size,
            height: size,
        }
    }

    /// A window whose middle is a place.
    pub fn centred(lat_deg: f64, lon_deg: f64, pixel: f64, width: usize, height: usize) -> Self {
        let (x, y) = to_unit(lat_deg, lon_deg);
        Self { west: x - pixel * width as f64 / 2.0, north: y - pixel * height as f64 / 2.0, pixel, width, height }
    }

    /// Side of a pixel, as a share of the map of the world, that shows `km_per_pixel` at a latitude.
    pub fn pixel_for(km_per_pixel: f64, lat_deg: f64) -> f64 {
        km_per_pixel / (EQUATOR_KM * lat_deg.to_radians().cos())
    }

    /// (latitude, longitude) in degrees of a fractional pixel (x, y); pixel (i, j) spans i..i+1 and j..j+1. The
    /// longitude is within ±180.
    pub fn lat_lon(&self, x: f64, y: f64) -> (f64, f64) {
        let (lat, lon) = from_unit(self.west + x * self.pixel, self.north + y * self.pixel);
        (lat, (lon + 180.0).rem_euclid(360.0) - 180.0)
    }

    /// Fractional pixel (x, y) of a place, on the turn of the world that is nearest to the window.
    pub fn pixel_of(&self, lat_deg: f64, lon_deg: f64) -> (f64, f64) {
        let (x, y) = to_unit(lat_deg, lon_deg);
        let middle = self.west + self.pixel * self.width as f64 / 2.0;
        let x = x - (x - middle).round();
        ((x - self.west) / self.pixel, (y - self.north) / self.pixel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_lead_to_places_and_back() {
        let window = Window::tile(7, 67, 45, 256);
        let (lat, lon) = window.lat_lon(12.5, 200.25);
        let (x, y) = window.pixel_of(lat, lon);
        assert!((x - 12.5).abs() < 1e-6 && (y - 200.25).abs() < 1e-6);
        let (lat, lon) = Window::tile(1, 1, 1, 256).lat_lon(0.0, 0.0);
        assert!(lat.abs() < 1e-9 && lon.abs() < 1e-9);
    }

    #[test]
    fn a_window_across_the_date_line_sees_both_sides() {
        let window = Window::centred(-17.8, 179.0, Window::pixel_for(1.0, -17.8), 400, 400);
        let (x, _) = window.pixel_of(-17.8, -179.5);
        assert!((x - 200.0 - 1.5 * 111.32 * 17.8_f64.to_radians().cos()).abs() < 1.0, "{x}");
        assert!((window.lat_lon(x, 200.0).1 + 179.5).abs() < 1e-6);
    }
}
