//! How Kafka is reached.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// What exactness rests on: where Freshet starts and stops reading is decided by its tables alone.
const FIXED: [(&str, &str); 4] = [
    // Offsets that are gone are an error to report, not a reason to jump.
    ("auto.offset.reset", "error"),
    ("enable.auto.commit", "false"),
    // Records of aborted transactions never happened.
    ("isolation.level", "read_committed"),
    // Reports the end of a partition even if its last offsets hold no record.
    ("enable.partition.eof", "true"),
];

/// The consumer group, if no other is given. Partitions are assigned by hand; librdkafka's consumer requires a group
/// all the same.
pub const GROUP: &str = "freshet";

/// What `-X` may replace.
const DEFAULTS: [(&str, &str); 4] = [
    ("client.id", "freshet"),
    // The next fetch begins once the queue is empty (`fetch_batch.rs`), which librdkafka checks this often.
    ("queued.min.messages", "1"),
    ("fetch.queue.backoff.ms", "2"),
    // Costs no freshness, as a broker answers once there is one byte, and spares it requests when idle.
    ("fetch.wait.max.ms", "500"),
];

/// librdkafka's own default of `queued.max.messages.kbytes`, in bytes.
const BYTES_AHEAD_DEFAULT: usize = 64 << 20;

/// The brokers, the topic and further librdkafka properties.
#[derive(Clone)]
pub struct Settings {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// The topic's name.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Set over the defaults.
    pub properties: Vec<Property>,
    /// The id that the topic must have while it is read; none to read whatever has the name.
    pub topic_id: Option<String>,
}

impl Settings {
    /// These, in the default consumer group.
    pub fn new(brokers: &str, topic: &str, properties: &[Property]) -> Settings {
        let (brokers, topic, properties) = (brokers.into(), topic.into(), properties.to_vec());
        Settings { brokers, topic, group: GROUP.into(), properties, topic_id: None }
    }

    /// The same for a consumer that fetches this many bytes ahead, unless the user sets how many.
    pub fn fetching_ahead(mut self, bytes: usize) -> Settings {
        let value = (bytes >> 10).to_string();
        // Before what the user sets, which overrides it.
        self.properties.insert(0, Property { name: "queued.max.messages.kbytes".into(), value });
        self
    }

    /// librdkafka's configuration of a consumer.
    pub fn consumer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in DEFAULTS {
            config.set(name, value);
        }
        config.set("group.id", &self.group);
        for Property { name, value } in &self.properties {
            config.set(name, value);
        }
        for (name, value) in FIXED {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// How much may be taken ahead, in bytes.
    pub(super) fn bytes_ahead_max(&self) -> usize {
        let kilobytes = self.consumer().get("queued.max.messages.kbytes").and_then(|text| text.parse::<usize>().ok());
        kilobytes.unwrap_or(BYTES_AHEAD_DEFAULT >> 10) << 10
    }

    /// How long a broker may wait for records before it answers a fetch.
    pub(super) fn fetch_wait(&self) -> Duration {
        let wait = self.consumer().get("fetch.wait.max.ms").and_then(|wait| wait.parse().ok());
        Duration::from_millis(wait.unwrap_or_default())
    }
}

/// Without the properties, which may hold passwords.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("brokers", &self.brokers).field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A librdkafka property, parsed from `name=value`.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value, perhaps a secret.
    pub value: String,
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl FromStr for Property {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("expected a librdkafka property as name=value")?;
        let (name, value) = (name.trim(), value.trim());
        if FIXED.iter().any(|(fixed, _)| *fixed == name) {
            return Err(format!("{name} is fixed: the tables would not stay exact with another value"));
        }
        if name == "bootstrap.servers" {
            return Err("give the brokers with --brokers".into());
        }
        check(name, value)?;
        Ok(Property { name: name.into(), value: value.into() })
    }
}

/// Asks librdkafka about a property, before anything starts. Never prints the value.
fn check(name: &str, value: &str) -> Result<(), String> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err(format!("librdkafka has no property '{}'; its CONFIGURATION.md lists them", name.escape_debug()))
        }
        Err(_) => Err(format!("librdkafka does not take this value for {name}; its CONFIGURATION.md says which")),
    }
}
