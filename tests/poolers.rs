//! Few sessions. Poolers between Freshet and Postgres: what reads works through each, and harms nobody; what writes
//! needs a session. Roles that get few: the writer comes first.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use freshet_embedded::{Kafka, PgBouncer, PoolMode, free_port};
use postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::get;
use crate::support::load::times;
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, postgres, require_kafka, require_pgbouncer, run_arguments, unique};

const EVENT: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"1"}"#;

/// A topic of one partition with 100 records.
fn topic(kafka: &Kafka) -> Result<String> {
    let topic = new_topic(kafka, 1)?;
    write(&kafka.brokers(), &topic, &vec![Record::new(0, EVENT); 100])?;
    Ok(topic)
}

/// The database behind a pooler.
fn pooled(database: &Database, pooler: &PgBouncer) -> String {
    pooler.url_of(database.url.rsplit('/').next().unwrap_or_default())
}

/// What another program finds in a session that was lent before: its settings, and what lies about in it.
fn traces(url: &str) -> Result<Vec<String>> {
    let query = "SELECT name || '=' || setting FROM pg_settings WHERE source = 'session'
            AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')
        UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements
        UNION ALL SELECT 'listens to ' || channel FROM pg_listening_channels() AS channel
        UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    let rows = Client::connect(url, NoTls)?.simple_query(query)?;
    let texts = rows.iter().filter_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(texts.collect())
}

#[test]
fn readers_leave_nothing_in_a_shared_session() -> Result<()> {
    let Some(kafka) = require_kafka().filter(|_| require_pgbouncer()) else { return Ok(()) };
    let (topic, mut database) = (topic(kafka)?, Database::create()?);
    Freshet::run(&format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database)))?.success()?;
    database.client.batch_execute("CREATE TABLE orders (id int)")?;
    // One session for all, and a client that was given a statement by another would find it there.
    let pooler = PgBouncer::start(postgres(), PoolMode::Transaction, 1)?;
    let url = pooled(&database, &pooler);
    let with_topic = format!("--brokers {} --topic {topic} --database-url {url}", kafka.brokers());
    for round in 1..=times(2, 20) {
        for reader in [
            format!("report top-products --day 2020-06-04 --database-url {url}"),
            format!("report product-hours --product 1 --database-url {url}"),
            format!("status --database-url {url}"),
            format!("verify {with_topic}"),
            format!("explain product_views_hourly --day 2020-06-04 --product 1 {with_topic}"),
        ] {
            Freshet::run(&reader)?.success()?;
            let traces = traces(&url)?;
            ensure!(traces.is_empty(), "{reader} leaves behind: {}", traces.join(", "));
            Client::connect(&url, NoTls)?.batch_execute("INSERT INTO orders VALUES (1)").context(reader)?;
        }
        ensure!(database.rows_of("orders")? == 5 * round as i64, "another program's inserts are lost");
    }
    Ok(())
}

#[test]
fn run_refuses_a_pool_of_transactions() -> Result<()> {
    let Some(kafka) = require_kafka().filter(|_| require_pgbouncer()) else { return Ok(()) };
    let topic = topic(kafka)?;
    for sessions in [1, 2, 20] {
        let mut database = Database::create()?;
        let pooler = PgBouncer::start(postgres(), PoolMode::Transaction, sessions)?;
        let url = pooled(&database, &pooler);
        for _ in 0..times(2, 20) {
            let arguments = format!("run --brokers {} --topic {topic} --http 127.0.0.1:0", kafka.brokers());
            Freshet::run(&format!("{arguments} --until-end --database-url {url}"))?
                .refuses_with(1, &["transaction", "pool_mode=session"])?;
            let traces = traces(&url)?;
            ensure!(traces.is_empty(), "it leaves behind: {}", traces.join(", "));
        }
        ensure!(database.consumed()? == 0 && database.partitions()? == 0, "a refused start wrote something");
    }
    Ok(())
}

#[test]
fn run_works_through_a_pool_of_sessions() -> Result<()> {
    let Some(kafka) = require_kafka().filter(|_| require_pgbouncer()) else { return Ok(()) };
    let (topic, mut database) = (topic(kafka)?, Database::create()?);
    let pooler = PgBouncer::start(postgres(), PoolMode::Session, 10)?;
    let arguments = format!("run --brokers {} --topic {topic} --until-end", kafka.brokers());
    for run in 1..=times(2, 20) {
        Freshet::run(&format!("{arguments} --database-url {}", pooled(&database, &pooler)))?.success()?;
        ensure!(database.consumed()? == 100 * run as i64, "{} records", database.consumed()?);
        write(&kafka.brokers(), &topic, &vec![Record::new(0, EVENT); 100])?;
    }
    Ok(())
}

/// A database of a role that may have so many sessions.
fn limited(limit: usize) -> Result<(Database, String)> {
    let (mut database, role) = (Database::create()?, unique("frugal"));
    let name = database.url.rsplit('/').next().unwrap_or_default();
    let make = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}; ALTER DATABASE {name} OWNER TO {role}");
    database.client.batch_execute(&make)?;
    database.url = database.url.replace("postgres@", &format!("{role}@"));
    Ok((database, role))
}

#[test]
fn the_writer_gets_its_session_back_first() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, (mut database, role)) = (topic(kafka)?, limited(3)?);
    let page = format!("127.0.0.1:{}", free_port()?);
    let arguments = format!("{} --http {page}", run_arguments(&kafka.brokers(), &topic, &database));
    let mut freshet = Freshet::start(&arguments)?;
    freshet.until("the page is there", TIMEOUT, || Ok(get(&format!("http://{page}/healthz")).is_ok()))?;
    let (mut records, is_over) = (100, AtomicBool::new(false));
    let outcome = std::thread::scope(|scope| {
        // Who looks takes every session that there is.
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = get(&format!("http://{page}/api/days"));
                }
            });
        }
        let outcome = (0..times(3, 20)).try_for_each(|_| {
            freshet.until("it goes on", TIMEOUT, || Ok(database.consumed()? == records))?;
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
            database.client.execute(end, &[&role])?;
            write(&kafka.brokers(), &topic, &vec![Record::new(0, EVENT); 10])?;
            records += 10;
            Ok::<_, anyhow::Error>(())
        });
        let last = outcome.and_then(|()| freshet.until("it goes on", TIMEOUT, || Ok(database.consumed()? == records)));
        is_over.store(true, Ordering::Relaxed);
        last
    });
    outcome?;
    freshet.terminate()?.success()
}

#[test]
fn a_start_waits_for_a_session() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, (mut database, _)) = (topic(kafka)?, limited(3)?);
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let others = [(); 3].map(|()| Client::connect(&database.url, NoTls));
    let words = "waiting until Postgres has a session";
    let mut stopped = Freshet::start(&arguments)?;
    stopped.until_told(words, TIMEOUT)?;
    stopped.terminate()?.success()?;
    let mut freshet = Freshet::start(&arguments)?;
    freshet.until_told(words, TIMEOUT)?;
    drop(others);
    freshet.until("it counts", TIMEOUT, || Ok(database.consumed()? == 100))?;
    ensure!(freshet.times_told(words)? == 1, "it says more than once that it waits");
    freshet.terminate()?.success()
}
