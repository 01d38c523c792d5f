//! Rejected records: each row, and the counts of all by hour and reason. A record without a row must be among those that the
//! counts say have none.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::DateTime;

use super::compare::{DIFFERENCES_SHOWN_MAX, TEXT_CHARS_MAX, Table};
use super::ledger::{Ledger, Partition};
use crate::sink::Snapshot;
use crate::terminal::safe;

const TABLE: &str = "rejected_records";
const COUNTS: &str = "rejected_hourly";
/// What follows the topic's name in rows of rejected records whose offsets were assigned again.
const SET_ASIDE: &str = " (until ";
/// The hour of counts of records whose hour is not known.
const NO_HOUR: i64 = 0;

/// Partition and offset.
type Place = (i32, i64);

/// What is stored and what was recounted.
#[derive(Default)]
pub struct Rejections {
    rows: usize,
    /// The stored rows that were not recounted so far, with their reasons.
    unfound: BTreeMap<Place, String>,
    /// The recounted records without a row, by reason.
    missing: BTreeMap<String, Missing>,
    differing: Vec<String>,
    /// By reason and hour.
    counts: BTreeMap<(String, i64), Count>,
    /// By reason, how many rows there are.
    rows_by_reason: BTreeMap<String, i64>,
}

#[derive(Default)]
struct Missing {
    records: usize,
    /// As many of them as are shown.
    first: Vec<Place>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    stored: i64,
    only_counted: i64,
    recounted: i64,
}

/// Both tables.
pub fn stored(snapshot: &mut Snapshot<'_>, topic: &str) -> Result<Rejections> {
    let mut it = Rejections::default();
    // The tables belong to one topic; rows of others are read to be reported as wrong.
    let rows = format!("SELECT topic, kafka_partition, kafka_offset, reason FROM {TABLE}");
    snapshot.rows(&rows, |row| {
        let (of, reason): (&str, String) = (row.get(0), row.get(3));
        it.rows += 1;
        *it.rows_by_reason.entry(reason.clone()).or_default() += 1;
        if of == topic {
            it.unfound.insert((row.get(1), row.get(2)), reason);
        } else if of.strip_prefix(topic).is_some_and(|rest| rest.starts_with(SET_ASIDE)) {
            // Its topic or log is gone, so it cannot be checked.
        } else {
            it.differing.push("a row of another topic".into());
        }
        Ok(())
    })?;
    let counts =
        format!("SELECT reason, (extract(epoch FROM hour) / 3600)::bigint, records, only_counted FROM {COUNTS}");
    snapshot.rows(&counts, |row| {
        let count = Count { stored: row.get(2), only_counted: row.get(3), recounted: 0 };
        it.counts.insert((row.get(0), row.get(1)), count);
        Ok(())
    })?;
    Ok(it)
}

impl Rejections {
    /// Recounts a record that is rejected.
    pub fn recount(&mut self, place: Place, hour: i64, reason: String) {
        match self.unfound.remove(&place) {
            Some(stored) if stored == reason => {}
            Some(stored) => {
                let shown = format!("{}: the table has '{stored}', recounted '{reason}'", named(place));
                self.differing.push(shown);
            }
            None => {
                let missing = self.missing.entry(reason.clone()).or_default();
                missing.records += 1;
                if missing.first.len() < DIFFERENCES_SHOWN_MAX {
                    missing.first.push(place);
                }
            }
        }
        self.counts.entry((reason, hour)).or_default().recounted += 1;
    }

    /// Recounts a record that is not rejected. Reported now, as in the end its row would look like that of a record that is gone.
    pub fn recount_others(&mut self, place: Place) {
        if let Some(stored) = self.unfound.remove(&place) {
            self.differing.push(format!("{}: the table has '{stored}', recounted none", named(place)));
        }
    }

    fn only_counted(&self, reason: &str) -> i64 {
        self.of_reason(reason).map(|(_, count)| count.only_counted).sum()
    }

    fn of_reason(&self, reason: &str) -> impl Iterator<Item = (i64, &Count)> {
        let all = (reason.to_owned(), i64::MIN)..=(reason.to_owned(), i64::MAX);
        self.counts.range(all).map(|((_, hour), count)| (*hour, count))
    }

    /// The reasons of rows and of counts.
    fn reasons(&self) -> Vec<&str> {
        let all = self.counts.keys().map(|(reason, _)| reason).chain(self.rows_by_reason.keys());
        let mut all: Vec<_> = all.map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Compares both tables. Without the part that cannot be recounted, counts are a lower bound.
pub fn compare(ledger: &Ledger, complete: bool) -> [Table; 2] {
    let it = &ledger.rejected;
    let table = |name: &str, rows: usize, (differing, shown): (usize, Vec<String>)| {
        let shown = shown.iter().take(DIFFERENCES_SHOWN_MAX).map(|it| safe(it, TEXT_CHARS_MAX)).collect();
        Table { name: name.into(), rows, differing, shown }
    };
    let is_stored = |count: &&Count| count.stored > 0 || count.only_counted > 0;
    [
        table(TABLE, it.rows, rows(it, &ledger.partitions)),
        table(COUNTS, it.counts.values().filter(is_stored).count(), counts(it, complete)),
    ]
}

/// How many rows differ, and the first differences.
fn rows(it: &Rejections, partitions: &BTreeMap<i32, Partition>) -> (usize, Vec<String>) {
    let unreadable = |(partition, offset): &Place| {
        let Some(line) = partitions.get(partition) else { return false };
        let is_read = (line.first_offset..line.next_offset).contains(offset);
        is_read && (line.recounted_from.is_some_and(|from| *offset < from) || line.compacted() > 0)
    };
    let (mut lost, mut shown) = (0, it.differing.clone());
    for (reason, missing) in &it.missing {
        // It is not known which of them were not kept or were removed, only how many.
        let more = missing.records.saturating_sub(usize::try_from(it.only_counted(reason)).unwrap_or_default());
        let of = |place: &Place| format!("{}: the table has no row, recounted '{reason}'", named(*place));
        shown.extend(missing.first.iter().take(more).map(of));
        lost += more;
    }
    let surplus = it.unfound.iter().filter(|(place, _)| !unreadable(place));
    let surplus = surplus.map(|(place, reason)| format!("{}: the table has '{reason}', recounted none", named(*place)));
    let surplus: Vec<_> = surplus.collect();
    let differing = it.differing.len() + lost + surplus.len();
    shown.extend(surplus);
    (differing, shown)
}

/// The same of the counts.
fn counts(it: &Rejections, complete: bool) -> (usize, Vec<String>) {
    let mut differing = Vec::new();
    for reason in it.reasons() {
        let count = |hour: i64| it.counts.get(&(reason.to_owned(), hour)).copied().unwrap_or_default();
        let hours: Vec<_> = it.of_reason(reason).filter(|(hour, _)| *hour != NO_HOUR).collect();
        // Records that were rejected before there were counts are stored without an hour, and recounted under their own.
        let without = count(NO_HOUR);
        let lacking: i64 = hours.iter().map(|(_, count)| (count.recounted - count.stored).max(0)).sum();
        let excused = without.stored - without.recounted;
        for (hour, count) in hours {
            let Count { stored, only_counted, recounted } = *count;
            let at = named_hour(hour);
            if stored < recounted && lacking > excused || complete && stored > recounted {
                differing.push(format!("{at}, '{reason}': the table has {stored} records, recounted {recounted}"));
            }
            if only_counted > stored {
                differing.push(format!("{at}, '{reason}': {only_counted} of {stored} records are only counted"));
            }
        }
        if excused < 0 || complete && excused > lacking {
            let (stored, recounted) = (without.stored, without.recounted + lacking);
            differing.push(format!("no hour, '{reason}': the table has {stored} records, recounted {recounted}"));
        }
        let all: i64 = it.of_reason(reason).map(|(_, count)| count.stored).sum();
        let (rows, only_counted) =
            (it.rows_by_reason.get(reason).copied().unwrap_or_default(), it.only_counted(reason));
        if all != rows + only_counted {
            let kept = format!("{TABLE} has {rows} rows, and {only_counted} are only counted");
            differing.push(format!("'{reason}': of {all} records {kept}"));
        }
    }
    (differing.len(), differing)
}

fn named((partition, offset): Place) -> String {
    format!("partition {partition}, offset {offset}")
}

fn named_hour(hour: i64) -> String {
    let hour = DateTime::from_timestamp_secs(hour.saturating_mul(3_600));
    hour.map_or("no hour".into(), |hour| hour.format("%Y-%m-%d %H:00 UTC").to_string())
}
