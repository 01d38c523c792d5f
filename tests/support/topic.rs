//! Writing topics, and reading them whole with a plain consumer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::freshet::TIMEOUT;
use super::oracle::Oracle;
use super::until;

/// A record to write.
#[derive(Debug, Clone)]
pub struct Record {
    pub partition: i32,
    /// Kafka's timestamp, in ms; the producer's clock if there is none.
    pub timestamp: Option<i64>,
    pub value: Option<Vec<u8>>,
}

impl Record {
    pub fn new(partition: i32, value: impl Into<Vec<u8>>) -> Record {
        Record { partition, timestamp: None, value: Some(value.into()) }
    }
}

/// Gives the whole topic to the oracle. Returns the number of records.
pub fn read(brokers: &str, topic: &str, oracle: &mut Oracle) -> Result<i64> {
    let starts = offsets(brokers, topic)?.into_iter().map(|(partition, (first, _))| (partition, first)).collect();
    read_from(brokers, topic, &starts, oracle)
}

/// Gives the topic to the oracle from these offsets on, up to the end of each partition.
pub fn read_from(brokers: &str, topic: &str, starts: &BTreeMap<i32, i64>, oracle: &mut Oracle) -> Result<i64> {
    let before = oracle.records();
    let ends = offsets(brokers, topic)?;
    let consumer = consumer(brokers)?;
    let mut assignment = TopicPartitionList::new();
    for (partition, start) in starts {
        let end = ends.get(partition).context("a partition that the topic does not have")?.1;
        oracle.bounds(*partition, *start, end);
        assignment.add_partition_offset(topic, *partition, Offset::Offset(*start))?;
    }
    consumer.assign(&assignment)?;
    let mut open: BTreeSet<i32> = starts.keys().copied().collect();
    let mut heard = Instant::now();
    while !open.is_empty() {
        ensure!(heard.elapsed() < TIMEOUT, "{topic}: partitions {open:?} were not read to their end");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let timestamp = message.timestamp().to_millis();
                oracle.add(message.partition(), message.offset(), timestamp, message.payload());
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Ok(oracle.records() - before)
}

/// First offset and end of every partition.
pub fn offsets(brokers: &str, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>> {
    let consumer = consumer(brokers)?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let partitions = metadata.topics().iter().flat_map(|it| it.partitions()).map(|it| it.id());
    partitions.map(|it| Ok((it, watermarks(&consumer, topic, it)?))).collect()
}

fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<(i64, i64)> {
    let mut found = None;
    until("its leader knows that it leads", || match consumer.fetch_watermarks(topic, partition, TIMEOUT) {
        // The metadata of a topic that was created a moment ago say so before that broker knows.
        Err(KafkaError::MetadataFetch(RDKafkaErrorCode::NotLeaderForPartition)) => Ok(false),
        answer => {
            found = Some(answer?);
            Ok(true)
        }
    })?;
    found.context("no answer")
}

fn consumer(brokers: &str) -> Result<BaseConsumer> {
    let config = [
        ("bootstrap.servers", brokers),
        ("group.id", "oracle"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("auto.offset.reset", "error"),
        ("isolation.level", "read_committed"),
        ("allow.auto.create.topics", "false"),
    ];
    let owned = config.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(owned.into_iter().collect::<ClientConfig>().create()?)
}

/// Writes the records, and waits until the broker has them all.
pub fn write(brokers: &str, topic: &str, records: &[Record]) -> Result<()> {
    let producer = producer(brokers, None)?;
    send(&producer, topic, None, records)
}

/// Writes the records under one key, by which a topic is compacted.
pub fn write_keyed(brokers: &str, topic: &str, key: &str, records: &[Record]) -> Result<()> {
    let producer = producer(brokers, None)?;
    send(&producer, topic, Some(key), records)
}

/// Writes the records in one transaction, which is committed or aborted.
pub fn write_transaction(brokers: &str, topic: &str, id: &str, records: &[Record], commit: bool) -> Result<()> {
    // All of them reach the log before an abort, so that a consumer that does not care about it would see them.
    open_transaction(brokers, topic, id, records)?.end(commit)
}

/// A transaction that is neither committed nor aborted yet.
pub struct Transaction(BaseProducer<Failures>);

/// Writes the records in a transaction that stays open.
pub fn open_transaction(brokers: &str, topic: &str, id: &str, records: &[Record]) -> Result<Transaction> {
    let producer = producer(brokers, Some(id))?;
    producer.init_transactions(TIMEOUT)?;
    producer.begin_transaction()?;
    send(&producer, topic, None, records)?;
    Ok(Transaction(producer))
}

impl Transaction {
    pub fn end(self, commit: bool) -> Result<()> {
        let Transaction(producer) = self;
        if commit {
            producer.commit_transaction(TIMEOUT)?
        } else {
            producer.abort_transaction(TIMEOUT)?
        }
        Ok(())
    }
}

/// Remembers what could not be delivered.
#[derive(Default)]
pub struct Failures(Mutex<Option<KafkaError>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let (Err((error, _)), Ok(mut first)) = (result, self.0.lock()) {
            first.get_or_insert_with(|| error.clone());
        }
    }
}

fn producer(brokers: &str, transactional_id: Option<&str>) -> Result<BaseProducer<Failures>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("compression.type", "lz4").set("linger.ms", "5");
    // Before compression; the broker looks behind it.
    config.set("message.max.bytes", "2000000");
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    Ok(config.create_with_context(Failures::default())?)
}

fn send(producer: &BaseProducer<Failures>, topic: &str, key: Option<&str>, records: &[Record]) -> Result<()> {
    for record in records {
        let mut next = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition);
        next.key = key.map(str::as_bytes);
        next.timestamp = record.timestamp;
        next.payload = record.value.as_deref();
        while let Err((error, same)) = producer.send(next) {
            ensure!(error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull), "{error}");
            producer.poll(Duration::from_millis(10));
            next = same;
        }
    }
    // Not flush(): it has been seen to time out with records unsent.
    let deadline = Instant::now() + TIMEOUT;
    while producer.in_flight_count() > 0 {
        ensure!(Instant::now() < deadline, "{topic}: {} records were not delivered", producer.in_flight_count());
        producer.poll(Timeout::After(Duration::from_millis(10)));
    }
    let failure = producer.context().0.lock().ok().and_then(|mut first| first.take());
    failure.map_or(Ok(()), |error| Err(error.into()))
}
