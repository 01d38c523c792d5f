//! A real Apache Kafka from a directory of jars: one KRaft node, broker and controller in one, and further brokers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustix::process::Signal;

use super::home::Home;
use super::server::{Server, free_port, last_lines};

/// Ready in about 4 s on an idle machine; a busy one may need several times that.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// How long the broker may take to answer one request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The exit status of a shell that does not find its program.
const NOT_FOUND_STATUS: i32 = 127;

/// Options of a JVM for a quick start: 3.5 s of CPU instead of 5.8 until a broker answers and ends (Java 17, 2026-11-29).
const QUICK: &[&str] = &["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/// Any valid id will do: the cluster is never joined by another node.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// A Kafka broker with empty logs, gone with its data when dropped. It listens on a free port of 127.0.0.1, where any user
/// of this machine may read and write its topics.
pub struct Kafka {
    // Before `home`: the server must have ended when its directory is removed.
    server: Option<Server>,
    jars: PathBuf,
    /// Options of the JVM.
    options: &'static [&'static str],
    node: Node,
    port: u16,
    guarded: Option<Box<(u16, Guard)>>,
    home: Home,
}

/// A node of a cluster. The first is also the controller.
#[derive(Clone, Copy)]
struct Node {
    id: i32,
    controller: u16,
}

/// What a further listener of a broker requires: TLS, and a user's password by SASL's PLAIN or SCRAM-SHA-512.
#[derive(Clone)]
pub struct Guard {
    /// The broker's certificate, in PEM.
    pub certificate: String,
    /// Its private key, as PKCS 8 in PEM.
    pub key: String,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Kafka {
    /// Starts a broker from the jars in `<distribution>/libs` and waits until it answers. It starts quickly, for little to do.
    pub fn start(distribution: &Path) -> Result<Kafka> {
        Kafka::start_with(distribution, Node::first()?, None, QUICK)
    }

    /// Starts a broker that takes longer to start, but less for each record after some hundred thousand.
    pub fn start_for_load(distribution: &Path) -> Result<Kafka> {
        Kafka::start_with(distribution, Node::first()?, None, &[])
    }

    /// Starts a broker with a further listener at which clients must authenticate: see [`Kafka::guarded_brokers`].
    pub fn start_guarded(distribution: &Path, guard: Guard) -> Result<Kafka> {
        Kafka::start_with(distribution, Node::first()?, Some(Box::new((free_port()?, guard))), QUICK)
    }

    /// Starts a further broker of this one's cluster, with an id from 2 on. It ends before this one does.
    pub fn join(&self, id: i32) -> Result<Kafka> {
        let distribution = self.jars.parent().context("jars without a distribution")?;
        Kafka::start_with(distribution, Node { id, ..self.node }, None, QUICK)
    }

    fn start_with(
        distribution: &Path,
        node: Node,
        guarded: Option<Box<(u16, Guard)>>,
        options: &'static [&'static str],
    ) -> Result<Kafka> {
        let jars = distribution.join("libs");
        ensure!(has_broker(&jars), "no Apache Kafka in {}: `make test` fetches it", jars.display());
        let home = Home::create("kafka", Signal::KILL)?;
        let (jars, port) = (jars.canonicalize()?, free_port()?);
        let mut kafka = Kafka { server: None, jars, options, node, port, guarded, home };
        kafka.format()?;
        kafka.restart()?;
        Ok(kafka)
    }

    /// Its process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.server.as_ref().map(Server::id)
    }

    /// The directory of its data.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where clients find it, as `bootstrap.servers`.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where clients that authenticate find it, if it has that listener.
    pub fn guarded_brokers(&self) -> Option<String> {
        self.guarded.as_deref().map(|(port, _)| format!("127.0.0.1:{port}"))
    }

    /// Creates a topic and waits until every partition has its leader.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        self.create_topic_with(name, partitions, &[])
    }

    /// Creates a topic with these settings of its own, likewise.
    pub fn create_topic_with(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        self.create(&settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value)))
    }

    /// Creates a topic with these brokers for each partition, the first of which leads it at first.
    pub fn create_topic_on(&self, name: &str, brokers: &[&[i32]]) -> Result<()> {
        self.create(&NewTopic::new(name, i32::try_from(brokers.len())?, TopicReplication::Variable(brokers)))
    }

    fn create(&self, topic: &NewTopic<'_>) -> Result<()> {
        first(pollster::block_on(self.admin()?.create_topics([topic], &options()))?)?;
        self.await_partitions(topic.name, topic.num_partitions)
    }

    /// Raises the number of partitions of a topic to `partitions`.
    pub fn add_partitions(&self, name: &str, partitions: i32) -> Result<()> {
        let count = usize::try_from(partitions)?;
        first(pollster::block_on(self.admin()?.create_partitions([&NewPartitions::new(name, count)], &options()))?)?;
        self.await_partitions(name, partitions)
    }

    /// Deletes a topic and waits until the broker no longer knows it.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        first(pollster::block_on(self.admin()?.delete_topics(&[name], &options()))?)?;
        self.await_partitions(name, 0)
    }

    /// Deletes the records of a partition below `before`, as retention would.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(before))?;
        pollster::block_on(self.admin()?.delete_records(&offsets, &options()))?;
        Ok(())
    }

    /// Ends the broker cleanly.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    /// Ends the broker as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    /// Starts the broker again, on the same port with the same logs; one that runs is stopped first.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let mut command = self.java("kafka.Kafka");
        command.arg(self.properties());
        let mut server = Server::spawn(&mut command, &self.log(), &self.home, Signal::KILL)?;
        // A client would fill the log with refused connections during the start, so the port is probed first.
        let port = self.port;
        server.ready(&self.log(), START_TIMEOUT, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        let client = self.client()?;
        let answers = || client.fetch_metadata(None, Duration::from_secs(1)).is_ok_and(|it| !it.brokers().is_empty());
        server.ready(&self.log(), START_TIMEOUT, answers).context("Kafka")?;
        self.server = Some(server);
        Ok(())
    }

    /// Keeps a copy of all logs as they are now, for [`Kafka::restore_logs`]. The broker must be stopped.
    pub fn keep_logs(&self) -> Result<()> {
        copy_dir(&self.logs(), &self.kept_logs())
    }

    /// Puts the logs back as they were kept: the same topics, without what was written since. The broker must be stopped.
    pub fn restore_logs(&self) -> Result<()> {
        fs::remove_dir_all(self.logs())?;
        copy_dir(&self.kept_logs(), &self.logs())
    }

    fn logs(&self) -> PathBuf {
        self.home.path().join("logs")
    }

    fn kept_logs(&self) -> PathBuf {
        self.home.path().join("kept")
    }

    /// Writes the settings and formats the log directory, which Kafka wants done once.
    fn format(&self) -> Result<()> {
        let mut settings = self.node.properties(self.port, &self.logs());
        let mut format = self.java("kafka.tools.StorageTool");
        let quorum = if self.node.is_first() { "--standalone" } else { "--no-initial-controllers" };
        format.args(["format", quorum, "-t", CLUSTER_ID, "-c"]).arg(self.properties());
        if let Some((port, guard)) = self.guarded.as_deref() {
            settings += &guard.properties(self.port, *port, self.node.controller);
            let Guard { user, password, .. } = guard;
            format.args(["--add-scram", &format!("SCRAM-SHA-512=[name={user},password={password}]")]);
        }
        fs::write(self.properties(), settings)?;
        let output = self.home.output(&mut format)?;
        ensure!(
            output.status.code() != Some(NOT_FOUND_STATUS),
            "cannot run Java: install a headless runtime, 17 or newer"
        );
        ensure!(output.status.success(), "Kafka's storage tool: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    fn java(&self, class: &str) -> Command {
        let program = env::var_os("JAVA_HOME").map_or("java".into(), |home| Path::new(&home).join("bin/java"));
        let mut command = self.home.command(program);
        command.current_dir(self.home.path()).arg("-Xmx768m").args(self.options).arg("-cp");
        command.arg(self.jars.join("*")).arg(class);
        command
    }

    fn await_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let client = self.client()?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        while led_partitions(&client, topic)? != usize::try_from(partitions)? {
            if Instant::now() > deadline {
                bail!("topic {topic} does not have {partitions} partitions: {}", last_lines(&self.log()));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn client(&self) -> Result<BaseConsumer> {
        Ok(self.config().create()?)
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.config().create()?)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers());
        // Asking about a topic must not create it, whatever the broker's settings.
        config.set("allow.auto.create.topics", "false");
        config
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        self.server.take().map_or(Ok(()), |server| server.end(signal).map(drop))
    }

    fn properties(&self) -> PathBuf {
        self.home.path().join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }
}

impl Node {
    const FIRST: i32 = 1;

    /// The first node of a new cluster.
    fn first() -> Result<Node> {
        Ok(Node { id: Node::FIRST, controller: free_port()? })
    }

    fn is_first(self) -> bool {
        self.id == Node::FIRST
    }

    /// One replica of everything, no waiting for others, no automatic topics, and all records kept, as old ones would be
    /// deleted half a minute after the start. After a crash the node may rejoin once its former session has expired: 9 s by
    /// default.
    fn properties(self, port: u16, logs: &Path) -> String {
        let Node { id, controller } = self;
        let (roles, more) = if self.is_first() {
            ("broker,controller", format!(",CONTROLLER://127.0.0.1:{controller}"))
        } else {
            ("broker", String::new())
        };
        format!(
            "process.roles={roles}\n\
             node.id={id}\n\
             listeners=PLAINTEXT://127.0.0.1:{port}{more}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             log.retention.ms=-1\n\
             log.cleaner.backoff.ms=100\n\
             broker.session.timeout.ms=4000\n\
             broker.heartbeat.interval.ms=1000\n\
             group.initial.rebalance.delay.ms=0\n\
             offsets.topic.num.partitions=1\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n",
            logs.display()
        )
    }
}

impl Guard {
    /// Settings that replace and add to those of [`Node::properties`].
    fn properties(&self, open: u16, guarded: u16, controller: u16) -> String {
        let Guard { certificate, key, user, password } = self;
        let line = |pem: &str| pem.trim_end().replace('\n', "\\n");
        let module = "org.apache.kafka.common.security";
        format!(
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL\n\
             listeners=PLAINTEXT://127.0.0.1:{open},GUARDED://127.0.0.1:{guarded},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{open},GUARDED://127.0.0.1:{guarded}\n\
             inter.broker.listener.name=PLAINTEXT\n\
             ssl.keystore.type=PEM\n\
             ssl.keystore.certificate.chain={}\n\
             ssl.keystore.key={}\n\
             listener.name.guarded.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
             listener.name.guarded.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_{user}=\"{password}\";\n\
             listener.name.guarded.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n",
            line(certificate),
            line(key)
        )
    }
}

fn has_broker(jars: &Path) -> bool {
    let entries = fs::read_dir(jars).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("kafka_"))
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, to) = {
            let entry = entry?;
            let to = to.join(entry.file_name());
            (entry, to)
        };
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// How many partitions of the topic have a leader; none if there is no such topic.
fn led_partitions(client: &BaseConsumer, topic: &str) -> Result<usize> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_TIMEOUT)?;
    let partitions = metadata.topics().iter().filter(|it| it.error().is_none()).flat_map(|it| it.partitions());
    Ok(partitions.filter(|partition| partition.leader() >= 0).count())
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT)).operation_timeout(Some(ANSWER_TIMEOUT))
}

/// The answer to a request about one topic.
fn first(results: Vec<rdkafka::admin::TopicResult>) -> Result<()> {
    match results.into_iter().next() {
        Some(Ok(_)) => Ok(()),
        Some(Err((topic, code))) => bail!("topic {topic}: {code}"),
        None => bail!("the broker gave no answer"),
    }
}
