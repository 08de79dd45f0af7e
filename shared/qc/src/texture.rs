//! Ground clutter by its texture (Gabella and Notarpietro 2002: Ground clutter characterization and elimination in
//! mountainous terrain, ERAD 2002, 305–311).

use raincell_model::{Moment, Sample, SampleKind, Sweep};

use crate::SweepFilter;
use crate::regions::{Connectivity, label};
use crate::ring::{closes, neighbour};

/// Takes gates that stand out of their surroundings, and patches with much edge for their area. Gates without rain in
/// the sense of `no_rain_dbz` go too. Rules and settings are those of `wradlib.classify.filter_gabella`, except that
/// the rays close at north, that nodata is no echo (it still accuses no neighbour), and that the mask has whole gates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Texture {
    /// Side of the window, gates and rays; odd.
    pub window: usize,
    /// A neighbour counts as similar when the gate is less than this above it, dB.
    pub step_db: f32,
    /// Similar neighbours that a gate needs in its window.
    pub least_similar: u16,
    /// The least ratio of a patch's gates to those of them on its edge.
    pub least_ratio: f32,
    /// Up to here an echo is no rain, dBZ.
    pub no_rain_dbz: f32,
}

impl Default for Texture {
    fn default() -> Self {
        Self { window: 5, step_db: 6.0, least_similar: 6, least_ratio: 1.3, no_rain_dbz: 0.0 }
    }
}

impl SweepFilter for Texture {
    fn name(&self) -> &'static str {
        "texture"
    }

    fn apply(&self, sweep: &Sweep, reflectivity: &mut Moment) -> usize {
        let gates = reflectivity.data.ncols();
        let closed = closes(sweep);
        let image: Vec<f32> = reflectivity.data.iter().map(|sample| level(*sample)).collect();
        let mut clutter = self.peaks(&image, gates, closed);
        self.add_thin_patches(&image, gates, closed, &mut clutter);
        let mut taken = 0;
        for (sample, clutter) in reflectivity.data.iter_mut().zip(clutter) {
            if clutter && sample.as_value().is_some() {
                *sample = Sample::UNDETECT;
                taken += 1;
            }
        }
        taken
    }
}

/// dBZ as the comparisons want it: undetect below everything, nodata above, so that it never makes a neighbour a peak.
fn level(sample: Sample) -> f32 {
    match sample.kind() {
        SampleKind::NoData => f32::INFINITY,
        SampleKind::Undetect => f32::NEG_INFINITY,
        SampleKind::Value(dbz) => dbz,
    }
}

impl Texture {
    /// Part one: gates with too few similar neighbours. The first and last gates of a ray, whose window is cut off,
    /// are let through.
    fn peaks(&self, image: &[f32], gates: usize, closed: bool) -> Vec<bool> {
        let half = self.window / 2;
        let mut peaks = vec![false; image.len()];
        if gates <= 2 * half {
            return peaks;
        }
        let rays = image.len() / gates;
        let inner = gates - 2 * half;
        let mut similar = vec![0_u16; inner];
        for ray in 0..rays {
            let line = &image[ray * gates..(ray + 1) * gates];
            if line.iter().all(|level| !level.is_finite()) {
                continue;
            }
            similar.fill(0);
            for step in -(half as isize)..=half as isize {
                let Some(other) = neighbour(ray, step, rays, closed) else {
                    continue;
                };
                let others = &image[other * gates..(other + 1) * gates];
                for shift in 0..self.window {
                    count_similar(&line[half..half + inner], &others[shift..shift + inner], self.step_db, &mut similar);
                }
            }
            // A gate is similar to itself, which does not count.
            let marks = &mut peaks[ray * gates + half..ray * gates + half + inner];
            for (mark, similar) in marks.iter_mut().zip(&similar) {
                *mark = *similar < self.least_similar + 1;
            }
        }
        peaks
    }

    /// Part two: patches with too few gates for their edge, and gates that are no rain at all.
    fn add_thin_patches(&self, image: &[f32], gates: usize, closed: bool, clutter: &mut [bool]) {
        let echo: Vec<bool> = image.iter().map(|level| level.is_finite() && *level > self.no_rain_dbz).collect();
        let solid: Vec<bool> = image.iter().map(|level| *level > self.no_rain_dbz).collect();
        let interior = erode(&solid, gates, closed);
        let (runs, regions) = label(&echo, gates, closed, Connectivity::Eight);
        let (mut areas, mut edges) = (vec![0_usize; regions], vec![0_usize; regions]);
        for run in &runs {
            let inside = &interior[run.ray * gates + run.begin..run.ray * gates + run.end];
            areas[run.region] += inside.len();
            edges[run.region] += inside.iter().filter(|inside| !**inside).count();
        }
        for (mark, echo) in clutter.iter_mut().zip(&echo) {
            *mark |= !echo;
        }
        for run in &runs {
            if (areas[run.region] as f32) < self.least_ratio * edges[run.region] as f32 {
                clutter[run.ray * gates + run.begin..run.ray * gates + run.end].fill(true);
            }
        }
    }
}

/// Adds one for each gate that is less than `step_db` above the other.
fn count_similar(line: &[f32], others: &[f32], step_db: f32, similar: &mut [u16]) {
    for ((level, other), similar) in line.iter().zip(others).zip(similar) {
        *similar += u16::from(level - other < step_db);
    }
}

/// The gates all of whose eight neighbours are set too; off the sweep nothing is set.
fn erode(mask: &[bool], gates: usize, closed: bool) -> Vec<bool> {
    let mut along = vec![false; mask.len()];
    for (line, out) in mask.chunks_exact(gates.max(1)).zip(along.chunks_exact_mut(gates.max(1))) {
        for (out, three) in out.iter_mut().skip(1).zip(line.windows(3)) {
            *out = three[0] & three[1] & three[2];
        }
    }
    let rays = mask.len() / gates.max(1);
    let mut eroded = vec![false; mask.len()];
    for ray in 0..rays {
        let (Some(before), Some(after)) = (neighbour(ray, -1, rays, closed), neighbour(ray, 1, rays, closed)) else {
            continue;
        };
        for gate in 0..gates {
            eroded[ray * gates + gate] =
                along[before * gates + gate] & along[ray * gates + gate] & along[after * gates + gate];
        }
    }
    eroded
}
