//! Echo that is no rain and always in the same place: houses, dykes, wind farms, seen by the sides of the beam.

use rand::Rng;

use crate::seed::{Purpose, stream};

/// Scale over which clutter thins out with distance, km.
const THINNING_KM: f32 = 9.0;
/// No clutter beyond, km.
const FARTHEST_KM: f32 = 70.0;
/// Wind farms and the like: how many, and how wide at most in rays and km.
const FARMS: usize = 14;
/// How much weaker clutter is for a degree of elevation more, dB.
const WEAKER_DB_PER_DEG: f32 = 26.0;
/// Clutter below this is not there.
const LEAST_DBZ: f32 = 8.0;

/// The clutter around one radar, at an elevation of 0.5°.
#[derive(Clone, Debug)]
pub struct Clutter {
    gates: usize,
    /// dBZ by (ray, gate), row by row; NaN where there is none.
    dbz: Vec<f32>,
}

impl Clutter {
    /// The clutter of a seed over so many rays and the nearest gates.
    pub fn new(seed: u64, rays: usize, gates: usize, gate_km: f32) -> Self {
        let gates = gates.min((FARTHEST_KM / gate_km) as usize);
        let mut rng = stream(seed, Purpose::Clutter, &[]);
        let mut dbz = vec![f32::NAN; rays * gates];
        for ray in 0..rays {
            // Seen from a roof some directions are open and some are built up.
            let built_up =
                0.5 + 0.5 * (ray as f32 / rays as f32 * 29.0).sin() * (ray as f32 / rays as f32 * 13.0).cos();
            for gate in 0..gates {
                let range_km = (gate as f32 + 0.5) * gate_km;
                let chance = 0.5 * (0.2 + 0.8 * built_up) * (-range_km / THINNING_KM).exp();
                let strength: f32 = rng.random_range(18.0..58.0);
                if rng.random_range(0.0..1.0) < chance {
                    // What is big enough to be seen fills more than one gate.
                    let (wide, deep) = (rng.random_range(1..=2), rng.random_range(1..=3));
                    for (across, further) in (0..wide).flat_map(|a| (0..deep).map(move |d| (a, d))) {
                        if gate + further < gates {
                            dbz[(ray + across) % rays * gates + gate + further] = strength - 0.35 * range_km;
                        }
                    }
                }
            }
        }
        for _ in 0..FARMS {
            let (ray, range_km) = (rng.random_range(0..rays), rng.random_range(12.0..FARTHEST_KM - 4.0));
            let (wide, deep) = (rng.random_range(2..7), (rng.random_range(1.5..4.0) / gate_km) as usize);
            for across in 0..wide {
                for gate in 0..deep {
                    let gate = gate + (range_km / gate_km) as usize;
                    if gate < gates && rng.random_range(0.0..1.0) < 0.7 {
                        dbz[(ray + across) % rays * gates + gate] = rng.random_range(22.0..48.0);
                    }
                }
            }
        }
        Self { gates, dbz }
    }

    /// Reflectivity of the clutter in a gate, dBZ, seen at an elevation; `None` where there is none.
    pub fn dbz(&self, elevation_deg: f32, ray: usize, gate: usize) -> Option<f32> {
        if gate >= self.gates {
            return None;
        }
        let dbz = self.dbz.get(ray * self.gates + gate)? - WEAKER_DB_PER_DEG * (elevation_deg - 0.5).max(0.0);
        (dbz >= LEAST_DBZ).then_some(dbz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clutter_is_thick_near_the_radar_thin_far_off_and_gone_at_high_elevations() {
        let clutter = Clutter::new(5, 360, 480, 0.5);
        let share = |elevation: f32, gates: std::ops::Range<usize>| {
            let all = gates.len() * 360;
            let hits = (0..360).flat_map(|ray| gates.clone().map(move |gate| (ray, gate)));
            hits.filter(|&(ray, gate)| clutter.dbz(elevation, ray, gate).is_some()).count() as f32 / all as f32
        };
        assert!(share(0.5, 0..10) > 0.3);
        assert!(share(0.5, 60..140) < 0.05 && share(0.5, 60..140) > 0.0);
        assert_eq!(share(0.5, 140..480), 0.0);
        assert!(share(1.5, 0..140) < 0.75 * share(0.5, 0..140));
        assert_eq!(share(4.5, 0..140), 0.0);
    }
}
