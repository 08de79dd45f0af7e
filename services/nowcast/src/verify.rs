//! Scores what was nowcast for the time of a frame.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use raincell_api_types::verification::ScoredNowcast;
use raincell_frame::{ProductEntry, decode};
use raincell_model::RainField;
use raincell_verification::{Pool, ProbabilityPool, THRESHOLDS_MM_H, probability_name};

use crate::fixed_times;
use crate::remembered::{HeldRun, Remembered};

/// The name under which the frame of the issue time is scored beside each run.
pub const PERSISTENCE: &str = "persistence";
/// A product this near to the frame is taken as it is.
const SAME_TIME: SignedDuration = SignedDuration::from_secs(30);

/// Sums of every run that has a product for about the time of `observed`, and of persistence from the same issue times.
/// A run on another grid is left out; one that is damaged too, with a word in the log.
pub fn score_frame(observed: &RainField, remembered: &Remembered, step_min: u32) -> Vec<ScoredNowcast> {
    let earlier = remembered.runs.range(..observed.valid_time);
    earlier.flat_map(|(_, run)| score(run, observed, remembered, step_min)).collect()
}

/// Sums of one run against one frame, and of persistence.
pub fn score(run: &HeldRun, observed: &RainField, remembered: &Remembered, step_min: u32) -> Vec<ScoredNowcast> {
    let mut scored = Vec::new();
    match score_run(run, observed, step_min) {
        Ok(Some(of_run)) => scored.push(of_run),
        Ok(None) => return scored,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), issue_time = %run.header.issue_time, "a run cannot be scored");
            return scored;
        }
    }
    match score_persistence(run, observed, remembered, scored[0].lead_min) {
        Ok(of_persistence) => scored.extend(of_persistence),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), issue_time = %run.header.issue_time, "a frame cannot be scored");
        }
    }
    scored
}

fn score_run(run: &HeldRun, observed: &RainField, step_min: u32) -> anyhow::Result<Option<ScoredNowcast>> {
    let header = &run.header;
    let (Some(product), Some(lead_min)) =
        (nearest(run, observed.valid_time, step_min), lead_min(header.issue_time, observed.valid_time, step_min))
    else {
        return Ok(None);
    };
    if *header.grid != *observed.grid {
        return Ok(None);
    }
    let field = decode(product.frame_bytes(&run.bytes))?.field;
    let mut pool = Pool::default();
    if product.valid_time.duration_since(observed.valid_time).abs() <= SAME_TIME {
        pool.add(&field.rate_mm_h, &observed.rate_mm_h)?;
    } else {
        let motion = header.decode_motion(&run.bytes)?;
        pool.add(&fixed_times::at_time(&field, &motion, observed.valid_time)?, &observed.rate_mm_h)?;
    }
    let mut sums = pool.to_sums();
    for (index, threshold) in THRESHOLDS_MM_H.into_iter().enumerate() {
        for name in [probability_name(index), raw_name(&probability_name(index))] {
            if let Some(probabilities) = score_probability(run, &name, product.valid_time, observed, threshold)? {
                sums.insert(name, probabilities.to_sums());
            }
        }
    }
    let (method, issue_time) = (header.method.clone(), header.issue_time);
    Ok(Some(ScoredNowcast { method, issue_time, lead_min, sums }))
}

/// The name of the probabilities as the ensemble gives them, before they are put right.
pub fn raw_name(name: &str) -> String {
    name.replacen("probability-", "probability-raw-", 1)
}

/// The scores of a probability product of the same time, where the run has one.
fn score_probability(
    run: &HeldRun,
    name: &str,
    valid_time: Timestamp,
    observed: &RainField,
    threshold_mm_h: f32,
) -> anyhow::Result<Option<ProbabilityPool>> {
    let Some(product) = run.header.products_named(name).find(|p| p.valid_time == valid_time) else { return Ok(None) };
    let field = decode(product.frame_bytes(&run.bytes))?.field;
    let mut pool = ProbabilityPool::default();
    if valid_time.duration_since(observed.valid_time).abs() <= SAME_TIME {
        pool.add(&field.rate_mm_h, &observed.rate_mm_h, threshold_mm_h)?;
    } else {
        let motion = run.header.decode_motion(&run.bytes)?;
        let moved = fixed_times::at_time(&field, &motion, observed.valid_time)?;
        pool.add(&moved, &observed.rate_mm_h, threshold_mm_h)?;
    }
    Ok(Some(pool))
}

fn score_persistence(
    run: &HeldRun,
    observed: &RainField,
    remembered: &Remembered,
    lead_min: u16,
) -> anyhow::Result<Option<ScoredNowcast>> {
    let issue_time = run.header.issue_time;
    let Some(frame) = remembered.frames.get(&issue_time) else { return Ok(None) };
    let field = decode(&frame.bytes).with_context(|| format!("frame of {issue_time}"))?.field;
    if *field.grid != *observed.grid {
        return Ok(None);
    }
    let mut pool = Pool::default();
    pool.add(&field.rate_mm_h, &observed.rate_mm_h)?;
    Ok(Some(ScoredNowcast { method: PERSISTENCE.into(), issue_time, lead_min, sums: pool.to_sums() }))
}

/// The rain-rate product nearest to `time`, if it is within half a step.
fn nearest(run: &HeldRun, time: Timestamp, step_min: u32) -> Option<&ProductEntry> {
    let distance = |product: &&ProductEntry| product.valid_time.duration_since(time).abs();
    let half = SignedDuration::from_secs(i64::from(step_min) * 30);
    run.header.products_named("rate").min_by_key(distance).filter(|product| distance(product) <= half)
}

/// The lead time in whole steps, minutes; `None` for less than half a step.
fn lead_min(issue_time: Timestamp, valid_time: Timestamp, step_min: u32) -> Option<u16> {
    let step = f64::from(step_min) * 60.0;
    let steps = (valid_time.duration_since(issue_time).as_secs_f64() / step).round();
    let minutes = steps * f64::from(step_min);
    (steps >= 1.0 && minutes <= f64::from(u16::MAX)).then_some(minutes as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_time_is_of_whole_steps() {
        let time = |second: i64| Timestamp::from_second(second).unwrap();
        for (seconds, lead) in [(300, Some(5)), (449, Some(5)), (451, Some(10)), (149, None), (7200, Some(120))] {
            assert_eq!(lead_min(time(0), time(seconds), 5), lead, "{seconds}");
        }
    }
}
