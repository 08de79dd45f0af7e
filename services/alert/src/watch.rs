//! Looks at every watched place whenever the store has something new.

mod heavy_rain;
mod own_score;
mod scheduled;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use jiff::SignedDuration;
use raincell_api_types::alerts::{AlertState, AlertTransition, RainEvent};
use raincell_api_types::events::Event;
use raincell_api_types::frames::SourceTraits;
use raincell_api_types::health::Condition;
use raincell_service_runtime::{Health, Runtime, clock};
use raincell_store_client::{ClientError, StoreClient, StreamItem};
use tracing::{Instrument, Span, info_span};

use crate::Config;
use crate::cells::CellRules;
use crate::ledger::Ledger;
use crate::machine::{self, News, Outlook, PlaceRain, PlaceState};
use crate::outbox::{Tray, post_key};
use crate::places::Place;
use crate::schedule::Schedule;
use crate::score::Record;
use crate::sources::Sources;
use crate::{told, words};

/// How often a change of state is computed anew when another process was faster.
const CONFLICT_TRIES: u32 = 5;
/// The data count as late once the newest are this much behind the clock.
const DATA_LATE: SignedDuration = SignedDuration::from_mins(30);

/// Where the news of a place come from.
struct Origin {
    credit: String,
    /// Content hash of the frame that they are known from.
    trace_id: String,
    traits: SourceTraits,
}

/// Follows the watched places.
pub(crate) struct Watch {
    client: StoreClient,
    runtime: Runtime,
    health: Health,
    config: Arc<Config>,
    places: Arc<Vec<Place>>,
    sources: Sources,
    /// Per place: its state as last read or written, with its revision.
    states: Vec<Option<(u64, PlaceState)>>,
    /// Where posts are laid.
    outbox: Tray,
    /// All other states.
    ledger: Ledger,
    /// What cells of heavy rain are told of; `None` where none are watched.
    heavy_rain: Option<CellRules>,
    schedules: Vec<Schedule>,
    /// The warnings of the last weeks, as last read.
    record: Record,
    record_read: bool,
}

impl Watch {
    pub fn new(
        client: StoreClient,
        runtime: Runtime,
        health: Health,
        config: Arc<Config>,
        places: Arc<Vec<Place>>,
        schedules: Vec<Schedule>,
        outbox: Tray,
    ) -> Self {
        let heavy_rain = config.heavy_rain.rules(&config);
        let sources = Sources::new(client.clone(), &config.source, Arc::clone(&places), heavy_rain.is_some());
        Self {
            states: vec![None; places.len()],
            ledger: Ledger::new(client.clone()),
            record: Record::default(),
            record_read: false,
            client,
            runtime,
            health,
            config,
            places,
            sources,
            outbox,
            heavy_rain,
            schedules,
        }
    }

    /// Looks on every event of the store, and every `poll_s` in between, until shutdown.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let (client, runtime) = (self.client.clone(), self.runtime.clone());
        let events = client.events(None);
        pin_mut!(events);
        let poll = Duration::from_secs(u64::from(self.config.poll_s));
        let mut trigger = "start";
        loop {
            self.look(trigger).await;
            let poll = self.until_scheduled().map_or(poll, |due| due.min(poll));
            trigger = tokio::select! {
                () = runtime.shutdown.cancelled() => return Ok(()),
                trigger = self.announced(&mut events) => trigger,
                () = clock::sleep(&*runtime.clock, poll) => "poll",
            };
        }
    }

    /// Waits for an event that is a reason to look, and takes all that follow it at once.
    async fn announced(&self, events: &mut (impl futures::Stream<Item = StreamItem> + Unpin)) -> &'static str {
        let mut reason = None;
        loop {
            let item = match reason {
                None => events.next().await,
                // What has piled up meanwhile is the same reason.
                Some(reason) => match tokio::time::timeout(Duration::from_millis(20), events.next()).await {
                    Ok(item) => item,
                    Err(_) => return reason,
                },
            };
            match item {
                Some(StreamItem::Connected) => {
                    self.health.set("events", Condition::Ok, "listening");
                    reason = Some("connected");
                }
                Some(StreamItem::Event(event)) => match event.event {
                    Event::Nowcast(_) => reason = Some("nowcast"),
                    Event::Frame(_) => reason = reason.or(Some("frame")),
                    // Put into the outbox by another process, perhaps.
                    Event::Rain(_) => self.outbox.ring(),
                },
                Some(StreamItem::Disconnected { reason }) => {
                    self.health.set("events", Condition::Degraded, format!("polling: {reason}"));
                }
                None => std::future::pending().await,
            }
        }
    }

    /// One look at all places.
    async fn look(&mut self, trigger: &'static str) {
        metrics::counter!("raincell_alert_evaluations_total", "trigger" => trigger).increment(1);
        match self.look_at_all().await {
            Ok(()) => self.health.set("store", Condition::Ok, "answers"),
            Err(error) => {
                metrics::counter!("raincell_alert_failed_evaluations_total").increment(1);
                tracing::warn!(%error, trigger, "cannot look at the places");
                self.health.set("store", Condition::Down, error.to_string());
            }
        }
    }

    async fn look_at_all(&mut self) -> Result<(), ClientError> {
        self.sources.refresh().await?;
        self.read_the_record().await?;
        self.note_data_age();
        for place in 0..self.places.len() {
            let Some((source, rain, outlook)) = self.sources.of_place(place) else {
                tracing::debug!(place = self.places[place].id, "on no grid");
                continue;
            };
            let origin = Origin {
                credit: self.credit(source),
                trace_id: self.sources.frame_hash(source).to_owned(),
                traits: self.sources.traits(source),
            };
            let (rain, outlook) = (*rain, outlook.cloned());
            self.update(place, rain, outlook.as_ref(), &origin).await?;
        }
        self.look_for_heavy_rain().await?;
        self.look_at_schedules().await
    }

    fn note_data_age(&self) {
        let now = self.runtime.clock.now();
        match self.sources.newest() {
            None => self.health.set("data", Condition::Degraded, "no frame yet"),
            Some(newest) => {
                let age = now.duration_since(newest);
                let condition = if age > DATA_LATE { Condition::Degraded } else { Condition::Ok };
                self.health.set("data", condition, format!("newest frame of {newest}"));
            }
        }
    }

    /// Takes one place a step further, again if another process changed it meanwhile.
    async fn update(
        &mut self,
        index: usize,
        rain: PlaceRain,
        outlook: Option<&Outlook>,
        origin: &Origin,
    ) -> Result<(), ClientError> {
        let places = Arc::clone(&self.places);
        let place = &places[index];
        for _ in 0..CONFLICT_TRIES {
            let (revision, state) = match self.states[index].take() {
                Some(known) => known,
                None => read_state(place, self.client.alert_state(&place.id).await?),
            };
            let now = self.runtime.clock.now();
            let (next, news) = machine::step(&state, &place.rules, rain, outlook, now);
            if next == state {
                self.states[index] = Some((revision, state));
                return Ok(());
            }
            let change = self.transition(place, revision, &next, news, origin)?;
            let span = match news {
                Some(_) => info_span!("alert", trace_id = origin.trace_id, place = place.id),
                None => Span::none(),
            };
            match self.client.transition(&place.id, &change).instrument(span.clone()).await {
                Ok(stored) => {
                    self.states[index] = Some((stored.revision, next));
                    if let Some(news) = news {
                        span.in_scope(|| self.announce(place, news));
                        let key = post_key(news.time, &place.id, news.kind);
                        self.note_told(vec![(key, event_of(place, &news, origin))]).await?;
                    }
                    return Ok(());
                }
                Err(ClientError::StaleState(stored)) => {
                    metrics::counter!("raincell_alert_conflicts_total").increment(1);
                    self.states[index] = Some(read_state(place, *stored));
                }
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(place = place.id, "the state changes faster than it can be written; left for the next look");
        Ok(())
    }

    fn transition(
        &self,
        place: &Place,
        expected_revision: u64,
        next: &PlaceState,
        news: Option<News>,
        origin: &Origin,
    ) -> Result<AlertTransition, ClientError> {
        let state = serde_json::to_value(next).map_err(|error| ClientError::Answer {
            operation: "change an alert state",
            reason: format!("the state is no JSON: {error}"),
        })?;
        let posts = match news {
            Some(news) => {
                let key = post_key(news.time, &place.id, news.kind);
                self.outbox.posts(&key, &event_of(place, &news, origin))
            }
            None => Vec::new(),
        };
        Ok(AlertTransition { expected_revision, state, posts })
    }

    fn announce(&self, place: &Place, news: News) {
        tracing::info!(place = place.id, kind = ?news.kind, about = %news.about, rate_mm_h = news.rate_mm_h, "rain event");
        metrics::counter!("raincell_alert_events_total", "kind" => words::kind_name(news.kind)).increment(1);
        self.outbox.ring();
    }

    fn credit(&self, source: &str) -> String {
        if self.config.credit.is_empty() { format!("Radar: {source}") } else { self.config.credit.clone() }
    }
}

fn event_of(place: &Place, news: &News, origin: &Origin) -> RainEvent {
    RainEvent { trace_id: origin.trace_id.clone(), ..told::of_place(place, news, &origin.credit, origin.traits) }
}

/// The state as stored; one that this version cannot read counts as none.
fn read_state(place: &Place, stored: AlertState) -> (u64, PlaceState) {
    if stored.state.is_null() {
        return (stored.revision, PlaceState::default());
    }
    let state = serde_json::from_value(stored.state).unwrap_or_else(|error| {
        tracing::warn!(place = place.id, %error, "stored state cannot be read, beginning anew");
        PlaceState::default()
    });
    (stored.revision, state)
}
