//! Leases: one row each.

use raincell_api_types::leases::{Fence, Lease, LeaseChange};
use rusqlite::{Connection, OptionalExtension};

use super::connections::Fault;
use crate::lease;

pub(super) fn get(connection: &Connection, name: &str) -> Result<Lease, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT owner, version, duration_ms, fence FROM leases WHERE name = ?1")?;
    let stored = statement.query_row([name], |row| {
        Ok(Lease {
            name: name.to_owned(),
            owner: row.get(0)?,
            version: row.get::<_, i64>(1)? as u64,
            duration_ms: row.get::<_, i64>(2)? as u64,
            fence: row.get::<_, i64>(3)? as u64,
        })
    });
    Ok(stored.optional()?.unwrap_or_else(|| lease::unused(name)))
}

/// Within a transaction.
pub(super) fn change(connection: &Connection, name: &str, change: &LeaseChange) -> Result<Lease, Fault> {
    let changed = lease::changed(&get(connection, name)?, change)?;
    connection
        .prepare_cached(
            "INSERT INTO leases (name, owner, version, duration_ms, fence) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, version = excluded.version,
             duration_ms = excluded.duration_ms, fence = excluded.fence",
        )?
        .execute((name, &changed.owner, changed.version as i64, changed.duration_ms as i64, changed.fence as i64))?;
    Ok(changed)
}

/// Within the transaction of the write that is made under the lease.
pub(super) fn admit(connection: &Connection, fence: &Fence) -> Result<(), Fault> {
    Ok(lease::admit(&get(connection, &fence.lease)?, fence.token)?)
}
