//! Line charts side by side: scores by lead time.

use tiny_skia::{LineCap, LineJoin, PathBuilder, Pixmap, Stroke, StrokeDash, Transform};

use super::text::{Fonts, paint};
use super::theme::{LABEL, OBSERVED, Rgb, TEXT, UNOBSERVED_SHADE, mix, solid};
use crate::error::RenderError;

/// Size of one chart and of the header, pixels.
const CHART: (f32, f32) = (380.0, 250.0);
const HEADER: f32 = 78.0;
/// Charts in a row.
const COLUMNS: usize = 3;
/// Room within a chart for its labels: left, right, top, bottom.
const ROOM: (f32, f32, f32, f32) = (52.0, 18.0, 34.0, 30.0);
/// Steps between rules, of which the one is taken that gives about four.
const STEPS: [f32; 9] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0];

/// One chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What it shows ("CSI at 1 mm/h").
    pub title: String,
    /// (lead time in minutes, score) of what is to be shown; drawn in full.
    pub line: Vec<(f32, f32)>,
    /// The same of what it is compared with; drawn dashed.
    pub beside: Vec<(f32, f32)>,
}

/// Charts as one PNG, three in a row, under a title and the names of the two lines.
///
/// # Errors
/// [`RenderError`] when the picture is too large or cannot be written.
pub fn chart_png(title: &str, names: [&str; 2], charts: &[Chart]) -> Result<Vec<u8>, RenderError> {
    let rows = charts.len().div_ceil(COLUMNS);
    let (width, height) = (CHART.0 * COLUMNS as f32, HEADER + CHART.1 * rows as f32);
    let refused = || RenderError::Size { width: width as u32, height: height as u32, min: 1, max: 16_000 };
    let mut canvas = Pixmap::new(width as u32, height as u32).filter(|_| height < 16_000.0).ok_or_else(refused)?;
    canvas.fill(solid(TEXT));
    let fonts = Fonts::load()?;
    let title = fonts.bold.fitted(title, 21.0, width - 48.0);
    fonts.bold.draw(&mut canvas, &title, (24.0, 34.0), 21.0, solid(LABEL));
    let mut x = 24.0;
    for (kind, name) in names.into_iter().enumerate() {
        stroke(&mut canvas, &[(x, 57.0), (x + 34.0, 57.0)], kind == 1);
        fonts.regular.draw(&mut canvas, name, (x + 42.0, 62.0), 15.0, solid(LABEL));
        x += 42.0 + fonts.regular.width(name, 15.0) + 32.0;
    }
    for (index, chart) in charts.iter().enumerate() {
        let corner = ((index % COLUMNS) as f32 * CHART.0, HEADER + (index / COLUMNS) as f32 * CHART.1);
        draw(&mut canvas, &fonts, chart, corner);
    }
    write_png(&canvas)
}

fn draw(canvas: &mut Pixmap, fonts: &Fonts, chart: &Chart, (left, top): (f32, f32)) {
    let (x0, x1) = (left + ROOM.0, left + CHART.0 - ROOM.1);
    let (y0, y1) = (top + CHART.1 - ROOM.3, top + ROOM.2);
    fonts.bold.draw(canvas, &chart.title, (x0, top + 22.0), 15.0, solid(LABEL));
    let points = || chart.line.iter().chain(&chart.beside).filter(|p| p.0.is_finite() && p.1.is_finite());
    let longest = points().fold(5.0_f32, |most, p| most.max(p.0));
    let highest = points().fold(0.0_f32, |most, p| most.max(p.1));
    let step = STEPS.into_iter().find(|step| highest / step <= 5.0).unwrap_or(highest / 4.0);
    let ceiling = ((highest / step).ceil() * step).max(step);
    let at = |&(minutes, score): &(f32, f32)| (x0 + (x1 - x0) * minutes / longest, y0 + (y1 - y0) * score / ceiling);
    let dim = solid(mix(TEXT, LABEL, 0.6));
    for rule in 0..=(ceiling / step).round() as u32 {
        let score = rule as f32 * step;
        let y = at(&(0.0, score)).1;
        line(canvas, &[(x0, y), (x1, y)], mix(TEXT, UNOBSERVED_SHADE, 0.35), 1.0, false);
        let label = format!("{}", (score * 100.0).round() / 100.0);
        fonts.regular.draw(canvas, &label, (x0 - 8.0 - fonts.regular.width(&label, 12.0), y + 4.0), 12.0, dim);
    }
    let every = if longest > 150.0 { 60.0 } else { 30.0 };
    for tick in 1..=(longest / every) as u32 {
        let minutes = tick as f32 * every;
        let label = format!("+{minutes} min");
        let x = at(&(minutes, 0.0)).0 - fonts.regular.width(&label, 12.0) / 2.0;
        fonts.regular.draw(canvas, &label, (x.min(x1 - fonts.regular.width(&label, 12.0)), y0 + 18.0), 12.0, dim);
    }
    for (values, beside) in [(&chart.beside, true), (&chart.line, false)] {
        let known = values.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
        stroke(canvas, &known.map(at).collect::<Vec<_>>(), beside);
    }
}

/// One of the two lines.
fn stroke(canvas: &mut Pixmap, points: &[(f32, f32)], beside: bool) {
    let color = if beside { UNOBSERVED_SHADE } else { mix(OBSERVED, LABEL, 0.25) };
    line(canvas, points, color, 3.0, beside);
}

fn line(canvas: &mut Pixmap, points: &[(f32, f32)], color: Rgb, width: f32, dashed: bool) {
    let mut builder = PathBuilder::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        if index == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
    }
    let dash = if dashed { StrokeDash::new(vec![8.0, 6.0], 0.0) } else { None };
    let stroke = Stroke { width, line_join: LineJoin::Round, line_cap: LineCap::Round, dash, ..Stroke::default() };
    if let Some(path) = builder.finish() {
        canvas.stroke_path(&path, &paint(solid(color)), &stroke, Transform::identity(), None);
    }
}

/// The picture is opaque: what is premultiplied is as it is.
fn write_png(canvas: &Pixmap) -> Result<Vec<u8>, RenderError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width(), canvas.height());
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(canvas.data())?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_come_as_a_png_three_in_a_row_also_without_a_point() {
        let chart =
            |title: &str| Chart { title: title.into(), line: vec![(5.0, 0.8), (60.0, f32::NAN)], beside: vec![] };
        let png =
            chart_png("Skill", ["best", "persistence"], &[chart("CSI"), chart("FSS"), chart("MAE"), Chart::default()]);
        let decoder = png::Decoder::new(std::io::Cursor::new(png.unwrap()));
        let reader = decoder.read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (1140, 578));
    }
}
