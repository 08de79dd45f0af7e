//! Many parties with clocks of their own against one store, in simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use raincell_api_types::frames::Checkpoint;
use raincell_api_types::leases::Fence;
use raincell_frame_store::{FrameStore, SqliteStore, StoreError};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::*;

const NAME: &str = "leader";
const DURATION: Duration = Duration::from_secs(10);

fn lease(owner: Option<&str>, version: u64, fence: u64) -> Lease {
    Lease { name: NAME.into(), owner: owner.map(str::to_owned), version, duration_ms: 10_000, fence }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn a_rival_waits_until_it_has_seen_the_same_version_for_the_whole_duration() {
    let mut rival = Tenure::new("b".into(), DURATION);
    assert_eq!(rival.next(seconds(1000.0)), None, "nothing was heard yet");
    rival.heard(lease(Some("a"), 1, 1), seconds(0.0));
    rival.heard(lease(Some("a"), 1, 1), seconds(9.9));
    assert_eq!(rival.next(seconds(9.9)), None);
    // A heartbeat: the wait begins anew, from when it was heard of.
    rival.heard(lease(Some("a"), 2, 1), seconds(9.95));
    assert_eq!(rival.next(seconds(19.9)), None);
    rival.heard(lease(Some("a"), 2, 1), seconds(19.95));
    let take = LeaseChange::Take { owner: "b".into(), duration_ms: 10_000, version: 2 };
    assert_eq!(rival.next(seconds(19.95)), Some(take));
    assert_eq!(rival.fence(seconds(20.0)), None, "nothing is held before the store has said so");
}

#[test]
fn a_holder_counts_from_its_asking_and_stops_by_itself() {
    let mut holder = Tenure::new("a".into(), DURATION);
    holder.changed(lease(Some("a"), 1, 1), seconds(5.0), seconds(8.0));
    assert_eq!((holder.fence(seconds(14.9)), holder.fence(seconds(15.0))), (Some(1), None));
    // It may still renew if nobody was faster.
    assert!(matches!(holder.next(seconds(30.0)), Some(LeaseChange::Renew { version: 1, fence: 1, .. })));
    holder.heard(lease(Some("b"), 2, 2), seconds(31.0));
    assert_eq!((holder.fence(seconds(31.0)), holder.next(seconds(31.0))), (None, None));
    assert_eq!(holder.release(), None);
}

#[test]
fn a_take_whose_answer_was_lost_counts_only_after_a_renewal() {
    let mut taker = Tenure::new("a".into(), DURATION);
    taker.heard(lease(Some("a"), 1, 1), seconds(3.0));
    assert_eq!(taker.fence(seconds(3.0)), None);
    assert!(matches!(taker.next(seconds(3.0)), Some(LeaseChange::Renew { .. })));
}

/// What somebody is about to do.
enum Phase {
    Idle,
    /// The lease was looked at; the answer is on its way.
    Looked(Lease),
    /// A change is on its way to the store.
    Asking(LeaseChange, Duration),
    /// The answer to it is on its way back.
    Asked(Option<Lease>, Duration),
    /// A write under a fence is on its way.
    Writing(u64),
}

struct Party {
    tenure: Tenure,
    /// Its clock: where it began, and how fast it runs.
    offset: f64,
    rate: f64,
    phase: Phase,
    /// When it goes on, seconds of true time.
    at: f64,
}

impl Party {
    fn own(&self, time: f64) -> Duration {
        seconds(self.offset + self.rate * time)
    }
}

#[derive(Default)]
struct Story {
    /// Fences of the writes that the store accepted, in their order.
    accepted: Vec<u64>,
    refused: usize,
    /// How often more than one believed to hold the lease.
    doubts: usize,
}

struct World {
    store: SqliteStore,
    runtime: tokio::runtime::Runtime,
    random: SmallRng,
    parties: Vec<Party>,
    story: Story,
}

impl World {
    fn new(seed: u64, parties: usize, rates: std::ops::RangeInclusive<f64>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = runtime.block_on(SqliteStore::in_memory()).unwrap();
        let mut random = SmallRng::seed_from_u64(seed);
        let parties = (0..parties)
            .map(|i| Party {
                tenure: Tenure::new(format!("party {i}"), DURATION),
                offset: random.random_range(0.0..1e9),
                rate: random.random_range(rates.clone()),
                phase: Phase::Idle,
                at: random.random_range(0.0..5.0),
            })
            .collect();
        Self { store, runtime, random, parties, story: Story::default() }
    }

    fn run(mut self, until: f64) -> Story {
        loop {
            let next = (0..self.parties.len()).min_by(|&a, &b| self.parties[a].at.total_cmp(&self.parties[b].at));
            let (next, time) = (next.unwrap(), self.parties[next.unwrap()].at);
            if time > until {
                return self.story;
            }
            self.step(next, time);
            let believers = self.parties.iter().filter(|p| p.tenure.fence(p.own(time)).is_some()).count();
            self.story.doubts += usize::from(believers > 1);
        }
    }

    /// How long something is on its way; now and then the whole process stands still for a while.
    fn delay(&mut self) -> f64 {
        if self.random.random_bool(0.02) {
            self.random.random_range(0.0..40.0)
        } else {
            self.random.random_range(0.0..0.5)
        }
    }

    fn step(&mut self, index: usize, time: f64) {
        let delay = self.delay();
        let (lost, killed) = (self.random.random_bool(0.05), self.random.random_bool(0.01));
        let now = self.parties[index].own(time);
        if killed {
            // Another process comes in its place and knows nothing.
            let owner = format!("party {index} born at {time}");
            self.parties[index].tenure = Tenure::new(owner, DURATION);
            self.parties[index].phase = Phase::Idle;
        }
        let phase = std::mem::replace(&mut self.parties[index].phase, Phase::Idle);
        let (phase, wait) = match phase {
            Phase::Idle => match self.parties[index].tenure.fence(now) {
                Some(fence) if self.random.random_bool(0.5) => (Phase::Writing(fence), delay),
                Some(_) => match self.parties[index].tenure.next(now) {
                    Some(change) => (Phase::Asking(change, now), delay),
                    None => (Phase::Idle, delay),
                },
                None => (Phase::Looked(self.runtime.block_on(self.store.lease(NAME)).unwrap()), delay),
            },
            Phase::Looked(stored) => {
                let tenure = &mut self.parties[index].tenure;
                tenure.heard(stored, now);
                match tenure.next(now) {
                    Some(change) => (Phase::Asking(change, now), delay),
                    None => (Phase::Idle, self.pause(index)),
                }
            }
            Phase::Asking(change, asked_at) => {
                let outcome = self.runtime.block_on(self.store.change_lease(NAME, &change));
                (Phase::Asked(outcome.ok().filter(|_| !lost), asked_at), delay)
            }
            Phase::Asked(outcome, asked_at) => {
                if let Some(stored) = outcome {
                    self.parties[index].tenure.changed(stored, asked_at, now);
                }
                (Phase::Idle, self.pause(index))
            }
            Phase::Writing(fence) => {
                self.write(fence);
                (Phase::Idle, delay)
            }
        };
        self.parties[index].phase = phase;
        self.parties[index].at = time + wait;
    }

    /// A pause on the party's own clock, in true time.
    fn pause(&self, index: usize) -> f64 {
        self.parties[index].tenure.pause().as_secs_f64() / self.parties[index].rate
    }

    fn write(&mut self, token: u64) {
        let store = self.store.fenced(Fence { lease: NAME.into(), token });
        let revision = self.story.accepted.len() as u64;
        let note = Checkpoint { name: "note".into(), revision, value: json!(token) };
        match self.runtime.block_on(store.put_checkpoint(&note)) {
            Ok(_) => self.story.accepted.push(token),
            Err(StoreError::Fenced { found, .. }) => {
                assert!(found >= token, "the token of the future: {token}, stored is {found}");
                self.story.refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn with_clocks_of_one_speed_no_two_ever_believe_to_hold_the_lease() {
    for seed in 0..20 {
        let story = World::new(seed, 5, 1.0..=1.0).run(2000.0);
        assert_eq!(story.doubts, 0, "seed {seed}");
        assert!(story.accepted.is_sorted(), "seed {seed}");
        // Holders were killed and paused, and others came after them.
        assert!(story.accepted.last() > Some(&5), "seed {seed}: {:?}", story.accepted.last());
    }
}

#[test]
fn with_skewed_clocks_no_write_comes_after_one_of_a_later_holder() {
    let mut doubts = 0;
    for seed in 0..20 {
        let story = World::new(seed, 5, 0.3..=3.0).run(2000.0);
        assert!(story.accepted.is_sorted(), "seed {seed}");
        assert!(story.accepted.len() > 100, "seed {seed}: {}", story.accepted.len());
        doubts += story.doubts;
    }
    assert!(doubts > 0, "the clocks were not skewed enough to show anything");
}

#[test]
fn of_forty_rivals_one_at_a_time_holds_the_lease() {
    let story = World::new(7, 40, 1.0..=1.0).run(500.0);
    assert_eq!(story.doubts, 0);
    assert!(story.accepted.is_sorted() && story.accepted.len() > 20, "{}", story.accepted.len());
}

#[test]
fn paused_holders_are_refused_after_their_lease_was_taken() {
    let refused: usize = (100..120).map(|seed| World::new(seed, 5, 1.0..=1.0).run(2000.0).refused).sum();
    assert!(refused > 0);
}
