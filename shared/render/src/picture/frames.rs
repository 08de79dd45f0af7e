//! Paints the frames of an animation.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use raincell_model::RainField;

use super::basemap::{Basemap, paint_basemap};
use super::contour;
use super::panels::{Moment, Panels};
use super::text::Fonts;
use super::theme::{self, Rgb, mix};
use super::{AnimationRequest, Layout, zone};
use crate::colors::{ColorScheme, NODATA_CODE, code_from_dbz, dbz_from_rate, legend};
use crate::error::RenderError;
use crate::sampling::{CellMap, Reach};
use crate::tiles::{check_shape, codes_of};

/// Pixels from one line of the hatching to the next, and width of a line.
const HATCH: (usize, usize) = (9, 2);
/// Width in pixels, at scale 1, of the frame around the map of a forecast.
const FORECAST_RIM: f32 = 4.0;

/// Everything that the frames of one animation share.
pub(super) struct Painter<'a> {
    layout: Layout,
    basemap: Option<Basemap>,
    panels: Panels<'a>,
    moments: Vec<Moment>,
    fields: Vec<&'a RainField>,
    /// Of each frame, the probabilities of its time, for those that are forecast.
    probabilities: Vec<Option<&'a RainField>>,
    /// By the fingerprint of the grid.
    maps: HashMap<u64, CellMap>,
    /// Colour by code; `None` for what shows the ground.
    rain: [Option<Rgb>; 128],
}

impl<'a> Painter<'a> {
    pub fn new(request: &'a AnimationRequest<'a>) -> Result<Self, RenderError> {
        let layout = Layout::new(request)?;
        let zone: TimeZone = zone(request.time_zone)?;
        let (moments, fields) = in_order(request);
        if fields.is_empty() {
            return Err(RenderError::NoFrames);
        }
        let at = |moment: &Moment| request.probability.iter().find(|f| moment.forecast && f.valid_time == moment.time);
        let probabilities: Vec<_> = moments.iter().map(at).collect();
        let mut maps = HashMap::new();
        for field in fields.iter().chain(probabilities.iter().flatten()) {
            check_shape(field, &field.grid)?;
            if let std::collections::hash_map::Entry::Vacant(entry) = maps.entry(field.grid.fingerprint()) {
                let geo = field.grid.georeference()?;
                entry.insert(CellMap::new(&geo, &Reach::of(&geo), &layout.window));
            }
        }
        let fonts = Fonts::load()?;
        let basemap = paint_basemap(request, &layout, &fonts);
        let panels = Panels::new(request, &layout, &moments, zone, fonts);
        Ok(Self { layout, basemap, panels, moments, fields, probabilities, maps, rain: rain_colors() })
    }

    /// How many there are.
    pub fn frames(&self) -> usize {
        self.fields.len()
    }

    /// True for the newest observed one.
    pub fn is_now(&self, frame: usize) -> bool {
        self.moments.get(frame).is_some_and(|m| !m.forecast && m.from_now_min == Some(0))
    }

    pub fn frame_nearest(&self, at: Timestamp) -> usize {
        let distance = |i: &usize| (self.moments[*i].time.as_second() - at.as_second()).abs();
        (0..self.frames()).min_by_key(distance).unwrap_or(0)
    }

    /// Colours that the palette must hold as they are.
    pub fn fixed_colors(&self) -> Vec<Rgb> {
        let mut colors = vec![
            theme::LAND,
            theme::SEA,
            theme::PANEL,
            theme::PANEL_LINE,
            theme::TEXT,
            theme::TEXT_DIM,
            theme::OBSERVED,
            theme::FORECAST,
            theme::MARKER,
            theme::LIKELY,
            theme::LABEL,
        ];
        colors.extend(
            [theme::LAND, theme::SEA].iter().flat_map(|&ground| [unobserved(ground, false), unobserved(ground, true)]),
        );
        colors.extend(self.rain.iter().flatten());
        colors
    }

    /// The pixels of one frame, row by row.
    pub fn paint(&self, frame: usize) -> Vec<Rgb> {
        let layout = &self.layout;
        let mut pixels = vec![theme::PANEL; layout.width * layout.height];
        let (Some(field), Some(moment)) = (self.fields.get(frame), self.moments.get(frame)) else { return pixels };
        let map = layout.header * layout.width..(layout.height - layout.footer) * layout.width;
        if let (Some(basemap), Some(cells)) = (&self.basemap, self.maps.get(&field.grid.fingerprint())) {
            let codes = codes_of(field, cells, &layout.window, true);
            let likely = self.probabilities.get(frame).copied().flatten();
            let line = likely.and_then(|field| {
                let cells = self.maps.get(&field.grid.fingerprint())?;
                Some(contour::line(layout, field, cells))
            });
            self.paint_map(&mut pixels[map], basemap, &codes, line.as_deref());
        }
        if !layout.bare {
            self.panels.paint(&mut pixels, layout, moment);
        }
        if moment.forecast {
            rim(&mut pixels, layout);
        }
        pixels
    }

    fn paint_map(&self, pixels: &mut [Rgb], basemap: &Basemap, codes: &[u8], line: Option<&[bool]>) {
        let width = self.layout.width;
        for (y, row) in pixels.chunks_mut(width).enumerate() {
            let range = y * width..(y + 1) * width;
            let (codes, under) = (&codes[range.clone()], &basemap.under[range.clone()]);
            let line = line.map(|line| &line[range.clone()]);
            let over = &basemap.over.pixels()[range];
            for x in 0..width {
                let ground = under[x];
                let color = match codes[x] {
                    _ if line.is_some_and(|line| line[x]) => theme::LIKELY,
                    NODATA_CODE => unobserved(ground, (x + y) % HATCH.0 < HATCH.1),
                    code => self.rain[usize::from(code & 127)].unwrap_or(ground),
                };
                let ink = over[x];
                row[x] = match ink.alpha() {
                    0 => color,
                    alpha => {
                        let through = 255 - u16::from(alpha);
                        let blend = |under: u8, over: u8| (u16::from(under) * through / 255) as u8 + over;
                        [blend(color[0], ink.red()), blend(color[1], ink.green()), blend(color[2], ink.blue())]
                    }
                };
            }
        }
    }
}

/// Past fields, then forecast ones, each by time, with what is to be written beside them.
fn in_order<'a>(request: &AnimationRequest<'a>) -> (Vec<Moment>, Vec<&'a RainField>) {
    let now = request.past.iter().map(|f| f.valid_time).max();
    let mut frames: Vec<(Moment, &RainField)> = Vec::new();
    for (fields, forecast) in [(request.past, false), (request.forecast, true)] {
        for field in fields {
            let time = field.valid_time;
            let from_now_min = now.map(|now| ((time.as_second() - now.as_second()) as f64 / 60.0).round() as i64);
            frames.push((Moment { time, forecast, from_now_min }, field));
        }
    }
    frames.sort_by_key(|(moment, _)| (moment.forecast, moment.time));
    frames.into_iter().unzip()
}

/// Ground that no radar saw: greyed, with hatching.
fn unobserved(ground: Rgb, line: bool) -> Rgb {
    mix(ground, theme::UNOBSERVED_SHADE, if line { 0.42 } else { 0.28 })
}

/// The legend's colour for every code.
fn rain_colors() -> [Option<Rgb>; 128] {
    let steps = legend(ColorScheme::UniversalBlue);
    let mut colors = [None; 128];
    for step in steps {
        let from = usize::from(code_from_dbz(dbz_from_rate(step.from_mm_h)));
        colors[from..].fill(Some([step.color[0], step.color[1], step.color[2]]));
    }
    colors
}

/// Frames the map in the colour of the forecast.
fn rim(pixels: &mut [Rgb], layout: &Layout) {
    let thickness = (FORECAST_RIM * layout.scale).round().max(1.0) as usize;
    let (top, bottom) = (layout.header, layout.height - layout.footer);
    for y in top..bottom {
        let row = &mut pixels[y * layout.width..(y + 1) * layout.width];
        if y < top + thickness || y + thickness >= bottom {
            row.fill(theme::FORECAST);
        } else {
            let side = thickness.min(layout.width);
            row[..side].fill(theme::FORECAST);
            row[layout.width - side..].fill(theme::FORECAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rain_takes_its_colour_from_the_legend() {
        let colors = rain_colors();
        let blue = |mm_h: f32| colors[usize::from(code_from_dbz(dbz_from_rate(mm_h)))];
        assert_eq!(blue(0.03), None);
        assert_eq!(blue(0.2), Some([0x88, 0xdd, 0xee]));
        assert_eq!(blue(3.0), Some([0xff, 0xee, 0x00]));
        assert_eq!(blue(200.0), Some([0x99, 0x00, 0x00]));
    }
}
