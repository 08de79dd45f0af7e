//! A field taken apart by scale, with smooth filters in space.

use ndarray::Array2;
use raincell_simd::widest;
use rayon::prelude::*;

/// Passes of the box filter that stand for a Gaussian.
const PASSES: usize = 3;
/// Rows that are blurred side by side.
const ROWS: usize = 8;

/// A field as the sum of ever coarser details and what is left: `Σ details[i] + rest`.
pub(crate) struct Scales {
    /// Detail of each scale, the finest first; unknown cells hold 0.
    pub details: Vec<Array2<f32>>,
    /// What is smoother than the last scale.
    pub rest: Array2<f32>,
}

impl Scales {
    /// Splits `field` (no NaN) at the given standard deviations, cells, ascending.
    pub fn split(field: &Array2<f32>, sigmas: &[f32]) -> Self {
        let mut rest = field.clone();
        let mut details = Vec::with_capacity(sigmas.len());
        let mut variance_so_far = 0.0_f32;
        for sigma in sigmas {
            // Gaussians add up in variance, so that each one starts from the last.
            let variance = sigma * sigma - variance_so_far;
            variance_so_far = sigma * sigma;
            let smoother = blurred(&rest, variance.max(0.0).sqrt());
            details.push(&rest - &smoother);
            rest = smoother;
        }
        Self { details, rest }
    }

    /// The field again, each detail weighted.
    pub fn weighted(&self, weights: &[f32]) -> Array2<f32> {
        let mut sum = self.rest.clone();
        if let Some(out) = sum.as_slice_mut() {
            const CHUNK: usize = 1 << 14;
            out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
                for (detail, weight) in self.details.iter().zip(weights) {
                    let Some(values) = detail.as_slice() else { continue };
                    for (o, v) in out.iter_mut().zip(&values[chunk * CHUNK..]) {
                        *o += weight * v;
                    }
                }
            });
        }
        sum
    }
}

/// A Gaussian blur of standard deviation `sigma` cells by repeated box filters with fractional ends; beyond the edge the
/// field goes on as its edge cell.
pub(crate) fn blurred(field: &Array2<f32>, sigma: f32) -> Array2<f32> {
    // Variance of a box of half-width h (in cells, ends included by their share): ((2h + 1)² − 1) / 12 a pass.
    let half = 0.5 * ((12.0 * sigma * sigma / PASSES as f32 + 1.0).sqrt() - 1.0);
    let (rows, columns) = field.dim();
    let mut across = field.clone();
    blur_rows(&mut across, columns, half);
    let mut turned: Array2<f32> = across.t().as_standard_layout().into_owned();
    blur_rows(&mut turned, rows, half);
    turned.t().as_standard_layout().into_owned()
}

fn blur_rows(field: &mut Array2<f32>, columns: usize, half: f32) {
    let Some(cells) = field.as_slice_mut() else { return };
    let buffers = || (vec![[0.0; ROWS]; columns], vec![[0.0; ROWS]; columns]);
    cells.par_chunks_mut((ROWS * columns).max(1)).for_each_init(buffers, |(lines, blurred), rows| {
        for (k, row) in rows.chunks(columns).enumerate() {
            for (lanes, cell) in lines.iter_mut().zip(row) {
                lanes[k] = *cell;
            }
        }
        widest(
            #[inline(always)]
            || {
                for _ in 0..PASSES {
                    box_along(lines, blurred, half);
                    std::mem::swap(lines, blurred);
                }
            },
        );
        for (k, row) in rows.chunks_mut(columns).enumerate() {
            for (lanes, cell) in lines.iter().zip(row) {
                *cell = lanes[k];
            }
        }
    });
}

/// A box filter along several rows side by side.
#[inline(always)]
fn box_along(lines: &[[f32; ROWS]], out: &mut [[f32; ROWS]], half: f32) {
    let (reach, share) = (half as isize, half.fract());
    let last = lines.len() as isize - 1;
    let at = |i: isize| &lines[i.clamp(0, last) as usize];
    let mut sums = [0.0; ROWS];
    for i in -reach..=reach {
        for (sum, cell) in sums.iter_mut().zip(at(i)) {
            *sum += cell;
        }
    }
    let norm = 1.0 / (2.0 * half + 1.0);
    for (i, out) in out.iter_mut().enumerate() {
        let i = i as isize;
        let (before, first, next) = (at(i - reach - 1), at(i - reach), at(i + reach + 1));
        for k in 0..ROWS {
            out[k] = (sums[k] + share * (before[k] + next[k])) * norm;
            sums[k] += next[k] - first[k];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_field() {
        let field = Array2::from_shape_fn((40, 60), |(r, c)| ((r * 7 + c * 3) % 13) as f32);
        let scales = Scales::split(&field, &[1.0, 2.0, 4.0]);
        let again = scales.weighted(&[1.0, 1.0, 1.0]);
        assert!(field.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn a_blur_has_the_variance_that_was_asked_for() {
        let mut field = Array2::zeros((81, 81));
        field[(40, 40)] = 1.0;
        let blurred = blurred(&field, 3.3);
        let variance: f32 = blurred.indexed_iter().map(|((r, _), v)| v * (r as f32 - 40.0).powi(2)).sum();
        // Boxes with fractional ends are a little wider than their variance formula says.
        assert!((variance.sqrt() - 3.3).abs() < 0.15, "{}", variance.sqrt());
        assert!((blurred.sum() - 1.0).abs() < 1e-4);
    }
}
