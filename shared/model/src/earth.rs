//! Distances and areas on the earth, in degrees of longitude and latitude.

/// Mean radius of the earth (IUGG), km.
pub const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Longitude and latitude, degrees: in this order, as GeoJSON and WKT write them.
pub type LonLat = (f64, f64);

/// Great-circle distance of two (latitude, longitude) in degrees, km, on a sphere.
pub fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let haversine = half(a.0, b.0) + a.0.to_radians().cos() * b.0.to_radians().cos() * half(a.1, b.1);
    2.0 * EARTH_RADIUS_KM * haversine.sqrt().clamp(0.0, 1.0).asin()
}

/// The same longitude within half a turn of another, so that an area may lie across the date line.
pub fn near_longitude(lon_deg: f64, other_deg: f64) -> f64 {
    other_deg + (lon_deg - other_deg + 180.0).rem_euclid(360.0) - 180.0
}

/// True if a place is within a polygon: an outer ring, then those of its holes. Edges are straight in degrees; rings
/// may be closed or not.
pub fn polygon_contains(rings: &[Vec<LonLat>], lat_deg: f64, lon_deg: f64) -> bool {
    let first = rings.first().and_then(|ring| ring.first()).map_or(0.0, |&(lon, _)| lon);
    let here = (near_longitude(lon_deg, first), lat_deg);
    rings.iter().map(|ring| crossings(ring, here)).sum::<usize>() % 2 == 1
}

/// How often a ring is crossed on the way north from a position.
fn crossings(ring: &[LonLat], (lon, lat): LonLat) -> usize {
    let edges = ring.iter().zip(ring.iter().cycle().skip(1)).take(ring.len());
    edges
        .filter(|((x1, y1), (x2, y2))| (*x1 > lon) != (*x2 > lon) && lat < y1 + (lon - x1) / (x2 - x1) * (y2 - y1))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_is_111_km() {
        assert!((distance_km((50.0, 5.0), (51.0, 5.0)) - 111.195).abs() < 0.001);
        assert!((distance_km((0.0, 179.5), (0.0, -179.5)) - 111.195).abs() < 0.001);
    }

    #[test]
    fn a_hole_is_not_within_and_the_date_line_is_no_edge() {
        let square = |west: f64, side: f64, south: f64| {
            vec![(west, south), (west + side, south), (west + side, south + side), (west, south + side)]
        };
        let rings = [square(179.0, 2.0, 10.0), square(179.8, 0.4, 10.8)];
        assert!(polygon_contains(&rings, 10.5, 179.5) && polygon_contains(&rings, 10.5, -179.5));
        assert!(!polygon_contains(&rings, 11.0, 180.0) && !polygon_contains(&rings, 11.0, -180.0));
        assert!(!polygon_contains(&rings, 10.5, 178.9) && !polygon_contains(&rings, 12.5, 179.5));
    }
}
