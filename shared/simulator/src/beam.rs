//! Where a radar beam is: the 4/3-earth model (Doviak and Zrnić 1993, eq. 2.28).

/// Radius of the earth, m.
const EARTH_RADIUS_M: f64 = 6_371_000.0;
/// Radius of the earth that makes the bent beam straight, m.
const EFFECTIVE_RADIUS_M: f64 = EARTH_RADIUS_M * 4.0 / 3.0;

/// (distance along the ground in km, height above the antenna in km) of the beam's axis at a range.
pub fn ground_km_and_height_km(range_m: f64, elevation_deg: f64) -> (f64, f64) {
    let (sin, cos) = elevation_deg.to_radians().sin_cos();
    let to_centre =
        (range_m * range_m + EFFECTIVE_RADIUS_M * EFFECTIVE_RADIUS_M + 2.0 * range_m * EFFECTIVE_RADIUS_M * sin).sqrt();
    let ground = EFFECTIVE_RADIUS_M * (range_m * cos / to_centre).asin();
    (ground / 1000.0, (to_centre - EFFECTIVE_RADIUS_M) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beam_rises_as_tables_say() {
        // 0.5° at 100 km: 1.46 km; at 200 km: 4.1 km.
        let (ground, height) = ground_km_and_height_km(100_000.0, 0.5);
        assert!((height - 1.46).abs() < 0.02 && (ground - 99.97).abs() < 0.05, "{ground} {height}");
        assert!((ground_km_and_height_km(200_000.0, 0.5).1 - 4.10).abs() < 0.02);
    }
}
