//! The part of the earth that a query asks for.

use raincell_model::{LonLat, distance_km, near_longitude, polygon_contains};

/// Length of a degree of latitude, km.
const KM_A_DEGREE: f64 = 111.195;

/// A part of the earth.
#[derive(Clone, Debug, PartialEq)]
pub enum Extent {
    /// Each an outer ring and its holes.
    Polygons(Vec<Vec<Vec<LonLat>>>),
    /// Between meridians and parallels.
    Box(BoundingBox),
    /// All within a distance of a place.
    Circle {
        /// (latitude, longitude), degrees.
        centre: (f64, f64),
        /// How far, km.
        radius_km: f64,
    },
}

/// A box in degrees; `east` is never less than `west`, and more than 180 where it lies across the date line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundingBox {
    /// Western edge.
    pub west: f64,
    /// Southern edge.
    pub south: f64,
    /// Eastern edge.
    pub east: f64,
    /// Northern edge.
    pub north: f64,
}

impl BoundingBox {
    /// What two boxes have in common.
    pub fn common(&self, other: &Self) -> Option<Self> {
        // The same meridians may be counted a turn further on.
        let turns = ((self.west + self.east - other.west - other.east) / 720.0).round() * 360.0;
        let (west, east) = (self.west.max(other.west + turns), self.east.min(other.east + turns));
        let (south, north) = (self.south.max(other.south), self.north.min(other.north));
        (west <= east && south <= north).then_some(Self { west, south, east, north })
    }
}

impl Extent {
    /// A box that holds it.
    pub fn bounds(&self) -> BoundingBox {
        match self {
            Self::Box(bounds) => *bounds,
            Self::Circle { centre: (lat, lon), radius_km } => {
                let reach_lat = radius_km / KM_A_DEGREE;
                let (south, north) = ((lat - reach_lat).max(-90.0), (lat + reach_lat).min(90.0));
                let slimmest = south.to_radians().cos().min(north.to_radians().cos());
                let reach_lon = (reach_lat / slimmest.max(1e-6)).min(180.0);
                BoundingBox { west: lon - reach_lon, south, east: lon + reach_lon, north }
            }
            Self::Polygons(polygons) => {
                let first = polygons.iter().flatten().flatten().next().map_or(0.0, |&(lon, _)| lon);
                let empty = BoundingBox { west: f64::MAX, south: f64::MAX, east: f64::MIN, north: f64::MIN };
                polygons.iter().flatten().flatten().fold(empty, |bounds, &(lon, lat)| {
                    let lon = near_longitude(lon, first);
                    BoundingBox {
                        west: bounds.west.min(lon),
                        south: bounds.south.min(lat),
                        east: bounds.east.max(lon),
                        north: bounds.north.max(lat),
                    }
                })
            }
        }
    }

    /// True if a place within its bounds belongs to it.
    pub fn contains(&self, lat_deg: f64, lon_deg: f64) -> bool {
        match self {
            Self::Box(_) => true,
            Self::Circle { centre, radius_km } => distance_km(*centre, (lat_deg, lon_deg)) <= *radius_km,
            Self::Polygons(polygons) => polygons.iter().any(|rings| polygon_contains(rings, lat_deg, lon_deg)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_lies_within_its_bounds() {
        let circle = Extent::Circle { centre: (60.0, 179.9), radius_km: 100.0 };
        let bounds = circle.bounds();
        assert!((bounds.north - 60.9).abs() < 0.01 && bounds.east > 181.6 && bounds.east < 182.0, "{bounds:?}");
        assert!(circle.contains(60.0, -178.5) && !circle.contains(60.0, -177.0));
    }

    #[test]
    fn boxes_meet_across_the_date_line() {
        let fiji = BoundingBox { west: 177.0, south: -20.0, east: 182.0, north: -15.0 };
        let east_of_it = BoundingBox { west: -179.0, south: -30.0, east: -170.0, north: -16.0 };
        let common = fiji.common(&east_of_it).unwrap();
        assert_eq!(common, BoundingBox { west: 181.0, south: -20.0, east: 182.0, north: -16.0 });
        assert_eq!(fiji.common(&BoundingBox { west: 0.0, south: -20.0, east: 10.0, north: -15.0 }), None);
    }
}
