//! Snapshots from before the new tables had caught up: a session that still reads by one, and reads a table for the
//! first time after the swap, would see it as it was then.

use std::collections::BTreeSet;

use anyhow::Result;
use postgres::GenericClient;

use crate::database::db_result;

/// The transactions of this database that hold a snapshot, or may hold one, as Postgres hides details of other roles'
/// sessions; but none that waits for the caller.
const OPEN: &str = "SELECT virtualtransaction, pid, coalesce(application_name, '')
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'virtualxid' AND granted AND datname = current_database() AND pid <> pg_backend_pid()
        AND usesysid IS NOT NULL AND (backend_xmin IS NOT NULL OR state IS NULL)
        AND NOT pg_backend_pid() = ANY(pg_blocking_pids(pid))";

/// Transactions, by their virtual ids.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(BTreeSet<String>);

impl Snapshots {
    /// Those that are open.
    pub(super) fn open(client: &mut impl GenericClient) -> Result<Snapshots> {
        Ok(Snapshots(db_result(client.query(OPEN, &[]))?.iter().map(|row| row.get(0)).collect()))
    }

    /// Forgets those that have ended. Names the session of one that has not.
    pub(super) fn tend(&mut self, client: &mut impl GenericClient) -> Result<Option<String>> {
        let rows = db_result(client.query(OPEN, &[]))?;
        let open: Vec<_> = rows.iter().filter(|row| self.0.contains(row.get::<_, &str>(0))).collect();
        let first = open.first().map(|row| {
            let name: String = row.get::<_, &str>(2).escape_debug().collect();
            format!("session {} ({name})", row.get::<_, i32>(1))
        });
        self.0 = open.iter().map(|row| row.get(0)).collect();
        Ok(first)
    }
}
