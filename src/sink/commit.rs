//! One transaction: all tables and all offsets, or nothing.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use dataflows::{Model, Row, model::Table};
use postgres::Transaction;
use tracing::{debug, info, warn};

use super::chunks::chunks;
use super::group::CommitGroup;
use super::indexed::{self, Indexed};
use super::places::Places;
use super::statements::{self, Statements, delete};
use super::tid::Tid;
use super::{Sink, columns, copy};
use crate::batch::{Fingerprint, Progress};
use crate::database::explained;
use crate::notice::Notice;

/// The most rows in one statement: enough that its fixed cost is nothing, few enough that its arrays are no burden; and to
/// how few they are reduced when it fails.
pub(super) const STATEMENT_ROWS_MAX: usize = 8_192;
pub(super) const STATEMENT_ROWS_MIN: usize = 64;
/// From so many new rows of a table on, the further statement that adds them costs less than it saves.
const COPY_ROWS_MIN: usize = 256;

/// A transaction under way.
struct Commit<'a, 'c> {
    transaction: Transaction<'c>,
    topic: &'a str,
    model: &'a Model,
    statements: &'a Statements,
    places: &'a mut Places,
    statement_rows: usize,
}

impl Sink {
    /// Writes a group, whole or not at all.
    pub(super) fn commit(&mut self, group: &CommitGroup) -> Result<()> {
        let is_told = self.execute(group)?;
        self.lease.committed();
        if !is_told {
            self.metrics.notice_lost();
        }
        match (std::mem::replace(&mut self.is_notice_lost, !is_told), is_told) {
            (false, false) => {
                warn!("Postgres's queue of notices is full: commits go on, but LISTEN freshet hears nothing of them")
            }
            (true, true) => info!("Postgres's queue of notices has room again"),
            _ => {}
        }
        debug!(rows = group.len(), rejected = group.rejected.len(), "committed");
        Ok(())
    }

    /// Gives whether whoever listens is told.
    fn execute(&mut self, group: &CommitGroup) -> Result<bool> {
        let Sink { client, topic, model, lease, statements, progress, places, rejected, statement_rows, .. } = self;
        let mut transaction = explained(client.transaction())?;
        lease.fence(&mut transaction)?;
        places.begin(group.len());
        let mut commit = Commit { transaction, topic, model, statements, places, statement_rows: *statement_rows };
        for (table, rows) in &group.deleted {
            commit.delete(&model.tables[*table], rows)?;
        }
        for (table, rows) in &group.rows {
            commit.set(&model.tables[*table], rows)?;
        }
        rejected.write(&mut commit.transaction, &statements.rejected, topic, &group.rejected, *statement_rows)?;
        let is_told = commit.advance(progress, &group.progress)?;
        explained(commit.transaction.commit())?;
        Ok(is_told)
    }
}

impl Commit<'_, '_> {
    fn delete(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        let rows = indexed::sorted(self.model, table, rows);
        let keys = columns::of(self.model, table.key.iter(), &rows);
        explained(self.transaction.execute(&delete(table), &columns::parameters(&keys)))?;
        Ok(())
    }

    /// Sets rows, each given once.
    fn set(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        let (mut new, mut known): (Vec<_>, Vec<_>) =
            indexed::sorted(self.model, table, rows).into_iter().partition(|indexed| indexed.row.is_insert);
        if new.len() < COPY_ROWS_MIN {
            known.append(&mut new);
        } else {
            copy::add(&mut self.transaction, &self.statements.of(table).copy, self.model, table, &new)?;
        }
        let (placed, mut others): (Vec<_>, Vec<_>) = known.into_iter().partition(|row| self.places.of(row).is_some());
        others.extend(self.set_at(table, placed)?);
        for rows in chunks(&others, self.statement_rows, |row| row.bytes) {
            self.upsert(table, rows)?;
        }
        Ok(())
    }

    /// Sets rows whose places are known; gives those that are no longer there.
    fn set_at<'r>(&mut self, table: &Table, rows: Vec<Indexed<'r>>) -> Result<Vec<Indexed<'r>>> {
        let Some(statement) = self.statements.of(table).update_at.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(rows);
        };
        let places: Vec<_> = rows.iter().map(|row| self.places.of(row)).collect();
        let columns = columns::of(self.model, table.columns(), &rows);
        let mut parameters = columns::parameters(&columns);
        parameters.insert(0, &places);
        let found = explained(self.transaction.query(statement, &parameters))?;
        let mut is_set = vec![false; rows.len()];
        for found in found {
            let number = usize::try_from(found.get::<_, i64>(0))? - 1;
            is_set[number] = true;
            self.places.set(&rows[number], found.get(1));
        }
        Ok(rows.into_iter().zip(is_set).filter_map(|(row, is_set)| (!is_set).then_some(row)).collect())
    }

    fn upsert(&mut self, table: &Table, rows: &[Indexed<'_>]) -> Result<()> {
        let statements = self.statements.of(table);
        let columns = columns::of(self.model, table.columns(), rows);
        let parameters = columns::parameters(&columns);
        if !self.places.is_tracking() || statements.update_at.is_none() {
            explained(self.transaction.execute(&statements.upsert, &parameters))?;
            return Ok(());
        }
        let placed = explained(self.transaction.query(&statements.upsert_placed, &parameters))?;
        for (row, placed) in rows.iter().zip(placed) {
            self.places.set(row, placed.get(0));
        }
        Ok(())
    }

    /// Moves progress, from exactly where this process left it: then nobody else has written in between. Gives whether
    /// whoever listens is told.
    fn advance(&mut self, before: &BTreeMap<i32, Progress>, after: &BTreeMap<i32, Progress>) -> Result<bool> {
        for progress in after.values().filter(|progress| !before.contains_key(&progress.partition)) {
            statements::begin(&mut self.transaction, self.topic, progress)?;
        }
        let notice = Notice::new(self.topic, before, after).text()?;
        let (placed, mut others): (Vec<_>, Vec<_>) =
            after.values().partition(|progress| self.places.of_partition(progress.partition).is_some());
        let mut is_told = true;
        if !placed.is_empty() {
            let (moved, told) = self.advance_some(&self.statements.progress_at, &placed, before, &notice)?;
            others.extend(placed.into_iter().filter(|progress| !moved.contains(&progress.partition)));
            is_told = told;
        }
        if !others.is_empty() || after.is_empty() {
            let (moved, told) = self.advance_some(&self.statements.progress, &others, before, &notice)?;
            if moved.len() != others.len() {
                bail!("the table progress is not where this process left it: somebody else has written to it");
            }
            is_told = told;
        }
        Ok(is_told)
    }

    fn advance_some(
        &mut self,
        statement: &postgres::Statement,
        after: &[&Progress],
        before: &BTreeMap<i32, Progress>,
        notice: &str,
    ) -> Result<(Vec<i32>, bool)> {
        let column = |value: fn(&Progress) -> i64| after.iter().map(|progress| value(progress)).collect::<Vec<_>>();
        let last = |value: fn(&Fingerprint) -> i64| {
            after.iter().map(|progress| progress.last.as_ref().map(value)).collect::<Vec<_>>()
        };
        let partitions: Vec<_> = after.iter().map(|progress| progress.partition).collect();
        let left = |p: &&Progress| before.get(&p.partition).map_or(p.first_offset, |before| before.next_offset);
        let left: Vec<_> = after.iter().map(left).collect();
        let epochs: Vec<_> = after.iter().map(|progress| progress.last_leader_epoch).collect();
        let places: Vec<_> = partitions.iter().map(|partition| self.places.of_partition(*partition)).collect();
        let row = explained(self.transaction.query_one(
            statement,
            &[
                &self.topic,
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
                &places,
            ],
        ))?;
        let (moved, now): (Vec<i32>, Vec<Tid>) = (row.get(0), row.get(1));
        for (partition, place) in moved.iter().zip(now) {
            self.places.set_partition(*partition, place);
        }
        Ok((moved, row.get(2)))
    }
}
