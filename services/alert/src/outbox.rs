//! Sends what waits in the outbox.
//!
//! An event is in the outbox once for each target, from the moment that its state is stored, and a post leaves it only
//! when its outcome is stored. One process sends, the one that holds the lease `alert-sender`; each target has a lane of
//! its own there, so that one that fails holds up none of the others.
//!
//! A post that may have been sent already is looked for at the target first: after a request whose answer was lost, and
//! for everything that another process may have had in hand, which is whatever was pending when the lease was taken.

mod budget;
mod lane;
mod replays;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use raincell_api_types::alerts::{self, NewPost, RainEvent, RainEventKind};
use raincell_service_runtime::{Health, Runtime};
use raincell_store_client::{LeaseKeeper, LeaseView, StoreClient};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Config;
use crate::picture::Pictures;
use crate::places::Place;
use crate::poster::Poster;
use crate::words;

use lane::Lane;

/// The lease of the one process that sends.
const LEASE: &str = "alert-sender";

/// The key of an event: one of one kind is known at one place and time once. (The time that it is about may come back:
/// rain is called off and then announced again for the same minute.)
pub fn post_key(time: Timestamp, place_id: &str, kind: RainEventKind) -> String {
    format!("{}-{place_id}-{}", time.strftime("%Y%m%dT%H%M%SZ"), words::kind_name(kind))
}

/// Where the posts of events are laid, to be stored with the states that they come from.
#[derive(Clone, Debug)]
pub(crate) struct Tray {
    /// Names of the targets that posts go to.
    targets: Vec<&'static str>,
    bell: Arc<watch::Sender<()>>,
}

impl Tray {
    pub fn new(posters: &[Arc<dyn Poster>]) -> Self {
        Self { targets: posters.iter().map(|poster| poster.name()).collect(), bell: Arc::new(watch::Sender::new(())) }
    }

    /// The posts of an event, one a target; the first tells the store's listeners of the event.
    pub fn posts(&self, event_key: &str, event: &RainEvent) -> Vec<NewPost> {
        let post = |(index, target): (usize, &&str)| NewPost {
            key: alerts::post_key(event_key, target),
            event: event.clone(),
            announced: index == 0,
        };
        self.targets.iter().enumerate().map(post).collect()
    }

    /// Tells the lanes that there may be something new.
    pub fn ring(&self) {
        self.bell.send_replace(());
    }
}

/// What all lanes share.
pub(crate) struct Desk {
    pub client: StoreClient,
    pub runtime: Runtime,
    pub health: Health,
    pub config: Arc<Config>,
    pub pictures: Pictures,
    pub lease: LeaseView,
}

/// The worker that empties the outbox.
pub(crate) struct Outbox {
    pub client: StoreClient,
    pub runtime: Runtime,
    pub health: Health,
    pub config: Arc<Config>,
    pub places: Arc<Vec<Place>>,
    pub posters: Vec<Arc<dyn Poster>>,
    pub tray: Tray,
}

impl Outbox {
    /// Sends until shutdown, whenever this process holds the lease.
    pub async fn run(self) -> anyhow::Result<()> {
        let duration = Duration::from_secs_f64(self.config.leader_lease_s);
        let keeper = LeaseKeeper::start(&self.client, LEASE, "alert", duration)?;
        let desk = Arc::new(Desk {
            pictures: Pictures::new(self.client.clone(), &self.config, self.places),
            client: self.client,
            runtime: self.runtime,
            health: self.health,
            config: self.config,
            lease: keeper.view(),
        });
        let mut lanes = JoinSet::new();
        for poster in self.posters {
            lanes.spawn(Lane::new(Arc::clone(&desk), poster, self.tray.bell.subscribe()).run());
        }
        let mut result = Ok(());
        while let Some(ended) = lanes.join_next().await {
            result = result.and(ended.context("a sender of posts was cut off"));
        }
        // Only now, when nothing is in hand any more.
        keeper.release().await;
        result
    }
}
