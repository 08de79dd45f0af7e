//! The scores of the last 24 hours as metrics.

use raincell_api_types::verification::PooledSums;
use raincell_verification::{CRPS, CrpsPool, Pool, ProbabilityPool, Scores, THRESHOLDS_MM_H, probability_name};

/// Lead times whose scores are told, minutes: every quarter of an hour and the first step.
fn told(lead_min: u16) -> bool {
    lead_min == 5 || lead_min.is_multiple_of(15)
}

/// Sets `raincell_nowcast_skill` of a source.
pub fn publish(source: &str, pools: &[PooledSums]) {
    for pool in pools.iter().filter(|pool| told(pool.lead_min)) {
        let scores = Pool::from_sums(&pool.sums, pool.nowcasts as usize).scores();
        let probabilities = THRESHOLDS_MM_H.into_iter().enumerate().filter_map(|(index, threshold)| {
            let sums = pool.sums.get(&probability_name(index))?;
            Some((format!("brier{threshold}"), ProbabilityPool::from_sums(sums).brier()?))
        });
        let crps = pool.sums.get(CRPS).and_then(|sums| CrpsPool::from_sums(sums).crps_mm_h());
        let crps = crps.map(|crps| ("crps".to_owned(), crps));
        for (score, value) in named(&scores).into_iter().chain(probabilities).chain(crps) {
            let labels = [
                ("source", source.to_owned()),
                ("method", pool.method.clone()),
                ("lead", pool.lead_min.to_string()),
                ("score", score),
            ];
            metrics::gauge!("raincell_nowcast_skill", &labels).set(value);
        }
    }
}

/// The scores by the names of the benchmark (`csi0.1`, `mae_wet`, …).
fn named(scores: &Scores) -> Vec<(String, f64)> {
    let mut named = vec![("mae_wet".to_owned(), scores.mae_wet_mm_h), ("cover".to_owned(), scores.cover)];
    for at in &scores.at {
        let threshold = at.threshold_mm_h;
        for (name, value) in [("csi", at.csi), ("bias", at.bias), ("fss", at.fss)] {
            named.push((format!("{name}{threshold}"), value));
        }
    }
    named
}
