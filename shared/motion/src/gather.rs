//! What the pixels around one row of nodes say about their motion, gathered over all pairs of fields.
//!
//! Eight pixels of a row go together, so that the compiler turns them into a few vector instructions; what is dry in both
//! fields of a pair is passed over.

use raincell_model::Content;
use raincell_simd::widest;

use crate::flow::NODE_CELLS;
use crate::lattice::{NodeField, Normal, along};
use crate::pyramid::{Image, Pyramid};

/// Pixels worked on at once.
pub(crate) const SEGMENT: usize = 8;
/// Pixels before the first and after the last one of a row of the buffers, which are unknown.
const MARGIN: usize = SEGMENT;
/// Squared gradients below this, (dB / cell a minute)², say nothing.
const LEAST_SQUARE: f32 = 1e-8;
/// Adding and taking off this number rounds an `f32` of far smaller size to a whole number.
const ROUNDING: f32 = 12_582_912.0;

type Eight = [f32; SEGMENT];

/// Two pyramids and the minutes between them.
pub(crate) struct Pair<'a> {
    pub earlier: &'a Pyramid,
    pub later: &'a Pyramid,
    pub minutes: f32,
    /// Minutes from the later one to the time at which rain is at the places of the motion; negative if that is before it.
    pub from_later_min: f32,
}

impl Pair<'_> {
    /// Minutes from that time to the earlier and to the later one.
    fn reach(&self) -> [f32; 2] {
        [-self.from_later_min - self.minutes, -self.from_later_min]
    }
}

/// Normal equations of eight neighbouring columns, each summed up over the rows.
#[derive(Clone, Copy, Default)]
struct Votes {
    uu: Eight,
    uv: Eight,
    vv: Eight,
    bu: Eight,
    bv: Eight,
}

/// Buffers for one row of nodes, reused over the pairs and rows. Rows of pixels have a margin on both sides and are
/// filled up to whole segments.
#[derive(Default)]
pub(crate) struct Band {
    line: Vec<[f32; 2]>,
    /// Motion to the right and down, pixels of the level per minute.
    right: Vec<f32>,
    down: Vec<f32>,
    /// Mean and difference of the two warped fields, dB.
    mean: Vec<f32>,
    difference: Vec<f32>,
    /// Least and greatest motion of each segment: right, down.
    reach: Vec<[[f32; 2]; 2]>,
    /// What each segment holds in both fields of the pair at hand.
    contents: Vec<Content>,
    votes: Vec<Votes>,
}

/// The rows of pixels that belong to a row of nodes, and one more on both sides for the vertical gradient.
#[derive(Clone, Copy)]
struct Rows {
    first: usize,
    last: usize,
    from: usize,
    to: usize,
}

impl Band {
    /// The normal equations of one row of nodes from all pairs at a level of their pyramids.
    pub fn gather(
        &mut self,
        pairs: &[Pair<'_>],
        level: usize,
        nodes: &NodeField,
        node_row: usize,
        outlier_db: f32,
    ) -> Vec<Normal> {
        let mut normals = vec![Normal::default(); nodes.columns];
        let Some(first_pair) = pairs.first() else { return normals };
        let (height, width) = (first_pair.later.levels[level].rows, first_pair.later.levels[level].columns);
        let cells = first_pair.later.cells(level);
        let side = NODE_CELLS / cells;
        let first = (node_row * side).min(height);
        let last = (first + side).min(height);
        let rows = Rows { first, last, from: first.saturating_sub(1), to: (last + 1).min(height) };
        self.spread(nodes, cells, rows, width);
        for pair in pairs {
            let (earlier, later) = (&pair.earlier.levels[level], &pair.later.levels[level]);
            let per_pixel = pair.minutes / cells as f32;
            widest(
                #[inline(always)]
                || {
                    self.warp(earlier, later, rows, pair.reach());
                    self.vote(rows, height, width, per_pixel, cells as f32, outlier_db);
                },
            );
        }
        for (column, sum) in (0..width).map(|c| (c, &self.votes[c / SEGMENT])) {
            let (n, k) = (&mut normals[column / side], column % SEGMENT);
            n.add(&Normal { uu: sum.uu[k], uv: sum.uv[k], vv: sum.vv[k], bu: sum.bu[k], bv: sum.bv[k] });
        }
        normals
    }

    /// Interpolates the motion of the nodes to the pixels, which all pairs need, and makes room for what follows.
    fn spread(&mut self, nodes: &NodeField, cells: usize, rows: Rows, width: usize) {
        let cell = cells as f32;
        let to_node = cell / NODE_CELLS as f32;
        let segments = width.div_ceil(SEGMENT);
        let stride = segments * SEGMENT;
        self.right.resize((rows.to - rows.from) * stride, 0.0);
        self.down.resize((rows.to - rows.from) * stride, 0.0);
        self.mean.clear();
        self.mean.resize((rows.to - rows.from) * (stride + 2 * MARGIN), f32::NAN);
        self.difference.clear();
        self.difference.resize(self.mean.len(), f32::NAN);
        self.reach.clear();
        self.reach.resize(segments, [[f32::INFINITY, f32::NEG_INFINITY]; 2]);
        self.votes.clear();
        self.votes.resize(segments, Votes::default());
        let motion = self.right.chunks_exact_mut(stride).zip(self.down.chunks_exact_mut(stride));
        for (row, (right, down)) in (rows.from..rows.to).zip(motion) {
            nodes.line((row as f32 + 0.5) * to_node - 0.5, &mut self.line);
            widest(
                #[inline(always)]
                || along(&self.line, NODE_CELLS / cells, right, down),
            );
            for value in right.iter_mut().chain(down.iter_mut()) {
                *value /= cell;
            }
            let segments = right.as_chunks::<SEGMENT>().0.iter().zip(down.as_chunks::<SEGMENT>().0);
            for (reach, (right, down)) in self.reach.iter_mut().zip(segments) {
                for ([least, most], values) in reach.iter_mut().zip([right, down]) {
                    *least = values.iter().copied().fold(*least, f32::min);
                    *most = values.iter().copied().fold(*most, f32::max);
                }
            }
        }
    }

    /// Brings both fields, so many minutes from the time at which rain is at the places of the motion, to that time.
    #[inline(always)]
    fn warp(&mut self, earlier: &Image, later: &Image, rows: Rows, [to_earlier, to_later]: [f32; 2]) {
        let width = earlier.columns;
        let (stride, wide) = (self.votes.len() * SEGMENT, self.votes.len() * SEGMENT + 2 * MARGIN);
        self.contents.clear();
        for (segment, reach) in self.reach.iter().enumerate() {
            let columns = [segment * SEGMENT, ((segment + 1) * SEGMENT).min(width) - 1];
            let spans = [[rows.from, rows.to - 1], columns];
            self.contents.push(match (seen(earlier, spans, reach, to_earlier), seen(later, spans, reach, to_later)) {
                (Content::Unknown, _) | (_, Content::Unknown) => Content::Unknown,
                (Content::Dry, Content::Dry) => Content::Dry,
                _ => Content::Mixed,
            });
        }
        for (i, row) in (rows.from..rows.to).enumerate() {
            let mean = &mut self.mean[i * wide + MARGIN..][..stride];
            let difference = &mut self.difference[i * wide + MARGIN..][..stride];
            let (right, down) = (&self.right[i * stride..][..stride], &self.down[i * stride..][..stride]);
            let motion = right.as_chunks::<SEGMENT>().0.iter().zip(down.as_chunks::<SEGMENT>().0);
            let out = mean.as_chunks_mut::<SEGMENT>().0.iter_mut().zip(difference.as_chunks_mut::<SEGMENT>().0);
            for (segment, ((mean, difference), (right, down))) in out.zip(motion).enumerate() {
                let fill = match self.contents[segment] {
                    Content::Dry => 0.0,
                    Content::Unknown => f32::NAN,
                    Content::Mixed => {
                        let column = segment * SEGMENT;
                        let a = fetched(earlier, row, column, right, down, to_earlier);
                        let b = fetched(later, row, column, right, down, to_later);
                        for k in 0..SEGMENT {
                            mean[k] = 0.5 * (a[k] + b[k]);
                            difference[k] = b[k] - a[k];
                        }
                        continue;
                    }
                };
                (*mean, *difference) = ([fill; SEGMENT], [fill; SEGMENT]);
            }
            // What stands out beyond the last column is unknown, too.
            mean[width..].fill(f32::NAN);
        }
    }

    /// Adds up the normal equations of a pair that was warped.
    #[inline(always)]
    fn vote(&mut self, rows: Rows, height: usize, width: usize, per_pixel: f32, cell: f32, outlier_db: f32) {
        let segments = self.votes.len();
        let (stride, wide) = (segments * SEGMENT, segments * SEGMENT + 2 * MARGIN);
        let scale = Scale { half: 0.5 * per_pixel, cell, tolerance: 1.0 / (outlier_db * outlier_db) };
        debug_assert!(width <= stride);
        for segment in 0..segments {
            // Beside what is not even there may be a gradient.
            let near = segment.saturating_sub(1)..(segment + 2).min(segments);
            if self.contents[near].iter().all(|c| *c != Content::Mixed) {
                continue;
            }
            let votes = &mut self.votes[segment];
            for row in rows.first.max(1)..rows.last.min(height - 1) {
                let at = (row - rows.from) * wide + MARGIN + segment * SEGMENT;
                let motion = (row - rows.from) * stride + segment * SEGMENT;
                let neighbours = Neighbours {
                    left: eight(&self.mean[at - 1..]),
                    right: eight(&self.mean[at + 1..]),
                    above: eight(&self.mean[at - wide..]),
                    below: eight(&self.mean[at + wide..]),
                    difference: eight(&self.difference[at..]),
                };
                votes.add(&neighbours, eight(&self.right[motion..]), eight(&self.down[motion..]), scale);
            }
        }
    }
}

/// The warped means around eight pixels, and the difference between the fields there.
struct Neighbours<'a> {
    left: &'a Eight,
    right: &'a Eight,
    above: &'a Eight,
    below: &'a Eight,
    difference: &'a Eight,
}

#[derive(Clone, Copy)]
struct Scale {
    /// From a difference over two pixels to dB per (cell a minute).
    half: f32,
    /// Grid cells along a pixel.
    cell: f32,
    tolerance: f32,
}

impl Votes {
    #[inline(always)]
    fn add(&mut self, near: &Neighbours<'_>, right: &Eight, down: &Eight, scale: Scale) {
        for k in 0..SEGMENT {
            let (gx, gy) = (scale.half * (near.right[k] - near.left[k]), scale.half * (near.below[k] - near.above[k]));
            let d = near.difference[k];
            // NaN anywhere fails this, so that unknown pixels and their neighbours do not vote.
            let counts = (gx * gx + gy * gy > LEAST_SQUARE) & (d.abs() < f32::INFINITY);
            let mask = u32::from(counts).wrapping_neg();
            let [gx, gy, d] = [gx, gy, d].map(|v| f32::from_bits(v.to_bits() & mask));
            let weight = 1.0 / (1.0 + d * d * scale.tolerance);
            // d + g·(w − w₀) = 0  ⇒  g·w = g·w₀ − d
            let target = scale.cell * (gx * right[k] + gy * down[k]) - d;
            let (wx, wy) = (weight * gx, weight * gy);
            self.uu[k] += wx * gx;
            self.uv[k] += wx * gy;
            self.vv[k] += wy * gy;
            self.bu[k] += wx * target;
            self.bv[k] += wy * target;
        }
    }
}

/// What some rows and columns of pixels see of an image, `by` times as far away as their least and greatest motion.
#[inline(always)]
fn seen(image: &Image, [rows, columns]: [[usize; 2]; 2], reach: &[[f32; 2]; 2], by: f32) -> Content {
    let span = |[first, last]: [usize; 2], [a, b]: [f32; 2]| {
        [first as f32 + (by * a).min(by * b), last as f32 + (by * a).max(by * b)]
    };
    image.content(span(rows, reach[1]), span(columns, reach[0]))
}

/// The first eight of at least as many.
#[inline(always)]
fn eight(values: &[f32]) -> &Eight {
    values.first_chunk().unwrap_or(&[f32::NAN; SEGMENT])
}

/// Eight pixels of a row from where `by` times the motion points; NaN off the image and beside NaN.
#[inline(always)]
fn fetched(image: &Image, row: usize, column: usize, right: &Eight, down: &Eight, by: f32) -> Eight {
    let (left, x) = split(&right.map(|r| by * r));
    let (top, y) = split(&down.map(|d| by * d));
    let columns: [i32; SEGMENT] = std::array::from_fn(|k| column as i32 + k as i32 + left[k]);
    let rows = top.map(|t| row as i32 + t);
    let (mut outside, mut differ) = (0, 0);
    for k in 0..SEGMENT {
        // The sign bit of each tells: before the first, or past the last but one.
        outside |= rows[k] | columns[k] | (image.rows as i32 - 2 - rows[k]) | (image.columns as i32 - 2 - columns[k]);
        differ |= (left[k] ^ left[0]) | (top[k] ^ top[0]);
    }
    if outside < 0 {
        return one_by_one(image, [&rows, &columns], [&y, &x]);
    }
    let at: [usize; SEGMENT] = std::array::from_fn(|k| rows[k] as usize * image.columns + columns[k] as usize);
    if differ == 0 {
        // All eight lie between the same two rows and one after the other: no look-up by single pixels.
        let (upper, lower) = (image.data[at[0]..].first_chunk(), image.data[at[0] + image.columns..].first_chunk());
        if let (Some(upper), Some(lower)) = (upper, lower) {
            let (upper, lower): (&[f32; SEGMENT + 1], &[f32; SEGMENT + 1]) = (upper, lower);
            return between(|k| [upper[k], upper[k + 1], lower[k], lower[k + 1]], &x, &y);
        }
    }
    let lower = &image.data[image.columns..];
    between(|k| [image.data[at[k]], image.data[at[k] + 1], lower[at[k]], lower[at[k] + 1]], &x, &y)
}

/// Eight pixels of which some may lie off the image.
#[inline(never)]
fn one_by_one(image: &Image, [rows, columns]: [&[i32; SEGMENT]; 2], [y, x]: [&Eight; 2]) -> Eight {
    std::array::from_fn(|k| image.sample(rows[k] as f32 + y[k], columns[k] as f32 + x[k]))
}

/// Whole pixels and what is beyond them, 0 to 1.
#[inline(always)]
fn split(at: &Eight) -> ([i32; SEGMENT], Eight) {
    // The lowest bits of the sum are the whole number.
    let sums = at.map(|a| a - 0.5 + ROUNDING);
    let whole = sums.map(|s| s.to_bits().wrapping_sub(ROUNDING.to_bits()) as i32);
    (whole, std::array::from_fn(|k| at[k] - (sums[k] - ROUNDING)))
}

/// Between four corners: upper left, upper right, lower left, lower right.
#[inline(always)]
fn between(corners: impl Fn(usize) -> [f32; 4], across: &Eight, along: &Eight) -> Eight {
    std::array::from_fn(|k| {
        let [a, b, c, d] = corners(k);
        let (top, bottom) = (a + across[k] * (b - a), c + across[k] * (d - c));
        top + along[k] * (bottom - top)
    })
}
