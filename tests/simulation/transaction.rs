//! Transactions of the model of Postgres: in steps, or at once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use dataflows::{Row, RowKey, model::Table};
use freshet::batch::{Forgetting, Gap, Progress, Rejected, TopicIdentity};
use freshet::sink::store::{Moved, SmallCommit, Transaction};
use freshet::sink::{Owner, RejectedTables};
use rand::RngExt;

use super::server::TableSession;
use super::store::Change;
use super::topic::held;

/// A transaction under way.
pub struct TableTransaction<'a> {
    pub session: &'a TableSession,
    /// None once it was to be committed.
    pub change: Option<Change>,
}

impl TableTransaction<'_> {
    /// One statement.
    fn write(&mut self, write: impl FnOnce(&mut Change)) -> Result<()> {
        self.session.step()?;
        self.change.as_mut().map(write);
        Ok(())
    }
}

impl Transaction for TableTransaction<'_> {
    fn fence(&mut self, known: &Owner) -> Result<bool> {
        self.session.lock(Duration::MAX)?;
        let mut owner = held(&self.session.server).stored().owner.clone();
        if owner != *known || owner.instance.is_none() {
            self.session.unlock();
            return Ok(false);
        }
        owner.commit_number += 1;
        self.change.iter_mut().for_each(|change| change.owner = Some(owner.clone()));
        Ok(true)
    }

    fn begin(&mut self, new: &[Progress], _gaps: &[Gap], _identity: &TopicIdentity) -> Result<()> {
        self.write(|change| change.begun.extend(new))
    }

    fn delete(&mut self, _table: &Table, rows: &[Row]) -> Result<()> {
        self.write(|change| change.deleted.extend(rows.iter().map(|row| row.key.clone()).collect::<Vec<RowKey>>()))
    }

    fn set(&mut self, _table: &Table, rows: &[Row]) -> Result<()> {
        self.write(|change| change.set.extend(rows.iter().cloned()))
    }

    fn load_rejected(&mut self, _: &mut RejectedTables) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: &mut RejectedTables, rejected: &[Rejected]) -> Result<()> {
        let places = rejected.iter().map(|record| (record.partition, record.offset));
        self.write(|change| change.rejected.extend(places))
    }

    fn forget(&mut self, _: &Forgetting) -> Result<()> {
        bail!("nobody asked for that")
    }

    fn advance(&mut self, before: &BTreeMap<i32, Progress>, after: &BTreeMap<i32, Progress>) -> Result<Moved> {
        self.session.step()?;
        let stored = held(&self.session.server).stored().progress.clone();
        let Some(change) = &mut self.change else { bail!("a transaction that has ended") };
        let mut partitions = 0;
        for (partition, progress) in after {
            let there = stored.get(partition).map(|progress| progress.next_offset);
            let left = before.get(partition).map(|progress| progress.next_offset);
            if there == left {
                partitions += 1;
                change.moved.push(*progress);
            }
        }
        Ok(Moved { partitions, is_notified: true })
    }

    fn commit(mut self) -> Result<()> {
        let change = self.change.take().unwrap_or_default();
        self.session.commit(change)
    }
}

impl Drop for TableTransaction<'_> {
    fn drop(&mut self) {
        if self.change.is_some() && !std::thread::panicking() {
            self.session.unlock();
        }
    }
}

/// One statement does all of it. In every third case it cannot be had.
pub fn commit_at_once(session: &TableSession, commit: &SmallCommit<'_>) -> Result<Option<bool>> {
    if held(&session.server).random.random_ratio(1, 3) {
        return Ok(None);
    }
    let SmallCommit { known, rows, before, after } = *commit;
    let change = Change {
        owner: Some(Owner { commit_number: known.commit_number + 1, ..known.clone() }),
        found: Some(known.clone()),
        set: rows.iter().flat_map(|(_, rows)| rows).cloned().collect(),
        moved: after.values().copied().collect(),
        ..Change::default()
    };
    session.lock(Duration::MAX)?;
    let is_as_known = {
        let server = held(&session.server);
        let stored = server.stored();
        let is_there = |partition| {
            let [found, left] = [&stored.progress, before].map(|all| all.get(partition).map(|it| it.next_offset));
            found.is_some() && found == left
        };
        stored.owner == *known && after.keys().all(is_there)
    };
    if !is_as_known {
        session.unlock();
        return Ok(None);
    }
    session.commit(change)?;
    Ok(Some(true))
}
