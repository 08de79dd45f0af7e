//! `raincell store` and `raincell dead-letters`: work on the database, by hand.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use raincell_api_types::dead_letters::{DeadLetter, DeadLetterState};
use raincell_frame_store::{FrameStore, SqliteStore, StoreError};
use raincell_service_runtime::{config, service};
use raincell_store::{Backend, Config};

use crate::cli::{DeadLettersArguments, DeadLettersCommand, StoreArguments, StoreCommand, UsageError};
use crate::{Outcome, output};

/// The most dead letters in one listing.
pub(super) const LONGEST_LIST: usize = 10_000;

/// Makes ready, backs up, restores, checks, or brings back what has expired.
pub fn run(arguments: &StoreArguments) -> anyhow::Result<Outcome> {
    let config = store_config(arguments.config.as_deref())?;
    service::block_on(async {
        match &arguments.command {
            StoreCommand::Init => init(&config).await,
            StoreCommand::Backup { to } => backup(file_of(&config)?, to).await,
            StoreCommand::Restore { from } => restore(from, file_of(&config)?).await,
            StoreCommand::Check => check(file_of(&config)?).await,
            StoreCommand::Undelete { source } => undelete(&config, source.as_deref()).await,
        }
    })
}

async fn init(config: &Config) -> anyhow::Result<Outcome> {
    match config.backend {
        Backend::Sqlite => {
            raincell_store::open(config).await?;
            output::line(&format!("database {}: ready", config.database.display()))?;
        }
        Backend::Dynamodb => {
            let done = raincell_store::init(config).await?;
            let made = if done.made { "made" } else { "was there" };
            let recovery = done.no_recovery.map_or_else(
                || "point-in-time recovery on".to_owned(),
                |reason| format!("no point-in-time recovery ({reason})"),
            );
            output::line(&format!("{}: {made}; time to live on; {recovery}", raincell_store::place(config)))?;
        }
    }
    Ok(Outcome::AllDone)
}

/// The SQLite file; there is none on DynamoDB.
fn file_of(config: &Config) -> anyhow::Result<&Path> {
    if config.backend == Backend::Sqlite {
        return Ok(&config.database);
    }
    let message = "backend is dynamodb: this command is for a SQLite file (a table has its point-in-time recovery)";
    Err(UsageError(message.into()).into())
}

/// Lists, shows or replays what was given up.
pub fn run_dead_letters(arguments: &DeadLettersArguments) -> anyhow::Result<Outcome> {
    let config = store_config(arguments.config.as_deref())?;
    service::block_on(async {
        let store = open_any(&config).await?;
        match &arguments.command {
            DeadLettersCommand::List { json } => {
                for letter in store.dead_letters(None, LONGEST_LIST).await? {
                    output::line(&if *json { serde_json::to_string(&letter)? } else { text_line(&letter) })?;
                }
            }
            DeadLettersCommand::Show { id } => {
                output::line(&serde_json::to_string_pretty(&store.dead_letter(*id).await?)?)?;
            }
            DeadLettersCommand::Replay { ids } => return replay(&*store, ids).await,
        }
        Ok(Outcome::AllDone)
    })
}

/// Marks them; the services that gave them up look for these. One that is not there does not hold up the others.
async fn replay(store: &dyn FrameStore, ids: &[u64]) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::AllDone;
    for &id in ids {
        match store.set_dead_letter_state(id, DeadLetterState::ReplayRequested, Timestamp::now()).await {
            Ok(letter) => output::line(&text_line(&letter))?,
            Err(error @ StoreError::NotFound { .. }) => {
                eprintln!("{error}");
                outcome = Outcome::SomeFailed;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(outcome)
}

/// As the service reads it, but for the token, which nobody needs here.
pub(super) fn store_config(file: Option<&Path>) -> anyhow::Result<Config> {
    Ok(config::load_with(file, "[store]\ntoken = 'not-used-here'\n")?)
}

/// Only one that is there: a mistyped path must not make a new, empty database.
async fn open(database: &Path) -> anyhow::Result<SqliteStore> {
    anyhow::ensure!(database.exists(), "there is no database at {}", database.display());
    SqliteStore::open(database).await.with_context(|| format!("database {}", database.display()))
}

/// Whichever backend it is; neither is made.
pub(super) async fn open_any(config: &Config) -> anyhow::Result<Arc<dyn FrameStore>> {
    if config.backend == Backend::Sqlite {
        return Ok(Arc::new(open(&config.database).await?));
    }
    raincell_store::open(config).await
}

async fn backup(database: &Path, to: &Path) -> anyhow::Result<Outcome> {
    let bytes = open(database).await?.backup(to).await.with_context(|| to.display().to_string())?;
    output::line(&format!("{} backed up to {}, {bytes} bytes", database.display(), to.display()))?;
    Ok(Outcome::AllDone)
}

async fn restore(from: &Path, database: &Path) -> anyhow::Result<Outcome> {
    let what = || format!("{} into {}", from.display(), database.display());
    let kept = SqliteStore::restore(from, database).await.with_context(what)?;
    let kept = kept.map_or_else(String::new, |kept| format!("; what was there is {} now", kept.display()));
    output::line(&format!("{} restored from {}{kept}", database.display(), from.display()))?;
    Ok(Outcome::AllDone)
}

async fn check(database: &Path) -> anyhow::Result<Outcome> {
    let checked = open(database).await?.check().await?;
    for line in &checked.damage {
        output::line(line)?;
    }
    let verdict = if checked.damage.is_empty() { "sound" } else { "damaged" };
    output::line(&format!("{}: {} bodies, {} bytes: {verdict}", database.display(), checked.bodies, checked.bytes))?;
    Ok(if checked.damage.is_empty() { Outcome::AllDone } else { Outcome::SomeFailed })
}

async fn undelete(config: &Config, source: Option<&str>) -> anyhow::Result<Outcome> {
    let back = open_any(config).await?.undelete(source, Timestamp::now()).await?;
    if (back.frames, back.nowcasts) == (0, 0) {
        let whose = source.map_or_else(String::new, |source| format!(" of {source}"));
        bail!("nothing{whose} to bring back: nothing has expired that is not removed yet");
    }
    output::line(&format!("back again: {} frames, {} nowcast runs", back.frames, back.nowcasts))?;
    Ok(Outcome::AllDone)
}

fn text_line(letter: &DeadLetter) -> String {
    let DeadLetter { id, letter, state, changed_at, .. } = letter;
    let (state, attempts) = (state.name(), letter.attempts);
    format!("{id}  {changed_at}  {state}  {}  {}  tried {attempts}×: {}", letter.source, letter.key, letter.reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_mistyped_path_makes_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let (config, database) = (folder.path().join("c.toml"), folder.path().join("x.db"));
        std::fs::write(&config, format!("[store]\ndatabase = '{}'\n", database.display())).unwrap();
        for command in [StoreCommand::Check, StoreCommand::Undelete { source: None }] {
            let error = run(&StoreArguments { config: Some(config.clone()), command }).unwrap_err();
            assert!(error.to_string().contains("there is no database"), "{error}");
        }
        assert!(!database.exists());
    }
}
