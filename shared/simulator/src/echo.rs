//! What rain sends back: reflectivity from rain rate, its fall with height, and the other moments.

use crate::storm::Rain;

/// Z = 200 R^1.6 (Marshall, Gunn and Palmer 1948/1955), Z in mm⁶/m³, R in mm/h.
const ZR_FACTOR: f32 = 200.0;
const ZR_EXPONENT: f32 = 1.6;
/// Height of the melting layer above the antenna and its half depth, km.
const MELTING_KM: f32 = 2.9;
const MELTING_DEPTH_KM: f32 = 0.35;
/// No echo above this height, km: the tops of the tallest storms here.
pub const ECHO_TOP_KM: f64 = 13.5;
/// Frequency of the radar, GHz (C band).
const FREQUENCY_GHZ: f32 = 5.6;

/// Reflectivity at the ground, dBZ, of a rain rate in mm/h.
pub fn dbz_of_rate(rate_mm_h: f32) -> f32 {
    10.0 * (ZR_FACTOR.log10() + ZR_EXPONENT * rate_mm_h.log10())
}

/// How much weaker the echo is at a height than at the ground, dB (negative: stronger, in the melting layer).
///
/// Stratiform rain keeps its reflectivity up to the melting layer, is brighter in it and loses 4.5 dB a km above it
/// (Fabry and Zawadzki 1995); convective cores lose little up to 5 km and 3 dB a km higher up.
pub fn weaker_by_db(height_km: f32, convective_share: f32) -> f32 {
    let bright_band = 4.0 * melting(height_km);
    let stratiform = 4.5 * (height_km - MELTING_KM).max(0.0) - bright_band;
    let convective = 0.4 * height_km + 2.6 * (height_km - 5.0).max(0.0);
    stratiform + convective_share * (convective - stratiform)
}

/// Co-polar correlation of rain at a height.
pub fn rain_rhohv(height_km: f32, convective_share: f32) -> f32 {
    0.985 - 0.06 * (1.0 - convective_share) * melting(height_km)
}

/// Differential reflectivity, dB, of rain with a reflectivity in dBZ: big drops are flat.
pub fn rain_zdr_db(dbz: f32) -> f32 {
    (0.04 * (dbz - 12.0)).clamp(0.1, 3.0)
}

/// Specific differential phase, degrees/km (one way), of rain: R = 129 (Kdp/f)^0.85 (Bringi and Chandrasekar 2001, eq.
/// 8.30).
pub fn rain_kdp_deg_km(rain: Rain) -> f32 {
    if rain.rate_mm_h <= 0.0 { 0.0 } else { FREQUENCY_GHZ * (rain.rate_mm_h / 129.0).powf(1.0 / 0.85) }
}

/// Weakest echo that is detected at a range, dBZ: the noise of the receiver grows with the square of the range.
pub fn least_detectable_dbz(range_km: f32) -> f32 {
    -38.5 + 20.0 * range_km.max(0.1).log10()
}

fn melting(height_km: f32) -> f32 {
    (-((height_km - MELTING_KM) / MELTING_DEPTH_KM).powi(2)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflectivity_comes_back_as_the_rain_rate_it_was_made_from() {
        assert!((dbz_of_rate(1.0) - 23.0103).abs() < 1e-3);
        for rate in [0.1, 1.0, 12.5, 80.0] {
            let z = 10.0_f32.powf(dbz_of_rate(rate) / 10.0);
            assert!(((z / 200.0).powf(1.0 / 1.6) / rate - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn the_echo_falls_with_height_above_the_melting_layer() {
        for share in [0.0, 0.5, 1.0] {
            let profile: Vec<f32> = (4..13).map(|km| weaker_by_db(km as f32, share)).collect();
            assert!(profile.is_sorted(), "{profile:?}");
        }
    }
}
