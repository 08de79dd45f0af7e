//! Pictures that people look at: an animated GIF or an MP4 of past and forecast rain on a map, or one still of it.
//!
//! What does not change (land, sea, coast, borders, names) is painted once. A frame then only looks up the rain at each
//! pixel, and gets a header with the clock and a footer with a time line. All frames share one palette, and each holds
//! only what differs from the one before.

mod basemap;
mod chart;
mod contour;
mod encode;
mod frames;
mod labels;
mod mp4;
mod palette;
mod panels;
mod text;
mod theme;
mod video;

pub use chart::{Chart, chart_png};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use raincell_model::{Grid, RainField};
use rayon::prelude::*;

use self::encode::Still;
use self::frames::Painter;
use self::palette::{Histogram, Palette};
use self::theme::Rgb;
use self::video::Shot;
use crate::error::RenderError;
use crate::image::IndexedImage;
use crate::mercator::{MAX_LATITUDE, Window, from_unit, to_unit};
use crate::sampling::Reach;

const MIN_SIDE: u32 = 16;
const MAX_SIDE: u32 = 4096;
/// Below this many pixels on a side there is no room for clock, legend and names, and the map takes all of it.
const BARE_SIDE: u32 = 240;
/// Frames from which the palette is made.
const PALETTE_FRAMES: usize = 4;

/// How long frames stay, in hundredths of a second: a frame, the last observed one, and the last of all.
const DELAY_CS: u16 = 16;
const DELAY_NOW_CS: u16 = 70;
const DELAY_LAST_CS: u16 = 160;

/// The watched place, drawn with a mark and its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// Latitude, degrees north.
    pub lat_deg: f64,
    /// Longitude, degrees east.
    pub lon_deg: f64,
    /// Name beside the mark.
    pub label: String,
}

/// Middle and reach of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureArea {
    /// Latitude of the middle, degrees north.
    pub lat_deg: f64,
    /// Longitude of the middle, degrees east.
    pub lon_deg: f64,
    /// Distance from the middle to the nearer edges of the map, km.
    pub radius_km: f64,
}

/// What to animate.
#[derive(Clone, Debug)]
pub struct AnimationRequest<'a> {
    /// Observed fields in any order. The newest one is "now".
    pub past: &'a [RainField],
    /// Forecast fields in any order. They need not lie on the grid of the observed ones.
    pub forecast: &'a [RainField],
    /// Probabilities of rain (0–1, NaN unknown) in any order: the forecast frame of the same time gets a line around where
    /// rain is more likely than not. None for no lines.
    pub probability: &'a [RainField],
    /// Latitude of the middle of the map, degrees north.
    pub lat_deg: f64,
    /// Longitude of the middle of the map, degrees east.
    pub lon_deg: f64,
    /// Distance from the middle to the nearer edges of the map, km.
    pub radius_km: f64,
    /// Headline, such as `Rain around Bern`.
    pub title: &'a str,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// IANA name of the time zone of the clock; UTC is shown beside it.
    pub time_zone: &'a str,
    /// Who is to be named for the data, such as `Radar: MeteoSwiss`; the map's own credit is added.
    pub credit: &'a str,
    /// The watched place, if there is one.
    pub marker: Option<Marker>,
    /// Most names of places on the map, the largest places first; 0 for none.
    pub place_names: usize,
}

impl<'a> AnimationRequest<'a> {
    /// 720 × 720 pixels in UTC with up to 28 names, no title, credit or marker.
    pub fn new(past: &'a [RainField], forecast: &'a [RainField], area: PictureArea) -> Self {
        Self {
            past,
            forecast,
            probability: &[],
            lat_deg: area.lat_deg,
            lon_deg: area.lon_deg,
            radius_km: area.radius_km,
            title: "",
            width: 720,
            height: 720,
            time_zone: "UTC",
            credit: "",
            marker: None,
            place_names: 28,
        }
    }
}

/// An animated GIF from the first observed to the last forecast field.
///
/// # Errors
/// [`RenderError::NoFrames`] without any field; [`RenderError::Size`], [`RenderError::Place`] and
/// [`RenderError::TimeZone`] for a request out of range; [`RenderError::Grid`] and [`RenderError::FieldShape`] for a field
/// that cannot be placed.
pub fn animate(request: &AnimationRequest<'_>) -> Result<Vec<u8>, RenderError> {
    let painter = Painter::new(request)?;
    let count = painter.frames();
    let samples = spread(count, PALETTE_FRAMES);
    let painted: Vec<Vec<Rgb>> = samples.par_iter().map(|&i| painter.paint(i)).collect();
    let palette = palette_of(&painter, &painted);
    let stills = (0..count)
        .into_par_iter()
        .map(|i| {
            let numbers = |pixels: &[Rgb]| pixels.iter().map(|&color| palette.number(color)).collect();
            // What the palette was made from is painted already.
            let pixels = match samples.binary_search(&i) {
                Ok(sample) => numbers(&painted[sample]),
                Err(_) => numbers(&painter.paint(i)),
            };
            Still { pixels, delay_cs: delay_cs(&painter, i) }
        })
        .collect::<Vec<Still>>();
    encode::encode(&stills, request.width as u16, request.height as u16, &palette.to_bytes())
}

/// The same as an MP4 (H.264), for those who play no GIF. Odd sides lose a pixel: colour has half the resolution.
///
/// # Errors
/// As [`animate`], and [`RenderError::Video`] when the encoder fails.
pub fn animate_mp4(request: &AnimationRequest<'_>) -> Result<Vec<u8>, RenderError> {
    let (width, height) = (request.width & !1, request.height & !1);
    let request = AnimationRequest { width, height, ..request.clone() };
    let painter = Painter::new(&request)?;
    let shot = |i| Shot { pixels: painter.paint(i), delay_cs: delay_cs(&painter, i) };
    let shots: Vec<Shot> = (0..painter.frames()).into_par_iter().map(shot).collect();
    video::encode(&shots, width as usize, height as usize)
}

fn delay_cs(painter: &Painter<'_>, frame: usize) -> u16 {
    match frame {
        _ if frame + 1 == painter.frames() => DELAY_LAST_CS,
        _ if painter.is_now(frame) => DELAY_NOW_CS,
        _ => DELAY_CS,
    }
}

/// One frame of [`animate`] as a PNG: that of the field at `at`, or else the nearest one in time.
///
/// # Errors
/// As [`animate`], and [`RenderError::Png`] when the encoder fails.
pub fn still_png(request: &AnimationRequest<'_>, at: Timestamp) -> Result<Vec<u8>, RenderError> {
    let painter = Painter::new(request)?;
    let frame = painter.frame_nearest(at);
    let painted = painter.paint(frame);
    let palette = palette_of(&painter, std::slice::from_ref(&painted));
    let pixels = painted.iter().map(|&color| palette.number(color)).collect();
    let colors = palette.to_bytes().chunks(3).map(|c| [c[0], c[1], c[2], 255]).collect();
    let image = IndexedImage { width: request.width, height: request.height, palette: colors, pixels };
    Ok(image.encode_png()?.into_owned())
}

/// The area that shows a whole grid.
///
/// # Errors
/// [`RenderError::Grid`] when the projection of the grid is not understood.
pub fn whole_domain(grid: &Grid) -> Result<PictureArea, RenderError> {
    let reach = Reach::of(&grid.georeference()?);
    let (west, north) = to_unit(reach.north, reach.west);
    let (east, south) = to_unit(reach.south, reach.east);
    let (lat_deg, lon_deg) = from_unit(f64::midpoint(west, east), f64::midpoint(north, south));
    let half = f64::max(east - west, south - north) / 2.0;
    let radius_km = (half / Window::pixel_for(1.0, lat_deg)).clamp(1.0, 20_000.0);
    Ok(PictureArea { lat_deg, lon_deg, radius_km })
}

fn palette_of(painter: &Painter<'_>, painted: &[Vec<Rgb>]) -> Palette {
    let mut histogram = Histogram::new();
    for pixels in painted {
        histogram.add(pixels);
    }
    Palette::new(&painter.fixed_colors(), &histogram)
}

/// Up to `wanted` of `count` frames, evenly spread, the first and the last among them.
fn spread(count: usize, wanted: usize) -> Vec<usize> {
    if count <= wanted {
        return (0..count).collect();
    }
    (0..wanted).map(|i| i * (count - 1) / (wanted - 1)).collect()
}

/// Where the parts of a picture lie.
pub(crate) struct Layout {
    width: usize,
    height: usize,
    /// Rows of the header and of the footer.
    header: usize,
    footer: usize,
    /// Size of things relative to a picture of 720 pixels.
    scale: f32,
    /// True when there is only the map.
    bare: bool,
    /// The map between header and footer.
    window: Window,
}

impl Layout {
    fn new(request: &AnimationRequest<'_>) -> Result<Self, RenderError> {
        let (width, height) = (request.width, request.height);
        if ![width, height].iter().all(|side| (MIN_SIDE..=MAX_SIDE).contains(side)) {
            return Err(RenderError::Size { width, height, min: MIN_SIDE, max: MAX_SIDE });
        }
        let (lat_deg, lon_deg, radius_km) = (request.lat_deg, request.lon_deg, request.radius_km);
        let on_map = (-MAX_LATITUDE..=MAX_LATITUDE).contains(&lat_deg) && (-180.0..=180.0).contains(&lon_deg);
        if !on_map || !(1.0..=20_000.0).contains(&radius_km) {
            return Err(RenderError::Place { lat_deg, lon_deg, radius_km });
        }
        let bare = width.min(height) < BARE_SIDE;
        let scale = (width.min(height) as f32 / 720.0).clamp(0.45, 3.0);
        let rows = |at_720: f32| if bare { 0 } else { (at_720 * scale).round() as usize };
        let (header, footer) = (rows(72.0), rows(98.0));
        let (width, height) = (width as usize, height as usize);
        let map_height = height - header - footer;
        let pixel = Window::pixel_for(2.0 * radius_km / width.min(map_height) as f64, lat_deg);
        let window = Window::centred(lat_deg, lon_deg, pixel, width, map_height);
        Ok(Self { width, height, header, footer, scale, bare, window })
    }
}

fn zone(name: &str) -> Result<TimeZone, RenderError> {
    TimeZone::get(name).map_err(|source| RenderError::TimeZone { name: name.to_owned(), source })
}
