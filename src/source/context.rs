//! What librdkafka says in passing, while a client is polled.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use tracing::{debug, info, warn};

/// Where a partition ends, as Kafka last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The offset after the last record that can be read.
    pub offset: i64,
    /// Whether the client has got there. It may not have given out yet what it got.
    pub is_reached: bool,
}

/// Tells of each outage of the brokers once, however often librdkafka reports it; and keeps what else it says.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The topic that is read, and the id that it must have, if that is known.
    expected: Option<(String, String)>,
    /// The client has heard of another id, and reads that topic from then on.
    other_id: Mutex<Option<String>>,
    is_away: AtomicBool,
    /// Where each partition that is read ends.
    ends: Mutex<BTreeMap<i32, End>>,
    /// No broker had a connection when the last statistics were made.
    is_cut_off: AtomicBool,
    /// Offsets could not be committed.
    cannot_commit: AtomicBool,
    /// Why a connection failed last.
    failure: Mutex<Option<String>>,
}

impl Context {
    /// Of a client that reads this topic, and no other of the same name.
    pub fn expecting(topic: &str, id: Option<&str>) -> Context {
        Context { expected: id.map(|id| (topic.to_owned(), id.to_owned())), ..Context::default() }
    }

    /// Whether the topic must be one of a known id.
    pub fn expects_id(&self) -> bool {
        self.expected.is_some()
    }

    /// The id of the topic that the client reads instead of the expected one.
    pub fn other_id(&self) -> Option<String> {
        self.other_id.lock().ok()?.clone()
    }

    /// librdkafka says which topic it asks brokers for from now on, if that changes.
    fn hear_id(&self, message: &str) {
        if let Some((topic, expected)) = &self.expected
            && let Some((_, id)) = message.split_once(&format!("Topic {topic} changed id from "))
            && let Some((_, id)) = id.split_once(" to ")
            && id != expected
            && let Ok(mut other) = self.other_id.lock()
        {
            *other = Some(id.to_owned());
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

    /// Why a connection failed last: a port, a certificate, a password. Told to a client that is polled.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().ok()?.clone()
    }

    pub fn end(&self, partition: i32) -> Option<End> {
        self.ends.lock().ok()?.get(&partition).copied()
    }

    pub fn is_connected(&self) -> bool {
        !self.is_cut_off.load(Ordering::Relaxed)
    }

    /// Told once, as it concerns nobody but the tools that watch the group.
    pub fn commit_failed(&self, error: &KafkaError) {
        if !self.cannot_commit.swap(true, Ordering::Relaxed) {
            let why = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
            warn!("offsets cannot be committed to the consumer group ({why}); nothing of Freshet's depends on them");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(target: "librdkafka", "{facility}: {message}");
        if facility == "METADATA" {
            self.hear_id(message);
        }
        if facility == "FAIL"
            && let Ok(mut failure) = self.failure.lock()
        {
            // "[thrd:name]: broker: what happened (after 10ms in state CONNECT)"
            let what = message.splitn(3, ": ").nth(2).unwrap_or(message);
            *failure = Some(what.rsplit_once(" (after ").map_or(what, |(what, _)| what).to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(target: "librdkafka", "{error}: {reason}");
    }

    fn stats(&self, statistics: Statistics) {
        let is_cut_off = statistics.brokers.values().all(|broker| broker.state != "UP");
        self.is_cut_off.store(is_cut_off, Ordering::Relaxed);
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        // Of the last stable offset, as records of open transactions cannot be read yet; negative if not known.
        let ends = partitions.filter(|it| it.ls_offset >= 0).map(|it| {
            let end = End { offset: it.ls_offset, is_reached: it.eof_offset >= it.ls_offset };
            (it.partition, end)
        });
        if let Ok(mut known) = self.ends.lock() {
            known.extend(ends);
        }
    }
}

impl ConsumerContext for Context {}
