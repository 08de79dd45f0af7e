//! Wide bands of stratiform rain that the flow carries across, one every few hours.

use rand::Rng;

use crate::REACH_KM;
use crate::seed::{Purpose, stream};

/// How much a texture of standard deviation 1 changes the logarithm of the rain rate.
const FINE_CONTRAST: f32 = 0.55;
const COARSE_CONTRAST: f32 = 0.6;
/// However the textures add up, a band has no more than nine times its rate.
const MOST_CONTRAST: f32 = 2.2;
/// Rain rate that is taken off everywhere, so that the band has ragged edges and holes, mm/h.
const EVAPORATION_MM_H: f32 = 0.35;

/// Square of the distance from the axis, in half widths, at which a band ends.
const FARTHEST2: f32 = 4.0;

/// One band at one instant.
#[derive(Clone, Copy, Debug)]
struct Band {
    /// Where its axis crosses the site's path, km along the flow.
    middle_km: f32,
    /// Slant of the axis: km along for a km to the left.
    slant: f32,
    /// Bend of the axis, 1/km.
    bend: f32,
    /// Half width ahead of the axis and behind it, km.
    ahead_km: f32,
    behind_km: f32,
    /// Rain rate along the axis, mm/h.
    rate_mm_h: f32,
}

/// The bands near the site at one instant.
#[derive(Debug)]
pub struct Bands(Vec<Band>);

impl Bands {
    /// The bands of a seed when the flow has come `drift_km` far; they lie about `spacing_km` apart.
    pub fn at(seed: u64, spacing_km: f64, drift_km: f64) -> Self {
        let margin = REACH_KM * 2.0;
        let first = ((-margin - drift_km) / spacing_km).floor() as i64;
        let last = ((margin - drift_km) / spacing_km).ceil() as i64;
        let band = |number: i64| {
            let mut rng = stream(seed, Purpose::Bands, &[number]);
            let jitter = rng.random_range(-0.22..0.22);
            Band {
                middle_km: ((number as f64 + jitter) * spacing_km + drift_km) as f32,
                slant: rng.random_range(-0.45..0.45),
                bend: rng.random_range(-8e-4..8e-4),
                ahead_km: rng.random_range(22.0..40.0),
                behind_km: rng.random_range(30.0..65.0),
                rate_mm_h: rng.random_range(1.2..2.8),
            }
        };
        Self((first..=last).map(band).collect())
    }

    /// How near the axis of a band a place is: 1 on it, 0 far off, without any texture.
    pub fn nearness(&self, along_km: f32, left_km: f32) -> f32 {
        self.0.iter().map(|band| (-band.distance2(along_km, left_km)).exp()).fold(0.0, f32::max)
    }

    /// True where a band may bring rain, whatever the textures are.
    pub fn may_rain(&self, along_km: f32, left_km: f32) -> bool {
        self.0.iter().any(|band| band.distance2(along_km, left_km) < FARTHEST2 + 5.0)
    }

    /// Rain rate at a place, mm/h, given what the textures are there.
    pub fn rain_mm_h(&self, along_km: f32, left_km: f32, fine: f32, coarse: f32) -> f32 {
        let mut rate = 0.0;
        for band in &self.0 {
            let d2 = band.distance2(along_km + 6.0 * coarse, left_km);
            if d2 < FARTHEST2 {
                rate +=
                    band.rate_mm_h * ((FINE_CONTRAST * fine + COARSE_CONTRAST * coarse).min(MOST_CONTRAST) - d2).exp();
            }
        }
        (rate - EVAPORATION_MM_H).max(0.0)
    }
}

impl Band {
    /// Square of the distance from the axis in half widths.
    fn distance2(&self, along_km: f32, left_km: f32) -> f32 {
        let ahead = along_km - self.middle_km - left_km * (self.slant + self.bend * left_km);
        let half_width = if ahead > 0.0 { self.ahead_km } else { self.behind_km };
        (ahead / half_width).powi(2)
    }
}
