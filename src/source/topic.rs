//! What is asked of a topic as a whole: its partitions and where they begin and end.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;
use tracing::info;

use super::context::Context;
use super::native::{Described, describe};
use super::offset_range::{self, OffsetRange};
use super::{Property, Settings};
use crate::batch::{Fingerprint, TopicIdentity};
use crate::failure::Failure;

/// How long a broker may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to say which topic it has: only a cluster without a controller cannot.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a topic that is not there yet is looked for.
const METADATA_INTERVAL: Duration = Duration::from_millis(50);

/// A topic, seen by a client of its own.
pub struct Topic {
    settings: Settings,
    client: BaseConsumer<Context>,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that is still there.
    pub low: i64,
    /// The offset after the last record that can be read.
    pub high: i64,
}

impl Watermarks {
    /// The offset, or the next one that is between them.
    pub fn clamp(self, offset: i64) -> i64 {
        offset.clamp(self.low, self.high)
    }
}

/// Which topic has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// This one.
    There(TopicIdentity),
    /// None.
    Gone,
    /// Kafka does not say, for this reason.
    Unknown(String),
}

/// Kafka does not answer.
#[derive(Debug, Error)]
#[error("{0}")]
struct Away(String);

/// Whether an error says that Kafka does not answer.
pub fn is_away(error: &anyhow::Error) -> bool {
    error.is::<Away>()
}

/// What is wrong if a topic has another id than the tables know.
pub fn another_topic(name: &str) -> Failure {
    Failure::OffsetsLost(format!(
        "topic '{name}' was deleted and created again (its id changed), so it does not go on where the tables stand; give \
         --on-lost-offsets earliest to count the new topic too, or --database-url an empty database to count again"
    ))
}

fn any_led(partitions: &BTreeMap<i32, bool>) -> bool {
    partitions.values().any(|is_led| *is_led)
}

impl Topic {
    /// Connects, and makes sure that the topic is there.
    pub fn connect(settings: &Settings) -> Result<Topic> {
        let topic = Topic::new(settings)?;
        topic.partitions()?;
        Ok(topic)
    }

    /// Connects, and waits this long for a topic that is not there, as it may have been created a moment ago.
    pub fn connect_within(settings: &Settings, patience: Duration, is_stopped: impl Fn() -> bool) -> Result<Topic> {
        let (topic, asked, mut is_logged) = (Topic::new(settings)?, Instant::now(), false);
        while !is_stopped() && asked.elapsed() < patience && topic.metadata()?.is_none_or(|them| !any_led(&them)) {
            if !std::mem::replace(&mut is_logged, true) {
                info!("waiting for topic '{}', which has no partition that can be read yet", topic.name());
            }
            thread::sleep(METADATA_INTERVAL);
        }
        topic.partitions()?;
        Ok(topic)
    }

    fn new(settings: &Settings) -> Result<Topic> {
        let client = settings
            .consumer()
            .create_with_context(Context::default())
            .map_err(|error| anyhow!("{}", setting_error(&error)))?;
        Ok(Topic { settings: settings.clone(), client })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.topic
    }

    /// The numbers of its partitions.
    pub fn partitions(&self) -> Result<Vec<i32>> {
        Ok(self.leaders()?.into_keys().collect())
    }

    /// Its partitions, and whether each has a leader now. One without cannot be read or asked.
    pub fn leaders(&self) -> Result<BTreeMap<i32, bool>> {
        match self.metadata()? {
            Some(partitions) => Ok(partitions),
            None => {
                let (name, brokers) = (self.name(), &self.settings.brokers);
                bail!("there is no topic '{name}' at {brokers}; create it, or name another with --topic")
            }
        }
    }

    /// The partitions, and whether each has a leader; none if there is no such topic.
    fn metadata(&self) -> Result<Option<BTreeMap<i32, bool>>> {
        self.serve();
        let metadata = self.client.fetch_metadata(Some(self.name()), REQUEST_TIMEOUT);
        let metadata = metadata.map_err(|error| self.unreachable(&error))?;
        let topic = metadata.topics().first();
        match topic.map(|topic| (topic.error(), topic.partitions())) {
            Some((None | Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE), them)) if !them.is_empty() => {
                Ok(Some(them.iter().map(|partition| (partition.id(), partition.leader() >= 0)).collect()))
            }
            None
            | Some((
                None
                | Some(
                    RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                    | RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                ),
                _,
            )) => Ok(None),
            Some((Some(error), _)) => {
                bail!("topic '{}' cannot be read: {}", self.name(), RDKafkaErrorCode::from(error))
            }
        }
    }

    /// Which topic has the name now.
    pub fn presence(&self) -> Result<Presence> {
        Ok(match describe(&self.client, self.name(), DESCRIBE_TIMEOUT)? {
            Described::Id(topic_id) => {
                let cluster_id = self.client.client().fetch_cluster_id(DESCRIBE_TIMEOUT);
                Presence::There(TopicIdentity { topic_id, cluster_id })
            }
            Described::Gone => Presence::Gone,
            Described::Unknown(error) => Presence::Unknown(RDKafkaErrorCode::from(error).to_string()),
        })
    }

    /// Where a partition begins and ends now.
    pub fn watermarks(&self, partition: i32) -> Result<Watermarks> {
        let watermarks = self.client.fetch_watermarks(self.name(), partition, REQUEST_TIMEOUT);
        let (low, high) = watermarks.map_err(|error| self.unreachable(&error))?;
        Ok(Watermarks { low, high })
    }

    /// Where these partitions begin and end now: two requests to each broker, however many they are. All must have a
    /// leader.
    pub fn watermarks_of(&self, partitions: impl IntoIterator<Item = i32>) -> Result<BTreeMap<i32, Watermarks>> {
        let partitions: Vec<i32> = partitions.into_iter().collect();
        let (lows, highs) = (self.offsets(&partitions, Offset::Beginning)?, self.offsets(&partitions, Offset::End)?);
        Ok(lows
            .into_iter()
            .zip(highs)
            .map(|((partition, low), (_, high))| (partition, Watermarks { low, high }))
            .collect())
    }

    fn offsets(&self, partitions: &[i32], which: Offset) -> Result<BTreeMap<i32, i64>> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(self.name(), *partition, which)?;
        }
        let found = self.client.offsets_for_times(list, REQUEST_TIMEOUT).map_err(|error| self.unreachable(&error))?;
        let offset = |it: &TopicPartitionListElem<'_>| match (it.error(), it.offset()) {
            (Ok(()), Offset::Offset(offset)) => Ok((it.partition(), offset)),
            (Err(error), _) => Err(self.unreachable(&error)),
            _ => Err(self.unreachable(&KafkaError::NoMessageReceived)),
        };
        found.elements().iter().map(offset).collect()
    }

    /// The watermarks of all partitions, summed: between them lie as many offsets as the topic holds.
    pub fn total(&self) -> Result<Watermarks> {
        let watermarks = self.watermarks_of(self.partitions()?)?;
        let sum = |bound: fn(&Watermarks) -> i64| watermarks.values().map(bound).sum();
        Ok(Watermarks { low: sum(|it| it.low), high: sum(|it| it.high) })
    }

    /// The records at these offsets, read in one go, one per partition; without those that hold none, or none any more.
    pub fn records(&self, places: impl IntoIterator<Item = (i32, i64)>) -> Result<BTreeMap<i32, Fingerprint>> {
        let range = |(partition, offset)| OffsetRange { partition, from: offset, until: offset + 1, records: 1 };
        self.one_of_each(&places.into_iter().map(range).collect::<Vec<_>>())
    }

    /// The first record between these watermarks, of each partition that has one.
    pub fn first_records(&self, watermarks: &BTreeMap<i32, Watermarks>) -> Result<BTreeMap<i32, Fingerprint>> {
        let range = |(partition, Watermarks { low, high }): (&i32, &Watermarks)| OffsetRange {
            partition: *partition,
            from: *low,
            until: *high,
            records: 1,
        };
        self.one_of_each(&watermarks.iter().map(range).collect::<Vec<_>>())
    }

    fn one_of_each(&self, ranges: &[OffsetRange]) -> Result<BTreeMap<i32, Fingerprint>> {
        // One record of each partition is wanted, so little need be fetched; librdkafka asks for more where a batch is larger.
        let small = "fetch.message.max.bytes=65536".parse::<Property>();
        let properties = self.settings.properties.iter().cloned().chain(small).collect();
        let mut records = BTreeMap::new();
        offset_range::read(&Settings { properties, topic_id: None, ..self.settings.clone() }, ranges, |record| {
            records.insert(record.partition, record.fingerprint());
            Ok(())
        })?;
        Ok(records)
    }

    /// Handles the events that librdkafka keeps until they are polled for. While a broker is away they may never end.
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
        let what = format!(
            "no Kafka broker answers at {} ({why}); is it running, and are --brokers and -X right?",
            self.settings.brokers
        );
        Away(what).into()
    }
}

/// The message for a client that could not be created: because of a property of the user's.
pub(super) fn setting_error(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => format!("-X {name}: {reason}"),
        other => format!("cannot create a Kafka client from these settings: {other}"),
    }
}
