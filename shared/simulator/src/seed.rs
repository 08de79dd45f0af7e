//! Random numbers that depend on nothing but a seed and a key, so that any moment of the weather can be worked out
//! without going through the moments before it, and comes out the same on every machine.

use rand::{RngCore, SeedableRng};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

/// What a stream of random numbers is for; keeps equal keys of different things apart.
#[derive(Clone, Copy)]
pub enum Purpose {
    Flow = 1,
    Texture,
    TextureShift,
    Cells,
    Bands,
    Story,
    Clutter,
    RayNoise,
}

/// The random numbers of one thing: the same for the same seed, purpose and key.
pub fn stream(seed: u64, purpose: Purpose, key: &[i64]) -> Xoshiro256PlusPlus {
    let mut state = SplitMix64::seed_from_u64(seed ^ (purpose as u64) << 56).next_u64();
    for &part in key {
        state = SplitMix64::seed_from_u64(state ^ part as u64).next_u64();
    }
    Xoshiro256PlusPlus::seed_from_u64(state)
}

/// A number with mean 0 and standard deviation 1: the sum of four uniform ones, near enough to normal for noise.
pub fn normal(rng: &mut impl RngCore) -> f32 {
    let bits = rng.next_u64();
    let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
    // Four uniforms on 0..65536: mean 131070, standard deviation 65536·√(4/12).
    (sum as f32 - 131_070.0) / 37_837.2
}
