//! A lease that is taken, kept and given back by itself.

mod tenure;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use raincell_api_types::leases::{Fence, LeaseChange};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::{ClientError, RetryPolicy, StoreClient};
use tenure::Tenure;

/// A lease as this process holds it.
#[derive(Clone, Copy, Debug)]
struct Holding {
    /// The fencing token.
    token: u64,
    /// Until when it is good on this machine's monotonic clock.
    until: Instant,
    /// Whether the holder before did not give it back.
    inherited: bool,
}

type Held = Option<Holding>;

/// Says whether the lease of a [`LeaseKeeper`] is held; cheap to clone, for the tasks that work under it.
#[derive(Clone, Debug)]
pub struct LeaseView {
    name: String,
    held: watch::Receiver<Held>,
}

impl LeaseView {
    /// The fence to write under while the lease is held; `None` as soon as that is not sure any more.
    pub fn fence(&self) -> Option<Fence> {
        let holding = (*self.held.borrow())?;
        (Instant::now() < holding.until).then(|| Fence { lease: self.name.clone(), token: holding.token })
    }

    /// True when the holder before vanished without giving the lease back: what it had in hand may still have its
    /// effect for as long as its calls may take.
    pub fn is_inherited(&self) -> bool {
        self.held.borrow().is_some_and(|holding| holding.inherited)
    }

    /// Waits until the lease is held; for ever where somebody else keeps it.
    pub async fn acquired(&mut self) -> Fence {
        loop {
            if let Some(fence) = self.fence() {
                return fence;
            }
            if self.held.changed().await.is_err() {
                // The keeper was stopped with its runtime: nobody will hold anything any more.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Tries to get a lease and to keep it, in the background, until it is dropped or released.
///
/// A lease whose holder vanishes is free after its duration; what a holder writes through
/// [`StoreClient::with_fence`] cannot come after what its successor writes.
#[derive(Debug)]
pub struct LeaseKeeper {
    view: LeaseView,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl LeaseKeeper {
    /// Begins to try. `who` is for people to read; what makes the owner unique is added here. `duration` is how long
    /// others wait for a holder that is silent: it should be many times as long as a call to the store takes.
    ///
    /// # Errors
    /// [`ClientError::Setup`] where the operating system gives no random bytes.
    pub fn start(client: &StoreClient, name: &str, who: &str, duration: Duration) -> Result<Self, ClientError> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|e| ClientError::Setup(format!("no random bytes: {e}")))?;
        let owner = format!("{who}-{:016x}", u64::from_be_bytes(bytes));
        let tenure = Tenure::new(owner, duration);
        // A call that takes longer than the pause between two is as good as none.
        let policy = RetryPolicy {
            attempt_timeout: tenure.pause(),
            deadline: tenure.pause(),
            first_pause: tenure.pause() / 10,
            longest_pause: tenure.pause() / 2,
        };
        let (sender, held) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let keeping = Keeping {
            client: client.with_policy(policy),
            name: name.to_owned(),
            tenure,
            began: Instant::now(),
            inherited: false,
            held: sender,
        };
        let task = tokio::spawn(keeping.run(stopped));
        let view = LeaseView { name: name.to_owned(), held };
        Ok(Self { view, stop: Some(stop), task: Some(task) })
    }

    /// What tasks ask that work under the lease.
    pub fn view(&self) -> LeaseView {
        self.view.clone()
    }

    /// The fence to write under while the lease is held; `None` as soon as that is not sure any more.
    pub fn fence(&self) -> Option<Fence> {
        self.view.fence()
    }

    /// Waits until the lease is held; for ever where somebody else keeps it.
    pub async fn acquired(&mut self) -> Fence {
        self.view.acquired().await
    }

    /// Gives the lease back, if it is held, so that nobody has to wait for it.
    pub async fn release(mut self) {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            // It only fails where the runtime is going down, and the lease runs out by itself then.
            let _ended = task.await;
        }
    }
}

impl Drop for LeaseKeeper {
    /// Like the end of the process: the lease runs out.
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The task behind a keeper.
struct Keeping {
    client: StoreClient,
    name: String,
    tenure: Tenure,
    began: Instant,
    /// Whether the lease was taken from a holder that vanished.
    inherited: bool,
    held: watch::Sender<Held>,
}

impl Keeping {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let pause = match self.step().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::debug!(lease = self.name, %error, "the store cannot be asked about a lease");
                    self.tenure.pause() / 4
                }
            };
            self.tell();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = &mut stopped => break,
            }
        }
        if let Some(change) = self.tenure.release() {
            self.held.send_replace(None);
            if let Err(error) = self.client.change_lease(&self.name, &change).await {
                tracing::debug!(lease = self.name, %error, "the lease is not given back, it runs out");
            }
        }
    }

    /// Looks or changes something once; gives how long to wait for the next time.
    async fn step(&mut self) -> Result<Duration, ClientError> {
        let asked_at = self.now();
        match self.tenure.next(asked_at) {
            Some(change) if self.tenure.fence(asked_at).is_some() => self.change(&change, asked_at).await,
            // Others may have come meanwhile: look first.
            _ => {
                let stored = self.client.lease(&self.name).await?;
                let now = self.now();
                self.tenure.heard(stored, now);
                match self.tenure.next(now) {
                    Some(change) => self.change(&change, now).await,
                    None => Ok(self.tenure.pause()),
                }
            }
        }
    }

    async fn change(&mut self, change: &LeaseChange, asked_at: Duration) -> Result<Duration, ClientError> {
        if matches!(change, LeaseChange::Take { .. }) {
            // Before the answer, which may be lost.
            self.inherited = self.tenure.has_other_owner();
        }
        match self.client.change_lease(&self.name, change).await {
            Ok(stored) => {
                if matches!(change, LeaseChange::Take { .. }) {
                    tracing::info!(lease = self.name, fence = stored.fence, "lease taken");
                }
                let now = self.now();
                self.tenure.changed(stored, asked_at, now);
            }
            Err(ClientError::StaleLease(stored)) => {
                let now = self.now();
                let held = self.tenure.fence(now).is_some();
                self.tenure.heard(*stored, now);
                if held && self.tenure.fence(now).is_none() {
                    tracing::warn!(lease = self.name, "lease lost to somebody else");
                }
            }
            Err(error) => return Err(error),
        }
        Ok(self.tenure.pause())
    }

    fn tell(&self) {
        let now = self.now();
        let held = self.tenure.fence(now).zip(self.tenure.remaining(now));
        let inherited = self.inherited;
        let held = held.map(|(token, remaining)| Holding { token, until: Instant::now() + remaining, inherited });
        self.held.send_replace(held);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}
