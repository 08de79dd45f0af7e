//! Past fields put in order: one grid, ascending time, each time once.

use std::ops::Range;

use raincell_model::RainField;

use crate::MotionError;

/// A field and its time in minutes before the newest one (≤ 0).
#[derive(Clone, Copy)]
pub(crate) struct Past<'a> {
    pub field: &'a RainField,
    pub minutes: f32,
}

/// Fields closer to each other than this tell hardly more than one of them, and take as long, minutes.
const APART_MIN: f32 = 3.5;
/// So many fields are no burden however close they are.
const FEW: usize = 6;

/// The fields in ascending time, none older than `oldest_min` minutes before the newest, and of those that come often only
/// some: each as far from the next one as is worth while.
pub(crate) fn in_order(fields: &[RainField], oldest_min: f32) -> Result<Vec<Past<'_>>, MotionError> {
    let first = fields.first().ok_or(MotionError::NoFields)?;
    for field in fields {
        if *field.grid != *first.grid {
            return Err(MotionError::GridMismatch { first_time: first.valid_time, valid_time: field.valid_time });
        }
        if field.rate_mm_h.dim() != field.grid.shape() {
            return Err(MotionError::ShapeMismatch {
                valid_time: field.valid_time,
                expected: field.grid.shape(),
                found: field.rate_mm_h.dim(),
            });
        }
    }
    let mut sorted: Vec<&RainField> = fields.iter().collect();
    sorted.sort_by_key(|f| f.valid_time);
    let newest = sorted.last().map_or(first.valid_time, |f| f.valid_time);
    let mut past: Vec<Past<'_>> = Vec::with_capacity(sorted.len());
    for field in sorted {
        let minutes = -(newest.duration_since(field.valid_time).as_secs_f32() / 60.0);
        if minutes < -oldest_min {
            continue;
        }
        // The sort is stable, so that of two fields of one time the later given replaces the earlier.
        match past.last_mut() {
            Some(last) if last.field.valid_time == field.valid_time => *last = Past { field, minutes },
            _ => past.push(Past { field, minutes }),
        }
    }
    if past.len() > FEW {
        let mut next_min = f32::INFINITY;
        past.reverse();
        past.retain(|p| {
            let counts = next_min - p.minutes > APART_MIN;
            next_min = if counts { p.minutes } else { next_min };
            counts
        });
        past.reverse();
    }
    Ok(past)
}

/// Which of the fields in ascending time tell how rain moves now: those of the last `minutes`, if these are two or more.
/// After a gap rain goes on as it moved before; where fields come seldom, the last two have to do.
pub(crate) fn telling(past: &[Past<'_>], minutes: f32) -> Range<usize> {
    let newest = past.len();
    let until = |end: usize| {
        let from = past[..end].last().map_or(0.0, |last| last.minutes) - minutes;
        past.partition_point(|p| p.minutes < from)..end
    };
    let windows = [until(newest), until(newest.saturating_sub(1))];
    windows.into_iter().find(|window| window.len() > 1).unwrap_or(newest.saturating_sub(2)..newest)
}
