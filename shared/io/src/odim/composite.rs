//! Gridded products (`COMP`, `IMAGE`): rain rate, accumulation, reflectivity.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use raincell_model::{Grid, GridQuantity, GridScan};

use super::attributes::{Attributes, Node};
use super::projection::normalise;
use super::source::OdimSource;
use super::unpack::{Scaling, read_samples, shape_within};
use crate::ReadErrorKind;
use crate::limits::MAX_GRID_CELLS;

/// A nominal time farther than this from the measuring interval is a leftover of an earlier product.
const STALE: SignedDuration = SignedDuration::from_mins(15);
/// Corners and cell size of a grid agree to this share of its width; more is a damaged or mis-georeferenced file.
const CORNER_TOLERANCE: f64 = 0.02;

/// What can be made rain of, best first.
const QUANTITIES: [(&str, GridQuantity); 4] = [
    ("RATE", GridQuantity::RainRate),
    ("ACRR", GridQuantity::Accumulation),
    ("DBZH", GridQuantity::Reflectivity),
    ("TH", GridQuantity::Reflectivity),
];

struct Layer {
    rank: usize,
    quantity: GridQuantity,
    node: Node,
    scaling: Scaling,
    interval: Option<(Timestamp, Timestamp)>,
}

/// Reads the layer that rain is best made of.
pub(crate) fn read(root: &Node, file_bytes: usize) -> Result<GridScan, ReadErrorKind> {
    let what = root.attributes("what")?;
    let layer = best_layer(root)?;
    let data = layer.node.data()?;
    let shape = shape_within(&layer.node, &data, (MAX_GRID_CELLS, MAX_GRID_CELLS, MAX_GRID_CELLS), file_bytes)?;
    let grid = read_grid(&root.attributes("where")?, shape)?;
    let source = what.text("source")?.map(OdimSource::parse).and_then(|s| s.composite_id());
    let data = read_samples(&layer.node, &data, shape, layer.scaling)?;
    Ok(GridScan {
        source: source.unwrap_or_else(|| "composite".into()),
        valid_time: valid_time(&what, layer.interval)?,
        period_min: layer.interval.map_or(0.0, |(start, end)| end.duration_since(start).as_secs_f32() / 60.0),
        grid: Arc::new(grid),
        quantity: layer.quantity,
        data,
    })
}

fn best_layer(root: &Node) -> Result<Layer, ReadErrorKind> {
    let mut best: Option<Layer> = None;
    let mut seen = Vec::new();
    for number in root.numbered("dataset") {
        let Some(dataset) = root.child(&format!("dataset{number}"))? else { continue };
        let what = dataset.attributes("what")?;
        for number in dataset.numbered("data") {
            let Some(node) = dataset.child(&format!("data{number}"))? else { continue };
            let data_what = node.attributes("what")?;
            let Some(name) = data_what.text("quantity")?.or(what.text("quantity")?) else { continue };
            let Some(rank) = QUANTITIES.iter().position(|(known, _)| *known == name) else {
                seen.push(name.to_owned());
                continue;
            };
            if best.as_ref().is_none_or(|layer| rank < layer.rank) {
                let start = what.instant("startdate", "starttime")?;
                let end = what.instant("enddate", "endtime")?;
                best = Some(Layer {
                    rank,
                    quantity: QUANTITIES[rank].1,
                    node,
                    scaling: Scaling::read(&data_what, &what)?,
                    interval: start.zip(end).map(|(start, end)| (start, end.max(start))),
                });
            }
        }
    }
    best.ok_or_else(|| ReadErrorKind::Field {
        field: "dataset1/data1/what/quantity".into(),
        expected: "RATE, ACRR, DBZH or TH".into(),
        found: if seen.is_empty() { "none".into() } else { seen.join(", ") },
    })
}

fn valid_time(what: &Attributes, interval: Option<(Timestamp, Timestamp)>) -> Result<Timestamp, ReadErrorKind> {
    match (what.instant("date", "time")?, interval) {
        (Some(nominal), Some((start, end))) if nominal > end + STALE || nominal < start - STALE => Ok(end),
        (Some(nominal), _) => Ok(nominal),
        (None, Some((_, end))) => Ok(end),
        (None, None) => Err(ReadErrorKind::Missing { field: what.path_of("date"), expected: "a date YYYYMMDD" }),
    }
}

fn read_grid(place: &Attributes, (height, width): (usize, usize)) -> Result<Grid, ReadErrorKind> {
    for (name, found) in [("xsize", width), ("ysize", height)] {
        if let Some(declared) = place.number(name)?
            && declared != found as f64
        {
            let expected = format!("{found} as the data");
            return Err(ReadErrorKind::Field { field: place.path_of(name), expected, found: declared.to_string() });
        }
    }
    let definition = normalise(place.require_text("projdef", "a PROJ definition")?);
    let corner = |name: &str| -> Result<Option<(f64, f64)>, ReadErrorKind> {
        let lat = place.number(&format!("{name}_lat"))?;
        Ok(lat.zip(place.number(&format!("{name}_lon"))?))
    };
    let unit = Grid { projection: definition, left: 0.0, top: 0.0, cell_width: 1.0, cell_height: 1.0, width, height };
    let wrong_projection = |reason: String| ReadErrorKind::Field {
        field: place.path_of("projdef"),
        expected: "a projection that can be computed".into(),
        found: reason,
    };
    let geo = unit.georeference().map_err(|e| wrong_projection(e.to_string()))?;
    let projected = |name: &str| -> Result<Option<(f64, f64)>, ReadErrorKind> {
        let Some((lat, lon)) = corner(name)? else { return Ok(None) };
        geo.project(lat, lon).map(Some).ok_or_else(|| ReadErrorKind::Field {
            field: place.path_of(&format!("{name}_lat")),
            expected: "a corner that the projection reaches".into(),
            found: format!("{lat}, {lon}"),
        })
    };
    let (upper_left, lower_left) = (projected("UL")?, projected("LL")?);
    let (upper_right, lower_right) = (projected("UR")?, projected("LR")?);

    // From corner to corner, where the file has them; along the edges that are not degenerate in its projection.
    let span_x =
        [(upper_left, upper_right), (lower_left, lower_right)].into_iter().find_map(|(a, b)| Some(b?.0 - a?.0));
    let span_y =
        [(lower_left, upper_left), (lower_right, upper_right)].into_iter().find_map(|(a, b)| Some(b?.1 - a?.1));
    let cell_width = cell_size(place, "xscale", width, span_x, unit.is_geographic())?;
    let cell_height = cell_size(place, "yscale", height, span_y, unit.is_geographic())?;
    let (left, top) = match (upper_left, lower_left) {
        (Some(corner), _) => corner,
        (None, Some((left, bottom))) => (left, bottom + cell_height * height as f64),
        (None, None) => {
            return Err(ReadErrorKind::Missing { field: place.path_of("UL_lat"), expected: "the upper left corner" });
        }
    };
    // Corners in degrees come back as metres with a nanometre or a metre of noise; a thousandth of a cell is finer than
    // any radar, and equal grids stay equal.
    // (Adding zero turns a negative zero into a plain one, so that equal grids have equal bits.)
    let snap = |edge: f64, cell: f64| (edge / cell * 1000.0).round() / 1000.0 * cell + 0.0;
    Ok(Grid { left: snap(left, cell_width), top: snap(top, cell_height), cell_width, cell_height, ..unit })
}

/// Size of a cell in the unit of the projection: as declared (kilometres become metres), or from the corners; an error
/// when both are there and do not agree.
fn cell_size(
    place: &Attributes,
    name: &str,
    cells: usize,
    span: Option<f64>,
    geographic: bool,
) -> Result<f64, ReadErrorKind> {
    let declared = place.number(name)?.filter(|scale| *scale > 0.0);
    // Cells below fifty metres or beyond fifty kilometres are not met; a number below fifty is kilometres.
    let declared = declared.map(|scale| if !geographic && scale < 50.0 { scale * 1000.0 } else { scale });
    let from_corners = span.map(|span| span / cells as f64);
    match (declared, from_corners) {
        (Some(size), Some(measured)) => {
            // Corners may be those of the outer cells' centres, one cell short.
            let agrees = (size - measured).abs() <= size * (CORNER_TOLERANCE + 1.5 / cells as f64);
            if geographic && !agrees {
                // On longitude-latitude grids the scale is given in metres as often as in degrees.
                return positive_size(place, name, measured);
            }
            if !agrees {
                return Err(ReadErrorKind::Field {
                    field: place.path_of(name),
                    expected: format!("{measured:.1} as the corners give"),
                    found: size.to_string(),
                });
            }
            Ok(size)
        }
        (Some(size), None) => positive_size(place, name, size),
        (None, Some(measured)) => positive_size(place, name, measured),
        (None, None) => Err(ReadErrorKind::Missing { field: place.path_of(name), expected: "the size of a cell" }),
    }
}

fn positive_size(place: &Attributes, name: &str, size: f64) -> Result<f64, ReadErrorKind> {
    if size.is_finite() && size > 0.0 {
        return Ok(size);
    }
    let expected = "a positive size".into();
    Err(ReadErrorKind::Field { field: place.path_of(name), expected, found: size.to_string() })
}
