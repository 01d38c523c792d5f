//! What one transaction writes.

use std::collections::{BTreeMap, HashMap};

use dataflows::{Model, Row, RowKey, SEED, Value};
use tracing::info;

use super::reconcile::Reconciliation;
use crate::batch::{Batch, Forgetting, Progress, Rejected};

/// Batches merged into what one transaction writes: the latest state of each row and partition.
#[derive(Debug, Default)]
pub(super) struct CommitGroup {
    /// Each row once.
    pub rows: Vec<TableRows>,
    /// Rows that are no longer there, and derived ones that should not be.
    pub deleted: Vec<TableRows>,
    pub progress: BTreeMap<i32, Progress>,
    pub rejected: Vec<Rejected>,
    pub forgotten: Vec<Forgetting>,
}

/// Rows of the table at this place of the model.
pub(super) type TableRows = (usize, Vec<Row>);

impl CommitGroup {
    /// `derived` are the stored rows of derived tables, for the batch of the seed, which reconciles them.
    pub fn merge(model: &Model, batches: Vec<Batch>, derived: &mut Vec<Row>) -> CommitGroup {
        let (mut group, mut rows, mut deleted) = (CommitGroup::default(), Vec::new(), Vec::new());
        for mut batch in batches {
            if batch.epoch == SEED {
                let reconciliation = Reconciliation::new(std::mem::take(derived), batch.rows);
                if !(reconciliation.set.is_empty() && reconciliation.delete.is_empty()) {
                    info!(
                        "set {} and removed {} rows of the rankings",
                        reconciliation.set.len(),
                        reconciliation.delete.len()
                    );
                }
                batch.rows = reconciliation.set;
                deleted = reconciliation.delete;
            }
            rows = if rows.is_empty() { batch.rows } else { latest_wins(rows, batch.rows) };
            group.progress.extend(batch.progress.into_iter().map(|progress| (progress.partition, progress)));
            group.rejected.extend(batch.rejected);
            group.forgotten.extend(batch.forgotten);
        }
        let (gone, set): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.value == Value::Absent);
        // No table holds what came and went within these batches.
        deleted.extend(gone.into_iter().filter(|row| !row.is_insert));
        (group.rows, group.deleted) = (by_table(model, set), by_table(model, deleted));
        group
    }

    /// How many rows of tables it sets or deletes.
    pub fn len(&self) -> usize {
        self.rows.iter().chain(&self.deleted).map(|(_, rows)| rows.len()).sum()
    }

    /// How large it is, for the log.
    pub fn size(&self) -> String {
        let payloads = self.rejected.iter().filter_map(|record| record.payload.as_ref()).map(Vec::len);
        let (rows, rejected) = (self.len(), self.rejected.len());
        format!("{rows} rows, {rejected} rejected records with {} bytes of payload", payloads.sum::<usize>())
    }

    /// Whether it does nothing but set rows and move offsets.
    pub fn only_sets(&self) -> bool {
        self.deleted.is_empty() && self.rejected.is_empty() && self.forgotten.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.progress.is_empty() && self.rejected.is_empty() && self.forgotten.is_empty()
    }
}

/// The rows of both batches. Where both have a row the later one wins, but `is_insert` compares with the tables, so the
/// earlier one's holds.
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

#[cfg(test)]
mod tests {
    use dataflows::{Day, DimensionKey};

    use super::*;

    /// What a transaction does to one row: adds it, sets it, deletes it or leaves it as it is.
    fn merged(values: &[(Value, bool)]) -> (Vec<(Value, bool)>, usize) {
        let key = || RowKey::Member(DimensionKey::Date(Day(0)));
        let batch = |(epoch, (value, is_insert)): (u64, &(Value, bool))| Batch {
            epoch: SEED + 1 + epoch,
            rows: vec![Row { key: key(), value: value.clone(), is_insert: *is_insert }],
            ..Batch::default()
        };
        let batches = (0..).zip(values).map(batch).collect();
        let CommitGroup { rows, deleted, .. } = CommitGroup::merge(&Model::builtin(), batches, &mut Vec::new());
        let set = rows.into_iter().flat_map(|(_, rows)| rows).map(|row| (row.value, row.is_insert)).collect();
        (set, deleted.iter().map(|(_, rows)| rows.len()).sum())
    }

    #[test]
    fn rows_that_come_and_go_merge_to_nothing() {
        let (one, two, gone) = (Value::Total(1), Value::Total(2), Value::Absent);
        let [add, add_two] = [(one.clone(), true), (two.clone(), true)];
        let [set, delete] = [(one, false), (gone, false)];
        let cases = [
            (vec![add.clone(), delete.clone()], (vec![], 0)),
            (vec![add.clone(), delete.clone(), add_two.clone()], (vec![add_two.clone()], 0)),
            (vec![set.clone(), delete.clone()], (vec![], 1)),
            (vec![delete.clone(), add_two.clone()], (vec![(two, false)], 0)),
            (vec![delete.clone(), add, delete], (vec![], 1)),
        ];
        for (batches, expected) in cases {
            assert_eq!(merged(&batches), expected, "{batches:?}");
        }
    }
}
