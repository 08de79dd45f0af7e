//! Rain at one place over time: observed, then forecast, at any instant between.
//!
//! Between two fields the rain is followed along its motion instead of being faded over: the value at an instant is
//! what the earlier field holds upstream and the later field holds downstream, weighted by nearness in time. That
//! makes the arrival of a shower sharper than the five minutes between two fields.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::forecast::PointMotion;
use raincell_model::{MotionField, RainField, distance_km};

use crate::memory::{HeldFrame, HeldRun, SourceView};
use crate::outlook::Spell;
use crate::products::{ARRIVAL_PROBABILITY, BEGINS, ENDS, Products};

/// How far a frame may be from a 5-minute slot to stand for it.
const SLOT_TOLERANCE: SignedDuration = SignedDuration::from_secs(150);
/// How far beyond its last field a run may be carried on along its motion.
const BEYOND_RUN: SignedDuration = SignedDuration::from_mins(15);

/// All that one source says of one place.
#[derive(Debug)]
pub struct Timeline<'a> {
    view: &'a SourceView,
    run: Option<&'a HeldRun>,
    /// The newest frame, then the steps of the run that are later than it.
    knots: Vec<&'a Arc<HeldFrame>>,
    row: usize,
    column: usize,
    /// Cells per minute to the right and down.
    drift: (f64, f64),
}

impl<'a> Timeline<'a> {
    /// For a place; `None` when the source has no frame whose grid holds it.
    pub fn at(view: &'a SourceView, lat_deg: f64, lon_deg: f64) -> Option<Self> {
        let newest = view.newest()?;
        let (row, column) = newest.placement.geo.index_of(lat_deg, lon_deg)?;
        // A run on another grid than the frames (the grid was changed meanwhile) says nothing of these cells.
        let run = view.run().map(AsRef::as_ref).filter(|run| run.motion.grid == newest.field.grid);
        let mut knots = vec![newest];
        let later = run.iter().flat_map(|run| &run.steps).filter(|step| step.valid_time() > newest.valid_time());
        knots.extend(later);
        let drift = run.and_then(|run| drift(&run.motion, row, column)).unwrap_or((0.0, 0.0));
        Some(Self { view, run, knots, row, column, drift })
    }

    /// The run that the forecast comes from.
    pub fn run(&self) -> Option<&HeldRun> {
        self.run
    }

    /// Valid time of the newest frame that the forecast knows; without a run, of the newest frame.
    pub fn base_time(&self) -> Timestamp {
        let newest = self.knots[0].valid_time();
        self.run.map_or(newest, |run| run.issue_time.min(newest))
    }

    /// Valid time of the newest frame.
    pub fn newest_time(&self) -> Timestamp {
        self.knots[0].valid_time()
    }

    /// Valid time of the last field of the forecast.
    pub fn horizon(&self) -> Timestamp {
        self.knots.last().map_or_else(|| self.newest_time(), |knot| knot.valid_time())
    }

    /// What the newest frame says here, mm/h; `None` where not observed.
    pub fn newest_rate(&self) -> Option<f32> {
        self.cell(&self.knots[0].field)
    }

    /// How much that is worth, 0–1; `None` where nothing is known here or of it.
    pub fn quality(&self) -> Option<f32> {
        let quality = self.view.quality.as_ref().filter(|quality| quality.field.grid == self.knots[0].field.grid)?;
        self.newest_rate().and_then(|_| self.cell(&quality.field))
    }

    /// What the frame nearest to a 5-minute slot says, if there is one near it.
    pub fn observed(&self, slot: Timestamp) -> Option<f32> {
        let frame = self.view.nearest(slot, SLOT_TOLERANCE)?;
        if frame.field.grid == self.knots[0].field.grid { self.cell(&frame.field) } else { None }
    }

    /// Every frame since an instant, with what it says here.
    pub fn observed_since(&self, since: Timestamp) -> impl Iterator<Item = (Timestamp, Option<f32>)> + '_ {
        let grid = &self.knots[0].field.grid;
        let frames = self.view.frames.iter().filter(move |f| f.valid_time() >= since && &f.field.grid == grid);
        frames.map(|frame| (frame.valid_time(), self.cell(&frame.field)))
    }

    /// Rain rate at an instant from the newest frame on, mm/h; `None` where unknown.
    pub fn rate_at(&self, time: Timestamp) -> Option<f32> {
        let after = self.knots.partition_point(|knot| knot.valid_time() <= time);
        let before = self.knots.get(after.checked_sub(1)?)?;
        let since_min = time.duration_since(before.valid_time()).as_secs_f64() / 60.0;
        if since_min == 0.0 {
            return self.cell(&before.field);
        }
        let Some(later) = self.knots.get(after) else {
            let reachable = self.run.is_some() && time.duration_since(before.valid_time()) <= BEYOND_RUN;
            return if reachable { self.displaced(&before.field, -since_min) } else { None };
        };
        let until_min = later.valid_time().duration_since(time).as_secs_f64() / 60.0;
        let from_before = self.displaced(&before.field, -since_min);
        let from_later = self.displaced(&later.field, until_min);
        match (from_before, from_later) {
            (Some(a), Some(b)) => {
                let weight = (since_min / (since_min + until_min)) as f32;
                Some(a * (1.0 - weight) + b * weight)
            }
            (one, other) => one.or(other),
        }
    }

    /// A percentile or probability of the run here, at the time of one of its steps; `None` where unknown.
    pub fn product_at(&self, products: &Products, name: &str, time: Timestamp) -> Option<f32> {
        products.at(name, time, (self.row, self.column))
    }

    /// What the members of the ensemble say of the first rain here.
    pub fn spell(&self) -> Spell {
        let Some(run) = self.run else { return Spell::default() };
        let products = run.products();
        let at = |name: &str| self.product_at(&products, name, run.issue_time);
        let time = |name: &str| at(name).filter(|min| *min > 0.0).map(|min| after_seconds(run.issue_time, min * 60.0));
        Spell { probability: at(ARRIVAL_PROBABILITY), begins: BEGINS.map(time), ends: ENDS.map(time) }
    }

    /// Motion of the rain here: speed over ground, and direction from true north.
    pub fn motion(&self) -> Option<PointMotion> {
        self.run?;
        let geo = &self.knots[0].placement.geo;
        let (row, column) = (self.row as f64 + 0.5, self.column as f64 + 0.5);
        let here = geo.lat_lon_of(row, column)?;
        // A distance of an hour would bend on the globe; a quarter of one is straight and far above rounding.
        let minutes = 15.0;
        let there = geo.lat_lon_of(row + self.drift.1 * minutes, column + self.drift.0 * minutes)?;
        let (km, bearing_deg) = distance_and_bearing(here, there);
        Some(PointMotion { speed_km_h: (km * 60.0 / minutes) as f32, towards_deg: bearing_deg as f32 })
    }

    fn cell(&self, field: &RainField) -> Option<f32> {
        field.rate_mm_h.get((self.row, self.column)).copied().filter(|rate| !rate.is_nan())
    }

    /// The field's value where the air of this place is after `minutes` (before, if negative).
    fn displaced(&self, field: &RainField, minutes: f64) -> Option<f32> {
        let row = (self.row as f64 + 0.5 + self.drift.1 * minutes).floor();
        let column = (self.column as f64 + 0.5 + self.drift.0 * minutes).floor();
        if row < 0.0 || column < 0.0 {
            return None;
        }
        field.rate_mm_h.get((row as usize, column as usize)).copied().filter(|rate| !rate.is_nan())
    }
}

/// The whole second so long after an instant.
fn after_seconds(time: Timestamp, seconds: f32) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds.round() as i64)).unwrap_or(time)
}

fn drift(motion: &MotionField, row: usize, column: usize) -> Option<(f64, f64)> {
    let (u, v) = (*motion.u.get((row, column))?, *motion.v.get((row, column))?);
    (u.is_finite() && v.is_finite()).then_some((f64::from(u), f64::from(v)))
}

/// Great-circle distance in km and initial bearing in degrees clockwise from north, on a sphere.
fn distance_and_bearing(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let (lat_a, lat_b) = (from.0.to_radians(), to.0.to_radians());
    let delta_lon = (to.1 - from.1).to_radians();
    let bearing = (delta_lon.sin() * lat_b.cos())
        .atan2(lat_a.cos() * lat_b.sin() - lat_a.sin() * lat_b.cos() * delta_lon.cos())
        .to_degrees();
    (distance_km(from, to), bearing.rem_euclid(360.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearings_are_clockwise_from_true_north() {
        for (to, expected) in [((51.0, 5.0), 0.0), ((49.0, 5.0), 180.0)] {
            let (km, bearing) = distance_and_bearing((50.0, 5.0), to);
            assert!((km - 111.195).abs() < 0.01 && (bearing - expected).abs() < 1e-9, "{km} {bearing}");
        }
        let (_, east) = distance_and_bearing((0.0, 5.0), (0.0, 6.0));
        assert!((east - 90.0).abs() < 1e-9);
    }
}
