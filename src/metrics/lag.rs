//! How far the tables are behind the topic, in records and in time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use crate::batch::Progress;

/// How long what was heard of a partition is valid.
const VALID_FOR: Duration = Duration::from_secs(8);

/// What was last heard of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The offset before which all records can be read.
    pub end: i64,
    /// How many offsets follow that cannot be read yet, as a transaction is open.
    pub uncommitted: i64,
    /// Whether its broker answers.
    pub is_answered: bool,
    /// When that was.
    pub at: Instant,
}

/// How far the tables are behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Offsets, in all partitions; none if that is not known.
    pub records: Option<i64>,
    /// The longest that the oldest of these records may have waited; none if that is not known.
    pub time: Option<Duration>,
}

/// All partitions that are read.
#[derive(Debug, Default)]
pub(super) struct Partitions(BTreeMap<i32, Partition>);

/// What is known of a partition.
#[derive(Debug)]
struct Partition {
    /// The offset after the last record that the tables include.
    committed: i64,
    heard: Heard,
    /// No waiting record is older than this: when the last one that the tables include was written, or when none was last
    /// waiting.
    since: Option<SystemTime>,
    /// When the last record that the tables include was written.
    written: Option<SystemTime>,
}

impl Partition {
    /// The offsets that it is behind; none if the broker does not answer, or was not heard of for long.
    fn behind(&self) -> Option<i64> {
        self.is_known().then(|| (self.heard.end - self.committed).max(0))
    }

    fn uncommitted(&self) -> Option<i64> {
        self.is_known().then_some(self.heard.uncommitted)
    }

    fn is_known(&self) -> bool {
        self.heard.is_answered && self.heard.at.elapsed() <= VALID_FOR
    }

    fn settle(&mut self, now: SystemTime) {
        if self.behind() == Some(0) {
            self.since = Some(now);
        }
    }
}

impl Partitions {
    pub fn begin(&mut self, progress: &Progress, end: i64, now: SystemTime) {
        let heard = Heard { end, uncommitted: 0, is_answered: true, at: Instant::now() };
        let (committed, written) = (progress.next_offset, written(progress));
        let mut partition = Partition { committed, heard, since: written, written };
        partition.settle(now);
        self.0.insert(progress.partition, partition);
    }

    pub fn heard_lately(&self) -> Vec<(i32, Heard)> {
        self.0.iter().map(|(number, partition)| (*number, partition.heard)).collect()
    }

    pub fn begin_offline(&mut self, progress: &Progress, now: SystemTime) {
        let end = progress.next_offset;
        self.begin(progress, end, now);
        self.heard(progress.partition, Heard { end, uncommitted: 0, is_answered: false, at: Instant::now() }, now);
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
            partition.written = written(progress);
            partition.since = partition.since.max(partition.written);
            partition.settle(now);
        }
    }

    /// How many offsets each is behind, and how many more cannot be read yet.
    pub fn records(&self) -> impl Iterator<Item = (i32, Option<i64>, Option<i64>)> {
        self.0.iter().map(|(number, partition)| (*number, partition.behind(), partition.uncommitted()))
    }

    /// The Kafka timestamp of the newest record that the tables include.
    pub fn newest(&self) -> Option<SystemTime> {
        self.0.values().filter_map(|partition| partition.written).max()
    }

    pub fn lag(&self, now: SystemTime) -> Lag {
        // Unknown if that of any partition is, or if there is no partition yet.
        let behind: Option<Vec<_>> = self.0.values().map(Partition::behind).collect();
        let Some(behind) = behind.filter(|behind| !behind.is_empty()) else { return Lag::default() };
        let late = self.0.values().zip(&behind).filter(|(_, behind)| **behind > 0);
        let time = late.map(|(partition, _)| Some(now.duration_since(partition.since?).unwrap_or_default()));
        // Zero if no partition is behind.
        let time = time.collect::<Option<Vec<_>>>().map(|times| times.into_iter().max().unwrap_or_default());
        Lag { records: Some(behind.iter().sum()), time }
    }

    pub fn are_answered(&self) -> bool {
        self.0.values().all(Partition::is_known)
    }
}

/// The age of the last record that the tables include, by its Kafka timestamp.
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
        Heard { end, uncommitted: 0, is_answered: true, at: Instant::now() }
    }

    fn lag(records: i64, seconds: u64) -> Lag {
        Lag { records: Some(records), time: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_backlog_is_dated_by_the_record_before() {
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
    fn a_dead_broker_makes_the_lag_unknown() {
        let mut partitions = Partitions::default();
        assert_eq!(partitions.lag(at(1_000)), Lag::default(), "nothing is read yet");
        partitions.begin(&progress(10, 100), 10, at(1_000));
        partitions.heard(0, Heard { is_answered: false, ..end(10) }, at(1_001));
        assert_eq!((partitions.lag(at(1_002)), partitions.are_answered()), (Lag::default(), false));
        partitions.heard(0, end(12), at(2_000));
        assert_eq!(
            partitions.lag(at(2_001)),
            lag(2, 1_001),
            "one may have waited since it was last known that none did"
        );
        let long_ago = Instant::now().checked_sub(VALID_FOR + Duration::from_secs(1)).expect("an uptime of seconds");
        partitions.heard(0, Heard { at: long_ago, ..end(12) }, at(2_002));
        assert_eq!(partitions.lag(at(2_003)), Lag::default());
    }

    #[test]
    fn the_unknown_is_not_shown_as_zero() {
        let mut partitions = Partitions::default();
        partitions.begin(&Progress::default(), 5, at(1_000));
        assert_eq!(partitions.lag(at(1_000)), Lag { records: Some(5), time: None });
    }
}
