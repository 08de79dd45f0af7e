//! What was given up. A letter is found by its key, and by its number, which comes from a counter.

use jiff::Timestamp;
use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState, NewDeadLetter};
use raincell_frame::content_hash;

use super::DynamoStore;
use super::commit::{Change, Committed, When};
use super::item::Item;
use super::keys::{DEAD_LETTER_NUMBERS, DEAD_LETTERS, Place};
use super::request::{Range, Unconditional};
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
                    let numbered = Item::at(number_place(id)).text("letter", place.sk);
                    changes.extend([counted, Change::Put(numbered, When::Absent)]);
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

    /// One look at the number, one at the letter.
    pub(super) async fn letter(&self, id: u64) -> Result<(DeadLetter, Item), StoreError> {
        let doing = "look up a dead letter";
        let item = match self.table.get(doing, &number_place(id)).await? {
            Some(numbered) => self.table.get(doing, &Place::new(DEAD_LETTERS, numbered.get_text("letter")?)).await?,
            None => None,
        };
        let missing = || StoreError::NotFound { what: format!("dead letter {id}") };
        let item = item.filter(Item::is_visible).ok_or_else(missing)?;
        let letter = read(&item)?;
        // A number may outlive its letter for a moment, and the letter's next life has another one.
        if letter.id == id { Ok((letter, item)) } else { Err(missing()) }
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

    /// Hides letters that were replayed; gives how many.
    pub(super) async fn hide_letters(&self, changed_before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let mut hidden = 0;
        for (letter, item) in self.letters().await? {
            if letter.state == DeadLetterState::Replayed && letter.changed_at < changed_before {
                let put = Change::Put(item.clone().hidden(now), When::still(Some(&item))?);
                hidden += u64::from(self.change("expire dead letters", &[put]).await? == Committed::Done);
            }
        }
        Ok(hidden)
    }

    /// Removes letters that were hidden before; gives how many.
    pub(super) async fn remove_letters(&self, hidden_before: Timestamp) -> Result<u64, StoreError> {
        let (doing, mut removed) = ("collect dead letters", 0);
        for item in self.table.query(doing, &Range::all(DEAD_LETTERS)).await? {
            if item.expired_at().is_some_and(|at| at < hidden_before) {
                let delete = Change::Delete(item.place()?, When::still(Some(&item))?);
                if self.change(doing, &[delete]).await? == Committed::Done {
                    let number = Unconditional::Delete(number_place(item.get_number("id")?));
                    self.table.batch_write(doing, vec![number]).await?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// Where a letter is found by its number.
fn number_place(id: u64) -> Place {
    Place::new(DEAD_LETTER_NUMBERS, format!("{id:020}"))
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
