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

/// Motion on a [`NodeField::line`] at fractional node column `at`.
#[inline]
pub(crate) fn along(line: &[[f32; 2]], at: f32) -> [f32; 2] {
    let (c0, c1, f) = between(at, line.len());
    let (a, b) = (line[c0], line[c1]);
    [a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1])]
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
    for _ in 0..SWEEPS {
        sweep(normals, &mut field, smoothness);
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

/// One Gauss–Seidel sweep with over-relaxation, each node solved for both components at once.
fn sweep(normals: &[Normal], field: &mut NodeField, smoothness: f32) {
    let (rows, columns) = (field.rows, field.columns);
    for r in 0..rows {
        for c in 0..columns {
            let here = r * columns + c;
            let (mut weight, mut sum) = (0.0_f32, [0.0_f32; 2]);
            let mut take = |m: [f32; 2]| {
                weight += smoothness;
                sum[0] += smoothness * m[0];
                sum[1] += smoothness * m[1];
            };
            if r > 0 {
                take(field.motion[here - columns]);
            }
            if r + 1 < rows {
                take(field.motion[here + columns]);
            }
            if c > 0 {
                take(field.motion[here - 1]);
            }
            if c + 1 < columns {
                take(field.motion[here + 1]);
            }
            let n = &normals[here];
            let (a, b, d) = (n.uu + weight, n.uv, n.vv + weight);
            let determinant = a * d - b * b;
            if determinant <= f32::MIN_POSITIVE {
                continue;
            }
            let (p, q) = (n.bu + sum[0], n.bv + sum[1]);
            let solved = [(d * p - b * q) / determinant, (a * q - b * p) / determinant];
            let old = field.motion[here];
            field.motion[here] = [old[0] + OMEGA * (solved[0] - old[0]), old[1] + OMEGA * (solved[1] - old[1])];
        }
    }
}
