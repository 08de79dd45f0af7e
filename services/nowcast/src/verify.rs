//! Scores what was nowcast for the time of a frame.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use raincell_api_types::verification::ScoredNowcast;
use raincell_frame::{ProductEntry, decode};
use raincell_model::RainField;
use raincell_verification::{
    CRPS, CrpsPool, Pool, ProbabilityPool, Sums, THRESHOLDS_MM_H, ToldEnsemble, probability_name,
};

use crate::ensemble::PERCENTILES;
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
    let mut pool = Pool::default();
    pool.add(&field_of(run, product, observed.valid_time)?, &observed.rate_mm_h)?;
    let mut sums = pool.to_sums();
    score_ensemble(run, product.valid_time, observed, &mut sums)?;
    let (method, issue_time) = (header.method.clone(), header.issue_time);
    Ok(Some(ScoredNowcast { method, issue_time, lead_min, sums }))
}

/// The name of the probabilities as the ensemble gives them, before they are put right.
pub fn raw_name(name: &str) -> String {
    name.replacen("probability-", "probability-raw-", 1)
}

/// A product as it is at the time of the observation.
fn field_of(run: &HeldRun, product: &ProductEntry, time: Timestamp) -> anyhow::Result<Array2<f32>> {
    let field = decode(product.frame_bytes(&run.bytes))?.field;
    if product.valid_time.duration_since(time).abs() <= SAME_TIME {
        return Ok(field.rate_mm_h);
    }
    fixed_times::at_time(&field, &run.header.decode_motion(&run.bytes)?, time)
}

/// Puts the sums of the ensemble's products of a valid time to the others, as far as the run has any: of the
/// probabilities, as they are told and before they were put right, and the CRPS of the ensemble as it was drawn.
fn score_ensemble(run: &HeldRun, valid_time: Timestamp, observed: &RainField, sums: &mut Sums) -> anyhow::Result<()> {
    let field = |name: &str| {
        let product = run.header.products_named(name).find(|product| product.valid_time == valid_time);
        product.map(|product| field_of(run, product, observed.valid_time)).transpose()
    };
    let mut raw = Vec::new();
    for (index, threshold) in THRESHOLDS_MM_H.into_iter().enumerate() {
        let name = probability_name(index);
        for (name, is_raw) in [(raw_name(&name), true), (name, false)] {
            let Some(probability) = field(&name)? else { continue };
            let mut pool = ProbabilityPool::default();
            pool.add(&probability, &observed.rate_mm_h, threshold)?;
            sums.insert(name, pool.to_sums());
            if is_raw {
                raw.push(probability);
            }
        }
    }
    let [low, middle, high] = PERCENTILES.map(field);
    if let ([a, b, c], Some(low), Some(middle), Some(high)) = (raw.as_slice(), low?, middle?, high?) {
        let told = ToldEnsemble { probabilities: [a, b, c], percentiles_mm_h: [&low, &middle, &high] };
        let mut pool = CrpsPool::default();
        pool.add_told(&told, &observed.rate_mm_h)?;
        sums.insert(CRPS.to_owned(), pool.to_sums());
    }
    Ok(())
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
    let mut crps = CrpsPool::default();
    crps.add_single(&field.rate_mm_h, &observed.rate_mm_h)?;
    let mut sums = pool.to_sums();
    sums.insert(CRPS.to_owned(), crps.to_sums());
    Ok(Some(ScoredNowcast { method: PERSISTENCE.into(), issue_time, lead_min, sums }))
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
