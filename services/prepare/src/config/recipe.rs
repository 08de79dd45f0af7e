//! How a scan becomes rain: grid, Z–R, filters.

use serde::Deserialize;

/// Which Z–R relation turns reflectivity into rain.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ZrChoice {
    /// WSR-88D for NEXRAD files, Marshall–Palmer for all others.
    #[default]
    Auto,
    /// Z = 200 R^1.6 (Marshall and Palmer 1948).
    MarshallPalmer,
    /// Z = 300 R^1.4 (Fulton et al. 1998).
    #[serde(rename = "wsr-88d")]
    Wsr88d,
    /// Z = 250 R^1.2 (Rosenfeld et al. 1993).
    Tropical,
}

/// How a scan becomes rain: grid, Z–R, filters.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Half the side of the square grid around a radar, km.
    pub radius_km: f64,
    /// Side of a cell, km.
    pub cell_km: f64,
    /// Z–R relation.
    pub z_r: ZrChoice,
    /// Reflectivity above this counts as this, dBZ.
    pub cap_dbz: f32,
    /// Rates of composites above this are cut, mm/h.
    pub cap_mm_h: f32,
    /// Gates with a lower correlation coefficient are not rain.
    pub rhohv_gate: bool,
    /// That lower limit.
    pub rhohv_minimum: f32,
    /// Texture filter of Gabella and Notarpietro (2002).
    pub gabella: bool,
    /// Small groups of gates are not rain.
    pub despeckle: bool,
    /// Groups of fewer gates are small.
    pub despeckle_gates: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            radius_km: 240.0,
            cell_km: 1.0,
            z_r: ZrChoice::Auto,
            cap_dbz: 53.0,
            cap_mm_h: 250.0,
            rhohv_gate: true,
            rhohv_minimum: 0.85,
            gabella: true,
            despeckle: true,
            despeckle_gates: 10,
        }
    }
}
