//! Products on fixed valid times (12:05, 12:10, …), whatever the time of the scan.
//!
//! A method gives fields at equal steps after the newest scan. Each fixed time gets the nearest of them (the scan itself
//! is one, too), moved along the motion by the minutes between, half a step at most, with every cell's value as it is: so
//! short a way changes places, not intensities.

use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_extrapolation::{Inflow, Interpolation, Trajectories};
use raincell_model::{MotionField, RainField};

/// The first time after `issue_time` that is a multiple of `step_min` minutes.
pub fn first_after(issue_time: Timestamp, step_min: u32) -> Timestamp {
    let step = i64::from(step_min) * 60_000;
    let millisecond = (issue_time.as_millisecond().div_euclid(step) + 1) * step;
    Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::MAX)
}

/// How many steps after `issue_time` reach `until`, at the fixed times.
pub fn steps_until(issue_time: Timestamp, step_min: u32, until: Timestamp) -> usize {
    let span = until.duration_since(first_after(issue_time, step_min)).as_secs();
    usize::try_from(span.div_euclid(i64::from(step_min) * 60) + 1).unwrap_or(0)
}

/// How the fields of a nowcast come to the fixed times.
pub struct Settling {
    /// The first fixed time.
    first: Timestamp,
    step_min: u32,
    /// The field that goes there: 0 for the newest scan itself, 1 for the first field after it.
    skipped: usize,
    /// How to get there; `None` where the fields lie on fixed times already.
    way: Option<Trajectories>,
    inflow: Inflow,
}

impl Settling {
    /// For a nowcast issued at some time with some motion, with fields at equal steps.
    ///
    /// # Errors
    /// When the motion is no motion field.
    pub fn new(issue_time: Timestamp, motion: &MotionField, step_min: u32, inflow: Inflow) -> anyhow::Result<Self> {
        let step = i64::from(step_min) * 60_000;
        let first = first_after(issue_time, step_min);
        let lead = first.duration_since(issue_time).as_millis() as i64;
        // The nearest field before or after the fixed time.
        let (skipped, shift) = if 2 * lead > step { (1, lead - step) } else { (0, lead) };
        let mut way = None;
        if shift != 0 {
            let mut trajectories = Trajectories::new(motion)?;
            trajectories.advance(shift as f32 / 60_000.0);
            way = Some(trajectories);
        }
        Ok(Self { first, step_min, skipped, way, inflow })
    }

    /// Where the field of a number goes (0 is the newest scan, k the k-th after it); `None` for one that is not wanted.
    pub fn time_of(&self, number: usize, count: usize) -> Option<Timestamp> {
        let k = number.checked_sub(self.skipped).filter(|k| *k < count)?;
        self.first.checked_add(SignedDuration::from_mins(i64::from(self.step_min) * k as i64)).ok()
    }

    /// A field moved to its fixed time; of any unit.
    ///
    /// # Errors
    /// When the field does not fit the motion.
    pub fn settle(&self, field: &Array2<f32>) -> anyhow::Result<Array2<f32>> {
        match &self.way {
            None => Ok(field.clone()),
            Some(way) => Ok(way.carry(field, Interpolation::Nearest, self.inflow)?),
        }
    }

    /// Moves the fields after `newest` to as many fixed times.
    ///
    /// # Errors
    /// When the fields do not fit the motion.
    pub fn settle_all(&self, newest: &RainField, fields: Vec<RainField>) -> anyhow::Result<Vec<RainField>> {
        if self.way.is_none() {
            return Ok(fields);
        }
        let count = fields.len();
        let mut settled = Vec::with_capacity(count);
        for (number, field) in std::iter::once(newest.clone()).chain(fields).enumerate() {
            if let Some(valid_time) = self.time_of(number, count) {
                settled.push(RainField { valid_time, rate_mm_h: self.settle(&field.rate_mm_h)?, grid: field.grid });
            }
        }
        Ok(settled)
    }
}

/// A field as it is at `time`, some minutes before or after, moved along the motion.
///
/// # Errors
/// When the motion does not fit the field.
pub fn at_time(field: &RainField, motion: &MotionField, time: Timestamp) -> anyhow::Result<Array2<f32>> {
    let mut way = Trajectories::new(motion)?;
    way.advance(time.duration_since(field.valid_time).as_secs_f32() / 60.0);
    Ok(way.carry(&field.rate_mm_h, Interpolation::Nearest, Inflow::LastObservation)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raincell_model::Grid;
    use std::sync::Arc;

    fn time(text: &str) -> Timestamp {
        format!("2026-06-01T{text}Z").parse().unwrap()
    }

    /// One wet cell that moves right by a cell a minute, seen at `issued` in column 20, and its nowcast.
    fn settled(issued: &str) -> Vec<(Timestamp, usize)> {
        let grid = Arc::new(Grid::around_radar(50.0, 5.0, 40.0, 1.0));
        let field = |minutes: i64| {
            let mut rate_mm_h = Array2::zeros(grid.shape());
            rate_mm_h[(40, (20 + minutes) as usize)] = 3.0;
            let valid_time = time(issued) + SignedDuration::from_mins(minutes);
            RainField { grid: Arc::clone(&grid), valid_time, rate_mm_h }
        };
        let mut motion = MotionField::at_rest(Arc::clone(&grid));
        motion.u.fill(1.0);
        let fields = [5, 10, 15].map(field).to_vec();
        let settling = Settling::new(field(0).valid_time, &motion, 5, Inflow::Unknown).unwrap();
        let settled = settling.settle_all(&field(0), fields).unwrap();
        let column = |field: &RainField| (0..80).find(|c| field.rate_mm_h[(40, *c)] == 3.0).unwrap();
        settled.iter().map(|field| (field.valid_time, column(field))).collect()
    }

    #[test]
    fn products_of_an_uneven_scan_lie_on_fixed_times_and_the_rain_where_it_is_then() {
        let expected = |first: usize| {
            vec![(time("12:05:00"), first), (time("12:10:00"), first + 5), (time("12:15:00"), first + 10)]
        };
        assert_eq!(settled("12:03:00"), expected(22));
        assert_eq!(settled("12:01:00"), expected(24));
        assert_eq!(settled("12:00:00"), expected(25));
        assert_eq!(settled("12:04:31"), expected(20));
    }

    #[test]
    fn steps_reach_until_a_time() {
        assert_eq!(steps_until(time("12:00:00"), 5, time("14:00:00")), 24);
        assert_eq!(steps_until(time("12:03:00"), 5, time("14:03:00")), 24);
        assert_eq!(steps_until(time("12:03:00"), 5, time("12:00:00")), 0);
    }
}
