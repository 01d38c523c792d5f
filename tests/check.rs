//! `freshet check` on topics whose contents are known.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use freshet_embedded::free_port;
use rdkafka::mocking::MockCluster;
use serde_json::Value;

use crate::support::cases::{WRITTEN, cases};
use crate::support::freshet::Freshet;
use crate::support::oracle::Oracle;
use crate::support::topic::{Record, read, write, write_transaction};
use crate::support::verdict::{Rules, Views};
use crate::support::{new_topic, require_kafka};

/// What `freshet check` prints.
fn printed(arguments: &str) -> Result<String> {
    Freshet::prints(&format!("check {arguments}"))
}

fn json(arguments: &str) -> Result<Value> {
    Ok(serde_json::from_str(&printed(&format!("{arguments} --format json"))?)?)
}

fn event(collection: &str, day: u32, product: usize) -> String {
    let time = format!("2020-06-{day:02} 8:15:27");
    let url = "https://www.example.de/";
    format!(
        r#"{{"collection":"{collection}","local_time":"{time}","product_id":"{product}","current_url":"{url}","user_agent":""}}"#
    )
}

/// Three partitions: 600 views of 3 products on 2 days, 300 checkouts, 100 records that are no JSON.
fn known(brokers: &str, topic: &str) -> Result<()> {
    let views =
        (0..600).map(|at| Record::new(at % 3, event("view_product_detail", 1 + at as u32 / 400, at as usize % 3)));
    let others = (0..300).map(|at| Record::new(at % 3, event("checkout", 3, 1)));
    let broken = (0..100).map(|_| Record::new(2, "no JSON"));
    write(brokers, topic, &views.chain(others).chain(broken).collect::<Vec<_>>())
}

#[test]
fn all_of_a_small_topic_is_found() -> Result<()> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("events", 3, 1)?;
    let brokers = cluster.bootstrap_servers();
    known(&brokers, "events")?;
    let found = json(&format!("--brokers {brokers} --topic events"))?;
    let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_i64).context(pointer.to_owned());
    for (pointer, expected) in [
        ("/looked_at", 1_000),
        ("/outcomes/0/records", 600),
        ("/outcomes/1/records", 300),
        ("/outcomes/2/records", 100),
        ("/reasons/0/records", 100),
        ("/reasons/0/partition", 2),
        ("/reasons/0/offset", 300),
        ("/collections/1/countable", 300),
        ("/partitions/2/offsets", 400),
        ("/partitions/2/looked_at", 400),
        ("/days/days", 2),
        ("/days/largest_views", 400),
        ("/countries/0/views", 600),
        ("/tables/2/rows", 6),
    ] {
        ensure!(number(pointer)? == expected, "{pointer} is not {expected}: {found:#}");
    }
    ensure!(found["days"]["largest"] == "2020-06-01" && found["hints"] == Value::Array(vec![]), "{found:#}");
    Ok(())
}

#[test]
fn a_topic_without_views_names_its_types() -> Result<()> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("events", 3, 1)?;
    let brokers = cluster.bootstrap_servers();
    known(&brokers, "events")?;
    let text = printed_of_nothing(&format!("--brokers {brokers} --topic events --views purchase"))?;
    ensure!(text.contains("'purchase', which none of these records is of"), "{text}");
    ensure!(text.contains("--views 'view_product_detail' would count 600 of these records"), "{text}");
    Ok(())
}

/// What `freshet check` prints before it ends with 1, as nothing would be counted.
fn printed_of_nothing(arguments: &str) -> Result<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
    let output = command.arg("check").args(arguments.split_whitespace()).output()?;
    let errors = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1) && errors.contains("would be counted"), "{}: {errors}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn other_events_are_described_with_a_fitting_model() -> Result<()> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("events", 1, 1)?;
    let brokers = cluster.bootstrap_servers();
    let event = |at: u64| {
        let page = format!("https://shop.example/ring?token={at}");
        let agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/77.0";
        format!(
            r#"{{"type":"page","timestamp":"2020-06-04T08:15:27Z","context":{{"ip":"10.0.0.7","userAgent":"{agent}",
                "page":{{"url":"{page}"}},"traits":{{"email":"anna@example.com","firstName":"Anna"}}}}}}"#
        )
    };
    write(&brokers, "events", &(0..200).map(|at| Record::new(0, event(at))).collect::<Vec<_>>())?;
    let topic = format!("--brokers {brokers} --topic events");
    let text = printed_of_nothing(&topic)?;
    for shown in [
        "collection is missing, empty or not a text      200   100.00 %   partition 0, offset 0",
        "context.page.url",
        "(an IP address)",
        "https://shop.example/ring?…",
        "--reports segment would count 200 of 200 records",
    ] {
        ensure!(words(&text).contains(&words(shown)), "no {shown} in {text}");
    }
    ensure!(
        !["anna", "Anna", "10.0.0.7", "token="].iter().any(|secret| text.contains(secret)),
        "somebody is named: {text}"
    );
    let proposed = printed(&format!("{topic} --propose"))?;
    ensure!(proposed == Freshet::prints("models segment")?, "{proposed}");
    Ok(())
}

/// A text whatever the width of its columns.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_contract_case_agrees_with_the_oracle() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), new_topic(kafka, 3)?);
    let record = |(partition, (value, _))| Record { partition, timestamp: Some(WRITTEN), value };
    write(&brokers, &topic, &(0..3).cycle().zip(cases()).map(record).collect::<Vec<_>>())?;
    for (views, flags) in [(Rules::default().views, ""), (Views::All, "--views all")] {
        let mut oracle = Oracle::new(Rules { views, ..Rules::default() });
        let records = read(&brokers, &topic, &mut oracle)?;
        let found = json(&format!("--brokers {brokers} --topic {topic} {flags}"))?;
        ensure!(found["looked_at"] == records, "{records} records: {found:#}");
        ensure!(found["outcomes"][2]["records"] == oracle.rejected(), "{} rejected: {found:#}", oracle.rejected());
    }
    Ok(())
}

#[test]
fn a_sample_is_spread_without_aborted_transactions() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), new_topic(kafka, 2)?);
    for (round, commit) in [true, false, true, false].into_iter().enumerate() {
        let day = 1 + round as u32;
        let records: Vec<_> = (0..2_000).map(|at| Record::new(at % 2, event("view_product_detail", day, 1))).collect();
        write_transaction(&brokers, &topic, &format!("{topic}-{round}"), &records, commit)?;
    }
    let found = json(&format!("--brokers {brokers} --topic {topic} --sample 100"))?;
    let days = (&found["days"]["first"], &found["days"]["last"]);
    ensure!(days == (&"2020-06-01".into(), &"2020-06-03".into()), "{found:#}");
    let looked_at = found["looked_at"].as_i64().context("a number")?;
    ensure!((40..=100).contains(&looked_at) && found["outcomes"][0]["records"] == looked_at, "{found:#}");
    Ok(())
}

#[test]
fn texts_of_records_cannot_drive_the_terminal() -> Result<()> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("events", 1, 1)?;
    let brokers = cluster.bootstrap_servers();
    write(&brokers, "events", &[Record::new(0, event(r"\u001b[2J\u009b31m\u202eevil", 1, 1))])?;
    for format in ["table", "json"] {
        let text = printed_of_nothing(&format!("--brokers {brokers} --topic events --format {format}"))?;
        ensure!(text.contains("evil") && !text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text:?}");
    }
    Ok(())
}

#[test]
fn topics_that_hold_nothing_or_are_not_there() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic) = (kafka.brokers(), new_topic(kafka, 2)?);
    let text = printed(&format!("--brokers {brokers} --topic {topic}"))?;
    ensure!(text.trim() == format!("topic '{topic}' has 2 partitions and no record that can be read"), "{text}");
    Freshet::run(&format!("check --brokers {brokers} --topic nowhere"))?.refuses_with(1, &["nowhere", "--topic"])?;
    let nobody = format!("127.0.0.1:{}", free_port()?);
    Freshet::run(&format!("check --brokers {nobody} --topic events"))?.refuses_with(1, &[&nobody, "--brokers"])?;
    Freshet::run(&format!("check --brokers {brokers} --topic {topic} --sample 0"))?.exits_with(2).map(drop)
}
