//! Which days the tables keep, and what of others is still in them.
//!
//! What has expired is a matter of its partition alone, so a recount finds the same: an event of a day that is too long before
//! the newest that came before it. Which days leave is said by the newest of all partitions.

use std::collections::BTreeMap;

use dataflows::model::{Dimension, Model};
use dataflows::{Day, DaysKept, Kept};

use super::ledger::{Partition, cell, place};
use crate::source::decode::date;

/// The days that are kept.
pub struct Retention {
    /// Of anything.
    longest: DaysKept,
    /// The first of each count, as a text; none if all are kept.
    first: Vec<Option<String>>,
}

impl Retention {
    /// Those of tables that read these partitions.
    pub fn read(model: &Model, unless_declared: DaysKept, partitions: &BTreeMap<i32, Partition>) -> Retention {
        let kept = Kept::new(model, unless_declared);
        let newest = partitions.values().filter_map(|partition| partition.newest_day).max();
        let first = kept.first_days(newest.unwrap_or(Day(i32::MIN)));
        let text = |first: &Day| (*first > Day(i32::MIN)).then(|| date(*first).to_string());
        Retention { longest: kept.longest(), first: first.iter().map(text).collect() }
    }

    /// Whether no day ever leaves.
    pub fn is_off(&self) -> bool {
        self.first.iter().all(Option::is_none)
    }

    /// The first day that a count keeps.
    pub fn first_of(&self, count: usize) -> Option<&str> {
        self.first[count].as_deref()
    }

    /// Whether a day is none that a count keeps.
    pub fn leaves(&self, count: usize, day: &str) -> bool {
        self.first[count].as_deref().is_some_and(|first| day < first)
    }

    /// The same of a row with this key, of a count or of a ranking of it by these dimensions.
    pub fn key_leaves(&self, count: usize, by: &[Dimension], key: &str) -> bool {
        by.contains(&Dimension::Day) && self.leaves(count, cell(key, place(by, Dimension::Day)))
    }

    /// Whether an event of this day counts nowhere, as the next one of a partition of which this is the newest day so far.
    pub fn has_expired(&self, day: Day, newest: &mut Option<Day>) -> bool {
        let DaysKept::Days(days) = self.longest else { return false };
        let has_expired = newest.is_some_and(|newest| day.0 < newest.0 - days as i32);
        if !has_expired {
            *newest = (*newest).max(Some(day));
        }
        has_expired
    }
}
