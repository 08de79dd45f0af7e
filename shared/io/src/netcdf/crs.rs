//! The grid-mapping variable of CF conventions, from a PROJ definition.

use raincell_model::Grid;

use super::classic::Attribute;
use crate::definition::Definition;

/// Attributes of the grid-mapping variable: the projection in the words of CF (appendix F) where it has them, and the
/// PROJ definition and the affine transform as GDAL writes them.
pub(crate) fn grid_mapping(grid: &Grid) -> Vec<(String, Attribute)> {
    let mut attributes: Vec<(String, Attribute)> = Vec::new();
    let proj = Definition(&grid.projection);
    let name = cf_name(&proj);
    attributes.push(("grid_mapping_name".into(), name.unwrap_or("unknown").into()));
    let mut number = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            attributes.push((name.to_owned(), Attribute::Doubles(vec![value])));
        }
    };
    match name {
        Some("latitude_longitude") | None => {}
        Some("polar_stereographic") => {
            number("straight_vertical_longitude_from_pole", Some(proj.number("lon_0").unwrap_or(0.0)));
            number("latitude_of_projection_origin", proj.number("lat_0"));
            number("standard_parallel", proj.number("lat_ts"));
        }
        Some("lambert_conformal_conic" | "albers_conical_equal_area") => {
            number("longitude_of_central_meridian", Some(proj.number("lon_0").unwrap_or(0.0)));
            number("latitude_of_projection_origin", Some(proj.number("lat_0").unwrap_or(0.0)));
        }
        Some("transverse_mercator") => {
            number("longitude_of_central_meridian", Some(proj.number("lon_0").unwrap_or(0.0)));
            number("latitude_of_projection_origin", Some(proj.number("lat_0").unwrap_or(0.0)));
            number("scale_factor_at_central_meridian", Some(proj.scale_factor()));
        }
        Some("oblique_mercator") => {
            // The Swiss projection is the oblique Mercator whose central line runs east.
            number("azimuth_of_central_line", Some(90.0));
            number("longitude_of_projection_origin", Some(proj.number("lon_0").unwrap_or(0.0)));
            number("latitude_of_projection_origin", Some(proj.number("lat_0").unwrap_or(0.0)));
            number("scale_factor_at_projection_origin", Some(proj.scale_factor()));
        }
        Some("mercator") => {
            number("longitude_of_projection_origin", Some(proj.number("lon_0").unwrap_or(0.0)));
            number("standard_parallel", Some(proj.number("lat_ts").unwrap_or(0.0)));
        }
        Some("stereographic") => {
            number("longitude_of_projection_origin", Some(proj.number("lon_0").unwrap_or(0.0)));
            number("latitude_of_projection_origin", Some(proj.number("lat_0").unwrap_or(0.0)));
            number("scale_factor_at_projection_origin", Some(proj.scale_factor()));
        }
        Some(_) => {
            number("longitude_of_projection_origin", Some(proj.number("lon_0").unwrap_or(0.0)));
            number("latitude_of_projection_origin", Some(proj.number("lat_0").unwrap_or(0.0)));
        }
    }
    if name.is_some_and(|name| name != "latitude_longitude") {
        number("false_easting", Some(proj.number("x_0").unwrap_or(0.0)));
        number("false_northing", Some(proj.number("y_0").unwrap_or(0.0)));
    }
    let (major, minor) = proj.ellipsoid();
    number("semi_major_axis", Some(major));
    number("semi_minor_axis", Some(minor));
    if let (Some("lambert_conformal_conic" | "albers_conical_equal_area"), Some(first)) = (name, proj.number("lat_1")) {
        let second = proj.number("lat_2").unwrap_or(first);
        attributes.push(("standard_parallel".into(), Attribute::Doubles(vec![first, second])));
    }
    attributes.push(("proj4".into(), grid.projection.as_str().into()));
    let (left, top) = (grid.left, grid.top);
    let transform = format!("{left} {} 0 {top} 0 {}", grid.cell_width, -grid.cell_height);
    attributes.push(("GeoTransform".into(), Attribute::Text(transform)));
    attributes
}

fn cf_name(proj: &Definition<'_>) -> Option<&'static str> {
    Some(match proj.text("proj")? {
        "longlat" | "latlong" | "lonlat" | "latlon" => "latitude_longitude",
        "aeqd" => "azimuthal_equidistant",
        "laea" => "lambert_azimuthal_equal_area",
        "lcc" => "lambert_conformal_conic",
        "aea" => "albers_conical_equal_area",
        "merc" => "mercator",
        "tmerc" => "transverse_mercator",
        "somerc" => "oblique_mercator",
        "stere" if proj.number("lat_0").is_some_and(|lat| lat.abs() > 89.9) => "polar_stereographic",
        "stere" => "stereographic",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polar_stereographic_grid_is_said_in_cf_words() {
        let projection = "+proj=stere +lon_0=25E +lat_0=90N +lat_ts=60 +a=6371288 +x_0=380886.310 +units=m".into();
        let attributes = grid_mapping(&Grid { projection, ..Grid::around_radar(0.0, 0.0, 10.0, 1.0) });
        let number = |name: &str| {
            attributes.iter().find_map(|(key, value)| match value {
                Attribute::Doubles(numbers) if key == name => numbers.first().copied(),
                _ => None,
            })
        };
        assert_eq!(attributes[0], ("grid_mapping_name".into(), "polar_stereographic".into()));
        assert_eq!(number("straight_vertical_longitude_from_pole"), Some(25.0));
        assert_eq!(number("latitude_of_projection_origin"), Some(90.0));
        assert_eq!(number("semi_minor_axis"), Some(6_371_288.0));
        assert_eq!(number("false_easting"), Some(380_886.31));
    }
}
