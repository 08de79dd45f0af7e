//! Colours of a picture that are not rain.

use tiny_skia::Color;

/// An opaque colour.
pub(super) type Rgb = [u8; 3];

pub(super) const LAND: Rgb = [0xf3, 0xf0, 0xe8];
pub(super) const SEA: Rgb = [0xcd, 0xdb, 0xe4];
/// What is laid over the map where nothing was observed: the plain tone and the lines of the hatching.
pub(super) const UNOBSERVED_SHADE: Rgb = [0x8a, 0x8d, 0x92];
pub(super) const PANEL: Rgb = [0x17, 0x21, 0x2c];
pub(super) const PANEL_LINE: Rgb = [0x3a, 0x48, 0x56];
pub(super) const TEXT: Rgb = [0xff, 0xff, 0xff];
pub(super) const TEXT_DIM: Rgb = [0xb4, 0xc0, 0xcb];
pub(super) const OBSERVED: Rgb = [0x4a, 0xa3, 0xdf];
pub(super) const FORECAST: Rgb = [0xff, 0x9f, 0x1c];
pub(super) const MARKER: Rgb = [0xd6, 0x00, 0x6c];
/// The line around where rain is more likely than not.
pub(super) const LIKELY: Rgb = [0x5e, 0x1a, 0x8c];
pub(super) const LABEL: Rgb = [0x1b, 0x23, 0x2c];
pub(super) const COAST: Rgb = [0x36, 0x4a, 0x5a];
pub(super) const BORDER: Rgb = [0x4d, 0x45, 0x50];

pub(super) fn solid([r, g, b]: Rgb) -> Color {
    Color::from_rgba8(r, g, b, 255)
}

pub(super) fn sheer([r, g, b]: Rgb, opacity: f32) -> Color {
    Color::from_rgba8(r, g, b, (opacity * 255.0) as u8)
}

/// `share` of `over` on `under`.
pub(super) fn mix(under: Rgb, over: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|i| (f32::from(under[i]) + (f32::from(over[i]) - f32::from(under[i])) * share).round() as u8)
}
