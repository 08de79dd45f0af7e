//! What the features of a place say together that no weighed sum of them does: a small network beside the sum.

use ndarray::Array2;
use raincell_extrapolation::{Eight, SEGMENT};
use raincell_simd::widest;

/// Units of the hidden layer.
pub(crate) const HIDDEN: usize = 16;
/// Smoothed features of a place.
pub(crate) const INPUTS: usize = 15;
/// Coefficients of a parabola in the logarithm of the lead time.
pub(crate) const POWERS: usize = 3;
/// What stands for a unit: a weight for each feature, a bias, and what it adds to each coefficient.
pub(crate) const PER_UNIT: usize = INPUTS + 1 + POWERS;
/// The network of a rate: one hidden layer of rectified linear units.
pub(crate) type Network = [[f32; PER_UNIT]; HIDDEN];

/// Adds what the network makes of the features at each cell to the coefficients there; fields of one shape. Nothing is
/// added where they are not [`INPUTS`] many.
pub(crate) fn add(network: &Network, features: &[Array2<f32>], coefficients: &mut [Array2<f32>; POWERS]) {
    let features: Vec<&[f32]> = features.iter().filter_map(|feature| feature.as_slice()).collect();
    let Ok(features) = <&[&[f32]; INPUTS]>::try_from(&*features) else { return };
    let [a, b, c] = coefficients.each_mut().map(|field| field.as_slice_mut().unwrap_or_default());
    widest(
        #[inline(always)]
        || {
            let dry = said(network, &[[0.0; SEGMENT]; INPUTS]);
            let mut inputs = [[0.0; SEGMENT]; INPUTS];
            let cells = a.chunks_mut(SEGMENT).zip(b.chunks_mut(SEGMENT)).zip(c.chunks_mut(SEGMENT));
            for (at, ((a, b), c)) in cells.enumerate() {
                let here = at * SEGMENT..at * SEGMENT + a.len();
                let mut sum = [0.0; SEGMENT];
                for (input, feature) in inputs.iter_mut().zip(features) {
                    for (input, value) in input.iter_mut().zip(&feature[here.clone()]) {
                        *input = *value;
                    }
                    for i in 0..SEGMENT {
                        sum[i] += input[i];
                    }
                }
                // Features are strengths, from 0 on: most places lie far from any rain.
                let said = if sum == [0.0; SEGMENT] { dry } else { said(network, &inputs) };
                for (line, said) in [a, b, c].into_iter().zip(&said) {
                    for (cell, value) in line.iter_mut().zip(said) {
                        *cell += value;
                    }
                }
            }
        },
    );
}

/// What a network says of eight cells, for each coefficient.
#[inline(always)]
fn said(network: &Network, inputs: &[Eight; INPUTS]) -> [Eight; POWERS] {
    let mut out = [[0.0; SEGMENT]; POWERS];
    for unit in network {
        let mut sum = [unit[INPUTS]; SEGMENT];
        for (weight, input) in unit.iter().zip(inputs) {
            for i in 0..SEGMENT {
                sum[i] += weight * input[i];
            }
        }
        for (out, weight) in out.iter_mut().zip(&unit[INPUTS + 1..]) {
            for i in 0..SEGMENT {
                let unit = if sum[i] > 0.0 { sum[i] } else { 0.0 };
                out[i] += weight * unit;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_gets_what_the_network_says_of_its_features() {
        // One unit: twice the fourth feature less 1, on the second coefficient; another one of the bias alone.
        let mut network = [[0.0; PER_UNIT]; HIDDEN];
        network[5][3] = 2.0;
        network[5][INPUTS] = -1.0;
        network[5][INPUTS + 2] = 10.0;
        network[7][INPUTS] = 0.5;
        network[7][INPUTS + 3] = -4.0;
        // Of eleven cells some lie beyond the last eight.
        let shape = (1, 11);
        let mut features = vec![Array2::from_elem(shape, 0.0); INPUTS];
        features[3] = Array2::from_shape_fn(shape, |(_, c)| 0.1 * c as f32);
        features[4].fill(0.25);
        let mut coefficients = [1.0, 2.0, 3.0].map(|value| Array2::from_elem(shape, value));
        add(&network, &features, &mut coefficients);
        for c in 0..11 {
            let expected = [1.0, 2.0 + 10.0 * (0.2 * c as f32 - 1.0).max(0.0), 1.0];
            for (field, expected) in coefficients.iter().zip(expected) {
                assert!((field[(0, c)] - expected).abs() < 1e-5, "{c}: {} instead of {expected}", field[(0, c)]);
            }
        }
    }

    #[test]
    fn far_from_any_rain_the_bias_speaks() {
        let mut network = [[0.0; PER_UNIT]; HIDDEN];
        network[0][INPUTS] = 0.5;
        network[0][INPUTS + 1] = -4.0;
        let features = vec![Array2::zeros((3, 5)); INPUTS];
        let mut coefficients = [(); POWERS].map(|()| Array2::zeros((3, 5)));
        add(&network, &features, &mut coefficients);
        assert!(coefficients[0].iter().all(|a| *a == -2.0) && coefficients[1].iter().all(|b| *b == 0.0));
    }
}
