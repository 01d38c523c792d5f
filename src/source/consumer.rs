//! One worker's consumer: its partitions, read from where the tables stand.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::context::{Context, End};
use super::fetched::{Batch, Message, Queue};
use super::group::Group;
use super::topic::setting_error;
use super::{Record, Settings};
use crate::failure::Failure;

/// How often librdkafka says where partitions end. Takes it 0.1 ms.
const STATISTICS_EVERY_MS: &str = "1000";

/// Reads the partitions that it was given.
pub struct Consumer {
    topic: String,
    /// Of all its partitions.
    queue: Queue,
    client: Arc<BaseConsumer<Context>>,
    /// There once something was committed.
    group: Option<Group>,
}

/// At most so many are taken at once, so that the dataflow gets its turn.
const BATCH: usize = 1_000;

/// What was taken: records, each partition's in its order, and where partitions end.
pub struct Taken<'a>(Batch<'a>);

/// One of the things that were taken.
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// The end of this partition, as of then.
    End(i32),
}

impl Taken<'_> {
    /// Whether nothing was there.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Whether there may be more.
    pub fn is_full(&self) -> bool {
        self.0.len() == BATCH
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        self.0.iter().filter_map(|message| match message {
            Message::Record(record) => Some(Item::Record(record)),
            Message::Event(partition, RDKafkaErrorCode::PartitionEOF) => Some(Item::End(partition)),
            Message::Event(..) => None,
        })
    }
}

impl Consumer {
    /// A consumer without partitions.
    pub fn new(settings: &Settings) -> Result<Self> {
        let mut config = settings.consumer();
        config.set("statistics.interval.ms", STATISTICS_EVERY_MS);
        let client: BaseConsumer<_> =
            config.create_with_context(Context::default()).map_err(|error| anyhow!("{}", setting_error(&error)))?;
        let client = Arc::new(client);
        let queue = Queue::new(client.clone())?;
        Ok(Consumer { topic: settings.topic.clone(), queue, client, group: None })
    }

    /// Also reads these partitions, each from this offset.
    pub fn assign(&self, partitions: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in partitions {
            self.queue.add(&self.topic, partition)?;
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        if list.count() > 0 {
            self.client.incremental_assign(&list)?;
        }
        Ok(())
    }

    /// Reads these partitions no more. They cannot be assigned again.
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
    pub fn end(&self, partition: i32) -> Option<End> {
        self.client.context().end(partition)
    }

    /// Whether a broker answered about a second ago.
    pub fn is_connected(&self) -> bool {
        self.client.context().is_connected()
    }

    /// Tells the consumer group that everything before these offsets is done, without waiting for it. Nobody reads on
    /// from there: it is for the tools that watch groups, so a failure is only told.
    pub fn commit(&mut self, offsets: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        let group = match self.group.take() {
            Some(group) => group,
            None => Group::join(self.client.clone())?,
        };
        if list.count() > 0 {
            group.tell(list);
        }
        self.group = Some(group);
        Ok(())
    }

    /// Takes no more records, and waits until the group has heard of the last commit, but not for long.
    pub fn leave_group(self) {
        if let Some(group) = self.group {
            group.leave();
        }
    }

    /// What is there, without waiting. An error ends the run.
    pub fn take(&self) -> Result<Taken<'_>> {
        self.wait(Duration::ZERO)
    }

    /// The same, waiting at most so long for something.
    pub fn wait(&self, at_most: Duration) -> Result<Taken<'_>> {
        while let Some(told) = self.client.poll(Duration::ZERO) {
            match told {
                Err(error) => self.judge(&error)?,
                Ok(_) => bail!("librdkafka gave a record where none was expected; this is a fault of Freshet's"),
            }
        }
        let batch = self.queue.take(at_most, BATCH);
        for message in batch.iter() {
            match message {
                Message::Event(_, RDKafkaErrorCode::PartitionEOF) | Message::Record(_) => self.client.context().over(),
                Message::Event(_, code) => self.judge(&KafkaError::MessageConsumption(code))?,
            }
        }
        Ok(Taken(batch))
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
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::BadMessage,
            ) => bail!("topic '{}' can no longer be read: {error}", self.topic),
            // A broker limits a batch as it is compressed, librdkafka what becomes of it; it says no more than this.
            Some(RDKafkaErrorCode::BadCompression) => bail!(
                "topic '{}' can no longer be read: a batch cannot be decompressed, as it is damaged or larger than \
                 receive.message.max.bytes, by default 100000000; raise that, as with -X receive.message.max.bytes=1000000000",
                self.topic
            ),
            // Nothing but the commits for others needs the group.
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                self.client.context().commit_failed(error);
                Ok(())
            }
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
