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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{drawn, sweep};

    #[test]
    fn patches_below_ten_gates_go_and_patches_of_ten_stay() {
        let sweep = sweep(&["..........", ".333..555.", ".333..555.", ".333..555.", "........5.", "7........."]);
        let mut moment = sweep.moments[0].clone();
        assert_eq!(Speckle::default().apply(&sweep, &mut moment), 10);
        assert_eq!(
            drawn(&moment),
            ["..........", "......555.", "......555.", "......555.", "........5.", ".........."]
        );
    }

    #[test]
    fn a_patch_across_north_counts_as_one() {
        let picture = ["55555...", "........", "........", "........", "........", "55555..."];
        let sweep = sweep(&picture);
        assert_eq!(Speckle::default().apply(&sweep, &mut sweep.moments[0].clone()), 0);
        // The same rays as a sector of 60 degrees do not close.
        let sector = Sweep { azimuths_deg: (0..6).map(|ray| ray as f32 * 10.0).collect(), ..sweep };
        assert_eq!(Speckle::default().apply(&sector, &mut sector.moments[0].clone()), 10);
    }

    #[test]
    fn corners_do_not_hold_a_patch_together() {
        let sweep = sweep(&["555.....", "555.....", "...555..", "...555..", "........"]);
        assert_eq!(Speckle::default().apply(&sweep, &mut sweep.moments[0].clone()), 12);
    }
}
