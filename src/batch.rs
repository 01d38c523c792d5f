//! What a closed epoch hands from the engine to the sink.

use std::ops::AddAssign;

use dataflows::{Day, Epoch, EventId, Row};
use serde::{Deserialize, Serialize};

use crate::id_key::IdKey;

/// Everything that became known in one epoch, on all workers: to be written whole or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The epoch.
    pub epoch: Epoch,
    /// Changed rows, at most one per table row.
    pub rows: Vec<Row>,
    /// How far each partition that was read has come.
    pub progress: Vec<Progress>,
    /// Records that could not be counted.
    pub rejected: Vec<Rejected>,
    /// What is forgotten.
    pub forgotten: Vec<Forgetting>,
}

impl Batch {
    /// Nothing happened, so nothing need be written.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.progress.is_empty() && self.rejected.is_empty() && self.forgotten.is_empty()
    }
}

/// How far one partition has come: absolute numbers, as in the table `progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Progress {
    /// The partition.
    pub partition: i32,
    /// The first offset that was ever to be read.
    pub first_offset: i64,
    /// The offset after the last record that was read.
    pub next_offset: i64,
    /// What became of the records in between.
    pub totals: Totals,
    /// The last of these records, if there is one.
    pub last: Option<Fingerprint>,
    /// The epoch of the leader that wrote it: with it Kafka tells whether the log was truncated below it since.
    pub last_leader_epoch: Option<i32>,
    /// The newest day of an event that was counted, if days are to leave the tables.
    pub newest_day: Option<Day>,
    /// Where the events that may still get copies begin, if copies are looked for.
    pub window: Option<Window>,
}

/// Where in a partition the events begin whose ids a start has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// The offset of the first of them.
    pub offset: i64,
    /// The greatest event time before it, in seconds since 1970-01-01.
    pub newest: i64,
    /// The newest day before it of an event that was counted, if days are to leave the tables.
    pub newest_day: Option<Day>,
}

/// Which topic a name stands for. A topic deleted and created again keeps its name, and gets another id (KIP-516).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicIdentity {
    /// The topic's id; none if the broker gives none.
    pub topic_id: Option<String>,
    /// The cluster's id.
    pub cluster_id: Option<String>,
}

impl TopicIdentity {
    /// Whether both name an id and the ids differ. What one of them does not know cannot differ.
    pub fn differs(&self, other: &TopicIdentity) -> bool {
        let differ = |one: &Option<String>, two: &Option<String>| one.is_some() && two.is_some() && one != two;
        differ(&self.topic_id, &other.topic_id) || differ(&self.cluster_id, &other.cluster_id)
    }
}

impl Progress {
    /// The same, resumed at another offset, before which no record was read that could be recognized.
    pub fn resumed_at(&self, next_offset: i64) -> Progress {
        Progress { next_offset, last: None, last_leader_epoch: None, window: None, ..*self }
    }
}

/// Records that were to be read and are gone, so that the tables do not include them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The partition.
    pub partition: i32,
    /// The offset that was to be read next.
    pub from: i64,
    /// The offset that is read next instead. Not greater than `from` unless retention made the gap.
    pub to: i64,
    /// Why.
    pub reason: GapReason,
}

/// Why records are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// Kafka deleted them before they were read.
    Retention,
    /// The partition's log was truncated, and other records follow at the same offsets.
    Truncated,
    /// The topic was deleted and created again, or is another cluster's.
    AnotherTopic,
}

impl GapReason {
    /// As the table `gaps` has it.
    pub fn text(self) -> &'static str {
        match self {
            GapReason::Retention => "retention",
            GapReason::Truncated => "truncated",
            GapReason::AnotherTopic => "another topic",
        }
    }
}

/// Identifies a record, to notice that a topic was recreated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp in milliseconds; -1 if it has none.
    pub timestamp: i64,
    /// The XXH3 hash of its value, which is the same for ever and everywhere; as Postgres's bigint, so signed.
    pub hash: i64,
}

/// What became of records: each is counted under one outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the outcomes of the contract")]
pub struct Totals {
    pub counted: i64,
    pub ignored: i64,
    pub duplicate: i64,
    pub rejected: i64,
    pub expired: i64,
    pub bot: i64,
    pub forgotten: i64,
}

impl Totals {
    /// The outcomes, in the order of [`Totals::values`]: the columns of `progress`, the label of the metric.
    pub const OUTCOMES: [&str; 7] = ["counted", "ignored", "duplicate", "rejected", "expired", "bot", "forgotten"];

    /// These numbers, in the order of [`Totals::OUTCOMES`].
    pub fn new([counted, ignored, duplicate, rejected, expired, bot, forgotten]: [i64; 7]) -> Self {
        Totals { counted, ignored, duplicate, rejected, expired, bot, forgotten }
    }

    /// The number of records under each of [`Totals::OUTCOMES`].
    pub fn values(&self) -> [i64; 7] {
        let Totals { counted, ignored, duplicate, rejected, expired, bot, forgotten } = *self;
        [counted, ignored, duplicate, rejected, expired, bot, forgotten]
    }

    /// All records.
    pub fn consumed(&self) -> i64 {
        self.values().iter().sum()
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, more: Totals) {
        let (mut values, more) = (self.values(), more.values());
        values.iter_mut().zip(more).for_each(|(value, more)| *value += more);
        *self = Totals::new(values);
    }
}

/// Events that are taken out of the tables for good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Forgetting {
    /// The key of the hashes that the ids are.
    pub key: IdKey,
    /// Their ids.
    pub ids: Vec<EventId>,
    /// The partitions and offsets of rejected records whose values hold one of them.
    pub payloads: Vec<(i32, i64)>,
}

/// A record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rejected {
    /// Where it stands.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its Kafka timestamp in milliseconds, if it has one.
    pub timestamp: Option<i64>,
    /// Why, for a person to read.
    pub reason: String,
    /// Its value, if that is to be kept.
    pub payload: Option<Vec<u8>>,
}

/// The hour that a rejected record counts in, by its Kafka timestamp: in hours since 1970, 0 if it has none before the
/// year 10000.
pub fn rejected_hour(timestamp: Option<i64>) -> i64 {
    /// The year 10000.
    const END_MILLISECOND: i64 = 253_402_300_800_000;
    timestamp.filter(|milliseconds| (0..END_MILLISECOND).contains(milliseconds)).unwrap_or_default() / 3_600_000
}
