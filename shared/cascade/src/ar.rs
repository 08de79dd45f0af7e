//! Autoregression of a cascade level along the motion: how much of it lasts, and how it goes on.

use ndarray::{Array2, Zip};

/// An AR(2) process `x(t) = φ₁·x(t−1) + φ₂·x(t−2) + φ₀·ε`, ε of variance 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ar2 {
    /// Weight of the last state.
    pub phi_1: f64,
    /// Weight of the one before.
    pub phi_2: f64,
    /// Standard deviation of the innovation.
    pub phi_0: f64,
}

impl Ar2 {
    /// From the lag-1 and lag-2 correlations by the Yule–Walker equations, after [`adjusted_lag2`].
    pub fn from_correlations(gamma_1: f64, gamma_2: f64) -> Self {
        let gamma_1 = gamma_1.clamp(-MOST_CORRELATION, MOST_CORRELATION);
        let gamma_2 = adjusted_lag2(gamma_1, gamma_2);
        let rest = 1.0 - gamma_1 * gamma_1;
        let phi_1 = gamma_1 * (1.0 - gamma_2) / rest;
        let phi_2 = (gamma_2 - gamma_1 * gamma_1) / rest;
        let phi_0 = (1.0 - gamma_1 * phi_1 - gamma_2 * phi_2).max(0.0).sqrt();
        Self { phi_1, phi_2, phi_0 }
    }

    /// Weights of the newest state and of the one before it in the expectation `steps` ahead.
    pub fn weights_after(&self, steps: usize) -> (f64, f64) {
        let (mut newest, mut before) = ((1.0, 0.0), (0.0, 1.0));
        for _ in 0..steps {
            let next = (self.phi_1 * newest.0 + self.phi_2 * before.0, self.phi_1 * newest.1 + self.phi_2 * before.1);
            (before, newest) = (newest, next);
        }
        newest
    }
}

/// Correlations above this are taken for it: a level that never changes would make the equations singular.
const MOST_CORRELATION: f64 = 0.9999;

/// The lag-2 correlation raised so far that the AR(2) process is stationary and does not oscillate (as pysteps does
/// before it solves the Yule–Walker equations).
pub fn adjusted_lag2(gamma_1: f64, gamma_2: f64) -> f64 {
    let gamma_2 = gamma_2.max(2.0 * gamma_1 * gamma_2 - 1.0);
    let square = gamma_1 * gamma_1;
    let least = if square < 1e-6 {
        // The quotient's limit: numerator and denominator vanish together.
        0.75 * square
    } else {
        (3.0 * square - 2.0 + 2.0 * (1.0 - square).max(0.0).powf(1.5)) / square
    };
    gamma_2.max(least)
}

/// Correlation of two fields over all cells, 0 where one is constant.
pub fn correlation(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    let count = a.len().max(1) as f64;
    let mean = |f: &Array2<f32>| f.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x) - mean_a, f64::from(y) - mean_b);
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// Cell by cell, the weights of the last three states of an integrated process ARI(2,1): differences from step to step
/// follow an AR(2) process (ANVIL, Pulkkinen et al. 2020).
pub struct LocalAri {
    /// Weights of the last state, the one before and the one before that.
    pub weights: [Array2<f32>; 3],
}

impl LocalAri {
    /// From the lag-1 and lag-2 correlations of the differences around each cell.
    pub fn from_correlations(gamma_1: &Array2<f32>, gamma_2: &Array2<f32>) -> Self {
        let mut weights = [(); 3].map(|()| Array2::zeros(gamma_1.dim()));
        let [first, second, third] = &mut weights;
        Zip::from(first).and(second).and(third).and(gamma_1).and(gamma_2).par_for_each(|a, b, c, &g1, &g2| {
            let differences = Ar2::from_correlations(f64::from(g1), f64::from(g2));
            *a = (1.0 + differences.phi_1) as f32;
            *b = (differences.phi_2 - differences.phi_1) as f32;
            *c = -differences.phi_2 as f32;
        });
        Self { weights }
    }
}

/// Adds to each of `sums` what the processes of a row of cells are after `every` steps, twice as many, and so on; weights and
/// states are those of the last state, of the one before and of the one before that. In the end the states are the last
/// ones.
#[inline(always)]
pub fn add_steps<'a>(
    weights: [&[f32]; 3],
    states: &mut [Vec<f32>; 3],
    every: usize,
    sums: impl IntoIterator<Item = &'a mut [f32]>,
) {
    for sum in sums {
        for _ in 0..every {
            step(weights, states);
        }
        for (sum, state) in sum.iter_mut().zip(&states[0]) {
            *sum += state;
        }
    }
}

/// What comes takes the place of what nothing hangs on any longer.
#[inline(always)]
fn step([a, b, c]: [&[f32]; 3], states: &mut [Vec<f32>; 3]) {
    let [last, before, oldest] = &mut *states;
    let cells = oldest.iter_mut().zip(last).zip(before);
    for (((z, x), y), ((a, b), c)) in cells.zip(a.iter().zip(b).zip(c)) {
        *z = a * *x + b * *y + c * *z;
    }
    states.rotate_right(1);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::array;

    #[test]
    fn the_model_has_the_correlations_it_was_made_from() {
        let model = Ar2::from_correlations(0.9, 0.75);
        assert!((model.phi_1 + model.phi_2 * 0.9 - 0.9).abs() < 1e-12);
        assert!((model.phi_1 * 0.9 + model.phi_2 - 0.75).abs() < 1e-12);
        let (newest, before) = model.weights_after(1);
        assert_eq!((newest, before), (model.phi_1, model.phi_2));
        let (a, b) = model.weights_after(60);
        assert!(a.abs() < 0.05 && b.abs() < 0.05);
    }

    #[test]
    fn any_correlations_make_a_stationary_model() {
        for g1 in [-0.99, -0.3, 0.0, 1e-9, 0.5, 0.97, 1.0] {
            for g2 in [-1.0, -0.2, 0.0, 0.6, 0.9999] {
                let model = Ar2::from_correlations(g1, g2);
                let (a, b) = model.weights_after(5000);
                assert!(a.is_finite() && b.is_finite() && a.abs() < 60.0 && b.abs() < 60.0, "{g1} {g2}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_field_that_grows_steadily_keeps_growing_where_differences_persist() {
        let gamma = array![[0.999_f32, 0.0]];
        let ari = LocalAri::from_correlations(&gamma, &array![[0.998_f32, 0.0]]);
        let mut states = [vec![3.0_f32, 3.0], vec![2.0, 2.0], vec![1.0, 1.0]];
        let mut sums = [[0.0_f32, 10.0], [0.0, 0.0]];
        let weights = ari.weights.each_ref().map(|w| w.as_slice().unwrap());
        add_steps(weights, &mut states, 1, sums.iter_mut().map(<[f32; 2]>::as_mut_slice));
        assert!((sums[0][0] - 4.0).abs() < 0.01 && (sums[1][0] - 5.0).abs() < 0.03, "{sums:?}");
        assert!((sums[0][1] - 13.0).abs() < 1e-5 && (sums[1][1] - 3.0).abs() < 1e-5, "{sums:?}");
    }
}
