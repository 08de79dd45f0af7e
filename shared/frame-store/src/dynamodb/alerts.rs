//! States of watched places and the outbox. A post is kept three times, so that each question is one request: under its
//! key, in the order of the posts, and in that order among those that wait. All copies change together and carry the
//! same stamp.

use std::collections::BTreeSet;

use jiff::Timestamp;
use raincell_api_types::alerts::{AlertState, AlertTransition, NewPost, OutboxPost, PostOutcome, PostStatus};
use raincell_api_types::events::Event;
use raincell_frame::content_hash;

use super::DynamoStore;
use super::commit::{Change, Committed, WRITES, When, event_item};
use super::item::Item;
use super::keys::{OUTBOX, PENDING_POSTS, POSTS, Place, time_key};
use super::request::Range;
use crate::StoreError;

/// Changes of a transaction for each new post: its three copies and its event.
const CHANGES_A_POST: usize = 4;
/// The most posts of one page.
const PAGE: usize = 1000;

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
                    let item = new_post(post, [first, index as u64], now)?;
                    for place in copies(&item)?.into_iter().chain([pending_copy(&item)?]) {
                        changes.push(Change::Put(item.clone().moved_to(place), When::Absent));
                    }
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
        let most = (WRITES - 1) / CHANGES_A_POST;
        if posts.len() > most {
            let source = format!("{} new posts in one transition, at most {most} can be", posts.len()).into();
            return Err(StoreError::Backend { doing: "change an alert state", source });
        }
        Ok(posts)
    }

    /// One Query: of those that wait among themselves, of others among all.
    pub(super) async fn read_outbox(
        &self,
        status: Option<PostStatus>,
        limit: usize,
    ) -> Result<Vec<OutboxPost>, StoreError> {
        let partition = if status == Some(PostStatus::Pending) { PENDING_POSTS } else { POSTS };
        // Where most do not fit, large pages.
        let page = if partition == POSTS && status.is_some() { PAGE } else { limit.min(PAGE) };
        self.list_posts(Range { page: Some(page), ..Range::all(partition) }, status, limit).await
    }

    /// One Query.
    pub(super) async fn read_newest(&self, limit: usize) -> Result<Vec<OutboxPost>, StoreError> {
        let range = Range { newest_first: true, page: Some(limit.min(PAGE)), ..Range::all(POSTS) };
        self.list_posts(range, None, limit).await
    }

    async fn list_posts(
        &self,
        range: Range,
        status: Option<PostStatus>,
        limit: usize,
    ) -> Result<Vec<OutboxPost>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let fits = |item: &&Item| {
            item.is_visible()
                && status.is_none_or(|status| item.get_json("status").is_ok_and(|found: PostStatus| found == status))
        };
        let enough = |items: &[Item]| items.iter().filter(fits).count() >= limit;
        let items = self.table.query_until("list the outbox", &range, enough).await?;
        items.iter().filter(fits).take(limit).map(read_post).collect()
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
            let (waited, waits) = (read_post(&item)?.status, post.status);
            let when = When::still(Some(&item))?;
            let item = item
                .json("status", &post.status)?
                .number("attempts", post.attempts)
                .optional_text("detail", post.detail.as_ref());
            let put = |place: Place, when: &When| Change::Put(item.clone().moved_to(place), when.clone());
            let mut changes: Vec<_> = copies(&item)?.into_iter().map(|place| put(place, &when)).collect();
            match (waited == PostStatus::Pending, waits == PostStatus::Pending) {
                (true, true) => changes.push(put(pending_copy(&item)?, &when)),
                (true, false) => changes.push(Change::Delete(pending_copy(&item)?, when)),
                (false, true) => changes.push(put(pending_copy(&item)?, &When::Absent)),
                (false, false) => {}
            }
            if self.change("record a post", &changes).await? == Committed::Done {
                return Ok(post);
            }
        }
    }

    /// Hides posts that are sent or failed; gives how many.
    pub(super) async fn hide_posts(&self, created_before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let mut hidden = 0;
        for item in self.posts_until(created_before).await?.iter().filter(|item| item.is_visible()) {
            let post = read_post(item)?;
            if post.status != PostStatus::Pending && post.created_at < created_before {
                let when = When::still(Some(item))?;
                let put = |place| Change::Put(item.clone().moved_to(place).hidden(now), when.clone());
                let changes: Vec<_> = copies(item)?.into_iter().map(put).collect();
                hidden += u64::from(self.change("expire posts", &changes).await? == Committed::Done);
            }
        }
        Ok(hidden)
    }

    /// Removes posts that were hidden before; gives how many.
    pub(super) async fn remove_posts(&self, hidden_before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        // None is hidden before it is created.
        for item in self.posts_until(hidden_before).await? {
            if item.expired_at().is_some_and(|at| at < hidden_before) {
                let when = When::still(Some(&item))?;
                let changes: Vec<_> =
                    copies(&item)?.into_iter().map(|place| Change::Delete(place, when.clone())).collect();
                removed += u64::from(self.change("collect posts", &changes).await? == Committed::Done);
            }
        }
        Ok(removed)
    }

    async fn posts_until(&self, time: Timestamp) -> Result<Vec<Item>, StoreError> {
        // `~` comes after all that follows a time.
        self.table.query("go through the posts", &Range::between(POSTS, "!", format!("{}~", time_key(time)))).await
    }
}

/// Where a post is, whatever becomes of it.
fn copies(item: &Item) -> Result<[Place; 2], StoreError> {
    Ok([Place::new(OUTBOX, item.get_text("key")?), Place::new(POSTS, item.get_text("order")?)])
}

/// Where it is besides while it waits.
fn pending_copy(item: &Item) -> Result<Place, StoreError> {
    Ok(Place::new(PENDING_POSTS, item.get_text("order")?))
}

/// Posts are in the order of their times; those of one time in that of the log, and of their transition.
fn new_post(post: &NewPost, [after, index]: [u64; 2], now: Timestamp) -> Result<Item, StoreError> {
    // With its key in it, so that two of the same instant, of which none is logged, have two places.
    let order = format!("{}#{after:020}#{index:04}#{}", time_key(now), content_hash(post.key.as_bytes()));
    Item::at(Place::new(OUTBOX, &post.key))
        .text("key", &post.key)
        .text("order", order)
        .number("attempts", 0)
        .time("created_at", now)
        .json("status", &PostStatus::Pending)?
        .json("event", &post.event)
}

fn read_post(item: &Item) -> Result<OutboxPost, StoreError> {
    Ok(OutboxPost {
        key: item.get_text("key")?.to_owned(),
        event: item.get_json("event")?,
        status: item.get_json("status")?,
        attempts: item.get_number("attempts")?,
        detail: item.get_optional_text("detail").map(str::to_owned),
        created_at: item.get_time("created_at")?,
    })
}
