//! One scan → one rain-rate field: quality control, Z–R, grid.

use ndarray::Array2;
use raincell_frame::Frame;
use raincell_gridding::{Gridded, RadarView, ScanError, ZR, grid_scan_to_rain};
use raincell_io::RawScan;
use raincell_model::{Grid, GridError, GridQuantity, GridScan, PolarVolume, RainField};
use raincell_qc::{Chain, Correlation, FilterReport, QcConfig, QcError, Speckle, Texture};
use std::sync::Arc;

use thiserror::Error;

use crate::config::{Recipe, SourceConfig, ZrChoice};

/// The product that holds how much a rain rate is worth.
pub const QUALITY: &str = "quality";
/// Rates from here on count as wet in reports, mm/h.
const WET_MM_H: f32 = 0.1;

/// Why a scan gives no rain field.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// Nothing to make rain from.
    #[error("{radar} {time}: no sweep has reflectivity (DBZH or TH)")]
    NoReflectivity {
        /// Id of the radar.
        radar: String,
        /// Nominal time.
        time: jiff::Timestamp,
    },
    /// The radar's grid cannot be laid out.
    #[error("{radar}: its grid cannot be laid out")]
    Grid {
        /// Id of the radar.
        radar: String,
        /// What is wrong with it.
        #[source]
        source: GridError,
    },
    /// The sweep cannot be cleaned.
    #[error("{radar}: its lowest sweep cannot be cleaned")]
    Quality {
        /// Id of the radar.
        radar: String,
        /// What is wrong with it.
        #[source]
        source: QcError,
    },
    /// The composite says too little.
    #[error(transparent)]
    Composite(#[from] ScanError),
}

/// A rain field with the story of how it was made.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Id of the radar or composite, lower case.
    pub radar: String,
    /// True when it is a single radar's.
    pub single_radar: bool,
    /// The rain.
    pub field: RainField,
    /// How much it is worth, 0–1 (NaN where unknown), of the same shape; `None` where nothing tells.
    pub quality: Option<Array2<f32>>,
    /// Sweeps that were read.
    pub sweeps: usize,
    /// What each filter took.
    pub filters: Vec<FilterReport>,
    /// Cells whose rate was cut.
    pub capped: usize,
    /// The rate of the reflectivity above which hail and not more rain is seen, mm/h; `None` where the rates were not made
    /// from reflectivity.
    pub hail_cap_mm_h: Option<f32>,
}

impl Prepared {
    /// Share of the observed area that is wet, percent.
    pub fn wet_percent(&self) -> f64 {
        self.field.wet_share(WET_MM_H) * 100.0
    }

    /// Sum of the rain rate over all cells, mm/h.
    pub fn rain_sum_mm_h(&self) -> f64 {
        self.field.rate_mm_h.iter().filter(|rate| rate.is_finite()).map(|rate| f64::from(*rate)).sum()
    }

    /// Gates that the filters took.
    pub fn rejected_gates(&self) -> usize {
        self.filters.iter().map(|f| f.gates_taken).sum()
    }

    /// The frame that goes to the store.
    pub fn frame(&self, source: &SourceConfig) -> Frame {
        let named = [source.source.as_str(), if self.single_radar { &self.radar } else { &source.name }];
        let name = named.into_iter().find(|n| !n.is_empty()).unwrap_or("unnamed");
        Frame { source: name.to_owned(), product: "rate".to_owned(), field: self.field.clone() }
    }

    /// The quality in the place of the rain rate, as a frame beside that one; `None` where nothing tells it.
    pub fn quality_frame(&self, rate: &Frame) -> Option<Frame> {
        let field = RainField { rate_mm_h: self.quality.clone()?, ..rate.field.clone() };
        Some(Frame { source: rate.source.clone(), product: QUALITY.to_owned(), field })
    }
}

/// Turns a scan into rain.
///
/// # Errors
/// [`PrepareError`]; a bad file never gets this far, a volume without reflectivity does.
pub fn to_rain(scan: &RawScan, recipe: &Recipe) -> Result<Prepared, PrepareError> {
    match scan {
        RawScan::Volume(volume) => volume_to_rain(volume, recipe),
        RawScan::Grid(grid) => grid_to_rain(grid, recipe),
    }
}

fn volume_to_rain(volume: &PolarVolume, recipe: &Recipe) -> Result<Prepared, PrepareError> {
    let site = &volume.site;
    let grid = Grid::around_radar(site.lat_deg, site.lon_deg, recipe.radius_km, recipe.cell_km);
    volume_on(volume, Arc::new(grid), recipe)
}

/// Turns a volume into rain on any grid, so that many radars can be put together.
///
/// # Errors
/// As [`to_rain`].
pub fn volume_on(volume: &PolarVolume, grid: Arc<Grid>, recipe: &Recipe) -> Result<Prepared, PrepareError> {
    let site = &volume.site;
    let no_reflectivity = || PrepareError::NoReflectivity { radar: site.id.clone(), time: volume.nominal_time };
    let sweep = volume.lowest_sweep().ok_or_else(no_reflectivity)?;
    let cleaned =
        chain(recipe).run(sweep).map_err(|source| PrepareError::Quality { radar: site.id.clone(), source })?;
    let view = RadarView::new(site, grid).map_err(|source| PrepareError::Grid { radar: site.id.clone(), source })?;
    let relation = z_r(recipe, &site.id);
    let Gridded { field, capped_cells } = view.grid_sweep(sweep, &cleaned.reflectivity, &relation, volume.nominal_time);
    Ok(Prepared {
        radar: site.id.to_lowercase(),
        single_radar: true,
        field,
        quality: Some(view.quality(sweep, &cleaned.reflectivity)),
        sweeps: volume.sweeps.len(),
        filters: cleaned.report,
        capped: capped_cells,
        hail_cap_mm_h: Some(relation.rate_mm_h(relation.cap_dbz)),
    })
}

fn grid_to_rain(grid: &GridScan, recipe: &Recipe) -> Result<Prepared, PrepareError> {
    let relation = z_r(recipe, "");
    let Gridded { field, capped_cells } = grid_scan_to_rain(grid, &relation, recipe.cap_mm_h)?;
    let is_reflectivity = grid.quantity == GridQuantity::Reflectivity;
    Ok(Prepared {
        radar: grid.source.to_lowercase(),
        single_radar: false,
        field,
        quality: None,
        sweeps: 0,
        filters: Vec::new(),
        capped: capped_cells,
        hail_cap_mm_h: is_reflectivity.then(|| relation.rate_mm_h(relation.cap_dbz).min(recipe.cap_mm_h)),
    })
}

fn chain(recipe: &Recipe) -> Chain {
    let correlation = Correlation { least: recipe.rhohv_minimum, ..Correlation::default() };
    Chain::new(&QcConfig {
        correlation: recipe.rhohv_gate.then_some(correlation),
        texture: recipe.gabella.then(Texture::default),
        speckle: recipe.despeckle.then_some(Speckle { least_gates: recipe.despeckle_gates }),
    })
}

/// The Z–R relation of a radar: WSR-88D identifiers are four capitals that begin with K, P, R or T.
fn z_r(recipe: &Recipe, radar: &str) -> ZR {
    let is_nexrad =
        radar.len() == 4 && radar.bytes().all(|b| b.is_ascii_uppercase()) && radar.starts_with(['K', 'P', 'R', 'T']);
    let relation = match recipe.z_r {
        ZrChoice::Auto if is_nexrad => ZR::WSR_88D,
        ZrChoice::Auto | ZrChoice::MarshallPalmer => ZR::MARSHALL_PALMER,
        ZrChoice::Wsr88d => ZR::WSR_88D,
        ZrChoice::Tropical => ZR::TROPICAL,
    };
    ZR { cap_dbz: recipe.cap_dbz, ..relation }
}
