//! Patches too small to be rain.

use raincell_model::{Moment, Sample, Sweep};

use crate::SweepFilter;
use crate::regions::{Connectivity, label};
use crate::ring::closes;

/// Takes patches of few gates that share sides, as `pyart.correct.despeckle_field` does; patches reach across north.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speckle {
    /// Gates of the smallest patch that stays.
    pub least_gates: usize,
}

impl Default for Speckle {
    fn default() -> Self {
        Self { least_gates: 10 }
    }
}

impl SweepFilter for Speckle {
    fn name(&self) -> &'static str {
        "speckle"
    }

    fn apply(&self, sweep: &Sweep, reflectivity: &mut Moment) -> usize {
        let gates = reflectivity.data.ncols();
        let echo: Vec<bool> = reflectivity.data.iter().map(|sample| sample.as_value().is_some()).collect();
        let (runs, regions) = label(&echo, gates, closes(sweep), Connectivity::Four);
        let mut sizes = vec![0; regions];
        for run in &runs {
            sizes[run.region] += run.end - run.begin;
        }
        let mut taken = 0;
        for run in runs.iter().filter(|run| sizes[run.region] < self.least_gates) {
            for gate in run.begin..run.end {
                reflectivity.data[(run.ray, gate)] = Sample::UNDETECT;
            }
            taken += run.end - run.begin;
        }
        taken
    }
}
