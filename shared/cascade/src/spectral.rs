//! What can be said of the levels of a field, and made of them, while they are spectra.

use ndarray::Array2;
use raincell_simd::widest;
use rustfft::num_complex::Complex32;

use crate::{BandPass, Fft2, Spectrum};

/// Coefficients worked on at once.
const LANES: usize = 8;

impl BandPass {
    /// Mean product, over all cells, of a level of two fields less its mean in each: by Parseval's theorem, without
    /// the levels themselves.
    pub fn covariance(&self, level: usize, [a, b]: [&Spectrum; 2]) -> f64 {
        let ((rows, columns), Some(weights)) = (self.fft.shape(), self.weights.get(level)) else { return 0.0 };
        let of_columns = a.values.chunks(rows).zip(b.values.chunks(rows)).zip(weights.chunks(rows));
        let mut sum = 0.0;
        for (column, ((a, b), weights)) in of_columns.enumerate() {
            // Most columns stand for their mirror image, too; the very first number is the mean.
            let (first, times) =
                (usize::from(column == 0), if column == 0 || 2 * column == columns { 1.0 } else { 2.0 });
            sum += times
                * widest(
                    #[inline(always)]
                    || products(&a[first..], &b[first..], &weights[first..]),
                );
        }
        sum / ((rows * columns) as f64).powi(2)
    }

    /// The field whose levels are those of two fields, each so many times (`factors`, level by level); its mean is that of
    /// the first.
    pub fn recombined(&self, [a, b]: [&Spectrum; 2], factors: &[[f32; 2]]) -> Array2<f32> {
        let mut values = vec![Complex32::default(); a.values.len().min(b.values.len())];
        widest(
            #[inline(always)]
            || add_levels(&self.weights, factors, [&a.values, &b.values], &mut values),
        );
        if let (Some(mean), Some(of_a)) = (values.first_mut(), a.values.first()) {
            *mean = *of_a;
        }
        self.fft.inverse(Spectrum { values })
    }

    /// A level of a field on the mesh of `fft`, whose rows and columns divide those of the field: the values at its first
    /// row and column, and so on in equal steps. What is too fine for the mesh is left out.
    pub fn level_on(&self, spectrum: &Spectrum, level: usize, fft: &Fft2) -> Array2<f32> {
        let ((rows, columns), (mesh_rows, mesh_columns)) = (self.fft.shape(), fft.shape());
        let Some(weights) = self.weights.get(level) else { return Array2::zeros(fft.shape()) };
        if fft.shape() == self.fft.shape() {
            let values = spectrum.values.iter().zip(weights).map(|(v, w)| v * w).collect();
            return fft.inverse(Spectrum { values });
        }
        let norm = (mesh_rows * mesh_columns) as f32 / (rows * columns) as f32;
        let mut values = vec![Complex32::default(); mesh_rows * fft.half_columns()];
        // Below the highest wavenumber of the mesh, which stands for two of the field.
        let (across, down) = (mesh_columns.div_ceil(2), mesh_rows.div_ceil(2));
        for (column, out) in values.chunks_mut(mesh_rows).take(across).enumerate() {
            let of_column = column * rows..(column + 1) * rows;
            let (spectrum, weights) = (&spectrum.values[of_column.clone()], &weights[of_column]);
            let upper = rows + 1 - down;
            let parts = [(0..down, 0), (upper..rows, mesh_rows + 1 - down)];
            for (from, to) in parts {
                let coefficients = spectrum[from.clone()].iter().zip(&weights[from]);
                for (out, (value, weight)) in out[to..].iter_mut().zip(coefficients) {
                    *out = value * (weight * norm);
                }
            }
        }
        fft.inverse(Spectrum { values })
    }
}

/// Coefficients of two spectra, each so many times as the levels' weights and factors say.
#[inline(always)]
fn add_levels(levels: &[Vec<f32>], factors: &[[f32; 2]], [a, b]: [&[Complex32]; 2], out: &mut [Complex32]) {
    let spectra = a.chunks(LANES).zip(b.chunks(LANES));
    for (i, (out, (a, b))) in out.chunks_mut(LANES).zip(spectra).enumerate() {
        let (mut of_a, mut of_b) = ([0.0; LANES], [0.0; LANES]);
        for (weights, [a, b]) in levels.iter().zip(factors) {
            let weights = &weights[i * LANES..];
            let mut padded = [0.0; LANES];
            let weights = weights.first_chunk::<LANES>().unwrap_or_else(|| {
                padded[..weights.len()].copy_from_slice(weights);
                &padded
            });
            for k in 0..LANES {
                of_a[k] += a * weights[k];
                of_b[k] += b * weights[k];
            }
        }
        for (k, (out, (a, b))) in out.iter_mut().zip(a.iter().zip(b)).enumerate() {
            *out = a * of_a[k] + b * of_b[k];
        }
    }
}

/// `Σ weight² · Re(a · conj(b))`.
#[inline(always)]
fn products(a: &[Complex32], b: &[Complex32], weights: &[f32]) -> f64 {
    // Each lane adds up on its own, so that no addition waits for the one before.
    let mut sums = [0.0_f32; LANES];
    let ((a, last_a), (b, last_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let (weights, last_weights) = weights.as_chunks::<LANES>();
    for ((a, b), weights) in a.iter().zip(b).zip(weights) {
        for k in 0..LANES {
            sums[k] += weights[k] * weights[k] * (a[k].re * b[k].re + a[k].im * b[k].im);
        }
    }
    for (sum, ((a, b), weight)) in sums.iter_mut().zip(last_a.iter().zip(last_b).zip(last_weights)) {
        *sum += weight * weight * (a.re * b.re + a.im * b.im);
    }
    sums.iter().map(|sum| f64::from(*sum)).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ar::correlation;

    fn field(rows: usize, columns: usize, shift: f32) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(r, c)| {
            10.0 * ((r as f32 * 0.2 + shift).sin() * (c as f32 * 0.15).cos()) + ((r * 31 + c * 17) % 7) as f32
        })
    }

    #[test]
    fn covariances_are_those_of_the_levels() {
        for (rows, columns) in [(48, 60), (45, 71)] {
            let filters = BandPass::new((rows, columns), 5).unwrap();
            let [a, b] = [field(rows, columns, 0.0), field(rows, columns, 0.4)];
            let spectra = [filters.fft().forward(&a), filters.fft().forward(&b)];
            let of = |i: usize, j: usize, level| filters.covariance(level, [&spectra[i], &spectra[j]]);
            let (a, b) = (filters.decompose(&a).unwrap(), filters.decompose(&b).unwrap());
            for level in 0..5 {
                assert!((of(0, 0, level).sqrt() - f64::from(a.stds[level])).abs() < 1e-4, "{level}");
                let found = of(0, 1, level) / (of(0, 0, level) * of(1, 1, level)).sqrt();
                assert!((found - correlation(&a.levels[level], &b.levels[level])).abs() < 1e-4, "{level}");
            }
        }
    }

    #[test]
    fn levels_are_put_together_again_as_often_as_is_said() {
        let (rows, columns) = (45, 64);
        let filters = BandPass::new((rows, columns), 4).unwrap();
        let [a, b] = [field(rows, columns, 0.0), field(rows, columns, 0.4)];
        let spectra = [filters.fft().forward(&a), filters.fft().forward(&b)];
        let factors = [[0.9, 0.2], [0.5, -0.3], [0.2, 0.1], [0.0, 1.0]];
        let together = filters.recombined([&spectra[0], &spectra[1]], &factors);
        let (a, b) = (filters.decompose(&a).unwrap(), filters.decompose(&b).unwrap());
        let mut expected = Array2::from_elem((rows, columns), a.means[0]);
        for (level, [of_a, of_b]) in factors.iter().enumerate() {
            expected.scaled_add(of_a * a.stds[level], &a.levels[level]);
            expected.scaled_add(of_b * b.stds[level], &b.levels[level]);
        }
        assert!(together.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-3));
    }

    #[test]
    fn a_coarse_level_is_the_same_on_fewer_points() {
        let (rows, columns) = (64, 96);
        let (filters, smooth) = (BandPass::new((rows, columns), 5).unwrap(), |r: usize, c: usize| {
            let (r, c) = (r as f32 / 64.0, c as f32 / 96.0);
            3.0 + (std::f32::consts::TAU * (r + 2.0 * c)).sin() + (std::f32::consts::TAU * (3.0 * r - c)).cos()
        });
        let field = Array2::from_shape_fn((rows, columns), |(r, c)| smooth(r, c));
        let spectrum = filters.fft().forward(&field);
        for level in 0..3 {
            let all = filters.level_on(&spectrum, level, filters.fft());
            let few = filters.level_on(&spectrum, level, &Fft2::new((rows / 4, columns / 4)));
            assert!(few.indexed_iter().all(|((r, c), v)| (v - all[(4 * r, 4 * c)]).abs() < 1e-4), "{level}");
        }
    }
}
