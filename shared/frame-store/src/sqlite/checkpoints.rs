//! Checkpoints: small JSON documents with a revision.

use raincell_api_types::frames::Checkpoint;
use rusqlite::Connection;

use super::connections::Fault;
use super::events::{from_json, to_json};
use crate::StoreError;

pub(super) fn get(connection: &Connection, name: &str) -> Result<Checkpoint, Fault> {
    find(connection, name)?.ok_or_else(|| StoreError::NotFound { what: what(name) }.into())
}

fn find(connection: &Connection, name: &str) -> Result<Option<Checkpoint>, Fault> {
    let mut statement = connection.prepare_cached("SELECT revision, value FROM checkpoints WHERE name = ?1")?;
    let mut rows = statement.query([name])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let value = from_json(row.get_ref(1)?.as_str()?, || what(name))?;
    Ok(Some(Checkpoint { name: name.to_owned(), revision: row.get::<_, i64>(0)? as u64, value }))
}

pub(super) fn put(connection: &Connection, checkpoint: Checkpoint) -> Result<Checkpoint, Fault> {
    let stored = find(connection, &checkpoint.name)?.map_or(0, |stored| stored.revision);
    if stored != checkpoint.revision {
        let what = what(&checkpoint.name);
        return Err(StoreError::Stale { what, expected: checkpoint.revision, found: stored }.into());
    }
    let changed = Checkpoint { revision: stored + 1, ..checkpoint };
    connection
        .prepare_cached(
            "INSERT INTO checkpoints (name, revision, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, value = excluded.value",
        )?
        .execute((&changed.name, changed.revision as i64, to_json(&changed.value)?))?;
    Ok(changed)
}

fn what(name: &str) -> String {
    format!("checkpoint {name}")
}
