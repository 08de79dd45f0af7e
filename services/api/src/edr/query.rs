//! The parameters of a query, read and checked.

use std::str::FromStr;

use jiff::Timestamp;
use raincell_model::LonLat;
use raincell_service_runtime::Problem;
use wkt::Wkt;
use wkt::types::{Coord, Polygon};

use super::extent::{BoundingBox, Extent};
use super::parameter::Parameter;
use crate::http::parameters::{LATITUDES, LONGITUDES, Parameters};
use crate::memory::SourceView;

/// Most places of one query.
const MOST_PLACES: usize = 1000;
/// The farthest that a circle may reach, km.
const WIDEST_KM: f64 = 5000.0;

/// The instants that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// The one nearest to an instant.
    At(Timestamp),
    /// All from the first to the last, where they are given.
    Between(Option<Timestamp>, Option<Timestamp>),
}

/// `datetime`: an instant, or two with a slash between, of which one may be `..`; absent, all there is.
///
/// # Errors
/// 400.
pub fn period(parameters: &Parameters) -> Result<Period, Problem> {
    let Some(text) = parameters.text("datetime") else { return Ok(Period::Between(None, None)) };
    let wrong = || {
        let accepted = "an RFC 3339 time such as 2026-06-01T12:00:00Z, or two with / between, of which one may be ..";
        Problem::bad_parameter("datetime", format!("datetime is `{text}`"), accepted)
    };
    let instant = |text: &str| Timestamp::from_str(text).map_err(|_| wrong());
    let open = |text: &str| if matches!(text, "" | "..") { Ok(None) } else { instant(text).map(Some) };
    match text.split_once('/') {
        None => instant(text).map(Period::At),
        Some((from, to)) => match (open(from)?, open(to)?) {
            (Some(from), Some(to)) if from > to => Err(wrong()),
            (from, to) => Ok(Period::Between(from, to)),
        },
    }
}

/// `parameter-name`: some of those that the source has, with commas between; absent, all of them.
///
/// # Errors
/// 400.
pub fn quantities(parameters: &Parameters, view: &SourceView) -> Result<Vec<Parameter>, Problem> {
    let all = Parameter::all_of(view);
    let Some(text) = parameters.text("parameter-name") else { return Ok(all) };
    let named = |name: &str| {
        all.iter().find(|parameter| parameter.id == name.trim()).copied().ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|parameter| parameter.id).collect();
            Problem::bad_parameter("parameter-name", format!("parameter-name is `{text}`"), known.join(", "))
        })
    };
    text.split(',').map(named).collect()
}

/// `crs` and `f`, of which there is one each, and `z`, of which there is none.
///
/// # Errors
/// 400.
pub fn check_form(parameters: &Parameters) -> Result<(), Problem> {
    let crs = ["CRS84", "OGC:CRS84", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"];
    let formats = ["CoverageJSON", "application/prs.coverage+json"];
    for (name, accepted) in [("crs", &crs[..]), ("f", &formats[..])] {
        if let Some(text) = parameters.text(name)
            && !accepted.iter().any(|one| one.eq_ignore_ascii_case(text))
        {
            return Err(Problem::bad_parameter(name, format!("{name} is `{text}`"), accepted[0]));
        }
    }
    if let Some(z) = parameters.text("z") {
        return Err(Problem::bad_parameter("z", format!("z is `{z}`"), "nothing: rain is told at the ground only"));
    }
    Ok(())
}

/// `coords` of a position query: a point, or several.
///
/// # Errors
/// 400.
pub fn places(parameters: &Parameters) -> Result<Vec<LonLat>, Problem> {
    let accepted = "POINT(lon lat) or MULTIPOINT((lon lat),(lon lat)) of at most 1000, in degrees";
    let (text, geometry) = coords(parameters, accepted)?;
    let found = match geometry {
        Wkt::Point(point) => vec![point],
        Wkt::MultiPoint(points) => points.points().to_vec(),
        _ => Vec::new(),
    };
    let places: Option<Vec<LonLat>> = found.iter().map(|point| point.coord().and_then(on_earth)).collect();
    let places = places.filter(|places| (1..=MOST_PLACES).contains(&places.len()));
    places.ok_or_else(|| Problem::bad_parameter("coords", format!("coords is `{text}`"), accepted))
}

/// `coords` of an area query: a polygon, or several.
///
/// # Errors
/// 400.
pub fn area(parameters: &Parameters) -> Result<Extent, Problem> {
    let accepted = "POLYGON((lon lat, …)) or MULTIPOLYGON with rings of four positions and more, in degrees";
    let (text, geometry) = coords(parameters, accepted)?;
    let found = match geometry {
        Wkt::Polygon(polygon) => vec![polygon],
        Wkt::MultiPolygon(polygons) => polygons.polygons().to_vec(),
        _ => Vec::new(),
    };
    let polygons: Option<Vec<_>> = found.iter().map(rings).collect();
    let polygons = polygons.filter(|polygons| !polygons.is_empty());
    let wrong = || Problem::bad_parameter("coords", format!("coords is `{text}`"), accepted);
    polygons.map(Extent::Polygons).ok_or_else(wrong)
}

/// `bbox` of a cube query: west, south, east, north.
///
/// # Errors
/// 400.
pub fn bounding_box(parameters: &Parameters) -> Result<Extent, Problem> {
    let accepted = "west,south,east,north in degrees, such as 4.5,51.8,5.5,52.4";
    let Some(text) = parameters.text("bbox") else {
        return Err(Problem::bad_parameter("bbox", "bbox is missing", accepted));
    };
    let wrong = || Problem::bad_parameter("bbox", format!("bbox is `{text}`"), accepted);
    let numbers: Vec<f64> =
        text.split(',').map(|number| number.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [west, south, east, north] = numbers[..] else { return Err(wrong()) };
    let on_earth = LONGITUDES.contains(&west) && LONGITUDES.contains(&east);
    if !(on_earth && LATITUDES.contains(&south) && LATITUDES.contains(&north) && south <= north) {
        return Err(wrong());
    }
    let east = if east < west { east + 360.0 } else { east };
    Ok(Extent::Box(BoundingBox { west, south, east, north }))
}

/// `coords`, `within` and `within-units` of a radius query.
///
/// # Errors
/// 400.
pub fn circle(parameters: &Parameters) -> Result<Extent, Problem> {
    let accepted = "POINT(lon lat) in degrees";
    let (text, geometry) = coords(parameters, accepted)?;
    let point = if let Wkt::Point(point) = &geometry { point.coord().and_then(on_earth) } else { None };
    let Some((lon, lat)) = point else {
        return Err(Problem::bad_parameter("coords", format!("coords is `{text}`"), accepted));
    };
    let units = parameters.text("within-units").unwrap_or_default();
    let Some(&(_, km)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(units)) else {
        let names = UNITS.map(|(name, _)| name).join(", ");
        return Err(Problem::bad_parameter("within-units", format!("within-units is `{units}`"), names));
    };
    let most = WIDEST_KM / km;
    let within: f64 = parameters.number("within", 0.0..=most, f64::NAN)?;
    if within.is_nan() {
        return Err(Problem::bad_parameter("within", "within is missing", format!("0 to {most:.0}")));
    }
    Ok(Extent::Circle { centre: (lat, lon), radius_km: within * km })
}

/// What `within` may be counted in, and how many km one is.
pub const UNITS: [(&str, f64); 4] = [("km", 1.0), ("m", 0.001), ("mi", 1.609_344), ("nmi", 1.852)];

fn coords<'a>(parameters: &'a Parameters, accepted: &str) -> Result<(&'a str, Wkt<f64>), Problem> {
    let Some(text) = parameters.text("coords") else {
        return Err(Problem::bad_parameter("coords", "coords is missing", accepted));
    };
    let geometry = Wkt::from_str(text).map_err(|reason| {
        Problem::bad_parameter("coords", format!("coords is `{text}`, no well-known text: {reason}"), accepted)
    })?;
    Ok((text, geometry))
}

fn on_earth(coord: &Coord<f64>) -> Option<LonLat> {
    (LONGITUDES.contains(&coord.x) && LATITUDES.contains(&coord.y)).then_some((coord.x, coord.y))
}

fn rings(polygon: &Polygon<f64>) -> Option<Vec<Vec<LonLat>>> {
    let ring = |coords: &[Coord<f64>]| {
        let places: Option<Vec<LonLat>> = coords.iter().map(on_earth).collect();
        places.filter(|places| places.len() >= 4)
    };
    let rings: Option<Vec<_>> = polygon.rings().iter().map(|line| ring(line.coords())).collect();
    rings.filter(|rings| !rings.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Parameters {
        let mut parameters = Parameters::default();
        for (name, value) in pairs {
            parameters.set(name, (*value).into());
        }
        parameters
    }

    #[test]
    fn periods_may_be_open_at_one_end() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let of = |text| period(&asked(&[("datetime", text)]));
        assert_eq!(of("2026-06-01T12:00Z").unwrap(), Period::At(time("2026-06-01T12:00:00Z").unwrap()));
        assert_eq!(of("../2026-06-01T12:00:00Z").unwrap(), Period::Between(None, time("2026-06-01T12:00:00Z")));
        assert_eq!(of("2026-06-01T12:00:00Z/..").unwrap(), Period::Between(time("2026-06-01T12:00:00Z"), None));
        for bad in ["noon", "2026-06-01T12:00:00Z/2026-06-01T11:00:00Z", "x/.."] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_areas_and_circles_come_as_well_known_text() {
        assert_eq!(places(&asked(&[("coords", "POINT(5.1 52.1)")])).unwrap(), [(5.1, 52.1)]);
        assert_eq!(places(&asked(&[("coords", "MULTIPOINT((5 52),(6 53))")])).unwrap(), [(5.0, 52.0), (6.0, 53.0)]);
        assert!(matches!(
            area(&asked(&[("coords", "POLYGON((5 52,6 52,6 53,5 52))")])).unwrap(),
            Extent::Polygons(polygons) if polygons[0][0].len() == 4
        ));
        let circle = circle(&asked(&[("coords", "POINT(5 52)"), ("within", "10"), ("within-units", "mi")])).unwrap();
        assert_eq!(circle, Extent::Circle { centre: (52.0, 5.0), radius_km: 16.09344 });
        for bad in ["POINT(5.1)", "POINT(5 95)", "LINESTRING(5 52, 6 53)", "POINT EMPTY", "MULTIPOINT EMPTY"] {
            assert!(places(&asked(&[("coords", bad)])).is_err(), "{bad}");
        }
        for bad in ["POLYGON((5 52,6 52,5 52))", "POLYGON EMPTY", "POINT(5 52)", "POLYGON((5 52,600 52,6 53,5 52))"] {
            assert!(area(&asked(&[("coords", bad)])).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_box_may_lie_across_the_date_line() {
        let of = |text| bounding_box(&asked(&[("bbox", text)]));
        let expected = BoundingBox { west: 177.0, south: -20.0, east: 182.0, north: -15.0 };
        assert_eq!(of("177,-20,-178,-15").unwrap(), Extent::Box(expected));
        for bad in ["1,2,3", "1,3,2,2", "a,b,c,d", "1,2,3,95", ""] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
