//! What Postgres holds: the tables and how far they are, moved together or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dataflows::{Row, RowKey};
use freshet::batch::{Progress, Totals};
use freshet::sink::Owner;

use super::copies::{self, without_told};
use super::naive::{Tables, naive};
use super::retention::has_expired;
use super::topic::{Log, Outcome};

/// What one commit left.
#[derive(Clone, Debug)]
pub struct Stored {
    pub owner: Owner,
    pub tables: Tables,
    pub progress: BTreeMap<i32, Progress>,
    pub rejected: BTreeSet<(i32, i64)>,
}

impl Default for Stored {
    fn default() -> Stored {
        let owner = Owner { fencing_token: 0, instance: None, commit_number: 0 };
        Stored { owner, tables: Tables::new(), progress: BTreeMap::new(), rejected: BTreeSet::new() }
    }
}

/// What one transaction does.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub owner: Option<Owner>,
    /// The owner's row that there must be as it happens, if it does not hold a lock on it until then.
    pub found: Option<Owner>,
    pub begun: Vec<Progress>,
    pub deleted: Vec<RowKey>,
    pub set: Vec<Row>,
    pub rejected: Vec<(i32, i64)>,
    pub moved: Vec<Progress>,
}

impl Change {
    /// Whether it changes nothing but the owner's row.
    pub fn is_silent(&self) -> bool {
        let Change { begun, deleted, set, rejected, moved, .. } = self;
        begun.is_empty() && deleted.is_empty() && set.is_empty() && rejected.is_empty() && moved.is_empty()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {} rejected", self.deleted.len() + self.set.len(), self.rejected.len())
    }
}

impl Stored {
    /// The rows of all tables.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.tables.iter().map(|(key, value)| Row { key: key.clone(), value: value.clone(), is_insert: false })
    }

    /// Commits.
    pub fn apply(&mut self, change: Change) -> Result<(), String> {
        self.owner = change.owner.unwrap_or_else(|| self.owner.clone());
        change.deleted.iter().for_each(|key| drop(self.tables.remove(key)));
        let mut keys = BTreeSet::new();
        for row in change.set {
            if !keys.insert(row.key.clone()) {
                return Err(format!("two rows of {:?} in one transaction", row.key));
            }
            if row.is_insert && self.tables.contains_key(&row.key) {
                return Err(format!("{:?} is not new", row.key));
            }
            self.tables.insert(row.key, row.value);
        }
        for progress in change.begun {
            if self.progress.insert(progress.partition, progress).is_some() {
                return Err(format!("partition {} begins twice", progress.partition));
            }
        }
        for progress in change.moved {
            let before = self.progress.insert(progress.partition, progress);
            if before.is_some_and(|before| before.next_offset > progress.next_offset) {
                return Err(format!("partition {} went back", progress.partition));
            }
        }
        for (partition, offset) in change.rejected {
            if !self.rejected.insert((partition, offset)) {
                return Err(format!("rejected twice: {partition}/{offset}"));
            }
        }
        Ok(())
    }

    /// Compares everything with a recount of exactly the records that `progress` says are included.
    pub fn check(&self, log: &Log) -> Result<(), String> {
        let (mut events, mut of_copies, mut rejected) = (Vec::new(), Vec::new(), BTreeSet::new());
        let until = self.progress.values().map(|progress| (progress.partition, progress.next_offset as usize));
        let copies = log.ids.is_some().then(|| copies::copies(log, until));
        for (number, progress) in &self.progress {
            let (mut right, mut newest) = (Totals::default(), None);
            let until = progress.next_offset as usize;
            let records = &log.partitions[*number as usize];
            if until > records.len() {
                return Err(format!("partition {number} was read to {until}, and has {} records", records.len()));
            }
            for (offset, record) in records.iter().enumerate().take(until) {
                match &record.outcome {
                    Outcome::Counted(event) if has_expired(log, event.day, &mut newest) => right.expired += 1,
                    Outcome::Counted(event) if copies.iter().any(|copies| copies.contains(&(*number, offset))) => {
                        right.duplicate += 1;
                        of_copies.push(event.clone());
                    }
                    Outcome::Counted(event) => {
                        right.counted += 1;
                        events.push(event.clone());
                    }
                    Outcome::Ignored => right.ignored += 1,
                    Outcome::Rejected => {
                        right.rejected += 1;
                        rejected.insert((*number, offset as i64));
                    }
                }
            }
            let found = (progress.totals, progress.totals.consumed(), progress.newest_day);
            if found != (right, progress.next_offset, newest) {
                return Err(format!("partition {number}: {found:?}, not {:?}", (right, until, newest)));
            }
        }
        if rejected != self.rejected {
            return Err(format!("rejected: {:?}, not {rejected:?}", self.rejected));
        }
        if log.retain.is_some() {
            return self.check_kept(log, &events, of_copies);
        }
        let expected = naive(&events);
        let difference = match copies {
            Some(_) => differences(&without_told(self.tables.clone()), &without_told(expected)),
            None => differences(&self.tables, &expected),
        };
        match difference {
            Some(first) => Err(format!("after {} events: {first}", events.len())),
            None => Ok(()),
        }
    }
}

/// The first row in which two tables differ.
pub(super) fn differences(held: &Tables, expected: &Tables) -> Option<String> {
    let keys: BTreeSet<_> = held.keys().chain(expected.keys()).collect();
    let mut differing = keys.into_iter().filter(|key| held.get(key) != expected.get(key));
    let first = differing.next()?;
    let further = differing.count();
    Some(format!("{first:?} is {:?}, not {:?}; {further} more rows differ", held.get(first), expected.get(first)))
}
