//! The writer: batches in, one transaction for all that wait, and word of what is durable.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Result;
use dataflows::{Epoch, OTHERS, SEED};
use tracing::warn;

use super::commit::STATEMENT_ROWS_MIN;
use super::group::CommitGroup;
use super::statements::{self, GAP, SET_ASIDE, SKIP};
use super::{Rewound, Sink, identity, lock};
use crate::batch::{Batch, Gap, GapReason, Progress, TopicIdentity};
use crate::database::{For, connect, explained, is_outage};
use crate::failure::Failure;

/// How often it looks whether the lease still holds while there is nothing to write.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// And how soon it removes rows of rejected records then.
const TIDY_INTERVAL: Duration = Duration::from_millis(100);

impl Sink {
    /// Writes down where partitions are read from the first time, and what of others is gone, before the first record
    /// is taken.
    pub fn begin(&mut self, new: &[Progress], gaps: &[Gap], identity: &TopicIdentity) -> Result<()> {
        let Sink { client, topic, lease, progress, rejected, metrics, .. } = self;
        let mut transaction = explained(client.transaction())?;
        lease.fence(&mut transaction)?;
        identity::record(&mut transaction, identity)?;
        for start in new {
            statements::begin(&mut transaction, topic, start)?;
            progress.insert(start.partition, *start);
        }
        for Gap { partition, from, to, reason } in gaps {
            explained(transaction.execute(GAP, &[topic, partition, from, to, &reason.text()]))?;
            let given_again = match reason {
                GapReason::Retention => None,
                GapReason::Truncated => Some(*to),
                GapReason::AnotherTopic => Some(0),
            };
            if let Some(from) = given_again {
                explained(transaction.execute(SET_ASIDE, &[topic, partition, &from]))?;
            }
            explained(transaction.execute(SKIP, &[topic, partition, to]))?;
            progress.entry(*partition).and_modify(|progress| *progress = progress.resumed_at(*to));
        }
        rejected.load(&mut transaction, metrics)?;
        explained(transaction.commit())?;
        lease.committed();
        Ok(())
    }

    /// Writes batches until there are no more, and says after each commit up to which epoch everything is durable.
    pub fn write(mut self, batches: &Receiver<Batch>, durable: impl Fn(Epoch)) -> Result<()> {
        match self.write_all(batches, durable) {
            // Only a courtesy to the next start, which otherwise finds out.
            Ok(()) => {
                let released = self.lease.release(&mut self.client);
                released.or_else(|error| if is_outage(&error) { Ok(()) } else { Err(error) })
            }
            // The session may have been ended by a new owner, which is the better thing to say.
            Err(error) => Err(self.lease_error().unwrap_or(error)),
        }
    }

    fn write_all(&mut self, batches: &Receiver<Batch>, durable: impl Fn(Epoch)) -> Result<()> {
        loop {
            let wait = if self.rejected.is_due() { TIDY_INTERVAL } else { CHECK_INTERVAL };
            match batches.recv_timeout(wait) {
                Ok(first) => {
                    let group: Vec<_> = std::iter::once(first).chain(batches.try_iter()).collect();
                    let last = group.iter().map(|batch| batch.epoch).max().unwrap_or(SEED);
                    let group = CommitGroup::merge(&self.model, group, &mut self.derived);
                    self.commit_once(group)?;
                    durable(last);
                }
                // Also in a topic that is silent, rows of rejected records grow old.
                Err(RecvTimeoutError::Timeout) if self.rejected.is_due() => self.commit_once(CommitGroup::default())?,
                Err(RecvTimeoutError::Timeout) => self.with_reconnect(|sink| {
                    let mut transaction = explained(sink.client.transaction())?;
                    sink.lease.check(&mut transaction, 0)
                })?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Asks in a new session whether the lease was lost.
    fn lease_error(&self) -> Option<anyhow::Error> {
        let mut client = connect(&self.target).ok()?;
        self.schema.enter(&mut client, For::Session).ok()?;
        let mut transaction = client.transaction().ok()?;
        lock::set_timeout(&mut transaction).ok()?;
        let error = self.lease.check(&mut transaction, 1).err()?;
        (error.is::<Failure>() || error.is::<Rewound>()).then_some(error)
    }

    /// Commits a group, also if Postgres goes away meanwhile: then the commit may have happened though its answer
    /// was lost, which its number tells.
    fn commit_once(&mut self, group: CommitGroup) -> Result<()> {
        if group.is_empty() && !self.rejected.is_due() {
            return Ok(());
        }
        let before = self.lease.commit_number();
        self.in_flight.clone_from(&group.progress);
        let mut attempts = 0;
        self.with_reconnect(|sink| {
            if sink.lease.commit_number() > before {
                return Ok(());
            }
            attempts += 1;
            let begun = Instant::now();
            let outcome = sink.commit(&group);
            match &outcome {
                Ok(()) => sink.metrics.committed(begun.elapsed()),
                Err(error) if is_outage(error) => sink.ease(&group, attempts, error),
                Err(_) => {}
            }
            outcome
        })?;
        self.note(&group);
        self.rejected.committed(&self.metrics);
        self.progress.extend(group.progress);
        self.in_flight.clear();
        Ok(())
    }

    /// Makes the statements smaller when the same group fails again and again in sessions that can be had; from the third
    /// time on says what it is that fails.
    fn ease(&mut self, group: &CommitGroup, attempts: u32, error: &anyhow::Error) {
        self.places.clear();
        if attempts < 2 {
            return;
        }
        self.statement_rows = (self.statement_rows / 2).max(STATEMENT_ROWS_MIN);
        if attempts.is_power_of_two() && attempts > 2 {
            let size = group.size();
            warn!(
                "the same transaction failed {attempts} times ({size}); statements of {} rows now: {error}",
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
        for after in group.progress.values() {
            self.metrics.moved(self.progress.get(&after.partition), after);
        }
    }
}
