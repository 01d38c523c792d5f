//! Records that the tables count and Kafka no longer has: a rebuild begins after them.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, Days, NaiveDate};

use crate::batch::Fingerprint;
use crate::sink::{Extent, Standing};
use crate::source::{Topic, Watermarks};

/// Partitions that a message names one by one.
const PARTITIONS_MAX: usize = 3;

/// The parts of a topic that cannot be counted again.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// Partition, the offset that it should be read from, and the earliest that it can be read from.
    begins_later: Vec<(i32, i64, i64)>,
    /// Partitions that end before what the tables include, or are not there: they cannot be followed.
    pub cut: Vec<i32>,
    /// The days that will be missing, and those that will be incomplete, each with the first and the last.
    missing: Option<(NaiveDate, NaiveDate)>,
    incomplete: Option<(NaiveDate, NaiveDate)>,
}

impl Gone {
    /// `live` are the present tables; `begun` are the new ones, if a rebuild was begun, which resume where they stand.
    pub fn find(topic: &Topic, live: &Standing, begun: Option<&Standing>) -> Result<Gone> {
        let leaders = topic.leaders()?;
        let watermarks =
            topic.watermarks_of(leaders.iter().filter(|(_, is_led)| **is_led).map(|(partition, _)| *partition))?;
        let mut gone = Gone::default();
        for (partition, Extent { next_offset, .. }) in &live.progress {
            let ends_earlier = watermarks.get(partition).is_some_and(|watermarks| watermarks.high < *next_offset);
            if ends_earlier || !leaders.contains_key(partition) {
                gone.cut.push(*partition);
            }
        }
        for (partition, watermarks) in &watermarks {
            let from = wanted(*partition, live, begun).unwrap_or(watermarks.low);
            if from < watermarks.low {
                gone.begins_later.push((*partition, from, watermarks.low));
            }
        }
        let later: BTreeMap<i32, Watermarks> =
            gone.begins_later.iter().map(|(partition, ..)| (*partition, watermarks[partition])).collect();
        let is_whole = later.len() < watermarks.len();
        (gone.missing, gone.incomplete) = days(live.first_day, is_whole, &topic.first_records(&later)?);
        Ok(gone)
    }

    /// Whether nothing is gone.
    pub fn is_empty(&self) -> bool {
        self.begins_later.is_empty() && self.cut.is_empty()
    }

    /// What will be missing, for a message.
    pub fn sentence(&self) -> String {
        let mut parts: Vec<_> = self
            .begins_later
            .iter()
            .map(|(partition, from, low)| {
                format!("partition {partition} can be counted from offset {low}, not from {from}")
            })
            .take(PARTITIONS_MAX)
            .collect();
        if let Some(others @ 1..) = self.begins_later.len().checked_sub(PARTITIONS_MAX) {
            parts.push(format!("{others} more partitions begin later too"));
        }
        if let [first, ..] = self.cut.as_slice() {
            parts.push(format!("partition {first} no longer goes as far as the tables"));
        }
        let span = |(first, last): (NaiveDate, NaiveDate)| {
            if first == last { first.to_string() } else { format!("{first} to {last}") }
        };
        parts.extend(self.missing.map(|days| format!("{} will be missing", span(days))));
        parts.extend(self.incomplete.map(|days| format!("{} will be incomplete", span(days))));
        parts.join("; ")
    }
}

/// The offset that a partition should be read from.
fn wanted(partition: i32, live: &Standing, begun: Option<&Standing>) -> Option<i64> {
    match begun.and_then(|begun| begun.progress.get(&partition)) {
        Some(progress) => Some(progress.next_offset),
        None => live.progress.get(&partition).map(|progress| progress.first_offset),
    }
}

type Span = Option<(NaiveDate, NaiveDate)>;

/// The days that will be missing, and those that will be incomplete, by the Kafka timestamps of the earliest records that are
/// left. `is_whole` says that some partitions have everything.
fn days(first: Option<NaiveDate>, is_whole: bool, earliest: &BTreeMap<i32, Fingerprint>) -> (Span, Span) {
    let day = |record: &Fingerprint| Some(DateTime::from_timestamp_millis(record.timestamp)?.date_naive());
    let days = || earliest.values().filter(|record| record.timestamp >= 0).filter_map(day);
    let (Some(first), Some(least), Some(most)) = (first, days().min(), days().max()) else { return (None, None) };
    let most = most.max(first);
    if is_whole || least <= first {
        return (None, Some((first, most)));
    }
    let missing = least.checked_sub_days(Days::new(1)).map(|last| (first, last));
    (missing, Some((least, most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_lost_by_every_partition_are_missing() {
        let date = |day: u32| NaiveDate::from_ymd_opt(2020, 6, day).expect("a date");
        let record = |partition: i32, day: u32| {
            let timestamp = date(day).and_hms_opt(9, 0, 0).expect("a time").and_utc().timestamp_millis();
            (partition, Fingerprint { offset: 7, timestamp, hash: 0 })
        };
        let both = [record(0, 4), record(1, 6)].into();
        assert_eq!(days(Some(date(1)), false, &both), (Some((date(1), date(3))), Some((date(4), date(6)))));
        assert_eq!(days(Some(date(1)), true, &both), (None, Some((date(1), date(6)))));
        assert_eq!(days(Some(date(5)), false, &both), (None, Some((date(5), date(6)))));
        assert_eq!(days(None, false, &both), (None, None));
        assert_eq!(
            days(Some(date(1)), false, &[(0, Fingerprint { offset: 7, timestamp: -1, hash: 0 })].into()),
            (None, None)
        );
    }
}
