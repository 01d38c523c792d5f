//! What holds while there is more to do than can be done: snapshots are whole, and memory is bounded.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use freshet_embedded::{Kafka, Postgres};
use postgres::IsolationLevel;
use rand::distr::Alphanumeric;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::instrumented::Instrumented;
use crate::support::load::{finish, times};
use crate::support::oracle::broken_quick_rules;
use crate::support::proxy::Proxy;
use crate::support::topic::{Record, write};
use crate::support::verdict::Rules;
use crate::support::{Database, new_topic, postgres, recompute, require_kafka, run_arguments};

#[test]
fn readers_see_all_tables_at_the_same_offsets() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    // Each time from small tables on, which are looked through quickly.
    (0..times(1, 500)).try_for_each(|_| read_snapshots(kafka))
}

fn read_snapshots(kafka: &Kafka) -> Result<()> {
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create()?);
    let to = format!("--brokers {} --topic {topic}", kafka.brokers());
    let filling = Freshet::start(&format!("generate {to} --rate 5000 --seed 1 --hostile 0.02"))?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut freshet = Freshet::start(&format!("{arguments} --workers 2 --tick 1ms"))?;
    freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > 0))?;
    let (mut snapshots, mut moments, mut last) = (0, 0, 0);
    let begin = Instant::now();
    // Many snapshots of few moments would show little.
    while snapshots < 200 || moments < 30 {
        let snapshot = database.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let mut snapshot = snapshot.read_only(true).start()?;
        let consumed: i64 = snapshot.query_one("SELECT sum(consumed)::bigint FROM progress", &[])?.get(0);
        let broken = broken_quick_rules(&mut snapshot)?;
        ensure!(broken.is_empty(), "torn at {consumed} records: {}", broken.join("\n"));
        snapshot.commit()?;
        snapshots += 1;
        moments += u32::from(consumed > last);
        last = consumed;
        ensure!(moments >= 30 || begin.elapsed() < TIMEOUT, "the tables stood still: {moments} moments");
    }
    println!("{snapshots} snapshots of {moments} moments, {last} records in");
    filling.kill()?;
    freshet.terminate()?.success()?;
    finish(kafka, &topic, &mut database)
}

/// Counts a topic to its end, with every commit delayed, and tells the most memory that took.
fn peak_memory(brokers: &str, topic: &str, records: i64, delay: Duration) -> Result<u64> {
    let mut database = Database::create()?;
    let proxy = Proxy::start(postgres())?;
    proxy.delay(delay);
    database.url = proxy.url(&database.url);
    let mut freshet = Freshet::start(&format!("{} --workers 2", run_arguments(brokers, topic, &database)))?;
    freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == records))?;
    let peak = freshet.peak_memory()?;
    freshet.terminate()?.success()?;
    Ok(peak)
}

#[test]
fn a_slow_postgres_costs_no_memory() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let records = times(200_000, 2_000_000) as i64;
    let topic = new_topic(kafka, 4)?;
    let to = format!("--brokers {} --topic {topic}", kafka.brokers());
    Freshet::run(&format!("generate {to} --events {records} --seed 1"))?.success()?;
    let quick = peak_memory(&kafka.brokers(), &topic, records, Duration::ZERO)?;
    let slow = peak_memory(&kafka.brokers(), &topic, records, Duration::from_secs(2))?;
    println!("{} MiB, and {} MiB with commits that take two seconds", quick >> 20, slow >> 20);
    ensure!(slow < quick + (128 << 20), "{} MiB, not {} MiB as with a quick Postgres", slow >> 20, quick >> 20);
    Ok(())
}

#[test]
fn long_collection_names_cost_no_memory() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 1)?, Database::create()?);
    let mut random = StdRng::seed_from_u64(1);
    // Does not compress: what is fetched at once is bounded as it is sent, not as it is unpacked.
    let name: String = (0..900_000).map(|_| char::from(random.sample(Alphanumeric))).collect();
    let (names, mut written) = (times(500, 4_000) as usize, 0);
    while written < names {
        let next = names.min(written + 50);
        let record = |at: usize| Record::new(0, format!(r#"{{"collection":"{at}-{name}"}}"#));
        write(&brokers, &topic, &(written..next).map(record).collect::<Vec<_>>())?;
        written = next;
    }
    let mut freshet = Freshet::start(&run_arguments(&brokers, &topic, &database))?;
    freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == names as i64))?;
    let peak = freshet.peak_memory()?;
    freshet.terminate()?.success()?;
    println!("{} MiB for {names} names of 900 kB", peak >> 20);
    ensure!(peak < 350 << 20, "{peak} bytes of memory");
    Ok(())
}

#[test]
fn payloads_beyond_a_statement_are_kept() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 16)?, Database::create()?);
    // Without an end, so not JSON; and of random letters, so that none of it is compressed away.
    let mut random = StdRng::seed_from_u64(1);
    let text: String = (0..900_000).map(|_| char::from(random.sample(Alphanumeric))).collect();
    let (records, mut written) = (times(160, 2_560) as i32, 0);
    while written < records {
        let record = |at: i32| Record::new(at % 16, format!(r#"{{"collection":"{at}-{text}"#));
        write(&brokers, &topic, &(written..written + 40).map(record).collect::<Vec<_>>())?;
        written += 40;
    }
    let arguments = run_arguments(&brokers, &topic, &database);
    let mut freshet = Freshet::start(&format!("{arguments} --workers 16 --keep-rejected-payload"))?;
    freshet.until("all is rejected", TIMEOUT, || Ok(database.consumed()? == i64::from(records)))?;
    let peak = freshet.peak_memory()?;
    freshet.terminate()?.success()?;
    println!("{} MiB for {records} payloads of 900 kB", peak >> 20);
    let bytes = database.number("SELECT sum(octet_length(payload))::bigint FROM rejected_records")?;
    ensure!(bytes > i64::from(records) * 900_000, "{bytes} bytes of payload");
    ensure!(peak < 3 << 29, "{peak} bytes of memory");
    Ok(())
}

#[test]
fn long_referrers_cost_no_memory() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 1)?, Database::create()?);
    let event = |referrer: &str| {
        let members = r#""collection":"view_product_detail","local_time":"2020-06-04 08:15:27""#;
        Record::new(0, format!(r#"{{{members},"referrer_url":"{referrer}"}}"#))
    };
    let (records, long) = (times(4_000, 40_000), "q".repeat(65_000));
    for from in (0..records).step_by(500) {
        let referrer =
            |at: u64| if at.is_multiple_of(2) { format!("https://a.de/?{at}{long}") } else { format!("{at}{long}") };
        let next = (from..records.min(from + 500)).map(|at| event(&referrer(at)));
        write(&brokers, &topic, &next.collect::<Vec<_>>())?;
    }
    let mut freshet = Freshet::start(&run_arguments(&brokers, &topic, &database))?;
    freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == records as i64))?;
    let peak = freshet.peak_memory()?;
    freshet.terminate()?.success()?;
    println!("{} MiB for {records} referrers of 65 kB", peak >> 20);
    ensure!(database.rows_of("referrer_views_daily")? == 1, "what is too long is kept");
    ensure!(peak < 350 << 20, "{peak} bytes of memory");
    database.must_equal(&recompute(&brokers, &topic, Rules::default())?, &topic)
}

#[test]
fn a_run_ends_before_memory_does() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 1)?, Database::create()?);
    let path = "x".repeat(2_000);
    let event = |at: u64| {
        let members = r#""collection":"view_product_detail","local_time":"2020-06-04 08:15:27""#;
        Record::new(0, format!(r#"{{{members},"referrer_url":"https://a.de/{at}/{path}"}}"#))
    };
    let records = times(60_000, 600_000);
    for from in (0..records).step_by(5_000) {
        write(&brokers, &topic, &(from..records.min(from + 5_000)).map(event).collect::<Vec<_>>())?;
    }
    let arguments = run_arguments(&brokers, &topic, &database);
    let said = Freshet::run(&format!("{arguments} --until-end --memory-limit 150MiB"))?.exits_with(7)?;
    ensure!(said.contains("at the limit the run ends") && said.contains("more than --memory-limit 150"), "{said}");
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    database.must_equal(&recompute(&brokers, &topic, Rules::default())?, &topic)?;
    // With a bound of the members the same records fit.
    let bounded = run_arguments(&brokers, &topic, &Database::create()?);
    Freshet::run(&format!("{bounded} --until-end --memory-limit 320MiB --max-members 5000"))?.success()
}

#[test]
fn a_full_epoch_still_hears_kafka() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut server = Postgres::start_with(&[("fsync", "off")])?;
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 256)?, Database::create_in(&server)?);
    let event = |members: &str| {
        Record::new(0, format!(r#"{{"collection":"view_product_detail","local_time":"2020-06-04 08:15:27"{members}}}"#))
    };
    let mut run = Instrumented::start(&run_arguments(&brokers, &topic, &database))?;
    run.until_ready(200, "ready")?;
    server.stop()?;
    run.until_ready(503, "Postgres is away")?;
    // More than an epoch holds, and less than that and what librdkafka has fetched.
    let path = "x".repeat(2_000);
    let long = |at: i32| event(&format!(r#","referrer_url":"https://a.de/{at}/{path}""#));
    write(&brokers, &topic, &(0..40_000).map(long).collect::<Vec<_>>())?;
    // Kafka says once a second where the partition ends. What was heard before the epoch was full would be unknown by now.
    let (rounds, mut held) = (times(12, 300) as i32, 0);
    for more in 1..=rounds {
        write(&brokers, &topic, &[event("")])?;
        run.until("freshet_lag_records{partition=\"0\"}", f64::from(40_000 + more))?;
        held = if more == 6 { run.freshet.peak_memory()? } else { held };
    }
    let grown = run.freshet.peak_memory()? - held;
    println!("{} MiB, and {grown} bytes more {} seconds later", held >> 20, rounds - 6);
    ensure!(grown < 16 << 20, "{grown} bytes more while nothing could be written");
    server.restart()?;
    database.reconnect()?;
    run.freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == i64::from(40_000 + rounds)))?;
    run.freshet.terminate()?.success()?;
    database.must_equal(&recompute(&brokers, &topic, Rules::default())?, &topic)
}

#[test]
fn large_records_and_many_partitions_cost_no_memory() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), new_topic(kafka, 256)?);
    let event = |product: i32, filler: usize| {
        let filler = "x".repeat(filler);
        let members = r#""collection":"view_product_detail","local_time":"2020-06-04 08:15:27""#;
        format!(r#"{{{members},"product_id":"{product}","option":"{filler}"}}"#)
    };
    // As large as a broker takes by default: 1 MiB with the record's header.
    let large = (0..256).map(|at| Record::new(at, event(at, 1_000_000)));
    let small = (0..25_600).map(|at| Record::new(at % 256, event(at % 700, 100)));
    write(&brokers, &topic, &large.chain(small).collect::<Vec<_>>())?;
    let mut database = Database::create()?;
    let mut freshet = Freshet::start(&format!("{} --workers 2", run_arguments(&brokers, &topic, &database)))?;
    freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == 25_856))?;
    let peak = freshet.peak_memory()?;
    freshet.terminate()?.success()?;
    database.must_equal(&recompute(&brokers, &topic, Rules::default())?, &topic)?;
    println!("{} MiB for 256 partitions with records of 1 MB", peak >> 20);
    ensure!(peak < 512 << 20, "{peak} bytes of memory");
    Ok(())
}
