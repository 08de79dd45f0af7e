//! `CoverageJSON` (OGC 21-069r2): values on axes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use raincell_model::LonLat;
use serde::Serialize;
use serde_json::{Value, json};

use super::parameter::Parameter;

/// The media type that is registered for it.
pub const MEDIA_TYPE: &str = "application/prs.coverage+json";

/// An axis.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Axis {
    /// So many numbers, evenly spaced.
    Regular {
        /// The first.
        start: f64,
        /// The last.
        stop: f64,
        /// How many.
        num: usize,
    },
    /// Each by itself.
    Numbers {
        /// All of them.
        values: Vec<f64>,
    },
    /// Instants.
    Times {
        /// All of them, RFC 3339.
        values: Vec<Timestamp>,
    },
}

/// Where and when the values hold.
#[derive(Clone, Debug, Serialize)]
pub struct Axes {
    /// Degrees east.
    pub x: Axis,
    /// Degrees north.
    pub y: Axis,
    /// Instants.
    pub t: Axis,
}

/// Values of one parameter, row after row.
#[derive(Clone, Debug, Serialize)]
pub struct NdArray {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "dataType")]
    data_type: &'static str,
    #[serde(rename = "axisNames")]
    axis_names: Vec<&'static str>,
    shape: Vec<usize>,
    values: Vec<Option<f32>>,
}

/// Values of parameters on the same axes.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    #[serde(rename = "type")]
    kind: &'static str,
    domain: Domain,
    parameters: BTreeMap<&'static str, Value>,
    ranges: BTreeMap<&'static str, NdArray>,
}

#[derive(Clone, Debug, Serialize)]
struct Domain {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "domainType")]
    shape: &'static str,
    axes: Axes,
    referencing: Value,
}

/// Several places.
#[derive(Clone, Debug, Serialize)]
pub struct CoverageCollection {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "domainType")]
    domain_type: &'static str,
    coverages: Vec<Coverage>,
}

impl CoverageCollection {
    /// Of the series of places.
    pub fn of_series(coverages: Vec<Coverage>) -> Self {
        Self { kind: "CoverageCollection", domain_type: "PointSeries", coverages }
    }
}

impl Coverage {
    /// Values of one place over time: of each parameter one an instant.
    pub fn series((lon, lat): LonLat, times: &[Timestamp], values: Vec<(Parameter, Vec<Option<f32>>)>) -> Self {
        let axes = Axes {
            x: Axis::Numbers { values: vec![lon] },
            y: Axis::Numbers { values: vec![lat] },
            t: Axis::Times { values: times.to_vec() },
        };
        Self::new("PointSeries", axes, &["t"], &[times.len()], values)
    }

    /// Values of cells over time: of each parameter by instant, row and column, as `axes` count them.
    pub fn grid(axes: Axes, shape: [usize; 3], values: Vec<(Parameter, Vec<Option<f32>>)>) -> Self {
        Self::new("Grid", axes, &["t", "y", "x"], &shape, values)
    }

    fn new(
        domain_type: &'static str,
        axes: Axes,
        axis_names: &[&'static str],
        shape: &[usize],
        values: Vec<(Parameter, Vec<Option<f32>>)>,
    ) -> Self {
        let parameters = values.iter().map(|(parameter, _)| (parameter.id, parameter.in_coverage())).collect();
        let array = |values| NdArray {
            kind: "NdArray",
            data_type: "float",
            axis_names: axis_names.to_vec(),
            shape: shape.to_vec(),
            values,
        };
        let ranges = values.into_iter().map(|(parameter, values)| (parameter.id, array(values))).collect();
        let domain = Domain { kind: "Domain", shape: domain_type, axes, referencing: referencing() };
        Self { kind: "Coverage", domain, parameters, ranges }
    }
}

fn referencing() -> Value {
    json!([
        {
            "coordinates": ["x", "y"],
            "system": { "type": "GeographicCRS", "id": "http://www.opengis.net/def/crs/OGC/1.3/CRS84" },
        },
        { "coordinates": ["t"], "system": { "type": "TemporalRS", "calendar": "Gregorian" } },
    ])
}
