//! Tiles and pictures: from a path to a rendered, cached picture.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use raincell_render::{CentredRequest, ColorScheme, IndexedImage, RenderError, TileRequest};
use raincell_service_runtime::Problem;

use crate::app::App;
use crate::http::parameters::number;
use crate::http::reply::{Keep, Reply};
use crate::memory::HeldFrame;
use crate::tile_cache::Picture;

/// Deepest zoom served.
pub const MAX_ZOOM: u8 = 12;

/// File format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.png`
    Png,
    /// `.webp`
    WebP,
}

impl Format {
    /// Splits `name.png` into its name and its format.
    ///
    /// # Errors
    /// 400 for another ending.
    pub fn split(file: &str) -> Result<(&str, Self), Problem> {
        let known = [(".png", Self::Png), (".webp", Self::WebP)];
        let found = known.into_iter().find_map(|(ending, format)| Some((file.strip_suffix(ending)?, format)));
        found.ok_or_else(|| Problem::bad_parameter("format", format!("the path ends in `{file}`"), ".png or .webp"))
    }

    fn encode(self, image: &IndexedImage) -> Result<Picture, Problem> {
        let (body, content_type) = match self {
            Self::Png => {
                (Bytes::from(image.encode_png().map_err(|e| Problem::internal(&e))?.into_owned()), "image/png")
            }
            Self::WebP => (Bytes::from(image.encode_webp().map_err(|e| Problem::internal(&e))?), "image/webp"),
        };
        let tag = raincell_frame::content_hash(&body).into();
        Ok(Picture { body, content_type, tag })
    }
}

/// What part of the map a picture shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// A tile.
    Tile {
        /// Zoom.
        z: u8,
        /// Column.
        x: u32,
        /// Row.
        y: u32,
    },
    /// The surroundings of a place, as large as a tile of the zoom.
    Around {
        /// Zoom.
        z: u8,
        /// Degrees north.
        lat: f64,
        /// Degrees east.
        lon: f64,
    },
}

impl View {
    /// From the three parts of a path: `z/x/y`, or `z/lat/lon` with decimal points.
    ///
    /// # Errors
    /// 400 naming the part that is wrong.
    pub fn parse(z: &str, x: &str, y: &str) -> Result<Self, Problem> {
        let z = number("z", z, &(0..=MAX_ZOOM))?;
        match (x.contains('.'), y.contains('.')) {
            (true, true) => Ok(Self::Around {
                z,
                lat: number("lat", x, &(-85.0..=85.0))?,
                lon: number("lon", y, &(-180.0..=180.0))?,
            }),
            (false, false) => {
                let last = (1_u32 << z) - 1;
                Ok(Self::Tile { z, x: number("x", x, &(0..=last))?, y: number("y", y, &(0..=last))? })
            }
            (true, false) => {
                Err(Problem::bad_parameter("lon", format!("lon is `{y}`"), "degrees with a decimal point"))
            }
            (false, true) => {
                Err(Problem::bad_parameter("lat", format!("lat is `{x}`"), "degrees with a decimal point"))
            }
        }
    }
}

/// What a picture shows of its frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// Rain rate.
    Rate {
        /// Its colours.
        scheme: ColorScheme,
        /// Interpolated between cells.
        smooth: bool,
        /// Snow in colours of its own.
        snow: bool,
    },
    /// Probability, 0–1.
    Probability,
    /// Quality, 0–1.
    Quality,
    /// Where nothing was observed.
    Coverage,
}

/// A picture to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// What part of the map.
    pub view: View,
    /// What of the frame.
    pub layer: Layer,
    /// Pixels on a side.
    pub size: u32,
    /// File format.
    pub format: Format,
}

impl Order {
    fn render(&self, frame: &HeldFrame) -> Result<Picture, Problem> {
        let (renderer, field, size) = (&frame.placement.renderer, &frame.field, self.size);
        let image = match (self.view, self.layer) {
            (View::Tile { z, x, y }, Layer::Coverage) => renderer.coverage_tile(field, z, x, y, size),
            (View::Tile { z, x, y }, Layer::Rate { scheme, smooth, snow }) => {
                renderer.tile(field, &TileRequest { z, x, y, size, scheme, smooth, snow })
            }
            (View::Tile { z, x, y }, Layer::Probability) => {
                let scheme = ColorScheme::UniversalBlue;
                renderer.probability_tile(field, &TileRequest { z, x, y, size, scheme, smooth: true, snow: false })
            }
            (View::Tile { z, x, y }, Layer::Quality) => {
                let scheme = ColorScheme::UniversalBlue;
                renderer.quality_tile(field, &TileRequest { z, x, y, size, scheme, smooth: true, snow: false })
            }
            (View::Around { z, lat, lon }, Layer::Rate { scheme, smooth, snow }) => {
                let request = CentredRequest { lat_deg: lat, lon_deg: lon, z, size, scheme, smooth, snow };
                renderer.centred(field, &request)
            }
            (View::Around { .. }, Layer::Coverage | Layer::Probability | Layer::Quality) => {
                return Err(Problem::not_found("this layer comes as tiles only: whole numbers for x and y"));
            }
        };
        self.format.encode(&image.map_err(|error| problem_of(&error))?)
    }
}

/// What cannot be drawn because it was asked for wrongly is the client's, the rest is ours.
fn problem_of(error: &RenderError) -> Problem {
    match error {
        RenderError::NoSuchTile { .. } => Problem::bad_parameter("z/x/y", error.to_string(), "a tile that exists"),
        RenderError::Size { min, max, .. } => {
            Problem::bad_parameter("size", error.to_string(), format!("{min} to {max}"))
        }
        RenderError::Place { .. } => Problem::bad_parameter("lat/lon", error.to_string(), "a place on the map"),
        _ => Problem::internal(error),
    }
}

/// 256 or 512.
///
/// # Errors
/// 400 for another size.
pub fn tile_size(text: &str) -> Result<u32, Problem> {
    match text {
        "256" => Ok(256),
        "512" => Ok(512),
        _ => Err(Problem::bad_parameter("size", format!("size is `{text}`"), "256 or 512")),
    }
}

/// A colour scheme by its number.
///
/// # Errors
/// 400 for a number without one.
pub fn color_scheme(text: &str) -> Result<ColorScheme, Problem> {
    let scheme = text.parse().ok().and_then(ColorScheme::from_number);
    scheme.ok_or_else(|| Problem::bad_parameter("color", format!("color is `{text}`"), "0 to 8, or 255"))
}

/// The answer with a picture of a frame.
///
/// # Errors
/// What is wrong with the order.
pub async fn picture(
    app: &App,
    headers: &HeaderMap,
    frame: Arc<HeldFrame>,
    order: Order,
    keep: Keep,
) -> Result<Response, Problem> {
    let key = format!("{} {order:?}", frame.id);
    let valid_time = frame.valid_time();
    // The age is that of the data behind the picture, not of the instant that a forecast is for.
    let known_since = frame.issue_time.unwrap_or(valid_time);
    let picture = app.tiles().get(key, move || order.render(&frame)).await?;
    let age = app.now().duration_since(known_since);
    let stale = keep != Keep::Immutable && age > app.stale_after();
    let reply = Reply::bytes(picture.content_type, picture.body, keep).tagged(&picture.tag);
    Ok(reply.valid_at(Some(valid_time)).aged(Some(age.as_secs().max(0)), stale).to(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_points_tell_a_place_from_a_tile() {
        assert_eq!(View::parse("7", "66", "42").unwrap(), View::Tile { z: 7, x: 66, y: 42 });
        assert_eq!(View::parse("7", "52.0", "5.1").unwrap(), View::Around { z: 7, lat: 52.0, lon: 5.1 });
        for (z, x, y) in [("7", "52.0", "5"), ("7", "128", "0"), ("13", "0", "0"), ("7", "-1", "0"), ("x", "0", "0")] {
            assert!(View::parse(z, x, y).is_err(), "{z}/{x}/{y}");
        }
    }

    #[test]
    fn a_format_is_told_by_the_ending() {
        assert_eq!(Format::split("1_0.png").unwrap(), ("1_0", Format::Png));
        assert_eq!(Format::split("42.webp").unwrap(), ("42", Format::WebP));
        assert!(Format::split("42.gif").is_err());
    }
}
