//! From Kafka to the tables, compared to the row with the independent recomputation.

use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use freshet_embedded::{Kafka, Postgres};
use rdkafka::mocking::MockCluster;
use tempfile::NamedTempFile;

use crate::support::cases::{WRITTEN, cases};
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::times;
use crate::support::oracle::Oracle;
use crate::support::topic::{Record, offsets, read, read_from, write, write_transaction};
use crate::support::verdict::{Clock, Rules, Views};
use crate::support::{Database, new_topic, recompute, require_kafka, run_and_compare, run_arguments};

const SEED: u64 = 20_200_604;

/// 200,000 generated events, 2 % of them hostile, written once for all tests here.
fn generated(kafka: &Kafka) -> Result<&'static str> {
    static TOPIC: OnceLock<Result<String, String>> = OnceLock::new();
    let topic = TOPIC.get_or_init(|| generate(kafka).map_err(|error| format!("{error:#}")));
    topic.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn generate(kafka: &Kafka) -> Result<String> {
    let topic = new_topic(kafka, 4)?;
    println!("events generated with --seed {SEED}");
    let to = format!("--brokers {} --topic {topic} --partitions 4", kafka.brokers());
    Freshet::run(&format!("generate {to} --events 200000 --seed {SEED} --hostile 0.02"))?.success()?;
    Ok(topic)
}

/// All cases of the contract, in turn over the partitions.
fn case_records(partitions: i32) -> Vec<Record> {
    let record = |(partition, (value, _))| Record { partition, timestamp: Some(WRITTEN), value };
    (0..partitions).cycle().zip(cases()).map(record).collect()
}

fn views_of(count: i32, product: &str) -> Vec<Record> {
    let event = |minute| {
        format!(
            r#"{{"collection":"view_product_detail","local_time":"2020-06-04 8:{minute:02}:00","product_id":"{product}"}}"#
        )
    };
    (0..count).map(|at| Record::new(at % 2, event(at % 60))).collect()
}

fn with_generated(further: &[&str], rules: Rules) -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), generated(kafka)?);
    let oracle = recompute(&brokers, topic, rules)?;
    for flags in further {
        run_and_compare(&brokers, topic, flags, &oracle).with_context(|| format!("with {flags}"))?;
    }
    Ok(())
}

#[test]
fn generated_events_are_hostile_enough() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let oracle = recompute(&kafka.brokers(), generated(kafka)?, Rules { views: Views::All, ..Rules::default() })?;
    ensure!(oracle.records() == 200_000, "{} records were generated", oracle.records());
    ensure!(oracle.rejected() > 500, "only {} records are rejected", oracle.rejected());
    Ok(())
}

#[test]
fn any_number_of_workers() -> Result<()> {
    with_generated(&["--workers 1", "--workers 2", "--workers 3"], Rules::default())
}

#[test]
fn all_views() -> Result<()> {
    with_generated(&["--workers 2 --views all"], Rules { views: Views::All, ..Rules::default() })
}

#[test]
fn crawlers_left_out() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), generated(kafka)?);
    let oracle = recompute(&brokers, topic, Rules { views: Views::All, skip_bots: true, ..Rules::default() })?;
    let mut database = run_and_compare(&brokers, topic, "--workers 2 --views all --skip-bots", &oracle)?;
    ensure!(database.number("SELECT sum(bot)::bigint FROM progress")? > 100, "hardly a crawler");
    let run = run_arguments(&brokers, topic, &database);
    Freshet::run(&run.replacen("run", "verify", 1))?.success()?;
    Freshet::run(&format!("{run} --views all"))?.refuses_with(6, &["--skip-bots", "freshet rebuild"])?;
    let mut file = NamedTempFile::new()?;
    file.write_all(b"[event]\nlocal_time = \"local_time\"\n[[report]]\ntable = \"days\"\nby = [\"day\"]\n")?;
    let without = format!("{run} --skip-bots --reports {}", file.path().display());
    Freshet::run(&without)?.refuses_with(2, &["--skip-bots needs a user agent"])
}

#[test]
fn some_views() -> Result<()> {
    let views = ["checkout", "view_listing_page"].map(str::to_owned).into();
    with_generated(&["--views checkout,view_listing_page"], Rules { views: Views::Only(views), ..Rules::default() })
}

#[test]
fn the_clock_of_the_time_stamp() -> Result<()> {
    let zone = "Europe/Berlin".parse().context("a time zone")?;
    let rules = Rules { clock: Clock::TimeStamp, time_zone: zone, ..Rules::default() };
    with_generated(&["--workers 2 --clock time-stamp --time-zone Europe/Berlin"], rules)
}

#[test]
fn the_countries_of_a_file() -> Result<()> {
    let countries = [(".com", "US"), ("www.glamira.de", "AT"), (".co.uk", "ZZ"), (".glamira.fr", "EU")];
    let lines: Vec<_> = countries.map(|(name, code)| format!("{name}, {code}\n")).into();
    let mut file = NamedTempFile::new()?;
    file.write_all(lines.concat().as_bytes())?;
    let flags = format!("--workers 2 --countries {}", file.path().display());
    with_generated(&[&flags], Rules { countries: countries.into(), ..Rules::default() })
}

#[test]
fn every_case_of_the_contract() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 3)?;
    write(&kafka.brokers(), &topic, &case_records(3))?;
    let oracle = recompute(&kafka.brokers(), &topic, Rules::default())?;
    run_and_compare(&kafka.brokers(), &topic, "--workers 2", &oracle)?;
    let rules = Rules { views: Views::All, clock: Clock::TimeStamp, ..Rules::default() };
    let oracle = recompute(&kafka.brokers(), &topic, rules)?;
    run_and_compare(&kafka.brokers(), &topic, "--views all --clock time-stamp", &oracle).map(drop)
}

#[test]
fn every_contract_case_from_an_in_process_broker() -> Result<()> {
    // The one test of the whole way that needs no Apache Kafka: librdkafka's own stand-in for a broker.
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("events", 2, 1)?;
    let brokers = cluster.bootstrap_servers();
    let records = [case_records(2), views_of(5_000, "17")].concat();
    write(&brokers, "events", &records)?;
    let oracle = recompute(&brokers, "events", Rules::default())?;
    // It drops what it has no room for, and does not say so.
    ensure!(oracle.records() == i64::try_from(records.len())?, "the broker lost records");
    run_and_compare(&brokers, "events", "--workers 2", &oracle).map(drop)
}

#[test]
fn browsers_are_named_as_is_asked_for() -> Result<()> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("events", 1, 1)?;
    let brokers = cluster.bootstrap_servers();
    let event =
        r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","user_agent":"WhatsApp/2.19"}"#;
    write(&brokers, "events", &[Record::new(0, event)])?;
    for (user_agents, expected) in [("woothee", "Unknown"), ("extended", "WhatsApp preview")] {
        let mut database = Database::create()?;
        let arguments = run_arguments(&brokers, "events", &database);
        Freshet::run(&format!("{arguments} --until-end --user-agents {user_agents}"))?.success()?;
        let browser = database.client.query_one("SELECT browser FROM browser_os_views_hourly", &[])?;
        ensure!(browser.get::<_, &str>(0) == expected, "{user_agents}: {browser:?}");
    }
    Ok(())
}

#[test]
fn rejected_payloads_are_kept_when_asked_for() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 2)?;
    write(&kafka.brokers(), &topic, &case_records(2))?;
    let mut oracle = Oracle::new(Rules::default()).keeping_payload();
    read(&kafka.brokers(), &topic, &mut oracle)?;
    let mut database = Database::create()?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{arguments} --until-end --keep-rejected-payload"))?.success()?;
    database.must_equal(&oracle, &topic)
}

#[test]
fn aborted_transactions_leave_nothing() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), new_topic(kafka, 3)?);
    for (round, commit) in [true, false, true, false].into_iter().enumerate() {
        let records = views_of(2_000, &format!("product {round}"));
        write_transaction(&brokers, &topic, &format!("{topic}-{round}"), &records, commit)?;
    }
    // The last offsets of the topic are those of an aborted transaction, and partition 2 has nothing at all.
    let oracle = recompute(&brokers, &topic, Rules::default())?;
    let mut database = run_and_compare(&brokers, &topic, "--workers 2", &oracle)?;
    // A second start finds everything done, behind a last record that is not at the end.
    let before = database.consumed()?;
    Freshet::run(&format!("{} --until-end --workers 3", run_arguments(&brokers, &topic, &database)))?.success()?;
    ensure!((before, database.consumed()?) == (4_000, 4_000), "the second start counted again");
    Ok(())
}

#[test]
fn an_empty_topic_ends_at_once() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 2)?;
    let oracle = recompute(&kafka.brokers(), &topic, Rules::default())?;
    run_and_compare(&kafka.brokers(), &topic, "--workers 3", &oracle).map(drop)
}

#[test]
fn partitions_added_while_it_runs_are_picked_up() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 10)).try_for_each(|_| add_partitions(kafka))
}

fn add_partitions(kafka: &Kafka) -> Result<()> {
    let (brokers, topic) = (kafka.brokers(), new_topic(kafka, 2)?);
    write(&brokers, &topic, &views_of(1_000, "before"))?;
    let mut database = Database::create()?;
    let mut freshet = Freshet::start(&format!("{} --workers 2", run_arguments(&brokers, &topic, &database)))?;
    freshet.until("the first records are counted", TIMEOUT, || Ok(database.consumed()? == 1_000))?;
    kafka.add_partitions(&topic, 5)?;
    let late: Vec<Record> =
        views_of(900, "after").into_iter().map(|it| Record { partition: it.partition * 2 + 2, ..it }).collect();
    write(&brokers, &topic, &late)?;
    freshet.until("those of new partitions too", TIMEOUT, || Ok(database.consumed()? == 1_900))?;
    freshet.until("every partition has its row", TIMEOUT, || Ok(database.partitions()? == 5))?;
    freshet.terminate()?.success()?;
    let oracle = recompute(&brokers, &topic, Rules::default())?;
    database.must_equal(&oracle, &topic)
}

#[test]
fn latest_means_the_first_start() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), new_topic(kafka, 2)?);
    write(&brokers, &topic, &views_of(500, "too early"))?;
    let starts = offsets(&brokers, &topic)?.into_iter().map(|(partition, (_, end))| (partition, end)).collect();
    let mut database = Database::create()?;
    let arguments = format!("{} --from latest", run_arguments(&brokers, &topic, &database));
    let mut freshet = Freshet::start(&arguments)?;
    freshet.until("the start is written down", TIMEOUT, || Ok(database.partitions()? == 2))?;
    freshet.terminate()?.success()?;
    // Written while nobody looked: a second start must not take the end for its beginning again.
    write(&brokers, &topic, &views_of(300, "in between"))?;
    let mut freshet = Freshet::start(&arguments)?;
    freshet.until("what came in between is counted", TIMEOUT, || Ok(database.consumed()? == 300))?;
    write(&brokers, &topic, &views_of(200, "live"))?;
    freshet.until("what comes live is counted", TIMEOUT, || Ok(database.consumed()? == 500))?;
    freshet.terminate()?.success()?;
    let mut oracle = Oracle::new(Rules::default());
    read_from(&brokers, &topic, &starts, &mut oracle)?;
    database.must_equal(&oracle, &topic)
}

#[test]
fn a_warning_says_why_nothing_is_counted() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 2)?;
    let event = |at: i32| {
        let collection = if at % 4 == 0 { "add_to_cart_action" } else { "checkout" };
        let event = if at % 8 == 3 { "nonsense".into() } else { format!(r#"{{"collection":"{collection}"}}"#) };
        Record::new(at % 2, event)
    };
    write(&kafka.brokers(), &topic, &(0..12_000).map(event).collect::<Vec<_>>())?;
    let database = Database::create()?;
    let arguments = format!("{} --until-end --workers 2", run_arguments(&kafka.brokers(), &topic, &database));
    let log = Freshet::run(&arguments)?.exits_with(0)?;
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    ensure!(warnings.len() == 1, "not one warning:\n{log}");
    let reason = "because the value is not JSON (partition 1, offset 1)";
    for word in ["--views", "view_product_detail", "checkout", "add_to_cart_action", reason] {
        ensure!(warnings[0].contains(word), "no {word} in: {}", warnings[0]);
    }
    let named = warnings[0].find("checkout") < warnings[0].find("add_to_cart_action");
    ensure!(named, "not the most frequent first: {}", warnings[0]);
    Ok(())
}

/// Views of product 85 on a page, on the fourth of June or the fifth.
fn pages_of_85(views: i32, day: u32, url: &str) -> impl Iterator<Item = Record> {
    let event = format!(
        r#"{{"collection":"view_product_detail","local_time":"2020-06-0{day} 08:00:00","product_id":"85","current_url":"{url}"}}"#
    );
    (0..views).map(move |at| Record::new(at % 2, event.clone()))
}

#[test]
fn stray_pages_take_no_name_away() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 2)?;
    let shop = "https://www.shop.example/ring-viktor.html?alloy=white";
    let stray = ["https://a.de/", "https://a.de/x", "https://www.shop.example/", "https://www.shop.example/a"];
    let mut database = Database::create()?;
    let name = |database: &mut Database| -> Result<(String, String)> {
        let row = database.client.query_one("SELECT name, url FROM dim_product", &[])?;
        Ok((row.get(0), row.get(1)))
    };
    // Each step is a run of its own, from what the tables say: too few views on any host, the shop's, and strays behind.
    let steps: [Vec<Record>; 3] = [
        pages_of_85(6, 4, shop).chain(pages_of_85(1, 5, stray[1])).collect(),
        pages_of_85(6, 4, shop).collect(),
        stray.into_iter().flat_map(|url| pages_of_85(9, 5, url)).collect(),
    ];
    for (workers, records) in (1..).zip(steps) {
        write(&kafka.brokers(), &topic, &records)?;
        let run = run_arguments(&kafka.brokers(), &topic, &database);
        Freshet::run(&format!("{run} --until-end --workers {workers}"))?.success()?;
        let expected = ("ring viktor".to_owned(), "https://www.shop.example/ring-viktor.html".to_owned());
        assert_eq!(name(&mut database)?, expected);
        database.must_equal(&recompute(&kafka.brokers(), &topic, Rules::default())?, &topic)?;
    }
    Ok(())
}

#[test]
fn hostile_records_leave_top_products_their_names() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (generated(kafka)?, Database::create()?);
    Freshet::run(&format!("{} --until-end", run_arguments(&kafka.brokers(), topic, &database)))?.success()?;
    let query = "SELECT count(*), count(*) FILTER (WHERE name LIKE 'glamira % sku' || product_id)
        FROM top_products LEFT JOIN dim_product USING (product_id) WHERE product_id ~ '^[0-9]{5}$'";
    let row = database.client.query_one(query, &[])?;
    let (places, named): (i64, i64) = (row.get(0), row.get(1));
    ensure!(places >= 10 && named == places, "{named} of {places} products have their names");
    Ok(())
}

#[test]
fn postgres_is_reached_by_its_socket() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let server = Postgres::start()?;
    let (topic, port) = (new_topic(kafka, 1)?, server.port());
    // Where everybody looks for it, and only its owner comes through.
    let socket = format!(".s.PGSQL.{port}");
    let usual = Path::new("/tmp").join(&socket);
    std::os::unix::fs::symlink(server.home().join(&socket), &usual)?;
    let run = format!("run --until-end --brokers {} --topic {topic} --database-url", kafka.brokers());
    for url in [
        format!("postgres:///postgres?user=postgres&port={port}"),
        format!("postgres://postgres@%2Ftmp:{port}/postgres"),
        format!("postgres:///postgres?host=/tmp&user=postgres&port={port}&sslmode=require"),
    ] {
        Freshet::run(&format!("{run} {url}"))?.success()?;
    }
    Ok(std::fs::remove_file(usual)?)
}
