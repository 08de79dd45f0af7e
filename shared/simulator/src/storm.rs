//! The weather: rain rate as a known function of place and time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_model::{GeoReference, Grid, GridError, RadarSite, RainField};
use rayon::prelude::*;

use crate::bands::Bands;
use crate::cells::{Cells, Window};
use crate::flow::Flow;
use crate::story::{Squall, SquallNow};
use crate::texture::{Texture, TextureNow};
use crate::{DEMO_PLACES, DEMO_SITE, REACH_KM};

/// Rain weaker than this does not reach the ground, mm/h.
const LEAST_MM_H: f32 = 0.05;
/// What convective and stratiform rain tend to as more and more overlaps, mm/h.
const MOST_CONVECTIVE_MM_H: f32 = 110.0;
const MOST_STRATIFORM_MM_H: f32 = 30.0;
/// Step in which [`Weather::onset_at`] looks.
const ONSET_STEP: SignedDuration = SignedDuration::from_secs(30);

/// What kind of weather there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Nothing but clear sky: whatever a radar shows is not rain.
    Dry,
    /// Convective cells only.
    Showers,
    /// Stratiform bands only.
    Frontal,
    /// Both, the cells more frequent near the bands.
    Mixed,
}

/// Weather of a seed: goes on for ever, and is known at every place and time.
#[derive(Debug)]
pub struct Weather {
    seed: u64,
    preset: Preset,
    site: RadarSite,
    /// `None` where the site is not a place on the earth.
    plane: Option<GeoReference>,
    flow: Flow,
    texture: Texture,
    /// Time from which hours are counted.
    epoch: Timestamp,
    squall: Option<Squall>,
}

/// The weather at one instant.
#[derive(Debug)]
pub struct Scene<'a> {
    flow: Flow,
    fine: TextureNow<'a>,
    coarse: TextureNow<'a>,
    cells: Option<Cells>,
    bands: Option<Bands>,
    squall: Option<SquallNow>,
}

/// Rain at one place and instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rain {
    /// Rain rate at the ground, mm/h; 0 where it is dry.
    pub rate_mm_h: f32,
    /// How much of it falls from convective cloud, 0 to 1.
    pub convective_share: f32,
}

impl Weather {
    /// The weather of a seed around a site, up to [`REACH_KM`] from it; beyond it is dry.
    pub fn new(seed: u64, site: &RadarSite, preset: Preset) -> Self {
        Self {
            seed,
            preset,
            site: site.clone(),
            plane: Self::plane(site),
            flow: Flow::of_seed(seed),
            texture: Texture::new(seed),
            epoch: Timestamp::UNIX_EPOCH,
            squall: None,
        }
    }

    /// The weather of the demonstration: at `start` a squall line is on its way to the first of [`DEMO_PLACES`]. It
    /// reaches the place 30 to 45 minutes later with more than 5 mm/h, after at least three dry hours, is over it for
    /// about an hour, and leaves it dry for at least 25 minutes. Around and after it goes the weather of
    /// [`Preset::Mixed`].
    ///
    /// Everything counts from `start`: the story is the same at whatever time it begins.
    pub fn demo(seed: u64, start: Timestamp) -> Self {
        let mut weather = Self::new(seed, &DEMO_SITE, Preset::Mixed);
        weather.epoch = start;
        let place = &DEMO_PLACES[0];
        weather.squall = weather
            .position_km(place.lat_deg, place.lon_deg)
            .map(|(x_km, y_km)| Squall::heading_for(seed, &weather.flow, x_km, y_km));
        weather
    }

    /// The plane around a site: cells of 1 km with the site between two rows and two columns.
    pub(crate) fn plane(site: &RadarSite) -> Option<GeoReference> {
        Grid::around_radar(site.lat_deg, site.lon_deg, 1.0, 1.0).georeference().ok()
    }

    /// The site around which the weather is.
    pub fn site(&self) -> &RadarSite {
        &self.site
    }

    /// Where a place lies, km east and north of the site on the azimuthal-equidistant plane; `None` where it is not on
    /// that plane.
    pub fn position_km(&self, lat_deg: f64, lon_deg: f64) -> Option<(f64, f64)> {
        let (row, column) = self.plane.as_ref()?.cell_of(lat_deg, lon_deg)?;
        Some((column - 1.0, 1.0 - row))
    }

    /// The weather at one instant, for asking at many places.
    pub fn scene(&self, time: Timestamp) -> Scene<'_> {
        self.scene_in(Window { middle_km: (0.0, 0.0), radius_km: REACH_KM }, time)
    }

    /// The scene, complete only within a window.
    fn scene_in(&self, window: Window, time: Timestamp) -> Scene<'_> {
        let hours = time.duration_since(self.epoch).as_secs_f64() / 3600.0;
        let drift_km = hours * self.flow.speed_km_h();
        let fine = self.texture.at(0, 1.0, 0.9, drift_km, hours);
        let coarse = self.coarse_texture(drift_km, hours);
        let bands =
            matches!(self.preset, Preset::Frontal | Preset::Mixed).then(|| Bands::at(self.seed, 380.0, drift_km));
        let cells = matches!(self.preset, Preset::Showers | Preset::Mixed).then(|| {
            Cells::at(self.seed, 0.55, hours, drift_km, window, |birth_hours| {
                let coarse = self.coarse_texture(drift_km, birth_hours);
                let bands = bands.as_ref();
                move |along, left| {
                    let near_band = bands.map_or(0.0, |b| b.nearness(along, left));
                    (0.32 + 0.35 * coarse.value(along, left) + 0.35 * near_band).clamp(0.0, 1.0)
                }
            })
        });
        let squall = self.squall.map(|squall| squall.at(&self.flow, hours));
        Scene { flow: self.flow, fine, coarse, cells, bands, squall }
    }

    fn coarse_texture(&self, drift_km: f64, hours: f64) -> TextureNow<'_> {
        self.texture.at(1, 7.0, 4.0, drift_km, hours)
    }

    /// Rain rate, mm/h, at a position in km east and north of the site.
    pub fn rain_rate(&self, x_km: f64, y_km: f64, time: Timestamp) -> f32 {
        let here = Window { middle_km: self.flow.stream_coordinates(x_km, y_km), radius_km: 0.0 };
        self.scene_in(here, time).rain(x_km, y_km).rate_mm_h
    }

    /// Rain rate, mm/h, at a place; `None` where the weather does not reach.
    pub fn rain_at(&self, lat_deg: f64, lon_deg: f64, time: Timestamp) -> Option<f32> {
        let (x_km, y_km) = self.position_km(lat_deg, lon_deg)?;
        (x_km.hypot(y_km) <= REACH_KM).then(|| self.rain_rate(x_km, y_km, time))
    }

    /// The first moment from `from` on, within `horizon`, at which it rains at a place with at least
    /// `threshold_mm_h`, to half a minute; `None` where it does not.
    pub fn onset_at(
        &self,
        lat_deg: f64,
        lon_deg: f64,
        from: Timestamp,
        horizon: SignedDuration,
        threshold_mm_h: f32,
    ) -> Option<Timestamp> {
        let (x_km, y_km) = self.position_km(lat_deg, lon_deg)?;
        let steps = (horizon.as_secs() / ONSET_STEP.as_secs()).max(0) as i32;
        (0..=steps)
            .filter_map(|step| from.checked_add(ONSET_STEP.checked_mul(step)?).ok())
            .find(|&time| self.rain_rate(x_km, y_km, time) >= threshold_mm_h)
    }

    /// How fast and where to the rain moves at a position in km east and north of the site: m/s (east, north).
    pub fn flow_at(&self, x_km: f64, y_km: f64) -> (f64, f64) {
        self.flow.velocity_m_s(x_km, y_km)
    }

    /// The true rain rate on a grid, each cell's value that of its centre; NaN where the weather does not reach.
    ///
    /// # Errors
    /// [`GridError`] when the projection of the grid cannot be used.
    pub fn truth_field(&self, grid: &Arc<Grid>, time: Timestamp) -> Result<RainField, GridError> {
        let cells = grid.georeference()?;
        let scene = self.scene(time);
        let mut rate_mm_h = Array2::from_elem(grid.shape(), f32::NAN);
        rate_mm_h.axis_iter_mut(ndarray::Axis(0)).into_par_iter().enumerate().for_each(|(row, mut line)| {
            for (column, rate) in line.iter_mut().enumerate() {
                let place = cells.lat_lon_of(row as f64 + 0.5, column as f64 + 0.5);
                let position = place.and_then(|(lat, lon)| self.position_km(lat, lon));
                if let Some((x_km, y_km)) = position.filter(|(x, y)| x.hypot(*y) <= REACH_KM) {
                    *rate = scene.rain(x_km, y_km).rate_mm_h;
                }
            }
        });
        Ok(RainField { grid: Arc::clone(grid), valid_time: time, rate_mm_h })
    }
}

/// How far a texture bends outlines, km; less than the cells allow for.
fn bend_km(texture: f32) -> f32 {
    (1.6 * texture).clamp(-5.5, 5.5)
}

impl Scene<'_> {
    /// The rain at a position in km east and north of the site; none beyond [`REACH_KM`].
    pub fn rain(&self, x_km: f64, y_km: f64) -> Rain {
        if x_km.hypot(y_km) > REACH_KM {
            return Rain::default();
        }
        let (along, left) = self.flow.stream_coordinates(x_km, y_km);
        let (along, left) = (along as f32, left as f32);
        let near_cells = self.cells.as_ref().map_or(&[][..], |cells| cells.near(along, left));
        let near_band = self.bands.as_ref().is_some_and(|bands| bands.may_rain(along, left));
        let near_squall = self.squall.is_some_and(|squall| squall.may_rain(along, left));
        if near_cells.is_empty() && !near_band && !near_squall {
            return Rain::default();
        }
        let fine = self.fine.value(along, left);
        let share = self.squall.map_or(1.0, |squall| squall.other_weather(along, left, fine));
        let (mut convective, mut stratiform) = (0.0, 0.0);
        if share > 0.0 {
            if let Some(cells) = self.cells.as_ref().filter(|_| !near_cells.is_empty()) {
                // The texture bends the outlines, or else the cells would be smooth ellipses.
                let bent = self.fine.value(left + 91.0, along - 37.0);
                let rain = cells.rain(near_cells, along + bend_km(fine), left + bend_km(bent));
                convective += rain.core_mm_h * (0.45 * bent).exp();
                stratiform += (rain.shield_mm_h * (0.8 * fine).exp() - 0.25).max(0.0);
            }
            if let Some(bands) = self.bands.as_ref().filter(|_| near_band) {
                stratiform += bands.rain_mm_h(along, left, fine, self.coarse.value(along, left));
            }
            convective *= share;
            stratiform *= share;
        }
        if let Some(squall) = &self.squall {
            let (line, tail) = squall.rain_mm_h(along, left, fine);
            convective += line;
            stratiform += tail;
        }
        // Rain that overlaps does not add up without end.
        let up_to = |most: f32, rate: f32| most * (1.0 - (-rate / most).exp());
        let (convective, stratiform) =
            (up_to(MOST_CONVECTIVE_MM_H, convective), up_to(MOST_STRATIFORM_MM_H, stratiform));
        let rate_mm_h = convective + stratiform;
        if rate_mm_h < LEAST_MM_H {
            return Rain::default();
        }
        Rain { rate_mm_h, convective_share: convective / rate_mm_h }
    }

    /// Motion of the rain at a position, m/s (east, north).
    pub fn flow_m_s(&self, x_km: f64, y_km: f64) -> (f64, f64) {
        self.flow.velocity_m_s(x_km, y_km)
    }
}
