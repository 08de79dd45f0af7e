//! The keys that say where a GeoTIFF lies (OGC GeoTIFF 1.1, annex on projections), from a PROJ definition.

use std::io::{Seek, Write};

use raincell_model::Grid;
use tiff::TiffResult;
use tiff::encoder::{DirectoryEncoder, TiffKind};
use tiff::tags::Tag;

use crate::definition::Definition;

const GEO_KEY_DIRECTORY: Tag = Tag::Unknown(34735);
const GEO_DOUBLE_PARAMS: Tag = Tag::Unknown(34736);
const GEO_ASCII_PARAMS: Tag = Tag::Unknown(34737);

const MODEL_TYPE: u16 = 1024;
const RASTER_TYPE: u16 = 1025;
const CITATION: u16 = 1026;
const GEODETIC_CRS: u16 = 2048;
const GEODETIC_DATUM: u16 = 2050;
const ANGULAR_UNITS: u16 = 2054;
const ELLIPSOID: u16 = 2056;
const SEMI_MAJOR_AXIS: u16 = 2057;
const SEMI_MINOR_AXIS: u16 = 2058;
const TO_WGS84: u16 = 2062;
const PROJECTED_CRS: u16 = 3072;
const PROJECTION: u16 = 3074;
const METHOD: u16 = 3075;
const LINEAR_UNITS: u16 = 3076;
const STANDARD_PARALLEL_1: u16 = 3078;
const STANDARD_PARALLEL_2: u16 = 3079;
const NATURAL_ORIGIN_LONG: u16 = 3080;
const NATURAL_ORIGIN_LAT: u16 = 3081;
const FALSE_EASTING: u16 = 3082;
const FALSE_NORTHING: u16 = 3083;
const FALSE_ORIGIN_LONG: u16 = 3084;
const FALSE_ORIGIN_LAT: u16 = 3085;
const FALSE_ORIGIN_EASTING: u16 = 3086;
const FALSE_ORIGIN_NORTHING: u16 = 3087;
const CENTRE_LONG: u16 = 3088;
const CENTRE_LAT: u16 = 3089;
const SCALE_AT_NATURAL_ORIGIN: u16 = 3092;
const SCALE_AT_CENTRE: u16 = 3093;
const AZIMUTH: u16 = 3094;
const STRAIGHT_VERTICAL_POLE_LONG: u16 = 3095;
const RECTIFIED_GRID_ANGLE: u16 = 3096;

const USER_DEFINED: u16 = 32767;
const WGS84: u16 = 4326;
const DEGREE: u16 = 9102;
const METRE: u16 = 9001;

/// Keys in ascending order, and the numbers and the text that they point at.
#[derive(Default)]
pub(super) struct Keys {
    /// Key, tag that holds the value (0: the entry itself), how many, value or index.
    entries: Vec<[u16; 4]>,
    doubles: Vec<f64>,
    text: String,
}

impl Keys {
    fn short(&mut self, key: u16, value: u16) {
        self.entries.push([key, 0, 1, value]);
    }

    fn doubles(&mut self, key: u16, values: &[f64]) {
        self.entries.push([key, GEO_DOUBLE_PARAMS.to_u16(), values.len() as u16, self.doubles.len() as u16]);
        self.doubles.extend(values);
    }

    fn text(&mut self, key: u16, text: &str) {
        let kept: String = text.chars().filter(|c| c.is_ascii() && *c != '|').collect();
        self.entries.push([key, GEO_ASCII_PARAMS.to_u16(), kept.len() as u16 + 1, self.text.len() as u16]);
        self.text.push_str(&kept);
        self.text.push('|');
    }

    pub fn write<W: Write + Seek, K: TiffKind>(mut self, directory: &mut DirectoryEncoder<'_, W, K>) -> TiffResult<()> {
        self.entries.sort_unstable();
        let version = [1, 1, 1, self.entries.len() as u16];
        let words: Vec<u16> = std::iter::once(version).chain(self.entries).flatten().collect();
        directory.write_tag(GEO_KEY_DIRECTORY, words.as_slice())?;
        if !self.doubles.is_empty() {
            directory.write_tag(GEO_DOUBLE_PARAMS, self.doubles.as_slice())?;
        }
        if !self.text.is_empty() {
            directory.write_tag(GEO_ASCII_PARAMS, self.text.as_str())?;
        }
        Ok(())
    }
}

/// The keys of a grid. A projection that GeoTIFF has no words for is given by its PROJ definition as the citation alone.
pub(super) fn of(grid: &Grid) -> Keys {
    let proj = Definition(&grid.projection);
    let mut keys = Keys::default();
    keys.short(RASTER_TYPE, 1); // A pixel is an area.
    keys.text(CITATION, &grid.projection);
    earth(&proj, &mut keys);
    if grid.is_geographic() {
        keys.short(MODEL_TYPE, 2);
        return keys;
    }
    keys.short(MODEL_TYPE, 1);
    keys.short(PROJECTED_CRS, USER_DEFINED);
    keys.short(LINEAR_UNITS, METRE);
    keys.short(PROJECTION, USER_DEFINED);
    projection(&proj, &mut keys);
    keys
}

fn earth(proj: &Definition<'_>, keys: &mut Keys) {
    let (major, minor) = proj.ellipsoid();
    keys.short(ANGULAR_UNITS, DEGREE);
    let wgs84 = proj.text("datum") == Some("WGS84") || proj.text("ellps") == Some("WGS84");
    if wgs84 {
        keys.short(GEODETIC_CRS, WGS84);
        return;
    }
    keys.short(GEODETIC_CRS, USER_DEFINED);
    keys.short(GEODETIC_DATUM, USER_DEFINED);
    keys.short(ELLIPSOID, USER_DEFINED);
    keys.doubles(SEMI_MAJOR_AXIS, &[major]);
    keys.doubles(SEMI_MINOR_AXIS, &[minor]);
    let shift: Vec<f64> = proj.text("towgs84").unwrap_or("").split(',').filter_map(|n| n.parse().ok()).collect();
    if matches!(shift.len(), 3 | 7) {
        keys.doubles(TO_WGS84, &shift);
    }
}

fn projection(proj: &Definition<'_>, keys: &mut Keys) {
    let number = |key: &str| proj.number(key).unwrap_or(0.0);
    let (lat_0, lon_0) = (number("lat_0"), number("lon_0"));
    let (lat_1, lat_2) = (number("lat_1"), proj.number("lat_2").unwrap_or(number("lat_1")));
    let polar = lat_0.abs() > 89.9;
    let (method, parameters): (u16, Vec<(u16, f64)>) = match proj.text("proj") {
        Some("aeqd") => (12, vec![(CENTRE_LAT, lat_0), (CENTRE_LONG, lon_0)]),
        Some("laea") => (10, vec![(CENTRE_LAT, lat_0), (CENTRE_LONG, lon_0)]),
        Some("stere") if polar => {
            let true_scale = proj.number("lat_ts").unwrap_or(lat_0);
            let scale = (SCALE_AT_NATURAL_ORIGIN, proj.scale_factor());
            (15, vec![(NATURAL_ORIGIN_LAT, true_scale), (STRAIGHT_VERTICAL_POLE_LONG, lon_0), scale])
        }
        Some("stere") => {
            let scale = (SCALE_AT_NATURAL_ORIGIN, proj.scale_factor());
            (14, vec![(CENTRE_LAT, lat_0), (CENTRE_LONG, lon_0), scale])
        }
        Some("lcc") => {
            let parallels = [(STANDARD_PARALLEL_1, lat_1), (STANDARD_PARALLEL_2, lat_2)];
            let origin = [(FALSE_ORIGIN_LAT, lat_0), (FALSE_ORIGIN_LONG, lon_0)];
            let false_ = [(FALSE_ORIGIN_EASTING, number("x_0")), (FALSE_ORIGIN_NORTHING, number("y_0"))];
            (8, [parallels, origin, false_].concat())
        }
        Some("aea") => {
            let parallels = [(STANDARD_PARALLEL_1, lat_1), (STANDARD_PARALLEL_2, lat_2)];
            (11, [parallels, [(NATURAL_ORIGIN_LAT, lat_0), (NATURAL_ORIGIN_LONG, lon_0)]].concat())
        }
        Some("merc") => {
            // With its scale at the equator or with the parallel that is true to scale.
            let scale = match proj.number("lat_ts") {
                Some(true_scale) => (STANDARD_PARALLEL_1, true_scale),
                None => (SCALE_AT_NATURAL_ORIGIN, proj.scale_factor()),
            };
            (7, vec![(NATURAL_ORIGIN_LAT, 0.0), (NATURAL_ORIGIN_LONG, lon_0), scale])
        }
        Some("tmerc") => {
            let scale = (SCALE_AT_NATURAL_ORIGIN, proj.scale_factor());
            (1, vec![(NATURAL_ORIGIN_LAT, lat_0), (NATURAL_ORIGIN_LONG, lon_0), scale])
        }
        // The Swiss one: the oblique Mercator (azimuth at the centre, EPSG method 9815) whose central line runs east.
        Some("somerc") => {
            let centre = [(CENTRE_LAT, lat_0), (CENTRE_LONG, lon_0), (SCALE_AT_CENTRE, proj.scale_factor())];
            (9815, [&centre[..], &[(AZIMUTH, 90.0), (RECTIFIED_GRID_ANGLE, 90.0)]].concat())
        }
        _ => return,
    };
    keys.short(METHOD, method);
    for (key, value) in parameters {
        keys.doubles(key, &[value]);
    }
    if method != 8 {
        keys.doubles(FALSE_EASTING, &[number("x_0")]);
        keys.doubles(FALSE_NORTHING, &[number("y_0")]);
    }
}
