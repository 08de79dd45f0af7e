//! Noise with a given spectrum that changes from step to step, the faster the smaller the scale.

use std::sync::Arc;

use ndarray::Array2;
use raincell_cascade::{Fft2, Spectrum, fast_size};
use rand::Rng;
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;
use rustfft::num_complex::Complex32;

use crate::generator;

/// Share of the domain over which the observed field is faded out towards its edges before its spectrum is taken.
const TAPER: f32 = 0.1;
/// Weight of the spectrum's mean over all directions beside that of each single wavenumber, which one field shows only
/// once and by chance.
const RADIAL_SHARE: f32 = 0.7;

/// What noise is to look like: the amplitude of each wavenumber, as the non-parametric method takes it from the observed
/// rain (Seed et al. 2013), and how much of each lasts for a step.
pub struct Texture {
    fft: Fft2,
    /// Amplitudes in the order of [`Spectrum`], such that noise has variance 1.
    amplitude: Vec<f32>,
    /// Of each coefficient: the share of it that lasts over a step, and the one that comes anew.
    memory: Vec<[f32; 2]>,
}

impl Texture {
    /// From the rain as seen (no NaN; decibels suit), on its own grid, and `lasting`: the correlation over one step of
    /// scales with a wavelength in cells. A field without any texture makes noise of a smooth red spectrum.
    ///
    /// The noise is periodic; its grid is the field's, enlarged to sizes of which FFTs are quick.
    pub fn of(field: &Array2<f32>, lasting: impl Fn(f32) -> f32) -> Self {
        let (rows, columns) = field.dim();
        let fft = Fft2::new((fast_size(rows), fast_size(columns)));
        let observed = fft.forward(&tapered(field));
        let mut amplitude: Vec<f32> = observed.values.iter().map(|v| v.norm()).collect();
        let texture = Self::plain(fft);
        smooth_over_directions(&texture, &mut amplitude);
        texture.with(amplitude, lasting)
    }

    fn plain(fft: Fft2) -> Self {
        Self { fft, amplitude: Vec::new(), memory: Vec::new() }
    }

    fn with(mut self, mut amplitude: Vec<f32>, lasting: impl Fn(f32) -> f32) -> Self {
        amplitude[0] = 0.0;
        let energy: f64 = amplitude.iter().map(|a| f64::from(a * a)).sum();
        if !(energy > 0.0 && energy.is_finite()) {
            // Nothing seen: energy falls with the wavenumber as rain fields' does.
            amplitude = (0..amplitude.len()).map(|i| self.wavenumber(i).max(1e-6).powf(-1.4)).collect();
            amplitude[0] = 0.0;
        }
        let longest = self.fft.shape().0.max(self.fft.shape().1) as f32;
        let reach = (longest / 2.0).hypot(longest / 2.0).ceil() as usize + 2;
        let lasting: Vec<f32> = (0..reach).map(|k| lasting(longest / (k as f32).max(0.5)).clamp(0.0, 0.9999)).collect();
        self.memory = (0..amplitude.len())
            .map(|i| lasting[self.wavenumber(i) as usize])
            .map(|lasting| [lasting, (1.0 - lasting * lasting).sqrt()])
            .collect();
        // Each coefficient but those of the first (and last) column stands for two of the whole spectrum.
        let (rows, columns) = self.fft.shape();
        let variance: f64 = amplitude
            .iter()
            .enumerate()
            .map(|(i, a)| {
                let alone = i / rows == 0 || 2 * (i / rows) == columns;
                f64::from(a * a) * if alone { 1.0 } else { 2.0 }
            })
            .sum();
        let norm = ((rows * columns) as f64 / variance.sqrt()) as f32;
        self.amplitude = if norm.is_finite() { amplitude.into_iter().map(|a| a * norm).collect() } else { amplitude };
        self
    }

    /// (rows, columns) of the noise, which repeats beyond them.
    pub fn shape(&self) -> (usize, usize) {
        self.fft.shape()
    }

    /// Radial wavenumber of a coefficient in cycles per longer edge.
    fn wavenumber(&self, i: usize) -> f32 {
        let (rows, columns) = self.fft.shape();
        let (column, row) = (i / rows, i % rows);
        let row = row.min(rows - row);
        let longest = rows.max(columns) as f32;
        (column as f32 * longest / columns as f32).hypot(row as f32 * longest / rows as f32)
    }
}

/// Amplitudes drawn towards their mean over all directions.
fn smooth_over_directions(texture: &Texture, amplitude: &mut [f32]) {
    let rings = amplitude.len();
    let ring = |i: usize| (texture.wavenumber(i).round() as usize).min(rings - 1);
    let mut sums = vec![(0.0_f64, 0.0_f64); rings];
    for (i, a) in amplitude.iter().enumerate() {
        sums[ring(i)].0 += f64::from(a * a);
        sums[ring(i)].1 += 1.0;
    }
    for (i, a) in amplitude.iter_mut().enumerate() {
        let (energy, count) = sums[ring(i)];
        let mean = (energy / f64::max(count, 1.0)).sqrt() as f32;
        *a = RADIAL_SHARE * mean + (1.0 - RADIAL_SHARE) * *a;
    }
}

/// The field less its mean, faded out towards the edges.
fn tapered(field: &Array2<f32>) -> Array2<f32> {
    let (rows, columns) = field.dim();
    let mean = field.mean().unwrap_or(0.0);
    let fade = |at: usize, size: usize| {
        let edge = (at.min(size - 1 - at) as f32 + 0.5) / (TAPER * size as f32);
        if edge < 1.0 { 0.5 - 0.5 * (std::f32::consts::PI * edge).cos() } else { 1.0 }
    };
    Array2::from_shape_fn((rows, columns), |(r, c)| (field[(r, c)] - mean) * fade(r, rows) * fade(c, columns))
}

/// The noise of one member.
pub struct MemberNoise {
    texture: Arc<Texture>,
    state: Vec<Complex32>,
    generator: Xoshiro256PlusPlus,
    begun: bool,
}

impl MemberNoise {
    /// Noise of member `member` of the ensemble with `seed`.
    pub fn new(texture: Arc<Texture>, seed: u64, member: usize) -> Self {
        let state = vec![Complex32::default(); texture.amplitude.len()];
        Self { texture, state, generator: generator(seed, member), begun: false }
    }

    /// The noise of the next step, moved by (right, down) cells: mean 0, variance 1 on average, shape
    /// [`Texture::shape`]. It is periodic, so that moving it is turning the phases of its waves.
    pub fn next_step(&mut self, [right, down]: [f32; 2]) -> Array2<f32> {
        let texture = &self.texture;
        let half = std::f32::consts::FRAC_1_SQRT_2;
        for ((value, amplitude), [lasting, anew]) in self.state.iter_mut().zip(&texture.amplitude).zip(&texture.memory)
        {
            let (re, im): (f32, f32) = (self.generator.sample(StandardNormal), self.generator.sample(StandardNormal));
            let fresh = Complex32::new(re, im) * (half * amplitude);
            *value = if self.begun { *value * *lasting + fresh * *anew } else { fresh };
        }
        self.begun = true;
        let (rows, columns) = texture.fft.shape();
        let by_row = turns(rows, down);
        let mut values = self.state.clone();
        for (line, turn) in values.chunks_exact_mut(rows).zip(turns(columns, right)) {
            for (value, by_row) in line.iter_mut().zip(&by_row) {
                *value *= turn * by_row;
            }
        }
        texture.fft.inverse(Spectrum { values })
    }
}

/// What moves each wavenumber along an axis of `size` cells by `shift` cells.
fn turns(size: usize, shift: f32) -> Vec<Complex32> {
    // Whole periods do nothing, and would cost precision.
    let share = f64::from(shift) / size as f64;
    let share = share - share.round();
    let turn = |k: usize| {
        let wavenumber = if 2 * k > size { k as f64 - size as f64 } else { k as f64 };
        let (sin, cos) = (-std::f64::consts::TAU * wavenumber * share).sin_cos();
        Complex32::new(cos as f32, sin as f32)
    };
    (0..size).map(turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves() -> Array2<f32> {
        Array2::from_shape_fn((90, 110), |(r, c)| {
            8.0 * (r as f32 * 0.11).sin() * (c as f32 * 0.17).cos() + (c % 3) as f32
        })
    }

    fn variance(field: &Array2<f32>) -> f32 {
        field.iter().map(|v| v * v).sum::<f32>() / field.len() as f32
    }

    #[test]
    fn noise_has_unit_variance_and_the_memory_asked_for() {
        let texture = Arc::new(Texture::of(&waves(), |_| 0.8));
        let (mut power, mut lagged) = (0.0, 0.0);
        for member in 0..60 {
            let mut noise = MemberNoise::new(texture.clone(), 5, member);
            let (a, b) = (noise.next_step([0.0; 2]), noise.next_step([0.0; 2]));
            power += variance(&a) / 60.0;
            lagged += (&a * &b).mean().unwrap_or(0.0) / 60.0;
        }
        assert!((power - 1.0).abs() < 0.25, "variance {power}");
        assert!((lagged / power - 0.8).abs() < 0.1, "correlation {}", lagged / power);
    }

    #[test]
    fn the_same_seed_and_member_give_the_same_noise_and_others_do_not() {
        let texture = Arc::new(Texture::of(&waves(), |_| 0.8));
        let draw = |seed, member| MemberNoise::new(texture.clone(), seed, member).next_step([0.0; 2]);
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn noise_that_moves_by_whole_cells_is_the_same_noise_elsewhere() {
        let texture = Arc::new(Texture::of(&waves(), |_| 0.8));
        let draw = |shift| MemberNoise::new(texture.clone(), 1, 2).next_step(shift);
        let (still, moved) = (draw([0.0; 2]), draw([5.0, -3.0]));
        let (rows, columns) = still.dim();
        let off = |((r, c), v): ((usize, usize), &f32)| (moved[((r + rows - 3) % rows, (c + 5) % columns)] - v).abs();
        // Waves of two cells cannot be told from their mirror image, so that a trace of them is lost.
        assert!(still.indexed_iter().map(off).fold(0.0, f32::max) < 0.05);
    }

    #[test]
    fn a_field_without_texture_still_makes_noise() {
        for value in [0.0, 7.0] {
            let texture = Arc::new(Texture::of(&Array2::from_elem((20, 31), value), |_| 0.5));
            let field = MemberNoise::new(texture, 0, 0).next_step([0.0; 2]);
            assert!(field.iter().all(|v| v.is_finite()) && variance(&field) > 0.05);
        }
        let one_cell = Arc::new(Texture::of(&Array2::zeros((1, 1)), |_| 0.5));
        assert!(MemberNoise::new(one_cell, 0, 0).next_step([0.0; 2]).iter().all(|v| v.is_finite()));
    }

    #[test]
    fn the_noise_has_the_scale_of_the_rain() {
        let smooth = Array2::from_shape_fn((96, 96), |(r, c)| (r as f32 * 0.13).sin() + (c as f32 * 0.13).sin());
        let rough = Array2::from_shape_fn((96, 96), |(r, c)| ((r * 7 + c * 5) % 11) as f32);
        let neighbours = |field: &Array2<f32>| {
            let noise = MemberNoise::new(Arc::new(Texture::of(field, |_| 0.5)), 3, 0).next_step([0.0; 2]);
            let pairs: f32 = noise
                .rows()
                .into_iter()
                .flat_map(|r| r.windows(2).into_iter().map(|w| w[0] * w[1]).collect::<Vec<_>>())
                .sum();
            pairs / noise.iter().map(|v| v * v).sum::<f32>()
        };
        assert!(neighbours(&smooth) > 0.9 && neighbours(&rough) < 0.7);
    }
}
