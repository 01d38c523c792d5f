//! What librdkafka reports while a client is polled: logs, errors and statistics.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Broker;
use tracing::{debug, info, warn};

use super::Settings;

/// A broker that owes an answer for this long, beyond what a fetch may wait for records, counts as dead: a connection to
/// one that is stopped or cut off stays open for a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What librdkafka's statistics last said of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionStats {
    /// The last stable offset: no record from here on can be read yet. None before a broker has reported it.
    pub stable: Option<i64>,
    /// The high watermark: what lies between is of transactions that are open, or behind one.
    pub high: Option<i64>,
    /// Whether the broker that it is fetched from answers.
    pub is_answered: bool,
    /// When the statistics were made.
    pub at: Instant,
}

/// Logs each outage of the brokers once, however often librdkafka reports it; and keeps what else it says.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The topic that is read, and the id that it must have, if that is known.
    expected: Option<(String, String)>,
    /// The client has heard of another id, and reads that topic from then on.
    other_id: Mutex<Option<String>>,
    is_away: AtomicBool,
    partitions: Mutex<BTreeMap<i32, PartitionStats>>,
    /// How long a fetch may wait for records.
    fetch_wait: Duration,
    /// Offsets could not be committed.
    cannot_commit: AtomicBool,
    /// Why a connection failed last.
    failure: Mutex<Option<String>>,
}

impl Context {
    /// For a client that reads this topic, and no other of the same name if its id is known.
    pub fn new(settings: &Settings) -> Context {
        let expected = settings.topic_id.as_ref().map(|id| (settings.topic.clone(), id.clone()));
        Context { expected, fetch_wait: settings.fetch_wait(), ..Context::default() }
    }

    /// Whether the topic must be one of a known id.
    pub fn expects_id(&self) -> bool {
        self.expected.is_some()
    }

    /// The id of the topic that the client reads instead of the expected one.
    pub fn other_id(&self) -> Option<String> {
        self.other_id.lock().clone()
    }

    /// librdkafka says which topic it asks brokers for from now on, if that changes.
    fn hear_id(&self, message: &str) {
        if let Some((topic, expected)) = &self.expected
            && let Some((_, id)) = message.split_once(&format!("Topic {topic} changed id from "))
            && let Some((_, id)) = id.split_once(" to ")
            && id != expected
        {
            *self.other_id.lock() = Some(id.to_owned());
        }
    }

    pub fn began(&self, what: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            warn!("Kafka does not answer ({what}); trying again until it does");
        }
    }

    pub fn over(&self) {
        if self.is_away.load(Ordering::Relaxed) && self.is_away.swap(false, Ordering::Relaxed) {
            info!("Kafka answers again");
        }
    }

    /// Why a connection failed last: a port, a certificate, a password. Only a client that is polled learns it.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    pub fn partition(&self, partition: i32) -> Option<PartitionStats> {
        self.partitions.lock().get(&partition).copied()
    }

    fn answers(&self, broker: &Broker) -> bool {
        let is_owing =
            broker.waitresp_cnt > 0 && i128::from(broker.rxidle) > self.silent_after().as_micros().cast_signed();
        broker.state == "UP" && !is_owing
    }

    fn silent_after(&self) -> Duration {
        self.fetch_wait + ANSWER_TIMEOUT
    }

    /// Logged once, as it concerns nobody but the tools that watch the group.
    pub fn commit_failed(&self, error: &KafkaError) {
        if !self.cannot_commit.swap(true, Ordering::Relaxed) {
            let why = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
            warn!("offsets cannot be committed to the consumer group ({why}); Freshet does not depend on them");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(target: "librdkafka", "{facility}: {message}");
        if facility == "METADATA" {
            self.hear_id(message);
        }
        if facility == "FAIL" {
            // "[thrd:name]: broker: what happened (after 10ms in state CONNECT)"
            let what = message.splitn(3, ": ").nth(2).unwrap_or(message);
            *self.failure.lock() = Some(what.rsplit_once(" (after ").map_or(what, |(what, _)| what).to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(target: "librdkafka", "{error}: {reason}");
    }

    fn stats(&self, statistics: Statistics) {
        let at = Instant::now();
        let answering = statistics.brokers.values().filter(|broker| self.answers(broker));
        let answering: HashSet<i32> = answering.map(|broker| broker.nodeid).collect();
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        // Each topic also has a partition -1; offsets are negative where they are not known.
        let partitions = partitions.filter(|it| it.partition >= 0).map(|it| {
            let known = |offset: i64| Some(offset).filter(|offset| *offset >= 0);
            let (stable, high) = (known(it.ls_offset), known(it.hi_offset));
            (it.partition, PartitionStats { stable, high, is_answered: answering.contains(&it.broker), at })
        });
        self.partitions.lock().extend(partitions);
    }
}

impl ConsumerContext for Context {}
