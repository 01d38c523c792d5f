//! Three brokers of one cluster, of which one dies: a partition gets another leader, or none until its broker is back.

use std::env;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use freshet_embedded::{Kafka, free_port};
use rand::RngExt;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataPartition;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{choices, fill, finish, goes_on, times};
use crate::support::topic::{Record, write};
use crate::support::{Database, http, require_kafka, run_arguments, until};

const EVENT: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"1"}"#;

/// The controller, which stays, and two further brokers.
struct Cluster {
    // In the order in which they end.
    second: Kafka,
    third: Kafka,
    first: Kafka,
}

impl Cluster {
    /// That of this test program, started when first needed, one test at a time. None where there is no Kafka.
    fn lent() -> Result<Option<MutexGuard<'static, Cluster>>> {
        static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
        if require_kafka().is_none() {
            return Ok(None);
        }
        let started = || Cluster::start().map(Mutex::new).expect("three brokers");
        Ok(Some(CLUSTER.get_or_init(started).lock().map_err(|_| anyhow!("another test has failed with the brokers"))?))
    }

    fn start() -> Result<Cluster> {
        let first = Kafka::start(Path::new(&env::var_os("FRESHET_KAFKA_HOME").context("no Kafka")?))?;
        let (second, third) = thread::scope(|scope| {
            let second = scope.spawn(|| first.join(2));
            let third = first.join(3);
            (second.join(), third)
        });
        let second = second.map_err(|_| anyhow!("the start of a broker panicked"))??;
        Ok(Cluster { second, third: third?, first })
    }

    /// One that may die.
    fn broker(&mut self, id: i32) -> &mut Kafka {
        if id == 3 { &mut self.third } else { &mut self.second }
    }

    /// Something of each partition, by the first broker's word.
    fn partitions<T>(&self, topic: &str, of: impl Fn(&MetadataPartition) -> T) -> Result<Vec<T>> {
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", self.first.brokers()).create()?;
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
        let mut partitions: Vec<_> = metadata.topics().iter().flat_map(|topic| topic.partitions()).collect();
        partitions.sort_unstable_by_key(|partition| partition.id());
        Ok(partitions.into_iter().map(of).collect())
    }

    /// The broker that leads each partition now.
    fn leaders(&self, topic: &str) -> Result<Vec<i32>> {
        self.partitions(topic, MetadataPartition::leader)
    }
}

/// Where the tables stand in a partition.
fn consumed(database: &mut Database, partition: i32) -> Result<Option<i64>> {
    let query = "SELECT consumed FROM progress WHERE kafka_partition = $1";
    if database.partitions()? == 0 {
        return Ok(None);
    }
    Ok(database.client.query_opt(query, &[&partition])?.map(|row| row.get(0)))
}

#[test]
fn a_killed_leader_costs_and_doubles_no_record() -> Result<()> {
    let Some(mut cluster) = Cluster::lent()? else { return Ok(()) };
    let topic = "replicated";
    cluster.first.create_topic_on(topic, &[&[2, 3, 1], &[3, 2, 1], &[2, 1, 3], &[1, 2, 3]])?;
    let (filling, mut database) = (fill(&cluster.first, topic, choices().random())?, Database::create()?);
    let mut freshet = Freshet::start(&run_arguments(&cluster.first.brokers(), topic, &database))?;
    goes_on(&mut freshet, &mut database)?;
    for _ in 0..times(1, 20) {
        until("every broker has every record", || {
            Ok(cluster.partitions(topic, |it| it.isr().len())?.iter().all(|replicas| *replicas == 3))
        })?;
        let id = if cluster.leaders(topic)?.first() == Some(&3) { 3 } else { 2 };
        cluster.broker(id).kill()?;
        until("all have another leader", || {
            Ok(cluster.leaders(topic)?.iter().all(|leader| ![-1, id].contains(leader)))
        })?;
        let before = consumed(&mut database, 0)?;
        freshet.until("its partitions go on", TIMEOUT, || Ok(consumed(&mut database, 0)? > before))?;
        cluster.broker(id).restart()?;
        goes_on(&mut freshet, &mut database)?;
    }
    freshet.terminate()?.success()?;
    filling.kill()?;
    ensure!(database.rows_of("gaps")? == 0, "a gap was noted");
    finish(&cluster.first, topic, &mut database)
}

#[test]
fn offline_partitions_are_named_and_others_read() -> Result<()> {
    let Some(mut cluster) = Cluster::lent()? else { return Ok(()) };
    let (topic, mut database) = ("spread", Database::create()?);
    let brokers = cluster.first.brokers();
    cluster.first.create_topic_on(topic, &[&[1], &[2], &[3]])?;
    let records: Vec<_> = (0..3).flat_map(|partition| vec![Record::new(partition, EVENT); 10]).collect();
    let (arguments, page) = (run_arguments(&brokers, topic, &database), format!("127.0.0.1:{}", free_port()?));
    // Once with tables that do not know the partition yet, and once with such that do.
    for (others, all) in [(20, 30), (50, 60)] {
        write(&brokers, topic, &records)?;
        cluster.second.kill()?;
        if others > 20 {
            // The first time the cluster itself does not know yet that its broker is dead.
            until("it has no leader", || Ok(cluster.leaders(topic)?.get(1) == Some(&-1)))?;
            let to_end = Freshet::run(&format!("{arguments} --until-end"))?;
            to_end.refuses_with(1, &["without a leader", "end: 1"])?;
            // Where it ends, and so is to be read from, cannot be known.
            let from_end = run_arguments(&brokers, topic, &Database::create()?) + " --from latest";
            Freshet::run(&from_end)?.refuses_with(1, &["partition 1", "no leader"])?;
        }
        let mut freshet = Freshet::start(&format!("{arguments} --http {page}"))?;
        freshet.until_told("partitions without a leader are read once they have one: 1", TIMEOUT)?;
        freshet.until("the others are counted", TIMEOUT, || Ok(database.consumed()? == others))?;
        let metrics = http::get(&format!("http://{page}/metrics"))?.text;
        ensure!(metrics.contains("freshet_lag_records{partition=\"1\"} NaN"), "its lag is said to be known: {metrics}");
        cluster.second.restart()?;
        freshet.until("it is counted too", TIMEOUT, || Ok(database.consumed()? == all))?;
        freshet.terminate()?.success()?;
    }
    finish(&cluster.first, topic, &mut database)
}
