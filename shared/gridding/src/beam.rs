//! Where the beam of a radar runs: height above sea level and distance along the ground, by the 4/3-earth model
//! (Doviak and Zrnić 1993, equation 2.28).

/// Mean radius of the earth, metres.
pub const EARTH_RADIUS_M: f64 = 6_371_000.0;
/// Radius of the earth over which a refracted beam is straight, metres.
const EFFECTIVE_RADIUS_M: f64 = EARTH_RADIUS_M * 4.0 / 3.0;

/// Height of the beam centre above mean sea level, metres, at a slant range (metres), elevation (degrees) and height of
/// the antenna (metres).
pub fn height_m(range_m: f64, elevation_deg: f64, antenna_m: f64) -> f64 {
    let from_centre = EFFECTIVE_RADIUS_M + antenna_m;
    let sine = elevation_deg.to_radians().sin();
    (range_m * range_m + from_centre * from_centre + 2.0 * range_m * from_centre * sine).sqrt() - EFFECTIVE_RADIUS_M
}

/// Distance along the ground, metres, of a slant range (metres) at an elevation (degrees) from an antenna at a height
/// (metres).
pub fn ground_distance_m(range_m: f64, elevation_deg: f64, antenna_m: f64) -> f64 {
    let (sine, cosine) = elevation_deg.to_radians().sin_cos();
    EFFECTIVE_RADIUS_M * (range_m * cosine).atan2(range_m * sine + EFFECTIVE_RADIUS_M + antenna_m)
}

/// Slant range, metres, at which the beam is above a place at a distance along the ground (metres): the inverse of
/// [`ground_distance_m`]. Infinite where the beam never gets there.
pub fn slant_range_m(distance_m: f64, elevation_deg: f64, antenna_m: f64) -> f64 {
    let angle = distance_m / EFFECTIVE_RADIUS_M;
    let cosine = (elevation_deg.to_radians() + angle).cos();
    if cosine <= 0.0 { f64::INFINITY } else { (EFFECTIVE_RADIUS_M + antenna_m) * angle.sin() / cosine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_and_distances_are_those_of_wradlib() {
        // `wradlib.georef.bin_altitude` and `bin_distance` of wradlib 2.9.6 with re = 6371 km.
        for (range, elevation, antenna, height, distance) in [
            (50_000.0, 0.5, 230.0, 813.4539, 49993.5974),
            (100_000.0, 0.5, 230.0, 1691.1166, 99978.5973),
            (250_000.0, 1.3, 0.0, 9345.4715, 249696.9424),
            (460_000.0, 0.48, 1000.0, 17291.4292, 459273.1543),
            (80_000.0, 19.5, 320.0, 27358.2123, 75170.2078),
        ] {
            assert!((height_m(range, elevation, antenna) - height).abs() < 1e-3);
            assert!((ground_distance_m(range, elevation, antenna) - distance).abs() < 1e-3);
        }
    }

    #[test]
    fn the_inverse_undoes_the_distance() {
        for elevation in [-0.5, 0.0, 0.5, 4.0, 19.5, 60.0, 90.0] {
            for range in [0.0, 250.0, 10_000.0, 230_000.0, 460_000.0] {
                let there = ground_distance_m(range, elevation, 320.0);
                let back = slant_range_m(there, elevation, 320.0);
                assert!((back - range).abs() < 0.01 || elevation == 90.0, "{elevation} {range}: {back}");
            }
        }
    }
}
