//! Publishes records to a Kafka topic.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use tracing::debug;

/// How long a broker may take to answer, and a new topic to come up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for room in the producer's queue, or for the last acknowledgements, before checking again.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Records per poll of the delivery reports, as each costs a lock.
const REPORT_EVERY: u64 = 256;

/// Sends records to one topic, evenly over its partitions.
pub struct Publisher {
    producer: BaseProducer<Deliveries>,
    topic: String,
    partitions: i32,
    sent: u64,
}

/// The delivery reports of librdkafka.
#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
    first_error: OnceLock<KafkaError>,
}

/// librdkafka repeats its own messages; what matters is returned as an error.
impl ClientContext for Deliveries {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(target: "librdkafka", "{facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            // Only the first one is kept; setting a later one fails, which is fine.
            let _ = self.first_error.set(error.clone());
        }
    }
}

impl Publisher {
    /// Connects to `brokers`. A `topic` that does not exist is created with this many partitions; one that exists keeps
    /// its own. `properties` are librdkafka's, and override the ones chosen here.
    pub fn open(brokers: &str, topic: &str, partitions: i32, properties: &[(String, String)]) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        // Idempotence: a retry must not store a record twice, or a count of what was sent means nothing.
        for (key, value) in [("enable.idempotence", "true"), ("compression.type", "lz4"), ("linger.ms", "20")] {
            config.set(key, value);
        }
        config.set("bootstrap.servers", brokers);
        config.extend(properties.iter().cloned());
        let producer: BaseProducer<Deliveries> = config
            .create_with_context(Deliveries::default())
            .map_err(|error| anyhow!("the Kafka producer: {error}"))?;

        let mut publisher = Self { producer, topic: topic.to_owned(), partitions: 0, sent: 0 };
        publisher.partitions = match publisher.known_partitions(brokers)? {
            0 => publisher.create_topic(&config, brokers, partitions)?,
            known => known,
        };
        Ok(publisher)
    }

    /// How many partitions the topic has; 0 when there is no such topic.
    fn known_partitions(&self, brokers: &str) -> anyhow::Result<i32> {
        // Requests all topics: asking for one by name makes some brokers create it, with their own partition count.
        let metadata = self.producer.client().fetch_metadata(None, REQUEST_TIMEOUT).map_err(|error| {
            anyhow!("no Kafka broker answers at {brokers} within {} s ({error})", REQUEST_TIMEOUT.as_secs())
        })?;
        let found = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        Ok(found.map_or(0, |topic| topic.partitions().len() as i32))
    }

    /// Creates the topic, and waits until its partitions can be seen.
    fn create_topic(&self, config: &ClientConfig, brokers: &str, partitions: i32) -> anyhow::Result<i32> {
        let topic = &self.topic;
        let admin: AdminClient<DefaultClientContext> =
            config.create().map_err(|error| anyhow!("the Kafka admin client: {error}"))?;
        let options =
            AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT));
        // -1 leaves the number of replicas to the broker.
        let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let results = pollster::block_on(admin.create_topics([&wanted], &options))
            .map_err(|error| anyhow!("topic {topic} does not exist and cannot be created: {error}"))?;
        for result in results {
            match result {
                // Somebody else has just created it.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => bail!("topic {topic} does not exist and cannot be created: {code}"),
            }
        }
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        while Instant::now() < deadline {
            match self.known_partitions(brokers)? {
                0 => thread::sleep(POLL_INTERVAL),
                known => return Ok(known),
            }
        }
        bail!("topic {topic} was created but did not appear within {} s", REQUEST_TIMEOUT.as_secs())
    }

    /// Sends one record to the partition whose turn it is, as soon as the producer's queue has room.
    pub fn send(&mut self, payload: Option<&[u8]>) -> anyhow::Result<()> {
        self.send_as_of(payload, None)
    }

    /// Sends one record whose Kafka timestamp is `seconds` since 1970, or now.
    pub fn send_as_of(&mut self, payload: Option<&[u8]>, seconds: Option<i64>) -> anyhow::Result<()> {
        let partition = (self.sent % self.partitions as u64) as i32;
        let mut record = BaseRecord::<(), [u8]>::to(&self.topic).partition(partition);
        record.payload = payload;
        record.timestamp = seconds.map(|seconds| seconds * 1_000);
        while let Err((error, refused)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                bail!("a record cannot be sent to topic {}: {error}", self.topic);
            }
            record = refused;
            self.wait(POLL_INTERVAL)?;
        }
        self.sent += 1;
        if self.sent.is_multiple_of(REPORT_EVERY) { self.wait(Duration::ZERO) } else { Ok(()) }
    }

    /// Waits this long, and meanwhile handles delivery reports. Fails once any delivery has.
    pub fn wait(&self, time: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + time;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            // Returns as soon as there was anything to report; counts in whole milliseconds, so would spin in the last one.
            self.producer.poll(rest);
            if rest < Duration::from_millis(1) {
                thread::sleep(rest);
                return self.check();
            }
        }
    }

    /// Waits until every record is acknowledged.
    pub fn finish(&self) -> anyhow::Result<()> {
        // Not `flush`: it was seen to time out with records unsent.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(POLL_INTERVAL);
        }
        self.check()
    }

    fn check(&self) -> anyhow::Result<()> {
        let deliveries = self.producer.context();
        let failed = deliveries.failed.load(Ordering::Relaxed);
        let reason = deliveries.first_error.get().map_or_else(String::new, ToString::to_string);
        ensure!(failed == 0, "{failed} records could not be delivered to topic {}: {reason}", self.topic);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;

    use super::*;

    #[test]
    fn records_are_spread_evenly() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("views", 4, 1).unwrap();
        let mut publisher = Publisher::open(&cluster.bootstrap_servers(), "views", 2, &[]).unwrap();
        for number in 0..1_001 {
            publisher.send((number % 7 > 0).then_some(b"event")).unwrap();
        }
        publisher.finish().unwrap();
        let reader: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        let ends = |partition| reader.fetch_watermarks("views", partition, REQUEST_TIMEOUT).unwrap();
        assert_eq!([0, 1, 2, 3].map(ends), [(0, 251), (0, 250), (0, 250), (0, 250)]);
    }
}
