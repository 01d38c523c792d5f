//! One transaction: all tables and all offsets, or nothing.

use std::collections::BTreeMap;

use anyhow::Result;
use dataflows::{Model, Row, model::Table};

use super::chunks::chunks;
use super::indexed::{self, Indexed};
use super::lease::Owner;
use super::places::Places;
use super::progress_columns::ProgressColumns;
use super::rejected::RejectedTables;
use super::statements::{self, GAP, SET_ASIDE, SKIP, Statements, delete};
use super::store::{Moved, Transaction};
use super::tid::Tid;
use super::{columns, copy, forgotten, identity, owner};
use crate::batch::{Forgetting, Gap, GapReason, Progress, Rejected, TopicIdentity};
use crate::database::db_result;
use crate::notify::Notice;

/// New rows of a table from which on a further statement that adds them costs less than it saves.
pub(super) const COPY_ROWS_MIN: usize = 256;

/// A transaction under way.
pub struct PostgresTransaction<'a> {
    pub(super) transaction: postgres::Transaction<'a>,
    pub(super) topic: &'a str,
    pub(super) model: &'a Model,
    pub(super) statements: &'a Statements,
    pub(super) places: &'a mut Places,
    pub(super) statement_rows: usize,
}

impl Transaction for PostgresTransaction<'_> {
    fn fence(&mut self, known: &Owner) -> Result<bool> {
        owner::fence(&mut self.transaction, known, self.places)
    }

    fn begin(&mut self, new: &[Progress], gaps: &[Gap], identity: &TopicIdentity) -> Result<()> {
        let PostgresTransaction { transaction, topic, .. } = self;
        identity::record(transaction, identity)?;
        for start in new {
            statements::begin(transaction, topic, start)?;
        }
        for Gap { partition, from, to, reason } in gaps {
            db_result(transaction.execute(GAP, &[topic, partition, from, to, &reason.text()]))?;
            let given_again = match reason {
                GapReason::Retention => None,
                GapReason::Truncated => Some(*to),
                GapReason::AnotherTopic => Some(0),
            };
            if let Some(from) = given_again {
                db_result(transaction.execute(SET_ASIDE, &[topic, partition, &from]))?;
            }
            db_result(transaction.execute(SKIP, &[topic, partition, to]))?;
        }
        Ok(())
    }

    fn delete(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        let rows = indexed::sorted(self.model, table, rows);
        for rows in chunks(&rows, self.statement_rows, |row| row.bytes) {
            let keys = columns::of_rows(self.model, table.key.iter(), rows);
            db_result(self.transaction.execute(&delete(table), &columns::parameters(&keys)))?;
        }
        Ok(())
    }

    fn set(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        let (mut new, mut known): (Vec<_>, Vec<_>) =
            indexed::sorted(self.model, table, rows).into_iter().partition(|indexed| indexed.row.is_insert);
        if new.len() < COPY_ROWS_MIN {
            known.append(&mut new);
        } else {
            copy::add(&mut self.transaction, &self.statements.table(table).copy, self.model, table, &new)?;
        }
        let (placed, mut others): (Vec<_>, Vec<_>) = known.into_iter().partition(|row| self.places.get(row).is_some());
        others.extend(self.set_at(table, placed)?);
        for rows in chunks(&others, self.statement_rows, |row| row.bytes) {
            self.upsert(table, rows)?;
        }
        Ok(())
    }

    fn load_rejected(&mut self, tables: &mut RejectedTables) -> Result<()> {
        tables.load(&mut self.transaction)
    }

    fn reject(&mut self, tables: &mut RejectedTables, rejected: &[Rejected]) -> Result<()> {
        let PostgresTransaction { transaction, topic, statements, statement_rows, .. } = self;
        tables.write(transaction, &statements.rejected, topic, rejected, *statement_rows)
    }

    fn forget(&mut self, forgetting: &Forgetting) -> Result<()> {
        forgotten::add(&mut self.transaction, self.topic, forgetting)
    }

    fn advance(&mut self, before: &BTreeMap<i32, Progress>, after: &BTreeMap<i32, Progress>) -> Result<Moved> {
        for progress in after.values().filter(|progress| !before.contains_key(&progress.partition)) {
            statements::begin(&mut self.transaction, self.topic, progress)?;
        }
        let notice = Notice::new(self.topic, before, after).text()?;
        let (placed, mut others): (Vec<_>, Vec<_>) =
            after.values().partition(|progress| self.places.of_partition(progress.partition).is_some());
        let mut all = Moved { partitions: 0, is_notified: true };
        if !placed.is_empty() {
            let (moved, is_notified) = self.advance_some(&self.statements.progress_at, &placed, before, &notice)?;
            others.extend(placed.into_iter().filter(|progress| !moved.contains(&progress.partition)));
            all = Moved { partitions: moved.len(), is_notified };
        }
        if !others.is_empty() || after.is_empty() {
            let (moved, is_notified) = self.advance_some(&self.statements.progress, &others, before, &notice)?;
            all = Moved { partitions: all.partitions + moved.len(), is_notified };
        }
        Ok(all)
    }

    fn commit(self) -> Result<()> {
        db_result(self.transaction.commit())
    }
}

impl PostgresTransaction<'_> {
    /// Sets rows whose places are known; returns those that are no longer there.
    fn set_at<'r>(&mut self, table: &Table, rows: Vec<Indexed<'r>>) -> Result<Vec<Indexed<'r>>> {
        let Some(statement) = self.statements.table(table).update_at.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(rows);
        };
        let places: Vec<_> = rows.iter().map(|row| self.places.get(row)).collect();
        let columns = columns::of_rows(self.model, table.columns(), &rows);
        let mut parameters = columns::parameters(&columns);
        parameters.insert(0, &places);
        let found = db_result(self.transaction.query(statement, &parameters))?;
        let mut is_set = vec![false; rows.len()];
        for found in found {
            let number = usize::try_from(found.get::<_, i64>(0))? - 1;
            is_set[number] = true;
            self.places.set(&rows[number], found.get(1));
        }
        Ok(rows.into_iter().zip(is_set).filter_map(|(row, is_set)| (!is_set).then_some(row)).collect())
    }

    fn upsert(&mut self, table: &Table, rows: &[Indexed<'_>]) -> Result<()> {
        let statements = self.statements.table(table);
        let columns = columns::of_rows(self.model, table.columns(), rows);
        let parameters = columns::parameters(&columns);
        if !self.places.is_tracking() || statements.update_at.is_none() {
            db_result(self.transaction.execute(&statements.upsert, &parameters))?;
            return Ok(());
        }
        let placed = db_result(self.transaction.query(&statements.upsert_placed, &parameters))?;
        for (row, placed) in rows.iter().zip(placed) {
            self.places.set(row, placed.get(0));
        }
        Ok(())
    }

    fn advance_some(
        &mut self,
        statement: &postgres::Statement,
        after: &[&Progress],
        before: &BTreeMap<i32, Progress>,
        notice: &str,
    ) -> Result<(Vec<i32>, bool)> {
        let columns = ProgressColumns::new(after, before, self.places);
        let parameters = columns.parameters(&self.topic, &notice);
        let row = db_result(self.transaction.query_one(statement, &parameters))?;
        let (moved, now): (Vec<i32>, Vec<Tid>) = (row.get(0), row.get(1));
        for (partition, place) in moved.iter().zip(now) {
            self.places.set_partition(*partition, place);
        }
        Ok((moved, row.get(2)))
    }
}
