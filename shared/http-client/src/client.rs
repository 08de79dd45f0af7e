//! One call with its tries, addresses and hedges.

use std::fmt::{Debug, Display};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::future::{Either, select};
use reqwest::{StatusCode, Url};

use crate::breaker::{Breaker, Permit};
use crate::error::{Failure, chain};
use crate::hedge::Hedging;
use crate::time::{SystemTime, Time};
use crate::{Answer, BreakerSettings, CallError, Circuit, Request, RetryPolicy, metering};

/// A client of one service at one or several addresses; cheap to clone, clones share connections and circuits.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    policy: RetryPolicy,
    /// Tries of one call, at most.
    tries: u32,
}

struct Shared {
    peer: &'static str,
    http: reqwest::Client,
    replicas: Vec<Replica>,
    hedging: Hedging,
    time: Arc<dyn Time>,
}

struct Replica {
    base: Url,
    label: String,
    breaker: Arc<Breaker>,
}

/// How the circuit of one address stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressCircuit {
    /// Host and port.
    pub address: String,
    /// What is let through.
    pub circuit: Circuit,
}

impl Display for AddressCircuit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.circuit {
            Circuit::Closed => write!(f, "{} closed", self.address),
            Circuit::HalfOpen => write!(f, "{} half-open", self.address),
            Circuit::Open(wait) => write!(f, "{} open, next probe in {:.1} s", self.address, wait.as_secs_f64()),
        }
    }
}

impl Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the headers that every request carries: there may be a token among them.
        f.debug_struct("Client")
            .field("peer", &self.shared.peer)
            .field("circuits", &self.circuits())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What has become of a call so far.
struct Progress {
    operation: &'static str,
    began: Instant,
    attempts: AtomicU32,
    last: Mutex<Failure>,
}

impl Progress {
    fn note(&self, failure: &Failure) {
        // What a server said is worth more than that it is not asked any more.
        if !matches!(failure, Failure::CircuitsOpen(_)) || self.attempts.load(Ordering::Relaxed) == 0 {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = failure.clone();
        }
    }

    fn error(&self, now: Instant) -> CallError {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.into_error(self.operation, self.attempts.load(Ordering::Relaxed), now - self.began)
    }
}

impl Client {
    /// For the service that `peer` names (in metrics) at base addresses, the preferred one first, through a client made
    /// by [`crate::builder`].
    pub fn new(peer: &'static str, addresses: Vec<Url>, http: reqwest::Client) -> Self {
        Self::with_settings(peer, addresses, http, BreakerSettings::default(), Arc::new(SystemTime))
    }

    /// The same with settings of its circuits and a clock of one's own.
    pub fn with_settings(
        peer: &'static str,
        addresses: Vec<Url>,
        http: reqwest::Client,
        breaker: BreakerSettings,
        time: Arc<dyn Time>,
    ) -> Self {
        let replica = |base: Url| {
            let host = base.host_str().unwrap_or_default();
            let label = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            Replica { base, label, breaker: Breaker::new(breaker) }
        };
        let replicas = addresses.into_iter().map(replica).collect();
        let shared = Shared { peer, http, replicas, hedging: Hedging::default(), time };
        Self { shared: Arc::new(shared), policy: RetryPolicy::default(), tries: u32::MAX }
    }

    /// The same client with other time-outs; connections and circuits are shared.
    #[must_use]
    pub fn with_policy(&self, policy: RetryPolicy) -> Self {
        Self { policy, ..self.clone() }
    }

    /// The same client, which asks all addresses no more than so many times for one call, whatever its deadline: for
    /// those whose answers may take long, but whose failures come at once.
    #[must_use]
    pub fn with_tries(&self, tries: u32) -> Self {
        Self { tries, ..self.clone() }
    }

    /// How the circuits of its addresses stand.
    pub fn circuits(&self) -> Vec<AddressCircuit> {
        let now = self.shared.time.now();
        let circuit = |replica: &Replica| AddressCircuit {
            address: replica.label.clone(),
            circuit: replica.breaker.circuit(now),
        };
        self.shared.replicas.iter().map(circuit).collect()
    }

    /// Sends a request until there is an answer that another try would not change, or the deadline is reached.
    ///
    /// Connection errors, time-outs, 5xx and 429 are tried again: at once at an address that was not asked yet, and
    /// after a pause (at least what `Retry-After` says) at all of them.
    ///
    /// # Errors
    /// [`CallError`] says what the last try came to. It comes before the deadline where no further try fits.
    pub async fn send(&self, request: &Request) -> Result<Answer, CallError> {
        let began = self.shared.time.now();
        let progress = Progress {
            operation: request.operation,
            began,
            attempts: AtomicU32::new(0),
            last: Mutex::new(Failure::Connection("the deadline is too short for one try".into())),
        };
        let outcome =
            match select(pin!(self.tries(request, &progress)), self.shared.time.sleep(self.policy.deadline)).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => Err(progress.error(self.shared.time.now())),
            };
        if outcome.is_err() {
            metering::failed_call(self.shared.peer, request.operation);
        }
        outcome
    }

    /// Sends a request once, to the preferred address, whatever its circuit; any answer counts, 5xx too.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] where nobody answers, [`CallError::TooLarge`].
    pub async fn send_once(&self, request: &Request) -> Result<Answer, CallError> {
        let began = self.shared.time.now();
        let replica = self.in_order(false).into_iter().next();
        let replica = replica.ok_or(CallError::CircuitOpen { operation: request.operation, wait: Duration::ZERO })?;
        match self.transmit_in_time(replica, request, 1).await {
            Ok(answer) => Ok(answer),
            Err(failure) => Err(failure.into_error(request.operation, 1, self.shared.time.now() - began)),
        }
    }

    /// Sends a request once, for an answer of endless length, to each address in turn until one lets it in. Whoever
    /// opens streams has pauses of its own between the tries, so that no circuit holds it back; what comes of it counts
    /// for the circuits.
    ///
    /// # Errors
    /// Why the last of them did not.
    pub async fn open(&self, request: &Request) -> Result<reqwest::Response, String> {
        let mut reason = "there is no address".to_owned();
        for replica in self.in_order(false) {
            let url = request.url_at(&replica.base);
            let sending = self.shared.http.request(request.method.clone(), url).headers(request.headers.clone()).send();
            match select(pin!(sending), self.shared.time.sleep(self.policy.attempt_timeout)).await {
                Either::Left((Ok(response), _)) if response.status().is_success() => {
                    replica.breaker.succeeded();
                    metering::circuit(self.shared.peer, &replica.label, Circuit::Closed, false);
                    return Ok(response);
                }
                Either::Left((Ok(response), _)) => {
                    reason = format!("{} answers {}", replica.label, response.status());
                    if !response.status().is_server_error() {
                        continue;
                    }
                }
                Either::Left((Err(error), _)) => reason = chain(&error),
                Either::Right(_) => reason = format!("no answer from {} in time", replica.label),
            }
            let now = self.shared.time.now();
            let opened = replica.breaker.failed(now);
            metering::circuit(self.shared.peer, &replica.label, replica.breaker.circuit(now), opened);
        }
        Err(reason)
    }

    async fn tries(&self, request: &Request, progress: &Progress) -> Result<Answer, CallError> {
        let mut pauses = self.policy.pauses();
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.round(request, progress).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            progress.note(&failure);
            let pause = pauses.next().unwrap_or(self.policy.longest_pause).max(failure.wait());
            let now = self.shared.time.now();
            let last = tries >= self.tries || matches!(failure, Failure::TooLarge(_));
            if last || now + pause >= progress.began + self.policy.deadline {
                return Err(progress.error(now));
            }
            metering::retry(self.shared.peer, request.operation);
            tracing::debug!(peer = self.shared.peer, operation = request.operation, ?pause, %failure, "tried again");
            self.shared.time.sleep(pause).await;
        }
    }

    /// One try at each address that may be asked, until one answers.
    async fn round(&self, request: &Request, progress: &Progress) -> Result<Answer, Failure> {
        let mut last = None;
        let mut wait = Duration::MAX;
        for replica in self.in_order(request.reads()) {
            let permit = match replica.breaker.admit(self.shared.time.now()) {
                Ok(permit) => permit,
                Err(until) => {
                    wait = wait.min(until);
                    continue;
                }
            };
            if last.is_some() {
                metering::failover(self.shared.peer, request.operation);
            }
            match self.hedged(replica, permit, request, progress).await {
                Err(failure) if !matches!(failure, Failure::TooLarge(_)) => last = Some(failure),
                outcome => return outcome,
            }
        }
        Err(last.unwrap_or(Failure::CircuitsOpen(wait)))
    }

    /// The addresses, those with a closed circuit first. A read that may probe does so first: it has others to turn to,
    /// and a spare one would not be heard of again otherwise.
    fn in_order(&self, probing: bool) -> Vec<&Replica> {
        let now = self.shared.time.now();
        let mut replicas: Vec<_> = self.shared.replicas.iter().collect();
        replicas.sort_by_key(|replica| match replica.breaker.circuit(now) {
            Circuit::HalfOpen if probing => 0,
            Circuit::Closed => 1,
            Circuit::HalfOpen => 2,
            Circuit::Open(_) => 3,
        });
        replicas
    }

    /// One try at an address; if it reads, and takes longer than most, another address is asked as well.
    async fn hedged(
        &self,
        replica: &Replica,
        permit: Permit,
        request: &Request,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        let first = pin!(self.attempt(replica, permit, request, progress));
        let Some((spare, delay)) = self.spare(replica, request) else { return first.await };
        let first = match select(first, self.shared.time.sleep(delay)).await {
            Either::Left((outcome, _)) => return outcome,
            Either::Right(((), first)) => first,
        };
        let permit = spare.breaker.admit(self.shared.time.now()).ok();
        let Some(permit) = permit.filter(|_| self.shared.hedging.spend(request.operation)) else { return first.await };
        let second = pin!(self.attempt(spare, permit, request, progress));
        let (outcome, won) = match select(first, second).await {
            Either::Left((Ok(answer), _)) => (Ok(answer), false),
            Either::Right((Ok(answer), _)) => (Ok(answer), true),
            Either::Left((Err(_), second)) => (second.await, true),
            Either::Right((Err(_), first)) => (first.await, false),
        };
        metering::hedge(self.shared.peer, request.operation, won && outcome.is_ok());
        outcome
    }

    /// Another address that is well, and how long to wait before asking it too.
    fn spare(&self, but: &Replica, request: &Request) -> Option<(&Replica, Duration)> {
        if !request.reads() || self.shared.replicas.len() < 2 {
            return None;
        }
        let now = self.shared.time.now();
        let well = |replica: &&Replica| !std::ptr::eq(*replica, but) && replica.breaker.circuit(now) == Circuit::Closed;
        let spare = self.shared.replicas.iter().find(well)?;
        Some((spare, self.shared.hedging.delay(request.operation)?))
    }

    /// Sends it once under a permit and tells the circuit what came of it.
    async fn attempt(
        &self,
        replica: &Replica,
        permit: Permit,
        request: &Request,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        let number = progress.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let began = self.shared.time.now();
        let outcome = self.transmit_in_time(replica, request, number).await;
        let now = self.shared.time.now();
        let opened = match &outcome {
            Err(Failure::Connection(_)) => permit.failed(now),
            Ok(answer) if answer.status.is_server_error() => permit.failed(now),
            // It is there and answers.
            _ => {
                permit.succeeded();
                false
            }
        };
        if opened {
            let why = outcome.as_ref().map_or_else(ToString::to_string, |answer| answer.status.to_string());
            tracing::warn!(peer = self.shared.peer, address = replica.label, why, "circuit opened");
        }
        metering::circuit(self.shared.peer, &replica.label, replica.breaker.circuit(now), opened);
        let outcome = match outcome {
            Ok(answer) if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Answered(Box::new(answer)))
            }
            Ok(answer) => {
                if request.reads() {
                    self.shared.hedging.note(request.operation, now - began);
                }
                Ok(answer)
            }
            Err(failure) => Err(failure),
        };
        metering::attempt(self.shared.peer, request.operation, outcome.as_ref(), now - began);
        outcome
    }

    async fn transmit_in_time(&self, replica: &Replica, request: &Request, number: u32) -> Result<Answer, Failure> {
        let limit = self.policy.attempt_timeout;
        match select(pin!(self.transmit(replica, request, number)), self.shared.time.sleep(limit)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                Err(Failure::Connection(format!("no answer from {} in {:.1} s", replica.label, limit.as_secs_f64())))
            }
        }
    }

    async fn transmit(&self, replica: &Replica, request: &Request, number: u32) -> Result<Answer, Failure> {
        let sending = self.shared.http.request(request.method.clone(), request.url_at(&replica.base));
        let sending = sending.headers(request.headers.clone()).body(request.body.clone());
        let response = sending.send().await.map_err(|e| Failure::connection(&e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_body(response, request.largest_answer).await?;
        Ok(Answer { operation: request.operation, status, headers, body, attempt: number })
    }
}

async fn read_body(mut response: reqwest::Response, most: usize) -> Result<Bytes, Failure> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(Failure::TooLarge(most));
    }
    if most == usize::MAX {
        return response.bytes().await.map_err(|e| Failure::connection(&e));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Failure::connection(&e))? {
        if body.len() + chunk.len() > most {
            return Err(Failure::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
