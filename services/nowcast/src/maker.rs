//! Makes a run within its time: with the ensemble, or without, or, where even the wanted method is too slow, by
//! extrapolation; and says which.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use raincell_frame::EncodedProduct;
use raincell_model::{NowcastRun, RainField};
use raincell_nowcasts::{EnsembleModel, Inflow, LeadTimes, Nowcast, NowcastMethod, Timings};
use tokio::task::spawn_blocking;

use crate::calibration::Calibrations;
use crate::config::Config;
use crate::ensemble;
use crate::fixed_times::{self, Settling};

/// What is made when the wanted method takes too long.
const QUICK: &str = "extrapolation";
/// Share of the budget within which all leads must be expected to be done for members to be drawn.
const SHARE_FOR_MEMBERS: f64 = 0.6;

/// Makes the runs of one process.
pub struct Maker {
    method: Arc<dyn NowcastMethod>,
    quick: Arc<dyn NowcastMethod>,
    ensemble: Option<EnsembleModel>,
    members: usize,
    inflow: Inflow,
    step_min: u32,
    budget: Duration,
    version: String,
    /// Nowcasts that nobody waits for any more, and that still keep the cores busy.
    unfinished: Arc<AtomicUsize>,
}

/// What a run is to be made of.
pub struct Order {
    /// Whose frames they are.
    pub source: String,
    /// Content hash of the newest of them.
    pub based_on: String,
    /// They, ascending in time.
    pub past: Vec<RainField>,
    /// How many products.
    pub steps: usize,
    /// When the work on it began.
    pub began: Instant,
    /// What puts its probabilities right.
    pub calibrations: Arc<Calibrations>,
}

/// A run ready to be stored.
pub struct Made {
    /// As it is stored.
    pub bytes: Bytes,
    /// Content hash.
    pub hash: String,
    /// The method that made it.
    pub method: String,
    /// Why that is not the wanted one.
    pub fallback: Option<String>,
    /// What it took.
    pub timings: Timings,
}

impl Maker {
    /// With the configured method.
    ///
    /// # Errors
    /// When there is no such method.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let find = |name: &str| {
            raincell_nowcasts::method(name).with_context(|| format!("no nowcast method is called `{name}`"))
        };
        let inflow = config.inflow();
        let version = env!("CARGO_PKG_VERSION");
        let filled = if inflow == Inflow::Unknown { "" } else { ", inflow filled" };
        Ok(Self {
            method: Arc::from(find(&config.method)?),
            quick: Arc::from(find(QUICK)?),
            ensemble: config.ensemble.then(|| EnsembleModel::default().recalibrating(config.recalibrate)),
            members: usize::from(config.members),
            inflow,
            step_min: config.step_minutes,
            budget: Duration::from_secs_f64(config.budget_seconds),
            version: format!("{version}{filled}"),
            unfinished: Arc::default(),
        })
    }

    /// How far back before the newest frame the method and the ensemble look.
    pub fn history(&self) -> SignedDuration {
        let ensemble = self.ensemble.as_ref().map_or(SignedDuration::ZERO, EnsembleModel::history);
        self.method.history().max(ensemble)
    }

    /// True for runs as this process makes them where time allows.
    pub fn is_own(&self, method: &str, model_version: &str) -> bool {
        method == self.method.name() && model_version == self.version
    }

    /// Makes a run.
    ///
    /// # Errors
    /// When there is no nowcast of these frames, not even a simple one.
    pub async fn make(&self, order: Order) -> anyhow::Result<Made> {
        let Order { source, based_on, past, steps, began, calibrations } = order;
        let past = Arc::new(past);
        let leads = LeadTimes { step_min: f64::from(self.step_min), count: steps };
        let (nowcast, method, fallback) = match self.in_time(&past, leads, began).await {
            Ok(nowcast) => (nowcast, self.method.name(), None),
            Err(reason) => {
                let (wanted, made) = (self.method.name(), self.quick.name());
                metrics::counter!("raincell_nowcast_fallbacks_total", "from" => wanted, "to" => made).increment(1);
                tracing::warn!(source, reason, "{made} instead of {wanted}");
                let (quick, past, inflow) = (Arc::clone(&self.quick), Arc::clone(&past), self.inflow);
                (spawn_blocking(move || quick.run(&past, &leads, inflow)).await??, made, Some(reason))
            }
        };
        let (mut fallback, mut further) = (fallback, Vec::new());
        if let Some(model) = self.ensemble.as_ref().filter(|_| fallback.is_none()) {
            match self.ensemble_in_time(model, &source, &past, leads, began, calibrations).await {
                Ok(products) => further = products,
                Err(reason) => {
                    metrics::counter!("raincell_nowcast_fallbacks_total", "from" => "ensemble", "to" => method)
                        .increment(1);
                    tracing::warn!(source, reason, "a run without probabilities");
                    fallback = Some(reason);
                }
            }
        }
        let model_version = match &fallback {
            None => self.version.clone(),
            Some(reason) => format!("{}, {reason}", self.version),
        };
        let (inflow, step_min) = (self.inflow, self.step_min);
        spawn_blocking(move || {
            let newest = past.last().context("no frame")?;
            let Nowcast { motion, fields, timings } = nowcast;
            let settling = Settling::new(newest.valid_time, &motion, step_min, inflow)?;
            let fields = settling.settle_all(newest, fields)?;
            let (issue_time, method) = (newest.valid_time, method.to_owned());
            let run = NowcastRun { source, issue_time, method, model_version, based_on, motion, fields };
            let bytes = raincell_frame::encode_run_of(&run, further)?;
            let hash = raincell_frame::content_hash(&bytes);
            Ok(Made { bytes: bytes.into(), hash, method: run.method, fallback, timings })
        })
        .await?
    }

    /// Probabilities and percentiles; or why there are none in time.
    async fn ensemble_in_time(
        &self,
        model: &EnsembleModel,
        source: &str,
        past: &Arc<Vec<RainField>>,
        leads: LeadTimes,
        began: Instant,
        calibrations: Arc<Calibrations>,
    ) -> Result<Vec<EncodedProduct>, String> {
        let left = self.budget.saturating_sub(began.elapsed());
        let given_up = Arc::new(AtomicBool::new(false));
        let task = ensemble::Task {
            source: source.to_owned(),
            past: Arc::clone(past),
            model: model.clone(),
            leads,
            inflow: self.inflow,
            step_min: self.step_min,
            calibrations,
            members: self.members,
            members_until: began + self.budget.mul_f64(SHARE_FOR_MEMBERS),
            given_up: Arc::clone(&given_up),
        };
        let work = spawn_blocking(move || task.products());
        match tokio::time::timeout(left, work).await {
            Ok(Ok(Ok(products))) => Ok(products),
            Ok(Ok(Err(error))) => Err(format!("the ensemble failed: {error:#}")),
            Ok(Err(error)) => Err(format!("the ensemble failed: {error}")),
            Err(_) => {
                // It ends with the lead time that it is at.
                given_up.store(true, Ordering::Relaxed);
                Err(format!("the ensemble was not done within {} s", self.budget.as_secs_f64()))
            }
        }
    }

    /// What the wanted method makes; or why it has not made anything in its time.
    async fn in_time(&self, past: &Arc<Vec<RainField>>, leads: LeadTimes, began: Instant) -> Result<Nowcast, String> {
        let (name, unfinished) = (self.method.name(), Arc::clone(&self.unfinished));
        if self.unfinished.load(Ordering::Relaxed) > 0 {
            return Err(format!("an earlier {name} still keeps the cores busy"));
        }
        let is_quick = self.method.name() == self.quick.name();
        let left = self.budget.saturating_sub(began.elapsed());
        let late = || format!("{name} was not done within {} s", self.budget.as_secs_f64());
        if left.is_zero() && !is_quick {
            return Err(late());
        }
        let (method, past, inflow) = (Arc::clone(&self.method), Arc::clone(past), self.inflow);
        let work = spawn_blocking(move || {
            unfinished.fetch_add(1, Ordering::Relaxed);
            let outcome = method.run(&past, &leads, inflow);
            unfinished.fetch_sub(1, Ordering::Relaxed);
            outcome
        });
        if is_quick {
            return finished(name, work.await);
        }
        match tokio::time::timeout(left, work).await {
            Ok(ended) => finished(name, ended),
            Err(_) => Err(late()),
        }
    }

    /// How many products reach two hours (or what is configured) from `now`: more than usual where the newest frame is
    /// late, as the service goes on over a gap with what it has. Frames of long ago are nowcast as at their own time.
    pub fn steps_for(&self, issue_time: Timestamp, now: Timestamp, usual: usize) -> usize {
        let late = now.duration_since(issue_time);
        if !(SignedDuration::ZERO..=LONGEST_GAP).contains(&late) {
            return usual;
        }
        let horizon = SignedDuration::from_mins(i64::from(self.step_min) * usual as i64);
        let reach = now.checked_add(horizon).unwrap_or(now);
        fixed_times::steps_until(issue_time, self.step_min, reach).max(usual)
    }
}

/// Beyond this a gap is the end of the data.
const LONGEST_GAP: SignedDuration = SignedDuration::from_mins(60);

fn finished(
    name: &str,
    ended: Result<Result<Nowcast, raincell_nowcasts::NowcastError>, tokio::task::JoinError>,
) -> Result<Nowcast, String> {
    match ended {
        Ok(Ok(nowcast)) => Ok(nowcast),
        Ok(Err(error)) => Err(format!("{name} failed: {error}")),
        Err(error) => Err(format!("{name} failed: {error}")),
    }
}
