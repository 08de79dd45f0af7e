//! The fine structure of rain: fractal noise that drifts with the flow and slowly turns into something else.
//!
//! Rain fields scale: their power spectrum falls like a power law of the wave number (Lovejoy and Schertzer 1985; the
//! cascades of pysteps rest on it). A tile of gradient noise in octaves has such a spectrum. It is baked once and then
//! only looked up, so that millions of range gates cost little.

use ndarray::Array2;
use rand::Rng;
use rayon::prelude::*;

use crate::seed::{Purpose, stream};

/// Cells of the tile in each direction; it repeats seamlessly after so many.
const TILE_CELLS: usize = 512;
/// Waves along the tile of the coarsest octave.
const COARSEST_WAVES: usize = 16;
/// Octaves, each half as long as the one before: 32, 16, 8, 4 and 2 cells.
const OCTAVES: u32 = 5;
/// How much weaker each octave is than the one before.
const PERSISTENCE: f32 = 0.68;

/// A seamless tile of fractal noise, mean 0 and standard deviation 1.
#[derive(Debug)]
pub struct Texture {
    tile: Array2<f32>,
    seed: u64,
}

/// The texture at one instant: two places of the tile, faded into each other.
#[derive(Clone, Copy, Debug)]
pub struct TextureNow<'a> {
    tile: &'a Array2<f32>,
    cells_per_km: f32,
    layers: [Layer; 2],
}

#[derive(Clone, Copy, Debug)]
struct Layer {
    shift: (f32, f32),
    weight: f32,
}

impl Texture {
    /// The tile of a seed.
    pub fn new(seed: u64) -> Self {
        let octaves: Vec<_> = (0..OCTAVES).map(|octave| gradients(seed, octave)).collect();
        let mut values = vec![0.0_f32; TILE_CELLS * TILE_CELLS];
        values.par_chunks_mut(TILE_CELLS).enumerate().for_each(|(row, line)| {
            for (column, value) in line.iter_mut().enumerate() {
                let mut amplitude = 1.0;
                for lattice in &octaves {
                    *value += amplitude * gradient_noise(lattice, row, column);
                    amplitude *= PERSISTENCE;
                }
            }
        });
        let count = values.len() as f32;
        let mean = values.iter().sum::<f32>() / count;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt();
        for value in &mut values {
            *value = (*value - mean) / deviation;
        }
        let tile = Array2::from_shape_fn((TILE_CELLS, TILE_CELLS), |(row, column)| values[row * TILE_CELLS + column]);
        Self { tile, seed }
    }

    /// The texture at an instant.
    ///
    /// `cell_km` stretches it: its features are 2 to 32 such cells long. `drift_km` is how far the flow has carried it
    /// by now, `memory_hours` how long it takes to turn into another. `kind` tells textures of one tile apart.
    pub fn at(&self, kind: i64, cell_km: f64, memory_hours: f64, drift_km: f64, hours: f64) -> TextureNow<'_> {
        let age = hours / memory_hours;
        let generation = age.floor();
        // Weights whose squares sum to 1 keep the contrast constant while one fades into the other.
        let (fading, coming) = ((age - generation) * std::f64::consts::FRAC_PI_2).sin_cos();
        let layer = |generation: i64, weight: f64| {
            let mut rng = stream(self.seed, Purpose::TextureShift, &[kind, generation]);
            let cells = TILE_CELLS as f64;
            let along = (rng.random_range(0.0..cells) - drift_km / cell_km).rem_euclid(cells);
            Layer { shift: (along as f32, rng.random_range(0.0..TILE_CELLS as f32)), weight: weight as f32 }
        };
        TextureNow {
            tile: &self.tile,
            cells_per_km: (1.0 / cell_km) as f32,
            layers: [layer(generation as i64, coming), layer(generation as i64 + 1, fading)],
        }
    }
}

impl TextureNow<'_> {
    /// The texture at a place in stream coordinates (km along the flow, km to its left).
    pub fn value(&self, along_km: f32, left_km: f32) -> f32 {
        let (along, left) = (along_km * self.cells_per_km, left_km * self.cells_per_km);
        self.layers
            .iter()
            .map(|layer| layer.weight * interpolate(self.tile, along + layer.shift.0, left + layer.shift.1))
            .sum()
    }
}

/// Bilinear interpolation on the endless repetition of a tile.
fn interpolate(tile: &Array2<f32>, column: f32, row: f32) -> f32 {
    let (left, top) = (column.floor(), row.floor());
    let (dx, dy) = (column - left, row - top);
    let wrap = |cell: f32| cell as i32 as usize & (TILE_CELLS - 1);
    let (x0, y0) = (wrap(left), wrap(top));
    let (x1, y1) = ((x0 + 1) & (TILE_CELLS - 1), (y0 + 1) & (TILE_CELLS - 1));
    let upper = tile[(y0, x0)] + dx * (tile[(y0, x1)] - tile[(y0, x0)]);
    let lower = tile[(y1, x0)] + dx * (tile[(y1, x1)] - tile[(y1, x0)]);
    upper + dy * (lower - upper)
}

/// Random unit vectors on the lattice of an octave.
fn gradients(seed: u64, octave: u32) -> Array2<(f32, f32)> {
    let waves = COARSEST_WAVES << octave;
    let mut rng = stream(seed, Purpose::Texture, &[i64::from(octave)]);
    Array2::from_shape_simple_fn((waves, waves), || {
        let (sin, cos) = rng.random_range(0.0..std::f32::consts::TAU).sin_cos();
        (cos, sin)
    })
}

/// Gradient noise (Perlin 1985, with the quintic fade of 2002) of one lattice at the middle of a tile cell.
fn gradient_noise(lattice: &Array2<(f32, f32)>, row: usize, column: usize) -> f32 {
    let waves = lattice.nrows();
    let scale = waves as f32 / TILE_CELLS as f32;
    let (x, y) = ((column as f32 + 0.5) * scale, (row as f32 + 0.5) * scale);
    let (left, top) = (x as usize, y as usize);
    let (dx, dy) = (x - left as f32, y - top as f32);
    let corner = |right: usize, down: usize| {
        let (gx, gy) = lattice[((top + down) % waves, (left + right) % waves)];
        gx * (dx - right as f32) + gy * (dy - down as f32)
    };
    let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (fx, fy) = (fade(dx), fade(dy));
    let upper = corner(0, 0) + fx * (corner(1, 0) - corner(0, 0));
    let lower = corner(0, 1) + fx * (corner(1, 1) - corner(0, 1));
    upper + fy * (lower - upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texture_is_carried_by_the_drift() {
        let texture = Texture::new(3);
        let before = texture.at(0, 1.0, 1.0, 0.0, 5.0);
        let after = texture.at(0, 1.0, 1.0, 40.0, 5.0);
        for place in [-130.0, 0.3, 77.7] {
            assert!((before.value(place, 12.5) - after.value(place + 40.0, 12.5)).abs() < 1e-3);
        }
    }

    #[test]
    fn it_changes_without_a_jump_and_is_another_one_after_its_memory() {
        let texture = Texture::new(3);
        let along_a_line = |hours: f64| -> Vec<f32> {
            let now = texture.at(0, 1.0, 0.75, 0.0, hours);
            (0..400).map(|km| now.value(km as f32, 0.0)).collect()
        };
        let distance =
            |a: &[f32], b: &[f32]| (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / a.len() as f32).sqrt();
        let start = along_a_line(0.7499);
        assert!(distance(&start, &along_a_line(0.7501)) < 0.01);
        assert!(distance(&start, &along_a_line(1.5)) > 0.8);
    }
}
