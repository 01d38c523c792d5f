//! What an operator looks at: the metrics, health, the consumer group, the log, the status.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, ensure};
use freshet::metrics::Metrics;
use freshet::{Model, serve};
use freshet_embedded::{Postgres, free_port};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::get;
use crate::support::instrumented::Instrumented;
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

const VIEW: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"85","store_id":6,
    "current_url":"https://www.example.de/","referrer_url":"https://g.co/"}"#;
const OTHER: &str = r#"{"collection":"checkout"}"#;

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A broker inside the test, with a topic of two partitions.
fn cluster() -> Result<(Cluster, String)> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("events", 2, 1)?;
    let brokers = cluster.bootstrap_servers();
    Ok((cluster, brokers))
}

fn events(partition: i32, values: &[&str]) -> Vec<Record> {
    values.iter().map(|value| Record::new(partition, value.as_bytes())).collect()
}

#[test]
fn the_metrics_say_what_happened() -> Result<()> {
    let ((_cluster, brokers), mut database) = (cluster()?, Database::create()?);
    write(&brokers, "events", &events(0, &[VIEW, VIEW, OTHER, "nonsense"]))?;
    let arguments = run_arguments(&brokers, "events", &database);
    let mut run = Instrumented::start(&arguments)?;
    run.until("freshet_records_total{outcome=\"counted\"}", 2.0)?;
    write(&brokers, "events", &events(1, &[VIEW, OTHER]))?;
    let told = run.until("freshet_records_total{outcome=\"counted\"}", 3.0)?;
    for (series, value) in [
        ("freshet_records_total{outcome=\"ignored\"}", 2.0),
        ("freshet_records_total{outcome=\"rejected\"}", 1.0),
        ("freshet_records_total{outcome=\"duplicate\"}", 0.0),
        ("freshet_rows_written_total{table=\"rejected_records\"}", 1.0),
        // By the first transaction, and by the one after it.
        ("freshet_rows_written_total{table=\"product_views_hourly\"}", 2.0),
        ("freshet_state_keys{table=\"product_views_hourly\"}", 1.0),
        (concat!("freshet_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
        ("freshet_owner", 1.0),
        ("freshet_postgres_up", 1.0),
        ("freshet_kafka_up", 1.0),
    ] {
        assert_eq!(told.get(series)?, value, "{series}");
    }
    let fresh = told.get("freshet_freshness_seconds_sum")? / told.get("freshet_freshness_seconds_count")?;
    ensure!(fresh > 0.0 && fresh < 60.0, "records were committed {fresh} s after they were written");
    ensure!(told.get("freshet_commit_seconds_count")? >= 2.0);
    ensure!(told.get("process_resident_memory_bytes")? > 1e6 && told.get("process_open_fds")? > 3.0);
    run.until("freshet_lag_records{partition=\"1\"}", 0.0)?;
    run.until("freshet_lag_seconds", 0.0)?;
    run.until("freshet_epochs_in_flight", 0.0)?;
    run.freshet.terminate()?.success()?;

    // Another run counts from nothing, but holds what the tables hold.
    let mut run = Instrumented::start(&arguments)?;
    let told = run.until("freshet_owner", 1.0)?;
    assert_eq!(told.get("freshet_records_total{outcome=\"counted\"}")?, 0.0);
    for (name, _) in told.samples.iter().filter(|(name, _)| name.starts_with("freshet_state_keys")) {
        let table = name.split('"').nth(1).context("a table")?;
        run.until(name, database.rows_of(table)? as f64)?;
    }
    Ok(())
}

#[test]
fn a_run_is_ready_when_it_is_reliable() -> Result<()> {
    let mut server = Postgres::start_with(&[("fsync", "off")])?;
    let ((_cluster, brokers), mut database) = (cluster()?, Database::create_in(&server)?);
    write(&brokers, "events", &events(0, &[VIEW]))?;
    let arguments = format!("{} --ready-lag 500ms", run_arguments(&brokers, "events", &database));
    let mut run = Instrumented::start(&arguments)?;
    run.until_ready(200, "ready")?;

    // What nobody can write is behind, and said to be.
    let mut lock = database.client.transaction()?;
    lock.batch_execute("LOCK TABLE progress IN SHARE MODE")?;
    write(&brokers, "events", &events(0, &[VIEW, VIEW]))?;
    run.until_ready(503, "behind")?;
    lock.rollback()?;
    run.until_ready(200, "ready")?;

    let mut spare = Instrumented::start(&format!("{arguments} --standby"))?;
    spare.until_ready(503, "another instance owns the tables")?;
    assert_eq!(spare.get("/healthz")?.status, 200);
    assert_eq!(spare.metrics()?.get("freshet_owner")?, 0.0);

    server.stop()?;
    run.until_ready(503, "Postgres is away")?;
    assert_eq!(run.metrics()?.get("freshet_postgres_up")?, 0.0);
    assert_eq!(run.get("/healthz")?.status, 200);
    server.restart()?;
    run.until_ready(200, "ready")?;
    run.freshet.kill()?;
    spare.until_ready(200, "ready")
}

#[test]
fn the_consumer_group_gets_committed_offsets() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 2)?, Database::create()?);
    write(&kafka.brokers(), &topic, &[events(0, &[VIEW, OTHER, "x"]), events(1, &[VIEW])].concat())?;
    let arguments = format!("{} --group shops", run_arguments(&kafka.brokers(), &topic, &database));
    // Also while it runs, not only at the end.
    let mut run = Freshet::start(&arguments)?;
    let mut told = |offsets: [i64; 2]| {
        run.until(&format!("the group stands at {offsets:?}"), TIMEOUT, || {
            // A broker whose first group this is has nobody yet who answers for it.
            Ok(committed(&kafka.brokers(), &topic).is_ok_and(|found| found == offsets.map(Offset::Offset)))
        })
    };
    told([3, 1])?;
    write(&kafka.brokers(), &topic, &events(1, &[VIEW, VIEW]))?;
    told([3, 3])?;
    write(&kafka.brokers(), &topic, &events(0, &[VIEW]))?;
    run.until("all is counted", TIMEOUT, || Ok(database.consumed()? == 7))?;
    run.terminate()?.success()?;
    assert_eq!(committed(&kafka.brokers(), &topic)?, [4, 3].map(Offset::Offset));
    Ok(())
}

/// Where the group stands.
fn committed(brokers: &str, topic: &str) -> Result<Vec<Offset>> {
    let mut config = ClientConfig::new();
    let client: BaseConsumer = config.set("bootstrap.servers", brokers).set("group.id", "shops").create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, 1);
    let offsets = client.committed_offsets(list, TIMEOUT)?;
    Ok(offsets.elements().iter().map(|partition| partition.offset()).collect())
}

#[test]
fn a_forbidden_consumer_group_is_no_trouble() -> Result<()> {
    let ((cluster, brokers), mut database) = (cluster()?, Database::create()?);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[denied; 50]);
    write(&brokers, "events", &events(0, &[VIEW]))?;
    let mut run = Freshet::start(&run_arguments(&brokers, "events", &database))?;
    run.until_told("cannot be committed to the consumer group", TIMEOUT)?;
    write(&brokers, "events", &events(0, &[VIEW]))?;
    run.until("it goes on", TIMEOUT, || Ok(database.consumed()? == 2))?;
    let errors = run.terminate()?.exits_with(0)?;
    assert_eq!(errors.matches("cannot be committed to the consumer group").count(), 1, "{errors}");
    Ok(())
}

#[test]
fn the_log_can_be_json() -> Result<()> {
    let ((_cluster, brokers), database) = (cluster()?, Database::create()?);
    let arguments = format!("{} --until-end --log-format json", run_arguments(&brokers, "events", &database));
    let good = Freshet::run(&arguments)?.exits_with(0)?;
    let bad = Freshet::run(&arguments.replace("--topic events", "--topic none"))?.exits_with(1)?;
    for line in good.lines().chain(bad.lines()) {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(["timestamp", "level", "message"].iter().all(|name| line[name].is_string()), "{line}");
    }
    let last: Value = serde_json::from_str(bad.lines().last().context("a last line")?)?;
    ensure!(last["level"] == "ERROR" && last["message"].to_string().contains("none"), "{last}");
    ensure!(good.lines().count() >= 2, "{good}");
    Ok(())
}

#[test]
fn the_status_says_how_the_tables_are() -> Result<()> {
    let ((_cluster, brokers), database) = (cluster()?, Database::create()?);
    write(&brokers, "events", &events(0, &[VIEW, OTHER, "nonsense"]))?;
    Freshet::run(&format!("{} --until-end", run_arguments(&brokers, "events", &database)))?.success()?;
    write(&brokers, "events", &events(1, &[VIEW, VIEW]))?;
    let arguments = format!("status --database-url {} --brokers {brokers}", database.url);
    let status: Value = serde_json::from_str(&Freshet::prints(&format!("{arguments} --format json"))?)?;
    assert_eq!((&status["topic"], &status["owner"]["instance"]), (&"events".into(), &Value::Null));
    for (partition, next, counted, lag) in [(0, 3, 1, 0), (1, 0, 0, 2)] {
        let told = &status["partitions"][partition];
        let expected = [next, counted, lag].map(Value::from);
        assert_eq!(["next_offset", "counted", "lag"].map(|name| told[name].clone()), expected, "{told}");
    }
    let age = status["newest_record_age_seconds"].as_f64().context("an age")?;
    ensure!((0.0..60.0).contains(&age), "{age}");
    let tables = status["tables"].as_array().context("tables")?;
    ensure!(tables.len() >= 9 && tables.iter().all(|table| table["bytes"].as_i64() > Some(0)), "{tables:?}");

    let run = Freshet::start(&run_arguments(&brokers, "events", &database))?;
    let (begun, mut text) = (Instant::now(), String::new());
    while !(text.contains("last heartbeat") && text.contains("lag: 0 offsets")) {
        ensure!(begun.elapsed() < TIMEOUT, "{text}");
        text = Freshet::prints(&arguments)?;
    }
    run.terminate()?.success()?;
    let other = format!("status --database-url {} --topic another", database.url);
    Freshet::run(&other)?.refuses_with(6, &["events", "--topic"])
}

#[test]
fn completions_and_manual_hold_no_secrets() -> Result<()> {
    for (arguments, words) in [
        ("completions bash", "--database-url"),
        ("completions zsh", "--database-url"),
        ("completions fish", "database-url"),
        ("man", "freshet\\-run"),
        ("man run", "\\-\\-database\\-url"),
        ("man run", ".SH ENVIRONMENT"),
        ("man run", ".SH \"EXIT STATUS\""),
        ("man run", ".SH EXAMPLES"),
        ("man report top-products", "\\-\\-day"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
            .args(arguments.split(' '))
            .env("FRESHET_DATABASE_URL", "postgres://me:hush-hush@localhost/freshet")
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success() && text.contains(words), "{arguments}: {text}");
        ensure!(!text.contains("hush-hush"), "{arguments} tells a secret");
    }
    Freshet::run("man bench-drain")?.refuses_with(1, &["bench-drain", "--help"])
}

/// As a run inside of another program begins again, behind a rebuild or a forget.
#[test]
fn an_address_can_be_had_again_at_once() -> Result<()> {
    let (database, port) = (Database::create()?, free_port()?);
    for _ in 0..20 {
        let settings = serve::Settings {
            page: Some(format!("127.0.0.1:{port}").parse().map_err(Error::msg)?),
            ops: None,
            allowed_hosts: Vec::new(),
            frame_ancestors: Vec::new(),
            access: serve::Access::Open,
        };
        let instruments = serve::OpsState { metrics: Metrics::new()?, ready_lag: Duration::from_secs(60) };
        let _server = serve::Server::start(&settings, &database.url.parse()?, &Model::builtin(), instruments)?;
        assert_eq!(get(&format!("http://127.0.0.1:{port}/healthz"))?.status, 200);
    }
    Ok(())
}
