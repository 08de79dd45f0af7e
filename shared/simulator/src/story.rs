//! The storm of the demonstration: a squall line on its way to one place, which it reaches when it is said to.
//!
//! Leading edge, convective line and a trailing region of weaker rain, as squall lines of the middle latitudes are
//! built (Houze et al. 1989). Around its path nothing else rains, so that the place is dry before and after.

use std::ops::Range;

use rand::Rng;

use crate::flow::Flow;
use crate::seed::{Purpose, stream};

/// Minutes after the beginning at which the leading edge is at the place, by seed.
const ARRIVAL_MIN: Range<f64> = 34.0..41.0;
/// The depth of the convective line and the end of the rain behind it, km behind the leading edge.
const LINE_KM: f32 = 11.0;
const TAIL_KM: f32 = 46.0;
/// The dry stretch around it is an ellipse: where its middle lies ahead of the leading edge, and its half axes along
/// and across the flow, km. On the place's path it is dry for sure from 85 km behind the leading edge to 240 km ahead.
const DRY_MIDDLE_KM: f32 = 77.0;
const DRY_ALONG_KM: f32 = 212.0;
const DRY_ACROSS_KM: f32 = 72.0;

/// The squall line of one demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Squall {
    /// Stream coordinates of the place, km.
    place: (f32, f32),
    arrival_hours: f64,
    peak_mm_h: f32,
    half_length_km: f32,
    /// How far its wings hang back, 1/km.
    bow: f32,
}

/// The squall line at one instant.
#[derive(Clone, Copy, Debug)]
pub struct SquallNow {
    squall: Squall,
    /// Where its leading edge crosses the place's path now, km along the flow.
    front_km: f32,
    /// 0 before its birth and after its end, 1 in its prime.
    strength: f32,
}

impl Squall {
    /// The squall line of a seed that heads for a place (km east and north of the site).
    pub fn heading_for(seed: u64, flow: &Flow, x_km: f64, y_km: f64) -> Self {
        let mut rng = stream(seed, Purpose::Story, &[]);
        let (along, left) = flow.stream_coordinates(x_km, y_km);
        Self {
            place: (along as f32, left as f32),
            arrival_hours: rng.random_range(ARRIVAL_MIN) / 60.0,
            peak_mm_h: rng.random_range(42.0..62.0),
            half_length_km: rng.random_range(70.0..100.0),
            bow: rng.random_range(1.5e-3..3.5e-3),
        }
    }

    /// The squall line so many hours after the beginning.
    pub fn at(&self, flow: &Flow, hours: f64) -> SquallNow {
        let ramp = |t: f64| {
            let t = t.clamp(0.0, 1.0);
            (t * t * (3.0 - 2.0 * t)) as f32
        };
        SquallNow {
            squall: *self,
            front_km: self.place.0 + ((hours - self.arrival_hours) * flow.speed_km_h()) as f32,
            strength: ramp(hours + 5.0) * ramp((4.5 - hours) / 1.5),
        }
    }
}

impl SquallNow {
    /// True where the squall line may bring rain.
    pub fn may_rain(&self, along_km: f32, left_km: f32) -> bool {
        let aside = left_km - self.squall.place.1;
        let ahead = along_km - self.front_km + self.squall.bow * aside * aside;
        self.strength > 0.0 && ahead < 10.0 && ahead > -TAIL_KM - 10.0 && aside.abs() < 2.0 * self.squall.half_length_km
    }

    /// (rain of the convective line, rain of the region behind it), mm/h, at a place in stream coordinates, given the
    /// fine texture there.
    pub fn rain_mm_h(&self, along_km: f32, left_km: f32, fine: f32) -> (f32, f32) {
        let aside = left_km - self.squall.place.1;
        if self.strength <= 0.0 || aside.abs() > 2.0 * self.squall.half_length_km {
            return (0.0, 0.0);
        }
        let behind = self.front_km + self.ripple_km(aside) - along_km - self.squall.bow * aside * aside;
        if !(0.0..TAIL_KM).contains(&behind) {
            return (0.0, 0.0);
        }
        let wing = self.strength * (-(aside / self.squall.half_length_km).powi(4)).exp();
        let roughness = (0.35 * fine).exp().clamp(0.6, 1.7);
        let core = behind / 2.8 * (1.0 - behind / 2.8).exp();
        let line =
            if behind < LINE_KM * 2.0 { self.squall.peak_mm_h * core * self.beads(aside) * roughness } else { 0.0 };
        let behind_line = ((behind - 5.0) / 8.0).clamp(0.0, 1.0) * ((TAIL_KM - behind) / 16.0).clamp(0.0, 1.0);
        let tail = (3.4 * behind_line * (0.5 * fine).exp() - 0.3).max(0.0);
        (wing * line, wing * tail)
    }

    /// How much of the other weather there is at a place: 0 around the path of the squall line, 1 far from it. The
    /// texture there frays the edge.
    pub fn other_weather(&self, along_km: f32, left_km: f32, fine: f32) -> f32 {
        if self.strength <= 0.0 {
            return 1.0;
        }
        let along = (along_km - self.front_km - DRY_MIDDLE_KM) / DRY_ALONG_KM;
        let across = (left_km - self.squall.place.1) / DRY_ACROSS_KM;
        let outside = along * along + across * across + 0.13 * fine.clamp(-1.5, 1.5);
        let t = ((outside - 0.8) / 0.35).clamp(0.0, 1.0);
        1.0 - self.strength * (1.0 - t * t * (3.0 - 2.0 * t))
    }

    /// Waves of the leading edge, 0 at the place so that the arrival is the one promised.
    fn ripple_km(&self, aside: f32) -> f32 {
        let away = 1.0 - (-(aside / 14.0).powi(2)).exp();
        away * (3.0 * (aside / 11.0 + self.squall.peak_mm_h).sin() + 2.0 * (aside / 4.7).cos())
    }

    /// Stronger and weaker stretches along the line, never weak at the place.
    fn beads(&self, aside: f32) -> f32 {
        let away = 1.0 - (-(aside / 10.0).powi(2)).exp();
        1.0 - away * (0.35 + 0.35 * (aside / 5.3 + self.squall.bow * 1e4).sin())
    }
}
