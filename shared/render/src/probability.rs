//! Tiles of shares: probabilities, and quality.

use std::sync::OnceLock;

use raincell_model::RainField;

use crate::colors::{NODATA_CODE, Rgba, rate_from_dbz};
use crate::error::RenderError;
use crate::image::IndexedImage;
use crate::{RainTileRenderer, TileRequest};

/// Least probability of each colour, and the colour.
const STEPS: [(f32, Rgba); 7] = [
    (0.05, [0xc9, 0xdc, 0xee, 0x90]),
    (0.2, [0x93, 0xbf, 0xe3, 0xb8]),
    (0.4, [0x8f, 0xce, 0xa0, 0xd0]),
    (0.5, [0xf4, 0xdd, 0x62, 0xe0]),
    (0.6, [0xf5, 0xb0, 0x41, 0xe8]),
    (0.8, [0xe2, 0x5b, 0x33, 0xf0]),
    (0.95, [0x9c, 0x1f, 0x4f, 0xf5]),
];
/// Least quality of each colour, and the colour.
const QUALITY_STEPS: [(f32, Rgba); 5] = [
    (0.01, [0x8c, 0x2d, 0x19, 0xa0]),
    (0.2, [0xd8, 0x7b, 0x3a, 0xa0]),
    (0.4, [0xee, 0xd0, 0x7a, 0xa0]),
    (0.6, [0x9c, 0xc9, 0x9a, 0xa0]),
    (0.8, [0x3a, 0x8f, 0x86, 0xa0]),
];
/// Reflectivity that stands for a share: so many dBZ at 0, and so many more at 1. Above what is drawn in a cell
/// beside rain, and below the highest colour code.
const DBZ: (f32, f32) = (10.0, 60.0);
/// Code of 0 dBZ.
const ZERO_DBZ_CODE: f32 = 32.0;

/// The colours of probabilities with the least probability (0–1) of each; below the first, nothing is drawn.
pub fn probability_legend() -> &'static [(f32, Rgba)] {
    &STEPS
}

/// The colours of quality with the least quality (0–1) of each; below the first, nothing is drawn.
pub fn quality_legend() -> &'static [(f32, Rgba)] {
    &QUALITY_STEPS
}

impl RainTileRenderer {
    /// Probabilities (0–1, NaN unknown) on a tile; the colour scheme of the request has no part in it.
    ///
    /// # Errors
    /// As [`Self::tile`].
    pub fn probability_tile(&self, field: &RainField, request: &TileRequest) -> Result<IndexedImage, RenderError> {
        static PALETTE: OnceLock<[Rgba; 256]> = OnceLock::new();
        self.share_tile(field, request, PALETTE.get_or_init(|| palette(&STEPS)))
    }

    /// Quality (0–1, NaN unknown) on a tile; the colour scheme of the request has no part in it.
    ///
    /// # Errors
    /// As [`Self::tile`].
    pub fn quality_tile(&self, field: &RainField, request: &TileRequest) -> Result<IndexedImage, RenderError> {
        static PALETTE: OnceLock<[Rgba; 256]> = OnceLock::new();
        self.share_tile(field, request, PALETTE.get_or_init(|| palette(&QUALITY_STEPS)))
    }

    fn share_tile(
        &self,
        field: &RainField,
        request: &TileRequest,
        palette: &[Rgba; 256],
    ) -> Result<IndexedImage, RenderError> {
        let mut image = self.tile(&as_rain(field), request)?;
        image.palette = palette.to_vec();
        Ok(image)
    }
}

/// Probabilities as the rain rates that are drawn for them, whose codes are whole dBZ. (Where a pixel is wider than its
/// cells, rates are averaged, which shows the higher probabilities among cells that hardly differ.)
pub(crate) fn as_rain(probability: &RainField) -> RainField {
    let of_share = |p: f32| if p > 0.0 { rate_from_dbz(DBZ.0 + DBZ.1 * p.min(1.0)) } else { p };
    RainField { rate_mm_h: probability.rate_mm_h.mapv(of_share), ..probability.clone() }
}

/// The least code of what [`as_rain`] makes of a probability.
pub(crate) fn code_of(share: f32) -> u8 {
    (ZERO_DBZ_CODE + DBZ.0 + DBZ.1 * share).round() as u8
}

/// The colour of each code, from the least share of each colour.
fn palette(steps: &[(f32, Rgba)]) -> [Rgba; 256] {
    let mut palette = [[0; 4]; 256];
    for (code, color) in palette.iter_mut().enumerate().take(usize::from(NODATA_CODE)) {
        let share = (code as f32 - ZERO_DBZ_CODE - DBZ.0) / DBZ.1;
        *color = steps.iter().rev().find(|(least, _)| share + 0.01 >= *least).map_or([0; 4], |(_, color)| *color);
    }
    palette
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ColorScheme;
    use jiff::Timestamp;
    use ndarray::Array2;
    use raincell_model::Grid;
    use std::sync::Arc;

    #[test]
    fn each_probability_has_the_colour_of_its_step_and_the_unknown_none() {
        let grid = Arc::new(Grid::around_radar(52.0, 5.0, 64.0, 1.0));
        let renderer = RainTileRenderer::new(&grid).unwrap();
        let color_of = |p: f32| {
            let rate_mm_h = Array2::from_elem(grid.shape(), p);
            let field = RainField { grid: Arc::clone(&grid), valid_time: Timestamp::UNIX_EPOCH, rate_mm_h };
            let scheme = ColorScheme::UniversalBlue;
            // The tile of zoom 9 that holds the middle of the grid.
            let request = TileRequest { z: 9, x: 263, y: 168, size: 256, scheme, smooth: true, snow: false };
            renderer.probability_tile(&field, &request).unwrap().color_at(128, 128)
        };
        for (least, color) in probability_legend() {
            assert_eq!(color_of(least + 0.02), *color, "{least}");
        }
        assert_eq!(color_of(1.0), STEPS[6].1);
        for unseen in [0.0, 0.02, f32::NAN] {
            assert_eq!(color_of(unseen)[3], 0, "{unseen}");
        }
    }
}
