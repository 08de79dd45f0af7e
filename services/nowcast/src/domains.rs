//! The domains of this process: a task for each source, which works on it while it holds the source's lease.
//!
//! Several processes may run at once. Each source has one of them as its holder; when that vanishes, its lease runs out
//! and another goes on from what is in the store. What a holder writes that has lost its lease is refused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use raincell_api_types::health::Condition;
use raincell_api_types::leases::Fence;
use raincell_store_client::LeaseKeeper;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::domain::{Domain, PRODUCT};
use crate::workshop::Workshop;

/// A lease's name has at most so many characters.
const LONGEST_NAME: usize = 64;
/// Pause before what is missing is made up for: new frames go first.
const IDLE: Duration = Duration::from_millis(500);
/// How long frames of before may still come after a start.
const SETTLING: Duration = Duration::from_secs(60);

/// All of them.
pub struct Domains {
    workshop: Arc<Workshop>,
    shutdown: CancellationToken,
    looks: std::sync::Mutex<HashMap<String, mpsc::Sender<&'static str>>>,
    tasks: std::sync::Mutex<JoinSet<()>>,
    held: Arc<AtomicUsize>,
}

impl Domains {
    /// None yet.
    pub fn new(workshop: Arc<Workshop>, shutdown: CancellationToken) -> Self {
        let (looks, tasks) = (std::sync::Mutex::default(), std::sync::Mutex::default());
        Self { workshop, shutdown, looks, tasks, held: Arc::default() }
    }

    /// Sees to every source that the store has.
    pub async fn look_at_all(&self, trigger: &'static str) {
        match self.workshop.store.sources().await {
            Ok(sources) => {
                for source in sources.iter().filter(|source| source.product == PRODUCT) {
                    self.look(&source.source, trigger);
                }
            }
            Err(error) => self.workshop.report("all", trigger, &error.into()),
        }
    }

    /// Sees to a source.
    pub fn look(&self, source: &str, trigger: &'static str) {
        if !self.workshop.config.wants(source) || self.shutdown.is_cancelled() {
            return;
        }
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = looks.entry(source.to_owned()).or_insert_with(|| self.begin(source));
        // A full channel: a look is due anyway.
        let _ = sender.try_send(trigger);
    }

    fn begin(&self, source: &str) -> mpsc::Sender<&'static str> {
        let (sender, looks) = mpsc::channel(1);
        let keeper = Keeper {
            source: source.to_owned(),
            workshop: Arc::clone(&self.workshop),
            domain: Domain::new(source, Arc::clone(&self.workshop)),
            looks,
            held: Arc::clone(&self.held),
            began: Instant::now(),
        };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(keeper.keep(self.shutdown.clone()));
        sender
    }

    /// Waits until every domain is given back, after the shutdown.
    pub async fn ended(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}

/// The task of one domain.
struct Keeper {
    source: String,
    workshop: Arc<Workshop>,
    domain: Domain,
    looks: mpsc::Receiver<&'static str>,
    /// How many domains this process holds.
    held: Arc<AtomicUsize>,
    began: Instant,
}

impl Keeper {
    async fn keep(mut self, shutdown: CancellationToken) {
        let duration = Duration::from_secs_f64(self.workshop.config.lease_seconds);
        let name = lease_name(&self.source);
        while !shutdown.is_cancelled() {
            let mut lease = match LeaseKeeper::start(&self.workshop.store, &name, "nowcast", duration) {
                Ok(lease) => lease,
                Err(error) => return self.workshop.report(&self.source, "lease", &error.into()),
            };
            self.workshop.health.set("nowcast", Condition::Ok, format!("{}: another process holds it", self.source));
            tokio::select! {
                () = shutdown.cancelled() => {}
                _ = lease.acquired() => {
                    if self.enter() {
                        self.work(&lease, &shutdown).await;
                        self.leave();
                    }
                }
            }
            lease.release().await;
            // Others go first.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(duration) => {}
            }
        }
    }

    /// Counts the domain as held; false where this process has enough of them.
    fn enter(&self) -> bool {
        let most = match self.workshop.config.most_domains {
            0 => usize::MAX,
            most => most,
        };
        let entered = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        metrics::gauge!("raincell_nowcast_domains").set(self.held.load(Ordering::Relaxed) as f64);
        entered.is_ok()
    }

    fn leave(&mut self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("raincell_nowcast_domains").set(self.held.load(Ordering::Relaxed) as f64);
        self.domain.forget();
    }

    /// Works on the domain until the lease is lost or the service stops.
    async fn work(&mut self, lease: &LeaseKeeper, shutdown: &CancellationToken) {
        let pause = Duration::from_secs_f64(self.workshop.config.lease_seconds);
        let mut trigger = Some("lease");
        let (mut unscored, mut complete) = (false, false);
        while let Some(fence) = lease.fence() {
            match trigger {
                Some(trigger) => {
                    self.look(fence, trigger).await;
                    unscored = true;
                }
                None if unscored => unscored = self.verify(fence).await,
                None if !complete => complete = self.make_up(fence).await,
                None => {}
            }
            let idle = match (unscored, complete) {
                (true, _) => Duration::ZERO,
                (false, false) => IDLE,
                (false, true) => pause,
            };
            trigger = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                trigger = self.looks.recv() => trigger,
                () = tokio::time::sleep(idle) => None,
            };
        }
        tracing::warn!(source = self.source, "the lease is lost, another process goes on");
    }

    async fn look(&mut self, fence: Fence, trigger: &'static str) {
        let store = self.workshop.store.with_fence(fence);
        match self.domain.look(&store, trigger).await {
            Ok(()) => self.workshop.health.set("nowcast", Condition::Ok, format!("{} is up to date", self.source)),
            Err(error) => {
                self.domain.forget();
                self.workshop.report(&self.source, trigger, &error);
            }
        }
    }

    /// True when there are more frames to score against.
    async fn verify(&mut self, fence: Fence) -> bool {
        let store = self.workshop.store.with_fence(fence);
        match self.domain.verify(&store).await {
            Ok(more) => more,
            Err(error) => {
                self.domain.forget();
                self.workshop.report(&self.source, "verification", &error);
                false
            }
        }
    }

    /// True when there is nothing left to make up for, and will not be.
    async fn make_up(&mut self, fence: Fence) -> bool {
        let store = self.workshop.store.with_fence(fence);
        match self.domain.make_up(&store).await {
            Ok(made) => !made && self.began.elapsed() > SETTLING,
            Err(error) => {
                self.workshop.report(&self.source, "start", &error);
                true
            }
        }
    }
}

/// The lease of a source.
fn lease_name(source: &str) -> String {
    let name = format!("nowcast-{source}");
    if name.len() <= LONGEST_NAME {
        name
    } else {
        format!("nowcast-{}", raincell_frame::content_hash(source.as_bytes()))
    }
}
