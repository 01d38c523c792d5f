//! `freshet verify`: right tables pass, and every way of being wrong is found and named.

use std::fs;
use std::process::Command;
use std::time::Instant;

use ::freshet::terminal::grouped;
use anyhow::{Result, ensure};
use freshet_embedded::Kafka;
use tempfile::NamedTempFile;

use crate::support::cases::{WRITTEN, cases};
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::topic::{Record, write, write_keyed, write_transaction};
use crate::support::{Database, new_topic, require_kafka, run_arguments, unique};

/// Every case of the contract, and then some views, on three partitions.
fn records() -> Vec<Record> {
    let cases = cases().into_iter().map(|(value, _)| value);
    let view = |at: usize| {
        let (day, hour, product) = (1 + at % 3, at % 24, at % 17);
        format!(
            r#"{{"collection":"view_product_detail","local_time":"2020-06-0{day} {hour:02}:00:00","product_id":"{product}",
                "store_id":"{}","current_url":"https://www.example.{}/ring-{product}.html?{at}","referrer_url":"https://from.example/{product}"}}"#,
            at % 4,
            ["de", "fr", "co.uk"][at % 3],
        )
    };
    let all = cases.chain((0..3_000).map(|at| Some(view(at).into_bytes())));
    (0..3).cycle().zip(all).map(|(partition, value)| Record { partition, timestamp: Some(WRITTEN), value }).collect()
}

/// A topic with these records, and tables made of it with further flags of `run`.
fn built(kafka: &Kafka, records: &[Record], flags: &str) -> Result<(String, Database)> {
    let topic = new_topic(kafka, 3)?;
    write(&kafka.brokers(), &topic, records)?;
    let database = Database::create()?;
    Freshet::run(&format!("{} --until-end {flags}", run_arguments(&kafka.brokers(), &topic, &database)))?.success()?;
    Ok((topic, database))
}

/// The status that `freshet verify` exits with, and all that it says.
fn verify(kafka: &Kafka, topic: &str, database: &Database) -> Result<(Option<i32>, String)> {
    let arguments = run_arguments(&kafka.brokers(), topic, database).replacen("run", "verify", 1);
    let output = Command::new(env!("CARGO_BIN_EXE_freshet")).args(arguments.split_whitespace()).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8(said)?))
}

fn must_agree(kafka: &Kafka, topic: &str, database: &Database) -> Result<()> {
    let (status, said) = verify(kafka, topic, database)?;
    ensure!(status == Some(0) && said.contains("Everything agrees"), "{said}");
    Ok(())
}

#[test]
fn right_tables_agree_whatever_they_were_built_with() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    // The file is gone before the audit: what it said stands in the tables.
    let file = NamedTempFile::new()?;
    fs::write(file.path(), ".example.de, AT\nwww.example.co.uk, IE")?;
    let (topic, database) = built(kafka, &records(), &format!("--countries {}", file.path().display()))?;
    file.close()?;
    must_agree(kafka, &topic, &database)?;
    for flags in [
        "--workers 2",
        "--views all --clock time-stamp --time-zone Asia/Kathmandu",
        "--views checkout --max-future 10m",
        "--user-agents extended",
        "--referrers no-query --mask-emails",
        "--referrers host",
    ] {
        let (topic, database) = built(kafka, &records(), flags)?;
        must_agree(kafka, &topic, &database)?;
    }
    Ok(())
}

#[test]
fn they_agree_while_a_run_goes_on() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, &records(), "")?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let before = database.consumed()?;
    let mut freshet = Freshet::start(&arguments)?;
    let to = format!("--brokers {} --topic {topic} --partitions 3", kafka.brokers());
    let filling = Freshet::start(&format!("generate {to} --rate 2000 --hostile 0.02"))?;
    for _ in 0..3 {
        let seen = database.consumed()?;
        freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > seen.max(before)))?;
        must_agree(kafka, &topic, &database)?;
    }
    filling.kill()?;
    freshet.terminate()?.success()
}

#[test]
fn a_visitor_cannot_make_up_members_without_end() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let view = |at: usize| {
        let (day, hour) = (1 + at % 2, at % 24);
        let made_up = format!(
            r#"{{"collection":"view_product_detail","local_time":"2020-06-0{day} {hour:02}:00:00","product_id":"p{}",
                "store_id":"{}","current_url":"https://{}.example.de/a-{at}","referrer_url":"https://{}.from.example/"}}"#,
            at % 901,
            at % 307,
            at % 11,
            at % 809,
        );
        Record { partition: (at % 3) as i32, timestamp: Some(WRITTEN), value: Some(made_up.into_bytes()) }
    };
    let records: Vec<_> = (0..4_000).map(view).collect();
    let flags = "--max-members 100 --workers";
    let (topic, mut database) = built(kafka, &records[..2_500], &format!("{flags} 2"))?;
    must_agree(kafka, &topic, &database)?;
    write(&kafka.brokers(), &topic, &records[2_500..])?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{arguments} --until-end {flags} 3"))?.success()?;
    must_agree(kafka, &topic, &database)?;
    for (table, member) in [
        ("product_views_hourly", "product_id"),
        ("referrer_views_daily", "referrer_url"),
        ("store_views_daily", "(country, store_id)"),
    ] {
        let name = member.trim_start_matches("(country, ").trim_end_matches(')');
        let query = format!(
            "SELECT count(*) FROM (SELECT count(DISTINCT {member}) FILTER (WHERE {name} <> '(others)') AS members, sum(views)
                AS views FROM {table} GROUP BY day) AS days WHERE members = 100 AND views = 2000"
        );
        ensure!(database.number(&query)? == 2, "{table}: on both days a hundred members, and the rest as the others");
    }
    ensure!(database.number("SELECT count(*) FROM product_names")? == 100, "as many names");
    database.client.batch_execute(
        "WITH gone AS (DELETE FROM referrer_views_daily WHERE ctid = (SELECT ctid FROM referrer_views_daily
            WHERE day = '2020-06-01' AND referrer_url <> '(others)' LIMIT 1) RETURNING views)
        UPDATE referrer_views_daily SET views = referrer_views_daily.views + gone.views FROM gone
            WHERE day = '2020-06-01' AND referrer_url = '(others)'",
    )?;
    let (status, said) = verify(kafka, &topic, &database)?;
    ensure!(
        status == Some(1) && said.contains("day 2020-06-01: members are counted as (others) though there was"),
        "{said}"
    );
    Ok(())
}

/// What is done to the tables, and what must be said of it. The deeds add up, at most four in a table.
const TAMPERINGS: [(&str, &str); 29] = [
    ("UPDATE country_views SET views = views + 1 WHERE country = 'FR'", "country FR: the table has"),
    (
        "UPDATE country_views_daily SET views = views + 1 WHERE day = '2020-06-01' AND country = 'DE'",
        "day 2020-06-01, country DE: the table has",
    ),
    (
        "DELETE FROM product_views_hourly WHERE product_id = '3' AND day = '2020-06-01' AND hour = 3",
        "product_id 3, day 2020-06-01, hour 3: the table has no row",
    ),
    (
        "INSERT INTO store_views_daily VALUES ('2020-06-01', 'DE', 'nowhere', 7)",
        "store_id nowhere: the table has 7 views, recounted 0",
    ),
    ("UPDATE browser_os_views_hourly SET os = 'Plan 9' WHERE day = '2020-06-02' AND hour = 1", "os Plan 9"),
    (
        "INSERT INTO referrer_views_daily VALUES ('2020-06-01', E'\\x1b[2J', '\\x00', 7)",
        "referrer_url \\u{1b}[2J (under a wrong digest): the table has 7",
    ),
    (
        "UPDATE top_products SET product_id = 'none' WHERE day = '2020-06-01' AND rank = 2",
        "day 2020-06-01, rank 2: the table has product_id none",
    ),
    (
        "DELETE FROM top_countries WHERE day = '2020-06-02' AND rank = 1",
        "day 2020-06-02, rank 1: the table has nothing, recounted country",
    ),
    ("INSERT INTO dim_date (day) VALUES ('2021-01-01')", "day 2021-01-01: the table has a row, recounted none"),
    (
        "UPDATE dim_product SET name = 'a whim' WHERE product_id = '3'",
        "product_id 3: the table has name a whim, recounted name ring 3",
    ),
    (
        "UPDATE dim_product SET name = NULL, url = NULL, url_day = NULL WHERE product_id = '4'",
        "product_id 4: the table has no name, no url, no url_day, recounted name ring 4, url https://www.example.de/ring-4",
    ),
    (
        "UPDATE product_names SET views = views - 1 WHERE product_id = '3'",
        "product_id 3, name ring 3: the table has views",
    ),
    ("DELETE FROM page_hosts WHERE host = 'www.example.co.uk'", "host www.example.co.uk: the table has no row"),
    ("DELETE FROM dim_product WHERE product_id = '5'", "product_id 5: the table has no row, recounted one"),
    (
        "UPDATE dim_store SET country = 'FR', last_day = '2020-06-04' WHERE store_id = '0'",
        "store_id 0: the table has country FR, last_day 2020-06-04, recounted country DE, last_day 2020-06-03",
    ),
    (
        "UPDATE dim_browser_os SET category = 'appliance' WHERE browser = 'Firefox' AND os = 'Linux'",
        "browser Firefox, os Linux: the table has category appliance, recounted category pc",
    ),
    ("DELETE FROM dim_referrer WHERE host = 'www.facebook.com'", "host www.facebook.com: the table has no row"),
    (
        "UPDATE dim_referrer SET kind = 'own site' WHERE host = 'from.example'",
        "host from.example: the table has kind own site, recounted kind other",
    ),
    ("INSERT INTO dim_referrer VALUES (E'\\x1b[2J', 'other')", "host \\u{1b}[2J: the table has a row, recounted none"),
    (
        "UPDATE dim_country SET region = 'Asia' WHERE country = 'FR'",
        "country FR: the table has region Asia, recounted region Europe",
    ),
    (
        "UPDATE progress SET counted = counted + 1, ignored = ignored - 1 WHERE kafka_partition = 1",
        "progress of partition 1 differs",
    ),
    ("UPDATE progress SET last_hash = last_hash + 1 WHERE kafka_partition = 2", "another record than was read"),
    (
        "UPDATE rejected_records SET kafka_offset = 1000000 WHERE (kafka_partition, kafka_offset) =
            (SELECT kafka_partition, kafka_offset FROM rejected_records ORDER BY 1, 2 LIMIT 1)",
        "offset 1000000: the table has",
    ),
    (
        "DELETE FROM rejected_records WHERE (kafka_partition, kafka_offset) =
            (SELECT kafka_partition, kafka_offset FROM rejected_records ORDER BY 1, 2 LIMIT 1)",
        "the table has no row, recounted '",
    ),
    (
        "UPDATE rejected_records SET reason = 'a whim' WHERE (kafka_partition, kafka_offset) =
            (SELECT kafka_partition, kafka_offset FROM rejected_records ORDER BY 1 DESC, 2 LIMIT 1)",
        "the table has 'a whim', recounted '",
    ),
    (
        "UPDATE rejected_hourly SET records = records + 1 WHERE (hour, reason) = (SELECT hour, reason FROM rejected_hourly
            ORDER BY 2, 1 LIMIT 1)",
        "records, recounted",
    ),
    ("UPDATE rejected_hourly SET hour = hour + interval '1 hour'", "': the table has 0 records, recounted"),
    ("UPDATE rejected_hourly SET only_counted = 1", "records rejected_records has"),
    (
        "UPDATE progress SET next_offset = next_offset + 9 WHERE kafka_partition = 0",
        "progress of partition 0 differs:\n  the partition ends at offset",
    ),
];

#[test]
fn every_tampering_is_found_and_named() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, &records(), "")?;
    for (tampering, words) in TAMPERINGS {
        let before = verify(kafka, &topic, &database)?.1;
        ensure!(database.client.execute(tampering, &[])? > 0, "changes nothing: {tampering}");
        let (status, said) = verify(kafka, &topic, &database)?;
        ensure!(status == Some(1) && said.contains("differ from the recount"), "{tampering}: {said}");
        ensure!(said.contains(words) && before != said, "{tampering}: {said}");
        ensure!(!said.contains('\u{1b}'), "an escape sequence reaches the terminal: {said:?}");
    }
    Ok(())
}

#[test]
fn aborted_transactions_are_no_records() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 3)?;
    for (round, commit) in [true, false, true, false].into_iter().enumerate() {
        write_transaction(&kafka.brokers(), &topic, &format!("{topic}-{round}"), &records(), commit)?;
    }
    let database = Database::create()?;
    Freshet::run(&format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database)))?.success()?;
    must_agree(kafka, &topic, &database)
}

#[test]
fn missing_records_are_said_to_be_unchecked() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, &records(), "")?;
    kafka.delete_records(&topic, 1, 100)?;
    let unchecked = "offsets 0 to 99 of partition 1 are no longer in Kafka";
    let (status, said) = verify(kafka, &topic, &database)?;
    ensure!(status == Some(1) && said.contains(unchecked) && !said.contains("differ from"), "{said}");
    // What is left is still checked: a count that is too small, a ranking that does not follow from the counts.
    database
        .client
        .execute("UPDATE country_views_daily SET views = 1 WHERE day = '2020-06-01' AND country = 'DE'", &[])?;
    let (status, said) = verify(kafka, &topic, &database)?;
    ensure!(
        status == Some(1) && said.contains(unchecked) && said.contains("country DE: the table has 1 views"),
        "{said}"
    );
    ensure!(said.contains("top_countries differs"), "{said}");
    // So are the dimensions: what cannot follow from any record is found, and what only a lost one can say is believed.
    database.client.batch_execute(
        "UPDATE dim_product SET url_day = '2020-06-03' WHERE product_id = '3';
         UPDATE dim_product SET name = 'a whim' WHERE product_id = '4';
         UPDATE product_names SET url = 'https://a.b/ring-5' WHERE product_id = '5';
         UPDATE dim_product SET url = 'https://a.b/ring-5', name = 'ring 5' WHERE product_id = '5';
         UPDATE dim_store SET last_day = '2020-06-04' WHERE store_id = '0';
         UPDATE dim_referrer SET kind = 'own site' WHERE host = 'from.example'",
    )?;
    let (_, said) = verify(kafka, &topic, &database)?;
    for found in [
        "product_id 3: the table has url_day 2020-06-03, recounted url_day 2020-06-01",
        "product_id 4: the table has name a whim",
        "store_id 0: the table has last_day 2020-06-04",
    ] {
        ensure!(said.contains(found), "{found}: {said}");
    }
    ensure!(!said.contains("product_id 5:") && !said.contains("from.example"), "{said}");
    // All of a partition gone, and with it what its line says.
    let all = database.client.query_one("SELECT next_offset FROM progress WHERE kafka_partition = 1", &[])?;
    kafka.delete_records(&topic, 1, all.get(0))?;
    let (status, said) = verify(kafka, &topic, &database)?;
    ensure!(status == Some(1) && said.contains("of partition 1 are no longer in Kafka"), "{said}");
    Ok(())
}

/// Rolls a segment with each record that is newer, and compacts those that are closed at once.
const COMPACTED: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "1"),
    ("min.cleanable.dirty.ratio", "0.001"),
    ("max.compaction.lag.ms", "1"),
];

#[test]
fn what_compaction_took_is_said_to_be_unchecked() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), unique("events"), Database::create()?);
    kafka.create_topic_with(&topic, 1, &COMPACTED)?;
    let records: Vec<_> = records().into_iter().map(|record| Record { partition: 0, ..record }).collect();
    let (kept, last) = (&records[records.len() - 3..records.len() - 2], &records[records.len() - 2..]);
    write_keyed(&brokers, &topic, "old", &records[..records.len() - 3])?;
    write_keyed(&brokers, &topic, "kept", kept)?;
    write_keyed(&brokers, &topic, "old", last)?;
    Freshet::run(&format!("{} --until-end", run_arguments(&brokers, &topic, &database)))?.success()?;
    must_agree(kafka, &topic, &database)?;
    // Newer records of the key also take the last one that was read. While it is compacted nothing is said to differ.
    let unchecked =
        format!("{} of the records of partition 0 are no longer in Kafka", grouped(records.len() as u64 - 1));
    let (begun, mut said) = (Instant::now(), String::new());
    while !said.contains(&unchecked) {
        ensure!(begun.elapsed() < TIMEOUT && !said.contains("differ from"), "{said}");
        write_keyed(&brokers, &topic, "old", &[Record::new(0, "newer")])?;
        said = verify(kafka, &topic, &database)?.1;
    }
    // What is left is a lower bound, and where a record stands that was counted none is rejected.
    database.client.batch_execute(&format!(
        "DELETE FROM browser_os_views_hourly;
         INSERT INTO rejected_records VALUES ('{topic}', 0, {}, 'a whim')",
        records.len() - 3
    ))?;
    let (status, said) = verify(kafka, &topic, &database)?;
    for found in ["the table has no row, recounted 1", "the table has 'a whim', recounted none", &unchecked] {
        ensure!(status == Some(1) && said.contains(found), "{found}: {said}");
    }
    // More records than offsets are no work of compaction's.
    database.client.batch_execute("UPDATE progress SET consumed = next_offset + 1, ignored = ignored + 1")?;
    let (_, said) = verify(kafka, &topic, &database)?;
    ensure!(said.contains("consumed, recounted 1") && !said.contains(&unchecked), "{said}");
    Ok(())
}

#[test]
fn a_number_is_explained_by_its_records() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let view = |day: u32, hour: u32| {
        let time = format!("2020-06-{day:02} {hour:02}:00:00");
        format!(r#"{{"collection":"view_product_detail","local_time":"{time}","product_id":"7","store_id":""}}"#)
    };
    let record = |partition, day, hour| Record { timestamp: Some(WRITTEN), ..Record::new(partition, view(day, hour)) };
    let records = [record(0, 1, 8), record(1, 1, 8), record(0, 1, 9), record(0, 2, 8), record(0, 1, 8)];
    let (topic, mut database) = built(kafka, &records, "")?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let explain = |table: &str, flags: &str| -> Result<(Option<i32>, Vec<String>)> {
        let arguments = format!("{} {table} --day 2020-06-01 {flags}", arguments.replacen("run", "explain", 1));
        let output = Command::new(env!("CARGO_BIN_EXE_freshet")).args(arguments.split_whitespace()).output()?;
        let said = String::from_utf8([output.stdout, output.stderr].concat())?;
        let place = |line: &str| line.split('\t').take(2).collect::<Vec<_>>().join(" ");
        let mut lines: Vec<_> = said.lines().map(place).collect();
        lines.sort();
        Ok((output.status.code(), lines))
    };
    let hour = explain("product_views_hourly", "--product 7 --hour 8")?;
    ensure!(
        hour == (Some(0), ["0 0", "0 3", "1 0", "3 records, as many as the table has views"].map(Into::into).into())
    );
    let day = explain("product_views_hourly", "--product 7")?;
    ensure!(day.0 == Some(0) && day.1.len() == 5, "{day:?}");
    // A record without a store counts in no store.
    ensure!(explain("store_views_daily", "")? == (Some(0), vec!["0 records, as many as the table has views".into()]));
    ensure!(explain("country_views_daily", "--product 7")?.0 == Some(2));
    database.client.execute("UPDATE country_views_daily SET views = 9 WHERE day = '2020-06-01'", &[])?;
    let wrong = explain("country_views_daily", "--country ZZ")?;
    ensure!(wrong.0 == Some(1) && wrong.1.iter().any(|line| line.contains("9 views, and the topic 4")), "{wrong:?}");
    Ok(())
}

#[test]
fn tables_that_it_cannot_check() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, &records()[..10], "")?;
    let of = |topic: &str, database: &Database| {
        run_arguments(&kafka.brokers(), topic, database).replacen("run", "verify", 1)
    };
    Freshet::run(&of("another", &database))?.refuses_with(6, &["--topic", &topic])?;
    Freshet::run(&of(&topic, &Database::create()?))?.refuses_with(1, &["--database-url"])?;
    database.client.execute("UPDATE freshet_settings SET value = '0' WHERE name = 'decode-version'", &[])?;
    Freshet::run(&of(&topic, &database))?.refuses_with(6, &["version"])
}
