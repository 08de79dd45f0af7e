//! Loops run with the widest vector instructions of the processor at hand.
//!
//! One program is to run on any x86-64 processor, so that the compiler may use nothing newer than SSE2: four numbers at
//! once. [`widest`] holds its work a second time, compiled for AVX2, and takes that where the processor has it. Both give
//! the same bits: additions keep their order, and no multiplication is fused with an addition. On other architectures
//! there is one version.
//!
//! [`exp`] and [`log2`] are such that loops over them become vector instructions.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the wider instructions")]

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether [`widest`] is to do without what the processor has beyond the baseline.
static HELD_BACK: AtomicBool = AtomicBool::new(false);

/// From now on and for the whole process [`widest`] takes the version for any processor, or again the widest: for tests that
/// compare the two, and to see what the wider one is worth.
pub fn hold_back(held_back: bool) {
    HELD_BACK.store(held_back, Ordering::Relaxed);
}

/// Runs `work` compiled for the widest vector instructions that the processor knows.
///
/// Only what is inlined into the closure gains: mark it, and the functions that it calls, `#[inline(always)]`. Asking the
/// processor costs a load, so that a row of a field is enough work for a call.
#[inline(always)]
pub fn widest<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = fearless_simd::Level::new().as_avx2().filter(|_| !HELD_BACK.load(Ordering::Relaxed)) {
        return fearless_simd::Simd::vectorize(avx2, work);
    }
    work()
}

/// The exponential function, good to 5 millionths of its value for |x| < 15: a power of two, and a polynomial for what is
/// between. Beyond ±80 it stays at the value there.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding this number rounds to a whole one, which then stands in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    let octaves = x.clamp(-80.0, 80.0) * std::f32::consts::LOG2_E;
    let sum = octaves + ROUNDING;
    let rest = (octaves - (sum - ROUNDING)) * std::f32::consts::LN_2;
    let power = sum.to_bits().wrapping_sub(ROUNDING.to_bits()).wrapping_add(127) << 23;
    // Taylor's polynomial: |rest| is at most ln(2) / 2.
    let between = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * (1.0 / 120.0)))));
    f32::from_bits(power) * between
}

/// Binary logarithm of a positive number, good to 3 millionths: exact at powers of two, between them a polynomial of the
/// mantissa (least squares at Chebyshev nodes). Of what is no positive number it is some number without meaning.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    const C: [f32; 7] =
        [1.442_692, -0.721_162_6, 0.477_705_1, -0.339_244_66, 0.215_582_94, -0.096_061_44, 0.020_488_763];
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let f = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let [c0, c1, c2, c3, c4, c5, c6] = C;
    exponent as f32 + f * (c0 + f * (c1 + f * (c2 + f * (c3 + f * (c4 + f * (c5 + f * c6))))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_one() {
        let off = |x: f32| (f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs();
        assert!((-1500..1500).map(|i| off(i as f32 * 0.01)).fold(0.0, f64::max) < 5e-6);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-30 && exp(1e9).is_finite());
    }

    #[test]
    fn the_logarithm_is_one() {
        assert_eq!([0.125, 1.0, 2.0, 4096.0].map(log2), [-3.0, 0.0, 1.0, 12.0]);
        let worst = (0..100_000).map(|i| 0.01 + 0.02 * i as f32).map(|x| (log2(x) - x.log2()).abs());
        assert!(worst.fold(0.0, f32::max) < 5e-6);
    }

    #[test]
    fn wider_instructions_give_the_same_bits() {
        let values: Vec<f32> = (0..1003).map(|i| 1e-3 * (i * i) as f32 + 0.07).collect();
        let work = |values: &[f32]| values.iter().map(|x| exp(-x) * 3.0 + log2(*x) / x).collect::<Vec<f32>>();
        let plain = work(&values);
        let wide = widest(
            #[inline(always)]
            || values.iter().map(|x| exp(-x) * 3.0 + log2(*x) / x).collect::<Vec<f32>>(),
        );
        hold_back(true);
        let held_back = widest(
            #[inline(always)]
            || work(&values),
        );
        hold_back(false);
        assert!(plain.iter().zip(&wide).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert!(plain.iter().zip(&held_back).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}
