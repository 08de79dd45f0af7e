//! Expiry in two steps, along the log: it names all that was stored, in the order of storing, so that what is old is
//! found without an index and without a scan. An event carries the number that its entry carries, too; an entry with
//! another number was stored again since, and is none of the event's business.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use raincell_api_types::events::Event;

use super::DynamoStore;
use super::bodies::{Key, both, manifest_of, parts_of};
use super::commit::{Change, Committed, WRITES, When, event_item};
use super::item::{Item, TIME_TO_LIVE};
use super::keys::{EVENTS_END, LOG, Place, event_key};
use super::request::{Range, Unconditional};
use crate::{FrameKey, NowcastKey, Removed, StoreError};

/// Events of one transaction: each comes with its entry and its manifest.
const GROUP: usize = WRITES / 3;
/// Tries of a group whose items others change meanwhile.
const TRIES: usize = 8;

/// An event of the log, with the entry of the listing that it tells of, where that still is the one it told of.
struct Logged {
    event: Item,
    entry: Option<Item>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Frame,
    Nowcast,
    Rain,
}

impl DynamoStore {
    pub(super) async fn hide(&self, stored_before: Timestamp, now: Timestamp) -> Result<Removed, StoreError> {
        self.admit().await?;
        let mut removed = Removed::default();
        let old = |event: &Item| Ok(event.is_visible() && event.get_time("logged_at")? < stored_before);
        let young = |event: &Item| Ok(event.is_visible() && event.get_time("logged_at")? >= stored_before);
        for group in self.log_until(young, old).await?.chunks(GROUP) {
            let change = |logged: &[Logged]| {
                let mut changes = Vec::new();
                for Logged { event, entry, .. } in logged.iter().filter(|logged| logged.event.is_visible()) {
                    changes.push(Change::Put(event.clone().hidden(now), When::still(Some(event))?));
                    if let Some(entry) = entry.as_ref().filter(|entry| entry.is_visible()) {
                        changes.extend(both(entry.clone().hidden(now), &When::still(Some(entry))?)?);
                    }
                }
                Ok(changes)
            };
            let done = self.change_group("expire", group, change).await?;
            let counted = done.iter().filter(|logged| logged.event.is_visible());
            add(&mut removed, counted, Item::is_visible);
        }
        removed.posts = self.hide_posts(stored_before, now).await?;
        removed.dead_letters = self.hide_letters(stored_before, now).await?;
        Ok(removed)
    }

    pub(super) async fn remove(&self, hidden_before: Timestamp) -> Result<Removed, StoreError> {
        self.admit().await?;
        let mut removed = Removed::default();
        let due = |item: &Item| item.expired_at().is_some_and(|at| at < hidden_before);
        let events = self.log_until(|event| Ok(!due(event)), |event| Ok(due(event))).await?;
        for group in events.chunks(GROUP) {
            let change = |logged: &[Logged]| {
                let mut changes = Vec::new();
                for Logged { event, entry, .. } in logged {
                    changes.push(Change::Delete(event.place()?, When::still(Some(event))?));
                    if let Some(entry) = entry.as_ref().filter(|entry| due(entry)) {
                        let when = When::still(Some(entry))?;
                        changes.push(Change::Delete(entry.place()?, when.clone()));
                        changes.push(Change::Delete(manifest_of(entry)?.place()?, when));
                    }
                }
                Ok(changes)
            };
            let done = self.change_group("collect what has expired", group, change).await?;
            if self.collector_deletes_bodies {
                for entry in done.iter().filter_map(|logged| logged.entry.as_ref()).filter(|entry| due(entry)) {
                    self.let_go(Some(entry)).await;
                }
            }
            add(&mut removed, done.iter(), due);
        }
        removed.posts = self.remove_posts(hidden_before).await?;
        removed.dead_letters = self.remove_letters(hidden_before).await?;
        Ok(removed)
    }

    pub(super) async fn bring_back(&self, source: Option<&str>, now: Timestamp) -> Result<Removed, StoreError> {
        self.admit().await?;
        let mut back = Removed::default();
        let hidden = |event: &Item| Ok(!event.is_visible());
        let events = self.log_until(|event| Ok(event.is_visible()), hidden).await?;
        let mut logged = Vec::new();
        for group in events.chunks(GROUP) {
            logged.extend(self.with_entries(group).await?);
        }
        let wanted = |entry: &Item| {
            !entry.is_visible() && source.is_none_or(|source| entry.get_text("source").ok() == Some(source))
        };
        logged.retain(|logged| logged.entry.as_ref().is_some_and(wanted));
        logged.sort_by_key(|logged| (logged.kind, logged.entry.as_ref().and_then(|entry| entry.get_time("time").ok())));
        for group in logged.chunks(GROUP) {
            for Logged { entry, kind, .. } in group {
                if let Some(entry) = entry
                    && self.bring_one_back(entry, *kind, now).await?
                {
                    *(if *kind == Kind::Frame { &mut back.frames } else { &mut back.nowcasts }) += 1;
                }
            }
        }
        Ok(back)
    }

    /// False where somebody else has stored it again, or has brought it back.
    async fn bring_one_back(&self, entry: &Item, kind: Kind, now: Timestamp) -> Result<bool, StoreError> {
        let until = self.time_to_live(now);
        let parts = self.table.batch_get("bring back a body", &parts_of(entry)?).await?;
        let parts = parts.into_iter().map(move |part| Unconditional::Put(part.number(TIME_TO_LIVE, until)));
        self.table.batch_write("bring back a body", parts).await?;
        let when = When::still(Some(entry))?;
        let fresh = entry.clone().visible().time("stored_at", now).number(TIME_TO_LIVE, until);
        let event = match kind {
            Kind::Frame => FrameKey::event(FrameKey::info(&fresh)?),
            _ => NowcastKey::event(NowcastKey::info(&fresh)?),
        };
        let changes = |sequence: u64| {
            let mut changes = both(fresh.clone().number("sequence", sequence), &when)?.to_vec();
            changes.push(self.mortal(event_item(sequence, &event, now)?, now));
            Ok(changes)
        };
        Ok(self.change_with_events("bring back a body", 1, changes).await? == Committed::Done)
    }

    /// The events from the oldest on that are wanted, up to the first one that ends it.
    async fn log_until(
        &self,
        ends: impl Fn(&Item) -> Result<bool, StoreError> + Send + Sync,
        wanted: impl Fn(&Item) -> Result<bool, StoreError> + Send + Sync,
    ) -> Result<Vec<Item>, StoreError> {
        let range = Range::between(LOG, event_key(0), EVENTS_END);
        let (mut events, mut start) = (Vec::new(), None);
        loop {
            let (page, next) = self.table.page("go through the log", &range, start).await?;
            for event in page {
                if ends(&event)? {
                    return Ok(events);
                }
                if wanted(&event)? {
                    events.push(event);
                }
            }
            if next.is_none() {
                return Ok(events);
            }
            start = next;
        }
    }

    /// Looks up the entries of events.
    async fn with_entries(&self, events: &[Item]) -> Result<Vec<Logged>, StoreError> {
        let mut logged = Vec::with_capacity(events.len());
        let mut places = BTreeSet::new();
        for event in events {
            let (kind, place) = match event.get_json::<Event>("event")? {
                Event::Frame(info) => {
                    (Kind::Frame, Some(FrameKey::new(&info.source, &info.product, info.valid_time)?.entry()))
                }
                Event::Nowcast(info) => (Kind::Nowcast, Some(NowcastKey::new(&info.source, info.issue_time)?.entry())),
                Event::Rain(_) => (Kind::Rain, None),
            };
            places.extend(place.clone().map(|place| (place.pk, place.sk)));
            logged.push((event.clone(), kind, place));
        }
        let places: Vec<_> = places.into_iter().map(|(pk, sk)| Place::new(pk, sk)).collect();
        let entries = self.table.batch_get("look up what is old", &places).await?;
        let entries = entries.into_iter().map(|entry| Ok((entry.get_number::<u64>("sequence")?, entry)));
        let mut entries = entries.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        let with = logged.into_iter().map(|(event, kind, _)| {
            let entry = entries.remove(&event.get_number("sequence")?);
            Ok(Logged { event, entry, kind })
        });
        with.collect()
    }

    /// Changes a group of events and their entries in one step; looks again where others were faster. Gives them as they
    /// were before the change.
    async fn change_group(
        &self,
        doing: &'static str,
        events: &[Item],
        change: impl Fn(&[Logged]) -> Result<Vec<Change>, StoreError> + Send,
    ) -> Result<Vec<Logged>, StoreError> {
        let mut events = events.to_vec();
        for _ in 0..TRIES {
            let logged = self.with_entries(&events).await?;
            let changes = change(&logged)?;
            if changes.is_empty() || self.change(doing, &changes).await? == Committed::Done {
                return Ok(logged);
            }
            let places = events.iter().map(Item::place).collect::<Result<Vec<_>, _>>()?;
            events = self.table.batch_get(doing, &places).await?;
        }
        Err(StoreError::Busy { doing })
    }
}

fn add<'a>(removed: &mut Removed, logged: impl Iterator<Item = &'a Logged>, counts: impl Fn(&Item) -> bool) {
    for Logged { entry, kind, .. } in logged {
        removed.events += 1;
        let entries = u64::from(entry.as_ref().is_some_and(&counts));
        match kind {
            Kind::Frame => removed.frames += entries,
            Kind::Nowcast => removed.nowcasts += entries,
            Kind::Rain => {}
        }
    }
}
