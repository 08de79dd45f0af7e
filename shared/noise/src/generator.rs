//! One generator a member.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator of a member: seeds and members that differ give streams that have nothing in common.
pub fn generator(seed: u64, member: usize) -> Xoshiro256PlusPlus {
    // An odd constant keeps (seed, member) and (seed + 1, member − 1) apart; seeding mixes the bits.
    Xoshiro256PlusPlus::seed_from_u64(seed ^ (member as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
