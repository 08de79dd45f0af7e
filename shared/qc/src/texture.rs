//! Ground clutter by its texture (Gabella and Notarpietro 2002: Ground clutter characterization and elimination in
//! mountainous terrain, ERAD 2002, 305–311).

use raincell_model::{Moment, Sample, SampleKind, Sweep};

use crate::SweepFilter;
use crate::regions::{Connectivity, label};
use crate::ring::{closes, neighbour};

/// Takes gates that stand out of their surroundings, and patches with much edge for their area. Rules and settings are
/// those of `wradlib.classify.filter_gabella`, except that the rays close at north and that nodata joins no patches
/// (but neither is it an edge, nor makes its neighbours stand out).
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
    /// Up to here an echo belongs to no patch, dBZ.
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

    /// Part two: patches with too few gates for their edge.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{drawn, sweep};

    /// Two showers, one of them across north, with lonely gates, a spike, a block and weak patches in between.
    const MEASURED: [&str; 24] = [
        "..21.22335688989786543322...........7...........1...........",
        "..1.82244567799987544333.1...................3..............",
        "1..2323455688998756634321.............5.....1...1.......1...",
        ".....333355777778765333.2..........1....12..3...............",
        "..11.1323456767665643321..2.........1.....1.........21.....1",
        "...12.2223335454434223..1......1............1...1...........",
        "......3113.3734233..11..........1.........1.1.....777......1",
        "..5....3.23.3422.211..................1.11.12.....777.13..1.",
        "....1....1.11..11.2......7...1.....1232122.11.2..1777.......",
        "......1.....1.....1...81...1...21223231333.2232222.........2",
        ".21................100002...2..2.2243333443353311222....5.1.",
        ".1....1.......6......1.....1..2232534655535444443322..2.....",
        "..4......................2..21.3344566677676634423.21.2....1",
        "...1.....................1.111233447665777786644452111......",
        "..1.12.......................1132434667666665554321.........",
        "..12..7.....1..1.........3...123242456466646343322.12..7....",
        "11........2.........1....2.1..2.223342434433233322121.......",
        ".......2..............1.1......3122.33323331331.21211......1",
        ".....66666666666666666666.2...2.1.21.22312.2.121......4.1.2.",
        "..5.....2112223221...........1...1.1.2...12...4..1..........",
        "...7..2.3423322333231....1...........1..11..1111.1..2.......",
        "11....31134555355522332.2...................1111.......1....",
        "....12133445666666443271....8.7........1....1111............",
        ".1..122245777887776533.2.11...................11.......11...",
    ];

    /// The same after `wradlib.classify.filter_gabella` of wradlib 2.9.6 on three turns in a row, the middle one kept.
    const FILTERED: [&str; 24] = [
        "..21.22335688989786543322...................................",
        "..1..2244567799987544333.1..................................",
        "...2323455688998756634321...................................",
        ".....333355777778765333.2...................................",
        "..11.1323456767665643321....................................",
        "...12.2223335454434223......................1...............",
        "......3113.3.34233..11....................1.1.....777.......",
        ".......3.23.3422.211..................1.11.12.....777.......",
        ".........1.11..11.2................1232122.11.2..1777.......",
        "............1.....1............21223231333.2232222..........",
        "....................0000....2..2.2243333443353311222........",
        "...........................1..2232534655535444443322........",
        "............................21.3344566677676634423.21.......",
        "...........................1112334476657777.66444.2111......",
        ".............................1132434667666665554321.........",
        ".............................123242456466646343322.12.......",
        ".........................2....2.223342434433233322121.......",
        ".......2..............1.1......3122.33323331331.21211.......",
        "..............................2.1.21.22312.2.121............",
        "........2112223221...............1.1.2...12.................",
        "......2.3423322333231................1..11..1111............",
        "......31134555355522332.2...................1111............",
        "....121334456666664432.1....................1111............",
        ".1..122245777887776533.2.1....................11............",
    ];

    #[test]
    fn the_gates_that_wradlib_takes_are_taken_and_no_others() {
        let sweep = sweep(&MEASURED);
        let mut moment = sweep.moments[0].clone();
        let taken = Texture::default().apply(&sweep, &mut moment);
        assert_eq!(drawn(&moment), FILTERED);
        assert_eq!(taken, 114);
    }

    #[test]
    fn filtering_again_takes_less_than_the_first_time() {
        let sweep = sweep(&MEASURED);
        let mut moment = sweep.moments[0].clone();
        let first = Texture::default().apply(&sweep, &mut moment);
        assert!(Texture::default().apply(&sweep, &mut moment) < first);
    }

    #[test]
    fn unobserved_gates_stay_unobserved_and_accuse_nobody() {
        let picture = ["????????", "?555555?", "?555555?", "?555555?", "????????", "........", "........"];
        let sweep = sweep(&picture);
        let mut moment = sweep.moments[0].clone();
        assert_eq!(Texture::default().apply(&sweep, &mut moment), 0);
        assert_eq!(drawn(&moment), picture);
    }

    #[test]
    fn sweeps_too_small_for_the_window_do_no_harm() {
        for picture in [vec!["5"], vec!["55", "55"], vec!["", ""]] {
            let sweep = sweep(&picture);
            Texture::default().apply(&sweep, &mut sweep.moments[0].clone());
        }
    }
}
