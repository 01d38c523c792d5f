//! Reports that a user adds to the six, under kills and changing numbers of workers: as Postgres itself counts the raw events.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use dataflows::Model;
use rand::RngExt;
use rand::seq::IndexedRandom;
use tempfile::NamedTempFile;

use crate::support::cases::WRITTEN;
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{choices, times};
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

/// A seventh report, of three fields and with a filter; an eighth, a ranking by hour; and what is ranked there.
const FURTHER: &str = r#"
[fields.campaign]
path = "current_url"
kind = "query"
parameter = "utm_campaign"

[[report]]
name = "cart-hours"
table = "carts_hourly"
by = ["day", "hour", "country", "product_id", "campaign"]
where = { collection = "add_to_cart_action" }

[[report]]
name = "top-campaigns"
table = "top_campaigns_hourly"
top = { count = 2, of = "campaign", by = ["day", "hour"] }

[[report]]
table = "campaign_views_hourly"
by = ["day", "hour", "campaign"]
"#;

/// What each table must hold, by the raw events alone.
const COUNTED: [(&str, &str); 4] = [
    (
        "SELECT day, hour, country, product_id, campaign, views FROM carts_hourly",
        "SELECT day, hour, country, product_id, campaign, count(*) FROM event WHERE kind = 'add_to_cart_action'
            AND product_id IS NOT NULL AND campaign IS NOT NULL GROUP BY 1, 2, 3, 4, 5",
    ),
    (
        "SELECT day, hour, campaign, views FROM campaign_views_hourly",
        "SELECT day, hour, campaign, count(*) FROM event WHERE kind = 'view_product_detail' AND campaign IS NOT NULL
            GROUP BY 1, 2, 3",
    ),
    (
        "SELECT day, hour, rank, campaign, views FROM top_campaigns_hourly",
        "SELECT * FROM (SELECT day, hour, row_number() OVER (PARTITION BY day, hour ORDER BY count(*) DESC, campaign)::smallint
            AS rank, campaign, count(*) FROM event WHERE kind = 'view_product_detail' AND campaign IS NOT NULL
            GROUP BY day, hour, campaign) AS ranked WHERE rank <= 2",
    ),
    (
        "SELECT product_id, day, hour, views FROM product_views_hourly",
        "SELECT product_id, day, hour, count(*) FROM event WHERE kind = 'view_product_detail' AND product_id IS NOT NULL
            GROUP BY 1, 2, 3",
    ),
];

/// The raw events, as the queries above read them.
const RAW: &str = r#"CREATE SCHEMA raw; CREATE TABLE raw.events (event jsonb); CREATE VIEW raw.event AS
    SELECT event->>'collection' AS kind, (event->>'local_time')::timestamp::date AS day,
        extract(hour FROM (event->>'local_time')::timestamp)::smallint AS hour,
        (event->>'product_id') COLLATE "C" AS product_id,
        upper(substring(event->>'current_url' FROM 'shop\.([a-z]+)/')) COLLATE "C" AS country,
        substring(event->>'current_url' FROM 'utm_campaign=(\w+)') COLLATE "C" AS campaign
    FROM raw.events"#;

#[test]
fn two_more_reports_are_exact_through_kills() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create()?);
    let file = NamedTempFile::new()?;
    fs::write(file.path(), format!("{}{FURTHER}", Model::builtin().text))?;
    database.client.batch_execute(RAW)?;
    let reports = format!("--reports {}", file.path().display());
    let arguments = format!("{} {reports}", run_arguments(&kafka.brokers(), &topic, &database));
    for _ in 0..times(4, 100) {
        let events: Vec<_> = (0..2_000).map(|_| event(&mut choices)).collect();
        database.client.execute("INSERT INTO raw.events SELECT unnest($1::text[])::jsonb", &[&events])?;
        let record = |(at, event): (usize, &String)| Record {
            timestamp: Some(WRITTEN),
            ..Record::new((at % 4) as i32, event.as_str())
        };
        write(&kafka.brokers(), &topic, &events.iter().enumerate().map(record).collect::<Vec<_>>())?;
        let (before, workers) = (database.consumed().unwrap_or(0), choices.random_range(1..=3));
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers}"))?;
        freshet.until("it commits", TIMEOUT, || Ok(database.consumed().unwrap_or(0) > before))?;
        freshet.run_for(Duration::from_millis(choices.random_range(1..100)))?;
        freshet.kill()?;
        Freshet::run(&arguments.replacen("run", "verify", 1))?.success()?;
    }
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    for (table, counted) in COUNTED {
        let counted = counted.replace("FROM event", "FROM raw.event");
        let differing = format!(
            "SELECT count(*) FROM (({table} EXCEPT ALL {counted}) UNION ALL ({counted} EXCEPT ALL {table})) AS differing"
        );
        ensure!(database.number(&differing)? == 0, "{table} differs from the raw events");
        ensure!(database.number(&format!("SELECT count(*) FROM ({table}) AS held"))? > 0, "{table} gives no row");
    }
    Freshet::run(&arguments.replacen("run", "verify", 1))?.success()
}

/// Records that each hold some events or none, and now and then a bad one. The fields are called as SQL calls things of its own.
const BATCHES: &str = r#"
[event]
type = "kind"
views = ["view"]
time_stamp = "at"
envelope = "array"
array = "batch"

[fields]
place = { path = "page.place", kind = "id" }
number = { path = "page.number", kind = "id" }

[[report]]
name = "place-hours"
table = "place_views_hourly"
by = ["place", "day", "hour", "number"]
"#;

/// The beginning of 2020-06-05, in seconds since 1970.
const MIDNIGHT: i64 = 1_591_315_200;

#[test]
fn the_events_of_arrays_are_exact_through_kills() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 2)?, Database::create()?);
    let file = NamedTempFile::new()?;
    fs::write(file.path(), BATCHES)?;
    let reports = format!("--reports {}", file.path().display());
    let arguments = format!("{} {reports}", run_arguments(&kafka.brokers(), &topic, &database));
    // How many events count, are ignored and are rejected; and how many records have one that is rejected.
    let (mut views, mut outcomes, mut bad_records) = (BTreeMap::new(), [0_i64; 3], 0_i64);
    for _ in 0..times(3, 40) {
        let mut records = Vec::new();
        for at in 0..500 {
            let (mut batch, before) = (Vec::new(), outcomes[2]);
            for _ in 0..choices.random_range(0..6) {
                let (place, hour) = (choices.random_range(0..20), choices.random_range(0..4));
                let (kind, time) = match choices.random_range(0..20) {
                    0 => ("view", "\"yesterday\"".into()),
                    1..5 => ("click", (MIDNIGHT + hour * 3_600).to_string()),
                    _ => ("view", (MIDNIGHT + hour * 3_600).to_string()),
                };
                match (kind, time.starts_with('"')) {
                    (_, true) => outcomes[2] += 1,
                    ("click", _) => outcomes[1] += 1,
                    _ => {
                        outcomes[0] += 1;
                        *views.entry((place.to_string(), hour as i16)).or_insert(0_i64) += 1;
                    }
                }
                batch.push(format!(r#"{{"kind":"{kind}","at":{time},"page":{{"place":{place},"number":7}}}}"#));
            }
            bad_records += i64::from(outcomes[2] > before);
            records.push((at % 2, format!(r#"{{"sent":1,"batch":[{}]}}"#, batch.join(","))));
        }
        let timestamp = Some(1_591_400_000_000);
        let records: Vec<_> = records
            .iter()
            .map(|(partition, batch)| Record { timestamp, ..Record::new(*partition, batch.as_str()) })
            .collect();
        write(&kafka.brokers(), &topic, &records)?;
        let before = database.consumed().unwrap_or(0);
        let mut freshet = Freshet::start(&format!("{arguments} --workers {}", choices.random_range(1..=3)))?;
        freshet.until("it commits", TIMEOUT, || Ok(database.consumed().unwrap_or(0) > before))?;
        freshet.run_for(Duration::from_millis(choices.random_range(1..100)))?;
        freshet.kill()?;
    }
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    let held = database.client.query("SELECT place, hour, views FROM place_views_hourly", &[])?;
    let held: BTreeMap<(String, i16), i64> = held.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    ensure!(held == views, "the table differs from the events: {held:?}, not {views:?}");
    let sums =
        "SELECT sum(counted)::bigint, sum(ignored)::bigint, sum(rejected)::bigint, sum(consumed)::bigint FROM progress";
    let row = database.client.query_one(sums, &[])?;
    let found: [i64; 4] = std::array::from_fn(|at| row.get(at));
    ensure!(found[..3] == outcomes && found[3] == outcomes.iter().sum::<i64>(), "{found:?}, not {outcomes:?}");
    for table in ["(SELECT count(*) FROM rejected_records)", "(SELECT sum(records)::bigint FROM rejected_hourly)"] {
        let rejected = database.number(&format!("SELECT {table}"))?;
        ensure!(rejected == bad_records, "{table}: {rejected}, not {bad_records}");
    }
    Freshet::run(&arguments.replacen("run", "verify", 1))?.success()
}

/// Some event of the shop, with or without a product and a campaign.
fn event(choices: &mut rand::rngs::StdRng) -> String {
    let kind = ["view_product_detail", "view_product_detail", "add_to_cart_action", "checkout"];
    let kind = kind.choose(choices).unwrap_or(&"checkout");
    let country = ["de", "fr", "it"].choose(choices).unwrap_or(&"de");
    let product =
        if choices.random_bool(0.9) { format!(r#""{}""#, choices.random_range(1..30)) } else { "null".into() };
    let campaign =
        if choices.random_bool(0.8) { format!("?utm_campaign=c{}", choices.random_range(1..9)) } else { String::new() };
    let (day, hour) = (choices.random_range(1..4), choices.random_range(0..4));
    format!(
        r#"{{"collection":"{kind}","local_time":"2020-06-0{day} 0{hour}:10:00","product_id":{product},
            "current_url":"https://www.shop.{country}/ring{campaign}"}}"#
    )
}
