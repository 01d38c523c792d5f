//! Where the rows are that the last commits wrote: those that the next one is likely to write again.

use std::collections::HashMap;

use dataflows::RowKey;

use super::indexed::Indexed;
use super::tid::Tid;

/// Rows of a commit whose places are kept. A larger one follows a backlog: hardly a row of it is written again soon,
/// and returning each place has a cost.
const COMMIT_ROWS_MAX: usize = 1_024;
/// How many are remembered: the rows of the last minutes.
const PLACES_MAX: usize = 16_384;

/// The places of rows, as far as they are known. Any of them may be forgotten, or wrong: a row is changed at its place
/// only if its key is there, and found by its key otherwise.
#[derive(Debug, Default)]
pub(super) struct Places {
    rows: HashMap<RowKey, Tid>,
    partitions: HashMap<i32, Tid>,
    owner: Option<Tid>,
    is_tracking: bool,
}

impl Places {
    /// A commit of this many rows begins.
    pub fn begin(&mut self, rows: usize) {
        self.is_tracking = rows <= COMMIT_ROWS_MAX;
        if !self.is_tracking || self.rows.len() > PLACES_MAX {
            self.rows.clear();
        }
    }

    /// Whether the places of this commit's rows are worth asking for.
    pub fn is_tracking(&self) -> bool {
        self.is_tracking
    }

    /// Where a row is.
    pub fn get(&self, row: &Indexed<'_>) -> Option<Tid> {
        self.rows.get(&row.row.key).copied()
    }

    /// A row is there now.
    pub fn set(&mut self, row: &Indexed<'_>, place: Tid) {
        match self.rows.get_mut(&row.row.key) {
            Some(known) => *known = place,
            None => drop(self.rows.insert(row.row.key.clone(), place)),
        }
    }

    /// Where the row of a partition is.
    pub fn of_partition(&self, partition: i32) -> Option<Tid> {
        self.partitions.get(&partition).copied()
    }

    /// It is there now.
    pub fn set_partition(&mut self, partition: i32, place: Tid) {
        self.partitions.insert(partition, place);
    }

    /// Where the owner's row is.
    pub fn of_owner(&self) -> Option<Tid> {
        self.owner
    }

    /// It is there now.
    pub fn set_owner(&mut self, place: Tid) {
        self.owner = Some(place);
    }
}
