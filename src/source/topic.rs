//! What is asked of a topic as a whole: its partitions and where they begin and end.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::context::Context;
use super::{Record, Settings};
use crate::batch::Fingerprint;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A topic, seen by a client of its own.
pub struct Topic {
    name: String,
    brokers: String,
    client: BaseConsumer<Context>,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that is still there.
    pub low: i64,
    /// The offset after the last record that can be read.
    pub high: i64,
}

impl Topic {
    /// Connects, and makes sure that the topic is there.
    pub fn connect(settings: &Settings) -> Result<Topic> {
        let client = settings
            .consumer()
            .create_with_context(Context::default())
            .map_err(|error| anyhow!("{}", setting_error(&error)))?;
        let topic = Topic { name: settings.topic.clone(), brokers: settings.brokers.clone(), client };
        topic.partitions()?;
        Ok(topic)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The numbers of its partitions.
    pub fn partitions(&self) -> Result<Vec<i32>> {
        self.serve();
        let metadata =
            self.client.fetch_metadata(Some(&self.name), PATIENCE).map_err(|error| self.unreachable(&error))?;
        let topic = metadata.topics().first();
        match topic.map(|topic| (topic.error(), topic.partitions())) {
            Some((None, partitions)) if !partitions.is_empty() => Ok(partitions.iter().map(|p| p.id()).collect()),
            Some((Some(error), _)) if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => {
                bail!("topic '{}' cannot be read: {}", self.name, rdkafka::types::RDKafkaErrorCode::from(error))
            }
            _ => {
                bail!("there is no topic '{}' at {}; create it, or name another with --topic", self.name, self.brokers)
            }
        }
    }

    /// Where a partition begins and ends now.
    pub fn bounds(&self, partition: i32) -> Result<Bounds> {
        let bounds = self.client.fetch_watermarks(&self.name, partition, PATIENCE);
        let (low, high) = bounds.map_err(|error| self.unreachable(&error))?;
        Ok(Bounds { low, high })
    }

    /// The bounds of all partitions, summed: between them lie as many offsets as the topic holds.
    pub fn total(&self) -> Result<Bounds> {
        let mut total = Bounds { low: 0, high: 0 };
        for partition in self.partitions()? {
            let bounds = self.bounds(partition)?;
            total.low += bounds.low;
            total.high += bounds.high;
        }
        Ok(total)
    }

    /// The record at an offset; none if that offset holds none, or no more.
    pub fn record(&self, partition: i32, offset: i64) -> Result<Option<Fingerprint>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset))?;
        self.client.assign(&list)?;
        let asked = Instant::now();
        let found = loop {
            match self.client.poll(PATIENCE.saturating_sub(asked.elapsed())) {
                Some(Ok(message)) => {
                    break Some(Record::from(&message).fingerprint()).filter(|found| found.offset == offset);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break None,
                _ if asked.elapsed() >= PATIENCE => bail!(self.unreachable(&KafkaError::NoMessageReceived)),
                _ => {}
            }
        };
        self.client.unassign()?;
        Ok(found)
    }

    /// Handles what librdkafka tells, which keeps it until it is called for. While a broker is away that may be told for
    /// ever.
    fn serve(&self) {
        for _ in 0..100 {
            if self.client.poll(Duration::ZERO).is_none() {
                break;
            }
        }
    }

    fn unreachable(&self, error: &KafkaError) -> anyhow::Error {
        self.serve();
        let code = || error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
        let why = self.client.context().failure().unwrap_or_else(code);
        anyhow!("no Kafka broker answers at {} ({why}); is it running, and are --brokers and -X right?", self.brokers)
    }
}

/// A client that could not be made: a property of the user's.
pub(super) fn setting_error(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => format!("-X {name}: {reason}"),
        other => format!("a Kafka client cannot be made of these settings: {other}"),
    }
}
