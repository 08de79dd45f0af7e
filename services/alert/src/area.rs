//! The area of a watched place: all within a distance of a point, or what a GeoJSON polygon encloses.

use std::path::PathBuf;

use geojson::{GeoJson, GeometryValue};
use raincell_model::{LonLat, distance_km, near_longitude, polygon_contains};
use thiserror::Error;

/// The farthest that the edge of a polygon may lie from its middle, km.
const WIDEST_KM: f64 = 300.0;

/// Where a place is.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Degrees north: of the point, or of the polygon's centroid.
    pub lat_deg: f64,
    /// Degrees east.
    pub lon_deg: f64,
    /// All of the area lies within this distance, km.
    pub radius_km: f64,
    /// Each a list of rings, an even-odd outline; empty for a circle.
    polygons: Vec<Vec<Vec<LonLat>>>,
}

/// Why a polygon cannot be used.
#[derive(Debug, Error)]
pub enum AreaError {
    /// The file cannot be read.
    #[error("area: cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is no GeoJSON.
    #[error("area: {0}")]
    NotGeoJson(#[source] Box<geojson::Error>),
    /// It has no usable polygon.
    #[error("area: found {found}, expected {expected}")]
    Shape {
        /// What was found.
        found: String,
        /// What would do.
        expected: &'static str,
    },
}

impl Area {
    /// All within `radius_km` of a point.
    pub fn circle(lat_deg: f64, lon_deg: f64, radius_km: f64) -> Self {
        Self { lat_deg, lon_deg, radius_km, polygons: Vec::new() }
    }

    /// The polygons of a GeoJSON text (it begins with `{`), or of a file that holds one: a Polygon or MultiPolygon, alone
    /// or in features.
    ///
    /// # Errors
    /// [`AreaError`] says what is wrong.
    pub fn from_geojson(text_or_path: &str) -> Result<Self, AreaError> {
        if text_or_path.trim_start().starts_with('{') {
            return Self::parse(text_or_path);
        }
        let path = PathBuf::from(text_or_path);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text),
            Err(source) => Err(AreaError::Read { path, source }),
        }
    }

    fn parse(text: &str) -> Result<Self, AreaError> {
        let geojson: GeoJson = text.parse().map_err(|error| AreaError::NotGeoJson(Box::new(error)))?;
        let mut polygons = Vec::new();
        match geojson {
            GeoJson::Geometry(geometry) => collect(geometry.value, &mut polygons)?,
            GeoJson::Feature(feature) => collect_feature(feature, &mut polygons)?,
            GeoJson::FeatureCollection(features) => {
                for feature in features.features {
                    collect_feature(feature, &mut polygons)?;
                }
            }
        }
        Self::of_polygons(polygons)
    }

    fn of_polygons(mut polygons: Vec<Vec<Vec<LonLat>>>) -> Result<Self, AreaError> {
        let expected = "a polygon with rings of four positions and more, in degrees";
        let Some(&(first_lon, _)) = polygons.first().and_then(|rings| rings.first()?.first()) else {
            return Err(AreaError::Shape { found: "no polygon".into(), expected });
        };
        for position in polygons.iter_mut().flatten().flatten() {
            let (lon, lat) = *position;
            if !((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)) {
                return Err(AreaError::Shape { found: format!("a position at {lon}, {lat}"), expected });
            }
            position.0 = near_longitude(lon, first_lon);
        }
        if let Some(ring) = polygons.iter().flatten().find(|ring| ring.len() < 4) {
            return Err(AreaError::Shape { found: format!("a ring of {} positions", ring.len()), expected });
        }
        let Some((lon_deg, lat_deg)) = centroid(&polygons) else {
            return Err(AreaError::Shape { found: "a polygon without area".into(), expected });
        };
        let distance = |&(lon, lat): &LonLat| distance_km((lat_deg, lon_deg), (lat, lon));
        let radius_km = polygons.iter().flatten().flatten().map(distance).fold(0.0, f64::max);
        if radius_km > WIDEST_KM {
            let found = format!("a polygon that reaches {radius_km:.0} km from its middle");
            return Err(AreaError::Shape { found, expected: "one that reaches at most 300 km" });
        }
        Ok(Self { lat_deg, lon_deg: near_longitude(lon_deg, 0.0), radius_km, polygons })
    }

    /// True if a place is in the area.
    pub fn contains(&self, lat_deg: f64, lon_deg: f64) -> bool {
        if self.polygons.is_empty() {
            return distance_km((self.lat_deg, self.lon_deg), (lat_deg, lon_deg)) <= self.radius_km;
        }
        self.polygons.iter().any(|rings| polygon_contains(rings, lat_deg, lon_deg))
    }
}

fn collect_feature(feature: geojson::Feature, into: &mut Vec<Vec<Vec<LonLat>>>) -> Result<(), AreaError> {
    feature.geometry.map_or(Ok(()), |geometry| collect(geometry.value, into))
}

fn collect(value: GeometryValue, into: &mut Vec<Vec<Vec<LonLat>>>) -> Result<(), AreaError> {
    match value {
        GeometryValue::Polygon { coordinates } => into.push(rings(&coordinates)?),
        GeometryValue::MultiPolygon { coordinates } => {
            for polygon in &coordinates {
                into.push(rings(polygon)?);
            }
        }
        GeometryValue::GeometryCollection { geometries } => {
            for geometry in geometries {
                collect(geometry.value, into)?;
            }
        }
        other => {
            let expected = "a Polygon or MultiPolygon";
            return Err(AreaError::Shape { found: format!("a {}", other.type_name()), expected });
        }
    }
    Ok(())
}

fn rings(polygon: &[Vec<geojson::Position>]) -> Result<Vec<Vec<LonLat>>, AreaError> {
    let position = |position: &geojson::Position| match position.as_slice() {
        &[lon, lat, ..] => Ok((lon, lat)),
        short => {
            let found = format!("a position of {} numbers", short.len());
            Err(AreaError::Shape { found, expected: "longitude and latitude" })
        }
    };
    polygon.iter().map(|ring| ring.iter().map(position).collect()).collect()
}

/// Of all outer rings, weighted by their areas; `None` where they have none.
fn centroid(polygons: &[Vec<Vec<LonLat>>]) -> Option<LonLat> {
    let &(lon0, lat0) = polygons.first()?.first()?.first()?;
    let (mut area, mut sum) = (0.0, (0.0, 0.0));
    for ring in polygons.iter().filter_map(|rings| rings.first()) {
        let edges = ring.iter().zip(ring.iter().cycle().skip(1)).take(ring.len());
        let (mut ring_area, mut ring_sum) = (0.0, (0.0, 0.0));
        for (a, b) in edges {
            let (a, b) = ((a.0 - lon0, a.1 - lat0), (b.0 - lon0, b.1 - lat0));
            let cross = a.0 * b.1 - b.0 * a.1;
            ring_area += cross;
            ring_sum = (ring_sum.0 + cross * (a.0 + b.0), ring_sum.1 + cross * (a.1 + b.1));
        }
        // Whichever way round the ring goes.
        let sign = f64::signum(ring_area);
        area += sign * ring_area;
        sum = (sum.0 + sign * ring_sum.0, sum.1 + sign * ring_sum.1);
    }
    (area > 1e-12).then(|| (lon0 + sum.0 / (3.0 * area), lat0 + sum.1 / (3.0 * area)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = r#"{"type":"Polygon","coordinates":[[[4,52],[5,52],[5,53],[4,53],[4,52]],
        [[4.4,52.4],[4.6,52.4],[4.6,52.6],[4.4,52.6],[4.4,52.4]]]}"#;

    #[test]
    fn a_polygon_has_a_middle_a_reach_and_holes() {
        let area = Area::from_geojson(SQUARE).unwrap();
        assert!((area.lat_deg - 52.5).abs() < 1e-9 && (area.lon_deg - 4.5).abs() < 1e-9);
        assert!((60.0..70.0).contains(&area.radius_km), "{}", area.radius_km);
        assert!(area.contains(52.1, 4.1) && area.contains(52.9, 4.5));
        assert!(!area.contains(52.5, 4.5), "in the hole");
        assert!(!area.contains(51.9, 4.5) && !area.contains(52.5, 5.1));
    }

    #[test]
    fn features_and_files_do_as_well_and_the_date_line_is_no_edge() {
        let collection = r#"{"type":"FeatureCollection","features":[
            {"type":"Feature","properties":{},"geometry":{"type":"MultiPolygon","coordinates":[
                [[[179,-17],[-179,-17],[-179,-16],[179,-16],[179,-17]]]]}}]}"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), collection).unwrap();
        let area = Area::from_geojson(file.path().to_str().unwrap()).unwrap();
        assert!(area.contains(-16.5, 179.9) && area.contains(-16.5, -179.9) && !area.contains(-16.5, 178.0));
        assert!((area.lon_deg.abs() - 180.0).abs() < 1e-6 && area.radius_km < 130.0);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let message = |text: &str| Area::from_geojson(text).unwrap_err().to_string();
        assert!(message("no/such.geojson").contains("no/such.geojson"));
        assert!(message("{\"type\":\"Nonsense\"}").starts_with("area: "));
        assert!(message(r#"{"type":"Point","coordinates":[4,52]}"#).contains("Point"));
        assert!(message(r#"{"type":"Polygon","coordinates":[[[4,52],[5,52],[4,52]]]}"#).contains("3 positions"));
        assert!(message(r#"{"type":"Polygon","coordinates":[[[4,52],[500,52],[5,53],[4,52]]]}"#).contains("500"));
        assert!(message(r#"{"type":"Polygon","coordinates":[[[4,52],[5,52],[4.5,52],[4,52]]]}"#).contains("area"));
        assert!(message(r#"{"type":"Polygon","coordinates":[[[4,42],[35,42],[35,63],[4,52]]]}"#).contains("300 km"));
        assert!(message(r#"{"type":"FeatureCollection","features":[]}"#).contains("no polygon"));
    }
}
