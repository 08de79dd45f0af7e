//! Colours of rain: the colour tables of the RainViewer API, by reflectivity, and the steps of a legend.

use std::sync::OnceLock;

/// Red, green, blue, opacity.
pub type Rgba = [u8; 4];

/// The RainViewer API colour table: a row for each dBZ from −32 to 95, first rain, then snow; a column for each scheme.
const TABLE: &str = include_str!("../data/rainviewer_colors.csv");

/// Code of a pixel without rain; otherwise a code is dBZ + 32, with [`SNOW_BIT`] set for snow.
pub(crate) const DRY_CODE: u8 = 0;
/// The bit of a code that says snow.
pub(crate) const SNOW_BIT: u8 = 128;
/// Code of a pixel that was not observed: snow of −32 dBZ, which no field holds.
pub(crate) const NODATA_CODE: u8 = SNOW_BIT;

/// Colour table of a tile, numbered as in the RainViewer API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColorScheme {
    /// 0: grey whose red is dBZ + 32 (+ 128 for snow); no rain is transparent.
    BlackAndWhite,
    /// 1: Original.
    Original,
    /// 2: Universal Blue.
    UniversalBlue,
    /// 3: TITAN.
    Titan,
    /// 4: The Weather Channel.
    WeatherChannel,
    /// 5: Meteored.
    Meteored,
    /// 6: NEXRAD Level III.
    NexradLevel3,
    /// 7: Rainbow @ Selex SI.
    RainbowSelex,
    /// 8: Dark Sky.
    DarkSky,
    /// 255: the codes of scheme 0 for machines: opaque wherever observed, so that black is dry and transparent is not
    /// observed.
    Raw,
}

impl ColorScheme {
    /// Every scheme, by number.
    pub const ALL: [Self; 10] = [
        Self::BlackAndWhite,
        Self::Original,
        Self::UniversalBlue,
        Self::Titan,
        Self::WeatherChannel,
        Self::Meteored,
        Self::NexradLevel3,
        Self::RainbowSelex,
        Self::DarkSky,
        Self::Raw,
    ];

    /// The scheme of a number in a RainViewer path; `None` for a number that has none.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// Its number in a RainViewer path.
    pub fn number(self) -> u8 {
        match self {
            Self::Raw => 255,
            other => other as u8,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlackAndWhite => "Black and White",
            Self::Original => "Original",
            Self::UniversalBlue => "Universal Blue",
            Self::Titan => "TITAN",
            Self::WeatherChannel => "The Weather Channel",
            Self::Meteored => "Meteored",
            Self::NexradLevel3 => "NEXRAD Level III",
            Self::RainbowSelex => "Rainbow @ SELEX SI",
            Self::DarkSky => "Dark Sky",
            Self::Raw => "Raw",
        }
    }

    /// Colour of a reflectivity, which is rounded to whole dBZ and clamped to −31…95.
    pub fn color(self, dbz: f32, snow: bool) -> Rgba {
        let code = code_from_dbz(dbz) | if snow { SNOW_BIT } else { 0 };
        self.palette()[code as usize]
    }

    /// Colours by code.
    pub(crate) fn palette(self) -> &'static [Rgba; 256] {
        static PALETTES: OnceLock<Vec<[Rgba; 256]>> = OnceLock::new();
        &PALETTES.get_or_init(read_palettes)[Self::ALL.iter().position(|&s| s == self).unwrap_or(0)]
    }
}

/// One palette a scheme, in the order of [`ColorScheme::ALL`].
fn read_palettes() -> Vec<[Rgba; 256]> {
    let mut palettes = vec![[[0; 4]; 256]; ColorScheme::ALL.len()];
    for (code, line) in TABLE.lines().skip(1).take(256).enumerate() {
        for (palette, cell) in palettes.iter_mut().zip(line.split(',').skip(1)) {
            palette[code] = parse_color(cell);
        }
    }
    if let Some(raw) = palettes.last_mut() {
        for code in 0..=255_u8 {
            raw[code as usize] = [code, code, code, 255];
        }
    }
    for palette in &mut palettes {
        palette[NODATA_CODE as usize] = [0; 4];
    }
    palettes
}

/// `#rrggbbaa`; transparent where it is none.
fn parse_color(text: &str) -> Rgba {
    u32::from_str_radix(text.trim().trim_start_matches('#'), 16).map_or([0; 4], u32::to_be_bytes)
}

/// Code of a reflectivity with rain.
pub(crate) fn code_from_dbz(dbz: f32) -> u8 {
    // Adding a half and cutting off rounds, and takes no call into the maths library for each pixel.
    (dbz + 32.5).clamp(1.0, 127.0) as u8
}

/// Reflectivity, dBZ, of a rain rate by Z = 200·R^1.6 (Marshall and Palmer 1948); −∞ for 0, NaN for NaN.
pub fn dbz_from_rate(rate_mm_h: f32) -> f32 {
    23.0103 + 16.0 * rate_mm_h.log10()
}

/// Rain rate, mm/h, of a reflectivity: the inverse of [`dbz_from_rate`].
pub fn rate_from_dbz(dbz: f32) -> f32 {
    10_f32.powf((dbz - 23.0103) / 16.0)
}

/// One step of a legend: this colour from this rate up to the next step's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LegendStep {
    /// Lower bound, mm/h.
    pub from_mm_h: f32,
    /// Its colour.
    pub color: Rgba,
}

/// Lower bounds of the legend's steps, mm/h, with the reflectivity whose colour stands for the step. The bounds are
/// round figures next to multiples of 5 dBZ, where most tables change colour.
const STEPS: [(f32, f32); 10] = [
    (0.1, 10.0),
    (0.3, 15.0),
    (0.6, 20.0),
    (1.2, 25.0),
    (2.5, 30.0),
    (5.0, 35.0),
    (10.0, 40.0),
    (25.0, 45.0),
    (50.0, 50.0),
    (100.0, 55.0),
];

/// The legend of a scheme, ascending, in mm/h.
pub fn legend(scheme: ColorScheme) -> Vec<LegendStep> {
    STEPS.iter().map(|&(from_mm_h, dbz)| LegendStep { from_mm_h, color: scheme.color(dbz, false) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_figures_come_out_of_the_table() {
        assert_eq!(ColorScheme::UniversalBlue.color(10.0, false), [0x88, 0xdd, 0xee, 0xff]);
        assert_eq!(ColorScheme::UniversalBlue.color(30.0, false), [0xff, 0xee, 0x00, 0xff]);
        assert_eq!(ColorScheme::UniversalBlue.color(-32.0, false)[3], 0);
        assert_eq!(ColorScheme::UniversalBlue.color(-8.0, false), [0x63, 0x61, 0x59, 0x25]);
        assert_eq!(ColorScheme::NexradLevel3.color(95.0, true), [0x01, 0x09, 0x40, 0xff]);
    }

    #[test]
    fn scheme_zero_says_its_dbz_in_red_and_snow_in_the_top_bit() {
        for dbz in -31..=95 {
            let [red, ..] = ColorScheme::BlackAndWhite.color(dbz as f32, false);
            assert_eq!(i32::from(red & 127) - 32, dbz);
            assert_eq!(red & SNOW_BIT, 0);
            let [red, ..] = ColorScheme::BlackAndWhite.color(dbz as f32, true);
            assert_eq!((i32::from(red & 127) - 32, red & SNOW_BIT), (dbz, SNOW_BIT));
        }
    }

    #[test]
    fn numbers_lead_to_schemes_and_back() {
        for scheme in ColorScheme::ALL {
            assert_eq!(ColorScheme::from_number(scheme.number()), Some(scheme));
        }
        assert_eq!(ColorScheme::from_number(9), None);
    }

    #[test]
    fn rates_and_reflectivities_are_inverse_to_each_other() {
        assert!((dbz_from_rate(1.0) - 23.01).abs() < 0.01);
        for rate in [0.05, 0.3, 2.0, 40.0, 250.0] {
            assert!((rate_from_dbz(dbz_from_rate(rate)) / rate - 1.0).abs() < 1e-4);
        }
        assert!(dbz_from_rate(f32::NAN).is_nan());
    }

    #[test]
    fn every_step_of_the_legend_has_a_colour_of_its_own() {
        let steps = legend(ColorScheme::UniversalBlue);
        for pair in steps.windows(2) {
            assert!(pair[0].from_mm_h < pair[1].from_mm_h && pair[0].color != pair[1].color);
        }
    }
}
