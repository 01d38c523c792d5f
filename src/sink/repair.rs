//! Derived rows that are not what follows from the counts, set right at a start.

use std::collections::HashMap;

use dataflows::{Row, RowKey};

/// What a start has to change in the derived tables.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Rows that are missing or hold something else.
    pub set: Vec<Row>,
    /// Rows that should not be there.
    pub delete: Vec<Row>,
}

impl Repair {
    /// Compares what is stored with what follows from the counts. Nearly always there is nothing to do: derived rows
    /// move in the same transactions as the counts.
    pub fn new(stored: Vec<Row>, right: Vec<Row>) -> Repair {
        let mut stored: HashMap<RowKey, Row> = stored.into_iter().map(|row| (row.key.clone(), row)).collect();
        let set = right.into_iter().filter(|row| stored.remove(&row.key).as_ref() != Some(row)).collect();
        Repair { set, delete: stored.into_values().collect() }
    }
}
