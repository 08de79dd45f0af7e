//! Text as filled outlines, with a halo where it stands on a map.

use ab_glyph::{Font, FontRef, OutlineCurve, Point};
use tiny_skia::{Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use crate::error::RenderError;

const REGULAR: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSans-Bold-subset.ttf");

/// The two faces of a picture.
pub(super) struct Fonts {
    pub regular: Face,
    pub bold: Face,
}

impl Fonts {
    pub fn load() -> Result<Self, RenderError> {
        let face = |bytes: &'static [u8], name: &'static str| {
            let font = FontRef::try_from_slice(bytes).map_err(|_| RenderError::Font { name })?;
            let units_per_em = font.units_per_em().filter(|u| *u > 0.0).ok_or(RenderError::Font { name })?;
            Ok::<Face, RenderError>(Face { font, units_per_em })
        };
        Ok(Self { regular: face(REGULAR, "DejaVu Sans")?, bold: face(BOLD, "DejaVu Sans Bold")? })
    }
}

/// One face of a font.
pub(super) struct Face {
    font: FontRef<'static>,
    units_per_em: f32,
}

impl Face {
    /// Width in pixels at `size` pixels an em.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        let mut width = 0.0;
        self.lay_out(text, |_, x| width = x);
        width * size / self.units_per_em
    }

    /// The text, or as much of it as fits into `room` pixels with an ellipsis behind.
    pub fn fitted(&self, text: &str, size: f32, room: f32) -> String {
        if self.width(text, size) <= room {
            return text.to_owned();
        }
        let mut cut: String = text.to_owned();
        while cut.pop().is_some() {
            let short = format!("{}…", cut.trim_end());
            if self.width(&short, size) <= room {
                return short;
            }
        }
        String::new()
    }

    /// Outlines of a line of text whose baseline begins at (x, y).
    fn path(&self, text: &str, x: f32, y: f32, size: f32) -> Option<Path> {
        let scale = size / self.units_per_em;
        let mut builder = PathBuilder::new();
        let mut begin = 0.0;
        self.lay_out(text, |glyph, end| {
            if let Some(outline) = self.font.outline(glyph) {
                let at = |p: Point| (x + (begin + p.x) * scale, y - p.y * scale);
                add_outline(&mut builder, &outline.curves, at);
            }
            begin = end;
        });
        builder.finish()
    }

    /// Calls `visit` with each glyph and the pen's position behind it, in font units.
    fn lay_out(&self, text: &str, mut visit: impl FnMut(ab_glyph::GlyphId, f32)) {
        let mut pen = 0.0;
        for c in text.chars() {
            let glyph = self.font.glyph_id(c);
            pen += self.font.h_advance_unscaled(glyph);
            visit(glyph, pen);
        }
    }

    /// Draws a line of text whose baseline begins at (x, y).
    pub fn draw(&self, canvas: &mut Pixmap, text: &str, (x, y): (f32, f32), size: f32, color: Color) {
        if let Some(path) = self.path(text, x, y, size) {
            canvas.fill_path(&path, &paint(color), FillRule::Winding, Transform::identity(), None);
        }
    }

    /// The same on a halo of `halo` pixels.
    pub fn draw_on_halo(
        &self,
        canvas: &mut Pixmap,
        text: &str,
        (x, y): (f32, f32),
        size: f32,
        (color, halo_color, halo): (Color, Color, f32),
    ) {
        if let Some(path) = self.path(text, x, y, size) {
            let stroke = Stroke { width: 2.0 * halo, line_join: LineJoin::Round, ..Stroke::default() };
            canvas.stroke_path(&path, &paint(halo_color), &stroke, Transform::identity(), None);
            canvas.fill_path(&path, &paint(color), FillRule::Winding, Transform::identity(), None);
        }
    }
}

fn add_outline(builder: &mut PathBuilder, curves: &[OutlineCurve], at: impl Fn(Point) -> (f32, f32)) {
    let mut pen: Option<Point> = None;
    let mut go_to = |builder: &mut PathBuilder, from: Point, to: Point| {
        if pen != Some(from) {
            if pen.is_some() {
                builder.close();
            }
            let (x, y) = at(from);
            builder.move_to(x, y);
        }
        pen = Some(to);
    };
    for curve in curves {
        match *curve {
            OutlineCurve::Line(a, b) => {
                go_to(builder, a, b);
                let (x, y) = at(b);
                builder.line_to(x, y);
            }
            OutlineCurve::Quad(a, b, c) => {
                go_to(builder, a, c);
                let ((x1, y1), (x, y)) = (at(b), at(c));
                builder.quad_to(x1, y1, x, y);
            }
            OutlineCurve::Cubic(a, b, c, d) => {
                go_to(builder, a, d);
                let ((x1, y1), (x2, y2), (x, y)) = (at(b), at(c), at(d));
                builder.cubic_to(x1, y1, x2, y2, x, y);
            }
        }
    }
    if !curves.is_empty() {
        builder.close();
    }
}

/// An even, smooth-edged paint.
pub(super) fn paint(color: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(color);
    paint.anti_alias = true;
    paint
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn long_text_is_cut_to_its_room() {
        let fonts = Fonts::load().unwrap();
        let text = "Rain around Llanfairpwllgwyngyll";
        let short = fonts.regular.fitted(text, 20.0, 150.0);
        assert!(short.ends_with('…') && fonts.regular.width(&short, 20.0) <= 150.0, "{short}");
        assert_eq!(fonts.regular.fitted(text, 20.0, 1000.0), text);
        assert_eq!(fonts.regular.fitted(text, 20.0, 3.0), "");
    }

    #[test]
    fn letters_of_european_names_have_outlines() {
        let fonts = Fonts::load().unwrap();
        for c in "ZürichŁódźΑθήναМосква−·–…→≥".chars() {
            assert!(fonts.bold.font.glyph_id(c).0 > 0 && fonts.regular.font.glyph_id(c).0 > 0, "{c}");
        }
    }
}
