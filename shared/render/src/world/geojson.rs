//! The map of the world as GeoJSON, for a map page.

use std::fmt::Write;

use super::{LonLat, Polyline, World};

impl World {
    /// Land as one GeoJSON Feature with a MultiPolygon.
    ///
    /// Lines are simplified to `tolerance_deg` (Douglas–Peucker) and rings smaller than that are left out; coordinates
    /// have three decimals. With 0.015 the text has some 1.6 MB, which gzip shrinks to a third.
    pub fn geojson_land(&self, tolerance_deg: f32) -> String {
        polygons(&self.land, tolerance_deg)
    }

    /// Lakes as one GeoJSON Feature with a MultiPolygon, simplified like [`Self::geojson_land`].
    pub fn geojson_lakes(&self, tolerance_deg: f32) -> String {
        polygons(&self.lakes, tolerance_deg)
    }

    /// Country borders as one GeoJSON Feature with a MultiLineString, simplified like [`Self::geojson_land`].
    pub fn geojson_borders(&self, tolerance_deg: f32) -> String {
        let coordinates = Coordinates::new(tolerance_deg);
        let lines: Vec<String> = self.borders.iter().map(|line| coordinates.line(&line.points)).collect();
        feature("MultiLineString", &lines.join(","))
    }

    /// The `limit` largest places as a GeoJSON FeatureCollection of points with `name`, `country`, `population` and
    /// `rank` (0 = the largest), the largest first.
    pub fn geojson_places(&self, limit: usize) -> String {
        let mut out = String::from(r#"{"type":"FeatureCollection","features":["#);
        for (rank, place) in self.places.iter().take(limit).enumerate() {
            let separator = if rank == 0 { "" } else { "," };
            let name = serde_json::Value::from(place.name.as_str());
            let country = serde_json::Value::from(place.country.as_str());
            let _ = write!(
                out,
                r#"{separator}{{"type":"Feature","geometry":{{"type":"Point","coordinates":[{},{}]}},"properties":{{"name":{name},"country":{country},"population":{},"rank":{rank}}}}}"#,
                decimals(place.lon_deg as f32),
                decimals(place.lat_deg as f32),
                place.population,
            );
        }
        out.push_str("]}");
        out
    }
}

/// Rings as one Feature with a MultiPolygon.
fn polygons(rings: &[Polyline], tolerance_deg: f32) -> String {
    let coordinates = Coordinates::new(tolerance_deg);
    let mut polygons = String::new();
    for (outer, holes) in with_holes(rings) {
        let Some(ring) = coordinates.ring(outer) else { continue };
        let separator = if polygons.is_empty() { "" } else { "," };
        let _ = write!(polygons, "{separator}[{ring}");
        for hole in holes {
            if let Some(ring) = coordinates.ring(hole) {
                let _ = write!(polygons, ",{ring}");
            }
        }
        polygons.push(']');
    }
    feature("MultiPolygon", &polygons)
}

fn feature(kind: &str, coordinates: &str) -> String {
    format!(r#"{{"type":"Feature","properties":{{}},"geometry":{{"type":"{kind}","coordinates":[{coordinates}]}}}}"#)
}

/// Three decimals without trailing zeros.
fn decimals(degrees: f32) -> f64 {
    (f64::from(degrees) * 1000.0).round() / 1000.0
}

/// Outer rings (clockwise in this data, as in TopoJSON) with the holes that follow them.
fn with_holes(rings: &[Polyline]) -> Vec<(&Polyline, Vec<&Polyline>)> {
    let mut polygons: Vec<(&Polyline, Vec<&Polyline>)> = Vec::new();
    for ring in rings {
        match polygons.last_mut() {
            Some((_, holes)) if signed_area(&ring.unwrapped()) > 0.0 => holes.push(ring),
            _ => polygons.push((ring, Vec::new())),
        }
    }
    polygons
}

/// Area in square degrees, positive anticlockwise.
fn signed_area(points: &[LonLat]) -> f64 {
    let cross = |a: &LonLat, b: &LonLat| f64::from(a[0]) * f64::from(b[1]) - f64::from(b[0]) * f64::from(a[1]);
    points.windows(2).map(|pair| cross(&pair[0], &pair[1])).sum::<f64>() / 2.0
}

/// Writes simplified coordinates.
struct Coordinates {
    tolerance_deg: f32,
}

impl Coordinates {
    fn new(tolerance_deg: f32) -> Self {
        Self { tolerance_deg: tolerance_deg.max(0.0) }
    }

    fn line(&self, points: &[LonLat]) -> String {
        let mut out = String::from("[");
        let mut last = None;
        for &[lon, lat] in &simplified(points, self.tolerance_deg) {
            let point = (decimals(lon), decimals(lat));
            if last != Some(point) {
                let separator = if last.is_none() { "" } else { "," };
                let _ = write!(out, "{separator}[{},{}]", point.0, point.1);
                last = Some(point);
            }
        }
        out.push(']');
        out
    }

    /// A ring, anticlockwise as RFC 7946 wants the outer one (holes clockwise); `None` if nothing is left of it.
    fn ring(&self, ring: &Polyline) -> Option<String> {
        let width = ring.west_east[1] - ring.west_east[0];
        let height = ring.south_north[1] - ring.south_north[0];
        if width.max(height) < self.tolerance_deg {
            return None;
        }
        let mut points = ring.unwrapped();
        points.reverse();
        (simplified(&points, self.tolerance_deg).len() >= 4).then(|| self.line(&points))
    }
}

/// Douglas–Peucker, in degrees of latitude.
fn simplified(points: &[LonLat], tolerance_deg: f32) -> Vec<LonLat> {
    if points.len() < 3 {
        return points.to_vec();
    }
    let shrink = points[0][1].to_radians().cos().max(0.05);
    let mut keep = vec![false; points.len()];
    (keep[0], keep[points.len() - 1]) = (true, true);
    let mut spans = vec![(0, points.len() - 1)];
    while let Some((first, last)) = spans.pop() {
        let (a, b) = (points[first], points[last]);
        let farthest = (first + 1..last)
            .map(|i| (i, distance_to_segment(points[i], a, b, shrink)))
            .max_by(|x, y| x.1.total_cmp(&y.1));
        if let Some((middle, distance)) = farthest
            && distance > tolerance_deg
        {
            keep[middle] = true;
            spans.extend([(first, middle), (middle, last)]);
        }
    }
    points.iter().zip(keep).filter_map(|(&p, keep)| keep.then_some(p)).collect()
}

fn distance_to_segment(p: LonLat, a: LonLat, b: LonLat, shrink: f32) -> f32 {
    let (dx, dy) = ((b[0] - a[0]) * shrink, b[1] - a[1]);
    let (px, py) = ((p[0] - a[0]) * shrink, p[1] - a[1]);
    let length2 = dx * dx + dy * dy;
    let t = if length2 > 0.0 { ((px * dx + py * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (px - t * dx).hypot(py - t * dy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::world::world;

    #[test]
    fn the_world_as_geojson_is_small_and_well_formed() {
        for text in [
            world().geojson_land(0.015),
            world().geojson_lakes(0.01),
            world().geojson_borders(0.01),
            world().geojson_places(12_000),
        ] {
            assert!(text.len() < 2_000_000, "{} bytes", text.len());
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }

    #[test]
    fn holes_stay_holes_and_rings_close() {
        let land: serde_json::Value = serde_json::from_str(&world().geojson_land(0.02)).unwrap();
        let polygons = land["geometry"]["coordinates"].as_array().unwrap();
        assert!(polygons.len() > 500);
        assert!(polygons.iter().any(|rings| rings.as_array().unwrap().len() > 1));
        for ring in polygons.iter().flat_map(|rings| rings.as_array().unwrap()) {
            let ring = ring.as_array().unwrap();
            assert!(ring.len() >= 4 && ring.first() == ring.last());
        }
    }
}
