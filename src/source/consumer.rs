//! One worker's consumer: its partitions, read from where the tables stand.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, Statistics, TopicPartitionList};
use tracing::{debug, info, warn};
use xxhash_rust::xxh3::xxh3_64;

use super::topic::setting_error;
use super::{Settings, decode};
use crate::batch::Fingerprint;
use crate::failure::Failure;

/// How often librdkafka says where partitions end. Takes it 0.1 ms.
const STATISTICS_EVERY_MS: &str = "1000";

/// Reads the partitions that it was given.
pub struct Consumer {
    topic: String,
    client: BaseConsumer<Outages>,
}

/// What a poll came back with.
pub enum Polled<'a> {
    /// A record.
    Record(Taken<'a>),
    /// The end of this partition, as of now.
    End(i32),
    /// Nothing is there yet.
    Nothing,
}

/// A record taken from the topic.
pub struct Taken<'a>(pub(super) BorrowedMessage<'a>);

impl Taken<'_> {
    /// The partition it stands in.
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its offset there.
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Its value, if it has one.
    pub fn payload(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// Its Kafka timestamp in milliseconds, if it has one.
    pub fn timestamp(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }

    /// By what it is known again.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            offset: self.0.offset(),
            timestamp: self.timestamp().unwrap_or(-1),
            hash: xxh3_64(self.0.payload().unwrap_or_default()).cast_signed(),
        }
    }

    /// What becomes of it.
    pub fn decode<'a>(&'a self, decoder: &'a mut decode::Decoder) -> decode::Outcome<'a> {
        decoder.decode(self.0.payload(), self.timestamp())
    }
}

impl Consumer {
    /// A consumer without partitions.
    pub fn new(settings: &Settings) -> Result<Self> {
        let mut config = settings.consumer();
        config.set("statistics.interval.ms", STATISTICS_EVERY_MS);
        let client = config.create_with_context(Outages::default());
        let client = client.map_err(|error| anyhow!("{}", setting_error(&error)))?;
        Ok(Consumer { topic: settings.topic.clone(), client })
    }

    /// Also reads these partitions, each from this offset.
    pub fn assign(&self, partitions: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in partitions {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        if list.count() > 0 {
            self.client.incremental_assign(&list)?;
        }
        Ok(())
    }

    /// Reads these partitions no more; they can be assigned again.
    pub fn release(&self, partitions: impl IntoIterator<Item = i32>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        if list.count() > 0 {
            self.client.incremental_unassign(&list)?;
        }
        Ok(())
    }

    /// Where a partition ended when Kafka last said so, about a second ago; none before it has.
    pub fn end(&self, partition: i32) -> Option<i64> {
        self.client.context().ends.lock().ok()?.get(&partition).copied()
    }

    /// The next record, end or nothing, without waiting. An error ends the run.
    pub fn poll(&self) -> Result<Polled<'_>> {
        self.wait(Duration::ZERO)
    }

    /// The same, waiting at most so long for one.
    pub fn wait(&self, at_most: Duration) -> Result<Polled<'_>> {
        loop {
            match self.client.poll(at_most) {
                None => return Ok(Polled::Nothing),
                Some(Ok(message)) => {
                    self.client.context().over();
                    return Ok(Polled::Record(Taken(message)));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.client.context().over();
                    return Ok(Polled::End(partition));
                }
                Some(Err(error)) => self.judge(&error)?,
            }
        }
    }

    /// Ends the run on what will not pass; librdkafka itself tries everything else again.
    fn judge(&self, error: &KafkaError) -> Result<()> {
        let code = error.rdkafka_error_code();
        match code {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                bail!(Failure::OffsetsLost(format!(
                    "offsets that were to be read next are no longer in topic '{}'",
                    self.topic
                )))
            }
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::BadCompression,
            ) => bail!("topic '{}' can no longer be read: {error}", self.topic),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                bail!("topic '{}' can no longer be read: {error}", self.topic)
            }
            _ => {
                self.client.context().began(&error.to_string());
                Ok(())
            }
        }
    }
}

/// Tells of each outage of the brokers once, however often librdkafka reports it; and keeps what it says in passing.
#[derive(Debug, Default)]
pub(super) struct Outages {
    ongoing: AtomicBool,
    /// Where each partition that is read ends.
    ends: Mutex<BTreeMap<i32, i64>>,
    /// Why a connection failed last.
    failure: Mutex<Option<String>>,
}

impl Outages {
    fn began(&self, what: &str) {
        if !self.ongoing.swap(true, Ordering::Relaxed) {
            warn!("Kafka does not answer ({what}); trying again until it does");
        }
    }

    fn over(&self) {
        if self.ongoing.load(Ordering::Relaxed) && self.ongoing.swap(false, Ordering::Relaxed) {
            info!("Kafka answers again");
        }
    }

    /// Why a connection failed last: a port, a certificate, a password. Told to a client that is polled.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().ok()?.clone()
    }
}

impl ClientContext for Outages {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(target: "librdkafka", "{facility}: {message}");
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
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        // Of the last stable offset, as records of open transactions cannot be read yet; negative if not known.
        let ends = partitions.filter(|it| it.ls_offset >= 0).map(|it| (it.partition, it.ls_offset));
        if let Ok(mut known) = self.ends.lock() {
            known.extend(ends);
        }
    }
}

impl ConsumerContext for Outages {}
