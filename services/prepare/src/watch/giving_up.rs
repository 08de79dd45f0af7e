//! Bad files: tried three times, set aside, told to the store, and tried again when somebody asks for it.

use std::time::Instant;

use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState, NewDeadLetter};
use serde::{Deserialize, Serialize};

use super::{Found, REPLAYS, Watch};
use crate::intake::Unit;
use crate::place::Place;
use crate::troubles::Refusal;

/// What a dead letter keeps so that its files can be found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    kind: String,
    files: Vec<String>,
}

impl<P: Place> Watch<P> {
    /// Notes that a unit could not be taken in; a bad one becomes a dead letter when it has had its chances.
    ///
    /// # Errors
    /// When the store does not answer; it is tried again then.
    pub(super) async fn refuse(&mut self, found: &Found, refusal: &Refusal) -> anyhow::Result<()> {
        let patience = match found.unit {
            Unit::File(_) => self.source.settle(),
            Unit::Chunks(_) => self.source.chunk_idle().max(self.source.settle()),
        };
        let patience = self.runtime.clock.wall(patience);
        let name = found.name();
        let tries = self.troubles.note(&name, found.stamps(), refusal, patience, Instant::now());
        let (Refusal::Bad(reason), Some(tries)) = (refusal, tries) else { return Ok(()) };
        let files: Vec<String> = found.files.iter().map(|(name, _)| name.clone()).collect();
        // Told before it is moved: a file that is out of the way is one that the store knows of.
        self.store.add_dead_letter(&self.letter(&name, &files, reason, tries)?).await?;
        let source = self.source.name.clone();
        metrics::counter!("raincell_prepare_dead_letters_total", "source" => source.clone()).increment(1);
        let left_as = match self.place.set_aside(&files, reason, self.runtime.clock.now()).await {
            Ok(kept) => {
                let kept = kept.map_or_else(|| "where it is".into(), |path| path.display().to_string());
                tracing::error!(source, file = name, reason, kept, "bad file set aside");
                // Where it was moved, the next look finds it gone and the ledger forgets it.
                ""
            }
            Err(error) => {
                tracing::error!(
                    source,
                    file = name,
                    reason,
                    error = format!("{error:#}"),
                    "bad file stays where it is and is not read again until it changes"
                );
                reason
            }
        };
        self.troubles.forget(&name);
        for (name, stamp) in &found.files {
            self.ledger.note_bad(name, *stamp, left_as);
        }
        self.unsaved = true;
        Ok(())
    }

    fn letter(&self, name: &str, files: &[String], reason: &str, tries: u32) -> anyhow::Result<NewDeadLetter> {
        let origin = Origin { kind: P::KIND.to_owned(), files: files.to_owned() };
        Ok(NewDeadLetter {
            key: format!("{}/{name}", self.source.name),
            source: self.source.name.clone(),
            reason: reason.to_owned(),
            attempts: tries,
            origin: serde_json::to_value(origin)?,
        })
    }

    /// Looks for dead letters that somebody wants to be tried once more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn ask_for_replays(&mut self) -> anyhow::Result<()> {
        if self.last_replays.is_some_and(|last| last.elapsed() < REPLAYS) {
            return Ok(());
        }
        for letter in self.store.dead_letters(Some(DeadLetterState::ReplayRequested)).await? {
            if letter.letter.source == self.source.name {
                self.replay(letter).await?;
            }
        }
        self.last_replays = Some(Instant::now());
        self.save_ledger().await
    }

    async fn replay(&mut self, letter: DeadLetter) -> anyhow::Result<()> {
        let brought_back = match serde_json::from_value::<Origin>(letter.letter.origin.clone()) {
            Ok(origin) if origin.kind == P::KIND => self.place.bring_back(&origin.files).await.map(|()| origin.files),
            Ok(origin) => {
                Err(anyhow::anyhow!("it came from a source of kind {}, this one is {}", origin.kind, P::KIND))
            }
            Err(_) => Err(anyhow::anyhow!("it names no file that could be read again")),
        };
        match brought_back {
            Ok(files) => {
                if self.wanted.replay(letter.id, &files) {
                    tracing::info!(
                        source = self.source.name,
                        id = letter.id,
                        key = letter.letter.key,
                        "tried once more"
                    );
                    for name in &files {
                        self.ledger.forget(name);
                        self.troubles.forget(name);
                    }
                    self.unsaved = true;
                }
            }
            Err(error) => {
                let reason = format!("not tried again: {error:#}; before: {}", letter.letter.reason);
                tracing::warn!(source = self.source.name, id = letter.id, reason, "dead letter stays dead");
                self.store.add_dead_letter(&NewDeadLetter { reason, ..letter.letter }).await?;
            }
        }
        Ok(())
    }

    /// Says in the store what became of dead letters that were tried again.
    pub(super) async fn settle_letters(&self, ids: &[u64], taken_in: bool) -> anyhow::Result<()> {
        for &id in ids {
            if taken_in {
                self.store.set_dead_letter_state(id, DeadLetterState::Replayed).await?;
                tracing::info!(source = self.source.name, id, "dead letter taken in");
            } else {
                let letter = self.store.dead_letter(id).await?.letter;
                let reason = format!("gone when it was tried again; before: {}", letter.reason);
                self.store.add_dead_letter(&NewDeadLetter { reason, ..letter }).await?;
            }
        }
        Ok(())
    }
}
