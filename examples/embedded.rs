//! Freshet as a library: orders by city, and the three best cities of each hour, kept in Postgres by a program of one's own.
//!
//! `cargo run --example embedded -- BROKERS TOPIC DATABASE_URL`
//! A record: `{"event": "order", "at": 1591048175, "city": "Oslo"}`

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, anyhow};
use freshet::{Model, Pipeline};

const REPORTS: &str = r#"
    event = { type = "event", views = ["order"], time_stamp = "at" }
    fields.city = { path = "city", kind = "text" }
    [[report]]
    name = "orders"
    table = "orders_hourly"
    by = ["day", "hour", "city"]
    [[report]]
    name = "top-cities"
    table = "top_cities_hourly"
    top = { count = 3, of = "city", by = ["day", "hour"] }
"#;

/// Counts what is in the topic now; without `until_end` it would go on until `stop` is set.
pub fn count(brokers: &str, topic: &str, database_url: &str) -> Result<()> {
    let (model, stop) = (Arc::new(Model::parse(REPORTS, "embedded.rs")?), Arc::new(AtomicBool::new(false)));
    Pipeline::new(model, brokers, topic, database_url)?.workers(2).until_end(true).run(stop)
}

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [brokers, topic, database_url] = &arguments[..] else { return Err(anyhow!("BROKERS TOPIC DATABASE_URL")) };
    count(brokers, topic, database_url)
}
