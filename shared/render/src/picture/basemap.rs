//! What stays the same under and over the rain: land and sea below; coast, borders, names, marker and scale above.

use tiny_skia::{Color, FillRule, LineCap, LineJoin, PathBuilder, Pixmap, Rect, Stroke, Transform};

use super::labels::{Label, Placer};
use super::text::{Fonts, paint};
use super::theme::{BORDER, COAST, LABEL, LAND, MARKER, Rgb, SEA, mix, sheer, solid};
use super::{AnimationRequest, Layout};
use crate::mercator::{Window, to_unit};
use crate::world::{BoundingBox, LonLat, Polyline, world};

/// Pixels beyond the edge of the map that are still drawn, so that no edge shows.
const MARGIN: f32 = 8.0;

/// The still layers of the map part of a picture.
pub(super) struct Basemap {
    /// Land and sea, row by row.
    pub under: Vec<Rgb>,
    /// Lines and names, premultiplied.
    pub over: Pixmap,
}

/// Paints the still layers; `None` for a map without area.
pub(super) fn paint_basemap(request: &AnimationRequest<'_>, layout: &Layout, fonts: &Fonts) -> Option<Basemap> {
    let window = &layout.window;
    let (width, height) = (window.width as u32, window.height as u32);
    let (world, area) = (world(), area_of(window));
    let mut ground = Pixmap::new(width, height)?;
    ground.fill(solid(SEA));
    fill_rings(&mut ground, window, world.land_in(area), LAND);
    fill_rings(&mut ground, window, world.lakes_in(area), SEA);
    let under = ground.pixels().iter().map(|p| [p.red(), p.green(), p.blue()]).collect();

    let mut over = Pixmap::new(width, height)?;
    let scale = layout.scale;
    stroke(&mut over, window, world.land_in(area), sheer(COAST, 0.85), 1.1 * scale);
    stroke(&mut over, window, world.lakes_in(area), sheer(COAST, 0.6), 0.8 * scale);
    stroke(&mut over, window, world.lines_in(area), sheer(BORDER, 0.8), 1.3 * scale);
    if !layout.bare {
        let mut placer = Placer::new(width as f32, height as f32);
        draw_scale_bar(&mut over, layout, fonts, request.lat_deg, &mut placer);
        draw_marker_and_names(&mut over, request, layout, fonts, area, &mut placer);
    }
    Some(Basemap { under, over })
}

/// The box of the earth that a window shows.
fn area_of(window: &Window) -> BoundingBox {
    let (width, height) = (window.width as f64, window.height as f64);
    let (north, west) = window.lat_lon(0.0, 0.0);
    let (south, east) = window.lat_lon(width, height);
    if window.pixel * width >= 1.0 {
        return BoundingBox { west: -180.0, south, east: 180.0, north };
    }
    BoundingBox { west, south, east, north }
}

/// A line in pixels, once for each turn of the world on which it may touch the window.
fn in_pixels(window: &Window, line: &[LonLat]) -> Vec<Vec<(f32, f32)>> {
    let points: Vec<(f64, f64)> = line.iter().map(|p| to_unit(f64::from(p[1]), f64::from(p[0]))).collect();
    let (west, east) = points.iter().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.0), high.max(p.0)));
    let reach = window.pixel * f64::from(MARGIN);
    let touches = |turn: &f64| {
        west + turn <= window.west + window.pixel * window.width as f64 + reach && east + turn >= window.west - reach
    };
    let pixels = |turn: f64| {
        let at = |&(x, y): &(f64, f64)| {
            (((x + turn - window.west) / window.pixel) as f32, ((y - window.north) / window.pixel) as f32)
        };
        points.iter().map(at).collect()
    };
    [-1.0, 0.0, 1.0].into_iter().filter(touches).map(pixels).collect()
}

fn fill_rings<'a>(canvas: &mut Pixmap, window: &Window, rings: impl Iterator<Item = &'a Polyline>, color: Rgb) {
    let mut builder = PathBuilder::new();
    for ring in rings {
        for points in in_pixels(window, &ring.unwrapped()) {
            let clipped = clip(points, window);
            if clipped.len() >= 3 {
                builder.move_to(clipped[0].0, clipped[0].1);
                clipped[1..].iter().for_each(|&(x, y)| builder.line_to(x, y));
                builder.close();
            }
        }
    }
    if let Some(path) = builder.finish() {
        canvas.fill_path(&path, &paint(solid(color)), FillRule::EvenOdd, Transform::identity(), None);
    }
}

/// Cuts a ring at the edges of the window, one after the other (Sutherland and Hodgman 1974).
fn clip(mut points: Vec<(f32, f32)>, window: &Window) -> Vec<(f32, f32)> {
    let (right, bottom) = (window.width as f32 + MARGIN, window.height as f32 + MARGIN);
    // Distance to the inside of each edge; negative is outside.
    let inside: [&dyn Fn((f32, f32)) -> f32; 4] =
        [&|p| p.0 + MARGIN, &|p| right - p.0, &|p| p.1 + MARGIN, &|p| bottom - p.1];
    for depth in inside {
        let Some(&last) = points.last() else { break };
        let mut kept = Vec::with_capacity(points.len());
        let mut from = last;
        for to in points {
            let (a, b) = (depth(from), depth(to));
            if (a < 0.0) != (b < 0.0) {
                let t = a / (a - b);
                kept.push((from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t));
            }
            if b >= 0.0 {
                kept.push(to);
            }
            from = to;
        }
        points = kept;
    }
    points
}

/// Draws those parts of lines that touch the window.
fn stroke<'a>(
    canvas: &mut Pixmap,
    window: &Window,
    lines: impl Iterator<Item = &'a Polyline>,
    color: Color,
    width: f32,
) {
    let mut builder = PathBuilder::new();
    let (right, bottom) = (window.width as f32 + MARGIN, window.height as f32 + MARGIN);
    for line in lines {
        let line = line.unwrapped();
        for points in in_pixels(window, &line) {
            let mut drawing = false;
            for (i, pair) in points.windows(2).enumerate() {
                let (a, b) = (pair[0], pair[1]);
                let apart = (a.0 < -MARGIN && b.0 < -MARGIN)
                    || (a.1 < -MARGIN && b.1 < -MARGIN)
                    || (a.0 > right && b.0 > right)
                    || (a.1 > bottom && b.1 > bottom);
                // Land is cut at the date line, which is no coast.
                let seam = line[i][0].abs() > 179.99 && line[i][0] == line[i + 1][0];
                if apart || seam {
                    drawing = false;
                    continue;
                }
                if !drawing {
                    builder.move_to(a.0, a.1);
                }
                builder.line_to(b.0, b.1);
                drawing = true;
            }
        }
    }
    if let Some(path) = builder.finish() {
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        canvas.stroke_path(&path, &paint(color), &stroke, Transform::identity(), None);
    }
}

/// Draws a bar of a round number of km into the lower left corner.
fn draw_scale_bar(canvas: &mut Pixmap, layout: &Layout, fonts: &Fonts, lat_deg: f64, placer: &mut Placer) {
    let km_per_pixel = layout.window.pixel / Window::pixel_for(1.0, lat_deg);
    let longest_km = km_per_pixel * 150.0 * f64::from(layout.scale);
    let Some(km) =
        [2000.0, 1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0].into_iter().find(|&km| km <= longest_km)
    else {
        return;
    };
    let (scale, length) = (layout.scale, (km / km_per_pixel) as f32);
    let (x, y) = (14.0 * scale, canvas.height() as f32 - 12.0 * scale);
    for (color, width) in [(sheer([255; 3], 0.85), 4.5), (solid(LABEL), 1.8)] {
        let mut builder = PathBuilder::new();
        builder.move_to(x, y - 5.0 * scale);
        builder.line_to(x, y);
        builder.line_to(x + length, y);
        builder.line_to(x + length, y - 5.0 * scale);
        if let Some(path) = builder.finish() {
            let stroke = Stroke { width: width * scale, line_cap: LineCap::Round, ..Stroke::default() };
            canvas.stroke_path(&path, &paint(color), &stroke, Transform::identity(), None);
        }
    }
    let ink = (solid(LABEL), sheer([255; 3], 0.85), 2.2 * scale);
    let size = 12.0 * scale;
    fonts.regular.draw_on_halo(canvas, &format!("{km} km"), (x + 6.0 * scale, y - 6.0 * scale), size, ink);
    placer.reserve(0.0, y - 24.0 * scale, x + length + 12.0 * scale, canvas.height() as f32);
}

fn draw_marker_and_names(
    canvas: &mut Pixmap,
    request: &AnimationRequest<'_>,
    layout: &Layout,
    fonts: &Fonts,
    area: BoundingBox,
    placer: &mut Placer,
) {
    let (window, scale) = (&layout.window, layout.scale);
    let mut labels: Vec<(Label, f32, bool)> = Vec::new();
    let marked = request.marker.as_ref().map(|marker| {
        let (x, y) = window.pixel_of(marker.lat_deg, marker.lon_deg);
        (marker, x as f32, y as f32)
    });
    if let Some((marker, x, y)) = marked {
        let size = 16.0 * scale;
        let width = fonts.bold.width(&marker.label, size);
        if let Some(label) = placer.place(&marker.label, (x, y), width, size, 12.0 * scale) {
            labels.push((label, size, true));
        }
        placer.reserve(x - 12.0 * scale, y - 12.0 * scale, x + 12.0 * scale, y + 12.0 * scale);
    }
    // More candidates than names, as many will not find room. Suburbs would crowd around the dot of their city.
    let mut dots: Vec<(f32, f32)> = Vec::new();
    let candidates = world().places_in(area, request.place_names * 12);
    let mut named = 0;
    for place in candidates {
        if named == request.place_names {
            break;
        }
        if request.marker.as_ref().is_some_and(|m| m.label == place.name) {
            continue;
        }
        let (x, y) = window.pixel_of(place.lat_deg, place.lon_deg);
        let (x, y) = (x as f32, y as f32);
        if dots.iter().any(|dot| (dot.0 - x).hypot(dot.1 - y) < 24.0 * scale) {
            continue;
        }
        let size = scale * if place.population >= 400_000 { 15.0 } else { 13.0 };
        let width = fonts.regular.width(&place.name, size);
        if let Some(label) = placer.place(&place.name, (x, y), width, size, 5.0 * scale) {
            dots.push((x, y));
            draw_dot(canvas, (x, y), 2.6 * scale, solid(LABEL), 1.3 * scale);
            labels.push((label, size, false));
            named += 1;
        }
    }
    for (label, size, watched) in &labels {
        let at = (label.x, label.baseline);
        if *watched {
            let ink = (solid(mix(MARKER, [0; 3], 0.25)), sheer([255; 3], 0.92), 3.0 * scale);
            fonts.bold.draw_on_halo(canvas, &label.text, at, *size, ink);
        } else {
            let ink = (solid(LABEL), sheer([255; 3], 0.85), 2.2 * scale);
            fonts.regular.draw_on_halo(canvas, &label.text, at, *size, ink);
        }
    }
    if let Some((_, x, y)) = marked {
        draw_dot(canvas, (x, y), 6.0 * scale, solid(MARKER), 2.5 * scale);
        draw_dot(canvas, (x, y), 2.0 * scale, solid([255; 3]), 0.0);
    }
}

/// A dot with a white rim.
fn draw_dot(canvas: &mut Pixmap, (x, y): (f32, f32), radius: f32, color: Color, rim: f32) {
    for (color, radius) in [(solid([255; 3]), radius + rim), (color, radius)] {
        let around = Rect::from_xywh(x - radius, y - radius, 2.0 * radius, 2.0 * radius);
        if let Some(circle) = around.and_then(PathBuilder::from_oval) {
            canvas.fill_path(&circle, &paint(color), FillRule::Winding, Transform::identity(), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_cuts_a_ring_to_the_window_and_drops_one_outside() {
        let window = Window { west: 0.0, north: 0.0, pixel: 1e-4, width: 100, height: 50 };
        let ring = [(-500.0, -500.0), (40.0, -500.0), (40.0, 500.0), (-500.0, 500.0)];
        let clipped = clip(ring.to_vec(), &window);
        let right = clipped.iter().map(|p| p.0).fold(f32::MIN, f32::max);
        let left = clipped.iter().map(|p| p.0).fold(f32::MAX, f32::min);
        assert_eq!((left, right), (-MARGIN, 40.0));
        assert!(clip(vec![(200.0, 0.0), (300.0, 0.0), (300.0, 40.0)], &window).is_empty());
    }
}
