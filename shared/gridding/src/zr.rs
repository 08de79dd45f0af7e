//! Z–R relations: reflectivity to rain rate and back.

/// Reflectivity below which an echo is taken as no rain, dBZ.
///
/// Drizzle of 0.1 mm/h, the least that any of our products asks about, has 7 dBZ after Marshall and Palmer; weaker echo
/// aloft mostly evaporates, or is insects and dust. National composites are cut at about the same value.
pub const FLOOR_DBZ: f32 = 7.0;

/// A power law Z = a·R^b between the reflectivity factor Z (mm⁶/m³) and the rain rate R (mm/h), with a cap against hail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZR {
    /// Factor a.
    pub a: f32,
    /// Exponent b.
    pub b: f32,
    /// Reflectivity above which hail and not more rain is seen, dBZ; higher values count as this one.
    pub cap_dbz: f32,
}

impl ZR {
    /// Widespread rain: 200, 1.6 (Marshall, Langille and Palmer 1947; as in Marshall and Palmer 1948).
    pub const MARSHALL_PALMER: Self = Self { a: 200.0, b: 1.6, cap_dbz: 53.0 };
    /// Convection, the default of the WSR-88D network: 300, 1.4 (Fulton et al. 1998).
    pub const WSR_88D: Self = Self { a: 300.0, b: 1.4, cap_dbz: 53.0 };
    /// Tropical rain: 250, 1.2 (Rosenfeld et al. 1993).
    pub const TROPICAL: Self = Self { a: 250.0, b: 1.2, cap_dbz: 53.0 };

    /// Rain rate in mm/h of a reflectivity in dBZ; 0 below [`FLOOR_DBZ`], level above the cap. NaN stays NaN.
    pub fn rate_mm_h(&self, dbz: f32) -> f32 {
        if dbz < FLOOR_DBZ { 0.0 } else { self.power_law(if dbz > self.cap_dbz { self.cap_dbz } else { dbz }) }
    }

    /// Reflectivity in dBZ of a rain rate in mm/h by the bare power law; −∞ for 0.
    pub fn dbz(&self, rate_mm_h: f32) -> f32 {
        10.0 * (self.a * rate_mm_h.powf(self.b)).log10()
    }

    /// True where [`Self::rate_mm_h`] answers with the rate of the cap.
    pub fn caps(&self, dbz: f32) -> bool {
        dbz > self.cap_dbz
    }

    fn power_law(&self, dbz: f32) -> f32 {
        (10_f32.powf(dbz / 10.0) / self.a).powf(1.0 / self.b)
    }
}

impl Default for ZR {
    fn default() -> Self {
        Self::MARSHALL_PALMER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [ZR; 3] = [ZR::MARSHALL_PALMER, ZR::WSR_88D, ZR::TROPICAL];

    #[test]
    fn the_relations_give_their_known_rates() {
        // R = (10^(dBZ/10)/a)^(1/b), by hand.
        for (zr, dbz, rate) in [
            (ZR::MARSHALL_PALMER, 23.0, 0.9985),
            (ZR::MARSHALL_PALMER, 40.0, 11.531),
            (ZR::WSR_88D, 40.0, 12.240),
            (ZR::WSR_88D, 53.0, 103.79),
            (ZR::TROPICAL, 40.0, 21.635),
        ] {
            assert!((zr.rate_mm_h(dbz) / rate - 1.0).abs() < 2e-3, "{zr:?} {dbz}: {}", zr.rate_mm_h(dbz));
        }
    }

    #[test]
    fn hail_counts_as_the_cap_and_weak_echo_as_dry() {
        for zr in ALL {
            assert_eq!(zr.rate_mm_h(75.0), zr.rate_mm_h(53.0));
            assert!(zr.caps(53.5) && !zr.caps(53.0));
            assert_eq!(zr.rate_mm_h(6.9), 0.0);
            assert!(zr.rate_mm_h(7.0) > 0.0);
            assert!(zr.rate_mm_h(f32::NAN).is_nan());
        }
    }

    proptest! {
        #[test]
        fn more_echo_is_never_less_rain(low in -40.0..90.0_f32, more in 0.0..40.0_f32) {
            for zr in ALL {
                prop_assert!(zr.rate_mm_h(low + more) >= zr.rate_mm_h(low));
            }
        }

        #[test]
        fn a_rate_comes_back_from_its_reflectivity(dbz in 7.01..52.99_f32) {
            for zr in ALL {
                prop_assert!((zr.dbz(zr.rate_mm_h(dbz)) - dbz).abs() < 1e-3);
            }
        }
    }
}
