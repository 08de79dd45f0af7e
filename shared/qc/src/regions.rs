//! Connected regions of gates, found by their runs along the rays.

/// Which gates are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connectivity {
    /// Those that share a side.
    Four,
    /// Those that share a side or a corner.
    Eight,
}

/// Gates of one ray that follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub ray: usize,
    /// First gate.
    pub begin: usize,
    /// One past the last gate.
    pub end: usize,
    /// Its region, as an index into what is counted by region.
    pub region: usize,
}

/// Finds the regions of `mask` (rays × gates, ray by ray); returns their runs in order and the number of regions.
pub(crate) fn label(mask: &[bool], gates: usize, closed: bool, connectivity: Connectivity) -> (Vec<Run>, usize) {
    let (mut runs, begins) = find_runs(mask, gates);
    let mut parents: Vec<usize> = (0..runs.len()).collect();
    // How far runs of neighbouring rays may miss each other and still touch.
    let slack = usize::from(connectivity == Connectivity::Eight);
    let rays = begins.len() - 1;
    for ray in 1..rays {
        join(&runs, begins[ray - 1]..begins[ray], begins[ray]..begins[ray + 1], slack, &mut parents);
    }
    if closed && rays > 2 {
        join(&runs, begins[rays - 1]..begins[rays], begins[0]..begins[1], slack, &mut parents);
    }
    let mut numbers = vec![usize::MAX; runs.len()];
    let mut regions = 0;
    for (index, run) in runs.iter_mut().enumerate() {
        let root = root_of(&mut parents, index);
        if numbers[root] == usize::MAX {
            numbers[root] = regions;
            regions += 1;
        }
        run.region = numbers[root];
    }
    (runs, regions)
}

/// The runs, and for each ray the index of its first (one more at the end).
fn find_runs(mask: &[bool], gates: usize) -> (Vec<Run>, Vec<usize>) {
    let mut runs = Vec::new();
    let mut begins = vec![0];
    for (ray, line) in mask.chunks_exact(gates.max(1)).enumerate() {
        let mut gate = 0;
        while let Some(ahead) = line[gate..].iter().position(|set| *set) {
            let begin = gate + ahead;
            let end = line[begin..].iter().position(|set| !*set).map_or(gates, |length| begin + length);
            runs.push(Run { ray, begin, end, region: 0 });
            gate = end;
        }
        begins.push(runs.len());
    }
    (runs, begins)
}

/// Joins the runs of two neighbouring rays that touch.
fn join(
    runs: &[Run],
    before: std::ops::Range<usize>,
    after: std::ops::Range<usize>,
    slack: usize,
    parents: &mut [usize],
) {
    let (mut a, mut b) = (before.start, after.start);
    while a < before.end && b < after.end {
        if runs[a].begin < runs[b].end + slack && runs[b].begin < runs[a].end + slack {
            let (root_a, root_b) = (root_of(parents, a), root_of(parents, b));
            parents[root_a.max(root_b)] = root_a.min(root_b);
        }
        if runs[a].end < runs[b].end {
            a += 1;
        } else {
            b += 1;
        }
    }
}

fn root_of(parents: &mut [usize], mut run: usize) -> usize {
    while parents[run] != run {
        parents[run] = parents[parents[run]];
        run = parents[run];
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(picture: &[&str], closed: bool, connectivity: Connectivity) -> usize {
        let mask: Vec<bool> = picture.iter().flat_map(|line| line.bytes().map(|b| b == b'#')).collect();
        label(&mask, picture[0].len(), closed, connectivity).1
    }

    #[test]
    fn corners_count_only_with_eight_neighbours() {
        let picture = ["##...", "..##.", "....#"];
        assert_eq!(regions(&picture, false, Connectivity::Eight), 1);
        assert_eq!(regions(&picture, false, Connectivity::Four), 3);
    }

    #[test]
    fn a_fork_is_one_region() {
        let picture = ["#.#.#", "#.#.#", "#####", ".....", "#...#"];
        assert_eq!(regions(&picture, false, Connectivity::Four), 3);
        assert_eq!(regions(&picture, true, Connectivity::Four), 1);
    }

    #[test]
    fn runs_that_end_together_are_all_seen() {
        assert_eq!(regions(&["##.##", "#####", "##.##"], false, Connectivity::Four), 1);
        assert_eq!(regions(&["##.#", "..#.", "##.#"], false, Connectivity::Eight), 1);
    }
}
