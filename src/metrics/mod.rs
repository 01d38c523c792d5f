//! The metrics of a run: one handle, which the engine and the sink write to and others only read.
//!
//! Nothing here is updated per record, only when a transaction was committed, or once a second.

mod lag;
mod numbers;
mod phase;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use parking_lot::Mutex;
use prometheus::TextEncoder;

use crate::batch::Progress;
use crate::source::decode::TimeSources;
use lag::Partitions;
pub use lag::{Heard, Lag};
use numbers::Numbers;
pub use phase::{Phase, State};

/// The handle; clones share it.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    numbers: Numbers,
    partitions: Mutex<Partitions>,
    phase: Mutex<Phase>,
}

impl Metrics {
    /// The metrics before anything has happened.
    pub fn new() -> Result<Metrics> {
        let (numbers, partitions, phase) = (Numbers::new()?, Mutex::default(), Mutex::default());
        Ok(Metrics(Arc::new(Inner { numbers, partitions, phase })))
    }

    /// Sets what the run does from now on.
    pub fn set_phase(&self, phase: Phase) {
        self.0.numbers.owner.set(i64::from(phase.is_owner()));
        *self.0.phase.lock() = phase;
    }

    /// Whether Postgres can be worked with.
    pub fn set_postgres_up(&self, up: bool) {
        self.0.numbers.postgres_up.set(i64::from(up));
    }

    /// Whether the writer has a session with Postgres.
    pub fn is_postgres_up(&self) -> bool {
        self.0.numbers.postgres_up.get() == 1
    }

    /// Sets how many epochs are closed and not durable.
    pub fn set_epochs_in_flight(&self, epochs: usize) {
        self.0.numbers.epochs_in_flight.set(whole(epochs));
    }

    /// A partition is read from here on.
    pub fn begin(&self, progress: &Progress, end: i64) {
        let mut partitions = self.0.partitions.lock();
        partitions.begin(progress, end, SystemTime::now());
    }

    /// A partition will be read from here on once it has a leader; until then its lag is unknown.
    pub fn begin_offline(&self, progress: &Progress) {
        self.0.partitions.lock().begin_offline(progress, SystemTime::now());
    }

    /// What was heard of a partition from Kafka.
    pub fn heard(&self, partition: i32, heard: Heard) {
        self.0.partitions.lock().heard(partition, heard, SystemTime::now());
    }

    /// What was last heard of each partition.
    pub fn heard_lately(&self) -> Vec<(i32, Heard)> {
        self.0.partitions.lock().heard_lately()
    }

    /// Adds how many more events had their time from which member.
    pub fn add_times(&self, more: TimeSources) {
        self.0.numbers.count_times(more);
    }

    /// Adds keys that are held of a table.
    pub fn add_keys(&self, table: &str, keys: usize) {
        self.0.numbers.state_keys.with_label_values(&[table]).add(whole(keys));
    }

    /// Removes keys that are no longer held of a table.
    pub fn remove_keys(&self, table: &str, keys: usize) {
        self.0.numbers.state_keys.with_label_values(&[table]).sub(whole(keys));
    }

    /// A transaction was committed, and took this long.
    pub fn committed(&self, took: Duration) {
        self.0.numbers.commit.observe(took.as_secs_f64());
        self.0.numbers.last_commit.set(seconds(SystemTime::now()));
    }

    /// It wrote rows of a table.
    pub fn wrote(&self, table: &str, rows: usize) {
        self.0.numbers.rows.with_label_values(&[table]).inc_by(rows as u64);
    }

    /// It had rejected records, by reason, some of which were only counted, without a row.
    pub fn rejected(&self, by_reason: &HashMap<String, u64>, only_counted: u64) {
        for (reason, records) in by_reason {
            self.0.numbers.rejected.with_label_values(&[reason]).inc_by(*records);
        }
        self.0.numbers.rejected_only_counted.inc_by(only_counted);
    }

    /// Adds bytes that were sent to other processes of the cluster.
    pub fn sent(&self, bytes: usize) {
        self.0.numbers.sent_bytes.inc_by(bytes as u64);
    }

    /// How many bytes were sent to other processes of the cluster.
    pub fn sent_bytes(&self) -> u64 {
        self.0.numbers.sent_bytes.get()
    }

    /// Sets how many rows `rejected_records` has.
    pub fn set_rejected_rows(&self, rows: i64) {
        self.0.numbers.rejected_rows.set(rows);
    }

    /// Listeners could not be notified of a commit.
    pub fn notice_lost(&self) {
        self.0.numbers.notices_lost.inc();
    }

    /// Sets how often the tables were read again before, as Postgres had lost commits.
    pub fn set_rewinds(&self, rewinds: u64) {
        self.0.numbers.rewinds.inc_by(rewinds);
    }

    /// A commit moved a partition from its earlier progress, if that is known.
    pub fn moved(&self, before: Option<&Progress>, after: &Progress) {
        let (now, before) = (SystemTime::now(), before.map(|before| before.totals).unwrap_or_default());
        self.0.numbers.count(before, after.totals);
        if after.totals.consumed() > before.consumed()
            && let Some(age) = lag::age(after, now)
        {
            self.0.numbers.freshness.observe(age.as_secs_f64());
        }
        self.0.partitions.lock().commit(after, now);
    }

    /// How many records the tables include since the start of this run.
    pub fn records(&self) -> u64 {
        self.0.numbers.records()
    }

    /// How far the tables are behind the topic.
    pub fn lag(&self) -> Lag {
        self.0.partitions.lock().lag(SystemTime::now())
    }

    /// How many offsets the tables are behind in each partition, as far as that is known.
    pub fn behind(&self) -> Vec<(i32, Option<i64>)> {
        self.0.partitions.lock().records().map(|(partition, behind, _)| (partition, behind)).collect()
    }

    /// The state of the run.
    pub fn state(&self) -> State {
        let phase = *self.0.phase.lock();
        let partitions = self.0.partitions.lock();
        State {
            phase,
            postgres_up: self.is_postgres_up(),
            kafka_up: partitions.are_answered(),
            lag: partitions.lag(SystemTime::now()),
        }
    }

    /// All metrics in Prometheus' text format.
    pub fn text(&self) -> Result<String> {
        let (numbers, state) = (&self.0.numbers, self.state());
        numbers.kafka_up.set(i64::from(state.kafka_up));
        numbers.lag_seconds.set(state.lag.time.map_or(f64::NAN, |time| time.as_secs_f64()));
        let partitions = self.0.partitions.lock();
        for (partition, behind, uncommitted) in partitions.records() {
            let (partition, known) = (partition.to_string(), |it: Option<i64>| it.map_or(f64::NAN, |it| it as f64));
            numbers.lag_records.with_label_values(&[&partition]).set(known(behind));
            numbers.lag_uncommitted_records.with_label_values(&[&partition]).set(known(uncommitted));
        }
        numbers.newest_record.set(partitions.newest().map_or(f64::NAN, seconds));
        Ok(TextEncoder::new().encode_to_string(&numbers.registry.gather())?)
    }
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
