//! The writer: batches in, one transaction for all that wait, and an acknowledgement of what is durable.

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Result, bail};
use dataflows::{Epoch, OTHERS, SEED};
use tracing::{debug, info, warn};

use super::group::CommitGroup;
use super::store::{Session, SmallCommit, Store, Transaction};
use super::{Forgotten, RejectedTables, Rewound, STATEMENT_ROWS_MIN, Sink, lock};
use crate::batch::{Batch, Forgetting, Gap, Progress, TopicIdentity};
use crate::database::is_outage;
use crate::failure::Failure;

/// How often it checks that the lease still holds while there is nothing to write.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// And how soon it removes rows of rejected records then.
const TIDY_INTERVAL: Duration = Duration::from_millis(100);

impl<S: Store> Sink<S> {
    /// Records where new partitions are read from, and what of others is gone, before the first record is taken.
    pub fn begin(&mut self, new: &[Progress], gaps: &[Gap], identity: &TopicIdentity) -> Result<()> {
        self.transact(0, |transaction, _, rejected| {
            transaction.begin(new, gaps, identity)?;
            transaction.load_rejected(rejected)
        })?;
        self.metrics.set_rejected_rows(self.rejected.number());
        self.progress.extend(new.iter().map(|start| (start.partition, *start)));
        for Gap { partition, to, .. } in gaps {
            self.progress.entry(*partition).and_modify(|progress| *progress = progress.resumed_at(*to));
        }
        Ok(())
    }

    /// Also forgets here what was forgotten of other tables' events.
    pub fn adopt(&mut self, forgotten: &Forgotten) -> Result<()> {
        let forgetting =
            Forgetting { key: forgotten.key, ids: forgotten.ids.iter().copied().collect(), payloads: Vec::new() };
        if !forgetting.ids.is_empty() {
            self.transact(0, |transaction, _, _| transaction.forget(&forgetting))?;
            self.forgotten = forgotten.clone();
        }
        Ok(())
    }

    /// Writes batches until there are no more, and calls `durable` after each commit with the epoch up to which
    /// everything is durable. `next` waits up to its argument for the next batch.
    pub fn write(
        mut self,
        next: impl Fn(Duration) -> Result<Batch, RecvTimeoutError>,
        durable: impl Fn(Epoch),
    ) -> Result<()> {
        match self.write_all(next, durable) {
            // Only a courtesy to the next start, which otherwise finds out.
            Ok(()) => {
                let released = self.session.release(self.lease.owner());
                released.or_else(|error| if is_outage(&error) { Ok(()) } else { Err(error) })
            }
            // The session may have been ended by a new owner, which is the better error to report.
            Err(error) => Err(self.lease_error().unwrap_or(error)),
        }
    }

    fn write_all(
        &mut self,
        next: impl Fn(Duration) -> Result<Batch, RecvTimeoutError>,
        durable: impl Fn(Epoch),
    ) -> Result<()> {
        loop {
            match next(if self.rejected.is_due() { TIDY_INTERVAL } else { CHECK_INTERVAL }) {
                Ok(first) => {
                    let waiting = std::iter::from_fn(|| next(Duration::ZERO).ok());
                    let group: Vec<_> = std::iter::once(first).chain(waiting).collect();
                    let last = group.iter().map(|batch| batch.epoch).max().unwrap_or(SEED);
                    let group = CommitGroup::merge(&self.model, group, &mut self.derived);
                    self.commit_once(group)?;
                    durable(last);
                }
                // Also in a topic that is silent, rows of rejected records grow old.
                Err(RecvTimeoutError::Timeout) if self.rejected.is_due() => self.commit_once(CommitGroup::default())?,
                Err(RecvTimeoutError::Timeout) => self.with_reconnect(|sink| {
                    let found = sink.session.owner(None)?;
                    sink.lease.check(&found, 0)
                })?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Asks in a new session whether the lease was lost.
    fn lease_error(&self) -> Option<anyhow::Error> {
        let mut session = self.store.connect(self.lease.instance()).ok()?;
        let found = session.owner(Some(lock::TIMEOUT)).ok()?;
        let error = self.lease.check(&found, 1).err()?;
        (error.is::<Failure>() || error.is::<Rewound>()).then_some(error)
    }

    /// Commits a group, even if Postgres goes away meanwhile: then the commit may have happened though its answer was
    /// lost, which its number tells.
    fn commit_once(&mut self, group: CommitGroup) -> Result<()> {
        if group.is_empty() && !self.rejected.is_due() {
            return Ok(());
        }
        let before = self.lease.commit_number();
        self.in_flight = Some((before + 1, group.progress.clone()));
        let mut attempts = 0;
        self.with_reconnect(|sink| {
            if sink.lease.commit_number() > before {
                return Ok(());
            }
            attempts += 1;
            let begun = sink.clock.now();
            let outcome = sink.commit(&group);
            match &outcome {
                Ok(()) => sink.metrics.committed(sink.clock.now() - begun),
                Err(error) if is_outage(error) => sink.ease(&group, attempts, error),
                Err(_) => {}
            }
            outcome
        })?;
        self.note(&group);
        self.rejected.committed(&self.metrics);
        self.progress.extend(group.progress);
        self.in_flight = None;
        Ok(())
    }

    /// Writes a group, whole or not at all.
    fn commit(&mut self, group: &CommitGroup) -> Result<()> {
        let is_notified = match self.commit_at_once(group)? {
            Some(is_notified) => is_notified,
            None => self.commit_in_steps(group)?,
        };
        if !is_notified {
            self.metrics.notice_lost();
        }
        match (std::mem::replace(&mut self.is_notice_lost, !is_notified), is_notified) {
            (false, false) => {
                warn!("Postgres's queue of notices is full: commits go on, but LISTEN freshet gets no notices of them")
            }
            (true, true) => info!("Postgres's queue of notices has room again"),
            _ => {}
        }
        debug!(rows = group.len(), rejected = group.rejected.len(), "committed");
        Ok(())
    }

    /// Writes a group in one round trip if possible; then returns whether listeners are notified.
    fn commit_at_once(&mut self, group: &CommitGroup) -> Result<Option<bool>> {
        let Sink { session, lease, progress, .. } = self;
        if !group.only_sets() || self.rejected.is_due() || group.len() > self.statement_rows {
            return Ok(None);
        }
        let commit = SmallCommit { known: lease.owner(), rows: &group.rows, before: progress, after: &group.progress };
        let is_notified = session.commit_at_once(&commit)?;
        if is_notified.is_some() {
            lease.committed();
        }
        Ok(is_notified)
    }

    /// Writes a group in as many statements as it takes; returns whether listeners are notified.
    fn commit_in_steps(&mut self, group: &CommitGroup) -> Result<bool> {
        let model = self.model.clone();
        self.transact(group.len(), |transaction, progress, rejected| {
            for (table, rows) in &group.deleted {
                transaction.delete(&model.tables[*table], rows)?;
            }
            for (table, rows) in &group.rows {
                transaction.set(&model.tables[*table], rows)?;
            }
            transaction.reject(rejected, &group.rejected)?;
            group.forgotten.iter().try_for_each(|forgetting| transaction.forget(forgetting))?;
            let moved = transaction.advance(progress, &group.progress)?;
            if moved.partitions != group.progress.len() {
                bail!("the table progress is not where this process left it: somebody else has written to it");
            }
            Ok(moved.is_notified)
        })
    }

    /// A transaction that commits only if the lease holds.
    fn transact<T>(
        &mut self,
        rows: usize,
        write: impl FnOnce(
            &mut <S::Session as Session>::Transaction<'_>,
            &BTreeMap<i32, Progress>,
            &mut RejectedTables,
        ) -> Result<T>,
    ) -> Result<T> {
        let Sink { session, lease, progress, rejected, statement_rows, .. } = self;
        let mut transaction = session.begin(rows, *statement_rows)?;
        if !transaction.fence(lease.owner())? {
            drop(transaction);
            lease.check(&session.owner(None)?, 0)?;
            bail!("the table freshet_owner changed during a commit: somebody else has written to it");
        }
        let written = write(&mut transaction, progress, rejected)?;
        transaction.commit()?;
        lease.committed();
        Ok(written)
    }

    /// Makes the statements smaller when the same group fails again and again in sessions that can be had; from the third
    /// time on says what it is that fails.
    fn ease(&mut self, group: &CommitGroup, attempts: u32, error: &anyhow::Error) {
        if attempts < 2 {
            return;
        }
        self.statement_rows = (self.statement_rows / 2).max(STATEMENT_ROWS_MIN);
        if attempts.is_power_of_two() && attempts > 2 {
            let size = group.size();
            warn!(
                "the same transaction failed {attempts} times ({size}); trying statements of {} rows now: {error}",
                self.statement_rows
            );
        }
    }

    /// Puts what was committed into the metrics.
    fn note(&self, group: &CommitGroup) {
        for (table, rows) in &group.rows {
            let table = &self.model.tables[*table];
            self.metrics.wrote(&table.name, rows.len());
            let new = || rows.iter().filter(|row| row.is_insert);
            if !table.is_derived(&self.model) {
                self.metrics.add_keys(&table.name, new().count());
            }
            if new().any(|row| row.is_of_others(&self.model)) {
                warn!("{} has no room for all: those above --max-members are counted as {OTHERS}", table.name);
            }
        }
        for (table, rows) in &group.deleted {
            let table = &self.model.tables[*table];
            self.metrics.wrote(&table.name, rows.len());
            if !table.is_derived(&self.model) {
                self.metrics.remove_keys(&table.name, rows.len());
            }
        }
        for after in group.progress.values() {
            self.metrics.moved(self.progress.get(&after.partition), after);
        }
    }
}
