//! Rejected records: bounded in rows, exact in counts, and shown.

use anyhow::{Result, ensure};
use freshet_embedded::Kafka;
use serde_json::Value;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::instrumented::Instrumented;
use crate::support::oracle::broken_rules;
use crate::support::topic::{Record, write};
use crate::support::verdict::Rules;
use crate::support::{Database, new_topic, recompute, require_kafka, run_arguments};

/// 2026-11-28 08:00 UTC, in ms.
const HOUR: i64 = 1_795_852_800_000;
const VIEW: &str = r#"{"collection":"view_product_detail","local_time":"2020-06-04 8:15:27","product_id":"85"}"#;

/// So many bad records in each of two partitions, of three reasons and of many hours, with views between them.
fn records(from: i64, number: i64) -> Vec<Record> {
    let values = ["no JSON", r#"{"collection":7}"#, "[1]", VIEW];
    let value = |at: i64| values[(at % 4) as usize];
    let all = (from..from + number).flat_map(|at| [0, 1].map(|partition| (partition, at)));
    all.map(|(partition, at)| Record {
        timestamp: Some(HOUR - at * 1_800_000),
        ..Record::new(partition, value(at + i64::from(partition)))
    })
    .collect()
}

/// The counts must be those of the whole topic, the tables hold together, and `verify` find nothing.
fn must_be_exact(kafka: &Kafka, topic: &str, database: &mut Database) -> Result<()> {
    let oracle = recompute(&kafka.brokers(), topic, Rules::default())?;
    let mut wrong = oracle.wrong_hours(&mut database.client)?;
    wrong.extend(broken_rules(&mut database.client)?);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let verify = run_arguments(&kafka.brokers(), topic, database).replacen("run", "verify", 1);
    let said = Freshet::prints(&verify)?;
    ensure!(said.contains("Everything agrees"), "{said}");
    Ok(())
}

#[test]
fn a_flood_is_bounded_with_exact_counts() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 2)?, Database::create()?);
    let arguments = run_arguments(&brokers, &topic, &database);
    let bounded = |rows: i64| format!("{arguments} --workers 2 --rejected-max-rows {rows}");
    let mut freshet = Freshet::start(&bounded(1_000))?;
    let mut written = 0;
    for _ in 0..4 {
        // Killed while it writes, somewhere before and somewhere behind the bound.
        write(&brokers, &topic, &records(written, 400))?;
        written += 400;
        let seen = database.consumed()?;
        freshet.until("more is read", TIMEOUT, || Ok(database.consumed()? > seen))?;
        freshet.kill()?;
        let broken = broken_rules(&mut database.client)?;
        ensure!(broken.is_empty(), "{broken:?}");
        freshet = Freshet::start(&bounded(1_000))?;
    }
    freshet.until("all is read", TIMEOUT, || Ok(database.consumed()? == 2 * written))?;
    ensure!(database.rows_of("rejected_records")? == 1_000, "{} rows", database.rows_of("rejected_records")?);
    must_be_exact(kafka, &topic, &mut database)?;
    // Further ones are said to be only counted, once.
    write(&brokers, &topic, &records(written, 40))?;
    written += 40;
    freshet.until("all is read", TIMEOUT, || Ok(database.consumed()? == 2 * written))?;
    freshet.until_told("rejected_records is full with 1,000 rows", TIMEOUT)?;
    ensure!(freshet.times_told("rejected_records is full")? == 1, "{}", freshet.errors()?);
    freshet.kill()?;

    // A lower bound: the first rows of each partition go, though nothing is written.
    let last = "SELECT kafka_partition, max(kafka_offset) FROM rejected_records GROUP BY 1 ORDER BY 1";
    let kept = database.client.query(last, &[])?;
    let mut freshet = Freshet::start(&bounded(100))?;
    freshet.until("the oldest are gone", TIMEOUT, || Ok(database.rows_of("rejected_records")? == 100))?;
    ensure!(freshet.times_told("removing 900 of the oldest rows")? == 1, "{}", freshet.errors()?);
    freshet.terminate()?.success()?;
    for (before, after) in kept.iter().zip(database.client.query(last, &[])?) {
        ensure!(before.get::<_, i64>(1) == after.get::<_, i64>(1), "the newest row is gone");
    }
    must_be_exact(kafka, &topic, &mut database)?;
    // No bound was built with: a tenth of it is free again, and rows are added.
    write(&brokers, &topic, &records(written, 40))?;
    Freshet::run(&format!("{} --until-end", bounded(10_000)))?.success()?;
    ensure!(database.rows_of("rejected_records")? == 160, "{} rows", database.rows_of("rejected_records")?);
    must_be_exact(kafka, &topic, &mut database)
}

#[test]
fn old_rows_go_without_new_records() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 2)?, Database::create()?);
    let arguments = run_arguments(&brokers, &topic, &database);
    write(&brokers, &topic, &records(0, 1_000))?;
    Freshet::run(&format!("{arguments} --until-end --keep-rejected-payload"))?.success()?;
    ensure!(database.rows_of("rejected_records")? == 1_500, "the usual retention takes none of them");
    database.client.batch_execute(
        "UPDATE rejected_records SET rejected_at = rejected_at - interval '30 days' WHERE kafka_offset < 900",
    )?;
    let mut freshet = Freshet::start(&arguments)?;
    freshet.until("what is 30 days old is gone", TIMEOUT, || Ok(database.rows_of("rejected_records")? == 150))?;
    let oldest = "SELECT min(kafka_offset) FROM rejected_records";
    ensure!(database.number(oldest)? >= 900, "{} is there", database.number(oldest)?);
    must_be_exact(kafka, &topic, &mut database)?;
    freshet.terminate()?.success()?;
    let mut freshet = Freshet::start(&format!("{arguments} --retain-rejected 1s"))?;
    freshet.until("all are gone", TIMEOUT, || Ok(database.rows_of("rejected_records")? == 0))?;
    freshet.terminate()?.success()?;
    must_be_exact(kafka, &topic, &mut database)?;
    for (flag, words) in [("--retain-rejected 0s", "at least 1s"), ("--rejected-max-rows many", "rejected-max-rows")] {
        let refused = Freshet::run(&format!("{arguments} {flag}"))?;
        let said = refused.exits_with(2)?;
        ensure!(said.contains(words), "{said}");
    }
    Ok(())
}

#[test]
fn rejected_records_are_listed_and_shown() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 2)?, Database::create()?);
    let record = |partition, value: &str| Record { timestamp: Some(HOUR), ..Record::new(partition, value) };
    let hostile = "clear \u{1b}[2J\u{9b}31m\u{202e} and on";
    let empty = Record { value: None, ..record(1, "") };
    write(&brokers, &topic, &[record(0, "first"), record(0, hostile), record(1, "[2]"), empty, record(1, VIEW)])?;
    let arguments = run_arguments(&brokers, &topic, &database);
    let mut run = Instrumented::start(&format!("{arguments} --rejected-max-rows 4"))?;
    run.until("freshet_rejected_rows", 4.0)?;
    write(&brokers, &topic, &[Record { timestamp: Some(HOUR + 3_600_000), ..record(0, "{") }])?;
    let told = run.until("freshet_rejected_records_total{reason=\"the value is not JSON\"}", 3.0)?;
    assert_eq!(told.get("freshet_rejected_only_counted_total")?, 1.0);
    assert_eq!(told.get("freshet_rejected_records_total{reason=\"the value is empty\"}")?, 1.0);
    for (asked, expected) in [
        (
            "",
            "08:00:00Z|the value is not JSON|2 08:00:00Z|the value is empty|1 08:00:00Z|the value is not a JSON object|1",
        ),
        ("?reason=the+value+is+empty", "08:00:00Z|the value is empty|1"),
        ("?day=2026-11-27", ""),
    ] {
        let answer: Value = serde_json::from_str(&run.get(&format!("/api/rejected{asked}"))?.text)?;
        let rows = answer["rows"].as_array().into_iter().flatten();
        let row = |row: &Value| {
            let hour = row["hour"].as_str().unwrap_or_default().trim_start_matches("2026-11-28T");
            format!("{hour}|{}|{}", row["reason"].as_str().unwrap_or_default(), row["records"])
        };
        let rows: Vec<_> = rows.map(row).filter(|row| !row.starts_with("09")).collect();
        assert_eq!(rows.join(" "), expected, "{asked}: {answer}");
    }
    run.freshet.terminate()?.success()?;
    let list = |further: &str| Freshet::prints(&format!("rejected --database-url {} {further}", database.url));
    let all = list("")?;
    ensure!(all.contains("4 shown, of 5 rejected records in all; 1 are only counted"), "{all}");
    ensure!(list("--reason object --limit 1")?.contains("1 shown"), "{all}");
    ensure!(list("--since 2000-01-01 --limit 2")?.contains("2 shown"), "{all}");
    database.client.batch_execute("UPDATE rejected_records SET rejected_at = rejected_at - interval '2 days'")?;
    ensure!(list("--since 1h")?.contains("0 shown"), "{all}");

    // What the tables do not keep, the topic has; what it no longer has is said.
    let refused = Freshet::run(&format!("rejected --show --database-url {}", database.url))?;
    refused.refuses_with(1, &["--brokers"])?;
    kafka.delete_records(&topic, 0, 1)?;
    let shown = list(&format!("--show --brokers {brokers}"))?;
    for words in [
        "partition 0, offset 0: the value is not JSON\n    (no longer in Kafka)",
        "partition 0, offset 1: the value is not JSON\n    clear \\u{1b}[2J\\u{9b}31m\\u{202e} and on",
        "partition 1, offset 0: the value is not a JSON object\n    [2]",
        "partition 1, offset 1: the value is empty\n    (no value)",
    ] {
        ensure!(shown.contains(words), "{words}: {shown}");
    }
    ensure!(!shown.contains('\u{1b}'), "an escape sequence reaches the terminal: {shown:?}");
    Ok(())
}
