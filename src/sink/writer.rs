//! The writer: batches in, one transaction for all that wait, and word of what is durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use anyhow::{Result, bail};
use dataflows::{Epoch, Holds, Row, RowKey, SEED, Table, tables};
use postgres::Transaction;
use tracing::{debug, info};

use super::indexed;
use super::owner::RENEW_EVERY;
use super::repair::Repair;
use super::statements::{BEGIN, GAP, SET_ASIDE, SKIP, Statements, delete};
use super::{Sink, columns, copy, identity};
use crate::batch::{Batch, Fingerprint, Gap, GapReason, Progress, Rejected, TopicIdentity};
use crate::database::{connect, explained, is_outage};
use crate::failure::Failure;
use crate::notice::Notice;

/// Rows in one statement: enough that its fixed cost is nothing, few enough that its arrays are no burden.
const CHUNK: usize = 8_192;
/// From so many new rows of a table on, the further statement that adds them costs less than it saves.
const MANY: usize = 256;

impl Sink {
    /// Writes down where partitions are read from the first time, and what of others is gone, before the first record
    /// is taken.
    pub fn begin(&mut self, new: &[Progress], gaps: &[Gap], identity: &TopicIdentity) -> Result<()> {
        let mut transaction = explained(self.client.transaction())?;
        self.ownership.lock(&mut transaction)?;
        identity::record(&mut transaction, identity)?;
        for progress in new {
            begin(&mut transaction, &self.topic, progress)?;
            self.progress.insert(progress.partition, *progress);
        }
        for Gap { partition, from, to, reason } in gaps {
            explained(transaction.execute(GAP, &[&self.topic, partition, from, to, &reason.text()]))?;
            let given_again = match reason {
                GapReason::Retention => None,
                GapReason::Truncated => Some(*to),
                GapReason::AnotherTopic => Some(0),
            };
            if let Some(from) = given_again {
                explained(transaction.execute(SET_ASIDE, &[&self.topic, partition, &from]))?;
            }
            explained(transaction.execute(SKIP, &[&self.topic, partition, to]))?;
            self.progress.entry(*partition).and_modify(|progress| progress.next_offset = *to);
        }
        explained(transaction.commit())
    }

    /// Writes batches until there are no more, and says after each commit up to which epoch everything is durable.
    pub fn write(mut self, batches: &Receiver<Batch>, durable: impl Fn(Epoch)) -> Result<()> {
        let outcome = self.write_all(batches, durable);
        match outcome {
            // Only a courtesy to the next start, which otherwise finds out.
            Ok(()) => self
                .ownership
                .release(&mut self.client)
                .or_else(|error| if is_outage(&error) { Ok(()) } else { Err(error) }),
            // The session may have been ended by a new owner, which is the better thing to say.
            Err(error) => Err(self.was_taken_over().unwrap_or(error)),
        }
    }

    fn write_all(&mut self, batches: &Receiver<Batch>, durable: impl Fn(Epoch)) -> Result<()> {
        loop {
            match batches.recv_timeout(RENEW_EVERY) {
                Ok(first) => {
                    let group: Vec<_> = std::iter::once(first).chain(batches.try_iter()).collect();
                    let last = group.iter().map(|batch| batch.epoch).max().unwrap_or(SEED);
                    let group = Group::merge(group, &mut self.derived);
                    self.commit_once(group)?;
                    durable(last);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.outlast(|sink| sink.ownership.renew(&mut sink.client))?;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Asks in a new session whether another instance owns the tables by now.
    fn was_taken_over(&self) -> Option<anyhow::Error> {
        let mut client = connect(&self.target).ok()?;
        let mut transaction = client.transaction().ok()?;
        let error = self.ownership.check(&mut transaction).err()?;
        error.is::<Failure>().then_some(error)
    }

    /// Commits a group, also if Postgres goes away meanwhile: then the commit may have happened though its answer
    /// was lost.
    fn commit_once(&mut self, group: Group) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let mut tried = false;
        self.outlast(|sink| {
            if std::mem::replace(&mut tried, true) && sink.is_committed(&group)? {
                return Ok(());
            }
            let begun = Instant::now();
            sink.commit(&group)?;
            sink.metrics.committed(begun.elapsed());
            Ok(())
        })?;
        self.note(&group);
        self.progress.extend(group.progress);
        Ok(())
    }

    /// Puts what was committed into the metrics.
    fn note(&self, group: &Group) {
        for (table, rows) in &group.rows {
            self.metrics.wrote(table.name, rows.len());
            if table.holds != Holds::Places {
                self.metrics.add_keys(table.name, rows.iter().filter(|row| row.is_new).count());
            }
        }
        self.metrics.wrote("rejected_records", group.rejected.len());
        for after in group.progress.values() {
            self.metrics.moved(self.progress.get(&after.partition), after);
        }
    }

    /// Whether the tables stand behind this group. Only in a session that has regained the ownership can the answer
    /// not change any more.
    fn is_committed(&mut self, group: &Group) -> Result<bool> {
        let query = "SELECT kafka_partition, next_offset FROM progress WHERE topic = $1";
        let rows = explained(self.client.query(query, &[&self.topic]))?;
        let stored: BTreeMap<i32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        // A group without progress only sets the rankings right, which does no harm twice.
        let moved = group.progress.values().filter(|after| {
            let before = self.progress.get(&after.partition).map(|before| before.next_offset);
            before != Some(after.next_offset)
        });
        let mut moved = moved.peekable();
        Ok(moved.peek().is_some() && moved.all(|after| stored.get(&after.partition) == Some(&after.next_offset)))
    }

    fn commit(&mut self, group: &Group) -> Result<()> {
        let Sink { client, topic, ownership, statements, progress, .. } = self;
        let mut transaction = explained(client.transaction())?;
        ownership.lock(&mut transaction)?;
        for (table, rows) in &group.deleted {
            let rows = indexed::sorted(table, rows);
            let keys = columns::of(table.key.iter(), &rows);
            explained(transaction.execute(&delete(table), &columns::parameters(&keys)))?;
        }
        for (table, rows) in &group.rows {
            set(&mut transaction, statements, table, rows)?;
        }
        reject(&mut transaction, statements, topic, &group.rejected)?;
        advance(&mut transaction, statements, topic, progress, &group.progress)?;
        explained(transaction.commit())?;
        debug!(
            rows = group.rows.iter().map(|(_, rows)| rows.len()).sum::<usize>(),
            rejected = group.rejected.len(),
            "committed"
        );
        Ok(())
    }
}

/// Batches merged into what one transaction writes: the last word on each row and partition.
#[derive(Debug, Default)]
struct Group {
    /// Each row once.
    rows: Vec<TableRows>,
    /// Derived rows that should not be there.
    deleted: Vec<TableRows>,
    progress: BTreeMap<i32, Progress>,
    rejected: Vec<Rejected>,
}

/// Rows of one table.
type TableRows = (&'static Table, Vec<Row>);

impl Group {
    /// `derived` are the stored rows of derived tables, for the batch of the seed, which sets them right.
    fn merge(batches: Vec<Batch>, derived: &mut Vec<Row>) -> Group {
        let (mut group, mut rows) = (Group::default(), Vec::new());
        for mut batch in batches {
            if batch.epoch == SEED {
                let repair = Repair::new(std::mem::take(derived), batch.rows);
                if !(repair.set.is_empty() && repair.delete.is_empty()) {
                    info!("set {} and removed {} rows of the rankings", repair.set.len(), repair.delete.len());
                }
                batch.rows = repair.set;
                group.deleted = by_table(repair.delete);
            }
            rows = if rows.is_empty() { batch.rows } else { last_words(rows, batch.rows) };
            group.progress.extend(batch.progress.into_iter().map(|progress| (progress.partition, progress)));
            group.rejected.extend(batch.rejected);
        }
        group.rows = by_table(rows);
        group
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.deleted.is_empty() && self.progress.is_empty() && self.rejected.is_empty()
    }
}

/// The rows of both batches, where both have a row the later one's.
fn last_words(earlier: Vec<Row>, later: Vec<Row>) -> Vec<Row> {
    let mut rows: HashMap<RowKey, Row> = earlier.into_iter().map(|row| (row.key.clone(), row)).collect();
    for mut row in later {
        row.is_new = rows.get(&row.key).map_or(row.is_new, |earlier| earlier.is_new);
        rows.insert(row.key.clone(), row);
    }
    rows.into_values().collect()
}

/// The rows by the table that they belong to.
fn by_table(rows: Vec<Row>) -> Vec<TableRows> {
    let mut parts = tables().map(|table| (table, Vec::new())).to_vec();
    for row in rows {
        let part = row.table().and_then(|table| parts.iter_mut().find(|(of, _)| std::ptr::eq(*of, table)));
        if let Some((_, rows)) = part {
            rows.push(row);
        }
    }
    parts.retain(|(_, rows)| !rows.is_empty());
    parts
}

/// Sets rows, each given once.
fn set(transaction: &mut Transaction<'_>, statements: &Statements, table: &'static Table, rows: &[Row]) -> Result<()> {
    let (mut new, mut known): (Vec<_>, Vec<_>) =
        indexed::sorted(table, rows).into_iter().partition(|indexed| indexed.row.is_new);
    if new.len() < MANY {
        known.append(&mut new);
    } else {
        copy::add(transaction, statements.copy(table), table, &new)?;
    }
    for rows in known.chunks(CHUNK) {
        let columns = columns::of(table.columns(), rows);
        explained(transaction.execute(statements.upsert(table), &columns::parameters(&columns)))?;
    }
    Ok(())
}

fn reject(
    transaction: &mut Transaction<'_>,
    statements: &Statements,
    topic: &str,
    rejected: &[Rejected],
) -> Result<()> {
    for rejected in rejected.chunks(CHUNK) {
        let partitions: Vec<_> = rejected.iter().map(|record| record.partition).collect();
        let offsets: Vec<_> = rejected.iter().map(|record| record.offset).collect();
        let reasons: Vec<_> = rejected.iter().map(|record| record.reason.as_str()).collect();
        let payloads: Vec<_> = rejected.iter().map(|record| record.payload.as_deref()).collect();
        explained(transaction.execute(&statements.rejected, &[&topic, &partitions, &offsets, &reasons, &payloads]))?;
    }
    Ok(())
}

/// Moves progress, from exactly where this process left it: then nobody else has written in between.
fn advance(
    transaction: &mut Transaction<'_>,
    statements: &Statements,
    topic: &str,
    before: &BTreeMap<i32, Progress>,
    after: &BTreeMap<i32, Progress>,
) -> Result<()> {
    for progress in after.values().filter(|progress| !before.contains_key(&progress.partition)) {
        begin(transaction, topic, progress)?;
    }
    let column = |value: fn(&Progress) -> i64| after.values().map(value).collect::<Vec<_>>();
    let last = |value: fn(&Fingerprint) -> i64| after.values().map(|p| p.last.as_ref().map(value)).collect::<Vec<_>>();
    let partitions: Vec<_> = after.keys().copied().collect();
    let epochs: Vec<_> = after.values().map(|progress| progress.last_leader_epoch).collect();
    let left: Vec<_> =
        after.values().map(|p| before.get(&p.partition).map_or(p.first_offset, |p| p.next_offset)).collect();
    let notice = Notice::new(topic, before, after).text()?;
    let row = explained(transaction.query_one(
        &statements.progress,
        &[
            &topic,
            &partitions,
            &left,
            &column(|progress| progress.next_offset),
            &column(|progress| progress.totals.consumed()),
            &column(|progress| progress.totals.counted),
            &column(|progress| progress.totals.ignored),
            &column(|progress| progress.totals.duplicate),
            &column(|progress| progress.totals.rejected),
            &last(|record| record.offset),
            &last(|record| record.timestamp),
            &last(|record| record.hash),
            &notice,
            &epochs,
        ],
    ))?;
    if row.get::<_, i64>(0) != after.len() as i64 {
        bail!("the table progress is not where this process left it: somebody else has written to it");
    }
    Ok(())
}

/// Writes down where a partition is read from.
fn begin(transaction: &mut Transaction<'_>, topic: &str, progress: &Progress) -> Result<()> {
    explained(transaction.execute(BEGIN, &[&topic, &progress.partition, &progress.first_offset]))?;
    Ok(())
}
