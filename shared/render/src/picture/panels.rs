//! Header with headline and clock, footer with time line, legend and credit.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tiny_skia::{FillRule, PathBuilder, Pixmap, Rect, Transform};

use super::text::{Fonts, paint};
use super::theme::{self, Rgb, solid};
use super::{AnimationRequest, Layout};
use crate::colors::{ColorScheme, legend};
use crate::world::MAP_CREDIT;

/// When a frame holds and what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub time: Timestamp,
    pub forecast: bool,
    /// Minutes since the newest observed frame; `None` where nothing was observed.
    pub from_now_min: Option<i64>,
}

impl Moment {
    /// What the frame is, for the badge.
    fn badge(&self) -> String {
        match (self.forecast, self.from_now_min) {
            (true, Some(minutes)) => format!("FORECAST {}", signed_minutes(minutes)),
            (true, None) => "FORECAST".into(),
            (false, Some(0) | None) => "RADAR now".into(),
            (false, Some(minutes)) => format!("RADAR {}", signed_minutes(minutes)),
        }
    }
}

fn signed_minutes(minutes: i64) -> String {
    let sign = if minutes < 0 { "−" } else { "+" };
    match minutes.abs() {
        m if m < 120 => format!("{sign}{m} min"),
        m => format!("{sign}{} h {:02}", m / 60, m % 60),
    }
}

/// The parts of header and footer that every frame shows.
pub(super) struct Panels<'a> {
    title: &'a str,
    zone: TimeZone,
    fonts: Fonts,
    first: Timestamp,
    last: Timestamp,
    now: Option<Timestamp>,
    header: Option<Pixmap>,
    footer: Option<Pixmap>,
}

impl<'a> Panels<'a> {
    pub fn new(
        request: &'a AnimationRequest<'a>,
        layout: &Layout,
        moments: &[Moment],
        zone: TimeZone,
        fonts: Fonts,
    ) -> Self {
        let times = || moments.iter().map(|m| m.time);
        let mut panels = Self {
            title: request.title,
            zone,
            fonts,
            first: times().min().unwrap_or_default(),
            last: times().max().unwrap_or_default(),
            now: moments.iter().filter(|m| !m.forecast).map(|m| m.time).max(),
            header: None,
            footer: None,
        };
        if !layout.bare {
            let blank = |rows: usize| {
                let mut canvas = Pixmap::new(layout.width as u32, rows as u32)?;
                canvas.fill(solid(theme::PANEL));
                Some(canvas)
            };
            panels.header = blank(layout.header);
            panels.footer = blank(layout.footer).map(|canvas| panels.still_footer(canvas, layout, request));
        }
        panels
    }

    /// Writes header and footer of one frame into its pixels.
    pub fn paint(&self, pixels: &mut [Rgb], layout: &Layout, moment: &Moment) {
        if let Some(header) = &self.header {
            let header = self.header_at(header.clone(), layout, moment);
            copy(&header, &mut pixels[..layout.header * layout.width]);
        }
        if let Some(footer) = &self.footer {
            let footer = self.footer_at(footer.clone(), layout, moment);
            copy(&footer, &mut pixels[(layout.height - layout.footer) * layout.width..]);
        }
    }

    fn header_at(&self, mut canvas: Pixmap, layout: &Layout, moment: &Moment) -> Pixmap {
        let (s, width) = (layout.scale, layout.width as f32);
        let color = if moment.forecast { theme::FORECAST } else { theme::OBSERVED };
        let local = moment.time.to_zoned(self.zone.clone());
        let (white, dim) = (solid(theme::TEXT), solid(theme::TEXT_DIM));

        let clock = local.strftime("%H:%M").to_string();
        let zone = local.strftime("%Z").to_string();
        let zone_width = self.fonts.regular.width(&zone, 15.0 * s);
        let clock_width = self.fonts.bold.width(&clock, 34.0 * s);
        let right = width - 14.0 * s;
        let clock_left = right - zone_width - 6.0 * s - clock_width;
        self.fonts.bold.draw(&mut canvas, &clock, (clock_left, 36.0 * s), 34.0 * s, white);
        self.fonts.regular.draw(&mut canvas, &zone, (right - zone_width, 36.0 * s), 15.0 * s, dim);
        let utc = moment.time.strftime("%H:%M UTC").to_string();
        let date = format!("{} · {utc}", local.strftime("%a %-d %b %Y"));
        let date_width = self.fonts.regular.width(&date, 13.0 * s);
        self.fonts.regular.draw(&mut canvas, &date, (right - date_width, 58.0 * s), 13.0 * s, dim);

        let room = clock_left.min(right - date_width) - 28.0 * s;
        let title = self.fonts.bold.fitted(self.title, 21.0 * s, room);
        self.fonts.bold.draw(&mut canvas, &title, (14.0 * s, 29.0 * s), 21.0 * s, white);
        let badge = moment.badge();
        let badge_width = self.fonts.bold.width(&badge, 14.0 * s) + 16.0 * s;
        fill(&mut canvas, 14.0 * s, 40.0 * s, badge_width, 22.0 * s, 4.0 * s, color);
        self.fonts.bold.draw(&mut canvas, &badge, (22.0 * s, 56.0 * s), 14.0 * s, solid(theme::PANEL));
        fill(&mut canvas, 0.0, layout.header as f32 - 3.0 * s, width, 3.0 * s, 0.0, color);
        canvas
    }

    /// Position on the time line of a moment, pixels.
    fn x_of(&self, time: Timestamp, layout: &Layout) -> f32 {
        let span = (self.last.as_second() - self.first.as_second()).max(1) as f32;
        let (left, length) = time_line(layout);
        left + length * (time.as_second() - self.first.as_second()) as f32 / span
    }

    /// Time line with its labels, legend, credit.
    fn still_footer(&self, mut canvas: Pixmap, layout: &Layout, request: &AnimationRequest<'_>) -> Pixmap {
        let (s, dim) = (layout.scale, solid(theme::TEXT_DIM));
        let (left, length) = time_line(layout);
        fill(&mut canvas, left, 10.0 * s, length, 6.0 * s, 3.0 * s, theme::PANEL_LINE);
        let step_min = self.tick_minutes(layout);
        let now_x = self.now.map(|now| self.x_of(now, layout));
        let step = i64::from(step_min) * 60;
        let offset = i64::from(self.zone.to_offset(self.first).seconds());
        let mut second = (self.first.as_second() + offset).div_euclid(step) * step - offset;
        while second <= self.last.as_second() {
            if let Ok(time) = Timestamp::from_second(second)
                && time >= self.first
            {
                let x = self.x_of(time, layout);
                let label = time.to_zoned(self.zone.clone()).strftime("%H:%M").to_string();
                let half = self.fonts.regular.width(&label, 11.0 * s) / 2.0;
                let at = (x - half).clamp(2.0, layout.width as f32 - 2.0 * half - 2.0);
                fill(&mut canvas, x - 0.5 * s, 18.0 * s, 1.0 * s, 4.0 * s, 0.0, theme::TEXT_DIM);
                // "now" takes precedence over a time beside it.
                if now_x.is_none_or(|now| (now - x).abs() > half + 22.0 * s) {
                    self.fonts.regular.draw(&mut canvas, &label, (at, 33.0 * s), 11.0 * s, dim);
                }
            }
            second += step;
        }
        if let Some(x) = now_x {
            let half = self.fonts.bold.width("now", 12.0 * s) / 2.0;
            let at = (x - half).clamp(2.0, layout.width as f32 - 2.0 * half - 2.0);
            self.fonts.bold.draw(&mut canvas, "now", (at, 33.0 * s), 12.0 * s, solid(theme::TEXT));
        }
        self.draw_legend(&mut canvas, layout);
        let key = if request.probability.is_empty() { 0.0 } else { self.draw_line_key(&mut canvas, layout) };
        let credit = request.credit;
        let credit = if credit.is_empty() { MAP_CREDIT.to_owned() } else { format!("{credit} · {MAP_CREDIT}") };
        let text = self.fonts.regular.fitted(&credit, 10.0 * s, layout.width as f32 - 28.0 * s - key);
        self.fonts.regular.draw(&mut canvas, &text, (14.0 * s, 91.0 * s), 10.0 * s, dim);
        canvas
    }

    /// Minutes between the labels of the time line, so that they do not touch.
    fn tick_minutes(&self, layout: &Layout) -> u32 {
        let span_min = (self.last.as_second() - self.first.as_second()) as f32 / 60.0;
        let room = (time_line(layout).1 / (60.0 * layout.scale)).max(1.0);
        [5, 10, 15, 30, 60, 120, 180, 360, 720, 1440]
            .into_iter()
            .find(|&step| span_min / step as f32 <= room)
            .unwrap_or_else(|| 1440 * (span_min / 1440.0 / room).ceil() as u32)
    }

    fn draw_legend(&self, canvas: &mut Pixmap, layout: &Layout) {
        let (s, dim) = (layout.scale, solid(theme::TEXT_DIM));
        let steps = legend(ColorScheme::UniversalBlue);
        let unknown = self.fonts.regular.width("no data", 11.0 * s) + 22.0 * s;
        let unit = self.fonts.regular.width("mm/h", 11.0 * s) + 8.0 * s;
        let room = layout.width as f32 - 28.0 * s - unknown - unit - 14.0 * s;
        let cell = room / steps.len() as f32;
        for (i, step) in steps.iter().enumerate() {
            let x = 14.0 * s + i as f32 * cell;
            fill(canvas, x, 44.0 * s, cell + 0.5, 12.0 * s, 0.0, [step.color[0], step.color[1], step.color[2]]);
            let label = step.from_mm_h.to_string();
            self.fonts.regular.draw(canvas, &label, (x, 70.0 * s), 11.0 * s, dim);
        }
        self.fonts.regular.draw(canvas, "mm/h", (14.0 * s + room + 8.0 * s, 54.5 * s), 11.0 * s, dim);
        let x = layout.width as f32 - 14.0 * s - unknown;
        fill(canvas, x, 44.0 * s, 14.0 * s, 12.0 * s, 0.0, theme::mix(theme::LAND, theme::UNOBSERVED_SHADE, 0.28));
        for i in 0..3 {
            let mut builder = PathBuilder::new();
            let left = x + i as f32 * 5.0 * s;
            builder.move_to((left - 3.0 * s).max(x), 56.0 * s);
            builder.line_to((left + 3.0 * s).min(x + 14.0 * s), 44.0 * s);
            if let Some(path) = builder.finish() {
                let stroke = tiny_skia::Stroke { width: 1.5 * s, ..tiny_skia::Stroke::default() };
                let tone = solid(theme::mix(theme::LAND, theme::UNOBSERVED_SHADE, 0.6));
                canvas.stroke_path(&path, &paint(tone), &stroke, Transform::identity(), None);
            }
        }
        self.fonts.regular.draw(canvas, "no data", (x + 20.0 * s, 54.5 * s), 11.0 * s, dim);
    }

    /// Says what the line on forecast frames is; gives the width that it takes.
    fn draw_line_key(&self, canvas: &mut Pixmap, layout: &Layout) -> f32 {
        let (s, label) = (layout.scale, "forecast: rain more likely than not");
        let width = self.fonts.regular.width(label, 11.0 * s) + 24.0 * s;
        let x = layout.width as f32 - 14.0 * s - width;
        fill(canvas, x, 80.0 * s, 18.0 * s, 12.0 * s, 0.0, theme::LAND);
        fill(canvas, x, 85.0 * s, 18.0 * s, 2.0 * s, 0.0, theme::LIKELY);
        self.fonts.regular.draw(canvas, label, (x + 24.0 * s, 90.5 * s), 11.0 * s, solid(theme::TEXT_DIM));
        width + 14.0 * s
    }

    /// The footer with the time line filled up to a frame.
    fn footer_at(&self, mut canvas: Pixmap, layout: &Layout, moment: &Moment) -> Pixmap {
        let s = layout.scale;
        let (left, _) = time_line(layout);
        let x = self.x_of(moment.time, layout);
        let now_x = self.now.map_or(left, |now| self.x_of(now, layout));
        fill(&mut canvas, left, 10.0 * s, x.min(now_x) - left, 6.0 * s, 0.0, theme::OBSERVED);
        if moment.forecast {
            fill(&mut canvas, now_x, 10.0 * s, x - now_x, 6.0 * s, 0.0, theme::FORECAST);
        }
        if self.now.is_some() {
            fill(&mut canvas, now_x - s, 6.0 * s, 2.0 * s, 15.0 * s, 0.0, theme::TEXT);
        }
        let head = Rect::from_xywh(x - 6.0 * s, 7.0 * s, 12.0 * s, 12.0 * s);
        if let Some(circle) = head.and_then(PathBuilder::from_oval) {
            canvas.fill_path(&circle, &paint(solid(theme::TEXT)), FillRule::Winding, Transform::identity(), None);
        }
        canvas
    }
}

/// Left end and length of the time line, pixels.
fn time_line(layout: &Layout) -> (f32, f32) {
    let left = 20.0 * layout.scale;
    (left, layout.width as f32 - 2.0 * left)
}

/// Fills a rectangle, its corners rounded by `radius`.
fn fill(canvas: &mut Pixmap, x: f32, y: f32, width: f32, height: f32, radius: f32, color: Rgb) {
    let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
    if radius <= 0.0 {
        canvas.fill_rect(rect, &paint(solid(color)), Transform::identity(), None);
        return;
    }
    let r = radius.min(width / 2.0).min(height / 2.0);
    let (right, bottom) = (rect.right(), rect.bottom());
    let mut builder = PathBuilder::new();
    builder.move_to(x + r, y);
    builder.line_to(right - r, y);
    builder.quad_to(right, y, right, y + r);
    builder.line_to(right, bottom - r);
    builder.quad_to(right, bottom, right - r, bottom);
    builder.line_to(x + r, bottom);
    builder.quad_to(x, bottom, x, bottom - r);
    builder.line_to(x, y + r);
    builder.quad_to(x, y, x + r, y);
    builder.close();
    if let Some(path) = builder.finish() {
        canvas.fill_path(&path, &paint(solid(color)), FillRule::Winding, Transform::identity(), None);
    }
}

fn copy(from: &Pixmap, to: &mut [Rgb]) {
    for (to, from) in to.iter_mut().zip(from.pixels()) {
        *to = [from.red(), from.green(), from.blue()];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_badge_says_radar_or_forecast_and_how_far_from_now() {
        let badge = |forecast, from_now_min| Moment { time: Timestamp::UNIX_EPOCH, forecast, from_now_min }.badge();
        assert_eq!(badge(false, Some(0)), "RADAR now");
        assert_eq!(badge(false, Some(-35)), "RADAR −35 min");
        assert_eq!(badge(true, Some(25)), "FORECAST +25 min");
        assert_eq!(badge(true, Some(125)), "FORECAST +2 h 05");
        assert_eq!(badge(true, None), "FORECAST");
    }
}
