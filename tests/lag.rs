//! How far the tables are behind: exact also where offsets hold no record, and unknown where Kafka is dead.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_embedded::Kafka;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::instrumented::Instrumented;
use crate::support::load::times;
use crate::support::topic::{Record, offsets, open_transaction, write, write_transaction};
use crate::support::verdict::Rules;
use crate::support::{Database, new_topic, recompute, require_kafka, run_arguments};

const VIEW: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"85"}"#;

/// How soon a dead Kafka must be noticed.
const NOTICED: Duration = Duration::from_secs(10);

fn views(partition: i32, views: usize) -> Vec<Record> {
    vec![Record::new(partition, VIEW); views]
}

fn status(brokers: &str, database: &Database) -> Result<Value> {
    let arguments = format!("status --database-url {} --brokers {brokers} --format json", database.url);
    Ok(serde_json::from_str(&Freshet::prints(&arguments)?)?)
}

#[test]
fn an_emptied_transactional_topic_has_lost_nothing() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(2, 20)).try_for_each(|round| empty_transactional_topic(kafka, round % 2 == 0))
}

/// Reads a topic whose last offsets hold no record, has retention take all of it, and reads on.
fn empty_transactional_topic(kafka: &Kafka, ends_with_commit: bool) -> Result<()> {
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 1)?, Database::create()?);
    for commit in [true, !ends_with_commit, ends_with_commit] {
        write_transaction(&brokers, &topic, &format!("{topic}-{commit}"), &views(0, 5), commit)?;
    }
    let arguments = format!("{} --until-end", run_arguments(&brokers, &topic, &database));
    Freshet::run(&arguments)?.success()?;
    database.must_equal(&recompute(&brokers, &topic, Rules::default())?, &topic)?;
    let end = offsets(&brokers, &topic)?[&0].1;
    let next = |database: &mut Database| -> Result<i64> {
        Ok(database.client.query_one("SELECT next_offset FROM progress", &[])?.get(0))
    };
    ensure!(next(&mut database)? == end, "next_offset is {}, the end {end}", next(&mut database)?);
    ensure!(status(&brokers, &database)?["partitions"][0]["lag"] == 0, "{}", status(&brokers, &database)?);

    kafka.delete_records(&topic, 0, end)?;
    ensure!(offsets(&brokers, &topic)?[&0] == (end, end), "retention has left something");
    Freshet::run(&arguments)?.success()?;
    write(&brokers, &topic, &views(0, 3))?;
    Freshet::run(&format!("{arguments} --on-lost-offsets earliest"))?.success()?;
    let seen = (database.consumed()?, database.rows_of("gaps")?, next(&mut database)?);
    ensure!(seen == (13, 0, end + 3), "consumed, gaps, next offset: {seen:?}");
    Ok(())
}

#[test]
fn records_of_an_open_transaction_lag_apart() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 1)?, Database::create()?);
    let mut run = Instrumented::start(&run_arguments(&brokers, &topic, &database))?;
    let transaction = open_transaction(&brokers, &topic, &topic, &views(0, 3))?;
    write(&brokers, &topic, &views(0, 2))?;
    let uncommitted = "freshet_lag_uncommitted_records{partition=\"0\"}";
    let told = run.until(uncommitted, 5.0)?;
    for series in ["freshet_lag_records{partition=\"0\"}", "freshet_lag_seconds"] {
        ensure!(told.get(series)? == 0.0, "{series} is {}", told.get(series)?);
    }
    run.until_ready(200, "ready")?;
    transaction.end(true)?;
    // Behind the last record stands the transaction's marker, which is no lag.
    run.until(uncommitted, 0.0)?;
    run.until("freshet_lag_records{partition=\"0\"}", 0.0)?;
    run.freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == 5))?;
    run.freshet.terminate()?.success()
}

/// A Kafka that is dead in one way, and what brings it back.
type Death = (fn(&mut Kafka) -> Result<()>, fn(&mut Kafka) -> Result<()>);

fn send(kafka: &Kafka, signal: Signal) -> Result<()> {
    let process = i32::try_from(kafka.process().context("a Kafka that runs")?)?;
    Ok(kill_process(Pid::from_raw(process).context("a process")?, signal)?)
}

/// Stopped, its connections stay open; killed, they do not.
const DEATHS: [Death; 2] = [
    (|kafka| send(kafka, Signal::STOP), |kafka| send(kafka, Signal::CONT)),
    (|kafka| kafka.kill(), |kafka| kafka.restart()),
];

#[test]
fn a_dead_kafka_makes_the_lag_unknown() -> Result<()> {
    let Some(_) = require_kafka() else { return Ok(()) };
    // One of its own: the others' tests run meanwhile.
    let home = std::env::var_os("FRESHET_KAFKA_HOME").unwrap_or_default();
    let mut kafka = Kafka::start(Path::new(&home))?;
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(&kafka, 2)?, Database::create()?);
    let mut run = Instrumented::start(&run_arguments(&brokers, &topic, &database))?;
    let mut written = 0;
    for (die, revive) in DEATHS {
        write(&brokers, &topic, &[views(0, 2), views(1, 1)].concat())?;
        written += 3;
        run.freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == written))?;
        run.until("freshet_lag_seconds", 0.0)?;
        run.until_ready(200, "ready")?;
        ensure!(run.get("/api/status")?.json()?["behind"]["records"] == 0);

        die(&mut kafka)?;
        must_be_unknown(&mut run)?;
        revive(&mut kafka)?;
        run.until("freshet_lag_seconds", 0.0)?;
        run.until_ready(200, "ready")?;
    }
    kafka.kill()?;
    must_be_told_by_the_tables(&brokers, &database)?;
    run.freshet.terminate()?.success()
}

/// Within ten seconds nothing may say any more that the tables are behind nothing.
fn must_be_unknown(run: &mut Instrumented) -> Result<()> {
    let died = Instant::now();
    run.until_text("freshet_lag_seconds NaN")?;
    ensure!(died.elapsed() < NOTICED, "noticed after {:?}", died.elapsed());
    let told = run.metrics()?;
    for partition in 0..2 {
        for name in ["freshet_lag_records", "freshet_lag_uncommitted_records"] {
            ensure!(told.get(&format!("{name}{{partition=\"{partition}\"}}"))?.is_nan(), "{name}: {told:?}");
        }
    }
    ensure!(told.get("freshet_kafka_up")? == 0.0);
    let ready = run.get("/readyz")?;
    ensure!(ready.status == 503 && ready.text.contains("Kafka does not answer"), "{ready:?}");
    let page = run.get("/api/status")?.json()?;
    ensure!(page["behind"].is_null() && page["kafka_up"] == false, "{page}");
    Ok(())
}

/// What the tables know is printed, and that Kafka does not answer.
fn must_be_told_by_the_tables(brokers: &str, database: &Database) -> Result<()> {
    let told = status(brokers, database)?;
    let error = told["kafka_error"].as_str().unwrap_or_default();
    ensure!(error.contains("no Kafka broker answers"), "{told}");
    ensure!(told["partitions"][0]["lag"].is_null() && told["partitions"][0]["counted"] == 4, "{told}");
    let text = Freshet::prints(&format!("status --database-url {} --brokers {brokers}", database.url))?;
    ensure!(text.contains("lag: unknown; no Kafka broker answers") && text.contains("newest record: 20"), "{text}");
    Ok(())
}
