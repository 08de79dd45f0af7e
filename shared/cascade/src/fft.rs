//! The real FFT of a field, planned once and run on all cores.

use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

/// Columns of the spectrum that one core takes at a time when it turns lines into columns.
const COLUMNS_AT_ONCE: usize = 16;

/// The non-negative half of a real field's spectrum, not normalised. It lies column by column: entry
/// `column · rows + row` is the coefficient of wavenumber `column` across and `row` down (`row − rows` in the upper
/// half).
#[derive(Clone, Debug)]
pub struct Spectrum {
    /// The coefficients, `rows · (columns / 2 + 1)`.
    pub values: Vec<Complex32>,
}

/// Plans for fields of one shape, to be shared between threads.
#[derive(Clone)]
pub struct Fft2 {
    rows: usize,
    columns: usize,
    across: Arc<dyn RealToComplex<f32>>,
    back_across: Arc<dyn ComplexToReal<f32>>,
    down: Arc<dyn Fft<f32>>,
    back_down: Arc<dyn Fft<f32>>,
}

impl Fft2 {
    /// Plans for fields of (rows, columns), both at least 1.
    pub fn new((rows, columns): (usize, usize)) -> Self {
        let (rows, columns) = (rows.max(1), columns.max(1));
        let (mut real, mut complex) = (RealFftPlanner::new(), FftPlanner::new());
        Self {
            rows,
            columns,
            across: real.plan_fft_forward(columns),
            back_across: real.plan_fft_inverse(columns),
            down: complex.plan_fft_forward(rows),
            back_down: complex.plan_fft_inverse(rows),
        }
    }

    /// (rows, columns) of the fields.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Columns of the spectrum.
    pub fn half_columns(&self) -> usize {
        self.columns / 2 + 1
    }

    /// The spectrum of a field without NaN. What is beyond the planned shape is not looked at, what is missing is 0.
    pub fn forward(&self, field: &Array2<f32>) -> Spectrum {
        let half = self.half_columns();
        let mut lines = vec![Complex32::default(); self.rows * half];
        let scratch = || (self.across.make_input_vec(), self.across.make_scratch_vec());
        lines.par_chunks_mut(half).enumerate().for_each_init(scratch, |(line, scratch), (row, out)| {
            if row < field.nrows() {
                for (value, cell) in line.iter_mut().zip(field.row(row)) {
                    *value = *cell;
                }
                line[field.ncols().min(self.columns)..].fill(0.0);
                // Fails only on lengths other than the planned ones.
                let _ = self.across.process_with_scratch(line, out, scratch);
            }
        });
        let mut values = turned(&lines, self.rows, half);
        self.columns_through(&mut values, &self.down);
        Spectrum { values }
    }

    /// The field of a spectrum made by [`Fft2::forward`], normalised so that the two undo each other.
    pub fn inverse(&self, spectrum: Spectrum) -> Array2<f32> {
        let half = self.half_columns();
        let mut values = spectrum.values;
        values.resize(self.rows * half, Complex32::default());
        self.columns_through(&mut values, &self.back_down);
        let mut lines = turned(&values, half, self.rows);
        let mut field = Array2::zeros((self.rows, self.columns));
        let norm = 1.0 / (self.rows * self.columns) as f32;
        if let Some(cells) = field.as_slice_mut() {
            let scratch = || self.back_across.make_scratch_vec();
            cells.par_chunks_mut(self.columns).zip(lines.par_chunks_mut(half)).for_each_init(
                scratch,
                |scratch, (out, line)| {
                    // Wavenumber 0, and that of half the columns, are real; rounding leaves a little beside it.
                    line[0].im = 0.0;
                    if self.columns.is_multiple_of(2) {
                        line[half - 1].im = 0.0;
                    }
                    let _ = self.back_across.process_with_scratch(line, out, scratch);
                    for value in out {
                        *value *= norm;
                    }
                },
            );
        }
        field
    }

    fn columns_through(&self, values: &mut [Complex32], plan: &Arc<dyn Fft<f32>>) {
        let scratch = || vec![Complex32::default(); plan.get_inplace_scratch_len()];
        values
            .par_chunks_mut(self.rows)
            .for_each_init(scratch, |scratch, column| plan.process_with_scratch(column, scratch));
    }
}

/// A row-major array of (rows, columns) with the two exchanged.
fn turned(values: &[Complex32], rows: usize, columns: usize) -> Vec<Complex32> {
    let mut out = vec![Complex32::default(); values.len()];
    out.par_chunks_mut(rows * COLUMNS_AT_ONCE).enumerate().for_each(|(chunk, out)| {
        let first = chunk * COLUMNS_AT_ONCE;
        for row in 0..rows {
            let line = &values[row * columns + first..];
            for (column, value) in line.iter().take(out.len() / rows).enumerate() {
                out[column * rows + row] = *value;
            }
        }
    });
    out
}

/// The least size of at least `size` that has no prime factor above 5: FFTs of such sizes are quick.
pub fn fast_size(size: usize) -> usize {
    let smooth = |mut n: usize| {
        for factor in [2, 3, 5] {
            while n.is_multiple_of(factor) {
                n /= factor;
            }
        }
        n == 1
    };
    (size.max(1)..=size.next_power_of_two()).find(|n| smooth(*n)).unwrap_or(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(rows: usize, columns: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(r, c)| ((r * 7 + c * 13) % 17) as f32 - 0.1 * c as f32)
    }

    #[test]
    fn forward_and_back_is_the_field_for_even_odd_and_single_sizes() {
        for (rows, columns) in [(24, 40), (15, 21), (64, 71), (1, 8), (9, 1), (1, 1)] {
            let (fft, field) = (Fft2::new((rows, columns)), waves(rows, columns));
            let again = fft.inverse(fft.forward(&field));
            assert!(field.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-4), "{rows} × {columns}");
        }
    }

    #[test]
    fn a_wave_is_one_coefficient() {
        let fft = Fft2::new((16, 20));
        let turn = std::f32::consts::TAU;
        let field =
            Array2::from_shape_fn((16, 20), |(r, c)| (turn * (3.0 * r as f32 / 16.0 + 2.0 * c as f32 / 20.0)).cos());
        let spectrum = fft.forward(&field);
        for (i, value) in spectrum.values.iter().enumerate() {
            let expected = if i == 2 * 16 + 3 { 160.0 } else { 0.0 };
            assert!((value.norm() - expected).abs() < 1e-3, "{i}: {value}");
        }
    }

    #[test]
    fn fast_sizes_are_products_of_small_primes() {
        assert_eq!([1, 7, 710, 1226, 2200].map(fast_size), [1, 8, 720, 1250, 2250]);
    }
}
