//! The example of a program that has Freshet inside.

use anyhow::{Result, ensure};

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
