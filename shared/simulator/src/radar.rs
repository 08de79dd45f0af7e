//! A weather radar that looks at the simulated weather.

use std::f32::consts::PI;

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_model::{Moment, PolarVolume, Quantity, RadarSite, Sample, Sweep};
use rand::{Rng, RngCore};
use rayon::prelude::*;

use crate::clutter::Clutter;
use crate::seed::{Purpose, normal, stream};
use crate::storm::{Scene, Weather};
use crate::{DEMO_SITE, beam, echo};

/// Differential phase of the system, degrees.
const SYSTEM_PHASE_DEG: f32 = 25.0;
/// Wind grows by this share for a km of height.
const WIND_GROWTH_PER_KM: f64 = 0.05;
/// Moments of a sweep, in the order in which [`Gate::values`] gives them.
const QUANTITIES: [Quantity; 6] =
    [Quantity::Dbzh, Quantity::Vradh, Quantity::Wradh, Quantity::Zdr, Quantity::Rhohv, Quantity::Phidp];

/// How a radar scans.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanStrategy {
    /// Elevations of the sweeps in the order in which they are scanned, degrees.
    pub elevations_deg: Vec<f32>,
    /// Rays of a sweep; the first is centred half a ray's width east of north.
    pub rays: usize,
    /// Range gates of a ray.
    pub gates: usize,
    /// Length of a gate, m; the first begins at the antenna.
    pub gate_m: f32,
    /// Time for one sweep, and from the end of a sweep to the next.
    pub sweep: SignedDuration,
    /// See `sweep`.
    pub pause: SignedDuration,
    /// Standard deviation of measured reflectivity, dB.
    pub noise_db: f32,
    /// Share of the gates with a lone false echo (aircraft, birds, interference).
    pub speckle_share: f64,
}

impl Default for ScanStrategy {
    /// Seven sweeps from 0.5° to 9°, rays of 1°, 480 gates of 500 m (240 km), within three minutes.
    fn default() -> Self {
        Self {
            elevations_deg: vec![0.5, 1.5, 2.4, 3.4, 4.5, 6.0, 9.0],
            rays: 360,
            gates: 480,
            gate_m: 500.0,
            sweep: SignedDuration::from_secs(20),
            pause: SignedDuration::from_secs(4),
            noise_db: 0.7,
            speckle_share: 2.5e-4,
        }
    }
}

/// A radar with its place, its way to scan and the clutter around it.
#[derive(Clone, Debug)]
pub struct Radar {
    site: RadarSite,
    strategy: ScanStrategy,
    seed: u64,
    clutter: Clutter,
}

/// Everything a ray needs to know.
struct RayContext<'a> {
    scene: &'a Scene<'a>,
    elevation_deg: f32,
    /// Ground distance and height of each gate, km.
    path: &'a [(f64, f64)],
    /// From km east and north of the radar to km east and north of the weather's site.
    place: &'a (dyn Fn(f64, f64) -> Option<(f64, f64)> + Sync),
}

/// What one gate measured.
struct Gate {
    dbzh: f32,
    vradh: f32,
    wradh: f32,
    zdr: f32,
    rhohv: f32,
    phidp: f32,
}

impl Radar {
    /// A radar; `seed` settles where clutter stands and how the noise falls.
    pub fn new(site: RadarSite, strategy: ScanStrategy, seed: u64) -> Self {
        let clutter = Clutter::new(seed, strategy.rays, strategy.gates, strategy.gate_m / 1000.0);
        Self { site, strategy, seed, clutter }
    }

    /// The radar of the demonstration, at [`DEMO_SITE`] with the default strategy.
    pub fn demo() -> Self {
        Self::new(DEMO_SITE.clone(), ScanStrategy::default(), 1)
    }

    /// Where it stands.
    pub fn site(&self) -> &RadarSite {
        &self.site
    }

    /// How it scans.
    pub fn strategy(&self) -> &ScanStrategy {
        &self.strategy
    }

    /// Reflectivity of the clutter in a gate seen at an elevation, dBZ, before noise; `None` where none stands.
    pub fn clutter_dbz(&self, elevation_deg: f32, ray: usize, gate: usize) -> Option<f32> {
        self.clutter.dbz(elevation_deg, ray, gate)
    }

    /// One scan that begins at `time`: a sweep for each elevation with DBZH, VRADH, WRADH, ZDR, RHOHV and PHIDP.
    ///
    /// Every gate was looked at, so that what shows no echo is undetect and nothing is nodata.
    pub fn scan(&self, weather: &Weather, time: Timestamp) -> PolarVolume {
        let turn = self.strategy.sweep + self.strategy.pause;
        let sweeps = (0_i32..)
            .zip(&self.strategy.elevations_deg)
            .map(|(number, &elevation_deg)| {
                let start_time = time.saturating_add(turn * number).unwrap_or(time);
                self.sweep(weather, elevation_deg, start_time)
            })
            .collect();
        PolarVolume { site: self.site.clone(), nominal_time: time, sweeps }
    }

    fn sweep(&self, weather: &Weather, elevation_deg: f32, start_time: Timestamp) -> Sweep {
        let ScanStrategy { rays, gates, gate_m, sweep, .. } = self.strategy;
        let end_time = start_time.saturating_add(sweep).unwrap_or(start_time);
        let scene = weather.scene(start_time.saturating_add(sweep / 2).unwrap_or(start_time));
        let range_m = |gate: usize| (gate as f64 + 0.5) * f64::from(gate_m);
        let path: Vec<_> =
            (0..gates).map(|gate| beam::ground_km_and_height_km(range_m(gate), f64::from(elevation_deg))).collect();
        let own_plane = (weather.site() != &self.site).then(|| Weather::plane(&self.site)).flatten();
        let place = |x_km: f64, y_km: f64| match &own_plane {
            None => Some((x_km, y_km)),
            Some(plane) => {
                let (lat, lon) = plane.lat_lon_of(1.0 - y_km, 1.0 + x_km)?;
                weather.position_km(lat, lon)
            }
        };
        let context = RayContext { scene: &scene, elevation_deg, path: &path, place: &place };
        let measured: Vec<Vec<Sample>> =
            (0..rays).into_par_iter().map(|ray| self.ray(&context, ray, start_time)).collect();
        let moments = QUANTITIES
            .into_iter()
            .enumerate()
            .map(|(number, quantity)| Moment {
                quantity,
                first_gate_m: gate_m / 2.0,
                gate_spacing_m: gate_m,
                data: Array2::from_shape_fn((rays, gates), |(ray, gate)| measured[ray][number * gates + gate]),
            })
            .collect();
        let azimuths_deg = (0..rays).map(|ray| self.azimuth_deg(ray)).collect();
        Sweep { elevation_deg, start_time, end_time, azimuths_deg, moments }
    }

    fn azimuth_deg(&self, ray: usize) -> f32 {
        (ray as f32 + 0.5) * 360.0 / self.strategy.rays as f32
    }

    /// One ray: its gates for each of [`QUANTITIES`], one quantity after the other.
    fn ray(&self, context: &RayContext<'_>, ray: usize, start_time: Timestamp) -> Vec<Sample> {
        let gates = self.strategy.gates;
        let elevation_key = (context.elevation_deg * 100.0) as i64;
        let mut rng = stream(self.seed, Purpose::RayNoise, &[start_time.as_millisecond(), elevation_key, ray as i64]);
        let (sin, cos) = f64::from(self.azimuth_deg(ray)).to_radians().sin_cos();
        let mut phidp = SYSTEM_PHASE_DEG;
        let mut samples = vec![Sample::UNDETECT; gates * QUANTITIES.len()];
        for gate in 0..gates {
            let rain = self.rain_gate(context, gate, (sin, cos), &mut phidp, &mut rng);
            let clutter = self.clutter.dbz(context.elevation_deg, ray, gate);
            let seen = match (rain, clutter) {
                (rain, Some(dbz)) => Some(over(rain, clutter_gate(dbz, phidp, &mut rng))),
                (None, None) if rng.random_bool(self.strategy.speckle_share) => {
                    let dbz = self.least_dbz(gate) + rng.random_range(2.0..18.0);
                    Some(Gate { vradh: rng.random_range(-20.0..20.0), ..clutter_gate(dbz, phidp, &mut rng) })
                }
                (rain, None) => rain,
            };
            for (number, value) in seen.iter().flat_map(Gate::values).enumerate() {
                samples[number * gates + gate] = Sample::value(value);
            }
        }
        samples
    }

    fn least_dbz(&self, gate: usize) -> f32 {
        echo::least_detectable_dbz((gate as f32 + 0.5) * self.strategy.gate_m / 1000.0)
    }

    /// What rain sends back to one gate of a ray towards (east, north); `None` where it is too weak to be detected.
    /// `phidp` is what the rain up to here has done to the phase.
    fn rain_gate(
        &self,
        context: &RayContext<'_>,
        gate: usize,
        (east, north): (f64, f64),
        phidp: &mut f32,
        rng: &mut impl RngCore,
    ) -> Option<Gate> {
        let (ground_km, height_km) = context.path[gate];
        if height_km > echo::ECHO_TOP_KM {
            return None;
        }
        let (x_km, y_km) = (context.place)(ground_km * east, ground_km * north)?;
        let rain = context.scene.rain(x_km, y_km);
        if rain.rate_mm_h <= 0.0 {
            return None;
        }
        *phidp += 2.0 * self.strategy.gate_m / 1000.0 * echo::rain_kdp_deg_km(rain);
        let height = height_km as f32;
        let dbz = echo::dbz_of_rate(rain.rate_mm_h) - echo::weaker_by_db(height, rain.convective_share);
        let dbzh = dbz + self.strategy.noise_db * normal(rng);
        if dbzh < self.least_dbz(gate) {
            return None;
        }
        let (to_east, to_north) = context.scene.flow_m_s(x_km, y_km);
        let outward = (to_east * east + to_north * north) * (1.0 + WIND_GROWTH_PER_KM * height_km);
        Some(Gate {
            dbzh,
            vradh: (outward * f64::from(context.elevation_deg).to_radians().cos()) as f32 + 0.5 * normal(rng),
            wradh: 1.2 + 1.5 * rain.convective_share + 0.4 * normal(rng).abs(),
            zdr: echo::rain_zdr_db(dbz) + 0.2 * normal(rng),
            rhohv: (echo::rain_rhohv(height, rain.convective_share) + 0.007 * normal(rng)),
            phidp: *phidp + 2.0 * normal(rng),
        })
    }
}

impl Gate {
    /// The measurements in the steps in which a signal processor gives them out (here those of the WSR-88D).
    fn values(&self) -> [f32; 6] {
        let stepped = |value: f32, per_unit: f32, shift: f32| ((value * per_unit + shift).round() - shift) / per_unit;
        [
            stepped(self.dbzh, 2.0, 0.0),
            stepped(self.vradh, 2.0, 0.0),
            stepped(self.wradh, 2.0, 0.0),
            stepped(self.zdr, 16.0, 0.0),
            stepped(self.rhohv.min(0.998), 300.0, 0.5),
            stepped(self.phidp.rem_euclid(360.0), 2.8361, 0.0),
        ]
    }
}

/// Two echoes in one gate: their powers add, and the stronger one's other properties show.
fn over(rain: Option<Gate>, clutter: Gate) -> Gate {
    let Some(rain) = rain else { return clutter };
    let power = 10.0_f32.powf(rain.dbzh / 10.0) + 10.0_f32.powf(clutter.dbzh / 10.0);
    let stronger = if rain.dbzh > clutter.dbzh { rain } else { clutter };
    Gate { dbzh: 10.0 * power.log10(), ..stronger }
}

fn clutter_gate(dbz: f32, phidp: f32, rng: &mut impl RngCore) -> Gate {
    Gate {
        dbzh: dbz + 1.5 * normal(rng),
        vradh: 0.2 * normal(rng),
        wradh: 0.4 + 0.3 * normal(rng).abs(),
        zdr: rng.random_range(-4.0..5.0),
        rhohv: rng.random_range(0.3..0.8),
        phidp: phidp + 90.0 * (PI * rng.random_range(-0.5_f32..0.5)).sin(),
    }
}
