//! Reports that a user adds to the six, under kills and changing numbers of workers: as Postgres itself counts the raw events.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use dataflows::Model;
use rand::RngExt;
use rand::seq::IndexedRandom;
use tempfile::NamedTempFile;

use crate::support::cases::WRITTEN;
use crate::support::freshet::{Freshet, PATIENCE};
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
fn a_seventh_and_an_eighth_report_are_exact_through_kills() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create()?);
    let file = NamedTempFile::new()?;
    fs::write(file.path(), format!("{}{FURTHER}", Model::builtin().text))?;
    database.client.batch_execute(RAW)?;
    let reports = format!("--reports {}", file.path().display());
    let arguments = format!("{} {reports}", run_arguments(&kafka.brokers(), &topic, &database));
    for _ in 0..times(6, 100) {
        let events: Vec<_> = (0..2_000).map(|_| event(&mut choices)).collect();
        database.client.execute("INSERT INTO raw.events SELECT unnest($1::text[])::jsonb", &[&events])?;
        let record = |(at, event): (usize, &String)| Record {
            timestamp: Some(WRITTEN),
            ..Record::new((at % 4) as i32, event.as_str())
        };
        write(&kafka.brokers(), &topic, &events.iter().enumerate().map(record).collect::<Vec<_>>())?;
        let (before, workers) = (database.consumed().unwrap_or(0), choices.random_range(1..=3));
        let mut freshet = Freshet::start(&format!("{arguments} --workers {workers}"))?;
        freshet.until("it commits", PATIENCE, || Ok(database.consumed().unwrap_or(0) > before))?;
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
