//! Normal equations on a lattice of nodes, and their smooth solution.

/// Sweeps of over-relaxation on each coarseness; the coarser ones bring a good start, so few are enough.
const SWEEPS: usize = 30;
/// Over-relaxation factor.
const OMEGA: f32 = 1.7;

/// Normal equations `A·(u, v) = b` of one node: `A = [[uu, uv], [uv, vv]]`, `b = (bu, bv)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Normal {
    pub uu: f32,
    pub uv: f32,
    pub vv: f32,
    pub bu: f32,
    pub bv: f32,
}

impl Normal {
    pub fn add(&mut self, other: &Self) {
        self.uu += other.uu;
        self.uv += other.uv;
        self.vv += other.vv;
        self.bu += other.bu;
        self.bv += other.bv;
    }

    pub fn scaled(&self, factor: f32) -> Self {
        Self {
            uu: self.uu * factor,
            uv: self.uv * factor,
            vv: self.vv * factor,
            bu: self.bu * factor,
            bv: self.bv * factor,
        }
    }

    pub fn trace(&self) -> f32 {
        self.uu + self.vv
    }
}

/// Motion at the nodes, cells per minute; node (i, j) stands in the middle of its square of grid cells.
#[derive(Clone)]
pub(crate) struct NodeField {
    pub rows: usize,
    pub columns: usize,
    /// (u, v) per node, row-major.
    pub motion: Vec<[f32; 2]>,
}

impl NodeField {
    pub fn uniform(rows: usize, columns: usize, motion: [f32; 2]) -> Self {
        Self { rows, columns, motion: vec![motion; rows * columns] }
    }

    /// Motion along one line of the grid at fractional node row `at`: a value per node column.
    pub fn line(&self, at: f32, out: &mut Vec<[f32; 2]>) {
        let (r0, r1, f) = between(at, self.rows);
        out.clear();
        out.extend((0..self.columns).map(|c| {
            let (a, b) = (self.motion[r0 * self.columns + c], self.motion[r1 * self.columns + c]);
            [a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1])]
        }));
    }
}

impl NodeField {
    /// The same motion with less divergence, the less the finer: of that with wavenumber k (radians a node) the share
    /// `1 / (1 + damping·k²)` is kept. Rotation and shear stay (Helmholtz decomposition).
    pub fn less_divergent(&self, damping: f32) -> Self {
        let (rows, columns) = (self.rows, self.columns);
        if rows.min(columns) < 2 {
            return self.clone();
        }
        let slopes = |r: usize, c: usize, value: &dyn Fn(usize) -> [f32; 2]| {
            let [up, down] = [r.saturating_sub(1), (r + 1).min(rows - 1)];
            let [left, right] = [c.saturating_sub(1), (c + 1).min(columns - 1)];
            let across = value(r * columns + right)[0] - value(r * columns + left)[0];
            let along = value(down * columns + c)[1] - value(up * columns + c)[1];
            [across / (right - left) as f32, along / (down - up) as f32]
        };
        let divergence: Vec<f32> =
            (0..rows * columns).map(|i| slopes(i / columns, i % columns, &|j| self.motion[j]).iter().sum()).collect();
        // potential − damping·∇²potential = −damping·divergence
        let mut potential = vec![0.0_f32; rows * columns];
        for _ in 0..SWEEPS {
            for i in 0..rows * columns {
                let (r, c) = (i / columns, i % columns);
                let beside = [
                    (r > 0).then(|| i - columns),
                    (r + 1 < rows).then(|| i + columns),
                    (c > 0).then(|| i - 1),
                    (c + 1 < columns).then(|| i + 1),
                ];
                let neighbours = beside.iter().flatten();
                let (sum, count) = neighbours.fold((0.0, 0.0), |(sum, count), j| (sum + potential[*j], count + 1.0));
                potential[i] = damping * (sum - divergence[i]) / (1.0 + damping * count);
            }
        }
        let motion = self.motion.iter().enumerate().map(|(i, m)| {
            let [across, along] = slopes(i / columns, i % columns, &|j| [potential[j]; 2]);
            [m[0] - across, m[1] - along]
        });
        Self { rows, columns, motion: motion.collect() }
    }
}

/// Motion to the right and down on a [`NodeField::line`], for each pixel of which `side` belong to a node.
#[inline(always)]
pub(crate) fn along(line: &[[f32; 2]], side: usize, right: &mut [f32], down: &mut [f32]) {
    let last = line.len().saturating_sub(2);
    let mut from = 0;
    for (i, a) in line.iter().enumerate().take(last + 1) {
        // Between two nodes, from middle to middle, all goes in a straight line; at the ends it goes on so.
        let to = if i == last { right.len() } else { (side * (i + 1) + side / 2).min(right.len()) };
        let b = line.get(i + 1).unwrap_or(a);
        for (k, out) in [&mut right[from..to], &mut down[from..to]].into_iter().enumerate() {
            for (pixel, value) in (from as i32..).zip(out) {
                let at = ((pixel as f32 + 0.5) / side as f32 - 0.5).clamp(-0.5, line.len() as f32 - 0.5);
                *value = a[k] + (at - i as f32) * (b[k] - a[k]);
            }
        }
        from = to;
    }
}

/// The nodes before and after a fractional position, and how far it is towards the second. The outermost half square,
/// beyond the last node, goes on as it went between the last two.
#[inline]
fn between(at: f32, nodes: usize) -> (usize, usize, f32) {
    let first = (at.max(0.0) as usize).min(nodes.saturating_sub(2));
    (first, (first + 1).min(nodes - 1), at.clamp(-0.5, nodes as f32 - 0.5) - first as f32)
}

/// Minimises `Σ (w·A·w − 2·b·w) + smoothness·Σ |w_i − w_j|²` over neighbouring nodes i, j.
///
/// Coarser lattices first (the equations of 2 × 2 nodes added up), so that the motion reaches across wide dry areas in
/// a few sweeps; `start` is what the lattice keeps where there are no equations at all.
pub(crate) fn solve(normals: &[Normal], start: &NodeField, smoothness: f32) -> NodeField {
    let (rows, columns) = (start.rows, start.columns);
    let mut field = start.clone();
    if rows.min(columns) > 2 {
        let (coarse_normals, coarse_start) = coarsened(normals, start);
        // A membrane's energy does not depend on the node distance in two dimensions: the same weight on each level.
        let coarse = solve(&coarse_normals, &coarse_start, smoothness);
        let coarse_before = &coarse_start;
        for r in 0..rows {
            for c in 0..columns {
                let parent = (r / 2) * coarse.columns + c / 2;
                for k in 0..2 {
                    field.motion[r * columns + c][k] += coarse.motion[parent][k] - coarse_before.motion[parent][k];
                }
            }
        }
    }
    let nodes: Vec<Inverse> = (0..rows * columns)
        .map(|here| {
            let (r, c) = (here / columns, here % columns);
            let neighbours = [r > 0, r + 1 < rows, c > 0, c + 1 < columns].map(|n| f32::from(u8::from(n)));
            Inverse::of(&normals[here], smoothness, neighbours.iter().sum())
        })
        .collect();
    // With nodes at rest all around, so that each has four neighbours.
    let wide = columns + 2;
    let mut motion = vec![[0.0_f32; 2]; (rows + 2) * wide];
    for (line, nodes) in motion.chunks_exact_mut(wide).skip(1).zip(field.motion.chunks_exact(columns)) {
        line[1..=columns].copy_from_slice(nodes);
    }
    for _ in 0..SWEEPS {
        // Nodes of one colour of a chessboard hang on those of the other alone: no one waits for the one before.
        for colour in 0..2 {
            sweep(&nodes, &mut motion, columns, colour);
        }
    }
    for (line, nodes) in motion.chunks_exact(wide).skip(1).zip(field.motion.chunks_exact_mut(columns)) {
        nodes.copy_from_slice(&line[1..=columns]);
    }
    field
}

fn coarsened(normals: &[Normal], start: &NodeField) -> (Vec<Normal>, NodeField) {
    let (rows, columns) = (start.rows.div_ceil(2), start.columns.div_ceil(2));
    let mut coarse = vec![Normal::default(); rows * columns];
    let mut motion = vec![[0.0_f32; 2]; rows * columns];
    let mut children = vec![0.0_f32; rows * columns];
    for r in 0..start.rows {
        for c in 0..start.columns {
            let (child, parent) = (r * start.columns + c, (r / 2) * columns + c / 2);
            coarse[parent].add(&normals[child]);
            motion[parent][0] += start.motion[child][0];
            motion[parent][1] += start.motion[child][1];
            children[parent] += 1.0;
        }
    }
    for (m, n) in motion.iter_mut().zip(&children) {
        *m = [m[0] / n, m[1] / n];
    }
    (coarse, NodeField { rows, columns, motion })
}

/// What the solution of a node is made of: `start + inverse · (sum of its neighbours' motion)`.
#[derive(Clone, Copy)]
struct Inverse {
    start: [f32; 2],
    matrix: [f32; 3],
    /// Over-relaxation; 0 where the equations do not settle the motion.
    omega: f32,
}

impl Inverse {
    fn of(n: &Normal, smoothness: f32, neighbours: f32) -> Self {
        let (a, b, d) = (n.uu + smoothness * neighbours, n.uv, n.vv + smoothness * neighbours);
        let determinant = a * d - b * b;
        if determinant <= f32::MIN_POSITIVE {
            return Self { start: [0.0; 2], matrix: [0.0; 3], omega: 0.0 };
        }
        let start = [(d * n.bu - b * n.bv) / determinant, (a * n.bv - b * n.bu) / determinant];
        let matrix = [d, -b, a].map(|m| m * smoothness / determinant);
        Self { start, matrix, omega: OMEGA }
    }
}

/// Half a Gauss–Seidel sweep with over-relaxation, each node solved for both components at once.
fn sweep(nodes: &[Inverse], motion: &mut [[f32; 2]], columns: usize, colour: usize) {
    let wide = columns + 2;
    for (r, nodes) in nodes.chunks_exact(columns).enumerate() {
        let (above, rest) = motion[r * wide..].split_at_mut(wide);
        let (line, below) = rest.split_at_mut(wide);
        let (above, below, line) = (&above[..wide], &below[..wide], &mut line[..wide]);
        for (c, node) in nodes.iter().enumerate().skip((r + colour) % 2).step_by(2) {
            let (up, down, left, right, old) = (above[c + 1], below[c + 1], line[c], line[c + 2], line[c + 1]);
            let sum = [0, 1].map(|k| up[k] + down[k] + left[k] + right[k]);
            let [p, q, s] = node.matrix;
            let solved = [node.start[0] + p * sum[0] + q * sum[1], node.start[1] + q * sum[0] + s * sum[1]];
            line[c + 1] = [0, 1].map(|k| old[k] + node.omega * (solved[k] - old[k]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greatest speed of what is left and what was, away from the edges, of motion that `of` makes of x and y, nodes.
    fn left(of: impl Fn(f32, f32) -> [f32; 2]) -> [f32; 2] {
        let (rows, columns) = (48, 64);
        let motion = (0..rows * columns).map(|i| of((i % columns) as f32, (i / columns) as f32)).collect();
        let before = NodeField { rows, columns, motion };
        let after = before.less_divergent(1.0);
        [&after, &before].map(|field| {
            let inside =
                field.motion.iter().enumerate().filter(|(i, _)| {
                    (8..rows - 8).contains(&(i / columns)) && (8..columns - 8).contains(&(i % columns))
                });
            inside.map(|(_, m)| m[0].hypot(m[1])).fold(0.0, f32::max)
        })
    }

    #[test]
    fn what_swells_is_damped_the_more_the_finer_and_what_turns_or_moves_on_stays() {
        for (waves, kept) in [(0.3_f32, 0.92), (0.8, 0.66)] {
            let [after, before] = left(|x, _| [(waves * x).sin(), 0.0]);
            assert!((after / before - kept).abs() < 0.06, "{waves}: {}", after / before);
        }
        for of in [|_: f32, _: f32| [0.7, -0.2], |x: f32, y: f32| [y - 24.0, 32.0 - x], |_: f32, y: f32| [0.1 * y, 0.0]]
        {
            let [after, before] = left(of);
            assert!((after / before - 1.0).abs() < 1e-3, "{after} of {before}");
        }
    }
}
