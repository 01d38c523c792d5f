//! What one transaction writes.

use std::collections::{BTreeMap, HashMap};

use dataflows::{Model, Row, RowKey, SEED};
use tracing::info;

use super::repair::Repair;
use crate::batch::{Batch, Progress, Rejected};

/// Batches merged into what one transaction writes: the last word on each row and partition.
#[derive(Debug, Default)]
pub(super) struct CommitGroup {
    /// Each row once.
    pub rows: Vec<TableRows>,
    /// Derived rows that should not be there.
    pub deleted: Vec<TableRows>,
    pub progress: BTreeMap<i32, Progress>,
    pub rejected: Vec<Rejected>,
}

/// Rows of the table at this place of the model.
pub(super) type TableRows = (usize, Vec<Row>);

impl CommitGroup {
    /// `derived` are the stored rows of derived tables, for the batch of the seed, which sets them right.
    pub fn merge(model: &Model, batches: Vec<Batch>, derived: &mut Vec<Row>) -> CommitGroup {
        let (mut group, mut rows) = (CommitGroup::default(), Vec::new());
        for mut batch in batches {
            if batch.epoch == SEED {
                let repair = Repair::new(std::mem::take(derived), batch.rows);
                if !(repair.set.is_empty() && repair.delete.is_empty()) {
                    info!("set {} and removed {} rows of the rankings", repair.set.len(), repair.delete.len());
                }
                batch.rows = repair.set;
                group.deleted = by_table(model, repair.delete);
            }
            rows = if rows.is_empty() { batch.rows } else { latest_wins(rows, batch.rows) };
            group.progress.extend(batch.progress.into_iter().map(|progress| (progress.partition, progress)));
            group.rejected.extend(batch.rejected);
        }
        group.rows = by_table(model, rows);
        group
    }

    /// How many rows of tables it sets.
    pub fn len(&self) -> usize {
        self.rows.iter().map(|(_, rows)| rows.len()).sum()
    }

    /// How large it is, for a person.
    pub fn size(&self) -> String {
        let payloads = self.rejected.iter().filter_map(|record| record.payload.as_ref()).map(Vec::len);
        let (rows, rejected) = (self.len(), self.rejected.len());
        format!("{rows} rows, {rejected} rejected records with {} bytes of payload", payloads.sum::<usize>())
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.deleted.is_empty() && self.progress.is_empty() && self.rejected.is_empty()
    }
}

/// The rows of both batches, where both have a row the later one's.
fn latest_wins(earlier: Vec<Row>, later: Vec<Row>) -> Vec<Row> {
    let mut rows: HashMap<RowKey, Row> = earlier.into_iter().map(|row| (row.key.clone(), row)).collect();
    for mut row in later {
        row.is_insert = rows.get(&row.key).map_or(row.is_insert, |earlier| earlier.is_insert);
        rows.insert(row.key.clone(), row);
    }
    rows.into_values().collect()
}

/// The rows by the table that they belong to.
fn by_table(model: &Model, rows: Vec<Row>) -> Vec<TableRows> {
    let mut parts: Vec<_> = (0..model.tables.len()).map(|table| (table, Vec::new())).collect();
    for row in rows {
        if let Some(table) = row.table(model) {
            parts[table].1.push(row);
        }
    }
    parts.retain(|(_, rows)| !rows.is_empty());
    parts
}
