//! Scores made of the sums that the store keeps; asked for when somebody wants them, and kept for a little while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use raincell_api_types::verification::{LeadSkill, PooledSums, ReliabilityPoint, Skill, SkillWindow, ThresholdSkill};
use raincell_store_client::{ClientError, RetryPolicy, StoreClient};
use raincell_verification::{CRPS, CrpsPool, Pool, ProbabilityPool, probability_name};
use tokio::sync::Mutex;

use crate::memory::SourceView;

/// The windows, hours.
const WINDOWS: [u32; 2] = [24, 24 * 30];
/// What persistence is called in the store.
const PERSISTENCE: &str = "persistence";
/// Lead time of the sentence, minutes.
const TOLD_LEAD_MIN: u16 = 30;
/// An answer is kept so long while new frames come.
const SHORTEST: Duration = Duration::from_secs(5);
/// And so long without.
const LONGEST: Duration = Duration::from_secs(60);
/// Somebody waits for the answer.
const CALLS: RetryPolicy = RetryPolicy {
    attempt_timeout: Duration::from_secs(5),
    deadline: Duration::from_secs(8),
    first_pause: Duration::from_millis(100),
    longest_pause: Duration::from_secs(1),
};

/// What was answered last, by source.
#[derive(Debug)]
pub struct SkillBook {
    store: StoreClient,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    version: String,
    at: Instant,
    skill: Arc<Skill>,
}

impl SkillBook {
    /// Empty.
    pub fn new(store: &StoreClient) -> Self {
        Self { store: store.with_policy(CALLS), kept: Mutex::default() }
    }

    /// The skill of a source whose newest frame is of `until`. While the store does not answer, the last one, marked stale.
    ///
    /// # Errors
    /// When the store does not answer and there is no earlier one.
    pub async fn of(&self, view: &SourceView, until: Timestamp) -> Result<Arc<Skill>, ClientError> {
        // Held while the store is asked: of many who want the same, one asks.
        let mut kept = self.kept.lock().await;
        let version = view.version();
        if let Some(known) = kept.get(&view.name) {
            let age = known.at.elapsed();
            if age < SHORTEST || (known.version == version && age < LONGEST) {
                return Ok(Arc::clone(&known.skill));
            }
        }
        match self.ask(&view.name, until).await {
            Ok(skill) => {
                let skill = Arc::new(skill);
                kept.insert(view.name.clone(), Kept { version, at: Instant::now(), skill: Arc::clone(&skill) });
                Ok(skill)
            }
            Err(error) => {
                let known = kept.get(&view.name).ok_or(error)?;
                Ok(Arc::new(Skill { stale: true, ..Skill::clone(&known.skill) }))
            }
        }
    }

    async fn ask(&self, source: &str, until: Timestamp) -> Result<Skill, ClientError> {
        let mut windows = Vec::new();
        let to = until.checked_add(SignedDuration::from_secs(1)).unwrap_or(until);
        for hours in WINDOWS {
            let from = until.checked_sub(SignedDuration::from_hours(hours.into())).unwrap_or(Timestamp::MIN);
            let pools = self.store.verification(source, from, to).await?;
            windows.push(SkillWindow { hours, leads: pools.iter().map(lead_skill).collect() });
        }
        Ok(skill(source, until, windows))
    }
}

fn skill(source: &str, until: Timestamp, windows: Vec<SkillWindow>) -> Skill {
    let method = windows.iter().find_map(main_method);
    let summary = windows.iter().find_map(|window| summary(window, method.as_deref()?));
    Skill {
        source: source.to_owned(),
        method,
        summary: summary.unwrap_or_else(|| "No nowcast has been scored yet.".into()),
        until,
        stale: false,
        windows,
    }
}

/// The method of most nowcasts of a window.
fn main_method(window: &SkillWindow) -> Option<String> {
    let mut nowcasts: HashMap<&str, u64> = HashMap::new();
    for lead in window.leads.iter().filter(|lead| lead.method != PERSISTENCE) {
        *nowcasts.entry(&lead.method).or_default() += lead.nowcasts;
    }
    nowcasts.into_iter().max_by_key(|(name, count)| (*count, *name)).map(|(name, _)| name.to_owned())
}

/// "Last 24 h: CSI at +30 min 0.61, persistence 0.48."
fn summary(window: &SkillWindow, method: &str) -> Option<String> {
    let csi = |method: &str, lead_min: u16| {
        let lead = window.leads.iter().find(|lead| lead.method == method && lead.lead_min == lead_min)?;
        lead.thresholds.first()?.csi
    };
    let shorter = (1..=TOLD_LEAD_MIN).rev().find(|lead| csi(method, *lead).is_some())?;
    let span = if window.hours < 48 { format!("{} h", window.hours) } else { format!("{} days", window.hours / 24) };
    let ours = csi(method, shorter)?;
    let beside = csi(PERSISTENCE, shorter).map_or_else(String::new, |csi| format!(", persistence {csi:.2}"));
    Some(format!("Last {span}: CSI at +{shorter} min {ours:.2}{beside}."))
}

fn lead_skill(pooled: &PooledSums) -> LeadSkill {
    let pool = Pool::from_sums(&pooled.sums, pooled.nowcasts as usize);
    let scores = pool.scores();
    let observed = pool.observed_cells() > 0.0;
    let thresholds = scores.at.iter().enumerate().map(|(index, at)| {
        let sums = pooled.sums.get(&probability_name(index)).map(Vec::as_slice).unwrap_or_default();
        let probabilities = ProbabilityPool::from_sums(sums);
        let (nowcast, seen) = pool.wet_cells(index);
        let points = probabilities.reliability().into_iter();
        ThresholdSkill {
            threshold_mm_h: at.threshold_mm_h,
            csi: (nowcast + seen > 0.0).then_some(at.csi),
            bias: (seen > 0.0).then_some(at.bias),
            fss: (nowcast + seen > 0.0).then_some(at.fss),
            brier: probabilities.brier(),
            reliability: points
                .map(|p| ReliabilityPoint { forecast: p.forecast, observed: p.observed, cells: p.cells })
                .collect(),
        }
    });
    LeadSkill {
        method: pooled.method.clone(),
        lead_min: pooled.lead_min,
        nowcasts: pooled.nowcasts,
        thresholds: thresholds.collect(),
        mae_wet_mm_h: (pool.wet_cells(0) != (0.0, 0.0)).then_some(scores.mae_wet_mm_h),
        cover: observed.then_some(scores.cover),
        crps_mm_h: pooled.sums.get(CRPS).and_then(|sums| CrpsPool::from_sums(sums).crps_mm_h()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn pooled(method: &str, lead_min: u16, nowcasts: u64, wet_rows: usize) -> PooledSums {
        let field = |rows: usize| Array2::from_shape_fn((20, 20), |(r, _)| if r < rows { 2.0 } else { 0.0 });
        let mut pool = Pool::default();
        pool.add(&field(wet_rows), &field(10)).unwrap();
        PooledSums { method: method.into(), lead_min, nowcasts, sums: pool.to_sums() }
    }

    #[test]
    fn the_sentence_sets_the_main_method_beside_persistence() {
        let pools = [pooled("best", 30, 9, 8), pooled("extrapolation", 30, 2, 10), pooled("persistence", 30, 11, 5)];
        let window = SkillWindow { hours: 24, leads: pools.iter().map(lead_skill).collect() };
        let skill = skill("a", Timestamp::UNIX_EPOCH, vec![window]);
        assert_eq!(skill.method.as_deref(), Some("best"));
        assert_eq!(skill.summary, "Last 24 h: CSI at +30 min 0.80, persistence 0.50.");
    }

    #[test]
    fn what_cannot_be_told_is_null() {
        let dry = lead_skill(&pooled("best", 5, 1, 0));
        assert_eq!((dry.thresholds[0].csi, dry.thresholds[2].csi), (Some(0.0), None));
        assert_eq!((dry.thresholds[2].bias, dry.crps_mm_h, dry.thresholds[0].brier), (None, None, None));
        let empty = skill("a", Timestamp::UNIX_EPOCH, vec![SkillWindow { hours: 24, leads: Vec::new() }]);
        assert_eq!((empty.method, empty.summary.as_str()), (None, "No nowcast has been scored yet."));
    }
}
