//! The wind that carries the rain: steady, and known everywhere.
//!
//! The pattern turns slowly around a point far to the left of its path (a low, on the northern half of the earth), so
//! that speed and direction change over the picture: mean motion, rotation and shear in one, and its path has a closed
//! form. A motion scheme that finds only one vector for the whole picture is visibly wrong here.

use rand::Rng;

use crate::seed::{Purpose, stream};

/// Metres per second in a km/h.
const KM_H_PER_M_S: f64 = 3.6;

/// Steady rotation around a distant centre.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Towards where it flows at the site, unit vector (east, north).
    heading: (f64, f64),
    /// From the centre to the site, unit vector (east, north).
    outward: (f64, f64),
    /// Distance of the centre from the site, km.
    radius_km: f64,
    /// Speed at the site, km/h.
    speed_km_h: f64,
}

impl Flow {
    /// The flow of a seed: 42–58 km/h towards east-north-east.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = stream(seed, Purpose::Flow, &[]);
        Self::new(rng.random_range(52.0..88.0), rng.random_range(42.0..58.0), rng.random_range(800.0..1300.0))
    }

    /// A flow towards `towards_deg` (clockwise from north) at the site, turning left with the given radius.
    pub fn new(towards_deg: f64, speed_km_h: f64, radius_km: f64) -> Self {
        let (east, north) = towards_deg.to_radians().sin_cos();
        Self { heading: (east, north), outward: (north, -east), radius_km, speed_km_h }
    }

    /// Speed at the site, km/h.
    pub fn speed_km_h(&self) -> f64 {
        self.speed_km_h
    }

    /// Position from the centre, split into (outward, along the heading), km.
    fn relative_to_centre(&self, x_km: f64, y_km: f64) -> (f64, f64) {
        let out = x_km * self.outward.0 + y_km * self.outward.1 + self.radius_km;
        let along = x_km * self.heading.0 + y_km * self.heading.1;
        (out, along)
    }

    /// (km along the flow, km to the left of the site's path) of a position: whatever the flow carries moves along
    /// the first at [`Self::speed_km_h`] and keeps the second.
    pub fn stream_coordinates(&self, x_km: f64, y_km: f64) -> (f64, f64) {
        let (out, along) = self.relative_to_centre(x_km, y_km);
        (self.radius_km * along.atan2(out), self.radius_km - out.hypot(along))
    }

    /// Velocity at a position, m/s (towards east, towards north).
    pub fn velocity_m_s(&self, x_km: f64, y_km: f64) -> (f64, f64) {
        let (out, along) = self.relative_to_centre(x_km, y_km);
        let turn = self.speed_km_h / KM_H_PER_M_S / self.radius_km;
        (turn * (out * self.heading.0 - along * self.outward.0), turn * (out * self.heading.1 - along * self.outward.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_site_it_flows_at_the_speed_and_heading_asked_for() {
        let (east, north) = Flow::new(90.0, 36.0, 900.0).velocity_m_s(0.0, 0.0);
        assert!((east - 10.0).abs() < 1e-9 && north.abs() < 1e-9, "{east} {north}");
    }

    #[test]
    fn what_drifts_with_the_velocity_keeps_its_lane_and_gains_the_speed() {
        let flow = Flow::of_seed(4);
        let (mut x, mut y) = (-120.0, 60.0);
        let (along, left) = flow.stream_coordinates(x, y);
        let seconds = 5.0;
        for _ in 0..720 {
            let (u, v) = flow.velocity_m_s(x, y);
            x += u * seconds / 1000.0;
            y += v * seconds / 1000.0;
        }
        let (along_later, left_later) = flow.stream_coordinates(x, y);
        assert!((left_later - left).abs() < 0.1, "{left} {left_later}");
        assert!((along_later - along - flow.speed_km_h()).abs() < 0.1, "{along} {along_later}");
    }
}
