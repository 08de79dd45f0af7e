//! What was given up. A letter is found by its key; its number comes from a counter.

use jiff::Timestamp;
use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState, NewDeadLetter};
use raincell_frame::content_hash;

use super::DynamoStore;
use super::commit::{Change, Committed, When};
use super::item::Item;
use super::keys::{DEAD_LETTERS, Place};
use super::request::Range;
use crate::StoreError;

impl DynamoStore {
    pub(super) async fn write_letter(&self, letter: &NewDeadLetter, now: Timestamp) -> Result<DeadLetter, StoreError> {
        self.admit().await?;
        loop {
            let place = place_of(&letter.key);
            let stored = self.table.get("store a dead letter", &place).await?;
            let mut changes = Vec::new();
            let (id, created_at) = match &stored {
                Some(item) if item.is_visible() => (item.get_number("id")?, item.get_time("created_at")?),
                Some(item) => (item.get_number("id")?, now),
                None => {
                    let (id, counted) = self.next_letter().await?;
                    changes.push(counted);
                    (id, now)
                }
            };
            let (letter, state) = (letter.clone(), DeadLetterState::Dead);
            let letter = DeadLetter { id, letter, state, created_at, changed_at: now };
            changes.push(Change::Put(write(&letter)?, When::still(stored.as_ref())?));
            if self.change("store a dead letter", &changes).await? == Committed::Done {
                return Ok(letter);
            }
        }
    }

    async fn next_letter(&self) -> Result<(u64, Change), StoreError> {
        let place = Place::alone("counter", DEAD_LETTERS);
        let counter = self.table.get("number a dead letter", &place).await?;
        let id = counter.as_ref().map_or(Ok(0), |item| item.get_number::<u64>("last"))? + 1;
        Ok((id, Change::Put(Item::at(place).number("last", id), When::still(counter.as_ref())?)))
    }

    pub(super) async fn letters(&self) -> Result<Vec<(DeadLetter, Item)>, StoreError> {
        let items = self.table.query("list dead letters", &Range::all(DEAD_LETTERS)).await?;
        let visible = items.into_iter().filter(Item::is_visible);
        let letters: Result<Vec<_>, StoreError> = visible.map(|item| Ok((read(&item)?, item))).collect();
        let mut letters = letters?;
        letters.sort_by_key(|(letter, _)| letter.id);
        Ok(letters)
    }

    pub(super) async fn letter(&self, id: u64) -> Result<(DeadLetter, Item), StoreError> {
        let found = self.letters().await?.into_iter().find(|(letter, _)| letter.id == id);
        found.ok_or_else(|| StoreError::NotFound { what: format!("dead letter {id}") })
    }

    pub(super) async fn move_letter(
        &self,
        id: u64,
        state: DeadLetterState,
        now: Timestamp,
    ) -> Result<DeadLetter, StoreError> {
        self.admit().await?;
        loop {
            let (letter, item) = self.letter(id).await?;
            let changed = DeadLetter { state, changed_at: now, ..letter };
            let put = Change::Put(write(&changed)?, When::still(Some(&item))?);
            if self.change("change a dead letter", &[put]).await? == Committed::Done {
                return Ok(changed);
            }
        }
    }
}

/// A sort key has at most 1,024 bytes, the key of an object in a bucket as many and its bucket comes before it.
const LONGEST_KEY: usize = 1000;

fn place_of(key: &str) -> Place {
    let hashed = || format!("#{}", content_hash(key.as_bytes()));
    Place::new(DEAD_LETTERS, if key.len() > LONGEST_KEY { hashed() } else { key.to_owned() })
}

fn write(letter: &DeadLetter) -> Result<Item, StoreError> {
    let DeadLetter { id, letter, state, created_at, changed_at } = letter;
    Item::at(place_of(&letter.key))
        .text("key", &letter.key)
        .number("id", id)
        .text("source", &letter.source)
        .text("reason", &letter.reason)
        .number("attempts", letter.attempts)
        .time("created_at", *created_at)
        .time("changed_at", *changed_at)
        .json("state", state)?
        .json("origin", &letter.origin)
}

fn read(item: &Item) -> Result<DeadLetter, StoreError> {
    let letter = NewDeadLetter {
        key: item.get_text("key")?.to_owned(),
        source: item.get_text("source")?.to_owned(),
        reason: item.get_text("reason")?.to_owned(),
        attempts: item.get_number("attempts")?,
        origin: item.get_json("origin")?,
    };
    Ok(DeadLetter {
        id: item.get_number("id")?,
        letter,
        state: item.get_json("state")?,
        created_at: item.get_time("created_at")?,
        changed_at: item.get_time("changed_at")?,
    })
}
