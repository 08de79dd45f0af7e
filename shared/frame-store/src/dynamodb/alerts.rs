//! States of watched places and the outbox.

use std::collections::BTreeSet;

use jiff::Timestamp;
use raincell_api_types::alerts::{AlertState, AlertTransition, NewPost, OutboxPost, PostOutcome, PostStatus};
use raincell_api_types::events::Event;

use super::DynamoStore;
use super::commit::{Change, Committed, WRITES, When, event_item};
use super::item::Item;
use super::keys::{OUTBOX, Place};
use super::request::Range;
use crate::StoreError;

impl DynamoStore {
    pub(super) async fn get_state(&self, place: &str) -> Result<(AlertState, Option<Item>), StoreError> {
        let item = self.table.get("read an alert state", &Place::alone("alert", place)).await?;
        let (revision, state) = match &item {
            Some(item) => (item.get_number("revision")?, item.get_json("state")?),
            None => (0, serde_json::Value::Null),
        };
        Ok((AlertState { place: place.to_owned(), revision, state }, item))
    }

    pub(super) async fn move_state(
        &self,
        place: &str,
        transition: &AlertTransition,
        now: Timestamp,
    ) -> Result<AlertState, StoreError> {
        self.admit().await?;
        loop {
            let (stored, item) = self.get_state(place).await?;
            if stored.revision != transition.expected_revision {
                let (expected, found) = (transition.expected_revision, stored.revision);
                return Err(StoreError::Stale { what: format!("the alert state of {place}"), expected, found });
            }
            let (revision, state) = (stored.revision + 1, transition.state.clone());
            let changed = AlertState { place: stored.place, revision, state };
            let posts = self.not_queued(&transition.posts).await?;
            let put =
                Item::at(Place::alone("alert", place)).number("revision", revision).json("state", &changed.state)?;
            let put = Change::Put(put, When::still(item.as_ref())?);
            let changes = |first: u64| {
                let (mut changes, mut sequence) = (vec![put.clone()], first);
                for (index, post) in posts.iter().enumerate() {
                    changes.push(Change::Put(new_post(post, [first, index as u64], now)?, When::Absent));
                    if post.announced {
                        changes.push(self.mortal(event_item(sequence, &Event::Rain(post.event.clone()), now)?, now));
                        sequence += 1;
                    }
                }
                Ok(changes)
            };
            let events = posts.iter().filter(|post| post.announced).count() as u64;
            let outcome = self.change_with_events("change an alert state", events, changes).await?;
            if outcome == Committed::Done {
                return Ok(changed);
            }
        }
    }

    /// Those whose keys are not in the outbox yet, each once.
    async fn not_queued<'a>(&self, posts: &'a [NewPost]) -> Result<Vec<&'a NewPost>, StoreError> {
        let mut keys = BTreeSet::new();
        let mut posts: Vec<_> = posts.iter().filter(|post| keys.insert(post.key.as_str())).collect();
        let places: Vec<_> = keys.iter().map(|key| Place::new(OUTBOX, *key)).collect();
        let queued = self.table.batch_get("look into the outbox", &places).await?;
        let queued: BTreeSet<_> = queued.iter().filter_map(|item| item.get_optional_text("sk")).collect();
        posts.retain(|post| !queued.contains(post.key.as_str()));
        let most = (WRITES - 1) / 2;
        if posts.len() > most {
            let source = format!("{} new posts in one transition, at most {most} can be", posts.len()).into();
            return Err(StoreError::Backend { doing: "change an alert state", source });
        }
        Ok(posts)
    }

    pub(super) async fn read_outbox(
        &self,
        status: Option<PostStatus>,
        limit: usize,
    ) -> Result<Vec<OutboxPost>, StoreError> {
        let items = self.table.query("list the outbox", &Range::all(OUTBOX)).await?;
        let mut posts = Vec::new();
        for item in items.iter().filter(|item| item.is_visible()) {
            let post = read_post(item)?;
            if status.is_none_or(|status| status == post.status) {
                let order: [u64; 2] = [item.get_number("after")?, item.get_number("index")?];
                posts.push(((post.created_at, order), post));
            }
        }
        posts.sort_by_key(|(order, _)| *order);
        Ok(posts.into_iter().take(limit).map(|(_, post)| post).collect())
    }

    pub(super) async fn find_post(&self, key: &str) -> Result<(OutboxPost, Item), StoreError> {
        let item = self.table.get("look up a post", &Place::new(OUTBOX, key)).await?.filter(Item::is_visible);
        let item = item.ok_or_else(|| StoreError::NotFound { what: format!("post {key}") })?;
        Ok((read_post(&item)?, item))
    }

    pub(super) async fn note_outcome(&self, key: &str, outcome: &PostOutcome) -> Result<OutboxPost, StoreError> {
        self.admit().await?;
        loop {
            let (mut post, item) = self.find_post(key).await?;
            post.attempts += 1;
            // A late report of a failed try does not undo what another one has sent.
            if post.status != PostStatus::Sent || outcome.status == PostStatus::Sent {
                (post.status, post.detail) = (outcome.status, outcome.detail.clone());
            }
            let when = When::still(Some(&item))?;
            let item = item
                .json("status", &post.status)?
                .number("attempts", post.attempts)
                .optional_text("detail", post.detail.as_ref());
            if self.change("record a post", &[Change::Put(item, when)]).await? == Committed::Done {
                return Ok(post);
            }
        }
    }
}

/// Posts are in the order of their times; those of one time in that of the log, and of their transition.
fn new_post(post: &NewPost, [after, index]: [u64; 2], now: Timestamp) -> Result<Item, StoreError> {
    Item::at(Place::new(OUTBOX, &post.key))
        .number("after", after)
        .number("index", index)
        .number("attempts", 0)
        .time("created_at", now)
        .json("status", &PostStatus::Pending)?
        .json("event", &post.event)
}

pub(super) fn read_post(item: &Item) -> Result<OutboxPost, StoreError> {
    Ok(OutboxPost {
        key: item.get_text("sk")?.to_owned(),
        event: item.get_json("event")?,
        status: item.get_json("status")?,
        attempts: item.get_number("attempts")?,
        detail: item.get_optional_text("detail").map(str::to_owned),
        created_at: item.get_time("created_at")?,
    })
}
