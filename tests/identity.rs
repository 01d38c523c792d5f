//! The topic is another than the tables were made of, or its log was cut: never counted wrong without a word.

use std::thread::sleep;
use std::time::Duration;

use ::freshet::source::{Consumer, Position, Presence, Settings, Source as _, Topic};
use anyhow::{Result, bail, ensure};
use freshet_embedded::Kafka;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::times;
use crate::support::topic::{Record, write, write_transaction};
use crate::support::{Database, new_topic, require_kafka, run_arguments, tables_arguments, unique};

const EVENT: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"1","store_id":"1","current_url":"https://a.de/p"}"#;

/// How long a topic is gone, in milliseconds.
fn absences() -> Vec<u64> {
    let long = if times(0, 1) == 1 { vec![6_000, 20_000, 40_000] } else { vec![] };
    [vec![0, 200, 3_000], long].concat()
}

fn events(partition: i32, count: usize) -> Vec<Record> {
    vec![Record::new(partition, EVENT); count]
}

/// A topic with as many records in each of two partitions, of which one in each is rejected.
fn filled(kafka: &Kafka, topic: &str, count: usize) -> Result<()> {
    let hostile = [Record::new(0, "no JSON"), Record::new(1, "no JSON")];
    write(&kafka.brokers(), topic, &[events(0, count - 1), events(1, count - 1), hostile.to_vec()].concat())
}

fn make_anew(kafka: &Kafka, topic: &str, absence: u64, records: usize) -> Result<()> {
    kafka.delete_topic(topic)?;
    sleep(Duration::from_millis(absence));
    kafka.create_topic(topic, 2)?;
    filled(kafka, topic, records)
}

/// What `gaps` says: partition, from, to, reason.
fn gaps(database: &mut Database) -> Result<Vec<(i32, i64, i64, String)>> {
    let query = "SELECT kafka_partition, from_offset, to_offset, reason FROM gaps ORDER BY noted_at, 1";
    let rows = database.client.query(query, &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect())
}

fn rejected(database: &mut Database) -> Result<i64> {
    database.rows_of("rejected_records")
}

/// Of tables that nothing can prove wrong, and nothing can prove right.
fn verify_says(brokers: &str, topic: &str, database: &Database, words: &str) -> Result<()> {
    let arguments = format!("verify {}", tables_arguments(brokers, topic, &database.url));
    let errors = Freshet::run(&arguments)?.exits_with(1)?;
    ensure!(errors.contains(words), "{errors}");
    Ok(())
}

/// A run with further arguments that has read a topic of 200 records, and goes on.
fn has_read(kafka: &Kafka, further: &str) -> Result<(String, Database, Freshet)> {
    let (topic, mut database) = (new_topic(kafka, 2)?, Database::create()?);
    filled(kafka, &topic, 100)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut freshet = Freshet::start(&format!("{arguments} {further}"))?;
    freshet.until("it has read all", TIMEOUT, || Ok(database.consumed()? == 200))?;
    Ok((topic, database, freshet))
}

#[test]
fn topic_created_anew_while_running_ends_run() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    for absence in absences() {
        for records in [100, 300] {
            let (topic, mut database, freshet) = has_read(kafka, "")?;
            make_anew(kafka, &topic, absence, records)?;
            freshet.wait(TIMEOUT)?.refuses_with(5, &[&topic])?;
            ensure!(database.consumed()? == 200, "records of the new topic were counted");
        }
    }
    Ok(())
}

#[test]
fn topic_created_anew_while_running_counted_too() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    for absence in absences() {
        for records in [100, 300] {
            let (topic, mut database, mut freshet) = has_read(kafka, "--on-lost-offsets earliest")?;
            make_anew(kafka, &topic, absence, records)?;
            let all = 200 + 2 * records as i64;
            freshet.until("it has read the new topic", TIMEOUT, || Ok(database.consumed()? == all))?;
            freshet.terminate()?.success()?;
            let another = "another topic".to_owned();
            let right = [(0, 100, 0, another.clone()), (1, 100, 0, another)];
            ensure!(gaps(&mut database)? == right, "{:?}", gaps(&mut database)?);
            ensure!(rejected(&mut database)? == 4, "{} rejected records", rejected(&mut database)?);
            verify_says(&kafka.brokers(), &topic, &database, "is of the topic before")?;
            // A number of the new topic that is wrong is found all the same.
            database.client.batch_execute("UPDATE country_views_daily SET views = 1")?;
            verify_says(&kafka.brokers(), &topic, &database, "differ from the recount")?;
        }
    }
    Ok(())
}

/// Records that are the same to the byte whenever they are written, so that no fingerprint tells one topic from another.
fn alike(count: usize) -> Vec<Record> {
    let record = |partition| Record { timestamp: Some(1_591_258_527_000), ..Record::new(partition, EVENT) };
    (0..2).flat_map(|partition| vec![record(partition); count]).collect()
}

fn filled_alike(brokers: &str, topic: &str) -> Result<()> {
    write(brokers, topic, &alike(50))
}

/// A topic recreated and filled alike while nothing runs, where the last record cannot tell.
fn start_with_topic_created_anew(
    kafka: &Kafka,
    flags: &str,
    read_before: i64,
    fill: fn(&str, &str) -> Result<()>,
) -> Result<()> {
    let topic = new_topic(kafka, 2)?;
    fill(&kafka.brokers(), &topic)?;
    let mut database = Database::create()?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    Freshet::run(&format!("{arguments} {flags}"))?.success()?;
    kafka.delete_topic(&topic)?;
    kafka.create_topic(&topic, 2)?;
    fill(&kafka.brokers(), &topic)?;
    Freshet::run(&arguments)?.refuses_with(5, &[&topic])?;
    ensure!(database.consumed()? == read_before, "a refused start changed the tables");
    Freshet::run(&format!("{arguments} --on-lost-offsets earliest"))?.success()?;
    ensure!(database.consumed()? == read_before + 100, "{} records", database.consumed()?);
    ensure!(gaps(&mut database)?.iter().all(|gap| gap.3 == "another topic"), "{:?}", gaps(&mut database)?);
    // It is the tables' topic from now on.
    Freshet::run(&arguments)?.success()
}

#[test]
fn topic_created_anew_with_same_records_at_start() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 20)).try_for_each(|_| start_with_topic_created_anew(kafka, "", 100, filled_alike))
}

#[test]
fn topic_created_anew_behind_control_marker() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    // At the last offset stands no record, but what says that a transaction was committed.
    let fill = |brokers: &str, topic: &str| write_transaction(brokers, topic, &unique("again"), &alike(50), true);
    (0..times(1, 20)).try_for_each(|_| start_with_topic_created_anew(kafka, "", 100, fill))
}

#[test]
fn topic_created_anew_before_anything_was_read() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 20)).try_for_each(|_| start_with_topic_created_anew(kafka, "--from latest", 0, filled_alike))
}

#[test]
fn tables_without_topic_id_learn_it() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 2)?;
    write(&kafka.brokers(), &topic, &alike(50))?;
    let mut database = Database::create()?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    Freshet::run(&arguments)?.success()?;
    let ids = "FROM freshet_settings WHERE name IN ('topic-id', 'cluster-id')";
    ensure!(database.client.execute(&format!("DELETE {ids}"), &[])? == 2, "the ids are not stored");
    Freshet::run(&arguments)?.success()?;
    ensure!(database.client.query(&format!("SELECT 1 {ids}"), &[])?.len() == 2, "the ids were not learnt");
    ensure!(database.consumed()? == 100, "{} records", database.consumed()?);
    Ok(())
}

/// What an epoch rests on: no record of another topic is taken before the client is known to read that topic.
#[test]
fn consumer_knows_another_topic_with_first_record() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 2)?;
    write(&kafka.brokers(), &topic, &alike(50))?;
    let settings = Settings::new(&kafka.brokers(), &topic, &[]);
    let Presence::There(identity) = Topic::connect(&settings)?.presence()? else { bail!("no such topic") };
    let positions = || (0..2).map(|partition| Position { partition, offset: 0, leader_epoch: None });
    for _ in 0..times(10, 200) {
        for (id, is_same) in [(identity.topic_id.clone(), true), (Some("AAAAAAAAAAAAAAAAAAAAAQ".into()), false)] {
            let consumer = Consumer::new(&Settings { topic_id: id, ..settings.clone() })?;
            Consumer::assign(&consumer, positions())?;
            while consumer.wait(Duration::from_millis(10))?.is_empty() {}
            ensure!(consumer.must_be_same_topic().is_ok() == is_same, "the same topic: {is_same}");
        }
    }
    Ok(())
}
