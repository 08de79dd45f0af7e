//! What can go wrong when a picture is made.

use raincell_model::GridError;
use thiserror::Error;

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The grid of the field cannot be placed on the earth.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// A field does not have the shape of the grid it is to be drawn with.
    #[error("the field has {found_rows} x {found_columns} cells, its grid {expected_rows} x {expected_columns}")]
    FieldShape {
        /// Rows of the grid.
        expected_rows: usize,
        /// Columns of the grid.
        expected_columns: usize,
        /// Rows of the field.
        found_rows: usize,
        /// Columns of the field.
        found_columns: usize,
    },
    /// A tile that does not exist.
    #[error("there is no tile {z}/{x}/{y}: zoom goes from 0 to {max_z}, x and y to 2^zoom - 1")]
    NoSuchTile {
        /// Zoom asked for.
        z: u8,
        /// Column asked for.
        x: u32,
        /// Row asked for.
        y: u32,
        /// Deepest zoom.
        max_z: u8,
    },
    /// A picture too small or too large.
    #[error("a picture of {width} x {height} pixels cannot be made: each side takes {min} to {max}")]
    Size {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
        /// Fewest pixels of a side.
        min: u32,
        /// Most pixels of a side.
        max: u32,
    },
    /// A place that is not on the map.
    #[error(
        "{lat_deg}, {lon_deg} with {radius_km} km around cannot be drawn: latitude goes to +-85, the radius is 1 to 20000 km"
    )]
    Place {
        /// Latitude asked for, degrees.
        lat_deg: f64,
        /// Longitude asked for, degrees.
        lon_deg: f64,
        /// Radius asked for, km.
        radius_km: f64,
    },
    /// Neither a past nor a forecast frame was given.
    #[error("an animation takes at least one frame, past or forecast")]
    NoFrames,
    /// A time zone that the time-zone database does not know.
    #[error("time zone `{name}` is not known: an IANA name such as `Europe/Zurich` is expected")]
    TimeZone {
        /// The name given.
        name: String,
        /// What the database says.
        #[source]
        source: jiff::Error,
    },
    /// The PNG encoder failed.
    #[error("PNG encoding failed")]
    Png(#[from] png::EncodingError),
    /// The WebP encoder failed.
    #[error("WebP encoding failed")]
    WebP(#[from] image_webp::EncodingError),
    /// The GIF encoder failed.
    #[error("GIF encoding failed")]
    Gif(#[from] gif::EncodingError),
    /// The video encoder failed.
    #[error("H.264 encoding failed: {reason}")]
    Video {
        /// What it said.
        reason: String,
    },
    /// The font in the binary cannot be read.
    #[error("the embedded font `{name}` cannot be read")]
    Font {
        /// Which font.
        name: &'static str,
    },
}
