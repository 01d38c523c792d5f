//! How far the tables are behind the topic, in records and in time.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::batch::Progress;

/// What was last heard of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The offset after its last record that can be read.
    pub end: i64,
    /// From this offset on there was no record up to the end: the last offsets of a partition may hold none.
    pub read_out: Option<i64>,
    /// Whether a broker answers.
    pub connected: bool,
}

/// How far the tables are behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// So many offsets, of all partitions.
    pub records: i64,
    /// So long the oldest record among them has been waiting, at most; none if that is not known.
    pub time: Option<Duration>,
}

/// All partitions that are read.
#[derive(Debug, Default)]
pub(super) struct Partitions(BTreeMap<i32, Partition>);

/// One partition, as far as it is known.
#[derive(Debug)]
struct Partition {
    /// The offset after the last record that the tables include.
    committed: i64,
    heard: Heard,
    /// No record that waits is older than this: when the last one that the tables include was written, or when there
    /// was last none that waited.
    since: Option<SystemTime>,
}

impl Partition {
    fn behind(&self) -> i64 {
        match self.heard.read_out {
            Some(offset) if self.committed >= offset => 0,
            _ => (self.heard.end - self.committed).max(0),
        }
    }

    fn settle(&mut self, now: SystemTime) {
        if self.behind() == 0 {
            self.since = Some(now);
        }
    }
}

impl Partitions {
    pub fn begin(&mut self, progress: &Progress, end: i64, now: SystemTime) {
        let heard = Heard { end, read_out: None, connected: true };
        let mut partition = Partition { committed: progress.next_offset, heard, since: written(progress) };
        partition.settle(now);
        self.0.insert(progress.partition, partition);
    }

    pub fn heard(&mut self, partition: i32, heard: Heard, now: SystemTime) {
        if let Some(partition) = self.0.get_mut(&partition) {
            partition.heard = heard;
            partition.settle(now);
        }
    }

    pub fn commit(&mut self, progress: &Progress, now: SystemTime) {
        if let Some(partition) = self.0.get_mut(&progress.partition) {
            partition.committed = progress.next_offset;
            partition.since = partition.since.max(written(progress));
            partition.settle(now);
        }
    }

    /// How many offsets each is behind.
    pub fn records(&self) -> impl Iterator<Item = (i32, i64)> {
        self.0.iter().map(|(number, partition)| (*number, partition.behind()))
    }

    pub fn lag(&self, now: SystemTime) -> Lag {
        let records = self.records().map(|(_, behind)| behind).sum();
        let late = self.0.values().filter(|partition| partition.behind() > 0);
        let time = late.map(|partition| Some(now.duration_since(partition.since?).unwrap_or_default()));
        // None if any of them is not known, nothing to wait for if there are none.
        let time = time.collect::<Option<Vec<_>>>().map(|times| times.into_iter().max().unwrap_or_default());
        Lag { records, time }
    }

    pub fn are_connected(&self) -> bool {
        self.0.values().all(|partition| partition.heard.connected)
    }
}

/// How old the last record that the tables include is, by its Kafka timestamp.
pub(super) fn age(progress: &Progress, now: SystemTime) -> Option<Duration> {
    written(progress).map(|written| now.duration_since(written).unwrap_or_default())
}

fn written(progress: &Progress) -> Option<SystemTime> {
    let milliseconds = u64::try_from(progress.last?.timestamp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Fingerprint;

    /// Seconds since 1970.
    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A partition whose last record stands before this offset and was written at this second.
    fn progress(next_offset: i64, written: i64) -> Progress {
        let last = Some(Fingerprint { offset: next_offset - 1, timestamp: written * 1000, hash: 0 });
        Progress { next_offset, last, ..Progress::default() }
    }

    fn end(end: i64) -> Heard {
        Heard { end, read_out: None, connected: true }
    }

    fn lag(records: i64, seconds: u64) -> Lag {
        Lag { records, time: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_backlog_is_as_old_as_the_last_record_before_it() {
        let mut partitions = Partitions::default();
        partitions.begin(&progress(10, 100), 50, at(1_000));
        assert_eq!(partitions.lag(at(1_000)), lag(40, 900));
        partitions.commit(&progress(30, 700), at(1_001));
        assert_eq!(partitions.lag(at(1_001)), lag(20, 301));
        partitions.commit(&progress(50, 990), at(1_002));
        assert_eq!(partitions.lag(at(1_002)), lag(0, 0));
    }

    #[test]
    fn a_record_after_a_long_silence_is_new() {
        let mut partitions = Partitions::default();
        partitions.begin(&progress(10, 100), 10, at(1_000));
        partitions.heard(0, end(11), at(2_000));
        assert_eq!(partitions.lag(at(2_003)), lag(1, 1_003), "nobody has looked in between");
        partitions.heard(0, end(10), at(3_000));
        partitions.heard(0, end(11), at(3_001));
        assert_eq!(partitions.lag(at(3_002)), lag(1, 2));
    }

    #[test]
    fn offsets_without_a_record_are_not_waited_for() {
        let mut partitions = Partitions::default();
        partitions.begin(&progress(10, 100), 11, at(1_000));
        assert_eq!(partitions.lag(at(1_000)).records, 1);
        partitions.heard(0, Heard { read_out: Some(10), ..end(11) }, at(1_000));
        assert_eq!(partitions.lag(at(1_001)), lag(0, 0));
    }

    #[test]
    fn what_is_not_known_is_not_said_to_be_nothing() {
        let mut partitions = Partitions::default();
        partitions.begin(&Progress::default(), 5, at(1_000));
        assert_eq!(partitions.lag(at(1_000)), Lag { records: 5, time: None });
    }
}
