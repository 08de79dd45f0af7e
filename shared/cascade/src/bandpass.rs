//! Gaussian band-pass filters on a logarithmic scale of wavenumbers, and the cascade of a field.

use ndarray::Array2;
use rayon::prelude::*;
use thiserror::Error;

use crate::{Fft2, Spectrum};

/// Standard deviation of each filter, in steps between filters.
const WIDTH: f64 = 0.5;
/// By how much the quotient of neighbouring filters changes from one to the next: `exp(−1 / WIDTH²)`.
const CURVATURE: f64 = 0.018_315_638_888_734_18;

/// Why there is no cascade.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CascadeError {
    /// Too few levels to tell scales apart.
    #[error("a cascade wants at least 3 levels, not {levels}")]
    TooFewLevels {
        /// Levels asked for.
        levels: usize,
    },
    /// A field without cells.
    #[error("a field of {rows} × {columns} cells has no scales")]
    NoCells {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// A field of another shape than planned for.
    #[error("a field of shape {found:?} cannot pass filters made for {expected:?} (rows, columns)")]
    ShapeMismatch {
        /// (rows, columns) planned for.
        expected: (usize, usize),
        /// (rows, columns) of the field.
        found: (usize, usize),
    },
}

/// Band-pass filters for fields of one shape (Pulkkinen et al. 2018; Seed 2003): Gaussian in the logarithm of the radial
/// wavenumber, centred at equal steps of it, and normalised so that the weights of all levels sum to one.
pub struct BandPass {
    pub(crate) fft: Fft2,
    /// Weights by level, in the order of [`Spectrum`].
    pub(crate) weights: Vec<Vec<f32>>,
}

/// A field as the sum of its levels, the coarsest first, each normalised.
#[derive(Clone, Debug)]
pub struct Cascade {
    /// Levels with mean 0 and standard deviation 1 (0 where a level is constant).
    pub levels: Vec<Array2<f32>>,
    /// Mean of each level, in the unit of the field.
    pub means: Vec<f32>,
    /// Standard deviation of each level, in the unit of the field.
    pub stds: Vec<f32>,
}

impl BandPass {
    /// Filters for fields of (rows, columns).
    ///
    /// # Errors
    /// [`CascadeError::TooFewLevels`] below 3 levels, [`CascadeError::NoCells`] for an empty shape.
    pub fn new((rows, columns): (usize, usize), levels: usize) -> Result<Self, CascadeError> {
        if levels < 3 {
            return Err(CascadeError::TooFewLevels { levels });
        }
        if rows * columns == 0 {
            return Err(CascadeError::NoCells { rows, columns });
        }
        let fft = Fft2::new((rows, columns));
        // Central wavenumbers lie in the middle between powers of this base.
        let base = (0.5 * rows.max(columns) as f64).max(1.0 + 1e-9).powf(1.0 / levels as f64);
        let log = |x: f64| if x > 0.0 { x.ln() / base.ln() } else { 0.0 };
        let coarsest = log(0.5 * (1.0 + base));
        let mut weights = vec![vec![0.0_f32; rows * fft.half_columns()]; levels];
        let mut at = vec![0.0_f64; levels];
        for (column, row) in (0..fft.half_columns()).flat_map(|c| (0..=rows / 2).map(move |r| (c, r))) {
            // What the filters' weights share is left out, so that each follows from the one before by a quotient.
            let place = log((column as f64).hypot(row as f64)) - coarsest;
            let mut quotient = ((place.min(levels as f64) - 0.5) / (WIDTH * WIDTH)).exp();
            let mut weight = 1.0;
            for a in &mut at {
                *a = weight;
                weight *= quotient;
                quotient *= CURVATURE;
            }
            let sum: f64 = at.iter().sum();
            // Wavenumbers down and up have the same weights.
            let mirrored = (rows - row) % rows;
            for (level, a) in weights.iter_mut().zip(&at) {
                let weight = (a / sum) as f32;
                level[column * rows + row] = weight;
                level[column * rows + mirrored] = weight;
            }
        }
        // The mean belongs to the coarsest level alone.
        for (k, level) in weights.iter_mut().enumerate() {
            level[0] = if k == 0 { 1.0 } else { 0.0 };
        }
        Ok(Self { fft, weights })
    }

    /// Levels of the cascade.
    pub fn levels(&self) -> usize {
        self.weights.len()
    }

    /// Wavelength at the centre of each level, cells, the coarsest first.
    pub fn wavelengths(&self) -> Vec<f32> {
        let (rows, columns) = self.fft.shape();
        let longest = rows.max(columns) as f32;
        let base = (0.5 * longest).max(1.0 + 1e-6).powf(1.0 / self.levels() as f32);
        (1..=self.levels()).map(|k| longest / (0.5 * (base.powi(k as i32 - 1) + base.powi(k as i32)))).collect()
    }

    /// The FFT that the filters work in.
    pub fn fft(&self) -> &Fft2 {
        &self.fft
    }

    /// Weights of a level in the order of [`Spectrum`].
    pub fn weights(&self, level: usize) -> Option<&[f32]> {
        self.weights.get(level).map(Vec::as_slice)
    }

    /// The levels of a field (no NaN) in its own unit; they sum to the field.
    ///
    /// # Errors
    /// [`CascadeError::ShapeMismatch`] when the filters are made for another shape.
    pub fn split(&self, field: &Array2<f32>) -> Result<Vec<Array2<f32>>, CascadeError> {
        if field.dim() != self.fft.shape() {
            return Err(CascadeError::ShapeMismatch { expected: self.fft.shape(), found: field.dim() });
        }
        let spectrum = self.fft.forward(field);
        let filtered = |weights: &Vec<f32>| {
            let values = spectrum.values.iter().zip(weights).map(|(v, w)| v * w).collect();
            self.fft.inverse(Spectrum { values })
        };
        Ok(self.weights.par_iter().map(filtered).collect())
    }

    /// The cascade of a field (no NaN), normalised level by level.
    ///
    /// # Errors
    /// As [`BandPass::split`].
    pub fn decompose(&self, field: &Array2<f32>) -> Result<Cascade, CascadeError> {
        let mut levels = self.split(field)?;
        let figures: Vec<(f32, f32)> = levels.par_iter_mut().map(normalise).collect();
        let (means, stds) = figures.into_iter().unzip();
        Ok(Cascade { levels, means, stds })
    }
}

/// Brings a level to mean 0 and standard deviation 1; gives what they were.
fn normalise(level: &mut Array2<f32>) -> (f32, f32) {
    let count = level.len().max(1) as f64;
    let mean = level.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = level.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    let std = variance.sqrt();
    let scale = if std > 0.0 { 1.0 / std } else { 0.0 };
    level.mapv_inplace(|v| ((f64::from(v) - mean) * scale) as f32);
    (mean as f32, std as f32)
}

impl Cascade {
    /// The field again.
    pub fn recompose(&self) -> Array2<f32> {
        let shape = self.levels.first().map_or((0, 0), Array2::dim);
        let mut field = Array2::from_elem(shape, self.means.iter().sum());
        for (level, std) in self.levels.iter().zip(&self.stds) {
            field.scaled_add(*std, level);
        }
        field
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn field(rows: usize, columns: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(r, c)| {
            10.0 * ((r as f32 * 0.2).sin() * (c as f32 * 0.15).cos()) + ((r * 31 + c * 17) % 7) as f32
        })
    }

    #[test]
    fn the_levels_sum_to_the_field() {
        for (rows, columns) in [(48, 60), (45, 71)] {
            let field = field(rows, columns);
            let again = BandPass::new((rows, columns), 5).unwrap().decompose(&field).unwrap().recompose();
            assert!(field.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-3), "{rows} × {columns}");
        }
    }

    #[test]
    fn a_constant_is_all_in_the_mean_of_the_coarsest_level() {
        let cascade = BandPass::new((32, 32), 4).unwrap().decompose(&Array2::from_elem((32, 32), 3.0)).unwrap();
        assert!((cascade.means[0] - 3.0).abs() < 1e-5 && cascade.means[1..].iter().all(|m| m.abs() < 1e-5));
        assert!(cascade.stds.iter().all(|s| s.is_finite() && *s < 1e-4));
        assert!(cascade.levels.iter().flatten().all(|v| v.is_finite()));
    }

    #[test]
    fn what_cannot_be_split_is_refused_by_name() {
        assert_eq!(BandPass::new((9, 9), 2).err(), Some(CascadeError::TooFewLevels { levels: 2 }));
        assert!(matches!(BandPass::new((0, 9), 5), Err(CascadeError::NoCells { .. })));
        let filters = BandPass::new((9, 9), 3).unwrap();
        assert!(matches!(filters.split(&field(8, 9)), Err(CascadeError::ShapeMismatch { .. })));
    }

    #[test]
    fn a_single_cell_is_no_trouble() {
        let cascade = BandPass::new((1, 1), 3).unwrap().decompose(&Array2::from_elem((1, 1), 2.0)).unwrap();
        assert!((cascade.recompose()[(0, 0)] - 2.0).abs() < 1e-6);
    }
}
