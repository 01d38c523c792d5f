//! A start: quick with many partitions, patient where it was told to be, and ended at once by a stop.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_embedded::{Kafka, Postgres, free_port};
use postgres::{Client, NoTls};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::times;
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka, run_arguments, unique};

const EVENT: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"1"}"#;

#[test]
fn three_hundred_partitions_start_within_seconds() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, database) = (new_topic(kafka, 300)?, Database::create()?);
    let records: Vec<Record> = (0..600).map(|at| Record::new(at % 300, EVENT)).collect();
    write(&kafka.brokers(), &topic, &records)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    let started = Instant::now();
    let mut freshet = Freshet::start(&arguments)?;
    freshet.until_told("reading 300 partitions", TIMEOUT)?;
    println!("a start with 300 partitions: {:.2} s", started.elapsed().as_secs_f64());
    // One round trip a partition took 138 s; the rest is for a machine that does other things.
    ensure!(started.elapsed() < Duration::from_secs(30), "a start took {:?}", started.elapsed());
    freshet.terminate()?.success()
}

#[test]
fn topic_created_a_moment_ago_is_waited_for() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    for _ in 0..times(1, 20) {
        let (topic, mut database) = (unique("later"), Database::create()?);
        let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
        kafka.create_topic(&topic, 2)?;
        freshet.until("it reads the topic", TIMEOUT, || Ok(database.partitions()? == 2))?;
        freshet.terminate()?.success()?;
    }
    Ok(())
}

#[test]
fn kafka_and_postgres_are_waited_for() -> Result<()> {
    if require_kafka().is_none() {
        return Ok(());
    }
    let home = std::env::var_os("FRESHET_KAFKA_HOME").context("FRESHET_KAFKA_HOME")?;
    let (mut kafka, mut server) = (Kafka::start(Path::new(&home))?, Postgres::start()?);
    let (topic, mut database) = (new_topic(&kafka, 2)?, Database::create_in(&server)?);
    kafka.stop()?;
    server.kill()?;
    let arguments = format!("{} --wait", run_arguments(&kafka.brokers(), &topic, &database));
    let mut freshet = Freshet::start(&arguments)?;
    freshet.until_told("no Kafka broker answers", TIMEOUT)?;
    kafka.restart()?;
    freshet.until_told("trying again until it works", TIMEOUT)?;
    server.restart()?;
    database.reconnect()?;
    freshet.until("it reads the topic", TIMEOUT, || Ok(database.partitions()? == 2))?;
    ensure!(freshet.times_told("trying again until it")? == 2, "not one line each:\n{}", freshet.errors()?);
    freshet.terminate()?.success()
}

/// Ends it, which must take no time: less than any wait for a server does.
fn must_stop_at_once(freshet: Freshet) -> Result<()> {
    let stopped = Instant::now();
    freshet.terminate()?.success()?;
    ensure!(stopped.elapsed() < Duration::from_secs(5), "a stop took {:?}", stopped.elapsed());
    Ok(())
}

#[test]
fn stop_while_starting_ends_at_once() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, nowhere) = (new_topic(kafka, 1)?, format!("127.0.0.1:{}", free_port()?));
    for _ in 0..times(1, 20) {
        let mut database = Database::create()?;
        // Kafka is away.
        let mut freshet = Freshet::start(&format!("{} --wait", run_arguments(&nowhere, &topic, &database)))?;
        freshet.until_told("no Kafka broker answers", TIMEOUT)?;
        must_stop_at_once(freshet)?;
        // The topic is.
        let mut freshet = Freshet::start(&format!("{} --wait", run_arguments(&kafka.brokers(), "none", &database)))?;
        freshet.until_told("waiting for topic", TIMEOUT)?;
        must_stop_at_once(freshet)?;
        // Postgres is.
        let away =
            format!("run --brokers {} --topic {topic} --database-url postgres://me@{nowhere}/x", kafka.brokers());
        let mut freshet = Freshet::start(&format!("{away} --wait"))?;
        freshet.until_told("trying again until it works", TIMEOUT)?;
        must_stop_at_once(freshet)?;
        // Behind a lock.
        let arguments = run_arguments(&kafka.brokers(), &topic, &database);
        Freshet::run(&format!("{arguments} --until-end"))?.success()?;
        let mut holder = Client::connect(&database.url, NoTls)?;
        let mut transaction = holder.transaction()?;
        transaction.batch_execute("LOCK TABLE progress, freshet_settings")?;
        let mut freshet = Freshet::start(&arguments)?;
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
            AND datname = current_database())";
        let waiting = || Ok(database.client.query_one(waits, &[])?.get(0));
        freshet.until("it waits for the lock", TIMEOUT, waiting)?;
        must_stop_at_once(freshet)?;
    }
    Ok(())
}
