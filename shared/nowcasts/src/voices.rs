//! Who is heard, beside the odds, on where rain of each rate is placed: it depends on how rare the rate is.

use ndarray::Array2;

use crate::exceedance::{RATES, RATES_MM_H};

/// Shares of the wet cells at and above 1 and 5 mm/h from which on such rain is rare, and from which on it is common.
const RARE: [f32; RATES] = [1.0, 0.35, 0.03];
const COMMON: [f32; RATES] = [1.0, 0.5, 0.07];
/// What S-PROG counts for, and what ANVIL does, where a rate is common and where it is rare, at short leads.
const SPROG: [[f32; 2]; RATES] = [[8.0, 8.0], [0.0, 1.5], [4.0, 0.0]];
const ANVIL: [[f32; 2]; RATES] = [[8.0, 8.0], [0.0, 8.0], [0.0, 10.0]];
/// What the cell's own heavy rain counts for at long leads, likewise.
const OWN: [f32; 2] = [0.0, 8.0];
/// How much the threshold of the neighbourhood counts against that of the whole field, likewise.
const LOCAL: [[f32; 2]; RATES] = [[0.3, 0.3], [0.2, 0.3], [0.2, 0.4]];

/// What is added to the odds before areas are made of them, in log-odds over the range of strengths, a number per rate.
///
/// None of it makes the odds of single cells better (their Brier score does not change): it decides between cells that are
/// about equally likely. Where a rate is common its areas are wide, and S-PROG, in which small scales fade, finds their
/// core; what is rare comes in spots, which ANVIL keeps and a wide average would drown.
pub(crate) struct Voices {
    pub sprog: [f32; RATES],
    pub anvil: [f32; RATES],
    /// Of the cell's own heavy rain, at long leads.
    pub own: f32,
    /// How much of the neighbourhood's threshold counts, 0 to 1.
    pub local: [f32; RATES],
}

impl Voices {
    /// By the rain (mm/h) of the newest field.
    pub fn of(rate_mm_h: &Array2<f32>) -> Self {
        let mut cells = [0.0_f32; RATES];
        for rate in rate_mm_h {
            for (n, least) in cells.iter_mut().zip(RATES_MM_H) {
                *n += f32::from(u8::from(*rate >= least));
            }
        }
        let rarity: [f32; RATES] = std::array::from_fn(|k| {
            let (share, range) = (cells[k] / cells[0].max(1.0), (COMMON[k] / RARE[k]).ln());
            if range > 0.0 { ((COMMON[k] / share.max(1e-6)).ln() / range).clamp(0.0, 1.0) } else { 0.0 }
        });
        let between = |[common, rare]: [f32; 2], k: usize| common + rarity[k] * (rare - common);
        let each = |table: &[[f32; 2]; RATES]| std::array::from_fn(|k| between(table[k], k));
        Self { sprog: each(&SPROG), anvil: each(&ANVIL), own: between(OWN, RATES - 1), local: each(&LOCAL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred wet cells, so many of them heavy.
    fn voices(heavy: usize) -> Voices {
        Voices::of(&Array2::from_shape_fn((20, 20), |(r, c)| match r * 20 + c {
            cell if cell < heavy => 8.0,
            cell if cell < 100 => 0.5,
            _ => 0.0,
        }))
    }

    #[test]
    fn spots_are_left_to_anvil_and_wide_areas_to_sprog() {
        let (spots, wide) = (voices(1), voices(20));
        assert!(spots.anvil[2] > 9.0 && spots.sprog[2].abs() < 1e-6 && spots.own > 7.0);
        assert!(wide.anvil[2].abs() < 1e-6 && wide.sprog[2] > 3.0 && wide.own.abs() < 1e-6);
        let between = voices(5);
        assert!(between.anvil[2] > 1.0 && between.sprog[2] > 1.0);
    }

    #[test]
    fn no_rain_at_all_is_heard_as_rare() {
        for rate in [0.0, f32::NAN] {
            let voices = Voices::of(&Array2::from_elem((3, 4), rate));
            assert!(voices.anvil.iter().chain(&voices.sprog).all(|v| v.is_finite()) && voices.anvil[2] > 9.0);
        }
    }
}
