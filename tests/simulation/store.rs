//! What Postgres holds: the tables and how far they are, moved together or not at all.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::{Model, Row, RowKey, SEED};
use freshet::batch::{Batch, Progress};

use super::naive::{Tables, naive};
use super::topic::{Log, Outcome};

/// What one commit left.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub tables: Tables,
    pub progress: BTreeMap<i32, Progress>,
    pub rejected: BTreeSet<(i32, i64)>,
}

impl Stored {
    /// The rows of all tables.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.tables.iter().map(|(key, value)| Row { key: key.clone(), value: value.clone(), is_insert: false })
    }

    /// Writes batches, the later over the earlier.
    pub fn commit(&mut self, batches: Vec<Batch>) -> Result<(), String> {
        for batch in batches {
            if batch.epoch == SEED {
                self.tables.retain(|key, _| !is_derived(key));
            }
            let mut keys = BTreeSet::new();
            for row in batch.rows {
                if !keys.insert(row.key.clone()) {
                    return Err(format!("two rows of {:?} in epoch {}", row.key, batch.epoch));
                }
                if row.is_insert && self.tables.contains_key(&row.key) {
                    return Err(format!("{:?} is not new in epoch {}", row.key, batch.epoch));
                }
                self.tables.insert(row.key, row.value);
            }
            for progress in batch.progress {
                let before = self.progress.insert(progress.partition, progress);
                if before.is_some_and(|before| before.next_offset > progress.next_offset) {
                    return Err(format!("partition {} went back", progress.partition));
                }
            }
            for rejected in batch.rejected {
                if !self.rejected.insert((rejected.partition, rejected.offset)) {
                    return Err(format!("rejected twice: {}/{}", rejected.partition, rejected.offset));
                }
            }
        }
        Ok(())
    }

    /// Compares everything with a recount of exactly the records that `progress` says are included.
    pub fn check(&self, log: &Log) -> Result<(), String> {
        let (mut events, mut rejected) = (Vec::new(), BTreeSet::new());
        for (number, progress) in &self.progress {
            let (mut counted, mut ignored) = (0, 0);
            let until = progress.next_offset as usize;
            let records = &log.partitions[*number as usize];
            if until > records.len() {
                return Err(format!("partition {number} was read to {until}, and has {} records", records.len()));
            }
            for (offset, record) in records.iter().enumerate().take(until) {
                match &record.outcome {
                    Outcome::Counted(event) => {
                        counted += 1;
                        events.push(event.clone());
                    }
                    Outcome::Ignored => ignored += 1,
                    Outcome::Rejected => drop(rejected.insert((*number, offset as i64))),
                }
            }
            let totals = (progress.totals.counted, progress.totals.ignored, progress.totals.consumed());
            if totals != (counted, ignored, progress.next_offset) {
                return Err(format!("partition {number}: {totals:?}, not {:?}", (counted, ignored, until)));
            }
        }
        if rejected != self.rejected {
            return Err(format!("rejected: {:?}, not {rejected:?}", self.rejected));
        }
        let expected = naive(&events);
        match differences(&self.tables, &expected) {
            Some(first) => Err(format!("after {} events: {first}", events.len())),
            None => Ok(()),
        }
    }
}

fn is_derived(key: &RowKey) -> bool {
    let model = Model::builtin();
    let row = Row { key: key.clone(), value: dataflows::Value::Total(0), is_insert: false };
    row.table(&model).is_some_and(|table| model.tables[table].is_derived(&model))
}

/// The first row in which two tables differ.
fn differences(held: &Tables, expected: &Tables) -> Option<String> {
    let keys: BTreeSet<_> = held.keys().chain(expected.keys()).collect();
    let mut differing = keys.into_iter().filter(|key| held.get(key) != expected.get(key));
    let first = differing.next()?;
    let further = differing.count();
    Some(format!("{first:?} is {:?}, not {:?}; {further} more rows differ", held.get(first), expected.get(first)))
}
