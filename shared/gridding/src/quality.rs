//! How much a radar's measurement above a place says of the rain at the ground there, 0–1.
//!
//! What decides is how high the beam is and how wide: what is measured kilometres up may evaporate, grow or drift before
//! it lands, and a wide beam is partly filled (Joss and Waldvogel 1990; as quality fields from the beam's height and
//! broadening in Friedrich et al. 2006). Blockage by hills and attenuation are not in it: they want a terrain model and
//! a check against other radars.

use ndarray::Array2;
use raincell_model::{Moment, Sweep};
use rayon::prelude::*;

use crate::beam;
use crate::polar::{GateOfDistance, RadarView};

/// Up to this height above the antenna the beam's height takes nothing, metres: it is in the rain below the melting layer.
const LOW_M: f64 = 1000.0;
/// From this height above the antenna on, little of what is measured is known to reach the ground, metres.
const HIGH_M: f64 = 6000.0;
/// Width of the beam between half-power points, degrees, as most weather radars have it.
const BEAM_WIDTH_DEG: f64 = 1.0;
/// A beam this wide counts half, metres.
const WIDE_M: f64 = 4000.0;
/// The least quality of what was measured at all.
const LEAST: f32 = 0.05;

/// Quality of a measurement whose beam centre is `height_m` above the antenna, `range_m` from it.
pub fn of_beam(height_m: f64, range_m: f64) -> f32 {
    let height = 1.0 - ((height_m - LOW_M) / (HIGH_M - LOW_M)).clamp(0.0, 1.0);
    let width_m = range_m * BEAM_WIDTH_DEG.to_radians();
    let broadening = 1.0 / (1.0 + (width_m / WIDE_M).powi(2));
    ((height * broadening) as f32).clamp(LEAST, 1.0)
}

impl RadarView {
    /// Quality (0–1) of what [`RadarView::grid_sweep`] gives of the same moment, of the shape of the grid; NaN where the
    /// beam does not reach (nor begin so near). It follows from where the beam runs and is the same for every scan.
    pub fn quality(&self, sweep: &Sweep, moment: &Moment) -> Array2<f32> {
        let gates = GateOfDistance::new(sweep, moment, self.antenna_m);
        let elevation_deg = f64::from(sweep.elevation_deg);
        let by_gate: Vec<f32> = (0..moment.data.ncols())
            .map(|gate| {
                let range_m = f64::from(moment.first_gate_m) + gate as f64 * f64::from(moment.gate_spacing_m);
                of_beam(beam::height_m(range_m, elevation_deg, self.antenna_m) - self.antenna_m, range_m)
            })
            .collect();
        let mut quality = Array2::from_elem(self.grid().shape(), f32::NAN);
        let cells = quality.as_slice_mut().unwrap_or_default();
        cells.par_iter_mut().zip(&self.cells).with_min_len(8192).for_each(|(quality, &(_, distance_m))| {
            if let Some(gate) = gates.at(distance_m) {
                *quality = by_gate[gate];
            }
        });
        quality
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_falls_with_height_and_range_and_never_to_nought() {
        assert!(of_beam(300.0, 20_000.0) > 0.95);
        let along: Vec<f32> = (1..24)
            .map(|k| f64::from(k) * 10_000.0)
            .map(|range| of_beam(beam::height_m(range, 0.5, 0.0), range))
            .collect();
        assert!(along.windows(2).all(|pair| pair[1] < pair[0]), "{along:?}");
        assert!(along[9] < 0.9 && along[9] > 0.5, "at 100 km: {}", along[9]);
        assert_eq!(of_beam(20_000.0, 300_000.0), LEAST);
    }
}
