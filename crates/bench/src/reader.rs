//! Reading a topic of ours from its first record to its last.

use std::time::Duration;

use anyhow::Result;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long a broker may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for a record at a time.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// The partitions of a topic.
pub(super) fn partitions(config: &ClientConfig, topic: &str) -> Result<Vec<i32>> {
    let client: BaseConsumer = config.create()?;
    let metadata = client.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(partitions.map(|partition| partition.id()).collect())
}

/// How many records a topic holds.
pub(super) fn count(config: &ClientConfig, topic: &str) -> Result<u64> {
    let client: BaseConsumer = config.create()?;
    let mut records = 0;
    for partition in partitions(config, topic)? {
        let (low, high) = client.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?;
        records += high.abs_diff(low);
    }
    Ok(records)
}

/// Hands over all records of these partitions.
pub(super) fn read(
    config: &ClientConfig,
    topic: &str,
    partitions: &[i32],
    mut take: impl FnMut(BorrowedMessage<'_>) -> Result<()>,
) -> Result<()> {
    // Reports the end of a partition.
    let consumer: BaseConsumer = config.clone().set("enable.partition.eof", "true").create()?;
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, *partition, Offset::Offset(0))?;
    }
    consumer.assign(&list)?;
    let mut ended = 0;
    while ended < partitions.len() {
        match consumer.poll(POLL_TIMEOUT).transpose() {
            Ok(Some(message)) => take(message)?,
            Ok(None) => {}
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            // librdkafka itself retries a broker that is away, perhaps at only one of its addresses.
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::Resolve,
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
