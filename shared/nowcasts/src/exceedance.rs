//! Log-odds that rain reaches a rate, from the traits of a place.

use raincell_simd::widest;
use rayon::prelude::*;

use crate::levels::{Lanes, Levels, Plane};
use crate::traits::{Rate, SCALES, STANDING, TRAITS};

/// Rates whose exceedance is predicted, mm/h.
pub(crate) const RATES_MM_H: [f32; 3] = [Rate::ONSET_MM_H, 1.0, 5.0];
/// How many.
pub(crate) const RATES: usize = RATES_MM_H.len();
/// Lead times at which the weights' polynomials are held to what they were fitted on, minutes.
const FITTED_MIN: [f32; 2] = [5.0, 120.0];

/// Weights of the traits, each a parabola in the logarithm of the lead time.
pub(crate) type Table = [[f32; 3]; TRAITS];
/// Weights of the traits at one lead time.
pub(crate) type Weights = [f32; TRAITS];

/// What the parabolas are of.
fn log_lead(lead_min: f32) -> f32 {
    (lead_min.clamp(FITTED_MIN[0], FITTED_MIN[1]) / 30.0).ln()
}

/// The weights at a lead time.
pub(crate) fn weights_at(table: &Table, lead_min: f32) -> Weights {
    let t = log_lead(lead_min);
    table.map(|[a, b, c]| a + t * (b + t * c))
}

/// Log-odds per rate, as far as they hang on the surroundings of the cell and of its air's origin, at all leads: the
/// coefficients of parabolas in the logarithm of the lead time.
pub(crate) struct Surroundings {
    arriving: [Plane; 3],
    standing: [Plane; 3],
}

/// Where in [`Around`] what S-PROG and ANVIL say begins, and how many lanes it has.
pub(crate) const EVOLVED: usize = 4;
pub(crate) const ARRIVING: usize = 2 * EVOLVED;

/// [`Surroundings`] at one lead.
#[derive(Default)]
pub(crate) struct Around {
    /// By origin, on the finest level, a lane per rate; from lane [`EVOLVED`] on what S-PROG and ANVIL have to say.
    pub arriving: Plane<ARRIVING>,
    /// Whether they have anything to say.
    pub heard: bool,
    /// By the place itself, on the first of the standing levels.
    pub standing: Plane,
}

impl Surroundings {
    pub fn new(levels: &[Levels], tables: &[Table; RATES]) -> Self {
        let first = SCALES - STANDING;
        let of_power = |p: usize| {
            let arriving = summed(levels, tables, 0..SCALES, |cell, table, scale| {
                let w = &table[4 * scale..4 * scale + 4];
                w[0][p] * cell[0] + w[1][p] * cell[1] + w[2][p] * cell[2] + w[3][p] * cell[3]
            });
            let standing = summed(levels, tables, first..SCALES, |cell, table, scale| {
                table[4 * SCALES + scale - first][p] * cell[0]
            });
            (arriving, standing)
        };
        let mut parts: Vec<(Plane, Plane)> = (0..3).into_par_iter().map(of_power).collect();
        let mut next = || parts.pop().unwrap_or_default();
        let [c, b, a] = [next(), next(), next()];
        Self { arriving: [a.0, b.0, c.0], standing: [a.1, b.1, c.1] }
    }

    /// The log-odds at a lead time, at which nobody else is heard yet.
    pub fn at(&self, lead_min: f32, out: &mut Around) {
        let t = log_lead(lead_min);
        mix(&self.standing, t, &mut out.standing, |mixed| mixed);
        mix(&self.arriving, t, &mut out.arriving, |[a, b, c, d]| [a, b, c, d, 0.0, 0.0, 0.0, 0.0]);
        out.heard = false;
    }
}

/// Cell by cell what `put` makes of a parabola of three planes.
fn mix<const N: usize>([a, b, c]: &[Plane; 3], t: f32, out: &mut Plane<N>, put: impl Fn(Lanes) -> [f32; N]) {
    (out.rows, out.columns) = (a.rows, a.columns);
    out.cells.resize(a.cells.len(), [0.0; N]);
    widest(
        #[inline(always)]
        || {
            for (((out, a), b), c) in out.cells.iter_mut().zip(&a.cells).zip(&b.cells).zip(&c.cells) {
                let mut mixed = [0.0; 4];
                for k in 0..4 {
                    mixed[k] = a[k] + t * (b[k] + t * c[k]);
                }
                *out = put(mixed);
            }
        },
    );
}

/// What `add` makes of each rate's traits at each of the scales, summed up on the finest of them.
fn summed(
    levels: &[Levels],
    tables: &[Table; RATES],
    scales: std::ops::Range<usize>,
    add: impl Fn(&Lanes, &Table, usize) -> f32,
) -> Plane {
    let mut sum: Option<Plane> = None;
    for scale in scales.rev() {
        let Some(shape) = levels.first().map(|l| &l.planes[scale]) else { break };
        let mut plane = Plane::zeros(shape.rows, shape.columns);
        for (k, (level, table)) in levels.iter().zip(tables).enumerate() {
            for (out, cell) in plane.cells.iter_mut().zip(&level.planes[scale].cells) {
                out[k] = add(cell, table, scale);
            }
        }
        for out in &mut plane.cells {
            out[RATES] = out[RATES - 1];
        }
        if let Some(coarse) = &sum {
            plane.add_upsampled(coarse);
        }
        sum = Some(plane);
    }
    sum.unwrap_or_default()
}
