//! Corrects, at a start, derived rows that are not what follows from the counts.

use std::collections::HashMap;

use dataflows::{Row, RowKey};

/// What a start has to change in the derived tables.
#[derive(Debug, Default)]
pub(super) struct Reconciliation {
    /// Rows that are missing or hold something else.
    pub set: Vec<Row>,
    /// Rows that should not be there.
    pub delete: Vec<Row>,
}

impl Reconciliation {
    /// Compares what is stored with what follows from the counts. Nearly always there is nothing to do: derived rows
    /// move in the same transactions as the counts.
    ///
    /// Of several right rows of a key the last holds: rankings form as the counts of the seed arrive.
    pub fn new(stored: Vec<Row>, right: Vec<Row>) -> Reconciliation {
        let by_key =
            |rows: Vec<Row>| rows.into_iter().map(|row| (row.key.clone(), row)).collect::<HashMap<RowKey, Row>>();
        let mut stored = by_key(stored);
        let set = by_key(right).into_values().filter(|row| stored.remove(&row.key).as_ref() != Some(row)).collect();
        Reconciliation { set, delete: stored.into_values().collect() }
    }
}
