//! What there is to ask for, in words that clients of EDR understand.

use serde_json::{Map, Value, json};

use super::coverage::MEDIA_TYPE;
use super::parameter::Parameter;
use super::query::UNITS;
use super::sampling::{bounds_of, instants};
use crate::memory::SourceView;

/// The one coordinate reference system: longitude and latitude on WGS 84.
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// The landing page.
pub fn landing(host: &str) -> Value {
    json!({
        "title": "Raincell",
        "description": "Rain rate of the last hours and of the next two, by place, area and time",
        "links": [
            link(host, "", "self", "this document"),
            link(host, "/conformance", "conformance", "what of the standard is there"),
            link(host, "/collections", "data", "the sources"),
            json!({
                "href": format!("{host}/openapi.json"), "rel": "service-desc",
                "type": "application/vnd.oai.openapi+json;version=3.1", "title": "all paths",
            }),
            json!({ "href": format!("{host}/docs"), "rel": "service-doc", "type": "text/html", "title": "all paths" }),
        ],
    })
}

/// What of the standards is there.
pub fn conformance() -> Value {
    let common = ["1/1.0/conf/core", "1/1.0/conf/landing-page", "1/1.0/conf/json", "2/1.0/conf/collections"];
    let edr = ["core", "collections", "queries", "json", "covjson"];
    let common = common.iter().map(|class| format!("http://www.opengis.net/spec/ogcapi-common-{class}"));
    let edr = edr.iter().map(|class| format!("http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/{class}"));
    json!({ "conformsTo": common.chain(edr).collect::<Vec<_>>() })
}

/// All sources.
pub fn collections<'a>(views: impl Iterator<Item = &'a SourceView>, host: &str) -> Value {
    json!({
        "links": [link(host, "/collections", "self", "this document")],
        "collections": views.filter_map(|view| collection(view, host)).collect::<Vec<_>>(),
    })
}

/// One source; `None` while it has no frame.
pub fn collection(view: &SourceView, host: &str) -> Option<Value> {
    let bounds = bounds_of(view.newest()?);
    let times: Vec<String> = instants(view).iter().map(|frame| frame.valid_time().to_string()).collect();
    let (first, last) = (times.first()?, times.last()?);
    let path = format!("/collections/{}", crate::http::parameters::encoded(&view.name));
    let parameters = Parameter::all_of(view);
    let names: Map<String, Value> = parameters.iter().map(|one| (one.id.to_owned(), one.in_collection())).collect();
    let query = |kind: &str| (kind.to_owned(), json!({ "link": query_link(host, &path, kind) }));
    let queries: Map<String, Value> = ["position", "area", "cube", "radius"].map(query).into_iter().collect();
    Some(json!({
        "id": view.name,
        "title": format!("Rain of {}", view.name),
        "description": "Observed rain, then the newest nowcast",
        "keywords": ["rain", "radar", "nowcast"],
        "links": [link(host, &path, "self", "this document"), link(host, &path, "data", "this source")],
        "extent": {
            "spatial": { "bbox": [[bounds.west, bounds.south, bounds.east, bounds.north]], "crs": CRS84 },
            "temporal": {
                "interval": [[first, last]],
                "values": times,
                "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
            },
        },
        "data_queries": queries,
        "crs": ["CRS84"],
        "output_formats": ["CoverageJSON"],
        "parameter_names": names,
    }))
}

fn query_link(host: &str, path: &str, kind: &str) -> Value {
    let mut variables = json!({
        "title": format!("Query by {kind}"),
        "query_type": kind,
        "output_formats": ["CoverageJSON"],
        "default_output_format": "CoverageJSON",
        "crs_details": [{ "crs": "CRS84", "wkt": CRS84_WKT }],
    });
    if kind == "radius" {
        variables["within_units"] = UNITS.iter().map(|(name, _)| *name).collect();
    }
    json!({
        "href": format!("{host}/edr{path}/{kind}"),
        "rel": "data",
        "type": MEDIA_TYPE,
        "title": format!("Query by {kind}"),
        "variables": variables,
    })
}

/// CRS84 as well-known text.
const CRS84_WKT: &str = r#"GEOGCS["WGS 84 (CRS84)",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AXIS["Longitude",EAST],AXIS["Latitude",NORTH]]"#;

fn link(host: &str, path: &str, rel: &str, title: &str) -> Value {
    json!({ "href": format!("{host}/edr{path}"), "rel": rel, "type": "application/json", "title": title })
}
