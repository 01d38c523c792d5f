//! One worker's consumer: its partitions, read from where the tables stand.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use rdkafka::client::ClientContext as _;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::context::Context;
use super::fetch_batch::{FetchBatch, Message, PartitionQueue};
use super::group_committer::GroupCommitter;
use super::native::{Log, last_end, set_leader_epoch};
use super::topic::{another_topic, setting_error};
use super::{Fetched, Item, PartitionStats, Position, Settings, Source};
use crate::failure::Failure;

/// How often librdkafka reports where partitions end, which takes it 0.1 ms.
const STATISTICS_EVERY_MS: &str = "1000";

/// Reads the partitions that it was given.
pub struct Consumer {
    topic: String,
    /// Of all its partitions.
    queue: PartitionQueue,
    /// The client's. Only set if the topic must be one of a known id.
    log: Option<Log>,
    client: Arc<BaseConsumer<Context>>,
    /// Set once something was committed.
    committer: Option<GroupCommitter>,
}

/// Messages taken at once, at most, so that the dataflow gets its turn.
const BATCH_MESSAGES_MAX: usize = 1_000;

/// What was taken: records, each partition's in its order, and where partitions end.
pub struct Polled<'a> {
    batch: FetchBatch<'a>,
    has_more: bool,
}

impl Polled<'_> {
    /// Whether nothing was there.
    pub fn is_empty(&self) -> bool {
        self.batch.len() == 0
    }
}

impl Fetched for Polled<'_> {
    fn has_more(&self) -> bool {
        self.has_more
    }

    fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.batch.iter().filter_map(|message| match message {
            Message::Record(record) => Some(Item::Record(record)),
            Message::Event(partition, offset, RDKafkaErrorCode::PartitionEOF) => Some(Item::End(partition, offset)),
            Message::Event(..) => None,
        })
    }
}

impl Consumer {
    /// A consumer without partitions.
    pub fn new(settings: &Settings) -> Result<Self> {
        let mut config = settings.consumer();
        config.set("statistics.interval.ms", STATISTICS_EVERY_MS);
        let context = Context::new(settings);
        let expects_id = context.expects_id();
        if expects_id {
            // There librdkafka logs that a topic's id changed.
            let debug = config.get("debug").map_or("metadata".into(), |others| format!("{others},metadata"));
            config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
        }
        let client: BaseConsumer<_> =
            config.create_with_context(context).map_err(|error| anyhow!("{}", setting_error(&error)))?;
        let client = Arc::new(client);
        let log = expects_id.then(|| Log::attach(&client)).transpose()?;
        let queue = PartitionQueue::new(client.clone(), settings.bytes_ahead_max())?;
        Ok(Consumer { topic: settings.topic.clone(), queue, log, client, committer: None })
    }

    /// Also reads these partitions.
    pub fn assign(&self, positions: impl IntoIterator<Item = Position>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for Position { partition, offset, leader_epoch } in positions {
            self.queue.add(&self.topic, partition)?;
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
            if let Some(epoch) = leader_epoch {
                set_leader_epoch(&list, &self.topic, partition, epoch)?;
            }
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

    /// What is there, waiting up to `at_most` for something. An error ends the run.
    pub fn wait(&self, at_most: Duration) -> Result<Polled<'_>> {
        self.events()?;
        let batch = self.queue.poll(at_most, BATCH_MESSAGES_MAX);
        for message in batch.iter() {
            match message {
                Message::Event(_, _, RDKafkaErrorCode::PartitionEOF) | Message::Record(_) => {
                    self.client.context().over();
                }
                Message::Event(_, _, code) => self.judge(&KafkaError::MessageConsumption(code))?,
            }
        }
        Ok(Polled { batch, has_more: self.queue.has_more() })
    }

    /// Handles events that belong to no partition.
    fn events(&self) -> Result<()> {
        while let Some(event) = self.client.poll(Duration::ZERO) {
            match event {
                Err(error) => self.judge(&error)?,
                Ok(_) => bail!("librdkafka returned a record where none was expected; this is a bug in Freshet"),
            }
        }
        Ok(())
    }

    /// Ends the run on permanent errors; librdkafka itself retries everything else.
    fn judge(&self, error: &KafkaError) -> Result<()> {
        let code = error.rdkafka_error_code();
        match code {
            Some(
                RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::LogTruncation,
            ) => bail!(Failure::OffsetsLost(format!(
                "topic '{}' no longer has the offsets to read next: retention deleted them, or a log was truncated",
                self.topic
            ))),
            // A caller that expects an id finds out itself what became of the topic: this error may pass.
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicId
                | RDKafkaErrorCode::UnknownPartition,
            ) if self.client.context().expects_id() => {
                self.client.context().began(&error.to_string());
                Ok(())
            }
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicId
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::BadMessage,
            ) => bail!("topic '{}' can no longer be read: {error}", self.topic),
            // A broker limits the compressed size of a batch, librdkafka the decompressed one; it reports no more than
            // this.
            Some(RDKafkaErrorCode::BadCompression) => bail!(
                "topic '{}' can no longer be read: a batch cannot be decompressed, as it is damaged or larger than \
                 receive.message.max.bytes, by default 100000000; raise that, as with -X receive.message.max.bytes=1000000000",
                self.topic
            ),
            // Only the commits need the group, and those are for others.
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

impl Source for Consumer {
    type Fetched<'a> = Polled<'a>;

    fn assign(&mut self, position: Position) -> Result<()> {
        Consumer::assign(self, [position])
    }

    fn fetch(&mut self) -> Result<Polled<'_>> {
        self.wait(Duration::ZERO)
    }

    fn fetch_ahead(&mut self) {
        self.queue.take_ahead();
    }

    // librdkafka keeps each event until it is polled for.
    fn serve(&mut self) -> Result<()> {
        self.events()
    }

    fn stats(&self, partition: i32) -> Option<PartitionStats> {
        self.client.context().partition(partition)
    }

    fn end(&self, partition: i32) -> Option<i64> {
        last_end(&self.client, &self.topic, partition)
    }

    // From Kafka 3.1 on (Fetch 13) librdkafka asks brokers for records by the topic's id, and a broker refuses an id that
    // its partition does not have. librdkafka logs that a topic got another id before it asks for that one, in the call
    // that sets it (`rd_kafka_topic_metadata_update`), so the line is in the log's queue before the first such record is
    // in the records' queue. What was taken before this call is thus of the expected topic if the log, emptied now, has
    // no such line. The first id that a client hears is logged as well: as a change from none.
    //
    // What remains are brokers before 3.1, which are asked by name: there a recreated topic is noticed by
    // [`super::Topic::presence`], which is asked every few seconds, and its records may be counted until then.
    fn must_be_same_topic(&self) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let context = self.client.context();
        log.drain(|facility, text| context.log(RDKafkaLogLevel::Debug, facility, text));
        match context.other_id() {
            Some(_) => bail!(another_topic(&self.topic)),
            None => Ok(()),
        }
    }

    // Without waiting for it. It is for the tools that watch groups, so a failure is only logged.
    fn commit(&mut self, offsets: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        let committer = match self.committer.take() {
            Some(committer) => committer,
            None => GroupCommitter::spawn(self.client.clone())?,
        };
        if list.count() > 0 {
            committer.commit(list);
        }
        self.committer = Some(committer);
        Ok(())
    }

    fn close(self) {
        if let Some(committer) = self.committer {
            committer.flush();
        }
    }
}
