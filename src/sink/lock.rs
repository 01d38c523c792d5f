//! Locks that others may hold: a wait logs who holds them, and times out.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use postgres::{Client, Transaction};
use tracing::warn;

use crate::database::{db_result, is_lock_timeout};

/// How long one attempt waits, and how long all of them together.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT_TOTAL: Duration = Duration::from_secs(30);

/// The lock for making tables. Any role can take it.
const SCHEMA: &str = "SELECT pg_advisory_xact_lock(hashtext('freshet schema'))";

/// The sessions that have locks on these relations, or on making tables. Postgres shows the latter's key as two halves.
const HOLDERS: &str = "SELECT DISTINCT pid, coalesce(application_name, '')
    FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
    WHERE granted AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (relation IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name) OR locktype = 'advisory'
            AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = hashtext('freshet schema'))";

/// What a transaction waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock<'a> {
    /// Its name, for the log.
    pub name: &'a str,
    /// The relations that others may have locked.
    pub relations: &'a [&'a str],
}

/// A transaction that waits for no lock longer than this.
pub(super) fn set_timeout(transaction: &mut Transaction<'_>, within: Duration) -> Result<()> {
    db_result(transaction.batch_execute(&format!("SET LOCAL lock_timeout = '{}ms'", within.as_millis())))
}

/// Takes the lock for making tables: two programs that start at once would otherwise fail on each other's CREATE
/// TABLE IF NOT EXISTS.
pub(super) fn lock_schema(transaction: &mut Transaction<'_>) -> Result<()> {
    db_result(transaction.batch_execute(SCHEMA))
}

/// Retries what waits for a lock until it gets it, but not for ever.
pub(super) fn wait<T>(
    client: &mut Client,
    lock: Lock<'_>,
    mut attempt: impl FnMut(&mut Client) -> Result<T>,
) -> Result<T> {
    let since = Instant::now();
    loop {
        match attempt(client) {
            Err(error) if is_lock_timeout(&error) => {
                let (name, holders) = (lock.name, holders(client, lock.relations)?);
                if since.elapsed() >= TIMEOUT_TOTAL {
                    bail!("a lock on {name} was not released within 30 s: {holders}; end that session and start again");
                }
                warn!("waiting for a lock on {name}: {holders}");
            }
            outcome => return outcome,
        }
    }
}

/// Who holds it, for the log.
pub(super) fn holders(client: &mut Client, relations: &[&str]) -> Result<String> {
    let rows = db_result(client.query(HOLDERS, &[&relations]))?;
    let named = rows.iter().map(|row| {
        let name: String = row.get::<_, String>(1).escape_debug().collect();
        format!("session {} ({name})", row.get::<_, i32>(0))
    });
    Ok(format!("held by {}", named.collect::<Vec<_>>().join(", ")))
}
