//! The pure drain: what reading alone costs a program that polls rdkafka for one record after the other, as its examples
//! do. Consumers with Freshet's settings, split over threads as its workers are, take every record and do nothing with it.
//! It runs in a process of its own, so that it is measured like the program.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::source::{Settings, Topic};

/// How long to wait for a record at a time.
const WAIT: Duration = Duration::from_millis(100);

/// What to drain.
pub struct Drain {
    /// The topic.
    pub source: Settings,
    /// How many threads share its partitions.
    pub workers: u16,
    /// How many records there are.
    pub records: u64,
}

/// Takes every record that the topic holds.
pub fn drain(drain: &Drain) -> Result<()> {
    let partitions = Topic::connect(&drain.source)?.partitions()?;
    let workers = i32::from(drain.workers);
    let records = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                let mine: Vec<i32> = partitions.iter().copied().filter(|it| it % workers == worker).collect();
                scope.spawn(move || take_all(&drain.source, &mine))
            })
            .collect();
        let taken = workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a thread panicked"))?);
        taken.sum::<Result<u64>>()
    })?;
    ensure!(records == drain.records, "{records} of {} records were there to drain", drain.records);
    Ok(())
}

/// Takes all records of these partitions.
fn take_all(source: &Settings, partitions: &[i32]) -> Result<u64> {
    let consumer: BaseConsumer = source.consumer().create()?;
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(&source.topic, *partition, Offset::Offset(0))?;
    }
    consumer.assign(&list)?;
    let (mut ended, mut records) = (0, 0);
    while ended < partitions.len() {
        match consumer.poll(WAIT).transpose() {
            Ok(Some(_)) => records += 1,
            Ok(None) => {}
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            // A broker that is away, perhaps at one of its addresses only, is tried again by librdkafka itself.
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::Resolve,
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(records)
}
