//! The servers to measure with: a broker and a Postgres, started here or given, with topics and databases of our own.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use freshet_embedded as embedded;
use postgres::Client;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tracing::warn;
use url::Url;

use super::{Connect, Pace, Settings, epochs};

/// librdkafka's in-process broker keeps 5 MiB of each partition and silently drops what is older. A record of the
/// generator takes about 260 bytes of that, compressed in batches.
const IN_PROCESS_RECORDS: u64 = 10_000;

/// How long a broker may take to delete a topic.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The servers.
pub(super) struct BenchEnv {
    pub broker: Broker,
    pub server: Server,
    /// Prefix of the names of topics and databases.
    name: String,
}

impl BenchEnv {
    /// Starts what is not given.
    pub fn set(settings: &Settings) -> Result<BenchEnv> {
        let broker = Broker::open(settings)?;
        broker.must_take(settings)?;
        let server = Server::open(settings)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        let name = format!("freshet_bench_{}_{}", now.as_secs(), std::process::id());
        Ok(BenchEnv { broker, server, name })
    }

    /// A topic of our own, created here or by its first writer; deleted when dropped.
    pub fn topic(&self, of: &str, settings: &Settings) -> Result<Topic> {
        let name = format!("{}_{of}", self.name);
        if let Broker::InProcess(cluster) = &self.broker {
            // It does not support the request by which a publisher creates a topic.
            let made = cluster.create_topic(&name, settings.partitions, 1);
            made.map_err(|error| anyhow!("the in-process broker: {error}"))?;
        }
        let mut config = ClientConfig::new();
        for (name, value) in &settings.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", self.broker.brokers());
        // Never joined, but librdkafka's consumer requires one.
        config.set("group.id", "freshet-bench");
        let lasting = matches!(self.broker, Broker::Given(_));
        Ok(Topic { name, config, lasting, created: Cell::new(false) })
    }

    /// A new database, dropped when dropped.
    pub fn database(&self, of: &str) -> Result<Database> {
        self.server.database(format!("{}_{of}", self.name))
    }
}

/// Where the records are.
pub(super) enum Broker {
    /// One that runs already.
    Given(String),
    /// Apache Kafka of our own, and its version.
    Kafka(embedded::Kafka, String),
    /// librdkafka's, in this process.
    InProcess(MockCluster<'static, DefaultProducerContext>),
}

impl Broker {
    fn open(settings: &Settings) -> Result<Broker> {
        match (&settings.brokers, &settings.kafka_home) {
            (Some(brokers), _) => Ok(Broker::Given(brokers.clone())),
            (None, Some(home)) => Ok(Broker::Kafka(embedded::Kafka::start_for_load(home)?, kafka_version(home))),
            (None, None) => {
                let cluster = MockCluster::new(1);
                Ok(Broker::InProcess(cluster.map_err(|error| anyhow!("the in-process broker: {error}"))?))
            }
        }
    }

    /// For clients.
    pub fn brokers(&self) -> String {
        match self {
            Broker::Given(brokers) => brokers.clone(),
            Broker::Kafka(kafka, _) => kafka.brokers(),
            Broker::InProcess(cluster) => cluster.bootstrap_servers(),
        }
    }

    /// For people.
    pub fn described(&self) -> String {
        match self {
            Broker::Given(_) => "given with --brokers, version unknown".into(),
            Broker::Kafka(_, version) => format!("Apache Kafka {version}, private"),
            Broker::InProcess(_) => "librdkafka's in-process broker, for want of Apache Kafka".into(),
        }
    }

    /// The process, if it is one of our own.
    pub fn process(&self) -> Option<u32> {
        match self {
            Broker::Kafka(kafka, _) => kafka.process(),
            Broker::Given(_) | Broker::InProcess(_) => None,
        }
    }

    /// How many records to catch up with.
    pub fn records(&self, settings: &Settings) -> u64 {
        let partitions = u64::from(settings.partitions.unsigned_abs());
        let most = if let Broker::InProcess(_) = self { IN_PROCESS_RECORDS * partitions } else { 1_000_000 };
        settings.records.unwrap_or(most)
    }

    /// Refuses what the broker would drop.
    fn must_take(&self, settings: &Settings) -> Result<()> {
        let Broker::InProcess(_) = self else { return Ok(()) };
        let most = IN_PROCESS_RECORDS * u64::from(settings.partitions.unsigned_abs());
        let paced = settings.freshness.iter().map(Pace::records).max().unwrap_or(0);
        let changed = settings.products.iter().map(|products| epochs::records(*products)).max().unwrap_or(0);
        let wanted = self.records(settings).max(paced).max(changed);
        ensure!(
            wanted <= most,
            "librdkafka's in-process broker would silently drop some of {wanted} records, as it is safe for {most} in \
             {} partitions: start Apache Kafka with --kafka-home or FRESHET_KAFKA_HOME (`make setup` puts it into \
             target/kafka), name yours with --brokers, or ask for fewer",
            settings.partitions
        );
        Ok(())
    }
}

/// The version of a distribution, as its jars are named after it.
fn kafka_version(home: &Path) -> String {
    let jars = std::fs::read_dir(home.join("libs")).into_iter().flatten().flatten();
    let version = |name: String| Some(name.strip_prefix("kafka-clients-")?.strip_suffix(".jar")?.to_owned());
    jars.filter_map(|jar| version(jar.file_name().into_string().ok()?)).next().unwrap_or_else(|| "unknown".into())
}

/// A topic of our own.
pub(super) struct Topic {
    pub name: String,
    config: ClientConfig,
    /// Whether its broker outlives this program.
    lasting: bool,
    /// Whether it was written to, and so exists.
    pub created: Cell<bool>,
}

impl Topic {
    /// How clients of ours reach it.
    pub fn client(&self) -> &ClientConfig {
        &self.config
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        if !(self.lasting && self.created.get()) {
            return;
        }
        let admin: Result<AdminClient<DefaultClientContext>, _> = self.config.create();
        let options =
            AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT));
        let deleted = admin.and_then(|admin| pollster::block_on(admin.delete_topics(&[&self.name], &options)));
        match deleted.as_deref() {
            Ok([Ok(_)]) => {}
            _ => warn!("topic {} could not be deleted: please do so", self.name),
        }
    }
}

/// Where the tables go.
pub(super) struct Server {
    postgres: Postgres,
    connect: Connect,
}

enum Postgres {
    /// One that runs already.
    Given(Url),
    /// One of our own.
    Private(embedded::Postgres),
}

impl Server {
    fn open(settings: &Settings) -> Result<Server> {
        let postgres = match settings.database_url.as_deref() {
            None => Postgres::Private(embedded::Postgres::start()?),
            // Never shown: it may hold a password.
            Some(url) => match Url::parse(url) {
                Ok(url) if ["postgres", "postgresql"].contains(&url.scheme()) => Postgres::Given(url),
                _ => bail!("--database-url is to be of the form postgres://user:password@host:port/database here"),
            },
        };
        Ok(Server { postgres, connect: settings.connect })
    }

    /// A session besides the measured ones.
    pub fn connect(&self) -> Result<Client> {
        let url = match &self.postgres {
            Postgres::Given(url) => url.to_string(),
            Postgres::Private(postgres) => postgres.url(),
        };
        session(self.connect, &url)
    }

    /// For people.
    pub fn described(&self) -> Result<String> {
        let version: String = self.connect()?.query_one("SHOW server_version", &[])?.get(0);
        let whose = if let Postgres::Given(_) = self.postgres { "given with --database-url" } else { "private" };
        Ok(format!("{version}, {whose}"))
    }

    /// A new database of this name, dropped when dropped.
    fn database(&self, name: String) -> Result<Database> {
        let mut server = self.connect()?;
        let made = server.batch_execute(&format!("CREATE DATABASE {name}"));
        made.context("the server of --database-url does not let this user create a database")?;
        let url = match &self.postgres {
            Postgres::Private(postgres) => postgres.url_of(&name),
            Postgres::Given(url) => {
                let mut url = url.clone();
                url.set_path(&name);
                url.to_string()
            }
        };
        Ok(Database { url, name, server, connect: self.connect })
    }
}

/// A database of our own.
pub(super) struct Database {
    pub url: String,
    name: String,
    /// A session of the server, in another database.
    pub server: Client,
    connect: Connect,
}

impl Database {
    /// A session in it.
    pub fn connect(&self) -> Result<Client> {
        session(self.connect, &self.url)
    }
}

/// A session, as the program that is measured opens its own.
fn session(connect: Connect, url: &str) -> Result<Client> {
    connect(url).context("the Postgres server to measure with cannot be reached")
}

impl Drop for Database {
    fn drop(&mut self) {
        // A process that was killed may still have a session there.
        if self.server.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).is_err() {
            warn!("database {} could not be dropped: please do so", self.name);
        }
    }
}
