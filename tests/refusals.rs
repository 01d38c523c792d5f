//! What `freshet run` refuses: each with its exit status and one sentence that names the remedy.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use freshet_embedded::{Kafka, Postgres, free_port};
use postgres::{Client, NoTls};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{finish, times};
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, postgres, require_kafka, run_arguments, unique, until};

const EVENT: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"1"}"#;

fn events(partition: i32, count: usize) -> Vec<Record> {
    vec![Record::new(partition, EVENT); count]
}

/// A topic of two partitions with 100 records each, and tables made of it.
fn built(kafka: &Kafka) -> Result<(String, Database)> {
    let topic = new_topic(kafka, 2)?;
    write(&kafka.brokers(), &topic, &[events(0, 100), events(1, 100)].concat())?;
    let database = Database::create()?;
    Freshet::run(&format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database)))?.success()?;
    Ok((topic, database))
}

#[test]
fn wrong_usage() -> Result<()> {
    let database = Database::create()?;
    let right = run_arguments("127.0.0.1:1", "events", &database);
    for (wrong, word) in [
        ("--no-such-flag", "--no-such-flag"),
        ("--workers 0", "workers"),
        ("--workers many", "workers"),
        ("--clock sundial", "clock"),
        ("--time-zone Mars/Olympus", "time-zone"),
        ("--from yesterday", "from"),
        ("--tick soon", "tick"),
        ("--countries /no/such/file", "cannot be read"),
        ("--countries Cargo.toml", "line 1: "),
        ("--stores /no/such/file", "it cannot be read"),
        ("--stores Cargo.toml", "line 1: the first line is store_id,name"),
        ("--reports /no/such/file.toml", "/no/such/file.toml: cannot be read"),
        ("--reports Cargo.toml", "there is no key"),
        ("-X nonsense", "name=value"),
        ("-X foo=bar", "librdkafka has no property 'foo'"),
        ("-X security.protocol=secret", "librdkafka does not take this value for security.protocol"),
        ("--time-zone Berlin", "did you mean Europe/Berlin?"),
        ("--views all,checkout", "all stands alone"),
    ] {
        let errors = Freshet::run(&format!("{right} {wrong}"))?.exits_with(2)?;
        ensure!(errors.contains(word), "{wrong}: {errors}");
    }
    for (url, words) in [
        ("localhost:no-port/x", "is no number"),
        ("localhost/x?foo=secret", "'foo'"),
        ("word@localhost/x", "@ as %40"),
        ("word?secret=1@localhost/x", "@ as %40"),
        ("localhost/x?connect_timeout=secret", "'connect_timeout'"),
    ] {
        let run = "run --topic events --brokers 127.0.0.1:1 --database-url";
        let errors = Freshet::run(&format!("{run} postgres://me:secret@{url}"))?.exits_with(2)?;
        ensure!(!errors.contains("secret"), "a secret is shown: {errors}");
        ensure!(errors.contains(words), "{words}: {errors}");
    }
    for secret in ["-X secret", "-X isolation.level=secret", "-X security.protocol=secret"] {
        let errors = Freshet::run(&format!("run --topic events --brokers 127.0.0.1:1 {secret}"))?.exits_with(2)?;
        ensure!(!errors.contains("secret"), "a secret is shown: {errors}");
    }
    Freshet::run("run --topic events")?.exits_with(2)?;
    Freshet::run("no-such-command")?.exits_with(2).map(drop)
}

/// As `$(cat file)` and env files leave them.
#[test]
fn white_space_around_a_variable_is_dropped() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka)?;
    let variables = [
        ("FRESHET_BROKERS", format!("{}\n", kafka.brokers())),
        ("FRESHET_TOPIC", format!("{topic}\n")),
        ("FRESHET_DATABASE_URL", format!("{}\n", database.url)),
        ("FRESHET_X", "client.id=me\nfetch.wait.max.ms=100\n".into()),
        ("FRESHET_WORKERS", " 2\n".into()),
        ("FRESHET_UNTIL_END", "true\n".into()),
        ("FRESHET_TIME_ZONE", "UTC\n".into()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, Path::new(value))).collect();
    write(&kafka.brokers(), &topic, &events(0, 10))?;
    Freshet::start_in(&variables, "run")?.wait(TIMEOUT)?.success()?;
    ensure!(database.consumed()? == 210, "{} records, not 210", database.consumed()?);
    let all = [("FRESHET_VIEWS", Path::new("ALL"))];
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::start_in(&all, &arguments)?.wait(TIMEOUT)?.refuses_with(6, &["--views", "not all"])
}

#[test]
fn a_password_that_is_missing() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (server, topic) = (Postgres::start()?, new_topic(kafka, 1)?);
    let mut admin = Client::connect(&server.url(), NoTls)?;
    fs::write(server.home().join("data/pg_hba.conf"), "local all all scram-sha-256\n")?;
    admin.batch_execute("SELECT pg_reload_conf()")?;
    until("it asks for passwords", || Ok(Client::connect(&server.url(), NoTls).is_err()))?;
    let arguments = format!("run --brokers {} --topic {topic} --database-url {}", kafka.brokers(), server.url());
    let nowhere = [("PGPASSFILE", Path::new("/no/such/file"))];
    Freshet::start_in(&nowhere, &arguments)?.wait(TIMEOUT)?.refuses_with(1, &["asks for a password", "PGPASSWORD"])
}

#[test]
fn a_batch_larger_than_librdkafka_takes() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 1)?, Database::create()?);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers()).set("compression.type", "zstd");
    config.set("message.max.bytes", "200000000");
    let producer: BaseProducer = config.create()?;
    // A few kilobytes for the broker, whose limit is 1 MiB.
    let value = format!(r#"{{"collection":"large","blanks":"{}"}}"#, " ".repeat(110_000_000));
    producer.send(BaseRecord::<(), _>::to(&topic).partition(0).payload(&value)).map_err(|(error, _)| error)?;
    producer.flush(TIMEOUT)?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    Freshet::run(&arguments)?.refuses_with(1, &[&topic, "receive.message.max.bytes"])?;
    Freshet::run(&format!("{arguments} -X receive.message.max.bytes=1000000000"))?.success()?;
    ensure!(database.consumed()? == 1, "{} records, not 1", database.consumed()?);
    Ok(())
}

/// The database would hold wrong texts, or refuse them in the middle of a topic.
#[test]
fn a_database_that_cannot_hold_every_text() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 1)?;
    for encoding in ["LATIN1", "LATIN9", "SQL_ASCII"] {
        let name = unique("tables_other");
        let locale = "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
        Client::connect(&postgres().url(), NoTls)?
            .batch_execute(&format!("CREATE DATABASE {name} ENCODING '{encoding}' {locale}"))?;
        let arguments = format!("run --brokers {} --topic {topic} --until-end", kafka.brokers());
        let url = postgres().url_of(&name);
        Freshet::run(&format!("{arguments} --database-url {url}"))?.refuses_with(1, &[encoding, "UTF8"])?;
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let tables: i64 = Client::connect(&url, NoTls)?.query_one(tables, &[])?.get(0);
        ensure!(tables == 0, "a refused start made {tables} tables");
    }
    Ok(())
}

#[test]
fn relations_of_somebody_else() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 1)?;
    for (other, name) in [
        ("CREATE TABLE dim_date (date_key int, full_date date)", "dim_date"),
        ("CREATE TABLE dim_country (country text PRIMARY KEY, country_name text, region text)", "dim_country"),
        ("CREATE TABLE progress (step int)", "progress"),
        ("CREATE VIEW report_day AS SELECT current_date AS day", "report_day"),
        ("CREATE TABLE freshet_settings (name text, value int)", "freshet_settings"),
        ("CREATE FUNCTION referrer_host(url text) RETURNS text LANGUAGE sql AS 'SELECT url'", "referrer_host"),
    ] {
        let mut database = Database::create()?;
        database.client.batch_execute(other)?;
        let arguments = run_arguments(&kafka.brokers(), &topic, &database);
        Freshet::run(&format!("{arguments} --until-end"))?.refuses_with(6, &[name, "not Freshet's"])?;
        let made =
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')";
        let made: i64 = database.client.query_one(made, &[])?.get(0);
        ensure!(made <= 1, "a refused start made {made} relations");
        if name == "dim_country" {
            ensure!(database.rows_of(name)? == 0, "somebody else's table was written");
        }
    }
    let (topic, mut database) = built(kafka)?;
    database.client.batch_execute("DROP TABLE dim_date CASCADE; CREATE TABLE dim_date (day text)")?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{arguments} --until-end"))?.refuses_with(6, &["dim_date"])?;
    ensure!(database.rows_of("dim_date")? == 0, "somebody else's table was written");
    Ok(())
}

#[test]
fn an_unreachable_broker() -> Result<()> {
    let database = Database::create()?;
    let brokers = format!("127.0.0.1:{}", free_port()?);
    Freshet::run(&run_arguments(&brokers, "events", &database))?.refuses_with(1, &[&brokers, "--brokers"])
}

#[test]
fn an_unreachable_database() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, port) = (new_topic(kafka, 1)?, free_port()?);
    let url = format!("postgres://me:secret@127.0.0.1:{port}/none");
    let arguments = format!("run --brokers {} --topic {topic} --database-url {url}", kafka.brokers());
    let errors = Freshet::run(&arguments)?.exits_with(1)?;
    ensure!(!errors.contains("secret"), "the password is shown: {errors}");
    Freshet::run(&arguments)?.refuses_with(1, &["--database-url"])
}

#[test]
fn an_unknown_topic() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let database = Database::create()?;
    Freshet::run(&run_arguments(&kafka.brokers(), "no-such-topic", &database))?
        .refuses_with(1, &["no-such-topic", "--topic"])
}

#[test]
fn a_database_user_without_rights() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 1)?;
    let mut database = Database::create()?;
    // Roles belong to the whole server; before Postgres 15 everybody may create tables in `public`.
    database.client.batch_execute("CREATE ROLE nobody_much LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")?;
    database.url = database.url.replace("postgres@", "nobody_much@");
    Freshet::run(&run_arguments(&kafka.brokers(), &topic, &database))?.refuses_with(1, &["permission"])
}

#[test]
fn tables_built_with_other_settings() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    for (other, word) in [
        ("--views all", "--views"),
        ("--views checkout", "--views"),
        ("--clock time-stamp", "--clock"),
        ("--time-zone Europe/Berlin", "--time-zone"),
        ("--user-agents extended", "--user-agents"),
        ("--referrers no-query", "--referrers full, not no-query"),
        ("--mask-emails", "--mask-emails false, not true"),
    ] {
        Freshet::run(&format!("{arguments} --until-end {other}"))?.refuses_with(6, &[word])?;
    }
    let mut file = NamedTempFile::new()?;
    for number in 0..1_000 {
        writeln!(file, "{number}.example.com, DE")?;
    }
    let countries = format!("--countries {}", file.path().display());
    Freshet::run(&format!("{arguments} --until-end {countries}"))?
        .refuses_with(6, &["--countries none, not of 1000"])?;
    let another = new_topic(kafka, 1)?;
    let arguments = run_arguments(&kafka.brokers(), &another, &database);
    Freshet::run(&format!("{arguments} --until-end"))?.refuses_with(6, &["--topic", &topic])?;
    ensure!(database.consumed()? == 200, "a refused start changed the tables");
    Ok(())
}

#[test]
fn tables_of_another_version() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut change = |change: &str| database.client.execute(&format!("UPDATE freshet_settings SET {change}"), &[]);
    for name in ["decode-version", "tables-version"] {
        let made_other = change(&format!("value = '1:' || value WHERE name = '{name}'"))?;
        ensure!(made_other == 1, "the tables do not say their {name}");
        for (arguments, advice) in [
            (format!("{arguments} --until-end"), "empty database"),
            (arguments.replacen("run", "verify", 1), "wrote them"),
        ] {
            Freshet::run(&arguments)?.refuses_with(6, &[&format!("{name} 1:"), advice])?;
        }
        change(&format!("value = substr(value, 3) WHERE name = '{name}'"))?;
    }
    // The tables of the first version, as a reader finds them.
    database.client.batch_execute("DROP TABLE dim_product CASCADE")?;
    let report = format!("report top-products --database-url {}", database.url);
    Freshet::run(&report)?.refuses_with(6, &["earlier version"])
}

#[test]
fn a_second_instance() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut first = Freshet::start(&arguments)?;
    write(&kafka.brokers(), &topic, &events(0, 10))?;
    first.until("the first is at work", TIMEOUT, || Ok(database.consumed()? == 210))?;
    for refused in 1..=times(1, 30) {
        Freshet::run(&arguments)?.refuses_with(3, &["instance"])?;
        write(&kafka.brokers(), &topic, &events(1, 10))?;
        first.until("the first goes on", TIMEOUT, || Ok(database.consumed()? == 210 + 10 * refused as i64))?;
    }
    first.terminate()?.success()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn an_instance_that_slept_through_its_ownership() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 30)).try_for_each(|_| sleep_through_the_ownership(kafka))
}

fn sleep_through_the_ownership(kafka: &Kafka) -> Result<()> {
    let (topic, mut database) = built(kafka)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut first = Freshet::start(&arguments)?;
    write(&kafka.brokers(), &topic, &events(0, 10))?;
    first.until("the first is at work", TIMEOUT, || Ok(database.consumed()? == 210))?;
    first.signal(Signal::STOP)?;
    write(&kafka.brokers(), &topic, &events(1, 10))?;
    // The second may be refused for as long as the first could still be alive.
    let mut second = Freshet::start(&arguments)?;
    let taken = |second: &mut Freshet, database: &mut Database| {
        second.until("the second takes over", Duration::from_secs(30), || Ok(database.consumed()? == 220))
    };
    while taken(&mut second, &mut database).is_err() {
        second.wait(TIMEOUT)?.exits_with(3)?;
        second = Freshet::start(&arguments)?;
    }
    first.signal(Signal::CONT)?;
    first.wait(TIMEOUT)?.refuses_with(4, &["own"])?;
    second.terminate()?.success()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn committed_offsets_that_are_gone() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 10)).try_for_each(|_| lose_offsets(kafka))
}

fn lose_offsets(kafka: &Kafka) -> Result<()> {
    let (topic, mut database) = built(kafka)?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    write(&kafka.brokers(), &topic, &events(0, 100))?;
    // What is counted may go; what is not yet may not.
    kafka.delete_records(&topic, 0, 100)?;
    kafka.delete_records(&topic, 1, 50)?;
    Freshet::run(&arguments)?.success()?;
    ensure!(database.consumed()? == 300, "{} records, not 300", database.consumed()?);
    write(&kafka.brokers(), &topic, &events(0, 100))?;
    kafka.delete_records(&topic, 0, 250)?;
    Freshet::run(&arguments)?.refuses_with(5, &["offset", &topic])?;
    // Unless it is told to live with it.
    Freshet::run(&format!("{arguments} --on-lost-offsets earliest"))?.success()?;
    ensure!(database.consumed()? == 350, "{} records, not 350", database.consumed()?);
    let gaps = database.client.query("SELECT kafka_partition, from_offset, to_offset FROM gaps", &[])?;
    let gaps: Vec<(i32, i64, i64)> = gaps.iter().map(|gap| (gap.get(0), gap.get(1), gap.get(2))).collect();
    ensure!(gaps == [(0, 200, 250)], "{gaps:?}");
    Freshet::run(&arguments)?.success()
}

#[test]
fn offsets_that_go_while_it_runs() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 10)).try_for_each(|_| be_overtaken(kafka))
}

/// Retention overtakes a run that sleeps: it ends, or goes on behind the gap if it was told to.
fn be_overtaken(kafka: &Kafka) -> Result<()> {
    let (topic, mut database) = built(kafka)?;
    // While it sleeps no answer may be on its way to it for long, as that would bring it the records that go.
    let arguments = format!("{} -X fetch.wait.max.ms=1", run_arguments(&kafka.brokers(), &topic, &database));
    let overtake = |freshet: &mut Freshet, database: &mut Database, begins: i64| {
        let before = database.consumed()?;
        write(&kafka.brokers(), &topic, &events(0, 10))?;
        freshet.until("it is at work", TIMEOUT, || Ok(database.consumed()? == before + 10))?;
        freshet.signal(Signal::STOP)?;
        write(&kafka.brokers(), &topic, &events(0, 200))?;
        kafka.delete_records(&topic, 0, begins)?;
        freshet.signal(Signal::CONT)
    };
    let mut freshet = Freshet::start(&arguments)?;
    overtake(&mut freshet, &mut database, 260)?;
    freshet.wait(TIMEOUT)?.refuses_with(5, &["offset", &topic])?;
    let mut freshet = Freshet::start(&format!("{arguments} --on-lost-offsets earliest"))?;
    freshet.until("it goes on behind the gap", TIMEOUT, || Ok(database.consumed()? == 260))?;
    overtake(&mut freshet, &mut database, 470)?;
    freshet.until("it goes on behind the next", TIMEOUT, || Ok(database.consumed()? == 320))?;
    freshet.terminate()?.success()?;
    let gaps = database.client.query("SELECT from_offset, to_offset FROM gaps ORDER BY from_offset", &[])?;
    let gaps: Vec<(i64, i64)> = gaps.iter().map(|gap| (gap.get(0), gap.get(1))).collect();
    ensure!(gaps == [(110, 260), (320, 470)], "{gaps:?}");
    Ok(())
}

#[test]
fn a_topic_that_was_created_anew() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 10)).try_for_each(|_| create_anew(kafka))
}

fn create_anew(kafka: &Kafka) -> Result<()> {
    let (topic, mut database) = built(kafka)?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    kafka.delete_topic(&topic)?;
    kafka.create_topic(&topic, 2)?;
    Freshet::run(&arguments)?.refuses_with(5, &["offset", &topic])?;
    // As long as before, but of other records: the offsets are there, and mean something else.
    let other = EVENT.replace(r#""1""#, r#""2""#);
    let records: Vec<Record> = (0..200).map(|at| Record::new(at % 2, other.as_bytes())).collect();
    write(&kafka.brokers(), &topic, &records)?;
    Freshet::run(&arguments)?.refuses_with(5, &[&topic])?;
    Freshet::run(&format!("{arguments} --on-lost-offsets earliest"))?.success()?;
    ensure!(database.consumed()? == 400, "{} records, not 400", database.consumed()?);
    Freshet::run(&arguments)?.success()
}

#[test]
fn a_database_that_goes_away_for_good() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka)?;
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    write(&kafka.brokers(), &topic, &events(0, 10))?;
    freshet.until("it is at work", TIMEOUT, || Ok(database.consumed()? == 210))?;
    // The tables' database refuses everybody from now on, as after a revoked password.
    let name = database.url.rsplit('/').next().unwrap_or_default().to_owned();
    let mut admin = postgres::Client::connect(&postgres().url(), postgres::NoTls)?;
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"))?;
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[&name])?;
    write(&kafka.brokers(), &topic, &events(1, 10))?;
    freshet.wait(TIMEOUT)?.refuses_with(1, &["database"])
}
