//! Filters in a row.

use raincell_model::{Moment, Sweep};
use thiserror::Error;

use crate::{Correlation, Speckle, Texture};

/// Takes gates that are not rain out of the reflectivity of a sweep.
pub trait SweepFilter: Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Turns the values that are not rain into undetect and says how many it took. Never touches undetect or nodata.
    ///
    /// `reflectivity` is that of `sweep` after the filters before; the other moments are as they were measured.
    fn apply(&self, sweep: &Sweep, reflectivity: &mut Moment) -> usize;
}

/// The filters of a chain, each with its settings; `None` switches one off.
#[derive(Clone, Debug, PartialEq)]
pub struct QcConfig {
    /// Co-polar correlation; does nothing on sweeps without RHOHV.
    pub correlation: Option<Correlation>,
    /// Texture.
    pub texture: Option<Texture>,
    /// Speckle.
    pub speckle: Option<Speckle>,
}

impl Default for QcConfig {
    fn default() -> Self {
        Self {
            correlation: Some(Correlation::default()),
            texture: Some(Texture::default()),
            speckle: Some(Speckle::default()),
        }
    }
}

/// A chain of filters.
pub struct Chain {
    filters: Vec<Box<dyn SweepFilter>>,
}

/// What a chain made of a sweep.
#[derive(Clone, Debug)]
pub struct QcOutcome {
    /// The reflectivity, with undetect where a filter took a gate.
    pub reflectivity: Moment,
    /// What each filter took, in the order in which they ran.
    pub report: Vec<FilterReport>,
}

impl QcOutcome {
    /// Gates that all filters together took.
    pub fn gates_taken(&self) -> usize {
        self.report.iter().map(|filter| filter.gates_taken).sum()
    }
}

/// What one filter did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterReport {
    /// The filter.
    pub name: &'static str,
    /// Gates that it turned from a value into undetect.
    pub gates_taken: usize,
}

/// Why a sweep cannot be filtered.
#[derive(Debug, Error, PartialEq)]
pub enum QcError {
    /// It has no reflectivity.
    #[error("sweep at {elevation_deg} degrees has no reflectivity: expected DBZH or TH, found [{found}]")]
    NoReflectivity {
        /// Elevation of the sweep, degrees.
        elevation_deg: f32,
        /// The moments that it has.
        found: String,
    },
    /// A moment does not have as many rays as there are azimuths.
    #[error("{quantity} of the sweep at {elevation_deg} degrees has {found} rays; expected {expected}")]
    Rays {
        /// The moment.
        quantity: String,
        /// Elevation of the sweep, degrees.
        elevation_deg: f32,
        /// Azimuths of the sweep.
        expected: usize,
        /// Rays of the moment.
        found: usize,
    },
}

impl Chain {
    /// The filters that a config switches on: correlation, texture, speckle, in this order. Speckle comes last, because
    /// the others leave crumbs of what they take.
    pub fn new(config: &QcConfig) -> Self {
        let mut filters: Vec<Box<dyn SweepFilter>> = Vec::new();
        if let Some(correlation) = config.correlation {
            filters.push(Box::new(correlation));
        }
        if let Some(texture) = config.texture {
            filters.push(Box::new(texture));
        }
        if let Some(speckle) = config.speckle {
            filters.push(Box::new(speckle));
        }
        Self { filters }
    }

    /// A chain of filters of one's own.
    pub fn of(filters: Vec<Box<dyn SweepFilter>>) -> Self {
        Self { filters }
    }

    /// Runs the filters over the reflectivity of a sweep.
    ///
    /// # Errors
    /// [`QcError`] when the sweep has no reflectivity, or a moment without a ray for each azimuth.
    pub fn run(&self, sweep: &Sweep) -> Result<QcOutcome, QcError> {
        for moment in &sweep.moments {
            if moment.data.nrows() != sweep.azimuths_deg.len() {
                return Err(QcError::Rays {
                    quantity: moment.quantity.odim_name().to_owned(),
                    elevation_deg: sweep.elevation_deg,
                    expected: sweep.azimuths_deg.len(),
                    found: moment.data.nrows(),
                });
            }
        }
        let Some(reflectivity) = sweep.reflectivity() else {
            let names: Vec<_> = sweep.moments.iter().map(|moment| moment.quantity.odim_name()).collect();
            return Err(QcError::NoReflectivity { elevation_deg: sweep.elevation_deg, found: names.join(", ") });
        };
        let mut reflectivity = Moment {
            quantity: reflectivity.quantity.clone(),
            first_gate_m: reflectivity.first_gate_m,
            gate_spacing_m: reflectivity.gate_spacing_m,
            data: reflectivity.data.as_standard_layout().into_owned(),
        };
        let mut report = Vec::with_capacity(self.filters.len());
        for filter in &self.filters {
            let gates_taken = filter.apply(sweep, &mut reflectivity);
            report.push(FilterReport { name: filter.name(), gates_taken });
        }
        Ok(QcOutcome { reflectivity, report })
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new(&QcConfig::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{drawn, sweep};

    const SCENE: [&str; 8] = [
        "............",
        ".7..5555555.",
        "....5666665.",
        "....5667665.",
        "....5666665.",
        "....5555555.",
        "............",
        "??..........",
    ];

    #[test]
    fn the_chain_says_what_each_filter_took() {
        let outcome = Chain::default().run(&sweep(&SCENE)).unwrap();
        let report: Vec<_> = outcome.report.iter().map(|filter| (filter.name, filter.gates_taken)).collect();
        assert_eq!(report, [("correlation", 0), ("texture", 1), ("speckle", 0)]);
        assert_eq!(outcome.gates_taken(), 1);
        let mut expected = SCENE.map(str::to_owned);
        expected[1].replace_range(1..2, ".");
        assert_eq!(drawn(&outcome.reflectivity), expected);
    }

    #[test]
    fn filters_that_are_off_do_not_run() {
        let config = QcConfig { correlation: None, texture: None, speckle: None };
        let outcome = Chain::new(&config).run(&sweep(&SCENE)).unwrap();
        assert_eq!(drawn(&outcome.reflectivity), SCENE);
        assert!(outcome.report.is_empty());
    }

    #[test]
    fn a_sweep_without_reflectivity_is_refused_by_name() {
        let mut sweep = sweep(&SCENE);
        sweep.moments[0].quantity = raincell_model::Quantity::Zdr;
        let message = Chain::default().run(&sweep).unwrap_err().to_string();
        assert_eq!(message, "sweep at 0.5 degrees has no reflectivity: expected DBZH or TH, found [ZDR]");
    }

    #[test]
    fn a_moment_with_rays_missing_is_refused() {
        let mut sweep = sweep(&SCENE);
        sweep.azimuths_deg.pop();
        let message = Chain::default().run(&sweep).unwrap_err().to_string();
        assert_eq!(message, "DBZH of the sweep at 0.5 degrees has 8 rays; expected 7");
    }
}
