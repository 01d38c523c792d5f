//! Locking readers out of all relations at once, without one of them failing.
//!
//! A transaction that has read one relation and comes to another waits there for the lock, which in turn waits for the first: a
//! deadlock, unless the first is locked first. Which one that is depends on the readers, so it is learned from those that are
//! met: what they hold is locked before what they wait for. Nobody waits so long that Postgres looks for deadlocks.

use std::time::{Duration, Instant};

use anyhow::Result;
use postgres::Transaction;

use crate::database::{Schema, db_result, is_lock_timeout};
use crate::schema::{Ddl, ObjectKind};

/// How long the first attempt may keep readers waiting; each further one has twice as long.
const LOCK_TIMEOUT_MIN: Duration = Duration::from_millis(50);

/// What sessions hold of these relations, and what they wait for.
const MET: &str =
    "SELECT held.relname::text, awaited.relname::text FROM pg_locks AS waiting JOIN pg_locks AS granted USING (pid)
    JOIN pg_class AS awaited ON awaited.oid = waiting.relation JOIN pg_class AS held ON held.oid = granted.relation
    WHERE NOT waiting.granted AND granted.granted AND held.oid <> awaited.oid
        AND held.relname = ANY($2) AND awaited.relname = ANY($2)
        AND held.relnamespace = $1::text::regnamespace AND awaited.relnamespace = $1::text::regnamespace";

/// The relations in the order in which they are locked: at first the views, as a query comes to them before their tables.
#[derive(Debug)]
pub(super) struct LockOrder {
    views: Vec<String>,
    all: Vec<String>,
    patience: Duration,
}

impl LockOrder {
    /// Of all tables and views.
    pub fn new(ddl: &Ddl) -> LockOrder {
        let names = |kind| ddl.names(&[kind]).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let views = names(ObjectKind::View);
        LockOrder { all: [views.clone(), names(ObjectKind::Table)].concat(), views, patience: LOCK_TIMEOUT_MIN }
    }

    /// Locks those of them that are there, within this time at most. False if it was not enough: then others wait for some of
    /// them, and the caller releases them.
    pub fn lock(
        &mut self,
        transaction: &mut Transaction<'_>,
        schema: &Schema,
        there: &Ddl,
        within: Duration,
    ) -> Result<bool> {
        let (there, within, begun) = (there.relations(), within.min(self.patience), Instant::now());
        for name in self.all.iter().filter(|name| there.contains(&name.as_str())) {
            let relation = schema.relation(name);
            // To lock a view by name would lock what is below it, with its owner's rights.
            let lock = if self.views.contains(name) {
                format!("ALTER VIEW {relation} RESET (security_barrier)")
            } else {
                format!("LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE")
            };
            let left = within.saturating_sub(begun.elapsed()).max(Duration::from_millis(1)).as_millis();
            let attempt = format!("SAVEPOINT lock; SET LOCAL lock_timeout = '{left}ms'; {lock}; RELEASE lock");
            match db_result(transaction.batch_execute(&attempt)) {
                Err(error) if is_lock_timeout(&error) => {
                    db_result(transaction.batch_execute("ROLLBACK TO lock"))?;
                    let rows = db_result(transaction.query(MET, &[&schema.quoted(), &there]))?;
                    rows.iter().for_each(|row| self.learn(row.get(0), row.get(1)));
                    self.patience = self.patience.saturating_mul(2);
                    return Ok(false);
                }
                locked => locked?,
            }
        }
        Ok(true)
    }

    /// A session holds the one while it waits for the other.
    fn learn(&mut self, held: &str, awaited: &str) {
        let place = |all: &[String], name: &str| all.iter().position(|other| other == name);
        if let (Some(from), Some(to)) = (place(&self.all, held), place(&self.all, awaited))
            && from > to
        {
            let held = self.all.remove(from);
            self.all.insert(to, held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_locks_come_before_awaited_ones() {
        let all = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let mut order = LockOrder { views: Vec::new(), all, patience: LOCK_TIMEOUT_MIN };
        order.learn("c", "a");
        order.learn("a", "d");
        order.learn("d", "b");
        order.learn("nobody", "a");
        assert_eq!(order.all, ["c", "a", "d", "b"]);
    }
}
