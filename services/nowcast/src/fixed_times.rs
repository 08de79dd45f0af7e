//! Products on fixed valid times (12:05, 12:10, …), whatever the time of the scan.
//!
//! A method gives fields at equal steps after the newest scan. Each fixed time gets the nearest of them (the scan itself
//! is one, too), moved along the motion by the minutes between, half a step at most, with every cell's value as it is: so
//! short a way changes places, not intensities.

use anyhow::Context;
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

/// Moves fields that lie `step_min`, `2·step_min`, … after `newest` to as many fixed times.
///
/// # Errors
/// When the motion does not fit the fields.
pub fn settle(
    newest: &RainField,
    motion: &MotionField,
    fields: Vec<RainField>,
    step_min: u32,
    inflow: Inflow,
) -> anyhow::Result<Vec<RainField>> {
    let step = i64::from(step_min) * 60_000;
    let first = first_after(newest.valid_time, step_min);
    let lead = first.duration_since(newest.valid_time).as_millis() as i64;
    if lead == step {
        return Ok(fields);
    }
    // The nearest field before or after the fixed time.
    let (skipped, shift) = if 2 * lead > step { (1, lead - step) } else { (0, lead) };
    let count = fields.len();
    let all = std::iter::once(newest.clone()).chain(fields);
    let mut way = Trajectories::new(motion)?;
    way.advance(shift as f32 / 60_000.0);
    all.skip(skipped)
        .take(count)
        .zip(0..)
        .map(|(field, k)| {
            let valid_time = first.checked_add(SignedDuration::from_millis(k * step)).context("end of the calendar")?;
            let rate_mm_h = way.carry(&field.rate_mm_h, Interpolation::Nearest, inflow)?;
            Ok(RainField { valid_time, rate_mm_h, grid: field.grid })
        })
        .collect()
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
        let settled = settle(&field(0), &motion, fields, 5, Inflow::Unknown).unwrap();
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
