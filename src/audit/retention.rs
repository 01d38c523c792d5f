//! Which days the tables keep, and which events have expired.
//!
//! Whether an event has expired depends on its partition alone, so a recount finds the same: its day is too long before the
//! newest that came before it. Which days leave the tables depends on the newest day of all partitions.

use std::collections::BTreeMap;

use dataflows::model::{Dimension, Model};
use dataflows::{Day, DaysKept, Kept};

use super::ledger::{Partition, cell, place};
use crate::source::decode::date;

/// The days that are kept.
pub struct Retention {
    /// The longest retention of any count.
    longest: DaysKept,
    /// The first day that each count keeps, as a text; none if all are kept.
    first: Vec<Option<String>>,
}

impl Retention {
    /// The days that tables with these partitions keep.
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

    /// Whether a count does not keep a day.
    pub fn leaves(&self, count: usize, day: &str) -> bool {
        self.first[count].as_deref().is_some_and(|first| day < first)
    }

    /// The same of a row with this key, of a count or of a ranking of it by these dimensions.
    pub fn key_leaves(&self, count: usize, by: &[Dimension], key: &str) -> bool {
        by.contains(&Dimension::Day) && self.leaves(count, cell(key, place(by, Dimension::Day)))
    }

    /// Whether an event of this day counts nowhere, given the newest day so far of its partition.
    pub fn has_expired(&self, day: Day, newest: &mut Option<Day>) -> bool {
        let DaysKept::Days(days) = self.longest else { return false };
        let has_expired = newest.is_some_and(|newest| day.0 < newest.0 - days as i32);
        if !has_expired {
            *newest = (*newest).max(Some(day));
        }
        has_expired
    }
}
