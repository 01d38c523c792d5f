//! A program that has Freshet inside: the example, and one whose model grows and shrinks.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};
use freshet::{Failure, Model, Pipeline};

use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka};

#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/embedded.rs"]
mod example;

#[test]
fn another_program_counts_reports_of_its_own() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 2)?, Database::create()?);
    let order = |city: &str, kind: &str, second: i64| {
        let at = 1_591_048_800 + second;
        let value = format!(r#"{{"event":"{kind}","at":{at},"city":"{city}"}}"#);
        Record::new((second % 2) as i32, value)
    };
    let cities = ["Oslo", "Bergen", "Oslo", "Bonn", "Ålesund", "Oslo", "Bergen"];
    let orders = (0..).zip(cities).map(|(second, city)| order(city, "order", second));
    let others = [order("Oslo", "visit", 9), order("Oslo", "order", 3_600)];
    write(&kafka.brokers(), &topic, &orders.chain(others).collect::<Vec<_>>())?;
    // And again, with nothing new to count.
    for _ in 0..2 {
        example::count(&kafka.brokers(), &topic, &database.url)?;
    }
    let top = "SELECT string_agg(concat_ws(' ', hour, rank, city, views), ', ' ORDER BY day, hour, rank) FROM top_cities_hourly";
    let top: String = database.client.query_one(top, &[])?.get(0);
    ensure!(top == "22 1 Oslo 3, 22 2 Bergen 2, 22 3 Bonn 1, 23 1 Oslo 1", "{top}");
    let counted = database.number("SELECT sum(views)::bigint FROM report_orders")?;
    ensure!(counted == 8, "{counted}");
    Ok(())
}

#[test]
fn its_model_may_change() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 2)?, Database::create()?);
    let order = |second: i64| {
        let (at, city) = (1_591_048_800 + second, if second % 3 == 0 { "Oslo" } else { "Bonn" });
        Record::new((second % 2) as i32, format!(r#"{{"at":{at},"city":"{city}"}}"#))
    };
    let head = "[event]\ntime_stamp = \"at\"\n[fields]\ncity = { path = \"city\", kind = \"text\" }\n";
    let hours = "[[report]]\ntable = \"orders_hourly\"\nby = [\"day\", \"hour\"]\n";
    let cities = "[[report]]\ntable = \"orders_by_city\"\nby = [\"city\"]\n";
    let url = database.url.clone();
    let run = |reports: &str, further: &[&str]| -> Result<()> {
        let model = Arc::new(Model::parse(&format!("{head}{reports}"), "orders.toml")?);
        let brokers = kafka.brokers();
        let flags = ["--brokers", &brokers, "--topic", &topic, "--database-url", &url];
        let pipeline = Pipeline::of_flags(model, flags.into_iter().chain(further.iter().copied()))?;
        pipeline.until_end(true).run(Arc::new(AtomicBool::new(false)))
    };
    let mut written = 0..;
    let mut more = || write(&kafka.brokers(), &topic, &written.by_ref().take(6).map(order).collect::<Vec<_>>());
    more()?;
    run(hours, &[])?;
    more()?;
    run(&format!("{hours}{cities}"), &[])?;
    more()?;
    run(hours, &[])?;
    let sums = "SELECT string_agg(concat_ws(' ', city, views), ', ' ORDER BY city) FROM orders_by_city";
    let sums: String = database.client.query_one(sums, &[])?.get(0);
    ensure!(sums == "Bonn 8, Oslo 4", "what was removed is not as it was: {sums}");
    ensure!(database.number("SELECT sum(views)::bigint FROM orders_hourly")? == 18, "the others did not go on");
    run(hours, &["--drop-removed"])?;
    ensure!(database.number("SELECT count(*) FROM pg_tables WHERE tablename = 'orders_by_city'")? == 0, "it is there");
    let other = run(&hours.replace(", \"hour\"", ""), &[]);
    let is_refused = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(Failure::OtherTables(why)) if why.contains("freshet rebuild"));
    ensure!(other.as_ref().is_err_and(is_refused), "{other:?}");
    Ok(())
}
