//! Convective cells: born in clusters, carried by the flow, grown and gone within 30 to 90 minutes.
//!
//! Space (carried along by the flow) and time are divided into blocks; the cells born in a block follow from the seed
//! and the number of the block alone. So the weather never ends and every instant of it can be had directly.

use std::f32::consts::PI;

use rand::Rng;

use crate::seed::{Purpose, stream};

/// Side of a block, km.
const BLOCK_KM: f64 = 40.0;
/// Length of a block, hours.
const BLOCK_HOURS: f64 = 0.5;
/// From the first birth of a block to the end of the last cell: the block, the births of a cluster, the longest life.
const LONGEST_HOURS: f64 = BLOCK_HOURS + 0.6 + 1.5;
/// Side of a bucket of [`Cells`], km.
const BUCKET_KM: f32 = 20.0;
/// Buckets in each direction; they cover a bit more than the reach of the weather.
const BUCKETS: usize = 40;
/// The texture may move a place by so much before it is looked up, km.
const BEND_KM: f32 = 6.0;
/// Beyond so many radii a cell's rain is too weak to count.
const EDGE_RADII: f32 = 3.4;

/// From the block of its birth a cell's rain reaches no farther than this, km: the way within its cluster, the extent
/// of the largest cell, the bend of the texture.
const FARTHEST_KM: f64 = 80.0;

/// A part of the plane in stream coordinates, as of now.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its middle, km (along the flow, to the left of it).
    pub middle_km: (f64, f64),
    /// Half its side, km.
    pub radius_km: f64,
}

/// One cell at one instant.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Where its centre is, in stream coordinates as of now, km.
    along_km: f32,
    left_km: f32,
    /// Peak rain rate now, mm/h.
    peak_mm_h: f32,
    /// Quadratic form of its ellipse: q² = a·da² + 2·b·da·dl + c·dl².
    a: f32,
    b: f32,
    c: f32,
    /// Half the extent of its rain, km.
    edge_km: f32,
}

/// All cells near the site at one instant, findable by place.
#[derive(Debug)]
pub struct Cells {
    cells: Vec<Cell>,
    buckets: Vec<Vec<u32>>,
}

/// What the cells bring to a place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Convection {
    /// Rain of the cores, mm/h.
    pub core_mm_h: f32,
    /// Rain of the wide, weak shield around the cores, mm/h.
    pub shield_mm_h: f32,
}

impl Cells {
    /// The cells of a seed at a time. `births` is how many clusters a block of 40 km × 40 km brings forth in half an
    /// hour at full activity; `activity` gives, for a time in hours, the share of it by place (where the flow has
    /// carried it by now: km along the flow and to its left). `drift_km` is how far the flow has come by now. Only
    /// what can bring rain into `window` is worked out; there it is the same whatever the window is.
    pub fn at<Activity: Fn(f32, f32) -> f32>(
        seed: u64,
        births: f64,
        hours: f64,
        drift_km: f64,
        window: Window,
        activity: impl Fn(f64) -> Activity,
    ) -> Self {
        let mut cells = Vec::new();
        let blocks = |middle: f64| {
            let block = |km: f64| (km / BLOCK_KM).floor() as i64;
            block(middle - window.radius_km - FARTHEST_KM)..=block(middle + window.radius_km + FARTHEST_KM)
        };
        let oldest = ((hours - LONGEST_HOURS) / BLOCK_HOURS).floor() as i64;
        let newest = (hours / BLOCK_HOURS).floor() as i64;
        for block in oldest..=newest {
            // The activity of the time of birth decides, so that no cell comes or goes but by its own life.
            let activity = activity(block as f64 * BLOCK_HOURS);
            for along in blocks(window.middle_km.0 - drift_km) {
                for left in blocks(window.middle_km.1) {
                    let middle = ((along as f64 + 0.5) * BLOCK_KM + drift_km, (left as f64 + 0.5) * BLOCK_KM);
                    let share = activity(middle.0 as f32, middle.1 as f32);
                    let mut rng = stream(seed, Purpose::Cells, &[along, left, block]);
                    if rng.random_range(0.0..1.0) >= share {
                        continue;
                    }
                    for _ in 0..(births + rng.random_range(0.0..1.0)).floor() as usize {
                        let origin = (
                            (along as f64 + rng.random_range(0.0..1.0)) * BLOCK_KM + drift_km,
                            (left as f64 + rng.random_range(0.0..1.0)) * BLOCK_KM,
                        );
                        let birth = (block as f64 + rng.random_range(0.0..1.0)) * BLOCK_HOURS;
                        cluster(&mut rng, origin, hours - birth, &mut cells);
                    }
                }
            }
        }
        Self::new(cells)
    }

    fn new(cells: Vec<Cell>) -> Self {
        let mut buckets = vec![Vec::new(); BUCKETS * BUCKETS];
        for (number, cell) in cells.iter().enumerate() {
            let span = |middle: f32| {
                let low = bucket(middle - cell.edge_km - BEND_KM).clamp(0, BUCKETS as i32 - 1) as usize;
                low..=bucket(middle + cell.edge_km + BEND_KM).clamp(0, BUCKETS as i32 - 1) as usize
            };
            for row in span(cell.left_km) {
                for column in span(cell.along_km) {
                    buckets[row * BUCKETS + column].push(number as u32);
                }
            }
        }
        Self { cells, buckets }
    }

    /// The cells that may bring rain to a place in stream coordinates, or within [`BEND_KM`] of it.
    pub fn near(&self, along_km: f32, left_km: f32) -> &[u32] {
        let (column, row) = (bucket(along_km), bucket(left_km));
        let inside = |index: i32| (0..BUCKETS as i32).contains(&index);
        if inside(column) && inside(row) { &self.buckets[row as usize * BUCKETS + column as usize] } else { &[] }
    }

    /// What some of the cells bring to a place in stream coordinates.
    pub fn rain(&self, near: &[u32], along_km: f32, left_km: f32) -> Convection {
        let mut rain = Convection::default();
        for cell in near.iter().filter_map(|&number| self.cells.get(number as usize)) {
            let (da, dl) = (along_km - cell.along_km, left_km - cell.left_km);
            let q2 = cell.a * da * da + 2.0 * cell.b * da * dl + cell.c * dl * dl;
            if q2 < EDGE_RADII * EDGE_RADII {
                // A flat top and steep sides; the shield reaches three times as far.
                rain.core_mm_h += cell.peak_mm_h * (-0.5 * q2 * (1.0 + 0.25 * q2)).exp();
                let fringe = 1.0 - q2 / (EDGE_RADII * EDGE_RADII);
                rain.shield_mm_h += 0.06 * cell.peak_mm_h * fringe * fringe;
            }
        }
        rain
    }
}

fn bucket(km: f32) -> i32 {
    (km / BUCKET_KM).floor() as i32 + BUCKETS as i32 / 2
}

/// Two to five cells born one after another, each a bit to the right of the one before: how multicells renew
/// themselves.
fn cluster(rng: &mut impl Rng, origin: (f64, f64), age_hours: f64, cells: &mut Vec<Cell>) {
    let members = rng.random_range(2..=5);
    let vigour = rng.random_range(0.0_f32..1.0);
    let bearing = rng.random_range(-0.9_f64..0.9);
    for member in 0..members {
        let life_hours = rng.random_range(0.5_f64..1.5);
        let delay = 0.6 * f64::from(member) / f64::from(members) * rng.random_range(0.6..1.0);
        let apart_km = f64::from(member) * rng.random_range(3.5..7.5);
        // Most showers are modest, a few are violent.
        let peak = 6.0 + 74.0 * vigour.powf(1.6) * rng.random_range(0.35_f32..1.0);
        let (radius_km, stretch) = (rng.random_range(2.2_f32..4.6), rng.random_range(1.1_f32..2.3));
        let tilt = rng.random_range(0.0_f32..PI);
        let phase = ((age_hours - delay) / life_hours) as f32;
        if !(0.0..1.0).contains(&phase) {
            continue;
        }
        let strength = life_cycle(phase);
        // A cell is small when young and spreads while it rains out.
        let (minor, major) = (radius_km * (0.75 + 0.45 * phase), radius_km * stretch * (0.75 + 0.45 * phase));
        let (sin, cos) = tilt.sin_cos();
        let (inner, outer) = (1.0 / (major * major), 1.0 / (minor * minor));
        cells.push(Cell {
            along_km: (origin.0 - apart_km * bearing.sin()) as f32,
            left_km: (origin.1 - apart_km * bearing.cos()) as f32,
            peak_mm_h: peak * strength,
            a: cos * cos * inner + sin * sin * outer,
            b: sin * cos * (inner - outer),
            c: sin * sin * inner + cos * cos * outer,
            edge_km: major * EDGE_RADII,
        });
    }
}

/// Growth over the first third of a life, then slow decay; 0 at both ends, 1 at the height.
fn life_cycle(phase: f32) -> f32 {
    let bent = if phase < 0.35 { phase / 0.7 } else { 0.5 + (phase - 0.35) / 1.3 };
    (PI * bent).sin().max(0.0).powf(1.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_begins_and_ends_at_nothing_and_has_one_height() {
        assert!(life_cycle(0.0).abs() < 1e-4 && life_cycle(1.0).abs() < 1e-3);
        assert!((life_cycle(0.35) - 1.0).abs() < 1e-4);
    }

    const EVERYWHERE: Window = Window { middle_km: (0.0, 0.0), radius_km: 330.0 };

    #[test]
    fn a_narrow_window_shows_the_same_cells_as_a_wide_one() {
        let cells = |window: Window| Cells::at(7, 0.5, 1000.0, 50_000.0, window, |_| move |_, _| 1.0);
        let wide = cells(EVERYWHERE);
        for (along, left) in [(0.0, 0.0), (-133.0, 71.0), (250.0, -199.0), (17.0, 90.0)] {
            let narrow = cells(Window { middle_km: (f64::from(along), f64::from(left)), radius_km: 0.0 });
            assert!(narrow.cells.len() < wide.cells.len() / 3);
            let core = |cells: &Cells| cells.rain(cells.near(along, left), along + 5.0, left - 5.0).core_mm_h;
            assert_eq!(core(&wide), core(&narrow));
        }
    }

    #[test]
    fn no_activity_no_cells_and_with_it_strong_ones() {
        let total = |activity: f32| -> f32 {
            let cells = Cells::at(1, 0.5, 1000.0, 50_000.0, EVERYWHERE, |_| move |_, _| activity);
            cells.cells.iter().map(|c| c.peak_mm_h).sum()
        };
        assert_eq!(total(0.0), 0.0);
        assert!(total(1.0) > 500.0);
    }
}
