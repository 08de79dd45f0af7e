//! Coastlines, country borders and places of the world, for the map page and the animations alike.
//!
//! The data lies in the binary, 1.5 MB packed, and is decoded once when first asked for. `data/README.md` says where it
//! comes from; [`MAP_CREDIT`] is to be shown with whatever is drawn from it.

mod format;
mod geojson;

use std::sync::OnceLock;

use raincell_model::distance_km;

/// Credit for the map data.
pub const MAP_CREDIT: &str = "Map: Natural Earth · Places: GeoNames (CC BY 4.0)";

const PACKED: &[u8] = include_bytes!("../../data/world.bin.gz");

/// (longitude, latitude) in degrees.
pub type LonLat = [f32; 2];

/// A box in degrees. `west` may be larger than `east`: then it spans the date line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundingBox {
    /// Western edge, degrees east.
    pub west: f64,
    /// Southern edge, degrees north.
    pub south: f64,
    /// Eastern edge, degrees east.
    pub east: f64,
    /// Northern edge, degrees north.
    pub north: f64,
}

impl BoundingBox {
    /// True if a place lies in it.
    pub fn contains(&self, lat_deg: f64, lon_deg: f64) -> bool {
        let in_longitude = if self.west <= self.east {
            (self.west..=self.east).contains(&lon_deg)
        } else {
            lon_deg >= self.west || lon_deg <= self.east
        };
        in_longitude && (self.south..=self.north).contains(&lat_deg)
    }

    fn meets(&self, line: &Polyline) -> bool {
        let (west, east) = (f64::from(line.west_east[0]), f64::from(line.west_east[1]));
        let in_longitude = if self.west <= self.east {
            west <= self.east && east >= self.west
        } else {
            east >= self.west || west <= self.east
        };
        in_longitude && f64::from(line.south_north[0]) <= self.north && f64::from(line.south_north[1]) >= self.south
    }
}

/// A line on the earth; a ring repeats its first point at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Polyline {
    /// Its points.
    pub points: Vec<LonLat>,
    west_east: [f32; 2],
    south_north: [f32; 2],
}

impl Polyline {
    fn new(points: Vec<LonLat>) -> Self {
        let (mut west_east, mut south_north) = ([f32::MAX, f32::MIN], [f32::MAX, f32::MIN]);
        for &[lon, lat] in &points {
            west_east = [west_east[0].min(lon), west_east[1].max(lon)];
            south_north = [south_north[0].min(lat), south_north[1].max(lat)];
        }
        Self { points, west_east, south_north }
    }

    /// Its points without the jump where it crosses the date line: from there on longitudes go beyond ±180. A ring around
    /// the South Pole is closed along latitude −90.
    pub fn unwrapped(&self) -> Vec<LonLat> {
        let mut points: Vec<LonLat> = Vec::with_capacity(self.points.len() + 3);
        let mut turn = 0.0;
        for &[lon, lat] in &self.points {
            if let Some(&[last, _]) = points.last() {
                turn -= ((lon + turn - last) / 360.0).round() * 360.0;
            }
            points.push([lon + turn, lat]);
        }
        let ring = self.points.len() > 2 && self.points.first() == self.points.last();
        if let (true, Some(&first), Some(&last)) = (ring, points.first(), points.last())
            && (last[0] - first[0]).abs() > 180.0
        {
            points.extend([[last[0], -90.0], [first[0], -90.0], first]);
        }
        points
    }
}

/// A populated place.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its name in its own language, in Latin letters.
    pub name: String,
    /// ISO 3166 two-letter code of its country.
    pub country: String,
    /// Latitude, degrees north.
    pub lat_deg: f64,
    /// Longitude, degrees east.
    pub lon_deg: f64,
    /// Inhabitants.
    pub population: u32,
}

/// The map of the world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Outlines of land, to be filled by the even-odd rule; a hole is a ring like any other.
    pub land: Vec<Polyline>,
    /// Shores of lakes of 4 km and more, to be filled by the even-odd rule on top of land; an island is a ring like any
    /// other.
    pub lakes: Vec<Polyline>,
    /// Borders between two countries on land.
    pub borders: Vec<Polyline>,
    /// Places of 3,000 inhabitants and more, the largest first.
    pub places: Vec<Place>,
}

/// The map of the world, decoded at the first call (some 30 ms).
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    // The data is part of the binary and a test reads all of it. Were it broken all the same, maps would lack their
    // coast, which beats a service that does not answer.
    WORLD.get_or_init(|| format::decode(PACKED).unwrap_or_default())
}

impl World {
    /// Outlines of land that may reach into a box.
    pub fn land_in(&self, area: BoundingBox) -> impl Iterator<Item = &Polyline> {
        self.land.iter().filter(move |line| area.meets(line))
    }

    /// Shores of lakes that may reach into a box.
    pub fn lakes_in(&self, area: BoundingBox) -> impl Iterator<Item = &Polyline> {
        self.lakes.iter().filter(move |line| area.meets(line))
    }

    /// Country borders that may reach into a box.
    pub fn lines_in(&self, area: BoundingBox) -> impl Iterator<Item = &Polyline> {
        self.borders.iter().filter(move |line| area.meets(line))
    }

    /// The `limit` largest places of a box, the largest first.
    pub fn places_in(&self, area: BoundingBox, limit: usize) -> Vec<&Place> {
        self.places.iter().filter(|p| area.contains(p.lat_deg, p.lon_deg)).take(limit).collect()
    }

    /// The place nearest to a position, and how far away it is in km.
    pub fn nearest_place(&self, lat_deg: f64, lon_deg: f64) -> Option<(&Place, f64)> {
        // Most places are farther off in latitude alone than the nearest one so far, which takes no trigonometry.
        let mut best: Option<(&Place, f64)> = None;
        for place in &self.places {
            let limit = best.map_or(f64::MAX, |(_, km)| km);
            if (place.lat_deg - lat_deg).abs() * 111.19 < limit {
                let km = distance_km((lat_deg, lon_deg), (place.lat_deg, place.lon_deg));
                if km < limit {
                    best = Some((place, km));
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SWITZERLAND: BoundingBox = BoundingBox { west: 6.0, south: 45.8, east: 10.5, north: 47.8 };

    #[test]
    fn the_embedded_world_decodes_whole() {
        let world = format::decode(PACKED).unwrap();
        assert!(world.land.len() > 3000 && world.borders.len() > 300 && world.places.len() > 50_000);
        assert!(world.lakes.len() > 1000);
        for line in world.land.iter().chain(&world.lakes).chain(&world.borders) {
            assert!(line.points.len() >= 2);
            assert!(line.points.iter().all(|p| (-180.01..=180.01).contains(&p[0]) && (-90.0..=90.0).contains(&p[1])));
        }
        assert!(world.land.iter().all(|ring| ring.points.len() >= 4 && ring.points.first() == ring.points.last()));
        assert!(world.places.windows(2).all(|pair| pair[0].population >= pair[1].population));
    }

    #[test]
    fn rings_across_the_date_line_have_no_jump_once_unwrapped() {
        for ring in &world().land {
            let points = ring.unwrapped();
            assert_eq!(points.first(), points.last());
            let around_the_pole = points.iter().any(|p| p[1] == -90.0);
            assert!(around_the_pole || points.windows(2).all(|pair| (pair[0][0] - pair[1][0]).abs() <= 180.0));
        }
        assert!(world().land.iter().any(|ring| ring.unwrapped().iter().any(|p| p[0].abs() > 181.0)));
    }

    #[test]
    fn the_largest_places_of_a_box_come_first() {
        let names: Vec<&str> = world().places_in(SWITZERLAND, 4).iter().map(|p| p.name.as_str()).collect();
        assert!(names.contains(&"Zürich") && names.contains(&"Genève"), "{names:?}");
        assert!(world().lines_in(SWITZERLAND).count() >= 4);
        assert!(world().land_in(SWITZERLAND).count() >= 1);
        assert!(world().lakes_in(SWITZERLAND).count() >= 4);
    }

    #[test]
    fn the_nearest_place_is_found_also_across_the_date_line() {
        let (place, km) = world().nearest_place(46.95, 7.45).unwrap();
        assert_eq!((place.name.as_str(), place.country.as_str()), ("Bern", "CH"));
        assert!(km < 3.0);
        let (_, near) = world().nearest_place(-16.8, -179.999).unwrap();
        let (_, same) = world().nearest_place(-16.8, 179.999).unwrap();
        assert!((near - same).abs() < 1.0, "{near} {same}");
    }

    #[test]
    fn a_box_across_the_date_line_holds_places_on_both_sides() {
        let area = BoundingBox { west: 177.0, south: -20.0, east: -178.0, north: -12.0 };
        assert!(area.contains(-17.0, 179.0) && area.contains(-17.0, -179.0) && !area.contains(-17.0, 0.0));
        assert!(!world().places_in(area, 10).is_empty());
    }
}
