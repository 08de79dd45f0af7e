//! Pictures of rain: map tiles, legends, still pictures, animated GIFs and MP4s, and the map data under them.
//!
//! What this crate does: turns rain-rate fields into Web-Mercator tiles ([`RainTileRenderer`]) in the colour tables of
//! the RainViewer API ([`ColorScheme`]), and into a self-contained animation with land, borders, place names, clock and
//! legend ([`animate`], [`animate_mp4`], [`still_png`]). It carries the coastlines, borders and places of the world ([`world()`]).
//!
//! What it does not do: fetch, cache or choose frames, and interpolate in time. "Not observed" is never drawn as dry:
//! rate tiles leave both transparent and the coverage tile tells them apart; the animation hatches what was not observed.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for wider vector instructions")]

mod colors;
mod error;
mod image;
mod mercator;
mod picture;
mod plane;
mod probability;
mod sampling;
mod tiles;
mod world;

pub use colors::{ColorScheme, LegendStep, Rgba, dbz_from_rate, legend, rate_from_dbz};
pub use error::RenderError;
pub use image::{IndexedImage, empty_png};
pub use picture::{
    AnimationRequest, Chart, Marker, PictureArea, animate, animate_mp4, chart_png, still_png, whole_domain,
};
pub use probability::{probability_legend, quality_legend};
pub use tiles::{CentredRequest, RainTileRenderer, TileRequest};
pub use world::{BoundingBox, LonLat, MAP_CREDIT, Place, Polyline, World, world};
